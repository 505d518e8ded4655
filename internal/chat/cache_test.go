package chat

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/ragloop/ragloop/internal/away"
)

// model is a Model made of a function.
type model struct {
	fingerprint string
	calls       atomic.Int32
	answer      func(Request) (Response, error)
}

func (m *model) Info() Info { return Info{Name: "m", Fingerprint: m.fingerprint} }

func (m *model) Complete(_ context.Context, r Request) (Response, error) {
	m.calls.Add(1)
	return m.answer(r)
}

func echo(r Request) (Response, error) {
	return Response{Text: r.Messages[len(r.Messages)-1].Content, Finish: "stop", Model: "m-1", Usage: Usage{3, 1}}, nil
}

func openCache(t *testing.T, path string, m Model) *Cache {
	t.Helper()
	c, err := OpenCache(path, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "answers.db")
	m := &model{fingerprint: "f", answer: echo}
	c := openCache(t, path, m)
	first, err := c.Complete(t.Context(), question)
	if err != nil || first.Cached {
		t.Fatalf("Complete = %+v, %v, want an answer from the model", first, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}

	c = openCache(t, path, m)
	want := first
	want.Cached = true
	again, err := c.Complete(t.Context(), question)
	if d := cmp.Diff(want, again); d != "" || err != nil {
		t.Errorf("Complete again = %v (-want +got):\n%s", err, d)
	}
	if n := m.calls.Load(); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
	for name, change := range map[string]func(*Request){
		"text":        func(r *Request) { r.Messages = Prompt("Be short.", "Who?") },
		"role":        func(r *Request) { r.Messages = []Message{{User, "Be short."}, {User, "Why?"}} },
		"limit":       func(r *Request) { r.MaxTokens++ },
		"temperature": func(r *Request) { r.Temperature = 1 },
		"seed":        func(r *Request) { r.Seed = 1 },
		"format":      func(r *Request) { r.Format = &Format{Name: "x", Schema: []byte(`{}`)} },
	} {
		r := question
		change(&r)
		if found, err := c.Has(r); found || err != nil {
			t.Errorf("with another %s: Has = %v, %v, want false", name, found, err)
		}
		if got, err := c.Complete(t.Context(), r); err != nil || got.Cached {
			t.Errorf("with another %s: Complete = %+v, %v, want an answer from the model", name, got, err)
		}
	}
	if d := cmp.Diff(CacheStats{Hits: 1, Misses: 6}, c.Stats()); d != "" {
		t.Errorf("Stats (-want +got):\n%s", d)
	}
	c.Close()
	if c = openCache(t, path, &model{fingerprint: "g", answer: echo}); c.Stats().Misses != 0 {
		t.Errorf("counts of a file just opened: %+v", c.Stats())
	}
	if found, err := c.Has(question); found || err != nil {
		t.Errorf("for another model: Has = %v, %v, want false", found, err)
	}
}

func TestCacheKeepsNoErrors(t *testing.T) {
	failure := errors.New("down")
	m := &model{answer: func(Request) (Response, error) { return Response{}, failure }}
	c := openCache(t, filepath.Join(t.TempDir(), "a.db"), m)
	if _, err := c.Complete(t.Context(), question); !errors.Is(err, failure) {
		t.Errorf("Complete = %v, want %v", err, failure)
	}
	m.answer = echo
	if r, err := c.Complete(t.Context(), question); err != nil || r.Cached {
		t.Errorf("Complete = %+v, %v, want an answer from the model", r, err)
	}
	if _, err := c.Complete(t.Context(), Request{}); !errors.Is(err, ErrRequest) {
		t.Errorf("Complete(no request) = %v, want %v", err, ErrRequest)
	}
}

// TestCacheUnusable: an answer that who asks cannot use is not kept; one that is in the
// file is not served, but asked for again, and replaced by one that can be used.
func TestCacheUnusable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	says := "lorem ipsum"
	m := &model{answer: func(Request) (Response, error) { return Response{Text: says, Finish: "stop"}, nil }}
	c := openCache(t, path, m)
	picky := question
	picky.Usable = func(r Response) bool { return r.Text == "good" }
	check := func(what string, r Request, want Response, has bool, calls int32) {
		t.Helper()
		got, err := c.Complete(t.Context(), r)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: Complete = %v (-want +got):\n%s", what, err, d)
		}
		if found, err := c.Has(r); found != has || err != nil {
			t.Errorf("%s: then Has = %v, %v, want %v", what, found, err, has)
		}
		if n := m.calls.Load(); n != calls {
			t.Errorf("%s: %d calls, want %d", what, n, calls)
		}
	}
	bad, good := Response{Text: says, Finish: "stop"}, Response{Text: "good", Finish: "stop"}
	check("unusable", picky, bad, false, 1)
	check("unusable again", picky, bad, false, 2)
	check("who takes everything", question, bad, true, 3) // as earlier versions kept it
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = openCache(t, path, m)
	e := NewEstimator(c, words{})
	if err := e.Add(picky); err != nil || e.Sum().Calls != 1 || e.Sum().Cached != 0 {
		t.Errorf("of an answer that cannot be used the estimate is %+v, %v, want a call", e.Sum(), err)
	}
	check("an unusable one in the file", picky, bad, false, 4)
	says = "good"
	check("well again", picky, good, true, 5)
	good.Cached = true
	check("from the file", picky, good, true, 5)
	says = "another"
	check("from the file again", picky, good, true, 5)
}

