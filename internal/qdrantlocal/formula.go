package qdrantlocal

import (
	"math"
	"strconv"
	"strings"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// formula is a compiled score expression. It computes in float64; a result
// that is not finite is an error that names the operation.
type formula func(at formulaPoint) (float64, error)

// formulaPoint is the point that a formula is evaluated for.
type formulaPoint struct {
	c      *collection
	slot   slot
	scores []map[slot]float32 // by prefetch
}

// formulaCompiler checks expressions.
type formulaCompiler struct {
	c        *collection
	defaults map[string]*qdrant.Value
}

// rescore ranks all points of the prefetches by a formula, larger is better.
func (x execution) rescore(f *qdrant.Formula, lists [][]hit, threshold *float32, limit int) ([]hit, error) {
	fc := formulaCompiler{x.c, f.GetDefaults()}
	eval, err := fc.compile(f.GetExpression())
	if err != nil {
		return nil, err
	}
	at := formulaPoint{c: x.c, scores: make([]map[slot]float32, len(lists))}
	var all bitset
	for i, l := range lists {
		at.scores[i] = make(map[slot]float32, len(l))
		for _, h := range l {
			at.scores[i][h.slot] = h.score
			all.set(h.slot)
		}
	}
	r := ranker{c: x.c, limit: limit}
	all.each(func(s slot) bool {
		at.slot = s
		var v float64
		if v, err = eval(at); err != nil {
			return false
		}
		if score := float32(v); threshold == nil || score >= *threshold {
			r.add(hit{slot: s, score: score, version: x.c.versions[s]})
		}
		return true
	})
	return r.sorted(), err
}

func (fc formulaCompiler) compileAll(es []*qdrant.Expression) ([]formula, error) {
	out := make([]formula, len(es))
	for i, e := range es {
		f, err := fc.compile(e)
		if err != nil {
			return nil, err
		}
		out[i] = f
	}
	return out, nil
}

func (fc formulaCompiler) compile(e *qdrant.Expression) (formula, error) {
	switch v := e.GetVariant().(type) {
	case *qdrant.Expression_Constant:
		c := float64(v.Constant)
		return func(formulaPoint) (float64, error) { return c, nil }, nil
	case *qdrant.Expression_Variable:
		return fc.variable(v.Variable)
	case *qdrant.Expression_Condition:
		return fc.condition(v.Condition)
	case *qdrant.Expression_GeoDistance:
		return fc.geoDistance(v.GeoDistance)
	case *qdrant.Expression_Datetime:
		t, ok := parseDatetime(v.Datetime)
		if !ok {
			return nil, malformed("datetime: " + v.Datetime)
		}
		seconds := float64(t.UnixMicro()) / 1e6
		return func(formulaPoint) (float64, error) { return seconds, nil }, nil
	case *qdrant.Expression_DatetimeKey:
		return fc.datetimeKey(v.DatetimeKey)
	case *qdrant.Expression_Mult:
		return fc.product(v.Mult.GetMult())
	case *qdrant.Expression_Sum:
		return fc.sum(v.Sum.GetSum())
	case *qdrant.Expression_Div:
		return fc.quotient(v.Div)
	case *qdrant.Expression_Neg:
		return fc.unary(v.Neg, "-", func(x float64) float64 { return -x })
	case *qdrant.Expression_Abs:
		return fc.unary(v.Abs, "abs", math.Abs)
	case *qdrant.Expression_Sqrt:
		return fc.unary(v.Sqrt, "√", math.Sqrt)
	case *qdrant.Expression_Exp:
		return fc.unary(v.Exp, "exp", math.Exp)
	case *qdrant.Expression_Log10:
		return fc.unary(v.Log10, "log10", math.Log10)
	case *qdrant.Expression_Ln:
		return fc.unary(v.Ln, "ln", math.Log)
	case *qdrant.Expression_Pow:
		return fc.power(v.Pow)
	case *qdrant.Expression_ExpDecay:
		return fc.decay(v.ExpDecay, func(mid, scale float64) func(float64) float64 {
			l := math.Log(mid) / scale
			return func(d float64) float64 { return math.Exp(l * d) }
		})
	case *qdrant.Expression_GaussDecay:
		return fc.decay(v.GaussDecay, func(mid, scale float64) func(float64) float64 {
			l := math.Log(mid) / (scale * scale)
			return func(d float64) float64 { return math.Exp(l * d * d) }
		})
	case *qdrant.Expression_LinDecay:
		return fc.decay(v.LinDecay, func(mid, scale float64) func(float64) float64 {
			slope := (1 - mid) / scale
			return func(d float64) float64 { return max(0, 1-slope*d) }
		})
	case nil:
		return nil, status.Error(codes.InvalidArgument, "missing field: variant of a formula's expression")
	}
	return nil, unsupported("this kind of formula expression")
}

func notFinite(what string, args ...float64) error {
	parts := make([]string, len(args))
	for i, a := range args {
		parts[i] = strconv.FormatFloat(a, 'g', -1, 64)
	}
	return invalid("The expression %s(%s) produced a non-finite number", what, strings.Join(parts, ", "))
}

func finite(v float64, what string, args ...float64) (float64, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, notFinite(what, args...)
	}
	return v, nil
}

