package querycache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/away"
	"github.com/ragloop/ragloop/internal/embed"
)

// fake answers with one number: how often it was asked before.
type fake struct {
	mu      sync.Mutex
	asked   []string
	release chan struct{} // nil: at once
	err     error
	vectors [][]float32 // nil: the number
}

func (f *fake) Info() embed.Info         { return embed.Info{Name: "fake", Dimension: 1} }
func (f *fake) CountTokens(s string) int { return len(s) }
func (f *fake) Embed(ctx context.Context, _ embed.Task, texts []string) ([][]float32, error) {
	f.mu.Lock()
	n := len(f.asked)
	f.asked = append(f.asked, texts...)
	f.mu.Unlock()
	if f.release != nil {
		select {
		case <-f.release:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if f.err != nil || f.vectors != nil {
		return f.vectors, f.err
	}
	return [][]float32{{float32(n)}}, nil
}

// ask embeds one query.
func ask(t *testing.T, c *Cache, q string) float32 {
	t.Helper()
	got, err := c.Embed(t.Context(), embed.Query, []string{q})
	if err != nil || len(got) != 1 {
		t.Fatalf("Embed(%q) = %v, %v", q, got, err)
	}
	return got[0][0]
}

func TestLeastRecentLeavesFirst(t *testing.T) {
	f := &fake{}
	c := New(f, 3*(overhead+5))
	for _, q := range []string{"a", "b", "c", "a", "d"} { // b is the least recent when d comes
		ask(t, c, q)
	}
	if got := ask(t, c, "a"); got != 0 {
		t.Errorf("a was embedded again")
	}
	if got := ask(t, c, "b"); got != 4 {
		t.Errorf("b = %v, want it embedded again as the fifth", got)
	}
	want := Stats{Hits: 2, Misses: 5, Bytes: 3 * (overhead + 5), Kept: 3}
	if d := cmp.Diff(want, c.Stats()); d != "" {
		t.Errorf("stats (-want +got):\n%s", d)
	}
}

// TestOwned: what a caller does with its vector does not change the next one's.
func TestOwned(t *testing.T) {
	c := New(&fake{}, 1000)
	for range 2 {
		got, err := c.Embed(t.Context(), embed.Query, []string{"a"})
		if err != nil || got[0][0] != 0 {
			t.Fatalf("Embed = %v, %v", got, err)
		}
		got[0][0] = 9
	}
}

func TestOnlyQueries(t *testing.T) {
	f := &fake{}
	c := New(f, 1000)
	for _, task := range []embed.Task{embed.Passage, embed.Raw} {
		for range 2 {
			if _, err := c.Embed(t.Context(), task, []string{"a"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(f.asked) != 4 || c.Info().Name != "fake" || c.CountTokens("abc") != 3 {
		t.Errorf("the embedder was asked %d times", len(f.asked))
	}
}

func TestNothingIsKept(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		f     *fake
		limit int64
		want  error
	}{
		"without space": {&fake{}, 0, nil},
		"errors":        {&fake{err: broken}, 1000, broken},
		"no vector":     {&fake{vectors: [][]float32{}}, 1000, nil},
		"two vectors":   {&fake{vectors: [][]float32{{1}, {2}}}, 1000, nil},
	} {
		c := New(tt.f, tt.limit)
		for range 2 {
			if _, err := c.Embed(t.Context(), embed.Query, []string{"a"}); !errors.Is(err, tt.want) {
				t.Errorf("%s: Embed = %v, want %v", name, err, tt.want)
			}
		}
		if len(tt.f.asked) != 2 || c.Stats().Bytes != 0 {
			t.Errorf("%s: the embedder was asked %d times, %+v", name, len(tt.f.asked), c.Stats())
		}
	}
}

// TestShared: equal queries at the same time are embedded once, also where the
// first who asked has given up.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{release: make(chan struct{})}
		c := New(f, 0)
		first, cancel := context.WithCancel(t.Context())
		results := make(chan string, 3)
		for i, ctx := range []context.Context{first, t.Context(), t.Context()} {
			go func() {
				v, err := c.Embed(ctx, embed.Query, []string{"a"})
				results <- fmt.Sprint(v, err)
			}()
			synctest.Wait()
			if s := c.Stats(); s.Misses != 1 || s.Shared != int64(i) {
				t.Errorf("after %d callers: %+v", i+1, s)
			}
		}
		cancel()
		if got := <-results; got != "[] context canceled" {
			t.Errorf("who gave up got %s", got)
		}
		close(f.release)
		for range 2 {
			if got := <-results; got != "[[0]] <nil>" {
				t.Errorf("who waited got %s", got)
			}
		}
	})
}

// TestAbandoned: when all have given up the work ends, and the next caller does
// not get its error.
func TestAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{release: make(chan struct{})}
		c := New(f, 1000)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := c.Embed(ctx, embed.Query, []string{"a"})
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Embed = %v", err)
		}
		close(f.release)
		if got := ask(t, c, "a"); got != 1 {
			t.Errorf("the next caller got %v, want a vector of its own", got)
		}
	})
}

func BenchmarkHit(b *testing.B) {
	c := New(&fake{vectors: [][]float32{make([]float32, 384)}}, 1<<20)
	for b.Loop() {
		if _, err := c.Embed(b.Context(), embed.Query, []string{"how long is the warranty on a heat meter?"}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
}

// TestAway: while a query is embedded by another machine all who wait for it are away,
// not only who asked first.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waits atomic.Int32
		ctx := away.Watch(t.Context(), func() (end func()) {
			waits.Add(1)
			return func() { waits.Add(-1) }
		})
		f := &fake{release: make(chan struct{})}
		for e, want := range map[embed.Embedder]int32{f: 0, elsewhere{f}: 3} {
			c := New(e, 0)
			var group sync.WaitGroup
			for range 3 {
				group.Go(func() {
					if _, err := c.Embed(ctx, embed.Query, []string{"a"}); err != nil {
						t.Error(err)
					}
				})
			}
			synctest.Wait()
			if got := waits.Load(); got != want {
				t.Errorf("%T: %d are away, want %d", e, got, want)
			}
			f.release <- struct{}{}
			group.Wait()
			if got := waits.Load(); got != 0 {
				t.Errorf("%T: %d are still away", e, got)
			}
		}
	})
}

// elsewhere is a fake on another machine.
type elsewhere struct{ *fake }

func (f elsewhere) Embed(ctx context.Context, task embed.Task, texts []string) ([][]float32, error) {
	defer away.Begin(ctx)()
	return f.fake.Embed(ctx, task, texts)
}

// panicking panics where a query is asked for.
type panicking struct{ fake }

func (*panicking) Embed(context.Context, embed.Task, []string) ([][]float32, error) { panic("broken") }

// TestPanic: a panic of the embedder is the caller's, who may recover from it.
func TestPanic(t *testing.T) {
	c := New(&panicking{}, 1000)
	for range 2 {
		func() {
			defer func() {
				if p := fmt.Sprint(recover()); !strings.HasPrefix(p, "broken\n") || !strings.Contains(p, "querycache_test.go") {
					t.Errorf("recovered %q, want the embedder's panic and its stack", p)
				}
			}()
			c.Embed(t.Context(), embed.Query, []string{"a"})
		}()
	}
	if got := c.Stats(); got.Kept != 0 || got.Misses != 2 {
		t.Errorf("stats %+v", got)
	}
}
