package ingest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// A stop while a batch is being embedded: that batch is committed, and nothing
// after it is begun; the next run does the rest and nothing twice.
func TestStop(t *testing.T) {
	whole := dial(t, index.Options{InMemory: true})
	g := generation(t, whole, &hashed{})
	if _, err := worker(t, g, Options{Embedder: &hashed{}, Extractor: InProcess{}}).Run(t.Context(), many(40, "x")); err != nil {
		t.Fatal(err)
	}
	want := dump(t, g)
	for at := 1; at <= 5; at++ {
		c := dial(t, index.Options{InMemory: true})
		e := &hashed{}
		stop := make(chan struct{})
		e.breach = func(_ []string, v [][]float32) ([][]float32, error) {
			if e.calls == at {
				close(stop)
			}
			return v, nil
		}
		g := generation(t, c, e)
		o := Options{Embedder: e, Extractor: InProcess{}, Prune: true, BatchChunks: 8, Workers: 2, Stop: stop}
		s, err := worker(t, g, o).Run(t.Context(), many(40, "x"))
		if !errors.Is(err, ErrInterrupted) {
			t.Errorf("stopped in call %d: Run = %v", at, err)
		}
		if s.Documents == 0 || s.Documents >= 40 || s.Embedded != e.embedded() {
			t.Errorf("stopped in call %d: %+v", at, s)
		}
		// The batch in hand may be a document that needs another call.
		if e.calls > at+1 {
			t.Errorf("stopped in call %d: the embedder was called %d times", at, e.calls)
		}
		stats, err := g.Stats(t.Context())
		if err != nil || stats.Documents != s.Indexed || stats.Hidden != 0 {
			t.Errorf("stopped in call %d: %+v is stored, the summary says %+v, %v", at, stats, s, err)
		}
		o.Stop = nil
		again, err := worker(t, g, o).Run(t.Context(), many(40, "x"))
		if err != nil || again.Unchanged != s.Indexed || again.Embedded != e.embedded() {
			t.Errorf("after a stop in call %d: %+v, %v", at, again, err)
		}
		if d := cmp.Diff(want, dump(t, g)); d != "" {
			t.Errorf("after a stop in call %d (-want +got):\n%s", at, d)
		}
	}
}

// A stopped run prunes nothing: what it did not come to is not gone.
func TestStopPrunesNothing(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	g := generation(t, c, e)
	if _, err := worker(t, g, Options{Embedder: e, Extractor: InProcess{}}).Run(t.Context(), texts("a", "One.", "b", "Two.")); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	close(stop)
	w := worker(t, g, Options{Embedder: e, Extractor: InProcess{}, Prune: true, Stop: stop})
	s, err := w.Run(t.Context(), texts("a", "One."))
	if !errors.Is(err, ErrInterrupted) || s.Documents != 0 || s.Removed != 0 {
		t.Errorf("Run = %+v, %v", s, err)
	}
	if _, err := g.Record(t.Context(), "b"); err != nil {
		t.Error(err)
	}
}

// waiting is a source that waits for ever after its first document.
type waiting struct{ stop chan struct{} }

func (s waiting) Items(ctx context.Context) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		if !yield(Text("a", "", "One."), nil) {
			return
		}
		close(s.stop)
		<-ctx.Done()
		yield(Item{}, ctx.Err())
	}
}

// A source that is waiting for more is told to stop.
func TestStopReachesTheSource(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	stop := make(chan struct{})
	w := worker(t, generation(t, c, e), Options{Embedder: e, Extractor: InProcess{}, Stop: stop})
	if _, err := w.Run(t.Context(), waiting{stop}); !errors.Is(err, ErrInterrupted) {
		t.Errorf("Run = %v", err)
	}
}