func (fc formulaCompiler) unary(e *qdrant.Expression, name string, f func(float64) float64) (formula, error) {
	arg, err := fc.compile(e)
	if err != nil {
		return nil, err
	}
	return func(at formulaPoint) (float64, error) {
		v, err := arg(at)
		if err != nil {
			return 0, err
		}
		return finite(f(v), name, v)
	}, nil
}

func (fc formulaCompiler) sum(es []*qdrant.Expression) (formula, error) {
	terms, err := fc.compileAll(es)
	if err != nil {
		return nil, err
	}
	return func(at formulaPoint) (float64, error) {
		sum := 0.0
		for _, t := range terms {
			v, err := t(at)
			if err != nil {
				return 0, err
			}
			sum += v
		}
		return finite(sum, "sum")
	}, nil
}

// product stops at the first factor that is 0.
func (fc formulaCompiler) product(es []*qdrant.Expression) (formula, error) {
	factors, err := fc.compileAll(es)
	if err != nil {
		return nil, err
	}
	return func(at formulaPoint) (float64, error) {
		product := 1.0
		for _, f := range factors {
			v, err := f(at)
			if err != nil || v == 0 {
				return 0, err
			}
			product *= v
		}
		return finite(product, "mult")
	}, nil
}

func (fc formulaCompiler) quotient(d *qdrant.DivExpression) (formula, error) {
	parts, err := fc.compileAll([]*qdrant.Expression{d.GetLeft(), d.GetRight()})
	if err != nil {
		return nil, err
	}
	return func(at formulaPoint) (float64, error) {
		left, err := parts[0](at)
		if err != nil || left == 0 {
			return 0, err
		}
		right, err := parts[1](at)
		if err != nil {
			return 0, err
		}
		if right == 0 && d.ByZeroDefault != nil {
			return float64(*d.ByZeroDefault), nil
		}
		return finite(left/right, "div", left, right)
	}, nil
}

func (fc formulaCompiler) power(p *qdrant.PowExpression) (formula, error) {
	parts, err := fc.compileAll([]*qdrant.Expression{p.GetBase(), p.GetExponent()})
	if err != nil {
		return nil, err
	}
	return func(at formulaPoint) (float64, error) {
		base, err := parts[0](at)
		if err != nil {
			return 0, err
		}
		exponent, err := parts[1](at)
		if err != nil {
			return 0, err
		}
		return finite(math.Pow(base, exponent), "pow", base, exponent)
	}, nil
}

// decay compiles a decay function of |x - target|.
func (fc formulaCompiler) decay(d *qdrant.DecayParamsExpression, shape func(midpoint, scale float64) func(float64) float64) (formula, error) {
	scale, midpoint := float64(orDefault(d.Scale, 1)), float64(orDefault(d.Midpoint, 0.5))
	if !(scale > 0) {
		return nil, invalid("Decay scale should be non-zero positive, got %v", scale)
	}
	if !(midpoint > 0 && midpoint < 1) {
		return nil, invalid("Decay midpoint should be in the range (0.0, 1.0), got %v", midpoint)
	}
	x, err := fc.compile(d.GetX())
	if err != nil {
		return nil, err
	}
	target := func(formulaPoint) (float64, error) { return 0, nil }
	if d.Target != nil {
		if target, err = fc.compile(d.Target); err != nil {
			return nil, err
		}
	}
	f := shape(midpoint, scale)
	return func(at formulaPoint) (float64, error) {
		v, err := x(at)
		if err != nil {
			return 0, err
		}
		t, err := target(at)
		if err != nil {
			return 0, err
		}
		return finite(f(math.Abs(v-t)), "decay", v, t)
	}, nil
}

