package index

import (
	"math"
	"testing"
)

func TestVectors(t *testing.T) {
	g := create(t, dial(t, Options{}))
	put(t, g, document("a.txt", "r1", "zero", "one", "two"))
	chunks, err := g.Chunks(t.Context(), "a.txt")
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.Vectors(t.Context(), []ChunkID{chunks[2].ID, chunks[0].ID, "00000000-0000-5000-8000-000000000000"})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 {
		t.Fatalf("Vectors returns %d, want the 2 that are stored", len(got))
	}
	for _, c := range []Chunk{chunks[0], chunks[2]} {
		squares := 0.0
		for _, x := range got[c.ID] {
			squares += float64(x) * float64(x)
		}
		if math.Abs(squares-1) > 1e-5 {
			t.Errorf("the vector of chunk %d has the length %v, want 1", c.Ordinal, math.Sqrt(squares))
		}
	}
	if got, err := g.Vectors(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("Vectors of none = %v, %v", got, err)
	}
}
