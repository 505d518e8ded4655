package server

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// TestExplain: every candidate, and every chunk beside one, has exactly one
// fate, and the fates are what the response says elsewhere.
func TestExplain(t *testing.T) {
	c := serve(t, realCollection(t), nil)
	ask := func(n int32, explain bool) *ragloopv1.RetrieveResponse {
		t.Helper()
		out, err := c.Retrieve(t.Context(), &ragloopv1.RetrieveRequest{
			Query: question, BudgetTokens: new(int32(100)), Explain: explain, Pack: &ragloopv1.PackOptions{Neighbours: &n},
			Search: &ragloopv1.SearchOptions{TopK: new(int32(2)), Fusion: "lexical", Candidates: new(int32(3))},
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for n := range int32(3) {
		out := ask(n, true)
		in := map[string]string{}
		beside := map[string]string{}
		for _, s := range out.Segments {
			for _, ch := range s.Chunks {
				in[ch.Id] = s.Label
				if (ch.Rank == 0) != (ch.NeighbourOf != "") {
					t.Errorf("%d neighbours: chunk of segment %s = %v", n, s.Label, ch)
				}
				if ch.NeighbourOf != "" {
					beside[ch.Id] = ch.NeighbourOf
				}
			}
		}
		offered := map[string]bool{}
		dropped := map[string]ragloopv1.DropReason{}
		for _, x := range out.Neighbours {
			offered[x.Id], dropped[x.Id] = true, x.DropReason
		}
		for _, d := range out.Dropped {
			dropped[d.Id] = d.Reason
			if d.Rank < 1 {
				t.Errorf("%d neighbours: dropped %v, want ranked chunks only", n, d)
			}
		}
		for _, x := range out.Candidates {
			if x.Segment != in[x.Id] || x.DropReason != dropped[x.Id] {
				t.Errorf("%d neighbours: candidate %v, but it is in segment %q, dropped for %v", n, x, in[x.Id], dropped[x.Id])
			}
			if a := x.Added; math.Abs(x.Fused+a.Document+a.Title+a.Neighbours+a.Phrases-x.Score) > 1e-9 {
				t.Errorf("%d neighbours: candidate %v: its score is not what it is made of", n, x)
			}
			if (x.Delivered == nil) != (x.Segment == "") || (x.Turn > 0) != (x.Rank <= 2) {
				t.Errorf("%d neighbours: candidate %v: delivered %v in turn %d", n, x, x.Delivered, x.Turn)
			}
			if fated := x.Segment != "" || x.DropReason != 0; fated != (x.Rank <= 2 || offered[x.Id]) {
				t.Errorf("%d neighbours: candidate %v of 2 that were packed", n, x)
			}
		}
		if (len(out.Neighbours) == 0) != (n == 0) {
			t.Errorf("%d neighbours: %d were offered", n, len(out.Neighbours))
		}
		for _, x := range out.Neighbours {
			ranked := slices.ContainsFunc(out.Candidates[:2], func(c *ragloopv1.Candidate) bool { return c.Id == x.NeighbourOf && c.Document == x.Document })
			if !ranked || x.Segment != in[x.Id] || (x.Segment == "") == (x.DropReason == 0) {
				t.Errorf("%d neighbours: neighbour %v, but it is in segment %q", n, x, in[x.Id])
			}
			if x.Segment != "" && beside[x.Id] != x.NeighbourOf {
				t.Errorf("%d neighbours: %v stands beside %q in its segment", n, x, beside[x.Id])
			}
		}
		if n > 0 && len(beside) == 0 {
			t.Errorf("%d neighbours: none is in the context: %v", n, out.Neighbours)
		}
		stage := slices.ContainsFunc(out.Stages, func(s *ragloopv1.StageTiming) bool { return s.Name == "neighbours" })
		if stage != (n > 0) {
			t.Errorf("%d neighbours: stages %v", n, out.Stages)
		}
	}
	with, without := ask(1, true), ask(1, false)
	if with.Context != without.Context || len(without.Neighbours)+len(without.Candidates) > 0 || without.Reading != nil {
		t.Errorf("without explain there are %d neighbours and %d candidates, or another context", len(without.Neighbours), len(without.Candidates))
	}
}

// rambling is a language model that writes too much.
type rambling struct{}

func (rambling) Variants(context.Context, string) ([]string, error) {
	return []string{"first class", strings.Repeat("é", maxWrittenRunes+1), "\x1b[31mred\xff"}, nil
}

func (rambling) Passage(context.Context, string) (string, error) { return "", nil }

// TestExplainReading: what was made of the query is told, as far as it is not too long.
func TestExplainReading(t *testing.T) {
	collection := realCollection(t)
	collection.Searcher = collection.Searcher.(*retrieve.Retriever).WithExpander(rambling{})
	c := serve(t, collection, nil)
	out, err := c.Retrieve(t.Context(), &ragloopv1.RetrieveRequest{
		Query: `"the hotels" in London, IT-2024 by IT`, Explain: true,
		Search: &ragloopv1.SearchOptions{Expand: retrieve.MultiQuery, Feedback: new(0.5)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(out.Reading.Feedback); n != 3 {
		t.Errorf("the query was moved towards %d chunks, want 3", n)
	}
	for _, f := range out.Reading.Feedback {
		if !slices.ContainsFunc(out.Candidates, func(c *ragloopv1.Candidate) bool { return c.Id == f.Id && c.Document == f.Document }) {
			t.Errorf("the query was moved towards %v, which is no candidate", f)
		}
	}
	out.Reading.Feedback = nil
	want := &ragloopv1.QueryReading{
		Expand: "multi-query",
		Written: []*ragloopv1.WrittenText{
			{Text: "first class"}, {Text: strings.Repeat("é", maxWrittenRunes), Cut: true}, {Text: "\x1b[31mred\uFFFD"},
		},
		Phrases: []*ragloopv1.QueryPhrase{
			{Text: "the hotels", Kind: ragloopv1.PhraseKind_PHRASE_KIND_QUOTED},
			{Text: "IT-2024", Kind: ragloopv1.PhraseKind_PHRASE_KIND_IDENTIFIER},
			{Text: "IT", Kind: ragloopv1.PhraseKind_PHRASE_KIND_ACRONYM},
		},
	}
	if d := cmp.Diff(want, out.Reading, protocmp.Transform()); d != "" {
		t.Errorf("reading (-want +got):\n%s", d)
	}
}

// TestExplainFates: each thing that may become of a chunk has a name on the wire.
func TestExplainFates(t *testing.T) {
	span := func(start, end int) text.RuneSpan { return text.RuneSpan{Start: start, End: end} }
	ranked := func(id index.ChunkID, start, end int) retrieve.Ranked {
		return retrieve.Ranked{
			Candidate: index.Candidate{Chunk: &index.Chunk{ID: id, Doc: "d", Rev: "r", Span: span(start, end), Text: strings.Repeat("x", end-start)}},
			Record:    &index.Record{},
		}
	}
	a, b, c := ranked("a", 0, 10), ranked("b", 20, 30), ranked("c", 22, 24)
	a.Parent = ranked("p", 0, 15).Chunk
	found := retrieve.Result{Chunks: []retrieve.Ranked{a, b, c}}
	packed := pack.Context{
		Segments: []pack.Segment{{Label: "1", Doc: "d", Rev: "r", Span: span(0, 12), Chunks: []int{0}}, {Label: "2", Doc: "d", Rev: "r", Span: span(21, 25), Chunks: []int{1}}},
		Dropped:  []pack.Drop{{Chunk: 2, Reason: pack.Duplicate}},
		Cuts:     []pack.Cut{{Chunk: 0, Span: span(12, 15), Reason: pack.Unfound}, {Chunk: 1, Span: span(20, 21), Reason: pack.Focused}, {Chunk: 1, Span: span(25, 30), Reason: pack.Trimmed}},
		Turns:    []int{1, 0, 2},
	}
	out := &ragloopv1.RetrieveResponse{}
	explain(out, found, []retrieve.Ranked{a, b, c, ranked("e", 40, 50)}, packed, retrieve.Params{})
	wire := func(start, end int32) *ragloopv1.Span { return &ragloopv1.Span{Start: start, End: end} }
	want := []*ragloopv1.Candidate{
		{Id: "a", Segment: "1", Turn: 2, Parent: wire(0, 15), Delivered: wire(0, 12), Cuts: []*ragloopv1.Cut{{Span: wire(12, 15), Reason: ragloopv1.CutReason_CUT_REASON_PARENT}}},
		{Id: "b", Segment: "2", Turn: 1, Delivered: wire(21, 25), Cuts: []*ragloopv1.Cut{
			{Span: wire(20, 21), Reason: ragloopv1.CutReason_CUT_REASON_FOCUS}, {Span: wire(25, 30), Reason: ragloopv1.CutReason_CUT_REASON_TRIM},
		}},
		{Id: "c", Turn: 3, DropReason: ragloopv1.DropReason_DROP_REASON_DUPLICATE, DuplicateOf: "2"},
		{Id: "e"},
	}
	if d := cmp.Diff(want, out.Candidates, protocmp.Transform(), protocmp.IgnoreFields(&ragloopv1.Candidate{}, "document", "span", "dense", "lexical", "added")); d != "" {
		t.Errorf("candidates (-want +got):\n%s", d)
	}
}
