package index

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/internal/text"
)

func TestGenerationLifecycle(t *testing.T) {
	c := dial(t, Options{})
	name := collection(t, c)
	ctx := t.Context()
	check := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Fatalf("%s: error %v, want %v", what, err, want)
		}
	}
	_, err := c.Open(ctx, name)
	check("open nothing", err, ErrNoCollection)
	_, err = c.Served(ctx, name)
	check("served nothing", err, ErrNoCollection)
	if all, err := c.Generations(ctx, name); err != nil || len(all) != 0 {
		t.Fatalf("generations of nothing: %v, %v", all, err)
	}

	g1, err := c.Create(ctx, name, testRecipe())
	check("create", err, nil)
	_, err = c.Open(ctx, name)
	check("open what is not served", err, ErrNoCollection)
	check("serve", c.Serve(ctx, g1), nil)
	got, err := c.Open(ctx, name)
	check("open", err, nil)
	if got.Number != 1 || got.Collection != name || !cmp.Equal(got.Recipe, testRecipe()) {
		t.Errorf("Open = %+v", got)
	}

	r2 := testRecipe()
	r2.Chunker.SizeTokens = 128
	g2, err := c.Create(ctx, name, r2)
	check("create another", err, nil)
	all, err := c.Generations(ctx, name)
	check("list", err, nil)
	if len(all) != 2 || all[0].Number != 1 || all[1].Number != 2 || !cmp.Equal(all[1].Recipe, r2) {
		t.Errorf("Generations = %v", all)
	}
	if err := c.Drop(ctx, g1); err == nil || !strings.Contains(err.Error(), "being served") {
		t.Errorf("drop the served generation: %v", err)
	}
	check("serve the other", c.Serve(ctx, g2), nil)
	if n, err := c.Served(ctx, name); err != nil || n != 2 {
		t.Errorf("Served = %d, %v", n, err)
	}
	check("serve the first again", c.Serve(ctx, g1), nil)
	check("drop", c.Drop(ctx, g2), nil)
	check("drop again", c.Drop(ctx, g2), nil)
	_, err = g2.Record(ctx, "x")
	check("read the dropped generation", err, ErrNoCollection)
	names, err := c.Collections(ctx)
	check("collections", err, nil)
	if !strings.Contains(strings.Join(names, " "), name) {
		t.Errorf("Collections = %q, want %q among them", names, name)
	}

	if _, err := c.Create(ctx, name, r2); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		check("drop the collection", c.DropCollection(ctx, name), nil)
		_, err = c.Open(ctx, name)
		check("open after dropping", err, ErrNoCollection)
		left, err := c.names(ctx)
		if check("names", err, nil); strings.Contains(strings.Join(left, " "), name+"__g") {
			t.Errorf("dropping left %q", left)
		}
	}

	for _, bad := range []string{"", "a/b", name + "__g1"} {
		_, err = c.Create(ctx, bad, testRecipe())
		check("create "+bad, err, ErrInvalid)
		_, err = c.Open(ctx, bad)
		check("open "+bad, err, ErrInvalid)
		check("drop "+bad, c.DropCollection(ctx, bad), ErrInvalid)
	}
	bad := testRecipe()
	bad.Embedder.Dimension = -1
	_, err = c.Create(ctx, name, bad)
	check("create with a bad recipe", err, ErrInvalid)
}

// Records that an interrupted Drop left over never become those of another
// generation; they go with the next one.
func TestDropLeftOvers(t *testing.T) {
	w := &wire{}
	c := dial(t, Options{Interceptors: w.option()})
	name := collection(t, c)
	g1, err := c.Create(t.Context(), name, testRecipe())
	if err != nil {
		t.Fatal(err)
	}
	put(t, g1, document("d", "r", "some text"))
	stop := errors.New("power cut")
	w.set(func(method string, req any) error {
		if d, ok := req.(*qdrant.DeleteCollection); ok && strings.HasSuffix(d.GetCollectionName(), recordSuffix) {
			return stop
		}
		return nil
	}, nil)
	if err := c.Drop(t.Context(), g1); err == nil {
		t.Fatal("Drop without its last step succeeded")
	}
	w.set(nil, nil)
	if all, err := c.Generations(t.Context(), name); err != nil || len(all) != 0 {
		t.Errorf("Generations after half a Drop = %v, %v", all, err)
	}
	g2, err := c.Create(t.Context(), name, testRecipe())
	if err != nil || g2.Number != 2 {
		t.Fatalf("Create after half a Drop = %v, %v, want number 2", g2, err)
	}
	if err := c.Drop(t.Context(), g2); err != nil {
		t.Fatal(err)
	}
	names, err := c.names(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if strings.HasPrefix(n, name+"__g") {
			t.Errorf("%s is left over", n)
		}
	}
}