// Whenever a build is stopped, readers see no collection; the next one goes on.
func TestStopBuild(t *testing.T) {
	for n := range 12 {
		c := dial(t, index.Options{InMemory: true})
		e := &hashed{}
		stop := make(chan struct{})
		listed := 0
		src := seq(func(yield func(Item, error) bool) {
			for item, err := range many(6, "x").Items(t.Context()) {
				if listed == n {
					close(stop)
				}
				listed++
				if !yield(item, err) {
					return
				}
			}
		})
		o := Options{Embedder: e, Extractor: InProcess{}, Stop: stop, Workers: 1, BatchChunks: 1}
		b, err := Build(t.Context(), c, plan("docs"), src, o)
		if err != nil && (!errors.Is(err, ErrInterrupted) || b.Served) {
			t.Errorf("stopped at document %d: %+v, %v", n, b, err)
		}
		_, openErr := c.Open(t.Context(), "docs")
		if (err == nil) != (openErr == nil) {
			t.Errorf("stopped at document %d: Build = %v, Open = %v", n, err, openErr)
		}
		if err == nil && n < 6 {
			t.Errorf("stopped at document %d while measuring: the build was completed", n)
		}
		o.Stop = nil
		if b, err = Build(t.Context(), c, plan("docs"), many(6, "x"), o); err != nil || !b.Served || b.Summary.Documents != 6 {
			t.Errorf("after a stop at document %d: %+v, %v", n, b, err)
		}
	}
}

// A document that its source says is gone goes, with or without Prune, and only
// once; ids that are listed twice follow the first.
func TestDeleted(t *testing.T) {
	wire := &cut{left: -1}
	c := dial(t, index.Options{Interceptors: []grpc.UnaryClientInterceptor{wire.intercept}})
	e := &hashed{}
	g := generation(t, c, e)
	var events []string
	w := worker(t, g, Options{Embedder: e, Extractor: InProcess{}, OnEvent: func(e Event) {
		if e.Doc != "" {
			events = append(events, fmt.Sprint(e.Doc, " ", e.Outcome))
		}
	}})
	gone := func(id text.DocID) Item { return Item{ID: id, Deleted: true} }
	run := func(items ...Item) Summary {
		t.Helper()
		events = nil
		s, err := w.Run(t.Context(), Documents(items))
		if err != nil {
			t.Fatal(err)
		}
		if s.Documents != s.Indexed+s.Replaced+s.Unchanged+s.Removed+s.Failed || s.Documents != len(events) {
			t.Errorf("the counts of %+v do not add up, events %q", s, events)
		}
		return s
	}
	run(Text("a", "", "One."), Text("b", "", "Two."), broken("c"))
	wire.count()
	if s := run(Text("a", "", "One."), gone("b"), gone("c"), gone("never")); s.Removed != 2 || s.Unchanged != 2 || s.Vanished != 0 {
		t.Errorf("summary %+v", s)
	}
	if want := []string{"a unchanged", "b removed", "c removed", "never unchanged"}; !slices.Equal(events, want) {
		t.Errorf("events %q, want %q", events, want)
	}
	if stats, err := g.Stats(t.Context()); err != nil || stats.Documents != 1 || stats.Failed != 0 || stats.Hidden != 0 {
		t.Errorf("Stats = %+v, %v", stats, err)
	}
	wire.count()
	if s := run(Text("a", "", "One."), gone("b"), gone("c"), gone("never")); s.Unchanged != 4 || wire.count() != 0 {
		t.Errorf("again: summary %+v", s)
	}
	if s := run(gone("a"), Text("a", "", "One."), Text("b", "", "Two."), gone("b")); s.Removed != 1 || s.Indexed != 1 || s.Failed != 2 {
		t.Errorf("listed twice: summary %+v", s)
	}
	if _, err := g.Record(t.Context(), "b"); err != nil {
		t.Error(err)
	}
	r, err := w.Put(t.Context(), gone("b"))
	if err != nil || r.Outcome != Removed {
		t.Errorf("Put = %+v, %v", r, err)
	}
	if r, err = w.Put(t.Context(), gone("b")); err != nil || r.Outcome != Unchanged {
		t.Errorf("second Put = %+v, %v", r, err)
	}
}

