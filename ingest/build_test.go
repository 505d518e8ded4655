package ingest

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

func TestBuild(t *testing.T) {
	c := dial(t, index.Options{})
	name := collection(t, c)
	e := &hashed{}
	src := texts("a", para("alpha", 3), "b", para("beta", 1))
	o := Options{Embedder: e, Extractor: InProcess{}, OnEvent: func(Event) {
		if _, err := c.Open(t.Context(), name); !errors.Is(err, index.ErrNoCollection) {
			t.Errorf("the collection can be opened before it is complete: %v", err)
		}
	}}
	b, err := Build(t.Context(), c, plan(name), src, o)
	if err != nil || !b.Created || b.Resumed || b.Summary.Indexed != 2 {
		t.Fatalf("Build = %+v, %v", b, err)
	}
	g, err := c.Open(t.Context(), name)
	if err != nil || g.Number != 1 {
		t.Fatalf("Open = %v, %v", g, err)
	}
	// The average length is what the chunks say, and nothing else is made up.
	a, err := lexical.New(lexical.Default())
	if err != nil {
		t.Fatal(err)
	}
	terms, chunks := 0, 0
	for s := range e.count {
		terms += len(a.Terms(s))
		chunks++
	}
	avg := math.Round(100*float64(terms)/float64(chunks)) / 100
	want := fixed(e)
	want.Lexical.AvgLen = avg
	if d := cmp.Diff(want, g.Recipe); d != "" || chunks != b.Summary.Chunks {
		t.Errorf("recipe of %d chunks (-want +got):\n%s", chunks, d)
	}

	// Again: in place, with the stored average, embedding nothing but news.
	e.embedded()
	o.OnEvent = nil
	b, err = Build(t.Context(), c, plan(name), texts("a", para("alpha", 3), "b", para("beta", 1), "c", "Something much longer than before."), o)
	if err != nil || b.Created || b.Generation.Number != 1 || b.Summary.Unchanged != 2 || e.embedded() != 1 {
		t.Errorf("second Build = %+v, %v", b, err)
	}

	// Another recipe is refused, and nothing happens.
	before := dump(t, g)
	other := plan(name)
	other.Chunker.SizeTokens = 32
	other.Chunker.Overlap = 0.25
	_, err = Build(t.Context(), c, other, src, o)
	for _, want := range []string{"chunk size in tokens: stored 16, wanted 32", "chunk overlap: stored 0, wanted 0.25", "rebuild"} {
		if !errors.Is(err, index.ErrRecipe) || !strings.Contains(err.Error(), want) {
			t.Errorf("Build with another recipe = %v, want something about %q", err, want)
		}
	}
	if d := cmp.Diff(before, dump(t, g)); d != "" {
		t.Errorf("a refused Build changed (-before +after):\n%s", d)
	}

	// A rebuild leaves the old generation for rollback.
	other.Rebuild = true
	b, err = Build(t.Context(), c, other, src, o)
	if err != nil || !b.Created || b.Generation.Number != 2 || b.Summary.Indexed != 2 {
		t.Fatalf("rebuild = %+v, %v", b, err)
	}
	if n, err := c.Served(t.Context(), name); err != nil || n != 2 {
		t.Errorf("Served = %d, %v", n, err)
	}
	if d := cmp.Diff(before, dump(t, g)); d != "" {
		t.Errorf("a rebuild changed the old generation (-before +after):\n%s", d)
	}
	// After a rollback the newer generation counts as unfinished and is reused.
	if err := c.Serve(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	b, err = Build(t.Context(), c, other, src, o)
	if err != nil || !b.Resumed || b.Generation.Number != 2 || b.Summary.Unchanged != 2 {
		t.Errorf("rebuild after a rollback = %+v, %v", b, err)
	}
}

// A build dies before every writing call. The next one goes on: readers see
// nothing until it is complete, and no chunk that was committed is embedded again.
func TestBuildInterrupted(t *testing.T) {
	src := many(24, "x")
	whole := &hashed{}
	c := dial(t, index.Options{InMemory: true})
	b, err := Build(t.Context(), c, plan("docs"), src, Options{Embedder: whole, Extractor: InProcess{}, BatchChunks: 16})
	if err != nil {
		t.Fatal(err)
	}
	want, chunks := dump(t, b.Generation), b.Summary.Chunks
	resumed := 0
	for n := 0; ; n++ {
		wire := &cut{left: -1}
		dir := t.TempDir()
		open := func() *index.Client {
			c, err := index.Dial(t.Context(), index.Options{DataDir: dir, Interceptors: []grpc.UnaryClientInterceptor{wire.intercept}})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		e := &hashed{}
		c := open()
		wire.after(n)
		o := Options{Embedder: e, Extractor: InProcess{}, BatchChunks: 16}
		_, err := Build(t.Context(), c, plan("docs"), src, o)
		wire.after(-1)
		if err == nil {
			c.Close()
			break
		}
		if _, err := c.Open(t.Context(), "docs"); !errors.Is(err, index.ErrNoCollection) {
			t.Errorf("cut before write %d: Open = %v", n, err)
		}
		stored := 0
		if all, err := c.Generations(t.Context(), "docs"); err != nil {
			t.Fatal(err)
		} else if len(all) > 0 {
			s, err := all[0].Stats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			stored = s.Chunks
		}
		c.Close()
		c = open()
		e.embedded()
		b, err := Build(t.Context(), c, plan("docs"), src, o)
		if err != nil {
			t.Fatalf("after a cut before write %d: %v", n, err)
		}
		if b.Resumed {
			resumed++
		}
		if got := e.embedded(); got != chunks-stored {
			t.Errorf("after a cut before write %d: %d chunks embedded, %d of %d were stored", n, got, stored, chunks)
		}
		if d := cmp.Diff(want, strings.ReplaceAll(dump(t, b.Generation), "docs__g2", "docs__g1")); d != "" {
			t.Errorf("after a cut before write %d (-want +got):\n%s", n, d)
		}
		c.Close()
	}
	if resumed < 5 {
		t.Errorf("only %d builds were resumed", resumed)
	}
}

// A resumed build holds what the source lists now, nothing else.
func TestBuildResumedWithChangedSource(t *testing.T) {
	wire := &cut{left: -1}
	c := dial(t, index.Options{InMemory: true, Interceptors: []grpc.UnaryClientInterceptor{wire.intercept}})
	o := Options{Embedder: &hashed{}, Extractor: InProcess{}, BatchChunks: 1}
	wire.after(18) // some documents in
	if _, err := Build(t.Context(), c, plan("docs"), texts("a", "One.", "b", "Two.", "c", "Three.", "d", "Four."), o); err == nil {
		t.Fatal("the build was not interrupted")
	}
	wire.after(-1)
	b, err := Build(t.Context(), c, plan("docs"), texts("c", "Three.", "d", "Changed."), o)
	if err != nil || !b.Resumed || b.Summary.Removed == 0 {
		t.Fatalf("Build = %+v, %v", b, err)
	}
	if s, err := b.Generation.Stats(t.Context()); err != nil || s.Documents != 2 {
		t.Errorf("Stats = %+v, %v", s, err)
	}
	dump(t, b.Generation)
}

// A build that another source began is finished without touching what that one
// stored; only a rebuild holds nothing but its own source.
func TestBuildResumedByAnotherSource(t *testing.T) {
	at := func(id text.DocID, dir string) Item {
		item := Text(id, "", "Text of "+string(id)+".")
		item.URI = dir + "/" + string(id)
		return item
	}
	below := func(dir string) func(index.Record) bool {
		return func(r index.Record) bool { return strings.HasPrefix(r.URI, dir+"/") }
	}
	for _, tt := range []struct {
		name               string
		scope              func(index.Record) bool
		rebuild            bool
		documents, removed int
	}{
		{"the same, changed", below("x"), false, 2, 1}, // the other one of x has vanished
		{"another", below("y"), false, 3, 0},
		{"a list of changes", func(index.Record) bool { return false }, false, 3, 0},
		{"the whole", nil, false, 1, 2},
		{"a rebuild", below("y"), true, 1, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, index.Options{InMemory: true})
			stop := make(chan struct{})
			o := Options{Embedder: &hashed{}, Extractor: InProcess{}, BatchChunks: 1, Stop: stop, OnEvent: func(e Event) {
				if e.Doc == "b" {
					close(stop)
				}
			}}
			p := plan("docs")
			p.Lexical = lexical.ForChunks()
			if _, err := Build(t.Context(), c, p, Documents([]Item{at("a", "z"), at("b", "x"), at("c", "x"), at("d", "x"), at("e", "x"), at("f", "x"), at("g", "x")}), o); !errors.Is(err, ErrInterrupted) {
				t.Fatalf("Build = %v, want an interruption", err)
			}
			all, err := c.Generations(t.Context(), "docs")
			if err != nil || len(all) != 1 {
				t.Fatalf("Generations = %v, %v", all, err)
			}
			// Whatever came behind b is not stored here, so that the numbers are exact.
			if _, err := all[0].DeleteAll(t.Context(), []text.DocID{"c", "d", "e", "f", "g"}); err != nil {
				t.Fatal(err)
			}
			o.Stop, o.OnEvent, o.Scope, p.Rebuild = nil, nil, tt.scope, tt.rebuild
			src := Documents([]Item{at("new", "y")})
			seen, err := Look(t.Context(), c, p, src, o)
			if err != nil || !seen.Resumed {
				t.Fatalf("Look = %+v, %v", seen, err)
			}
			b, err := Build(t.Context(), c, p, src, o)
			if err != nil || !b.Resumed || !b.Served || b.Summary.Removed != tt.removed {
				t.Fatalf("Build = %+v, %v", b, err)
			}
			if s, err := b.Generation.Stats(t.Context()); err != nil || s.Documents != tt.documents {
				t.Errorf("Stats = %+v, %v, want %d documents", s, err, tt.documents)
			}
			if n, _ := seen.Count(Removed); n != tt.removed {
				t.Errorf("Look said that %d would be removed: %v", n, seen.outcomes())
			}
		})
	}
}

