package qdrantlocal

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"
)

// TestFilterMemory: conditions that are nested in each other work on sets of their
// own, and hundreds of conditions side by side on the same ones.
func TestFilterMemory(t *testing.T) {
	c := callsTo(t, OpenMemory())
	c.createHybrid("c")
	var numbers []uint64
	for n := range uint64(1000) {
		numbers = append(numbers, n)
	}
	c.upsert("c", numbers...)
	col, err := c.pointsServer.s.resolve("c")
	c.ok(err)
	r := rand.New(rand.NewPCG(9, 9))
	var nested func(depth int) *qdrant.Filter
	nested = func(depth int) *qdrant.Filter {
		f := &qdrant.Filter{}
		for _, part := range []*[]*qdrant.Condition{&f.Must, &f.Should, &f.MustNot} {
			for range r.IntN(3) {
				var ids []*qdrant.PointId
				for n := range numbers {
					if r.IntN(3) > 0 {
						ids = append(ids, qdrant.NewIDNum(uint64(n)))
					}
				}
				*part = append(*part, qdrant.NewHasID(ids...))
			}
			if depth > 0 && r.IntN(2) == 0 {
				*part = append(*part, qdrant.NewFilterAsCondition(nested(depth-1)))
			}
		}
		return f
	}
	m := &memory{}
	for i := range 100 {
		f := nested(4)
		want, err := col.selectFiltered(t.Context(), f, nil)
		c.ok(err)
		m.reset()
		got, err := col.selectFiltered(t.Context(), f, m)
		c.ok(err)
		if d := cmp.Diff(col.idsOf(want), col.idsOf(got)); d != "" {
			t.Fatalf("filter %d (-memory of its own +memory used again):\n%s", i, d)
		}
	}

	wide := &qdrant.Filter{}
	for range 256 {
		not := &qdrant.Filter{MustNot: []*qdrant.Condition{qdrant.NewMatch("doc", "doc-1"), qdrant.NewMatch("doc", "doc-2")}}
		or := &qdrant.Filter{Should: []*qdrant.Condition{qdrant.NewMatch("doc", "doc-0"), qdrant.NewMatch("doc", "doc-3")}}
		wide.Must = append(wide.Must, qdrant.NewFilterAsCondition(not), qdrant.NewFilterAsCondition(or))
	}
	m = &memory{}
	set, err := col.selectFiltered(t.Context(), wide, m)
	c.ok(err)
	if n := set.count(); n != len(numbers)/2 {
		t.Errorf("%d points pass, want %d", n, len(numbers)/2)
	}
	if room, words := cap(m.words), len(col.live); room > 8*words {
		t.Errorf("512 conditions take %d words, want no more than 8 sets of %d", room, words)
	}
}