// Deleting everything is not the same as listing nothing.
func TestPruneAfterDeletions(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	w := worker(t, generation(t, c, e), Options{Embedder: e, Extractor: InProcess{}, Prune: true})
	if _, err := w.Run(t.Context(), texts("a", "One.", "b", "Two.")); err != nil {
		t.Fatal(err)
	}
	if s, err := w.Run(t.Context(), Documents([]Item{{ID: "a", Deleted: true}})); err == nil || s.Removed != 1 {
		t.Errorf("Run = %+v, %v, want a refusal to remove the rest", s, err)
	}
	if s, err := w.Run(t.Context(), Documents([]Item{{ID: "b", Deleted: true}})); err != nil || s.Removed != 1 {
		t.Errorf("Run = %+v, %v", s, err)
	}
}

// What cannot be listed stays as it was, and so does everything else that was
// not seen; a new generation without it is not served.
func TestUnlisted(t *testing.T) {
	c := dial(t, index.Options{})
	name := collection(t, c)
	o := Options{Embedder: &hashed{}, Extractor: InProcess{}, Prune: true}
	if _, err := Build(t.Context(), c, plan(name), texts("a", "One.", "b", "Two.", "private/c", "Three."), o); err != nil {
		t.Fatal(err)
	}
	denied := errors.New("permission denied")
	src := seq(func(yield func(Item, error) bool) {
		_ = yield(Text("a", "", "One."), nil) && yield(Item{}, fmt.Errorf("walk: %w", &Unlisted{"private", denied})) && yield(Text("z", "", "New."), nil)
	})
	b, err := Build(t.Context(), c, plan(name), src, o)
	s := b.Summary
	if err != nil || !b.Served || s.Unchanged != 1 || s.Indexed != 1 || s.Removed != 0 || s.Vanished != 0 {
		t.Errorf("Build = %+v, %v", b, err)
	}
	if len(s.Unlisted) != 1 || s.Unlisted[0].Name != "private" || !errors.Is(&s.Unlisted[0], denied) {
		t.Errorf("unlisted %v", s.Unlisted)
	}
	p := plan(name)
	p.Rebuild = true
	b, err = Build(t.Context(), c, p, src, o)
	if !errors.Is(err, ErrUnlisted) || !errors.Is(err, denied) || b.Served || b.Summary.Indexed != 2 {
		t.Errorf("rebuild = %+v, %v", b, err)
	}
	if n, err := c.Served(t.Context(), name); err != nil || n != 1 {
		t.Errorf("Served = %d, %v", n, err)
	}
	b, err = Build(t.Context(), c, p, texts("a", "One.", "private/c", "Three."), o)
	if err != nil || !b.Resumed || !b.Served || b.Summary.Unchanged != 1 || b.Summary.Removed != 1 {
		t.Errorf("rebuild when it can be listed = %+v, %v", b, err)
	}
}

// What is out of scope has not vanished.
func TestScope(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	g := generation(t, c, e)
	at := func(id text.DocID, uri string) Item {
		item := Text(id, "", "Some text.")
		item.URI = uri
		return item
	}
	all := Documents([]Item{at("a", "docs/a"), at("b", "docs/b"), at("c", "other/c"), at("pushed", "")})
	o := Options{Embedder: e, Extractor: InProcess{}}
	if _, err := worker(t, g, o).Run(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	o.Scope = func(r index.Record) bool { return r.URI == "docs/a" || r.URI == "docs/b" }
	one := Documents([]Item{at("a", "docs/a")})
	if s, err := worker(t, g, o).Run(t.Context(), one); err != nil || s.Vanished != 1 {
		t.Errorf("Run = %+v, %v", s, err)
	}
	o.Prune = true
	if s, err := worker(t, g, o).Run(t.Context(), one); err != nil || s.Removed != 1 {
		t.Errorf("Run = %+v, %v", s, err)
	}
	if stats, err := g.Stats(t.Context()); err != nil || stats.Documents != 3 {
		t.Errorf("Stats = %+v, %v", stats, err)
	}
}