// A rebuild from a part of what a collection holds is refused, and says so
// before anything is embedded.
func TestRebuildRefusesToLoseOtherSources(t *testing.T) {
	c := dial(t, index.Options{})
	name := collection(t, c)
	e := &hashed{}
	o := Options{Embedder: e, Extractor: InProcess{}}
	if _, err := Build(t.Context(), c, plan(name), texts("a", "One.", "x", "Two.", "y", "Three."), o); err != nil {
		t.Fatal(err)
	}
	e.embedded()
	p := plan(name)
	p.Rebuild = true
	o.Scope = func(r index.Record) bool { return r.Doc == "a" }
	_, err := Build(t.Context(), c, p, texts("a", "One."), o)
	if !errors.Is(err, ErrElsewhere) || !strings.Contains(err.Error(), `2 documents from elsewhere, such as "x"`) {
		t.Errorf("Build = %v", err)
	}
	if _, err := Look(t.Context(), c, p, texts("a", "One."), o); !errors.Is(err, ErrElsewhere) {
		t.Errorf("Look = %v", err)
	}
	if n := e.embedded(); n != 0 {
		t.Errorf("%d chunks embedded", n)
	}
	if all, err := c.Generations(t.Context(), name); err != nil || len(all) != 1 {
		t.Errorf("Generations = %v, %v", all, err)
	}
	o.Prune = true
	b, err := Build(t.Context(), c, p, texts("a", "One."), o)
	if err != nil || !b.Created || !b.Served {
		t.Fatalf("Build with Prune = %+v, %v", b, err)
	}
	if s, err := b.Generation.Stats(t.Context()); err != nil || s.Documents != 1 {
		t.Errorf("Stats = %+v, %v", s, err)
	}
}

