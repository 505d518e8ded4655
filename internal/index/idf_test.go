package index

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/qdrant/go-client/qdrant"
)

// idfOf is Qdrant's formula for df of n chunks.
func idfOf(n, df int) float64 {
	return math.Log((float64(n-df)+0.5)/(float64(df)+0.5) + 1)
}

// TestIDF: the frequencies are those that scores are made of, asked for once, and
// asked for again after what this client changed, or after a while.
func TestIDF(t *testing.T) {
	w := &wire{}
	c := dial(t, Options{Interceptors: w.option()})
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c.frequencies.now = func() time.Time { return now }
	g := create(t, c)
	put(t, g, document("a", "r1", "one", "two two two", "two three"), document("b", "r1", "two"))
	v := terms("one two three nowhere")
	ids := map[string]uint32{}
	for _, word := range strings.Fields("one two three nowhere") {
		ids[word] = terms(word).Indices[0]
	}
	idf := func() map[uint32]float64 {
		t.Helper()
		got, err := g.IDF(t.Context(), v.Indices)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	asked := func() (n int) {
		calls, _ := w.take()
		for _, call := range calls {
			if call == "QueryBatch" {
				n++
			}
		}
		return n
	}
	check := func(when string, n int, df map[string]int, calls int) {
		t.Helper()
		want := map[uint32]float64{}
		for word, k := range df {
			want[ids[word]] = idfOf(n, k)
		}
		if d := cmp.Diff(want, idf(), cmpopts.EquateApprox(1e-5, 0)); d != "" {
			t.Errorf("%s: IDF (-want +got):\n%s", when, d)
		}
		if got := asked(); got != calls {
			t.Errorf("%s: the index was asked %d times, want %d", when, got, calls)
		}
	}
	check("first", 4, map[string]int{"one": 1, "two": 3, "three": 1}, 1)
	check("again", 4, map[string]int{"one": 1, "two": 3, "three": 1}, 0)
	put(t, g, document("c", "r1", "one"))
	check("after a change", 5, map[string]int{"one": 2, "two": 3, "three": 1}, 1)
	now = now.Add(maxFrequencyAge)
	check("within the age", 5, map[string]int{"one": 2, "two": 3, "three": 1}, 0)
	now = now.Add(time.Second)
	check("after the age", 5, map[string]int{"one": 2, "two": 3, "three": 1}, 1)
}

// TestIDFOfOthers: another tenant's terms count, and are not told.
func TestIDFOfOthers(t *testing.T) {
	dir := t.TempDir()
	for _, tenant := range []string{"other", "own"} {
		func() {
			c, err := Dial(t.Context(), Options{DataDir: dir, Tenant: tenant})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			g, err := c.Create(t.Context(), "shared", testRecipe())
			if err != nil {
				all, err := c.Generations(t.Context(), "shared")
				if err != nil {
					t.Fatal(err)
				}
				g = all[0]
			}
			put(t, g, document("a", "r1", "one "+tenant))
			got, err := g.IDF(t.Context(), terms("one other").Indices)
			if err != nil {
				t.Fatal(err)
			}
			_, told := got[terms("other").Indices[0]]
			if told != (tenant == "other") {
				t.Errorf("tenant %s: IDF = %v", tenant, got)
			}
		}()
	}
}

// TestIDFDamaged: a server that answers with a chunk that lacks the term, or
// scores it with nonsense, is found out.
func TestIDFDamaged(t *testing.T) {
	for name, spoil := range map[string]func(*qdrant.ScoredPoint){
		"score": func(p *qdrant.ScoredPoint) { p.Score = float32(math.NaN()) },
		"less":  func(p *qdrant.ScoredPoint) { p.Score = -1 },
		"lacks": func(p *qdrant.ScoredPoint) { p.Vectors = nil },
	} {
		w := &wire{}
		g := create(t, dial(t, Options{Interceptors: w.option()}))
		put(t, g, document("a", "r1", "one"))
		w.set(nil, func(_ string, reply any) {
			if r, ok := reply.(*qdrant.QueryBatchResponse); ok {
				spoil(r.Result[0].Result[0])
			}
		})
		if _, err := g.IDF(t.Context(), terms("one").Indices); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: IDF = %v, want ErrDamaged", name, err)
		}
	}
}

// TestIDFOfMany: a query of many words is asked in groups.
func TestIDFOfMany(t *testing.T) {
	var words []string
	for i := range maxTermsAsked + 10 {
		words = append(words, fmt.Sprintf("word%d", i))
	}
	g := create(t, dial(t, Options{}))
	put(t, g, document("a", "r1", words...))
	ids := terms(strings.Join(words, " ")).Indices
	got, err := g.IDF(t.Context(), ids)
	if err != nil || len(got) != len(slices.Compact(ids)) {
		t.Errorf("IDF of %d terms = %d, %v", len(ids), len(got), err)
	}
}