// TestCacheUnusableAtOnce: who waits for the answer to the same question is told the
// same, and does not ask again after everybody in front of him.
func TestCacheUnusableAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		m := &model{answer: func(r Request) (Response, error) { <-gate; return Response{Text: "lorem", Finish: "stop"}, nil }}
		c := openCache(t, filepath.Join(t.TempDir(), "a.db"), m)
		picky := question
		picky.Usable = func(Response) bool { return false }
		var cached atomic.Int32
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				r, err := c.Complete(t.Context(), picky)
				if err != nil || r.Text != "lorem" {
					t.Errorf("Complete = %+v, %v", r, err)
				}
				if r.Cached {
					cached.Add(1)
				}
			})
		}
		synctest.Wait() // all of them ask or wait
		close(gate)
		group.Wait()
		if m.calls.Load() != 1 || cached.Load() != 7 {
			t.Errorf("%d calls, and %d were told without one; want 1 and 7", m.calls.Load(), cached.Load())
		}
		if _, err := c.Complete(t.Context(), picky); err != nil || m.calls.Load() != 2 {
			t.Errorf("asked later: %v after %d calls, want 2", err, m.calls.Load())
		}
	})
}

// TestCacheAway: who asks the model, and who waits for the answer to the same question,
// is away, and comes back when nobody has to wait for him. An answer from the file takes
// nobody away.
func TestCacheAway(t *testing.T) {
	answer := make(chan struct{})
	m := &model{answer: func(r Request) (Response, error) {
		<-answer
		return echo(r)
	}}
	c := openCache(t, filepath.Join(t.TempDir(), "a.db"), m)
	went := make(chan struct{}, 3)
	ctx := away.Watch(t.Context(), func() (end func()) {
		went <- struct{}{}
		return func() {
			if _, err := c.Complete(t.Context(), question); err != nil { // which blocks while the question is somebody's
				t.Error(err)
			}
		}
	})
	ask := func() {
		if _, err := c.Complete(ctx, question); err != nil {
			t.Error(err)
		}
	}
	var group sync.WaitGroup
	for range 2 {
		group.Go(ask)
		<-went
	}
	close(answer)
	group.Wait()
	ask()
	if len(went) != 0 || m.calls.Load() != 1 {
		t.Errorf("%d more went away, and there were %d calls; want none, and one", len(went), m.calls.Load())
	}
}

func TestCacheDamage(t *testing.T) {
	for name, value := range map[string][]byte{"short": {1}, "sum": []byte(`{"text":"forged"}....`)} {
		c := openCache(t, filepath.Join(t.TempDir(), "a.db"), &model{answer: echo})
		key := keyOf("", question)
		err := c.store.file.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte(cacheBucket))
			if err != nil {
				return err
			}
			return b.Put(key[:], value)
		})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := c.Complete(t.Context(), question); err != nil || r.Text != "Why?" || r.Cached {
			t.Errorf("%s: Complete = %+v, %v, want an answer from the model", name, r, err)
		}
		if r, err := c.Complete(t.Context(), question); err != nil || !r.Cached {
			t.Errorf("%s: Complete again = %+v, %v, want it from the file", name, r, err)
		}
		if s := c.Stats(); s.Damaged != 1 {
			t.Errorf("%s: Stats = %+v, want 1 damaged", name, s)
		}
	}
}

// TestCacheEqualRequests: of equal requests at the same time one is sent.
func TestCacheEqualRequests(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	gate := make(chan struct{})
	m := &model{answer: func(r Request) (Response, error) { <-gate; return echo(r) }}
	c := openCache(t, path, m)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if r, err := c.Complete(t.Context(), question); err != nil || r.Text != "Why?" {
				t.Errorf("Complete = %+v, %v", r, err)
			}
		})
	}
	close(gate)
	group.Wait()
	if n := m.calls.Load(); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

func TestCacheWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		m := &model{answer: func(r Request) (Response, error) { <-hold; return Response{}, errors.New("down") }}
		c := &Cache{inner: m, running: map[requestKey]*call{}}
		key := keyOf("", question)
		own, mine := c.claim(key)
		if !mine {
			t.Fatal("the first claim fails")
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := c.Complete(ctx, question)
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Complete = %v, want %v", err, context.Canceled)
		}
		c.release(key, own)
		close(hold)
	})
}

func TestOpenCacheErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	openCache(t, path, &model{})
	if _, err := OpenCache(path, &model{}, nil); !errors.Is(err, ErrCacheLocked) {
		t.Errorf("OpenCache of an open file = %v, want %v", err, ErrCacheLocked)
	}
	if _, err := OpenCache(filepath.Join(path, "none", "a.db"), &model{}, nil); err == nil {
		t.Error("OpenCache in what is no directory did not fail")
	}
}

func TestStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s, err := OpenStore(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	key := [32]byte{1}
	if v, found, err := s.Get("b", key); v != nil || found || err != nil {
		t.Errorf("Get of an empty store = %q, %v, %v", v, found, err)
	}
	for _, value := range []string{"x", "", "longer"} {
		if err := s.Put("b", key, []byte(value)); err != nil {
			t.Fatal(err)
		}
		if v, found, err := s.Get("b", key); string(v) != value || !found || err != nil {
			t.Errorf("Get = %q, %v, %v, want %q", v, found, err, value)
		}
	}
	if _, found, _ := s.Get("other", key); found {
		t.Error("buckets share their keys")
	}
	// Two models share a store, and not their answers.
	a, b := NewCache(s, &model{fingerprint: "a", answer: echo}), NewCache(s, &model{fingerprint: "b", answer: echo})
	for _, c := range []*Cache{a, b, a} {
		if _, err := c.Complete(t.Context(), question); err != nil || c.Close() != nil {
			t.Fatal(err)
		}
	}
	if a.Stats() != (CacheStats{Hits: 1, Misses: 1}) || b.Stats() != (CacheStats{Misses: 1}) {
		t.Errorf("Stats = %+v and %+v", a.Stats(), b.Stats())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Get("b", key); err == nil {
		t.Error("Get of a closed store did not fail")
	}
	if err := s.Put("b", key, nil); err == nil {
		t.Error("Put into a closed store did not fail")
	}
}

// TestDamagedStore: whatever is wrong with the file, answers come, from the model if
// need be; damage is told once, and what is damaged is kept under another name.
func TestDamagedStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	questions := make([]Request, 24)
	c := openCache(t, path, &model{answer: echo})
	for i := range questions {
		questions[i] = Request{Messages: Prompt("Be short.", fmt.Sprint(i, strings.Repeat(" why", 500))), MaxTokens: 1}
		if _, err := c.Complete(t.Context(), questions[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	files := map[string][]byte{"another file": make([]byte, 1<<16), "cut in half": body[:len(body)/2], "cut to one page": body[:page]}
	for at := 0; at < len(body); at += page {
		spoilt := slices.Clone(body)
		clear(spoilt[at : at+page])
		files[fmt.Sprintf("page %d", at/page)] = spoilt
	}
	told := 0
	for name, content := range files {
		path := filepath.Join(t.TempDir(), "a.db")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		var warnings []string
		for range 2 {
			c, err := OpenCache(path, &model{answer: echo}, func(err error) { warnings = append(warnings, err.Error()) })
			if err != nil {
				t.Fatalf("%s: OpenCache = %v", name, err)
			}
			for i, q := range questions {
				if r, err := c.Complete(t.Context(), q); err != nil || r.Text != q.Messages[1].Content {
					t.Fatalf("%s: Complete(question %d) = %+v, %v", name, i, r, err)
				}
			}
			if err := c.Close(); err != nil {
				t.Errorf("%s: Close = %v", name, err)
			}
		}
		if len(warnings) == 0 { // only pages that nothing refers to
			continue
		}
		told++
		if _, err := os.Stat(path + ".damaged"); len(warnings) != 1 || err != nil || !strings.Contains(warnings[0], "it was moved to "+path+".damaged") {
			t.Errorf("%s: warnings %q, and aside: %v", name, warnings, err)
		}
	}
	if told < 4 {
		t.Errorf("%d of %d files were found to be damaged", told, len(files))
	}
}
