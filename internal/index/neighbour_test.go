package index

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNeighbours(t *testing.T) {
	g := create(t, dial(t, Options{}))
	put(t, g, document("a.txt", "r1", "zero", "one", "two", "three", "four"), document("b.txt", "r1", "other"))
	chunks, err := g.Chunks(t.Context(), "a.txt")
	if err != nil {
		t.Fatal(err)
	}
	other, err := g.Chunks(t.Context(), "b.txt")
	if err != nil {
		t.Fatal(err)
	}
	texts := func(in map[ChunkID][]*Chunk) map[ChunkID][]string {
		out := map[ChunkID][]string{}
		for id, cs := range in {
			for _, c := range cs {
				out[id] = append(out[id], c.Text)
			}
		}
		return out
	}
	child := chunks[3]
	child.ParentFirst, child.ParentLast = 2, 3
	for _, tc := range []struct {
		name   string
		chunks []Chunk
		n      int
		want   map[ChunkID][]string
	}{
		{"none asked for", chunks, 0, map[ChunkID][]string{}},
		{"no chunk", nil, 2, map[ChunkID][]string{}},
		{"a document of one chunk", other, 4, map[ChunkID][]string{}},
		{"in the middle", []Chunk{chunks[2]}, 2, map[ChunkID][]string{chunks[2].ID: {"three", "one", "four", "zero"}}},
		{"at the ends", []Chunk{chunks[4], chunks[0], chunks[4]}, 1, map[ChunkID][]string{chunks[0].ID: {"one"}, chunks[4].ID: {"three"}}},
		{"of each other", []Chunk{chunks[1], chunks[2]}, 1, map[ChunkID][]string{chunks[1].ID: {"two", "zero"}, chunks[2].ID: {"three", "one"}}},
		{"not of a parent", []Chunk{child, chunks[4]}, 1, map[ChunkID][]string{chunks[4].ID: {"three"}}},
	} {
		got, err := g.Neighbours(t.Context(), tc.chunks, tc.n)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if d := cmp.Diff(tc.want, texts(got)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, d)
		}
	}
	near, err := g.Neighbours(t.Context(), []Chunk{chunks[2]}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]*Chunk{&chunks[3], &chunks[1]}, near[chunks[2].ID]); d != "" {
		t.Errorf("neighbours are not as they were stored (-want +got):\n%s", d)
	}

	// The document is replaced after a chunk of it was read.
	put(t, g, document("a.txt", "r2", "new", "newer", "newest", "last"))
	if gone, err := g.Neighbours(t.Context(), []Chunk{chunks[2]}, 2); err != nil || len(gone) != 0 {
		t.Errorf("Neighbours in a revision that is gone = %v, %v", texts(gone), err)
	}
}
