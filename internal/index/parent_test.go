package index

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// family is a document whose chunks 1 to 3 have a parent; 2 overlaps 1.
func family(rev string) Entry {
	e := document("a.txt", rev, "alpha", "gämma 日本", "日本語", "delta", "end")
	for i := 2; i < 5; i++ {
		e.Points[i].Chunk.Span.Start -= 4
		e.Points[i].Chunk.Span.End -= 4
	}
	e.Points[1].Chunk.Gap = ""
	for i := 1; i < 4; i++ {
		e.Points[i].Chunk.ParentFirst, e.Points[i].Chunk.ParentLast = 1, 3
	}
	e.Record.Bytes = len("alpha\n\ngämma 日本語\n\ndelta\n\nend\n\n")
	return e
}

func TestParents(t *testing.T) {
	c := dial(t, Options{})
	g := create(t, c)
	put(t, g, family("r1"), document("b.txt", "r1", "other"))
	chunks, err := g.Chunks(t.Context(), "a.txt")
	if err != nil {
		t.Fatal(err)
	}
	other, err := g.Chunks(t.Context(), "b.txt")
	if err != nil {
		t.Fatal(err)
	}
	parents, err := g.Parents(t.Context(), append(other, chunks...))
	if err != nil {
		t.Fatal(err)
	}
	want := chunks[1]
	want.Text, want.Span.End, want.Gap, want.PageEnd, want.Tokens = "gämma 日本語\n\ndelta", chunks[3].Span.End, "\n\n", 4, 0
	for i, ch := range chunks {
		got := parents[ch.ID]
		if i == 0 || i == 4 {
			if got != nil {
				t.Errorf("chunk %d is its own parent, got %+v", i, got)
			}
			continue
		}
		if d := cmp.Diff(&want, got); d != "" {
			t.Errorf("parent of chunk %d (-want +got):\n%s", i, d)
		}
		if got != parents[chunks[1].ID] {
			t.Errorf("chunk %d does not share its parent", i)
		}
	}
	if s, _, err := g.Text(t.Context(), "a.txt"); err != nil || !strings.Contains(s, want.Text) {
		t.Errorf("the parent's text is not in the document's: %q, %v", s, err)
	}
	if none, err := g.Parents(t.Context(), nil); err != nil || len(none) != 0 {
		t.Errorf("Parents of nothing = %v, %v", none, err)
	}

	// The document is replaced after a chunk of it was read.
	put(t, g, document("a.txt", "r2", "new"))
	if gone, err := g.Parents(t.Context(), chunks); err != nil || len(gone) != 0 {
		t.Errorf("Parents of a revision that is gone = %v, %v", gone, err)
	}
}

func TestParentWithAHole(t *testing.T) {
	g := create(t, dial(t, Options{}))
	e := family("r1")
	e.Points[2].Chunk.Gap = ""
	put(t, g, e)
	chunk := e.Points[1].Chunk
	if _, err := g.Parents(t.Context(), []Chunk{chunk}); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), string(chunk.ID)) {
		t.Errorf("Parents = %v, want %v that names the chunk", err, ErrDamaged)
	}
}

func TestPutRefusesParents(t *testing.T) {
	g := create(t, dial(t, Options{}))
	for _, tt := range [][2]int{{2, 3}, {0, 5}, {3, 1}, {-1, 3}} {
		e := family("r1")
		e.Points[1].Chunk.ParentFirst, e.Points[1].Chunk.ParentLast = tt[0], tt[1]
		if err := g.PutAll(t.Context(), []Entry{e}); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "parent") {
			t.Errorf("parent %v of chunk 1 of 5: %v, want %v", tt, err, ErrInvalid)
		}
	}
}