// Every prefix of Create's calls leaves either nothing that counts as a
// generation or one that Prepare completes.
func TestCreateInterrupted(t *testing.T) {
	w := &wire{}
	c := dial(t, Options{Interceptors: w.option()})
	name := collection(t, c)
	writes := func(method string) bool { return method == "Create" || method == "CreateFieldIndex" }
	for cut := 1; ; cut++ {
		n := 0
		w.set(func(method string, _ any) error {
			if writes(method) {
				n++
			}
			if n >= cut {
				return status.Error(codes.FailedPrecondition, "power cut")
			}
			return nil
		}, nil)
		before := cut - 1
		g, err := c.Create(t.Context(), name, testRecipe())
		w.set(nil, nil)
		if err == nil {
			if cut < 5 {
				t.Errorf("Create makes only %d writing calls", before)
			}
			names, err := c.names(t.Context())
			names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, name+"__g") })
			if err != nil || !slices.Equal(names, []string{g.chunks(), g.records()}) {
				t.Errorf("after all that there are %v, %v, want those of %s alone", names, err, g)
			}
			break
		}
		all, err := c.Generations(t.Context(), name)
		if err != nil {
			t.Fatalf("after %d calls: %v", before, err)
		}
		for _, g := range all {
			if err := g.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			put(t, g, document("d", "r", "some text"))
			for _, collection := range []string{g.chunks(), g.records()} {
				info, err := c.qc.GetCollectionInfo(t.Context(), collection)
				if err != nil {
					t.Fatal(err)
				}
				want := len(chunkIndexes)
				if collection == g.records() {
					want = len(recordIndexes)
				}
				if got := len(info.GetPayloadSchema()); got != want {
					t.Errorf("after %d calls and Prepare %s has %d payload indexes, want %d", before, collection, got, want)
				}
			}
			if err := c.Drop(t.Context(), g); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestCreateRefusesServerThatLosesMetadata(t *testing.T) {
	w := &wire{}
	w.before = func(_ string, req any) error {
		if r, ok := req.(*qdrant.CreateCollection); ok {
			r.Metadata = nil
		}
		return nil
	}
	c := dial(t, Options{Interceptors: w.option()})
	_, err := c.Create(t.Context(), collection(t, c), testRecipe())
	if err == nil || !strings.Contains(err.Error(), "holds no recipe") {
		t.Errorf("Create = %v", err)
	}
}

func TestCreateAfterLostAnswer(t *testing.T) {
	w := &wire{}
	lost := map[string]bool{}
	c := dial(t, Options{Interceptors: w.option(), Jitter: func() float64 { return 0 }})
	c.retry.wait = func(context.Context, time.Duration) error { return nil }
	w.set(func(method string, req any) error {
		r, ok := req.(*qdrant.CreateCollection)
		if !ok || lost[r.GetCollectionName()] {
			return nil
		}
		lost[r.GetCollectionName()] = true
		if err := c.qc.CreateCollection(t.Context(), r); err != nil {
			return err
		}
		return status.Error(codes.Unavailable, "connection reset")
	}, nil)
	g, err := c.Create(t.Context(), collection(t, c), testRecipe())
	if err != nil || g.Number != 1 || len(lost) != 2 {
		t.Errorf("Create = %v, %v with %d lost answers", g, err, len(lost))
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(meta map[string]*qdrant.Value)
		want   string
	}{
		{"newer", func(m map[string]*qdrant.Value) { m[metaSchema] = qdrant.NewValueInt(2) }, "layout version 2"},
		{"fingerprint", func(m map[string]*qdrant.Value) { m[metaFingerprint] = qdrant.NewValueString("x") }, "fingerprint"},
		{"recipe", func(m map[string]*qdrant.Value) { m[metaRecipe] = qdrant.NewValueString("{") }, "recipe"},
		{"name", func(m map[string]*qdrant.Value) { m[metaGeneration] = qdrant.NewValueInt(7) }, "generation 7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &wire{}
			w.before = func(_ string, req any) error {
				if r, ok := req.(*qdrant.CreateCollection); ok && r.GetMetadata() != nil {
					tt.change(r.Metadata)
				}
				return nil
			}
			c := dial(t, Options{Interceptors: w.option()})
			_, err := c.Create(t.Context(), collection(t, c), testRecipe())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Create = %v, want something about %q", err, tt.want)
			}
		})
	}
}

