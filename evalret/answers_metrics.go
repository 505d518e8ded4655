package evalret

import (
	"fmt"

	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/stats"
)

// Answers returns the mean of a metric of answers over those that have a value, with
// its interval, clustered by source document where queries share one. Only the seed
// and the resamples of o count. Errors as those of [Evaluation.AnswerValues].
func (e Evaluation) Answers(m metric.Metric, o GroundOptions) (Summary, error) {
	if _, err := e.AnswerValues(m); err != nil {
		return Summary{}, err
	}
	return e.Groundedness.mean(e.Queries, m, o), nil
}

// AnswerValues returns the values of a metric of answers, in the order of the
// queries. It is an error where there are no answers, or m is no such metric.
func (e Evaluation) AnswerValues(m metric.Metric) ([]metric.Value, error) {
	d, ok := m.Definition()
	switch {
	case !ok || d.Level != metric.Answers:
		return nil, fmt.Errorf("%s is no metric of answers", m)
	case e.Groundedness == nil || len(e.Groundedness.PerQuery) != len(e.Queries):
		return nil, fmt.Errorf("%s is about answers, and there are none", m)
	}
	out := make([]metric.Value, len(e.Queries))
	for i, a := range e.Groundedness.PerQuery {
		out[i] = a.value(m, e.Queries[i].Unanswerable)
	}
	return out, nil
}

// value returns the value of a metric of answers.
func (a AnswerResult) value(m metric.Metric, unanswerable bool) metric.Value {
	switch m.Name {
	case metric.Groundedness:
		return a.Support.Rounded()
	case metric.GroundednessWorst:
		return a.Worst.Rounded()
	case metric.Unsupported:
		return a.unsupported(m)
	case metric.CitationRecall, metric.CitationPrecision:
		switch {
		case a.Outcome == AnswerMissing:
			return metric.NoValue(a.Missing)
		case a.Citations == nil:
			return metric.NoValue("its citations were not looked at")
		case m.Name == metric.CitationRecall:
			return a.Citations.Recall()
		}
		return a.Citations.Precision()
	}
	// One query is a 2x2 of itself: the mean over queries is the share of all.
	var own metric.Abstention
	if a.Outcome == AnswerMissing {
		return metric.NoValue(a.Missing)
	}
	own.Add(!unanswerable, a.Outcome == ground.Abstained.String())
	if m.Name == metric.AbstentionPrecision {
		return own.Precision()
	}
	return own.Recall()
}

// unsupported returns the share of a's judged claims with too little support.
func (a AnswerResult) unsupported(m metric.Metric) metric.Value {
	if a.Support.State() != metric.Number {
		return a.Support
	}
	judged, below := 0, 0
	for _, s := range a.Sentences {
		if s.Support != nil {
			judged++
			if *s.Support < m.Support() {
				below++
			}
		}
	}
	if judged == 0 {
		return metric.NoValue("its sentences were not kept")
	}
	return metric.Of(float64(below) / float64(judged))
}

// mean summarises a metric over the answers that have a value.
func (g *Groundedness) mean(queries []Query, m metric.Metric, o GroundOptions) Summary {
	var x []float64
	var from []Query
	s := Summary{Reasons: map[string]int{}}
	for i, a := range g.PerQuery {
		v := a.value(m, queries[i].Unanswerable)
		if n, ok := v.Float(); ok {
			x, from = append(x, n), append(from, queries[i])
			continue
		}
		s.NotApplicable++
		s.Reasons[short(v.Reason())]++
	}
	if len(s.Reasons) == 0 {
		s.Reasons = nil
	}
	s.N = len(x)
	if len(x) == 0 {
		s.Value = metric.NoValue("no answer has a value")
		return s
	}
	clusters, _ := Clusters(from)
	estimate := stats.Bounded
	if d, _ := m.Definition(); d.Proportion {
		estimate = stats.Proportion
	}
	est := estimate(x, stats.Options{Seed: o.Seed, Resamples: o.Resamples, Clusters: clusters})
	s.Value = metric.Of(est.Mean)
	s.CI95 = &[2]float64{metric.Round(est.CI.Lo), metric.Round(est.CI.Hi)}
	return s
}
