package runs

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/stats"
)

// Gate is a condition on one metric of a run:
//
//	nDCG@10>=0.70                the mean is at least 0.70
//	redundancy@5<=0.1            the mean is at most 0.1
//	evidence_recall@1024t>-0.02  non-inferior to the baseline by a margin of 0.02: the
//	                             lower end of the 95 % interval of the difference lies
//	                             above -0.02
//	evidence_recall@1024t>+0     better than the baseline: it lies above 0
//	redundancy@5<+0.02           the upper end lies below 0.02
//	groundedness>-0.02           the same of answers, over the queries that both have a
//	                             scored answer to
//
// A number with a sign is a difference from the baseline, one without is a
// value. A gate on a difference needs stats.MinVerdict independent queries;
// with fewer it fails, since nothing is known.
type Gate struct {
	Metric   metric.Metric
	Below    bool // the value must lie below Bound, not above it
	Strict   bool // equality is not enough
	Relative bool // Bound is a difference from the baseline
	Bound    float64
}

// ParseGate reads a gate. White space around its parts is ignored.
func ParseGate(s string) (Gate, error) {
	g, err := parseGate(s)
	if err != nil {
		return Gate{}, fmt.Errorf("parse gate %q: %w; want METRIC>=VALUE, METRIC<=VALUE or, against a baseline, METRIC>-MARGIN, METRIC<+MARGIN", s, err)
	}
	return g, nil
}

func parseGate(s string) (Gate, error) {
	i := strings.IndexAny(s, "<>")
	if i < 0 {
		return Gate{}, errors.New("it has no > or <")
	}
	g := Gate{Below: s[i] == '<', Strict: true}
	bound := s[i+1:]
	if after, ok := strings.CutPrefix(bound, "="); ok {
		g.Strict, bound = false, after
	}
	m, err := metric.Parse(strings.TrimSpace(s[:i]))
	if err != nil {
		return Gate{}, err
	}
	g.Metric = m
	bound = strings.TrimSpace(bound)
	g.Relative = strings.HasPrefix(bound, "+") || strings.HasPrefix(bound, "-")
	g.Bound, err = strconv.ParseFloat(bound, 64)
	if err != nil || math.IsNaN(g.Bound) || math.Abs(g.Bound) > 1 {
		return Gate{}, fmt.Errorf("the bound is %q, want a number from -1 to 1", bound)
	}
	g.Bound += 0 // -0 is 0
	if d, _ := m.Definition(); g.Relative && (d.Better == metric.Higher && g.Below || d.Better == metric.Lower && !g.Below) {
		return Gate{}, errors.New("it would ask for a metric to get worse")
	}
	return g, nil
}

// String returns g in the form that [ParseGate] reads.
func (g Gate) String() string {
	op := ">"
	if g.Below {
		op = "<"
	}
	if !g.Strict {
		op += "="
	}
	bound := strconv.FormatFloat(g.Bound, 'f', -1, 64)
	if g.Relative && g.Bound >= 0 {
		bound = "+" + bound
	}
	return g.Metric.String() + op + bound
}

// GateResult is what became of a gate.
type GateResult struct {
	Gate   Gate
	Passed bool
	Reason string // the numbers that decided it
	Err    error  // why it could not be decided; not nil: it has not passed, and has no reason
}

// Check holds run against gates, and returns a result of each. baseline is nil
// where there is none; a gate that needs one is then an error, as is one on a metric
// that was not computed, and one on runs that cannot be compared
// ([ErrIncomparable]). Such errors are in the results, which come with all of them
// joined: the other gates are decided all the same. o.Metrics and o.Primary are not
// used.
func Check(gates []Gate, run Side, baseline *Side, o Options) ([]GateResult, error) {
	var results []GateResult
	var undecided []error
	for _, g := range gates {
		r, err := g.check(run, baseline, o)
		if err != nil {
			r = GateResult{Gate: g, Err: err}
			undecided = append(undecided, fmt.Errorf("check the gate %s: %w", g, err))
		}
		results = append(results, r)
	}
	return results, errors.Join(undecided...)
}

func (g Gate) check(run Side, baseline *Side, o Options) (GateResult, error) {
	r := GateResult{Gate: g}
	if g.Answers() {
		return g.checkAnswers(run, baseline, o)
	}
	if !g.Relative {
		s, ok := run.Run.Metrics[g.Metric.String()]
		if !ok {
			return r, fmt.Errorf("the metric was not computed; name it in --metrics")
		}
		x, ok := s.Value.Float()
		if !ok || s.N == 0 {
			r.Reason = "the metric applies to no query"
			return r, nil
		}
		r.Passed = g.holds(x)
		r.Reason = fmt.Sprintf("the mean is %.4f over %s", x, many(s.N, "query", "queries"))
		if s.CI95 != nil {
			r.Reason += fmt.Sprintf(" (95 %% interval %.4f to %.4f)", s.CI95[0], s.CI95[1])
		}
		if s.Missing > 0 {
			r.Reason += fmt.Sprintf("; %d without results count 0", s.Missing)
		}
		return r, nil
	}
	if baseline == nil {
		return r, errors.New("it is about the difference from a baseline, and none is given")
	}
	o.Metrics, o.Primary, o.Changed = []metric.Metric{}, g.Metric, -1
	c, err := Compare(*baseline, []Side{run}, o)
	if err != nil {
		return r, err
	}
	return g.decide(c.Rows[0].Cells[0].Comparison), nil
}

// decide holds a difference from the baseline against g.
func (g Gate) decide(c stats.Comparison) GateResult {
	r := GateResult{Gate: g}
	end, which := c.CI.Lo, "lower"
	if g.Below {
		end, which = c.CI.Hi, "upper"
	}
	r.Reason = fmt.Sprintf("the difference is %+.4f over %s, the %s end of its 95 %% interval %+.4f", c.Diff, many(c.N, "query", "queries"), which, end)
	if c.Verdict() == stats.TooFew {
		r.Reason += fmt.Sprintf("; undecided: %s, at least %d are needed", many(c.Clusters, "independent query", "independent queries"), stats.MinVerdict)
		return r
	}
	r.Passed = g.holds(end)
	return r
}

// many returns n with the word for one or for several.
func many(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}

func (g Gate) holds(x float64) bool {
	switch {
	case g.Below && g.Strict:
		return x < g.Bound
	case g.Below:
		return x <= g.Bound
	case g.Strict:
		return x > g.Bound
	default:
		return x >= g.Bound
	}
}
