package labels

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

// TestSplitSharesNoDocument splits random sets and looks for what both halves
// have, and whether they have their share, also of queries without documents.
func TestSplitSharesNoDocument(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		var s Set
		for i := range 20 + rng.IntN(60) {
			q := Query{ID: fmt.Sprintf("q%d", i), Text: fmt.Sprintf("query number %d", i)}
			switch rng.IntN(5) {
			case 0:
				q.Unanswerable = true
			case 1:
				q.Docs = map[text.DocID]int{text.DocID(fmt.Sprintf("d%d", rng.IntN(40))): 1, "everywhere": 0}
			default:
				for range 1 + rng.IntN(2) {
					q.Evidence = append(q.Evidence, Evidence{Doc: text.DocID(fmt.Sprintf("d%d", rng.IntN(40))), Span: text.RuneSpan{End: 1}})
				}
			}
			s.Queries = append(s.Queries, q)
		}
		share := 0.2 + 0.6*rng.Float64()
		dev, test, err := Split(s, share, uint64(round))
		if err != nil {
			continue // everything hangs together
		}
		if len(dev.Queries)+len(test.Queries) != len(s.Queries) || len(dev.Queries) == 0 || len(test.Queries) == 0 {
			t.Fatalf("round %d: %d and %d of %d queries", round, len(dev.Queries), len(test.Queries), len(s.Queries))
		}
		for _, l := range Leaks(dev, test) {
			if l.Kind == "document" {
				t.Fatalf("round %d: %+v", round, l)
			}
		}
		largest := 0
		for _, g := range connected(s.Queries) {
			largest = max(largest, len(g))
		}
		if off := float64(len(dev.Queries)) - share*float64(len(s.Queries)); max(off, -off) > float64(largest) {
			t.Errorf("round %d: dev has %d of %d queries at share %.2f", round, len(dev.Queries), len(s.Queries), share)
		}
		bare := func(qs []Query) (n int) {
			for _, q := range qs {
				if len(q.documents()) == 0 {
					n++
				}
			}
			return n
		}
		if off := float64(bare(dev.Queries)) - share*float64(bare(s.Queries)); max(off, -off) > 1 {
			t.Errorf("round %d: dev has %d of %d queries without documents at share %.2f", round, bare(dev.Queries), bare(s.Queries), share)
		}
		again, _, err := Split(s, share, uint64(round))
		if err != nil || !slices.EqualFunc(dev.Queries, again.Queries, func(a, b Query) bool { return a.ID == b.ID }) {
			t.Fatalf("round %d: the same seed splits otherwise", round)
		}
	}
}

func TestSplitRefuses(t *testing.T) {
	one := Set{Name: "f", Queries: []Query{
		{ID: "a", Docs: map[text.DocID]int{"d": 1}}, {ID: "b", Docs: map[text.DocID]int{"d": 1, "e": 2}}, {ID: "c", Docs: map[text.DocID]int{"e": 1}},
	}}
	if _, _, err := Split(one, 0.5, 1); err == nil {
		t.Error("a set that hangs together is split")
	}
	for _, share := range []float64{0, 1, -1, 2} {
		if _, _, err := Split(one, share, 1); err == nil {
			t.Errorf("share %v is accepted", share)
		}
	}
}

func TestLeaks(t *testing.T) {
	dev := Set{Queries: []Query{
		{ID: "a", Text: "How long is the notice period?", Docs: map[text.DocID]int{"hr.md": 1}},
		{ID: "b", Text: "what does the pump cost", Docs: map[text.DocID]int{"price.md": 1}},
		{ID: "c", Text: "which colours are there", Docs: map[text.DocID]int{"x.md": 0}},
	}}
	test := Set{Queries: []Query{
		{ID: "d", Text: "how long, is the notice period", Docs: map[text.DocID]int{"other.md": 1}},
		{ID: "e", Text: "what does the pump cost today", Docs: map[text.DocID]int{"price.md": 2}},
		{ID: "f", Text: "who is in charge", Docs: map[text.DocID]int{"x.md": 1}},
	}}
	want := []Leak{
		{"query", "a", "d", "How long is the notice period?"},
		{"near_duplicate", "b", "e", `"what does the pump cost" and "what does the pump cost today" share 83 % of their words`},
		{"document", "b", "e", "price.md"},
	}
	if diff := cmp.Diff(want, Leaks(dev, test)); diff != "" {
		t.Errorf("Leaks (-want +got):\n%s", diff)
	}
	near := Set{Queries: []Query{dev.Queries[1], test.Queries[1], dev.Queries[1]}}
	if got := NearDuplicates(near); len(got) != 1 || got[0].A != "e" || got[0].B != "b" {
		t.Errorf("NearDuplicates = %+v, want e like b; equal texts are another warning", got)
	}
}
