package ingest

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
)

// patient returns options whose waits take no time and are noted.
func patient(e embed.Embedder, waits *[]time.Duration) Options {
	return Options{Embedder: e, Extractor: InProcess{}, BatchChunks: 8, wait: func(ctx context.Context, d time.Duration) error {
		*waits = append(*waits, d)
		return ctx.Err()
	}}
}

// An embedder that is away for a while costs waits; what it returned before it
// went is not asked for again.
func TestEmbedderOutage(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	down := fmt.Errorf("%w: status 503", embed.ErrUnavailable)
	e.breach = func(texts []string, v [][]float32) ([][]float32, error) {
		switch e.calls {
		case 2:
			for _, s := range texts[3:] {
				e.count[s]--
			}
			return v[:3], down
		case 3, 4:
			for _, s := range texts {
				e.count[s]--
			}
			return nil, down
		}
		return v, nil
	}
	var waits []time.Duration
	o := patient(e, &waits)
	var told []string
	o.OnEvent = func(e Event) {
		if e.Outage != nil {
			told = append(told, fmt.Sprint(e.Wait, " ", e.Outage))
		}
	}
	g := generation(t, c, e)
	s, err := worker(t, g, o).Run(t.Context(), many(20, "x"))
	if err != nil || s.Failed != 3 {
		t.Fatalf("Run = %+v, %v", s, err)
	}
	if want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}; !slices.Equal(waits, want) {
		t.Errorf("waits %v, want %v", waits, want)
	}
	if len(told) != 3 || told[1] != "2s embedder unavailable: status 503" {
		t.Errorf("events %q", told)
	}
	for s, n := range e.count {
		if n != 1 {
			t.Errorf("%q was embedded %d times", s, n)
		}
	}
	dump(t, g)
}

// Waiting has an end, and what will not pass is not waited for.
func TestOutageEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		err   error
		waits int
	}{
		"for ever": {embed.ErrUnavailable, 9},
		"fatal":    {errors.New("status 401"), 0},
	} {
		c := dial(t, index.Options{InMemory: true})
		e := &hashed{breach: func([]string, [][]float32) ([][]float32, error) { return nil, tt.err }}
		var waits []time.Duration
		w := worker(t, generation(t, c, e), patient(e, &waits))
		if _, err := w.Run(t.Context(), texts("a", "One.")); !errors.Is(err, tt.err) {
			t.Errorf("%s: Run = %v", name, err)
		}
		var sum time.Duration
		for _, d := range waits {
			sum += d
		}
		if len(waits) != tt.waits || sum > patience {
			t.Errorf("%s: waits %v", name, waits)
		}
		// Who puts a single document can try again himself.
		waits = nil
		if _, err := w.Put(t.Context(), Text("a", "", "One.")); !errors.Is(err, tt.err) || waits != nil {
			t.Errorf("%s: Put = %v after %v", name, err, waits)
		}
	}
}

// A stop ends the wait.
func TestOutageStopped(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{breach: func([]string, [][]float32) ([][]float32, error) { return nil, embed.ErrUnavailable }}
	stop := make(chan struct{})
	o := Options{Embedder: e, Extractor: InProcess{}, Stop: stop, OnEvent: func(e Event) {
		if e.Outage != nil {
			close(stop)
		}
	}}
	if _, err := worker(t, generation(t, c, e), o).Run(t.Context(), texts("a", "One.")); !errors.Is(err, embed.ErrUnavailable) || !errors.Is(err, ErrInterrupted) || e.calls != 1 {
		t.Errorf("Run = %v after %d calls", err, e.calls)
	}
}

// A server that goes away before any writing call and comes back half a minute
// later: longer than the client repeats a call.
func TestIndexOutage(t *testing.T) {
	src := many(12, "x")
	want := ""
	for n := 0; ; n++ {
		done := false
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex // two batches may be stored at once
			var writes int
			var back time.Time
			c, err := index.Dial(t.Context(), index.Options{InMemory: true, Interceptors: []grpc.UnaryClientInterceptor{
				func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
					mu.Lock()
					switch path.Base(method) {
					case "Upsert", "Delete":
						if writes++; writes == n {
							back = time.Now().Add(30 * time.Second)
						}
					}
					away := time.Now().Before(back)
					mu.Unlock()
					if away {
						return status.Error(codes.Unavailable, "restarting")
					}
					return invoke(ctx, method, req, reply, cc, opts...)
				}}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			e := &hashed{}
			g, err := c.Create(t.Context(), "docs", fixed(e))
			if err != nil {
				t.Fatal(err)
			}
			outages := 0
			s, err := worker(t, g, Options{Embedder: e, Extractor: InProcess{}, BatchChunks: 16, OnEvent: func(e Event) {
				if e.Outage != nil {
					outages++
				}
			}}).Run(t.Context(), src)
			if err != nil || s.Indexed != 10 {
				t.Errorf("an outage before write %d: %+v, %v", n, s, err)
			}
			if n == 0 {
				want = dump(t, g)
			} else if d := cmp.Diff(want, dump(t, g)); d != "" {
				t.Errorf("an outage before write %d (-want +got):\n%s", n, d)
			}
			done = n > 0 && outages == 0
		})
		if done {
			if n < 4 {
				t.Errorf("the run made only %d writes", n-1)
			}
			return
		}
	}
}