// An empty collection can be served and written to; when documents come with
// a build, it measures as if there had been none.
func TestBuildEmpty(t *testing.T) {
	c := dial(t, index.Options{})
	name := collection(t, c)
	o := Options{Embedder: &hashed{}, Extractor: InProcess{}}
	for range 2 {
		b, err := Build(t.Context(), c, plan(name), Documents(nil), o)
		if err != nil || b.Generation.Number != 1 || b.Generation.Recipe.Lexical.AvgLen != 256 {
			t.Fatalf("Build of nothing = %+v, %v", b, err)
		}
	}
	b, err := Build(t.Context(), c, plan(name), texts("a", "One two three."), o)
	if err != nil || b.Generation.Number != 2 || b.Generation.Recipe.Lexical.AvgLen != 3 {
		t.Errorf("Build over an empty collection = %+v, %v", b, err)
	}
	p := plan(name + "-given")
	defer c.DropCollection(t.Context(), p.Collection)
	p.Lexical = lexical.ForChunks()
	if b, err = Build(t.Context(), c, p, Documents(nil), o); err != nil || b.Generation.Recipe.Lexical.AvgLen != 256 {
		t.Errorf("Build with a given length = %+v, %v", b, err)
	}
	if b, err = Build(t.Context(), c, p, texts("a", "One two three."), o); err != nil || b.Generation.Number != 1 || b.Created {
		t.Errorf("filling it = %+v, %v", b, err)
	}
}

