package runs

import (
	"errors"
	"fmt"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/stats"
)

// Answers reports whether g is about answers, which a run must have.
func (g Gate) Answers() bool {
	d, _ := g.Metric.Definition()
	return d.Level == metric.Answers
}

// Citations reports whether g is about what answers cite.
func (g Gate) Citations() bool {
	return g.Metric.Name == metric.CitationRecall || g.Metric.Name == metric.CitationPrecision
}

// checkAnswers holds the answers of a run against g. A gate on a metric that no
// answer has a value of does not hold: nothing is known.
func (g Gate) checkAnswers(run Side, baseline *Side, o Options) (GateResult, error) {
	r := GateResult{Gate: g}
	if err := run.hasAnswers(g.Metric); err != nil {
		return r, err
	}
	s, err := run.saved.Evaluation.Answers(g.Metric, evalret.GroundOptions{Seed: o.Seed, Resamples: o.Resamples})
	if err != nil {
		return r, err
	}
	x, ok := s.Value.Float()
	if !ok {
		r.Reason = fmt.Sprintf("the metric applies to no answer, of %s", many(s.NotApplicable, "query", "queries"))
		return r, nil
	}
	if !g.Relative {
		r.Passed = g.holds(x)
		r.Reason = fmt.Sprintf("the mean is %.4f over %s", x, many(s.N, "answer", "answers"))
		if s.CI95 != nil {
			r.Reason += fmt.Sprintf(" (95 %% interval %.4f to %.4f)", s.CI95[0], s.CI95[1])
		}
		r.Reason += fmt.Sprintf("; %s no value", many(s.NotApplicable, "query has", "queries have"))
		return r, nil
	}
	switch {
	case baseline == nil:
		return r, errors.New("it is about the difference from a baseline, and none is given")
	case g.Metric.Name == metric.AbstentionPrecision:
		return r, errors.New("it is a share of the queries abstained from, which are others in each run; want a gate on its value, or on abstention_recall")
	}
	if err := baseline.hasAnswers(g.Metric); err != nil {
		return r, err
	}
	c, alone, err := compareAnswers(*baseline, run, g.Metric, o)
	if err != nil {
		return r, err
	}
	if c.N == 0 {
		r.Reason = "the metric applies to no query in both runs"
		return r, nil
	}
	r = g.decide(c)
	r.Reason += fmt.Sprintf("; %s a value in one of the runs alone", many(alone, "query has", "queries have"))
	return r, nil
}

// hasAnswers returns why s has no value of a metric of answers.
func (s Side) hasAnswers(m metric.Metric) error {
	g := s.saved.Evaluation.Groundedness
	switch {
	case g == nil:
		return fmt.Errorf("%s has no answers; evaluate it with --answers FILE or --answerer", s.Name)
	case g.Run != s.Run.Name:
		return fmt.Errorf("the answers of %s were given the contexts of its run %s, not of %s", s.saved.Path, g.Run, s.Run.Name)
	}
	if m.Name == metric.CitationRecall || m.Name == metric.CitationPrecision {
		missing := 0
		for _, a := range g.PerQuery {
			switch {
			case a.Citations != nil:
				return nil
			case a.Outcome == evalret.AnswerMissing:
				missing++
			}
		}
		if missing == len(g.PerQuery) {
			return nil // there was nothing to look at
		}
		return fmt.Errorf("the citations of the answers of %s were not looked at; evaluate it with --citations, and answers whose contexts have segments", s.Name)
	}
	return nil
}

// compareAnswers compares the answers to the queries that both runs have a value of;
// alone counts those that one has. Of the runs all must be equal that [Compare]
// wants to be, and who judged.
func compareAnswers(baseline, run Side, m metric.Metric, o Options) (c stats.Comparison, alone int, err error) {
	both := Comparison{Baseline: baseline, Others: []Side{run}}
	if err := both.comparable([]metric.Metric{m}, o.Force); err != nil {
		return c, 0, err
	}
	old, now := baseline.saved.Evaluation, run.saved.Evaluation
	if a, b := old.Groundedness, now.Groundedness; a.Fingerprint != b.Fingerprint && !o.Force {
		return c, 0, fmt.Errorf("%w, they differ in: judge (%s, %s)", ErrIncomparable, a.Judge+" "+a.Fingerprint, b.Judge+" "+b.Fingerprint)
	} else if cites := m.Name == metric.CitationRecall || m.Name == metric.CitationPrecision; cites && a.Threshold != b.Threshold && !o.Force {
		return c, 0, fmt.Errorf("%w, they differ in: support threshold of citations (%v, %v)", ErrIncomparable, a.Threshold, b.Threshold)
	}
	before, err := old.AnswerValues(m)
	if err != nil {
		return c, 0, err
	}
	values := map[string]metric.Value{}
	for i, q := range old.Queries {
		values[q.ID] = before[i]
	}
	after, err := now.AnswerValues(m)
	if err != nil {
		return c, 0, err
	}
	var x, y []float64
	var queries []evalret.Query
	for i, q := range now.Queries {
		v, common := values[q.ID]
		if !common {
			continue // only where it was forced
		}
		a, has := v.Float()
		b, had := after[i].Float()
		switch {
		case has && had:
			x, y, queries = append(x, a), append(y, b), append(queries, q)
		case has || had:
			alone++
		}
	}
	if len(x) == 0 {
		return c, alone, nil
	}
	clusters, _ := evalret.Clusters(queries)
	return stats.Compare(x, y, stats.Options{Seed: o.Seed, Resamples: o.Resamples, Clusters: clusters}), alone, nil
}
