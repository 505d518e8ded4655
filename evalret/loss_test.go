package evalret

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// TestEachStageIsNamed walks one span of evidence through the stages.
func TestEachStageIsNamed(t *testing.T) {
	chunk := func(doc string, start, end int) index.Chunk {
		return index.Chunk{Doc: text.DocID(doc), Span: text.RuneSpan{Start: start, End: end}}
	}
	ranked := func(chunks ...index.Chunk) (rs []retrieve.Ranked) {
		for _, c := range chunks {
			rs = append(rs, retrieve.Ranked{Candidate: index.Candidate{Chunk: &c}})
		}
		return rs
	}
	found := func(chunks ...index.Chunk) []metric.Place { return places(ranked(chunks...)) }
	segment := func(doc string, start, end int) pack.Context {
		return pack.Context{Segments: []pack.Segment{{Doc: text.DocID(doc), Span: text.RuneSpan{Start: start, End: end}}}}
	}
	query := labels.Query{ID: "q", Evidence: []labels.Evidence{{Doc: "a", Span: text.RuneSpan{Start: 10, End: 20}}, {Doc: "a", Span: text.RuneSpan{Start: 5, End: 5}}}}
	all, half, part, other := chunk("a", 0, 30), chunk("a", 0, 15), chunk("a", 0, 12), chunk("b", 0, 30)
	capped := pack.Context{Dropped: []pack.Drop{{Chunk: 0, Reason: pack.SourceCap}}}
	full := pack.Context{Dropped: []pack.Drop{{Chunk: 0, Reason: pack.OverBudget}}}
	child := ranked(chunk("a", 20, 30)) // delivered as its parent, which has the span
	child[0].Parent = &all
	elsewhere := chunk("a", 90, 130) // has a copy of the span at 100
	query.Evidence[0].Copies = []text.RuneSpan{{Start: 100, End: 110}}
	for _, tt := range []struct {
		name           string
		found          []metric.Place
		ranked, before []retrieve.Ranked
		packed         pack.Context
		want           Stage
	}{
		{"in the context", found(all), ranked(all), nil, segment("a", 0, 30), Kept},
		{"half of it is enough", found(all), ranked(all), nil, segment("a", 0, 15), Kept},
		{"no leg", found(other), ranked(other), nil, segment("b", 0, 30), NotFound},
		{"a part", found(part, other), ranked(part, other), nil, segment("a", 0, 12), SplitApart},
		{"below top-k", found(all, other), ranked(other), nil, segment("b", 0, 30), Outranked},
		{"two parts, one below top-k", found(part, half), ranked(part), nil, segment("a", 0, 12), Outranked},
		{"reranked away", found(all, other), ranked(other), ranked(all), segment("b", 0, 30), Demoted},
		{"not in top-k before either", found(all, other), ranked(other), ranked(other), segment("b", 0, 30), Outranked},
		{"capped", found(all), ranked(all), nil, capped, Capped},
		{"capped as its parent", found(chunk("a", 20, 30)), child, nil, capped, Capped},
		{"no room", found(all), ranked(all), nil, full, OverBudget},
		{"a copy is in the context", found(all, elsewhere), ranked(elsewhere, all), nil, segment("a", 90, 130), Kept},
		{"a copy is below top-k", found(elsewhere, other), ranked(other), nil, segment("b", 0, 30), Outranked},
		{"there is room neither for it nor for a copy", found(elsewhere), ranked(elsewhere), nil, full, OverBudget},
		{"trimmed", found(all), ranked(all), nil, segment("a", 0, 12), OverBudget},
	} {
		s := scorer{query: query}
		if diff := cmp.Diff([]Stage{tt.want, Kept}, s.losses(tt.found, tt.ranked, tt.before, tt.packed)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
