package retrieve

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/index"
)

// TestSearchChangesNothing: the chunks and records of an index are shared by all
// searches.
func TestSearchChangesNothing(t *testing.T) {
	stored := func() *memory {
		m := library(t)
		for i := range m.points {
			m.points[i].Chunk.Heading = []string{"Part", "Section"}
			if c := &m.points[i].Chunk; c.Doc == "doc07" {
				c.ParentFirst, c.ParentLast = 1, 4
			}
		}
		return m
	}
	m, want := stored(), stored()
	r := retriever(t, m, letters{}).WithReranker(scorer(byEggs))
	r.prefix = true
	p := params(func(p *Params) { p.Neighbours, p.Rerank, p.Feedback, p.RerankWeight = 2, 4, 0.3, 0.5 })
	if _, err := r.Search(t.Context(), query+` "badge cabbage"`, p); err != nil {
		t.Fatal(err)
	}
	found, err := r.Find(t.Context(), query, p)
	if err != nil {
		t.Fatal(err)
	}
	Packable(Rank(found, p))
	points := func(m *memory) map[index.ChunkID]index.Point {
		out := map[index.ChunkID]index.Point{}
		for _, p := range m.points {
			out[p.Chunk.ID] = p
		}
		return out
	}
	if d := cmp.Diff(points(want), points(m)); d != "" {
		t.Errorf("chunks (-before +after):\n%s", d)
	}
	if d := cmp.Diff(want.rec, m.rec); d != "" {
		t.Errorf("records (-before +after):\n%s", d)
	}
}
