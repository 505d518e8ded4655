package retrieve

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ragloop/ragloop/internal/index"
)

// Methods of fusion. All put scores on one scale for each query anew, over its
// candidates: the first Params.Candidates hits of each leg. "Completed" means over
// the exact scores of all candidates in both legs; the others see only what each
// leg itself returned. A deviation is that of the population unless it says sample.
const (
	ZScore  = "zscore"  // w·z(dense) + (1-w)·z(lexical), completed; z = (x-mean)/deviation, 0 in a leg where all are equal
	MinMax  = "minmax"  // w·m(dense) + (1-w)·m(lexical), completed; m = (x-min)/(max-min), 0 in a leg where all are equal
	DBSF    = "dbsf"    // sum of (x-lo)/(hi-lo) with lo, hi = mean ∓ 3 sample deviations of the leg, not clamped, 0.5 in a leg where all are equal: Qdrant's definition
	RRF     = "rrf"     // w/(k+rank dense) + (1-w)/(k+rank lexical), rank from 1: k as in Cormack, Clarke and Büttcher (SIGIR 2009); Qdrant counts ranks from 0, its k is this one plus 1
	Dense   = "dense"   // the cosine; only what the dense leg returned
	Lexical = "lexical" // BM25 with idf to the power of Params.IDFPower; only what the lexical leg returned
)

// Fusion says how the two legs become one order. Its text form is "zscore",
// "zscore(w=0.6)", "minmax(w=0.5)", "dbsf", "rrf(k=60,w=0.5)", "dense" or
// "lexical". The zero value is not valid.
type Fusion struct {
	Method string
	Weight float64 // of the dense leg, 0..1; zscore, minmax and rrf only
	K      float64 // 0..10000; rrf only
}

// method describes a method's parameters and their defaults.
type method struct {
	name     string
	weighted bool
	ranked   bool // has k
	weight   float64
	k        float64
}

// methods in the order in which errors name them.
var methods = []method{
	{name: ZScore, weighted: true, weight: 0.6},
	{name: MinMax, weighted: true, weight: 0.5},
	{name: DBSF},
	{name: RRF, weighted: true, ranked: true, weight: 0.5, k: 60},
	{name: Dense},
	{name: Lexical},
}

const maxFusionK = 10000

func (f Fusion) method() (method, bool) {
	for _, m := range methods {
		if m.name == f.Method {
			return m, true
		}
	}
	return method{}, false
}

// ParseFusion reads the text form. Parameters that are left out have the
// defaults zscore(w=0.6), minmax(w=0.5) and rrf(k=60,w=0.5).
// The error is an [*InvalidError] that names what is allowed.
func ParseFusion(s string) (Fusion, error) {
	invalid := func(format string, args ...any) (Fusion, error) {
		return Fusion{}, &InvalidError{"fusion", fmt.Sprintf("is %q, ", s) + fmt.Sprintf(format, args...)}
	}
	name, rest, hasArgs := strings.Cut(strings.TrimSpace(s), "(")
	m, ok := Fusion{Method: name}.method()
	if !ok {
		return invalid("allowed are %s", allowedMethods())
	}
	f := Fusion{Method: name, Weight: m.weight, K: m.k}
	if !hasArgs {
		return f, nil
	}
	args, closed := strings.CutSuffix(rest, ")")
	if !closed {
		return invalid("the closing parenthesis is missing")
	}
	seen := map[string]bool{}
	for arg := range strings.SplitSeq(args, ",") {
		key, value, _ := strings.Cut(arg, "=")
		key = strings.TrimSpace(key)
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		switch {
		case key == "w" && m.weighted:
			f.Weight = v
		case key == "k" && m.ranked:
			f.K = v
		default:
			return invalid("%s has no parameter %q, allowed are %s", name, key, allowedMethods())
		}
		if err != nil || seen[key] {
			return invalid("%s needs one number for parameter %s", name, key)
		}
		seen[key] = true
	}
	if p := f.problem(); p != "" {
		return Fusion{}, &InvalidError{"fusion", p}
	}
	return f, nil
}

// String returns the text form with every parameter. ParseFusion reads it back
// to an equal value.
func (f Fusion) String() string {
	m, _ := f.method()
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	switch {
	case m.ranked:
		return f.Method + "(k=" + number(f.K) + ",w=" + number(f.Weight) + ")"
	case m.weighted:
		return f.Method + "(w=" + number(f.Weight) + ")"
	}
	return f.Method
}

// problem says what is not allowed about f, "" for nothing.
func (f Fusion) problem() string {
	m, ok := f.method()
	switch {
	case !ok:
		return fmt.Sprintf("is %q, allowed are %s", f.Method, allowedMethods())
	case m.weighted && !within(f.Weight, 0, 1):
		return fmt.Sprintf("has the weight w=%v, allowed are 0 to 1", f.Weight)
	case m.ranked && !within(f.K, 0, maxFusionK):
		return fmt.Sprintf("has k=%v, allowed are 0 to %d", f.K, maxFusionK)
	case !m.weighted && f.Weight != 0:
		return fmt.Sprintf("%s has no weight, but w=%v is set", f.Method, f.Weight)
	case !m.ranked && f.K != 0:
		return fmt.Sprintf("%s has no k, but k=%v is set", f.Method, f.K)
	}
	return ""
}

