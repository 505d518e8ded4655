package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/text"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// The names of the wire are those of the domain.
func TestWireNames(t *testing.T) {
	names := func(values map[int32]string, name func(int32) string) []string {
		var out []string
		for i := int32(1); int(i) < len(values); i++ {
			out = append(out, name(i))
		}
		return out
	}
	for _, tc := range []struct {
		what      string
		got, want []string
	}{
		{"drop reasons", names(ragloopv1.DropReason_name, func(i int32) string { return string(dropReason(ragloopv1.DropReason(i))) }),
			[]string{string(pack.Duplicate), string(pack.OverBudget), string(pack.SourceCap), string(pack.Apart)}},
		{"cut reasons", names(ragloopv1.CutReason_name, func(i int32) string { return string(cutReason(ragloopv1.CutReason(i))) }),
			[]string{string(pack.Focused), string(pack.Trimmed), string(pack.Unfound)}},
		{"kinds of phrases", names(ragloopv1.PhraseKind_name, func(i int32) string { return phraseKind(ragloopv1.PhraseKind(i)) }),
			[]string{retrieve.Quoted, retrieve.Identifier, retrieve.Acronym}},
	} {
		if d := cmp.Diff(tc.want, tc.got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.what, d)
		}
	}
}

func TestExplanation(t *testing.T) {
	wire := func(start, end int32) *ragloopv1.Span { return &ragloopv1.Span{Start: start, End: end} }
	span := func(start, end int) text.RuneSpan { return text.RuneSpan{Start: start, End: end} }
	resp := &ragloopv1.RetrieveResponse{
		Query: "hours in winter", BudgetTokens: 9,
		Reading: &ragloopv1.QueryReading{
			Expand: "hyde", Written: []*ragloopv1.WrittenText{{Text: "long", Cut: true}, {Text: "short"}},
			Phrases:  []*ragloopv1.QueryPhrase{{Text: "IT", Kind: ragloopv1.PhraseKind_PHRASE_KIND_ACRONYM, Holders: 2}},
			Feedback: []*ragloopv1.FeedbackChunk{{Id: "i", Document: "d", Span: wire(1, 2)}},
		},
		Candidates: []*ragloopv1.Candidate{
			{Id: "i", Document: "d", Span: wire(1, 2), Rank: 1, Score: 3, Fused: 1, Added: &ragloopv1.AddedScores{Document: 0.5, Title: 0.25, Neighbours: 1, Phrases: 0.25},
				Turn: 2, Segment: "1", Parent: wire(0, 9), Delivered: wire(0, 5), Cuts: []*ragloopv1.Cut{{Span: wire(5, 9), Reason: ragloopv1.CutReason_CUT_REASON_TRIM}}},
			{Id: "j", Document: "e", Rank: 2, Reranked: &ragloopv1.Reranked{Score: 0.5, RankBefore: 3, FinalScore: 2, Weighted: 0.75, Own: 1, Added: &ragloopv1.AddedScores{Document: 0.25}},
				Turn: 1, DropReason: ragloopv1.DropReason_DROP_REASON_DUPLICATE, DuplicateOf: "1"},
		},
		Neighbours: []*ragloopv1.NeighbourChunk{{Id: "k", Document: "d", Span: wire(9, 12), NeighbourOf: "i", DropReason: ragloopv1.DropReason_DROP_REASON_DUPLICATE, DuplicateOf: "1"}},
	}
	want := evalret.Explanation{
		Query: "and in winter?", Searched: "hours in winter", Budget: 9,
		Expand: "hyde", Written: []string{"long… (cut)", "short"},
		Phrases: []retrieve.Phrase{{Text: "IT", Kind: retrieve.Acronym, Holders: 2}}, Feedback: []metric.Place{{Doc: "d", Span: span(1, 2)}},
		Candidates: []evalret.ExplainedChunk{
			{Doc: "d", Span: span(1, 2), Rank: 1, Score: 3, Fused: 1, Added: retrieve.Added{Document: 0.5, Title: 0.25, Neighbours: 1, Phrases: 0.25}, Parent: span(0, 9),
				Fate: pack.Fate{Turn: 2, Segment: "1", Delivered: span(0, 5), Cuts: []pack.Cut{{Span: span(5, 9), Reason: pack.Trimmed}}}},
			{Doc: "e", Rank: 2, Reranked: &retrieve.Reranked{Before: 3, Score: 0.5, Final: 2, Weighted: 0.75, Own: 1, Added: retrieve.Added{Document: 0.25}},
				Fate: pack.Fate{Turn: 1, Dropped: pack.Duplicate, Duplicate: "1"}},
		},
		Beside: []evalret.ExplainedChunk{{Doc: "d", Span: span(9, 12), Rank: 1, Fate: pack.Fate{Dropped: pack.Duplicate, Duplicate: "1"}}},
	}
	if d := cmp.Diff(want, explanation("and in winter?", resp)); d != "" {
		t.Errorf("explanation (-want +got):\n%s", d)
	}
	if resp.Reading.Written[0].Text != "long" {
		t.Errorf("the response was changed: %v", resp.Reading.Written)
	}
}
