package retrieve

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// story is an index of a document that has the answer in its middle, and of
// another one.
func story(t testing.TB) *memory {
	return build(t, map[text.DocID][]string{
		"a": {"xx zero ", "yy one ", "zz two ", "badge cabbage ", "ww four ", "vv five "},
		"b": {"badge head "},
	})
}

// nearest returns the parameters that rank two chunks and expand them.
func nearest(n int) Params {
	p := DefaultParams()
	p.TopK, p.Fusion, p.DocumentPrior, p.Neighbours = 2, Fusion{Method: Lexical}, 0, n
	return p
}

func TestNeighboursAreOffered(t *testing.T) {
	r := retriever(t, story(t), letters{})
	for n, want := range [][]string{
		nil,
		{"ww four ", "zz two "},
		{"ww four ", "zz two ", "vv five ", "yy one "},
		{"ww four ", "zz two ", "vv five ", "yy one ", "xx zero "},
	} {
		found, err := r.Search(t.Context(), "badge cabbage", nearest(n))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(found.Chunks); got != 2 || len(found.Degraded) > 0 {
			t.Fatalf("%d neighbours: %d chunks, degraded %v; want 2", n, got, found.Degraded)
		}
		chunks := Packable(found.Chunks)
		var got []string
		for i, c := range chunks {
			if c.Neighbour != (i >= 2) {
				t.Errorf("%d neighbours: chunk %d is a neighbour: %v", n, i, c.Neighbour)
			}
			if c.Neighbour {
				got = append(got, c.Text)
			}
			if c.Title != "Title of "+string(c.Doc) {
				t.Errorf("%d neighbours: title of a chunk of %s = %q", n, c.Doc, c.Title)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%d neighbours (-want +got):\n%s", n, d)
		}
		if had := slices.ContainsFunc(found.Stages, func(s Stage) bool { return s.Name == "neighbours" }); had != (n > 0) {
			t.Errorf("%d neighbours: stages %v", n, found.Stages)
		}
		packed, err := pack.Pack(chunks, runes{}, pack.Options{BudgetTokens: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if first := packed.Segments[0]; len(first.Chunks) != 1+len(want) {
			t.Errorf("%d neighbours: the first segment is %q", n, first.Text)
		}
	}
}

// Evaluation finds once for the largest number, and ranks with each.
func TestFindHasNeighbours(t *testing.T) {
	r := retriever(t, library(t), letters{})
	all := DefaultParams()
	all.TopK, all.Candidates, all.Neighbours = 10, 20, MaxNeighbours
	found, err := r.Find(t.Context(), "badge in the hedge", all)
	if err != nil {
		t.Fatal(err)
	}
	offered := 0
	for n := range MaxNeighbours + 1 {
		p := all
		p.Neighbours = n
		searched, err := r.Search(t.Context(), "badge in the hedge", p)
		if err != nil {
			t.Fatal(err)
		}
		want := Packable(searched.Chunks)
		if d := cmp.Diff(want, Packable(Rank(found, p))); d != "" {
			t.Errorf("%d neighbours: searched and ranked differ:\n%s", n, d)
		}
		if len(want)-10 < offered || n == 0 && len(want) != 10 {
			t.Errorf("%d neighbours: %d chunks offered, %d with fewer", n, len(want)-10, offered)
		}
		offered = len(want) - 10
		seen := map[string]bool{}
		for _, c := range want {
			at := fmt.Sprint(c.Doc, c.Ordinal)
			if seen[at] {
				t.Errorf("%d neighbours: chunk %d of %s is offered twice", n, c.Ordinal, c.Doc)
			}
			seen[at] = true
		}
	}
	if offered == 0 {
		t.Error("the test shows nothing: there are no neighbours")
	}
}

// A parent has no neighbours; a chunk without one may have children of a parent
// beside it.
func TestNeighboursAndParents(t *testing.T) {
	r := retriever(t, families(t), letters{})
	found, err := r.Search(t.Context(), "cabbage", nearest(2))
	if err != nil {
		t.Fatal(err)
	}
	if c := found.Chunks[0]; c.Parent == nil || len(c.Neighbours) > 0 {
		t.Errorf("a chunk with the parent %v has the neighbours %v", c.Parent, c.Neighbours)
	}
	if found, err = r.Search(t.Context(), "feed", nearest(1)); err != nil {
		t.Fatal(err)
	}
	chunks := Packable(found.Chunks)
	if last := chunks[len(chunks)-1]; !last.Neighbour || last.Text != "beach " {
		t.Errorf("beside the chunk without a parent is %+v, want the child itself", last)
	}
}

func TestNeighboursGone(t *testing.T) {
	m := story(t)
	m.torn = true
	r := retriever(t, m, letters{})
	found, err := r.Search(t.Context(), "badge cabbage", nearest(3))
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Degraded) != 1 || found.Degraded[0] != "neighbours: 5 are gone, as their documents were changed during the search" {
		t.Errorf("degraded = %q", found.Degraded)
	}
	m.torn, m.nearFail = false, errDown
	if _, err := r.Search(t.Context(), "badge", nearest(1)); !errors.Is(err, errDown) || !strings.Contains(err.Error(), "neighbours") {
		t.Errorf("Search = %v, want %v", err, errDown)
	}
	if _, err := r.Find(t.Context(), "badge", nearest(1)); !errors.Is(err, errDown) {
		t.Errorf("Find = %v, want %v", err, errDown)
	}
	if _, err := r.Search(t.Context(), "badge", nearest(0)); err != nil {
		t.Errorf("Search without neighbours = %v, want none to be read", err)
	}
}