// A server that is away when an update begins, and one that goes away before any
// of its calls, those included that see what there is and repair it.
func TestOutageAtTheStart(t *testing.T) {
	before, src := texts("a", para("a", 4), "b", para("b", 4)), texts("a", para("new", 4), "b", para("b", 4), "c", "Three.")
	want := ""
	for n := 0; ; n++ {
		outages := 0
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var broken, counting bool
			var calls int
			var back time.Time
			c, err := index.Dial(t.Context(), index.Options{InMemory: true, Interceptors: []grpc.UnaryClientInterceptor{
				func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
					mu.Lock()
					if counting {
						if calls++; calls == n {
							back = time.Now().Add(30 * time.Second)
						}
					}
					away, lost := time.Now().Before(back), broken && path.Base(method) == "Delete"
					mu.Unlock()
					switch {
					case away:
						return status.Error(codes.Unavailable, "restarting")
					case lost:
						return status.Error(codes.Internal, "broken")
					}
					return invoke(ctx, method, req, reply, cc, opts...)
				}}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			e := &hashed{}
			o := Options{Embedder: e, Extractor: InProcess{}, OnEvent: func(e Event) {
				if e.Outage != nil {
					outages++
				}
			}}
			if _, err := Build(t.Context(), c, plan("docs"), before, o); err != nil {
				t.Fatal(err)
			}
			broken = true // the chunks of the old version stay
			if _, err := Build(t.Context(), c, plan("docs"), src, o); err == nil {
				t.Fatal("a build whose deletes fail has no error")
			}
			broken, counting = false, true
			b, err := Build(t.Context(), c, plan("docs"), src, o)
			counting = false
			if err != nil || b.Summary.Documents != 3 || b.Summary.Repaired == 0 && n == 0 {
				t.Errorf("an outage before call %d: %+v, %v", n, b.Summary, err)
				return
			}
			if n == 0 {
				want = dump(t, b.Generation)
			} else if d := cmp.Diff(want, dump(t, b.Generation)); d != "" {
				t.Errorf("an outage before call %d (-want +got):\n%s", n, d)
			}
		})
		if t.Failed() {
			return
		}
		if n > 0 && outages == 0 {
			if n < 6 {
				t.Errorf("the build made only %d calls", n-1)
			}
			return
		}
	}
}

// A stop ends the wait for an index that is not there, and nothing is made.
func TestOutageAtTheStartStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := false
		c, err := index.Dial(t.Context(), index.Options{InMemory: true, Interceptors: []grpc.UnaryClientInterceptor{
			func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				if away {
					return status.Error(codes.Unavailable, "restarting")
				}
				return invoke(ctx, method, req, reply, cc, opts...)
			}}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		away = true
		stop := make(chan struct{})
		o := Options{Embedder: &hashed{}, Extractor: InProcess{}, Stop: stop, OnEvent: func(e Event) {
			if e.Outage != nil {
				close(stop)
			}
		}}
		b, err := Build(t.Context(), c, plan("docs"), texts("a", "One."), o)
		if !errors.Is(err, ErrInterrupted) || !errors.Is(err, index.ErrUnavailable) || b.Generation != nil {
			t.Errorf("Build = %+v, %v", b, err)
		}
	})
}

