package report

import (
	"strings"
	"testing"

	"github.com/ragloop/ragloop/evalret"
)

func TestFlow(t *testing.T) {
	l := evalret.Losses{Spans: 100, Kept: 60, Lost: map[evalret.Stage]int{evalret.NotFound: 5, evalret.Outranked: 10, evalret.Demoted: 5, evalret.OverBudget: 20}}
	f := newFlow(&l, true)
	var gates, counts []string
	for _, g := range f.Gates {
		gates = append(gates, g.Name)
	}
	for _, s := range f.Streams {
		counts = append(counts, s.Count)
	}
	if got, want := strings.Join(gates, " "), "search rank rerank pack"; got != want {
		t.Errorf("gates %q, want %q", got, want)
	}
	// What is kept is at the top; of the losses the last stage is nearest to it.
	if got, want := strings.Join(counts, " "), "60 20 5 10 5"; got != want {
		t.Errorf("streams %q, want %q", got, want)
	}
	if !f.Streams[0].Kept || f.Streams[1].Kept {
		t.Errorf("kept: %v, %v", f.Streams[0].Kept, f.Streams[1].Kept)
	}
	if want := "Of 100 evidence spans: 60 in the context (60 %); 20 ranked, but there was no room in the context (20 %)"; !strings.HasPrefix(f.Label, want) {
		t.Errorf("label %q, want it to begin with %q", f.Label, want)
	}
	if got := newFlow(&evalret.Losses{Spans: 3, Kept: 3}, false); len(got.Gates) != 3 || len(got.Streams) != 1 || got.Height <= 0 {
		t.Errorf("without losses: %+v", got)
	}
	if got := newFlow(&evalret.Losses{Spans: 3, Lost: map[evalret.Stage]int{evalret.NoResults: 3}}, false); len(got.Streams) != 1 || got.Streams[0].Kept {
		t.Errorf("all lost: %+v", got)
	}
	if got := newFlow(&evalret.Losses{}, false); strings.Contains(got.Label, "NaN") || len(got.Streams) != 0 {
		t.Errorf("without spans: %+v", got)
	}
}