func TestServeRefusesForeignCollection(t *testing.T) {
	c := dial(t, Options{})
	name := collection(t, c)
	g, err := c.Create(t.Context(), name, testRecipe())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.qc.CreateCollection(t.Context(), &qdrant.CreateCollection{CollectionName: name}); err != nil {
		t.Fatal(err)
	}
	defer c.qc.DeleteCollection(t.Context(), name)
	if err := c.Serve(t.Context(), g); err == nil || !strings.Contains(err.Error(), "which ragloop did not make") {
		t.Errorf("Serve = %v", err)
	}
}

func TestDialRefuses(t *testing.T) {
	old := &wire{after: func(method string, reply any) {
		if r, ok := reply.(*qdrant.HealthCheckReply); ok {
			r.Version = "1.15.5"
		}
	}}
	odd := &wire{after: func(method string, reply any) {
		if r, ok := reply.(*qdrant.HealthCheckReply); ok {
			r.Version = "dev"
		}
	}}
	for _, tt := range []struct {
		name string
		o    Options
		want string
	}{
		{"nothing", Options{}, "neither a server address nor a data directory"},
		{"both", Options{InMemory: true, DataDir: "x"}, "both a data directory and in memory"},
		{"local with key", Options{InMemory: true, APIKey: "k"}, "without a server address"},
		{"server in memory", Options{InMemory: true, Addr: "localhost:1"}, "cannot be in memory"},
		{"address", Options{Addr: "localhost"}, "host:port"},
		{"tenant", Options{InMemory: true, Tenant: "\xff"}, "not valid UTF-8"},
		{"old server", Options{InMemory: true, Interceptors: old.option()}, "1.16 or later"},
		{"odd server", Options{InMemory: true, Interceptors: odd.option()}, `version "dev"`},
	} {
		c, err := Dial(t.Context(), tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Dial = %v, want something about %q", tt.name, err, tt.want)
		}
		if c != nil {
			c.Close()
		}
	}
}

func TestDialCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(ctx, Options{InMemory: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial = %v, want %v", err, context.Canceled)
	}
}

func TestCloseWhileInUse(t *testing.T) {
	c, err := Dial(t.Context(), Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	g, err := c.Create(t.Context(), "docs", testRecipe())
	if err != nil {
		t.Fatal(err)
	}
	var users sync.WaitGroup
	for range 3 {
		users.Go(func() {
			for {
				if _, err := g.Records(t.Context(), []text.DocID{"d"}); err != nil {
					return
				}
			}
		})
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	users.Wait()
	if _, err := c.Collections(t.Context()); err == nil {
		t.Error("Collections after Close succeeded")
	}
}

func TestLocalModeKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	want := document("a/b.txt", "r1", "one two", "three")
	open := func() *Client {
		c, err := Dial(t.Context(), Options{DataDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := open()
	if _, err := Dial(t.Context(), Options{DataDir: dir}); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("second Dial = %v, want an error that names the directory", err)
	}
	g, err := c.Create(t.Context(), "docs", testRecipe())
	if err != nil {
		t.Fatal(err)
	}
	put(t, g, want)
	if err := c.Serve(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = open()
	defer c.Close()
	g, err = c.Open(t.Context(), "docs")
	if err != nil {
		t.Fatal(err)
	}
	got, r, err := g.Text(t.Context(), "a/b.txt")
	if err != nil || got != fullText(want) {
		t.Errorf("Text = %q, %v, want %q", got, err, fullText(want))
	}
	want.Record.ChunkCount, want.Record.Tokens = 2, 12
	if d := cmp.Diff(want.Record, r); d != "" {
		t.Errorf("record (-want +got):\n%s", d)
	}
	info := c.Info()
	if !info.Local || info.Addr != dir || info.Version == "" || info.Title == "" {
		t.Errorf("Info = %+v", info)
	}
}
