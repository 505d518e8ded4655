package ingest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

// An embedder that breaks its contract ends the run, and nothing of the batch
// is stored.
func TestEmbedderBreaches(t *testing.T) {
	down := errors.New("model down")
	for name, breach := range map[string]func([]string, [][]float32) ([][]float32, error){
		"too few":    func(_ []string, v [][]float32) ([][]float32, error) { return v[1:], nil },
		"too many":   func(_ []string, v [][]float32) ([][]float32, error) { return append(v, v[0]), nil },
		"none":       func([]string, [][]float32) ([][]float32, error) { return nil, nil },
		"dimension":  func(_ []string, v [][]float32) ([][]float32, error) { v[0] = v[0][:7]; return v, nil },
		"NaN":        func(_ []string, v [][]float32) ([][]float32, error) { v[0][0] = float32(math.NaN()); return v, nil },
		"zero":       func(_ []string, v [][]float32) ([][]float32, error) { clear(v[0]); return v, nil },
		"with error": func(_ []string, v [][]float32) ([][]float32, error) { return v[:1], down },
	} {
		c := dial(t, index.Options{InMemory: true})
		e := &hashed{breach: breach}
		g := generation(t, c, e)
		w := worker(t, g, Options{Embedder: e, Extractor: InProcess{}})
		_, err := w.Run(t.Context(), texts("a", para("a", 3), "b", "Small."))
		if err == nil || name == "with error" && !errors.Is(err, down) {
			t.Errorf("%s: Run = %v", name, err)
		}
		if s, err := g.Stats(t.Context()); err != nil || s != (index.Stats{}) {
			t.Errorf("%s: Stats = %+v, %v", name, s, err)
		}
		if _, err := w.Put(t.Context(), Text("a", "", para("a", 3))); err == nil {
			t.Errorf("%s: Put succeeded", name)
		}
		e.breach = nil
		if s, err := w.Run(t.Context(), texts("a", para("a", 3), "b", "Small.")); err != nil || s.Indexed != 2 {
			t.Errorf("%s: afterwards %+v, %v", name, s, err)
		}
	}
}

// Power cuts before every writing call of an update; the next run ends where an
// uninterrupted one does, and nothing is lost on the way.
func TestRunInterrupted(t *testing.T) {
	before := texts("a", para("alpha", 3), "b", para("beta", 1), "c", para("gamma", 2))
	after := Documents([]Item{
		Text("a", "", para("alpha", 3)), Text("b", "New title", para("other", 4)), broken("c"), broken("e"), Text("d", "", para("delta", 2)),
	})
	options := func() Options {
		return Options{Embedder: &hashed{}, Extractor: InProcess{}, Prune: true, BatchChunks: 3}
	}
	want := ""
	for n := 0; ; n++ {
		wire := &cut{left: -1}
		c := dial(t, index.Options{InMemory: true, Interceptors: []grpc.UnaryClientInterceptor{wire.intercept}})
		g := generation(t, c, &hashed{})
		if _, err := worker(t, g, options()).Run(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			// The uninterrupted run, in another collection with the same ids.
			if _, err := worker(t, g, options()).Run(t.Context(), after); err != nil {
				t.Fatal(err)
			}
			want = dump(t, g)
			continue
		}
		wire.after(n - 1)
		_, err := worker(t, g, options()).Run(t.Context(), after)
		wire.after(-1)
		if err == nil {
			if n < 7 {
				t.Errorf("the run made only %d writes", n-1)
			}
			break
		}
		for _, doc := range []text.DocID{"a", "b", "c"} {
			if _, _, err := g.Text(t.Context(), doc); err != nil {
				t.Errorf("after a cut before write %d: %v", n, err)
			}
		}
		if _, err := worker(t, g, options()).Run(t.Context(), after); err != nil {
			t.Fatalf("after a cut before write %d: %v", n, err)
		}
		if d := cmp.Diff(want, dump(t, g)); d != "" {
			t.Errorf("after a cut before write %d (-want +got):\n%s", n, d)
		}
	}
}

