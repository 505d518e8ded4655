package metric

import (
	"github.com/ragloop/ragloop/internal/text"
)

// Place is a span of a document, in code points of the document's text.
type Place struct {
	Doc  text.DocID
	Span text.RuneSpan
}

const (
	noEvidence  = "no evidence span is labelled"
	emptyLabels = "every labelled evidence span is empty"
)

// Spans computes a passage metric from what was retrieved and what is
// labelled. For a cut-off in items, retrieved is the ranking of chunks, best
// first, and only the first m.At count. For a token budget it is the segments
// of the context that was packed with that budget, and all count. Labelled
// spans that are empty are ignored. Not applicable when gold has no span; a
// metric of another level gives a failed value.
func (m Metric) Spans(retrieved, gold []Place) Value {
	d, ok := m.Definition()
	if !ok || d.Level != Passages || m.Validate() != nil {
		return Fail(m.String() + " is not a span metric")
	}
	if len(gold) == 0 {
		return NoValue(noEvidence)
	}
	if m.Unit == Items && len(retrieved) > m.At {
		retrieved = retrieved[:m.At]
	}
	u := unite(retrieved)
	if m.Name == "span_recall" {
		covered, total := 0, 0
		for doc, spans := range unite(gold) {
			total += text.Covered(spans)
			covered += text.CommonLen(u[doc], spans)
		}
		if total == 0 {
			return NoValue(emptyLabels)
		}
		return Of(float64(covered) / float64(total))
	}
	theta, spans, found := m.theta(), 0, 0
	for _, g := range gold {
		if g.Span.Len() <= 0 {
			continue
		}
		spans++
		// The slack keeps 55 of 100 code points at theta 0.55 a hit: 0.55*100 > 55 in
		// float64. Counts are whole, so it decides nothing else.
		if float64(u.covered(g))+1e-6 >= theta*float64(g.Span.Len()) {
			found++
		}
	}
	switch {
	case spans == 0:
		return NoValue(emptyLabels)
	case m.Name == "evidence_recall":
		return Of(float64(found) / float64(spans))
	case found == spans: // all_evidence
		return Of(1)
	default:
		return Of(0)
	}
}

// Coverage returns, for each gold place, how many of its code points lie in
// the union of retrieved.
func Coverage(retrieved, gold []Place) []int {
	u := unite(retrieved)
	covered := make([]int, len(gold))
	for i, g := range gold {
		covered[i] = u.covered(g)
	}
	return covered
}

// union holds, for each document, disjoint spans as [text.Union] makes them.
type union map[text.DocID][]text.RuneSpan

func unite(places []Place) union {
	u := union{}
	for _, p := range places {
		u[p.Doc] = append(u[p.Doc], p.Span)
	}
	for doc, spans := range u {
		u[doc] = text.Union(spans)
	}
	return u
}

// covered returns the number of code points of g that lie in u.
func (u union) covered(g Place) int {
	n := 0
	for _, s := range u[g.Doc] {
		n += s.Overlap(g.Span)
	}
	return n
}
