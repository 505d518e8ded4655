package embed

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
)

// fake is an embedder of two dimensions that records what it is asked, and
// fails at the text "fail" with the vectors before it.
type fake struct {
	name   string
	mu     sync.Mutex
	asked  []string
	calls  int
	breach func([][]float32) [][]float32 // changes what is returned
}

var errFake = errors.New("fake failure")

func (f *fake) Info() Info {
	return Info{Name: f.name, Fingerprint: f.name, Dimension: 2, MaxTokens: 9}
}
func (f *fake) CountTokens(s string) int { return len(s) }

func (f *fake) Embed(_ context.Context, task Task, texts []string) ([][]float32, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	var out [][]float32
	for _, text := range texts {
		if text == "fail" {
			return out, errFake
		}
		f.asked = append(f.asked, task.String()+":"+text)
		v := normalised(float32(len(text)+1), float32(task)+1)
		out = append(out, v)
	}
	if f.breach != nil {
		out = f.breach(out)
	}
	return out, nil
}

func normalised(x ...float32) []float32 {
	wide := make([]float64, len(x))
	for i, v := range x {
		wide[i] = float64(v)
	}
	out, err := unit(wide)
	if err != nil {
		panic(err)
	}
	return out
}

func openCache(t *testing.T, path string, e Embedder) *Cache {
	t.Helper()
	c, err := OpenCache(path, e, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.db")
	f := &fake{name: "f"}
	c, err := OpenCache(path, f, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Info() != f.Info() || c.CountTokens("abc") != 3 {
		t.Errorf("Info() = %+v, CountTokens = %d: not those of the embedder", c.Info(), c.CountTokens("abc"))
	}
	first := embedAll(t, c, Passage, "a", "bb", "a", "", "bb")
	if diff := cmp.Diff([]string{"passage:a", "passage:bb", "passage:"}, f.asked); diff != "" {
		t.Errorf("equal texts of a call are embedded once (-want +got):\n%s", diff)
	}
	first[0][0] = 42 // a caller's change must not reach the others
	if first[2][0] == 42 {
		t.Error("equal texts share one slice")
	}
	f.asked = nil
	again := embedAll(t, c, Passage, "bb", "a", "new")
	embedAll(t, c, Query, "a")
	if diff := cmp.Diff([]string{"passage:new", "query:a"}, f.asked); diff != "" {
		t.Errorf("what is known is not embedded again (-want +got):\n%s", diff)
	}
	if want := normalised(3, 1); !slices.Equal(again[0], want) {
		t.Errorf("vector from the cache = %v, want %v", again[0], want)
	}
	if want := (CacheStats{Hits: 4, Misses: 5}); c.Stats() != want {
		t.Errorf("Stats() = %+v, want %+v", c.Stats(), want)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Embed(context.Background(), Passage, []string{"a"}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Embed after Close = %v, want an error that names the file", err)
	}

	f.asked = nil
	embedAll(t, openCache(t, path, f), Passage, "a", "bb", "")
	if f.asked != nil {
		t.Errorf("after reopening %q were embedded again", f.asked)
	}
}

func TestCacheWith(t *testing.T) {
	f, g := &fake{name: "f"}, &fake{name: "g"}
	c := openCache(t, filepath.Join(t.TempDir(), "cache.db"), f)
	d := c.With(g)
	embedAll(t, c, Raw, "a")
	embedAll(t, d, Raw, "a")
	if len(f.asked) != 1 || len(g.asked) != 1 {
		t.Errorf("asked %q and %q: another fingerprint must not share vectors", f.asked, g.asked)
	}
	if d.Info().Name != "g" {
		t.Errorf("With kept the embedder %q", d.Info().Name)
	}
	if want := (CacheStats{Misses: 2}); d.Stats() != want {
		t.Errorf("Stats() = %+v, want %+v", d.Stats(), want)
	}
}

func TestCachePrefix(t *testing.T) {
	f := &fake{name: "f"}
	c := openCache(t, filepath.Join(t.TempDir(), "cache.db"), f)
	embedAll(t, c, Raw, "known")
	for range 2 { // the second time the prefix comes from the file
		got, err := c.Embed(context.Background(), Raw, []string{"a", "known", "a", "b", "fail", "known"})
		if len(got) != 4 || !errors.Is(err, errFake) {
			t.Errorf("Embed = %d vectors, %v, want the 4 before the failure and %v", len(got), err, errFake)
		}
	}
	if diff := cmp.Diff([]string{"raw:known", "raw:a", "raw:b"}, f.asked); diff != "" {
		t.Errorf("what came before a failure is kept (-want +got):\n%s", diff)
	}
}

// TestCacheContract puts the cache in front of embedders that break theirs.
func TestCacheContract(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name   string
		breach func([][]float32) [][]float32
		valid  int
		text   string
	}{
		{"too few", func(v [][]float32) [][]float32 { return v[:1] }, 1, "embed 2 texts with f: got 1 vectors"},
		{"none", func(v [][]float32) [][]float32 { return nil }, 0, "got 0 vectors"},
		{"too many", func(v [][]float32) [][]float32 { return append(v, v...) }, 2, "got 4 vectors"},
		{"wrong dimension", func(v [][]float32) [][]float32 { return [][]float32{v[0], {1}} }, 1, "vector 1 is not a unit vector of dimension 2"},
		{"NaN", func(v [][]float32) [][]float32 { return [][]float32{{nan, 0}, v[1]} }, 0, "vector 0"},
		{"zero", func(v [][]float32) [][]float32 { return [][]float32{v[0], {0, 0}} }, 1, "vector 1"},
		{"not scaled", func(v [][]float32) [][]float32 { return [][]float32{v[0], {3, 4}} }, 1, "vector 1"},
	} {
		f := &fake{name: "f", breach: c.breach}
		cache := openCache(t, filepath.Join(t.TempDir(), "cache.db"), f)
		got, err := cache.Embed(context.Background(), Raw, []string{"x", "yy"})
		if len(got) != c.valid || err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %d vectors, %v, want %d and an error with %q", c.name, len(got), err, c.valid, c.text)
		}
		f.breach, f.asked = nil, nil
		embedAll(t, cache, Raw, "x", "yy")
		if len(f.asked) != 2-c.valid {
			t.Errorf("%s: afterwards %q were asked for, want the %d that were not valid", c.name, f.asked, 2-c.valid)
		}
	}
}

func TestCacheBatches(t *testing.T) {
	f := &fake{name: "f"}
	c := openCache(t, filepath.Join(t.TempDir(), "cache.db"), f)
	var texts []string
	for i := range 2*cacheBatch + 1 {
		texts = append(texts, fmt.Sprint(i))
	}
	texts = append(texts, "fail")
	if got, err := c.Embed(context.Background(), Raw, texts); len(got) != len(texts)-1 || !errors.Is(err, errFake) {
		t.Errorf("Embed = %d vectors, %v", len(got), err)
	}
	if f.calls != 3 {
		t.Errorf("%d calls for %d texts, want one for every %d", f.calls, len(texts), cacheBatch)
	}
	if got, err := c.Embed(context.Background(), Raw, nil); len(got) != 0 || err != nil {
		t.Errorf("Embed of nothing = %v, %v", got, err)
	}
}

func TestCacheDamage(t *testing.T) {
	f := &fake{name: "f"}
	c := openCache(t, filepath.Join(t.TempDir(), "cache.db"), f)
	want := embedAll(t, c, Raw, "text")[0]
	key := c.key(Raw, "text")
	good := encodeVector(want)
	for name, value := range map[string][]byte{
		"empty":         {},
		"short":         good[:len(good)-4],
		"long":          append(slices.Clone(good), 0),
		"flipped":       append([]byte{good[0] ^ 1}, good[1:]...),
		"not unit":      encodeVector([]float32{1, 1}),
		"another shape": encodeVector([]float32{1}),
	} {
		err := c.file.Update(func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte(cacheBucket)).Put(key[:], value)
		})
		if err != nil {
			t.Fatal(err)
		}
		f.asked = nil
		before := c.Stats().Damaged
		for range 2 { // the first call repairs it
			if got := embedAll(t, c, Raw, "text")[0]; !slices.Equal(got, want) {
				t.Errorf("%s: vector = %v, want %v", name, got, want)
			}
		}
		if len(f.asked) != 1 || c.Stats().Damaged != before+1 {
			t.Errorf("%s: asked %q, damaged %d, want one of each", name, f.asked, c.Stats().Damaged-before)
		}
	}
}

func TestOpenCacheErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cache.db")
	openCache(t, path, &fake{name: "f"})
	// A second open file description is what another process would have.
	if _, err := OpenCache(path, &fake{name: "f"}, nil); !errors.Is(err, ErrCacheLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("OpenCache of an open file = %v, want %v and the path", err, ErrCacheLocked)
	}
	if _, err := OpenCache(filepath.Join(dir, "none", "cache.db"), &fake{name: "f"}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("OpenCache in a missing directory = %v", err)
	}
}

func TestCacheConcurrent(t *testing.T) {
	f := &fake{name: "f"}
	c := openCache(t, filepath.Join(t.TempDir(), "cache.db"), f)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 6 {
				text := fmt.Sprint((i + j) % 5)
				got, err := c.Embed(context.Background(), Raw, []string{text, "common"})
				if err != nil || len(got) != 2 || !slices.Equal(got[0], normalised(2, 3)) {
					t.Errorf("Embed(%q) = %v, %v", text, got, err)
				}
			}
		})
	}
	wg.Wait()
	if s := c.Stats(); s.Hits+s.Misses != 8*6*2 {
		t.Errorf("Stats() = %+v, want %d texts in all", s, 8*6*2)
	}
}

func BenchmarkCacheHit(b *testing.B) {
	e := &wide{}
	c, err := OpenCache(filepath.Join(b.TempDir(), "cache.db"), e, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	texts := make([]string, 64)
	for i := range texts {
		texts[i] = strings.Repeat(fmt.Sprint(i, " "), 300)
	}
	if _, err := c.Embed(context.Background(), Passage, texts); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Embed(context.Background(), Passage, texts); err != nil {
			b.Fatal(err)
		}
	}
	if c.Stats().Misses != 64 {
		b.Fatalf("Stats() = %+v", c.Stats())
	}
}

// wide embeds every text as the same vector of 384 dimensions.
type wide struct{ fake }

func (*wide) Info() Info { return Info{Fingerprint: "wide", Dimension: 384} }

func (*wide) Embed(_ context.Context, _ Task, texts []string) ([][]float32, error) {
	v := make([]float32, 384)
	v[0] = 1
	return slices.Repeat([][]float32{v}, len(texts)), nil
}
