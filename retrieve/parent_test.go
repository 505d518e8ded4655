package retrieve

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// families is an index in which the first three chunks of a document share a
// parent and the fourth has none.
func families(t testing.TB) *memory {
	m := build(t, map[text.DocID][]string{"a": {"badge ", "cabbage ", "beach ", "feed "}, "b": {"hedge "}})
	for i := range m.points {
		if c := &m.points[i].Chunk; c.Doc == "a" && c.Ordinal < 3 {
			c.ParentLast = 2
		}
	}
	return m
}

func TestParentsAreDelivered(t *testing.T) {
	r := retriever(t, families(t), letters{})
	found, err := r.Search(t.Context(), "cabbage beach feed", DefaultParams())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for i, c := range Packable(found.Chunks) {
		got[c.Text] = string(c.Doc)
		if r := found.Chunks[i]; r.Parent != nil && (c.Found != r.Chunk.Span || !c.Span.Contains(c.Found)) || r.Parent == nil && c.Found.Len() > 0 {
			t.Errorf("of %q at %v the part %v was found, want %v", c.Text, c.Span, c.Found, r.Chunk.Span)
		}
	}
	if d := cmp.Diff(map[string]string{"badge cabbage beach ": "a", "feed ": "a", "hedge ": "b"}, got); d != "" {
		t.Errorf("delivered (-want +got):\n%s", d)
	}
	for _, c := range found.Chunks {
		if strings.Contains(c.Chunk.Text, " b") || c.Score == 0 && c.Rank == 0 {
			t.Errorf("the ranked chunk is %q, want the chunk that was found", c.Chunk.Text)
		}
	}
	packed, err := pack.Pack(Packable(found.Chunks), runes{}, pack.Options{BudgetTokens: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(packed.Text, "cabbage"); n != 1 || len(packed.Dropped) != 2 || packed.Dropped[0].Reason != pack.Duplicate {
		t.Errorf("the parent is in the context %d times, dropped: %v; want once, and the other two children dropped", n, packed.Dropped)
	}
	stages := map[string]bool{}
	for _, s := range found.Stages {
		stages[s.Name] = true
	}
	if !stages["parents"] || len(found.Degraded) > 0 {
		t.Errorf("stages %v, degraded %v", stages, found.Degraded)
	}
}

type runes struct{}

func (runes) Count(s string) int { return len([]rune(s)) }

// Evaluation ranks what was found itself, and must deliver the same.
func TestFindHasParents(t *testing.T) {
	r := retriever(t, families(t), letters{})
	found, err := r.Find(t.Context(), "cabbage beach feed", DefaultParams())
	if err != nil {
		t.Fatal(err)
	}
	searched, err := r.Search(t.Context(), "cabbage beach feed", DefaultParams())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Packable(searched.Chunks), Packable(Rank(found, DefaultParams()))); d != "" {
		t.Errorf("searched and ranked differ:\n%s", d)
	}
}

func TestParentsGone(t *testing.T) {
	m := families(t)
	m.torn = true
	found, err := retriever(t, m, letters{}).Search(t.Context(), "cabbage beach feed", DefaultParams())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Packable(found.Chunks) {
		if c.Text == "badge cabbage beach " {
			t.Errorf("a parent that is gone is delivered")
		}
	}
	if len(found.Degraded) != 1 || !strings.Contains(found.Degraded[0], "3 of 3 chunks stand for themselves") {
		t.Errorf("degraded = %q", found.Degraded)
	}
	m.torn, m.parentFail = false, errDown
	if _, err := retriever(t, m, letters{}).Find(t.Context(), "cabbage", DefaultParams()); !errors.Is(err, errDown) {
		t.Errorf("Find = %v, want %v", err, errDown)
	}
}

// Without parents nothing is read.
func TestNoParents(t *testing.T) {
	m := library(t)
	m.parentFail = errDown
	found, err := retriever(t, m, letters{}).Search(t.Context(), "cabbage", DefaultParams())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range found.Chunks {
		if c.Parent != (*index.Chunk)(nil) {
			t.Errorf("chunk %s has a parent", c.Chunk.ID)
		}
	}
}
