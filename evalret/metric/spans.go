package metric

import (
	"fmt"
	"slices"

	"github.com/ragloop/ragloop/internal/text"
)

// Place is a span of a document, in code points of the document's text.
type Place struct {
	Doc  text.DocID
	Span text.RuneSpan
	// Copies, of labelled places only, are where else the document has the text of
	// Span, each as long. For recall, what is retrieved of a copy is retrieved of
	// the place: which of them is labelled is an accident, and a reader sees the
	// same. They are the content-equivalent passages of Bernstein and Zobel
	// (Redundant documents and search effectiveness, CIKM 2005), in one document:
	// the same clause of another contract answers another question.
	Copies []text.RuneSpan
}

const (
	noEvidence  = "no evidence span is labelled"
	emptyLabels = "every labelled evidence span is empty"
)

// Context is what was packed for one query with one token budget.
type Context struct {
	Places         []Place // of its segments
	Tokens         int     // of the whole context, headers and separators included
	EvidenceTokens int     // of the labelled evidence in it
}

// Contexts computes a passage metric with token budgets from what was packed
// with each of [Metric.Budgets], in that order. As [Metric.Spans] otherwise.
func (m Metric) Contexts(cs []Context, gold []Place) Value {
	switch {
	case m.Unit != Tokens || m.Validate() != nil || len(cs) != len(m.Budgets()):
		return Fail(fmt.Sprintf("%s is not a metric of %d contexts", m, len(cs)))
	case m.From == 0:
		return m.context(cs[0], gold)
	}
	recall := Metric{Name: "span_recall", Unit: Tokens}
	area := 0.0
	for i, c := range cs {
		recall.At = m.Budgets()[i]
		v := recall.context(c, gold)
		r, ok := v.Float()
		switch {
		case !ok:
			return v
		case i == 0 || i == len(cs)-1:
			r /= 2
		}
		area += r
	}
	return Of(min(1, area/float64(len(cs)-1)))
}

func (m Metric) context(c Context, gold []Place) Value {
	switch {
	case m.Name == "budget_utilisation":
		return Of(float64(c.Tokens) / float64(m.At))
	case m.Name == "evidence_density" && len(gold) == 0:
		return NoValue(noEvidence)
	case m.Name == "evidence_density":
		return share(c.EvidenceTokens, c.Tokens)
	}
	return m.Spans(c.Places, gold)
}

// Spans computes a passage metric from what was retrieved and what is
// labelled. For a cut-off in items, retrieved is the ranking of chunks, best
// first, and only the first m.At count. For a token budget it is the segments
// of the context that was packed with that budget, and all count; for
// precision_omega it is every chunk of the labelled documents. Labelled spans
// that are empty are ignored. Not applicable when gold has no span, unless the
// metric needs none; a metric of another level, or one that needs a
// [Context], gives a failed value.
func (m Metric) Spans(retrieved, gold []Place) Value {
	d, ok := m.Definition()
	if !ok || d.Level != Passages || d.Cut == RequiredTokens || d.Cut == TokenRange || m.Validate() != nil {
		return Fail(m.String() + " is not a span metric")
	}
	if len(gold) == 0 && m.Name != "redundancy" {
		return NoValue(noEvidence)
	}
	if m.Unit == Items && m.At > 0 && len(retrieved) > m.At {
		retrieved = retrieved[:m.At]
	}
	switch m.Name {
	case "evidence_recall", "all_evidence":
		return m.evidence(retrieved, gold)
	case "span_recall":
		retrieved = withCopies(retrieved, gold)
	}
	if m.Name == "precision_omega" {
		retrieved = touching(retrieved, gold)
	}
	a := measure(retrieved, gold)
	switch {
	case m.Name == "redundancy" && a.sum == 0:
		return NoValue("nothing is retrieved")
	case m.Name == "redundancy":
		return share(a.sum-a.union, a.sum)
	case a.gold == 0:
		return NoValue(emptyLabels)
	}
	switch m.Name {
	case "span_recall":
		return share(a.common, a.gold)
	case "span_precision":
		return share(a.common, a.union)
	case "span_precision_redundant":
		return share(a.common, a.sum)
	case "iou_redundant":
		return share(a.common, a.sum+a.gold-a.common)
	case "legalbench_recall":
		return share(a.hits, a.gold)
	case "legalbench_precision":
		return share(a.hits, a.sum)
	default: // iou, precision_omega
		return share(a.common, a.union+a.gold-a.common)
	}
}

// share is part/whole, 0 of nothing.
func share(part, whole int) Value {
	if whole == 0 {
		return Of(0)
	}
	return Of(float64(part) / float64(whole))
}

// evidence counts the labelled spans that are covered.
func (m Metric) evidence(retrieved, gold []Place) Value {
	u := unite(withCopies(retrieved, gold))
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
		return share(found, spans)
	case found == spans: // all_evidence
		return Of(1)
	default:
		return Of(0)
	}
}

// areas are sizes in code points.
type areas struct {
	gold   int // of the union G of the labelled spans
	union  int // of the union U of the retrieved spans
	sum    int // of the retrieved spans, repeated text counted each time
	common int // of U ∩ G
	hits   int // of the retrieved spans' parts in G, repeated text counted each time
}

func measure(retrieved, gold []Place) areas {
	var a areas
	u, g := unite(retrieved), unite(gold)
	for _, spans := range u {
		a.union += text.Covered(spans)
	}
	for doc, spans := range g {
		a.gold += text.Covered(spans)
		a.common += text.CommonLen(u[doc], spans)
	}
	for _, r := range retrieved {
		a.sum += max(r.Span.Len(), 0)
		a.hits += g.covered(r)
	}
	return a
}

// touching returns the places that share text with gold.
func touching(places, gold []Place) []Place {
	g := unite(gold)
	var touch []Place
	for _, p := range places {
		if g.covered(p) > 0 {
			touch = append(touch, p)
		}
	}
	return touch
}

// withCopies returns retrieved and, for what it has of the copies of labelled
// places, the same part of the places.
func withCopies(retrieved, gold []Place) []Place {
	out := slices.Clip(retrieved)
	for _, g := range gold {
		if len(g.Copies) == 0 {
			continue
		}
		for _, r := range retrieved {
			if r.Doc != g.Doc {
				continue
			}
			for _, c := range g.Copies {
				shift := g.Span.Start - c.Start
				if part := (text.RuneSpan{Start: max(c.Start, r.Span.Start), End: min(c.End, r.Span.End)}); part.Len() > 0 {
					out = append(out, Place{Doc: g.Doc, Span: text.RuneSpan{Start: part.Start + shift, End: part.End + shift}})
				}
			}
		}
	}
	return out
}

// Coverage returns, for each gold place, how many of its code points lie in
// the union of retrieved, there or in its copies.
func Coverage(retrieved, gold []Place) []int {
	u := unite(withCopies(retrieved, gold))
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