func allowedMethods() string {
	forms := make([]string, len(methods))
	for i, m := range methods {
		forms[i] = Fusion{Method: m.name, Weight: m.weight, K: m.k}.String()
	}
	return list(forms)
}

// uses returns the legs that f needs.
func (f Fusion) uses() legs {
	return legs{dense: f.Method != Lexical, lexical: f.Method != Dense}
}

// fuse returns the fused score of each candidate, in the room of dense or lexical,
// which are as long as cs. All are finite when the candidates' scores are.
//
// Products are rounded by an explicit conversion before they are added, so that
// no compiler fuses the two steps: the scores are the same bits everywhere.
func (f Fusion) fuse(cs []admitted, dense, lexical []float64) []float64 {
	for i := range cs {
		dense[i], lexical[i] = cs[i].Dense, cs[i].Lexical
	}
	switch f.Method {
	case Dense:
		return dense
	case Lexical:
		return lexical
	case ZScore:
		standardise(dense)
		standardise(lexical)
	case MinMax:
		stretch(dense)
		stretch(lexical)
	case DBSF:
		fuseDistributions(cs, dense, lexical)
		for i := range dense {
			dense[i] += lexical[i]
		}
		return dense
	case RRF:
		for i := range cs {
			dense[i], lexical[i] = reciprocal(f.K, cs[i].DenseRank), reciprocal(f.K, cs[i].LexicalRank)
		}
	}
	for i := range dense {
		dense[i] = float64(f.Weight*dense[i]) + float64((1-f.Weight)*lexical[i])
	}
	return dense
}

// standardise replaces xs by their z-scores.
func standardise(xs []float64) {
	lo, hi := bounds(xs)
	if lo == hi {
		clear(xs)
		return
	}
	mean, deviation := mean(xs), deviation(xs)
	for i, x := range xs {
		xs[i] = finite((x - mean) / deviation)
	}
}

// deviation returns the standard deviation of xs, and 1 where all are equal or
// there are none: what is to decide between equals is then in units of its own.
func deviation(xs []float64) float64 {
	lo, hi := bounds(xs)
	if lo == hi {
		return 1
	}
	return math.Sqrt(squares(xs) / float64(len(xs)))
}

// squares returns the sum of squared distances from the mean.
func squares(xs []float64) float64 {
	mean, sum := mean(xs), 0.0
	for _, x := range xs {
		sum += float64((x - mean) * (x - mean))
	}
	return sum
}

// stretch replaces xs by their positions between the smallest and the largest.
func stretch(xs []float64) {
	lo, hi := bounds(xs)
	for i, x := range xs {
		if lo == hi {
			xs[i] = 0
			continue
		}
		xs[i] = finite((x - lo) / (hi - lo))
	}
}

// fuseDistributions normalises the scores of each leg over the hits of that
// leg; who is not a hit gets 0.
func fuseDistributions(cs []admitted, dense, lexical []float64) {
	for _, leg := range []struct {
		scores []float64
		rank   func(*index.Candidate) *int
	}{{dense, denseRank}, {lexical, lexicalRank}} {
		hits := make([]float64, 0, len(cs))
		for i := range cs {
			if *leg.rank(&cs[i].Candidate) > 0 {
				hits = append(hits, leg.scores[i])
			}
		}
		lo, hi := spread(hits)
		for i := range cs {
			switch {
			case *leg.rank(&cs[i].Candidate) == 0:
				leg.scores[i] = 0
			case lo == hi:
				leg.scores[i] = 0.5
			default:
				leg.scores[i] = finite((leg.scores[i] - lo) / (hi - lo))
			}
		}
	}
}

// spread returns mean-3s and mean+3s with the sample deviation s, and twice
// the same number where there is no deviation.
func spread(xs []float64) (lo, hi float64) {
	if lo, hi = bounds(xs); lo == hi {
		return lo, hi
	}
	mean := mean(xs)
	s := math.Sqrt(squares(xs) / float64(len(xs)-1))
	return mean - float64(3*s), mean + float64(3*s)
}

func reciprocal(k float64, rank int) float64 {
	if rank == 0 {
		return 0
	}
	return 1 / (k + float64(rank))
}

// bounds returns the smallest and the largest of xs, 0 and 0 for none.
func bounds(xs []float64) (lo, hi float64) {
	if len(xs) == 0 {
		return 0, 0
	}
	lo, hi = xs[0], xs[0]
	for _, x := range xs {
		lo, hi = min(lo, x), max(hi, x)
	}
	return lo, hi
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

// finite keeps a quotient of differences so small that they vanish from
// becoming infinite or no number at all: such scores count as equal.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}
