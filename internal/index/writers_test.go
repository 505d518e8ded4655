package index

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

// TestWritersAtOnce stores, relabels and removes the same few documents from
// several goroutines beside repairs and readers. What is left is whole, and the
// same after the store is opened again.
func TestWritersAtOnce(t *testing.T) {
	dir := t.TempDir()
	c, err := Dial(t.Context(), Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	g, err := c.Create(t.Context(), "writers", testRecipe())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Serve(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	const writers, rounds, docs = 4, 6, 6
	doc := func(n int) text.DocID { return text.DocID(fmt.Sprintf("d%d", n)) }
	version := func(n, rev int) Entry {
		var texts []string
		for i := range 1 + rev%4 {
			texts = append(texts, fmt.Sprintf("text %d of %s at %d", i, doc(n), rev))
		}
		return document(doc(n), fmt.Sprintf("r%d", rev), texts...)
	}
	var writing, reading sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for round := range rounds {
				order := r.Perm(docs)[:1+r.IntN(docs)]
				switch r.IntN(5) {
				case 0:
					if _, err := g.DeleteAll(ctx, []text.DocID{doc(order[0])}); err != nil {
						t.Error(err)
					}
				case 1:
					rec, err := g.Record(ctx, doc(order[0]))
					if err != nil {
						continue // there is none
					}
					rec.Tags, rec.InputSHA256 = []string{fmt.Sprint(w, round)}, fmt.Sprint(w, round)
					if err := g.UpdateRecords(ctx, []Record{rec}); err != nil && !errors.Is(err, ErrChanged) && !errors.Is(err, ErrNoDocument) {
						t.Error(err)
					}
				default:
					var entries []Entry
					for _, n := range order {
						entries = append(entries, version(n, r.IntN(8)))
					}
					if err := g.PutAll(ctx, entries); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	writing.Go(func() {
		for range rounds {
			if got, err := g.Repair(ctx); err != nil || got.Removed > 0 || got.Damaged != nil {
				t.Errorf("Repair among whole documents = %+v, %v", got, err)
			}
		}
	})
	done := make(chan struct{})
	for range 2 {
		reading.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				found, err := g.Legs(ctx, Search{Dense: []float32{1, 0, 0, 0}, Limit: 10})
				if err != nil {
					t.Error(err)
					return
				}
				var ids []ChunkID
				for _, f := range found.Candidates {
					ids = append(ids, f.Chunk.ID)
				}
				if _, err := g.Vectors(ctx, ids); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()

	state := func(g *Generation) map[text.DocID][]Chunk {
		out := map[text.DocID][]Chunk{}
		n := 0
		for rec, err := range g.List(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			chunks, err := g.Chunks(ctx, rec.Doc)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range chunks {
				if !slices.Equal(c.Tags, rec.Tags) {
					t.Errorf("chunk %d of %s has the tags %q, its record %q", c.Ordinal, rec.Doc, c.Tags, rec.Tags)
				}
			}
			out[rec.Doc] = chunks
			n += len(chunks)
		}
		if all := stored(t, g); len(all) != n {
			t.Errorf("%d chunks are stored, %d belong to a record: %q", len(all), n, all)
		}
		return out
	}
	before := state(g)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = dial(t, Options{DataDir: dir})
	if g, err = c.Open(ctx, g.Collection); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, state(g)); diff != "" {
		t.Errorf("opened again (-before +now):\n%s", diff)
	}
}
