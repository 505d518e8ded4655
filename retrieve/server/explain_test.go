package server

import (
	"slices"
	"testing"

	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// TestExplain: every candidate, and every chunk beside one, has exactly one
// fate, and the fates are what the response says elsewhere.
func TestExplain(t *testing.T) {
	c := serve(t, realCollection(t), nil)
	retrieve := func(n int32, explain bool) *ragloopv1.RetrieveResponse {
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
		out := retrieve(n, true)
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
	with, without := retrieve(1, true), retrieve(1, false)
	if with.Context != without.Context || len(without.Neighbours)+len(without.Candidates) > 0 {
		t.Errorf("without explain there are %d neighbours and %d candidates, or another context", len(without.Neighbours), len(without.Candidates))
	}
}
