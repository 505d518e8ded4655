package ingest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// outcomes returns "id outcome" of every document of p.
func (p Preview) outcomes() []string {
	var out []string
	for _, d := range p.Documents {
		out = append(out, fmt.Sprint(d.Doc, " ", d.Outcome))
	}
	return out
}

// What Look foretells is what Build does, and Look writes and extracts nothing.
func TestLook(t *testing.T) {
	wire := &cut{left: -1}
	c := dial(t, index.Options{Interceptors: []grpc.UnaryClientInterceptor{wire.intercept}})
	name := collection(t, c)
	e, x := &hashed{}, hostile()
	fsys := fstest.MapFS{
		"a.md":    {Data: []byte("# Alpha\n\nThe first document.\n")},
		"b.txt":   {Data: []byte(para("bees", 4))},
		"bad.txt": {Data: []byte("BOMB")},
	}
	src := FS(fsys, FSOptions{})
	step := func(step string, o Options, tombs []text.DocID, want ...string) {
		t.Helper()
		o.Embedder, o.Extractor = e, x
		var items []Item
		for _, id := range tombs {
			items = append(items, Item{ID: id, Deleted: true})
		}
		src := Concat(src, Documents(items))
		wire.count()
		x.asked = nil
		e.embedded()
		p, err := Look(t.Context(), c, plan(name), src, o)
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		if n := wire.count(); n != 0 || len(x.asked) != 0 || e.embedded() != 0 {
			t.Errorf("%s: Look made %d writing calls, extracted %v", step, n, x.asked)
		}
		if d := cmp.Diff(want, p.outcomes()); d != "" {
			t.Errorf("%s: (-want +got):\n%s", step, d)
		}
		var said []string
		o.OnEvent = func(e Event) {
			if e.Doc != "" {
				said = append(said, fmt.Sprint(e.Doc, " ", e.Outcome))
			}
		}
		b, err := Build(t.Context(), c, plan(name), src, o)
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		for i, w := range want { // what will fail to be extracted nobody can know before
			if strings.HasPrefix(w, "bad.txt ") && said[i] == "bad.txt quarantined" {
				said[i] = w
			}
		}
		if d := cmp.Diff(want, said); d != "" {
			t.Errorf("%s: what Build did (-want +got):\n%s", step, d)
		}
		if len(p.Vanished) != b.Summary.Vanished {
			t.Errorf("%s: %d documents vanish, the summary says %+v", step, len(p.Vanished), b.Summary)
		}
	}
	step("new", Options{}, nil, "a.md indexed", "b.txt indexed", "bad.txt indexed")
	step("unchanged", Options{}, nil, "a.md unchanged", "b.txt unchanged", "bad.txt quarantined")
	step("retried", Options{RetryFailed: true}, nil, "a.md unchanged", "b.txt unchanged", "bad.txt indexed")
	fsys["a.md"] = &fstest.MapFile{Data: []byte("# Alpha\n\nChanged.\n")}
	fsys["c.txt"] = &fstest.MapFile{Data: []byte("A third document.")}
	delete(fsys, "b.txt")
	step("changed", Options{}, nil, "a.md replaced", "bad.txt quarantined", "c.txt indexed")
	step("deleted", Options{}, []text.DocID{"never", "c.txt"}, "a.md unchanged", "bad.txt quarantined", "c.txt unchanged", "never unchanged", "c.txt failed")
	step("pruned", Options{Prune: true}, nil, "a.md unchanged", "bad.txt quarantined", "c.txt unchanged", "b.txt removed")
	delete(fsys, "c.txt")
	step("tombstone", Options{}, []text.DocID{"c.txt"}, "a.md unchanged", "bad.txt quarantined", "c.txt removed")
}

