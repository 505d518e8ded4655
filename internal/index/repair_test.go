package index

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/internal/text"
)

// crash makes every call fail from the n-th writing one on, as if the process
// had died there.
func crash(w *wire, n int) {
	w.set(func(method string, _ any) error {
		if method == "Upsert" || method == "Delete" {
			n--
		}
		if n < 0 {
			return status.Error(codes.FailedPrecondition, "power cut")
		}
		return nil
	}, nil)
}

// Put dies between each pair of its steps. Readers see the old document or the
// new one as a whole; storing it again, or Repair, clears what was left.
func TestPutInterrupted(t *testing.T) {
	old, other := document("d", "r1", "one", "two", "three"), document("e", "r1", "four")
	for _, next := range []struct {
		name string
		e    Entry
	}{
		{"new", document("n", "r1", "five", "six")},
		{"replaced", document("d", "r2", "one", "zwei")},
		{"failed", Entry{Record: Record{Doc: "d", State: Failed, Error: "broken"}}},
	} {
		for cut := 0; ; cut++ {
			w := &wire{}
			c := dial(t, Options{Interceptors: w.option()})
			g := create(t, c)
			put(t, g, old, other)
			crash(w, cut)
			err := g.PutAll(t.Context(), []Entry{next.e})
			w.set(nil, nil)
			if err == nil {
				if cut < 2 {
					t.Errorf("%s: Put made only %d writes", next.name, cut)
				}
				break
			}
			name := fmt.Sprintf("%s, cut before write %d", next.name, cut)

			// Either as before or as after.
			got, _, err := g.Text(t.Context(), next.e.Record.Doc)
			before, after := fullText(old), fullText(next.e)
			switch {
			case err == nil && (next.name == "new" && got == after || next.name != "new" && (got == before || got == after)):
			case errors.Is(err, ErrNoDocument) && next.name != "replaced":
			default:
				t.Errorf("%s: Text = %q, %v", name, got, err)
			}

			repaired, err := g.Repair(t.Context())
			if err != nil || repaired.Damaged != nil {
				t.Errorf("%s: Repair = %+v, %v", name, repaired, err)
			}
			consistent(t, name+", repaired", g)
			put(t, g, next.e)
			consistent(t, name+", stored again", g)
			got, _, err = g.Text(t.Context(), next.e.Record.Doc)
			if next.name == "failed" != errors.Is(err, ErrNoDocument) || next.name != "failed" && got != after {
				t.Errorf("%s: after storing again Text = %q, %v", name, got, err)
			}
			if got, _, err := g.Text(t.Context(), "e"); err != nil || got != fullText(other) {
				t.Errorf("%s: the other document is %q, %v", name, got, err)
			}
		}
	}
}

func TestDeleteInterrupted(t *testing.T) {
	for cut := range 2 {
		w := &wire{}
		c := dial(t, Options{Interceptors: w.option()})
		g := create(t, c)
		put(t, g, document("d", "r1", "one", "two"), document("e", "r1", "three"))
		crash(w, cut)
		if _, err := g.Delete(t.Context(), "d"); err == nil {
			t.Fatalf("Delete with %d writes succeeded", cut)
		}
		w.set(nil, nil)
		if _, _, err := g.Text(t.Context(), "d"); errors.Is(err, ErrNoDocument) != (cut > 0) {
			t.Errorf("cut before write %d: Text = %v", cut, err)
		}
		if _, err := g.Delete(t.Context(), "d"); err != nil {
			t.Fatal(err)
		}
		consistent(t, "deleted again", g)
		if got, want := stored(t, g), []string{"three"}; !slices.Equal(got, want) {
			t.Errorf("cut before write %d: stored %q, want %q", cut, got, want)
		}
	}
}

// consistent fails where chunks are stored that no record accounts for, or less.
func consistent(t *testing.T, what string, g *Generation) {
	t.Helper()
	s, err := g.Stats(t.Context())
	if err != nil || s.Hidden != 0 {
		t.Errorf("%s: Stats = %+v, %v", what, s, err)
	}
}