func TestBuildRefuses(t *testing.T) {
	c := dial(t, index.Options{InMemory: true})
	e := &hashed{}
	for name, tt := range map[string]struct {
		change func(*Plan)
		o      Options
		want   string
	}{
		"name":      {func(p *Plan) { p.Collection = "a/b" }, Options{Embedder: e, Extractor: InProcess{}}, "a/b"},
		"embedder":  {func(*Plan) {}, Options{}, "no embedder"},
		"size":      {func(p *Plan) { p.Chunker.SizeTokens = 8193 }, Options{Embedder: e, Extractor: InProcess{}}, "16 to 8192"},
		"overlap":   {func(p *Plan) { p.Chunker.Overlap = -1 }, Options{Embedder: e, Extractor: InProcess{}}, "overlap"},
		"tokenizer": {func(p *Plan) { p.Chunker.Tokenizer = "words" }, Options{Embedder: e, Extractor: InProcess{}}, "words"},
		"language":  {func(p *Plan) { p.Lexical = lexical.Params{K: 1.2, B: 0.75, Language: "klingon"} }, Options{Embedder: e, Extractor: InProcess{}}, "klingon"},
		"strategy":  {func(p *Plan) { p.Chunker.Strategy = "magic" }, Options{Embedder: e, Extractor: InProcess{}}, `strategy is "magic"`},
	} {
		p := plan("docs")
		tt.change(&p)
		if _, err := Build(t.Context(), c, p, texts("a", "One."), tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Build = %v, want something about %q", name, err, tt.want)
		}
	}
	if all, err := c.Generations(t.Context(), "docs"); err != nil || len(all) != 0 {
		t.Errorf("refused builds left %v, %v", all, err)
	}
}

func TestRebuildRefusesToLoseOtherTenants(t *testing.T) {
	dir := t.TempDir()
	for _, tenant := range []string{"one", "two"} {
		c, err := index.Dial(t.Context(), index.Options{DataDir: dir, Tenant: tenant})
		if err != nil {
			t.Fatal(err)
		}
		o := Options{Embedder: &hashed{}, Extractor: InProcess{}}
		p := plan("shared")
		p.Lexical = lexical.ForChunks()
		b, err := Build(t.Context(), c, p, texts("a", "Text of "+tenant+"."), o)
		if err != nil || b.Created != (tenant == "one") {
			t.Errorf("Build for %s = %+v, %v", tenant, b, err)
		}
		p.Rebuild = true
		if _, err := Build(t.Context(), c, p, texts("a", "Text."), o); (err == nil) != (tenant == "one") {
			t.Errorf("rebuild for %s = %v", tenant, err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
