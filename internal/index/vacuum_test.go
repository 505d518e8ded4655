package index

import (
	"testing"

	"github.com/qdrant/go-client/qdrant"
)

// Create has the server vacuum small segments, Prepare gives that to what an older
// version made; what an operator set beside it stays.
func TestVacuum(t *testing.T) {
	w := &wire{}
	c := dial(t, Options{Interceptors: w.option()})
	g := create(t, c)
	optimizer := func() *qdrant.OptimizersConfigDiff {
		t.Helper()
		info, err := c.qc.GetCollectionInfo(t.Context(), g.chunks())
		if err != nil {
			t.Fatal(err)
		}
		return info.GetConfig().GetOptimizerConfig()
	}
	if n := optimizer().GetVacuumMinVectorNumber(); n != minVacuum {
		t.Errorf("created with a vacuum from %d vectors on, want %d", n, minVacuum)
	}
	err := c.qc.UpdateCollection(t.Context(), &qdrant.UpdateCollection{CollectionName: g.chunks(), OptimizersConfig: &qdrant.OptimizersConfigDiff{
		VacuumMinVectorNumber: qdrant.PtrOf(uint64(1000)), DeletedThreshold: qdrant.PtrOf(0.5),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{2, 1} { // describe and update, then describe alone
		w.take()
		if err := g.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		if calls, _ := w.take(); len(calls) != want {
			t.Errorf("Prepare makes the calls %q, want %d", calls, want)
		}
		if o := optimizer(); o.GetVacuumMinVectorNumber() != minVacuum || o.GetDeletedThreshold() != 0.5 {
			t.Errorf("prepared with %v, want a vacuum from %d vectors on and the threshold that was set", o, minVacuum)
		}
	}
}
