package index

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"
)

// TestUnite compares what is found together with what a map makes of the same
// results: whatever order they come in, with ids that begin alike, that are none, and
// that a leg returns twice.
func TestUnite(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	ids := []*qdrant.PointId{qdrant.NewIDNum(7), qdrant.NewIDUUID("a"), qdrant.NewIDUUID("a\x00")}
	for i := range 40 {
		ids = append(ids, qdrant.NewIDUUID(fmt.Sprintf("%08x-%04x-5000-8000-000000000000", i/2*0x0abc0def, i)))
	}
	for range 300 {
		results := make([]*qdrant.BatchResult, 1+rng.IntN(maxLegs))
		want := map[string][maxLegs]int32{}
		for l := range results {
			r := &qdrant.BatchResult{}
			for range rng.IntN(50) {
				r.Result = append(r.Result, &qdrant.ScoredPoint{Id: ids[rng.IntN(len(ids))], Score: float32(rng.IntN(20))})
			}
			results[l] = r
			ranked := slices.Clone(r.Result)
			slices.SortStableFunc(ranked, func(a, b *qdrant.ScoredPoint) int {
				return cmp.Or(cmp.Compare(b.GetScore(), a.GetScore()), cmp.Compare(a.GetId().GetUuid(), b.GetId().GetUuid()))
			})
			for i, p := range ranked {
				ranks := want[p.GetId().GetUuid()]
				ranks[l] = int32(i + 1)
				want[p.GetId().GetUuid()] = ranks
			}
		}
		f := unite(results)
		got := map[string][maxLegs]int32{}
		for i, h := range f.hits {
			if at, ok := f.find(f.id(h)); at != i || !ok {
				t.Fatalf("find(%q) = %d, %v, want %d", f.id(h), at, ok, i)
			}
			if i > 0 && f.id(f.hits[i-1]) >= f.id(h) {
				t.Fatalf("%q stands before %q", f.id(f.hits[i-1]), f.id(h))
			}
			got[f.id(h)] = h.ranks
		}
		if d := gocmp.Diff(want, got); d != "" || len(f.all) != len(want) {
			t.Fatalf("%d candidates, ranks by id (-want +got):\n%s", len(f.all), d)
		}
		for l := range results {
			var missing []string
			for _, id := range f.missing(l) {
				missing = append(missing, id.GetUuid())
			}
			left := slices.DeleteFunc(slices.Sorted(maps.Keys(want)), func(id string) bool { return want[id][l] > 0 })
			if !slices.Equal(missing, left) {
				t.Fatalf("leg %d misses %q, want %q", l, missing, left)
			}
		}
		for _, id := range ids {
			if _, ok := want[id.GetUuid()]; !ok {
				if at, ok := f.find(id.GetUuid()); ok {
					t.Fatalf("find(%q) = %d, want none", id.GetUuid(), at)
				}
			}
		}
		f.done()
	}
}