func TestRepair(t *testing.T) {
	c := dial(t, Options{})
	g := create(t, c)
	put(t, g, document("a", "r1", "one", "two"), document("b", "r1", "three"), document("c", "r1", "four"))
	// An old revision, a document without a record, and a missing chunk.
	for _, e := range []Entry{document("a", "r0", "zero", "null"), document("x", "r1", "orphan")} {
		if err := g.complete(&e); err != nil {
			t.Fatal(err)
		}
		var points []*qdrant.PointStruct
		for _, p := range e.Points {
			points = append(points, g.chunkPoint(p))
		}
		if err := c.upsert(t.Context(), g.chunks(), points); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.deleteIDs(t.Context(), g.chunks(), []*qdrant.PointId{qdrant.NewIDUUID(string(chunkID(c.tenant, "b", "r1", g.fingerprint, 0)))}); err != nil {
		t.Fatal(err)
	}
	if s, err := g.Stats(t.Context()); err != nil || s.Hidden != 2 {
		t.Errorf("Stats before = %+v, %v", s, err)
	}
	if _, _, err := g.Text(t.Context(), "b"); !errors.Is(err, ErrDamaged) {
		t.Errorf("Text of a damaged document = %v, want %v", err, ErrDamaged)
	}
	got, err := g.Repair(t.Context())
	if d := cmp.Diff(Repaired{Removed: 3, Damaged: []text.DocID{"b"}}, got); d != "" || err != nil {
		t.Errorf("Repair: %v (-want +got):\n%s", err, d)
	}
	if got, want := stored(t, g), []string{"four", "one", "two"}; !slices.Equal(got, want) {
		t.Errorf("stored %q, want %q", got, want)
	}
	put(t, g, document("b", "r1", "three"))
	if got, err := g.Repair(t.Context()); err != nil || got.Removed != 0 || got.Damaged != nil {
		t.Errorf("second Repair = %+v, %v", got, err)
	}
}

// Whatever writers do, a reader gets one revision as a whole.
func TestReadersNeverSeeAMixture(t *testing.T) {
	c := dial(t, Options{})
	g := create(t, c)
	versions := []Entry{
		document("d", "r1", "alpha one", "beta one", "gamma one"),
		document("d", "r2", "alpha two", "beta two"),
		document("d", "r3", "alpha three", "beta three", "gamma three", "delta three"),
	}
	whole := map[string]bool{}
	for _, v := range versions {
		whole[fullText(v)] = true
	}
	put(t, g, versions[0])
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var stop atomic.Bool
	var readers sync.WaitGroup
	var reads atomic.Int64
	for range 3 {
		readers.Go(func() {
			for !stop.Load() {
				s, r, err := g.Text(ctx, "d")
				if err != nil || !whole[s] || r.Bytes != len(s) {
					t.Errorf("Text = %q, %v", s, err)
					return
				}
				l, err := g.Legs(ctx, Search{Dense: vector("alpha"), Sparse: terms("alpha beta gamma"), Limit: 10})
				if err != nil {
					t.Errorf("Legs: %v", err)
					return
				}
				for _, c := range l.Candidates {
					if c.DenseRank == 0 && c.Dense == 0 {
						t.Errorf("candidate without a dense score: %+v", c)
					}
				}
				reads.Add(1)
			}
		})
	}
	for i := range 150 {
		if err := g.PutAll(ctx, []Entry{cloneEntry(versions[i%3])}); err != nil {
			t.Error(err)
			break
		}
	}
	stop.Store(true)
	readers.Wait()
	if reads.Load() == 0 {
		t.Error("nothing was read meanwhile")
	}
	consistent(t, "afterwards", g)
}

// cloneEntry copies what PutAll fills in.
func cloneEntry(e Entry) Entry {
	e.Points = slices.Clone(e.Points)
	return e
}

// Writers of one client take turns, so that none deletes another's chunks.
func TestConcurrentWriters(t *testing.T) {
	c := dial(t, Options{})
	g := create(t, c)
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			for j := range 10 {
				if err := g.PutAll(t.Context(), []Entry{document("d", fmt.Sprintf("r%d-%d", i, j), fmt.Sprintf("text %d", i), "more")}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	if _, _, err := g.Text(t.Context(), "d"); err != nil {
		t.Error(err)
	}
	consistent(t, "afterwards", g)
}

func TestTurnRespectsContext(t *testing.T) {
	c := dial(t, Options{})
	g := create(t, c)
	done, err := c.turn(t.Context(), g.chunks())
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.PutAll(ctx, []Entry{document("d", "r", "x")}); !errors.Is(err, context.Canceled) {
		t.Errorf("PutAll = %v, want %v", err, context.Canceled)
	}
}

func TestWriteIsRetried(t *testing.T) {
	w := &wire{}
	c := dial(t, Options{Interceptors: w.option()})
	c.retry.wait = func(context.Context, time.Duration) error { return nil }
	g := create(t, c)
	failures := 0
	w.set(func(method string, _ any) error {
		if failures++; failures%3 != 0 {
			return status.Error(codes.Unavailable, "connection refused")
		}
		return nil
	}, nil)
	e := document("d", "r", "one", "two")
	put(t, g, e)
	if s, _, err := g.Text(t.Context(), "d"); err != nil || s != fullText(e) {
		t.Errorf("Text = %q, %v", s, err)
	}
}