// Chunks that got lost are found by the next run and stored again.
func TestRunMends(t *testing.T) {
	wire := &cut{left: -1}
	c := dial(t, index.Options{Interceptors: []grpc.UnaryClientInterceptor{wire.intercept}})
	e := &hashed{}
	g := generation(t, c, e)
	w := worker(t, g, Options{Embedder: e, Extractor: InProcess{}})
	src := texts("a", para("alpha", 4), "b", para("beta", 4))
	wire.change = func(req any) {
		if r, ok := req.(*qdrant.UpsertPoints); ok && len(r.Points) > 2 {
			r.Points = r.Points[1:] // of document a
		}
	}
	if _, err := w.Run(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	wire.change = nil
	if _, _, err := g.Text(t.Context(), "a"); !errors.Is(err, index.ErrDamaged) {
		t.Fatalf("Text with a lost chunk = %v", err)
	}
	s, err := w.Run(t.Context(), src)
	if err != nil || s.Mended != 1 || s.Replaced != 1 || s.Unchanged != 1 {
		t.Errorf("summary %+v, %v", s, err)
	}
	if got, _, err := g.Text(t.Context(), "a"); err != nil || got != para("alpha", 4) {
		t.Errorf("Text = %q, %v", got, err)
	}
	dump(t, g)
}

func TestCancel(t *testing.T) {
	for _, at := range []int{1, 2, 4} {
		c := dial(t, index.Options{InMemory: true})
		ctx, cancel := context.WithCancel(t.Context())
		e := &hashed{}
		e.breach = func(_ []string, v [][]float32) ([][]float32, error) {
			if e.calls == at {
				cancel()
			}
			return v, nil
		}
		g := generation(t, c, e)
		w := worker(t, g, Options{Embedder: e, Extractor: InProcess{}, BatchChunks: 4})
		s, err := w.Run(ctx, many(30, "x"))
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled in call %d: Run = %v", at, err)
		}
		stats, err := g.Stats(t.Context())
		if err != nil || stats.Documents < s.Indexed {
			t.Errorf("cancelled in call %d: %+v is stored, the summary says %+v, %v", at, stats, s, err)
		}
		e.embedded()
		if s, err = w.Run(t.Context(), many(30, "x")); err != nil || s.Unchanged != stats.Documents {
			t.Errorf("after cancelling in call %d: %+v, %v, want %d unchanged", at, s, err, stats.Documents)
		}
		dump(t, g)
	}
}

// While runs replace documents, every answer holds one version of each.
func TestReadersNeverSeeAMixture(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	g := generation(t, c, e)
	w := worker(t, g, Options{Embedder: e, Extractor: InProcess{}, BatchChunks: 6, Now: time.Now})
	const docs = 6
	version := func(v int) Source {
		var pairs []string
		for i := range docs {
			pairs = append(pairs, fmt.Sprint("doc", i), para(fmt.Sprintf("version%d", v), 1+(i+v)%3))
		}
		return texts(pairs...)
	}
	if _, err := w.Run(t.Context(), version(0)); err != nil {
		t.Fatal(err)
	}
	a, err := lexical.New(g.Recipe.Lexical)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stop atomic.Bool
	var reads atomic.Int64
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for !stop.Load() {
				l, err := g.Legs(ctx, index.Search{Dense: vector("q"), Sparse: a.Query("sentence about nothing"), Limit: 100})
				if err != nil {
					t.Error(err)
					return
				}
				var ids []text.DocID
				for _, c := range l.Candidates {
					ids = append(ids, c.Chunk.Doc)
				}
				records, err := g.Records(ctx, ids)
				if err != nil {
					t.Error(err)
					return
				}
				seen := map[text.DocID]string{}
				for _, c := range l.Candidates {
					if records[c.Chunk.Doc].Rev != c.Chunk.Rev {
						continue
					}
					v := c.Chunk.Text[strings.Index(c.Chunk.Text, "version"):][:8]
					if old := seen[c.Chunk.Doc]; old != "" && old != v {
						t.Errorf("%s is seen as %s and %s", c.Chunk.Doc, old, v)
					}
					seen[c.Chunk.Doc] = v
				}
				for i := range docs {
					s, _, err := g.Text(ctx, text.DocID(fmt.Sprint("doc", i)))
					if err != nil || strings.Count(s, "version") != strings.Count(s, s[strings.Index(s, "version"):][:8]) {
						t.Errorf("doc%d is %q, %v", i, s, err)
					}
				}
				reads.Add(1)
			}
		})
	}
	for v := 1; v < 15 || reads.Load() == 0 && !t.Failed(); v++ {
		if s, err := w.Run(ctx, version(v%3)); err != nil || s.Replaced != docs {
			t.Errorf("run %d: %+v, %v", v, s, err)
			break
		}
	}
	stop.Store(true)
	readers.Wait()
	dump(t, g)
}