func (fc formulaCompiler) condition(in *qdrant.Condition) (formula, error) {
	cond, err := compileCondition(in, fc.c, nil, nil)
	if err != nil {
		return nil, err
	}
	if cond == nil {
		return nil, status.Error(codes.InvalidArgument, "a formula's condition has no variant set")
	}
	return func(at formulaPoint) (float64, error) {
		if cond.match(at.slot, at.c.payloads[at.slot]) {
			return 1, nil
		}
		return 0, nil
	}, nil
}

// variable is "$score", "$score[i]" or a payload path.
func (fc formulaCompiler) variable(name string) (formula, error) {
	if rest, ok := strings.CutPrefix(name, "$score"); ok {
		index := 0
		if rest != "" {
			digits, closed := strings.CutSuffix(strings.TrimPrefix(rest, "["), "]")
			n, err := strconv.ParseUint(digits, 10, 31)
			if err != nil || !closed || rest[0] != '[' {
				return nil, invalid("failed to parse variable %s: invalid reserved variable", name)
			}
			index = int(n)
		}
		return fc.score(index)
	}
	if strings.HasPrefix(name, "$") {
		return nil, invalid("failed to parse variable %s: invalid reserved variable", name)
	}
	path, err := parsePath(name)
	if err != nil {
		return nil, err
	}
	return func(at formulaPoint) (float64, error) {
		v, ok := fc.value(at, path, name)
		if !ok {
			return 0, invalid("Expected number value for %s in the payload and/or in the formula defaults. Error: No value found in a payload nor defaults", name)
		}
		n, ok := number(v)
		if !ok {
			return 0, invalid("Expected number value for %s in the payload and/or in the formula defaults. Error: Value is not a number", name)
		}
		return n, nil
	}, nil
}

// score is a prefetch's score, else the default, else 0.
func (fc formulaCompiler) score(index int) (formula, error) {
	fallback := 0.0
	for _, name := range []string{"$score[" + strconv.Itoa(index) + "]", "$score"} {
		if v, ok := fc.defaults[name]; ok && (index == 0 || name != "$score") {
			n, isNumber := number(v)
			if !isNumber {
				return nil, invalid("the default of %s is not a number", name)
			}
			fallback = n
			break
		}
	}
	return func(at formulaPoint) (float64, error) {
		if index < len(at.scores) {
			if s, ok := at.scores[index][at.slot]; ok {
				return float64(s), nil
			}
		}
		return fallback, nil
	}, nil
}

// value returns the single value at path in the payload, else the default.
func (fc formulaCompiler) value(at formulaPoint, path jsonPath, name string) (*qdrant.Value, bool) {
	vs := path.values(at.c.payloads[at.slot])
	if len(vs) == 1 {
		if l, ok := vs[0].GetKind().(*qdrant.Value_ListValue); ok && len(l.ListValue.GetValues()) == 1 {
			return l.ListValue.GetValues()[0], true
		}
		if !isNull(vs[0]) {
			return vs[0], true
		}
	}
	v, ok := fc.defaults[name]
	return v, ok
}

func (fc formulaCompiler) datetimeKey(name string) (formula, error) {
	path, err := parsePath(name)
	if err != nil {
		return nil, err
	}
	return func(at formulaPoint) (float64, error) {
		v, _ := fc.value(at, path, name)
		t, ok := parseDatetime(v.GetStringValue())
		if !ok {
			return 0, invalid("Expected datetime value for %s in the payload and/or in the formula defaults", name)
		}
		return float64(t.UnixMicro()) / 1e6, nil
	}, nil
}

func (fc formulaCompiler) geoDistance(g *qdrant.GeoDistance) (formula, error) {
	if g.GetOrigin() == nil {
		return nil, status.Error(codes.InvalidArgument, "geo_distance: origin is missing")
	}
	path, err := parsePath(g.GetTo())
	if err != nil {
		return nil, err
	}
	return func(at formulaPoint) (float64, error) {
		v, _ := fc.value(at, path, g.GetTo())
		p, ok := geoValue(v)
		if !ok {
			return 0, invalid("Expected geo value for %s in the payload and/or in the formula defaults", g.GetTo())
		}
		return haversine(g.GetOrigin(), p), nil
	}, nil
}