// The same texts are embedded once, whether they are close to each other or in
// different batches.
func TestDuplicatesAreEmbeddedOnce(t *testing.T) {
	for _, batch := range []int{1, 4, 256} {
		c := dial(t, index.Options{InMemory: true})
		e := &hashed{}
		g := generation(t, c, e)
		var last Event
		o := Options{Embedder: e, Extractor: InProcess{}, BatchChunks: batch, OnEvent: func(e Event) { last = e }}
		s, err := worker(t, g, o).Run(t.Context(), texts("a", para("same", 6), "b", para("other", 2), "copy", para("same", 6)))
		if err != nil || s.Indexed != 3 {
			t.Fatalf("batches of %d: %+v, %v", batch, s, err)
		}
		for text, n := range e.count {
			if n != 1 {
				t.Errorf("batches of %d: %q was embedded %d times", batch, text, n)
			}
		}
		if n := e.embedded(); n != s.Embedded || n >= s.Chunks {
			t.Errorf("batches of %d: %d texts embedded, summary %+v", batch, n, s)
		}
		if last.ChunksEmbedded != s.Chunks || last.TokensEmbedded != s.Tokens {
			t.Errorf("batches of %d: last event %+v, summary %+v", batch, last, s)
		}
		a, err := g.Chunks(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		b, err := g.Chunks(t.Context(), "copy")
		if err != nil {
			t.Fatal(err)
		}
		for i := range a {
			if d := cmp.Diff(a[i].Text, b[i].Text); d != "" {
				t.Errorf("batches of %d: chunk %d (-a +copy):\n%s", batch, i, d)
			}
		}
	}
}

// What is remembered is bounded, and the oldest goes first.
func TestRecentIsBounded(t *testing.T) {
	r := newRecent()
	first := make([]string, recentTexts+1)
	for i := range first {
		first[i] = fmt.Sprint(i)
	}
	all, fresh := r.find(append(first, "1", "0"))
	if len(fresh) != recentTexts+2 || len(r.byText) != recentTexts || len(r.order) != recentTexts {
		t.Errorf("%d new texts, %d remembered", len(fresh), len(r.byText))
	}
	if all[len(all)-2] != all[1] || all[len(all)-1] == all[0] {
		t.Error("the second text must be known, the first one forgotten")
	}
	if _, fresh := r.find([]string{"x", "x", "0"}); len(fresh) != 1 {
		t.Errorf("%d new texts, want 1", len(fresh))
	}
}

// refusing refuses texts with the word "Bad", as an endpoint does that takes others.
func refusing(texts []string, vectors [][]float32) ([][]float32, error) {
	for i, s := range texts {
		if strings.Contains(s, "Bad") {
			return vectors[:i], fmt.Errorf("embed with m: %w: status 400", embed.ErrRefused)
		}
	}
	return vectors, nil
}

// A text that the embedder refuses fails its document, and every other one that has
// it, but not the run. What was stored of the document stays; the next run tries again.
func TestEmbedderRefuses(t *testing.T) {
	c, e := dial(t, index.Options{}), &hashed{}
	g := generation(t, c, e)
	if _, err := worker(t, g, Options{Embedder: e, Extractor: InProcess{}}).Run(t.Context(), texts("old", "It was good.")); err != nil {
		t.Fatal(err)
	}
	old := dump(t, g)
	good := para("good", 6)
	source := texts("a", good, "b", "One Bad text.", "c", good+"Bad at the end.", "d", "Fine.", "e", "One Bad text.", "old", "It is Bad now.", "z", "Last.")
	for run, tt := range []struct {
		breach                    func([]string, [][]float32) ([][]float32, error)
		indexed, replaced, failed int
	}{{refusing, 3, 0, 4}, {refusing, 0, 0, 4}, {nil, 3, 1, 0}} {
		e.breach = tt.breach
		var found, settled int
		sum, err := worker(t, g, Options{Embedder: e, Extractor: InProcess{}, BatchChunks: 4, OnEvent: func(e Event) {
			found, settled = e.ChunksFound, e.ChunksEmbedded
		}}).Run(t.Context(), source)
		if err != nil || sum.Indexed != tt.indexed || sum.Replaced != tt.replaced || sum.Failed != tt.failed || sum.Quarantined != 0 {
			t.Fatalf("run %d: %+v, %v, want %d indexed, %d replaced and %d failed", run, sum, err, tt.indexed, tt.replaced, tt.failed)
		}
		if found != settled {
			t.Errorf("run %d: of %d chunks found %d are settled", run, found, settled)
		}
		if tt.failed == 0 {
			continue
		}
		var docs []string
		for _, f := range sum.Failures {
			docs = append(docs, string(f.Doc))
			if !errors.Is(f.Err, embed.ErrRefused) || f.Kept != (f.Doc == "old") {
				t.Errorf("run %d: failure %+v", run, f)
			}
		}
		if got := strings.Join(docs, " "); got != "b c e old" {
			t.Errorf("run %d: %s failed, want b c e old", run, got)
		}
		rec, err := g.Record(t.Context(), "c")
		if err != nil || rec.State != index.Failed || !strings.HasPrefix(rec.Error, "embed chunk 7 of 7: embed with m: ") {
			t.Errorf("run %d: the record of c is %+v, %v", run, rec, err)
		}
		chunks, err := g.Chunks(t.Context(), "old")
		if err != nil || len(chunks) != 1 || !strings.Contains(old, chunks[0].Text) {
			t.Errorf("run %d: of the older version there is %+v, %v", run, chunks, err)
		}
	}
}

// Who puts a document is told that it failed; a refusal of nothing is none.
func TestEmbedderRefusesPut(t *testing.T) {
	c, e := dial(t, index.Options{}), &hashed{breach: refusing}
	w := worker(t, generation(t, c, e), Options{Embedder: e, Extractor: InProcess{}})
	r, err := w.Put(t.Context(), Text("a", "", "A Bad text."))
	if err != nil || r.Outcome != Failed || !errors.Is(r.Err, embed.ErrRefused) {
		t.Errorf("Put = %+v, %v, want a failed document", r, err)
	}
	e.breach = func(_ []string, v [][]float32) ([][]float32, error) { return v, embed.ErrRefused }
	if _, err := w.Put(t.Context(), Text("b", "", "Any text.")); !errors.Is(err, embed.ErrRefused) {
		t.Errorf("Put = %v though all vectors came, want the embedder's error", err)
	}
}