// A recipe that differs means a rebuild, of everything.
func TestLookAtAnotherRecipe(t *testing.T) {
	c := dial(t, index.Options{})
	name := collection(t, c)
	o := Options{Embedder: &hashed{}, Extractor: InProcess{}}
	src := texts("a", "One.", "b", "Two.")
	if p, err := Look(t.Context(), c, plan(name), src, o); err != nil || p.Generation != nil || p.Recipe != nil || p.Refused {
		t.Errorf("nothing there: %+v, %v", p, err)
	}
	if _, err := Build(t.Context(), c, plan(name), src, o); err != nil {
		t.Fatal(err)
	}
	other := plan(name)
	other.Chunker.SizeTokens = 32
	for _, rebuild := range []bool{false, true} {
		other.Rebuild = rebuild
		p, err := Look(t.Context(), c, other, src, o)
		if err != nil || p.Generation != nil || p.Refused == rebuild || len(p.Recipe) != 1 || p.Recipe[0] != "chunk size in tokens: stored 16, wanted 32" {
			t.Errorf("rebuild %v: %+v, %v", rebuild, p, err)
		}
		if n, _ := p.Count(Indexed); n != 2 {
			t.Errorf("rebuild %v: %d documents to index", rebuild, n)
		}
	}
	// An interrupted rebuild is compared with what it holds.
	stop := make(chan struct{})
	o.Stop, o.BatchChunks, o.OnEvent = stop, 1, func(e Event) {
		if e.Doc == "a" {
			close(stop)
		}
	}
	if _, err := Build(t.Context(), c, other, texts("a", "One.", "b", para("b", 9), "c", "Three.", "d", "Four.", "e", "Five.", "f", "Six.", "g", "Seven.", "h", "Eight."), o); !errors.Is(err, ErrInterrupted) {
		t.Fatalf("Build = %v", err)
	}
	o.Stop, o.OnEvent = nil, nil
	p, err := Look(t.Context(), c, other, texts("b", "Two."), o)
	if err != nil || !p.Resumed || p.Generation == nil || p.Generation.Number != 2 {
		t.Errorf("interrupted: %+v, %v", p, err)
	}
	if n, _ := p.Count(Removed); n == 0 {
		t.Errorf("interrupted: %v, want a removed", p.outcomes())
	}
}

// Without an index everything is new; the plan is checked all the same.
func TestLookWithoutIndex(t *testing.T) {
	odd := errors.New("permission denied")
	src := seq(func(yield func(Item, error) bool) {
		_ = yield(Text("a", "", "One."), nil) && yield(Item{ID: "odd"}, odd) && yield(Item{}, &Unlisted{"private", odd}) && yield(broken("b"), nil)
	})
	p, err := Look(t.Context(), nil, plan("docs"), src, Options{Embedder: &hashed{}, Prune: true})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a indexed", "odd failed", "b failed"}, p.outcomes()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if p.Documents[0].Bytes != 4 || !errors.Is(p.Documents[1].Err, odd) || len(p.Unlisted) != 1 {
		t.Errorf("preview %+v", p)
	}
	bad := plan("docs")
	bad.Chunker.SizeTokens = 1
	if _, err := Look(t.Context(), nil, bad, src, Options{Embedder: &hashed{}}); err == nil || !strings.Contains(err.Error(), "16 to 8192") {
		t.Errorf("Look = %v", err)
	}
	for _, src := range []Source{seq(func(yield func(Item, error) bool) { yield(Item{}, odd) }), Documents([]Item{{}})} {
		if _, err := Look(t.Context(), nil, plan("docs"), src, Options{Embedder: &hashed{}}); err == nil {
			t.Error("Look of a source that fails succeeded")
		}
	}
}

// What was lost is told, and pruning everything is refused as Build does.
func TestLookRefuses(t *testing.T) {
	c := dial(t, index.Options{})
	name := collection(t, c)
	o := Options{Embedder: &hashed{}, Extractor: InProcess{}, Prune: true}
	if _, err := Build(t.Context(), c, plan(name), texts("a", "One."), o); err != nil {
		t.Fatal(err)
	}
	if _, err := Look(t.Context(), c, plan(name), Documents(nil), o); err == nil || !strings.Contains(err.Error(), "refusing to remove all 1") {
		t.Errorf("Look = %v", err)
	}
}

// Release is RetryFailed for some documents.
func TestRelease(t *testing.T) {
	c := dial(t, index.Options{})
	e, x := &hashed{}, hostile()
	g := generation(t, c, e)
	w := worker(t, g, Options{Embedder: e, Extractor: x})
	src := Documents([]Item{Text("a", "", "Good."), Text("bad", "", "BOMB"), Text("worse", "", "LOOP"), broken("c")})
	run := func(skipped int) {
		t.Helper()
		if s, err := w.Run(t.Context(), src); err != nil || s.Failed != 3 || s.Skipped != skipped {
			t.Errorf("Run = %+v, %v, want %d skipped", s, err, skipped)
		}
	}
	release := func(pick func(index.Record) bool, want ...text.DocID) {
		t.Helper()
		docs, err := Release(t.Context(), g, pick)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, docs); d != "" {
			t.Errorf("Release (-want +got):\n%s", d)
		}
		for _, doc := range docs {
			if r, err := g.Record(t.Context(), doc); err != nil || r.State != index.Quarantined || r.Reason == "" || r.Error == "" || Quarantines(r) {
				t.Errorf("record %+v, %v", r, err)
			}
		}
	}
	all := func(index.Record) bool { return true }
	run(0)
	run(2)
	release(func(r index.Record) bool { return r.Reason == "memory" }, "bad")
	run(1)
	run(2)
	release(all, "bad", "worse")
	release(all)
	x.errs = nil
	if s, err := w.Run(t.Context(), src); err != nil || s.Indexed != 2 || s.Failed != 1 {
		t.Errorf("Run = %+v, %v", s, err)
	}
	release(all)
}
