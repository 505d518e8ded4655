package retrieve

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

const query = "hedge beach badge"

func params(mutate func(*Params)) Params {
	p := DefaultParams()
	p.TopK, p.Candidates = 5, 10
	if mutate != nil {
		mutate(&p)
	}
	return p
}

func TestSearchIsFindThenRank(t *testing.T) {
	r := retriever(t, library(t), letters{})
	for _, f := range allFusions() {
		p := params(func(p *Params) { p.Fusion, p.NeighbourSmoothing = f, 0.5 })
		found, err := r.Find(t.Context(), query, p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Search(t.Context(), query, p)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(Rank(found, p), got.Chunks); d != "" {
			t.Errorf("%s: Search differs from Find and Rank:\n%s", f, d)
		}
		if len(got.Chunks) != p.TopK || got.Considered < p.TopK || got.Degraded != nil {
			t.Errorf("%s: %d chunks of %d candidates, degraded %v; want %d, more, none", f, len(got.Chunks), got.Considered, got.Degraded, p.TopK)
		}
		if d := cmp.Diff(got.Chunks, got.All()[:p.TopK]); d != "" {
			t.Errorf("%s: Chunks are not the first Candidates:\n%s", f, d)
		}
		for _, c := range got.Chunks {
			if c.Record.Title != "Title of "+string(c.Chunk.Doc) {
				t.Errorf("%s: chunk %s comes with the record %+v", f, c.Chunk.ID, c.Record)
			}
		}
	}
}

// TestFindOnce checks what evaluation relies on: one deep Find, ranked under
// shallower settings, gives what each setting's own search gives.
func TestFindOnce(t *testing.T) {
	r := retriever(t, library(t), letters{})
	deep, err := r.Find(t.Context(), query, params(func(p *Params) { p.Candidates = 1000 }))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range allFusions() {
		for _, candidates := range []int{5, 8, 20, 300} {
			p := params(func(p *Params) { p.Fusion, p.Candidates = f, candidates })
			got, err := r.Search(t.Context(), query, p)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(got.Chunks, Rank(deep, p)); d != "" {
				t.Errorf("%s, %d candidates (-search +rank):\n%s", f, candidates, d)
			}
		}
	}
}

// TestInvisibleChunks mixes superseded, vanished and failed documents in, which
// must change nothing but cost.
func TestInvisibleChunks(t *testing.T) {
	clean, dirty := library(t), library(t)
	for _, p := range library(t).points {
		for i := range 4 { // better than every visible chunk
			p.Chunk.ID = index.ChunkID(fmt.Sprintf("%d%s", i, p.Chunk.ID))
			p.Chunk.Rev = "old"
			switch i {
			case 2:
				p.Chunk.Doc = "vanished"
			case 3:
				p.Chunk.Doc = "failed"
			}
			p.Dense = slices.Clone(p.Dense)
			for j := range p.Dense {
				p.Dense[j] += 9
			}
			dirty.points = append(dirty.points, p)
		}
	}
	dirty.rec["failed"] = &index.Record{Doc: "failed", Rev: "old", State: index.Failed}
	for _, f := range allFusions() {
		// How rare a term is counts superseded chunks, too, as an index does.
		p := params(func(p *Params) { p.Fusion, p.TopK, p.IDFPower = f, 10, 1 })
		want, err := retriever(t, clean, letters{}).Search(t.Context(), query, p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := retriever(t, dirty, letters{}).Search(t.Context(), query, p)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want.All(), got.All()); d != "" {
			t.Errorf("%s (-clean +dirty):\n%s", f, d)
		}
	}
	if !slices.Contains(dirty.limits, 20) || !slices.Contains(dirty.limits, 40) {
		t.Errorf("limits = %v, want deeper searches by doubling", dirty.limits)
	}
	if slices.Max(clean.limits) != 10 {
		t.Errorf("limits without invisible chunks = %v, want 10 only", clean.limits)
	}
}

// TestFoundIsParallel: what is known of a candidate stays with it, whatever is between
// them that nobody may see, also where feedback searches a second time.
func TestFoundIsParallel(t *testing.T) {
	m := library(t)
	r := rand.New(rand.NewPCG(5, 6))
	for _, p := range library(t).points {
		if r.IntN(2) == 0 {
			p.Chunk.ID, p.Chunk.Rev = index.ChunkID(fmt.Sprint(r.IntN(3), "doc", r.IntN(12), p.Chunk.ID)), "old"
			m.points = append(m.points, p)
		}
	}
	m.rec["doc07"].Title = "Hedges"
	x := prefixed(t, m, letters{})
	for _, feedback := range []float64{0, 0.5} {
		p := params(func(p *Params) { p.Candidates, p.Feedback = 40, feedback })
		f, err := x.Find(t.Context(), query+` "egg head"`, p)
		if err != nil {
			t.Fatal(err)
		}
		cs := f.Legs.Candidates
		if len(cs) < 20 || len(f.Records) != len(cs) || len(f.Titles) != len(cs) || len(f.Phrases) != len(cs) || (len(f.Reading.Feedback) > 0) != (feedback > 0) {
			t.Fatalf("%d candidates, %d records, %d shares of titles and %d of phrases, feedback %v", len(cs), len(f.Records), len(f.Titles), len(f.Phrases), f.Reading.Feedback)
		}
		holders := 0
		for i, c := range cs {
			holds := strings.Contains(c.Chunk.Text, "egg head")
			if holds {
				holders++
			}
			if f.Records[i].Doc != c.Chunk.Doc || c.Chunk.Rev != "new" || (f.Titles[i] > 0) != (c.Chunk.Doc == "doc07") || (f.Phrases[i] > 0) != holds {
				t.Errorf("chunk %s has the record of %s, and shares %v and %v", c.Chunk.ID, f.Records[i].Doc, f.Titles[i], f.Phrases[i])
			}
			if i > 0 && cs[i-1].Chunk.ID >= c.Chunk.ID {
				t.Errorf("chunk %s comes behind %s", c.Chunk.ID, cs[i-1].Chunk.ID)
			}
		}
		if holders == 0 || holders == len(cs) {
			t.Errorf("%d of %d candidates hold the phrase, the test needs some", holders, len(cs))
		}
	}
}

func TestDegrade(t *testing.T) {
	failWith := func(dense, lexical bool) func(index.Search) error {
		return func(s index.Search) error {
			if s.Dense != nil && dense || len(s.Sparse.Indices) > 0 && lexical {
				return errDown
			}
			return nil
		}
	}
	for _, tc := range []struct {
		name     string
		e        letters
		fail     func(index.Search) error
		query    string
		fusion   string
		degraded []string
		like     string // the fusion whose complete answer has the same order
		err      string
	}{
		{name: "embedder", e: letters{err: errors.New("embedder unavailable")}, like: "lexical",
			degraded: []string{"dense: embed the query: embedder unavailable"}},
		{name: "dense leg", fail: failWith(true, false), like: "lexical",
			degraded: []string{"dense: search the index: connection refused"}},
		{name: "lexical leg", fail: failWith(false, true), like: "dense",
			degraded: []string{"lexical: search the index: connection refused"}},
		{name: "both legs", fail: failWith(true, true),
			err: "retrieval leg failed: dense and lexical: search the index: connection refused"},
		{name: "the only leg of the fusion", e: letters{err: errors.New("embedder unavailable")}, fusion: "dense",
			err: "retrieval leg failed: dense: embed the query: embedder unavailable"},
		{name: "not the leg of the fusion", e: letters{err: errors.New("embedder unavailable")}, fusion: "lexical", like: "lexical"},
		{name: "no term for the other leg", e: letters{err: errors.New("embedder unavailable")}, query: "the",
			err: "retrieval leg failed: dense: embed the query: embedder unavailable"},
		{name: "no term", query: "?!", like: "dense"},
		{name: "query longer than the window", e: letters{window: 4}, like: "zscore",
			degraded: []string{"dense: the query has 5 tokens, the embedder reads the first 4"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := library(t)
			complete := retriever(t, m, letters{})
			p := params(func(p *Params) { p.DocumentPrior = 0 })
			if tc.fusion != "" {
				p.Fusion, _ = ParseFusion(tc.fusion)
			}
			q := query
			if tc.query != "" {
				q = tc.query
			}
			m.fail = tc.fail
			got, err := retriever(t, m, tc.e).Search(t.Context(), q, p)
			if tc.err != "" {
				if err == nil || err.Error() != tc.err || !errors.Is(err, ErrLeg) {
					t.Fatalf("error = %v, want ErrLeg %s", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.degraded, got.Degraded); d != "" {
				t.Errorf("Degraded (-want +got):\n%s", d)
			}
			m.fail = nil
			p.Fusion, _ = ParseFusion(tc.like)
			want, err := complete.Search(t.Context(), q, p)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(ids(want.Chunks), ids(got.Chunks)); d != "" {
				t.Errorf("order (-%s +got):\n%s", tc.like, d)
			}

			p.RequireAll = true
			m.fail = tc.fail
			p.Fusion = DefaultParams().Fusion
			_, err = retriever(t, m, tc.e).Search(t.Context(), q, p)
			if failed := tc.e.err != nil || tc.fail != nil; errors.Is(err, ErrLeg) != failed {
				t.Errorf("with RequireAll: error = %v, want ErrLeg %v", err, failed)
			}
		})
	}
}

// TestEmbedderContract degrades on every breach instead of searching with it.
func TestEmbedderContract(t *testing.T) {
	vector := func(n int, x float32) []float32 {
		v := make([]float32, n)
		v[0] = x
		return v
	}
	nan := float32(math.NaN())
	for name, answer := range map[string][][]float32{
		"none":            {},
		"two":             {vector(8, 1), vector(8, 1)},
		"wrong dimension": {vector(7, 1)},
		"not a number":    {vector(8, nan)},
		"infinite":        {vector(8, float32(math.Inf(1)))},
	} {
		e := letters{answer: func(context.Context) ([][]float32, error) { return answer, nil }}
		got, err := retriever(t, library(t), e).Search(t.Context(), query, params(nil))
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Degraded) != 1 || !strings.Contains(got.Degraded[0], "letters broke its contract") || len(got.Chunks) == 0 {
			t.Errorf("%s: %d chunks, degraded %q", name, len(got.Chunks), got.Degraded)
		}
	}
}

func TestScoresMustBeNumbers(t *testing.T) {
	m := library(t)
	m.points[3].Dense[0] = float32(math.NaN())
	m.fail = func(s index.Search) error {
		if s.Dense == nil {
			return errDown
		}
		return nil
	}
	_, err := retriever(t, m, letters{}).Search(t.Context(), query, params(func(p *Params) { p.Candidates = 1000 }))
	if !errors.Is(err, ErrLeg) || !strings.Contains(err.Error(), "has the scores NaN") {
		t.Errorf("error = %v, want ErrLeg naming the score", err)
	}
}

// TestSlowEmbedder leaves the lexical leg half of the time.
func TestSlowEmbedder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := letters{answer: func(ctx context.Context) ([][]float32, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		r := retriever(t, library(t), slow)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		got, err := r.Search(ctx, query, params(nil))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"dense: embed the query: context deadline exceeded"}, got.Degraded); d != "" {
			t.Errorf("Degraded (-want +got):\n%s", d)
		}
		later := begin.Add(500 * time.Millisecond)
		want := []Stage{{"embed", 500 * time.Millisecond, begin}, {"terms", 0, later}, {"legs", 0, later}, {"records", 0, later}, {"fuse", 0, later}}
		if d := cmp.Diff(want, got.Stages); d != "" {
			t.Errorf("Stages (-want +got):\n%s", d)
		}

		_, err = r.Search(ctx, query, params(func(p *Params) { p.RequireAll = true }))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with RequireAll: error = %v, want DeadlineExceeded", err)
		}
	})
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := library(t)
	m.fail = func(index.Search) error { cancel(); return errDown }
	_, err := retriever(t, m, letters{}).Search(ctx, query, params(nil))
	if !errors.Is(err, context.Canceled) || !errors.Is(err, errDown) {
		t.Errorf("error = %v, want Canceled and its consequence", err)
	}
	if len(m.limits) != 1 {
		t.Errorf("the index was asked %d times, want once", len(m.limits))
	}
}

func TestRecordsFail(t *testing.T) {
	m := library(t)
	m.recFail = errDown
	if _, err := retriever(t, m, letters{}).Search(t.Context(), query, params(nil)); !errors.Is(err, errDown) {
		t.Errorf("error = %v, want %v: without records nothing is known to be visible", err, errDown)
	}
}

func TestFilter(t *testing.T) {
	r := retriever(t, library(t), letters{})
	got, err := r.Search(t.Context(), query, params(func(p *Params) { p.Filter.Docs = []text.DocID{"doc03"} }))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range got.All() {
		if c.Chunk.Doc != "doc03" {
			t.Errorf("chunk %s of another document", c.Chunk.ID)
		}
	}
	if got.Considered != 4 {
		t.Errorf("%d candidates, want the 4 chunks of doc03", got.Considered)
	}
}

// Where nothing is found, a warning says what the filter names and no document has;
// no more than maxAsked things are looked for.
func TestWarnings(t *testing.T) {
	search := func(m *memory, docs ...text.DocID) []string {
		got, err := retriever(t, m, letters{}).Search(t.Context(), query, params(func(p *Params) { p.Filter.Docs = docs }))
		if err != nil {
			t.Fatal(err)
		}
		return got.Warnings
	}
	want := []string{`filter: no document "x" is indexed`}
	if got := search(library(t), "x"); !slices.Equal(got, want) {
		t.Errorf("warnings %q, want %q", got, want)
	}
	if got := search(library(t), "doc03", "x"); len(got) != 0 {
		t.Errorf("warnings %q although something was found", got)
	}
	if got := search(&memory{}, slices.Repeat([]text.DocID{"x"}, 2*maxAsked)...); len(got) != maxAsked {
		t.Errorf("%d warnings, want %d", len(got), maxAsked)
	}
}

func TestInvalid(t *testing.T) {
	many := func(n int) []string { return slices.Repeat([]string{"x"}, n) }
	for _, tc := range []struct {
		name   string
		query  string
		mutate func(*Params)
		want   string
	}{
		{"empty", "", nil, "query is blank"},
		{"blank", " \n\u00a0", nil, "query is blank"},
		{"bytes", "a\xff", nil, "query is not valid UTF-8"},
		{"long", strings.Repeat("ä", MaxQueryRunes+1), nil, "query has 8193 code points, allowed are 8192"},
		{"top_k", "q", func(p *Params) { p.TopK = 0 }, "top_k is 0, allowed are 1 to 1000"},
		{"top_k high", "q", func(p *Params) { p.TopK, p.Candidates = 1001, 1000 }, "top_k is 1001, allowed are 1 to 1000"},
		{"candidates", "q", func(p *Params) { p.Candidates = 4 }, "candidates is 4, allowed are 5 (top_k) to 1000"},
		{"candidates high", "q", func(p *Params) { p.Candidates = 1001 }, "candidates is 1001, allowed are 5 (top_k) to 1000"},
		{"fusion", "q", func(p *Params) { p.Fusion = Fusion{} }, `fusion is "", allowed are zscore(w=0.6), minmax(w=0.5), dbsf, rrf(k=60,w=0.5), dense or lexical`},
		{"fusion weight", "q", func(p *Params) { p.Fusion = Fusion{Method: DBSF, Weight: 0.5} }, "fusion dbsf has no weight, but w=0.5 is set"},
		{"fusion k", "q", func(p *Params) { p.Fusion = Fusion{Method: ZScore, K: 2} }, "fusion zscore has no k, but k=2 is set"},
		{"prior", "q", func(p *Params) { p.DocumentPrior = -1 }, "document_prior is -1, allowed are 0 to 10"},
		{"prior NaN", "q", func(p *Params) { p.DocumentPrior = math.NaN() }, "document_prior is NaN, allowed are 0 to 10"},
		{"smoothing", "q", func(p *Params) { p.NeighbourSmoothing = 11 }, "neighbour_smoothing is 11, allowed are 0 to 10"},
		{"idf power", "q", func(p *Params) { p.IDFPower = 0 }, "idf_power is 0, allowed are 1 (BM25) to 3"},
		{"title boost", "q", func(p *Params) { p.TitleBoost = 11 }, "title_boost is 11, allowed are 0 to 10"},
		{"documents", "q", func(p *Params) { p.Filter.Docs = []text.DocID{"a", ""} }, "filter.documents has an empty id"},
		{"many documents", "q", func(p *Params) { p.Filter.Docs = slices.Repeat([]text.DocID{"a"}, 1001) }, "filter.documents has 1001 values, allowed are 1000"},
		{"tags", "q", func(p *Params) { p.Filter.Tags = []string{""} }, "filter.tags has an empty tag"},
		{"many tags", "q", func(p *Params) { p.Filter.Tags = many(1001) }, "filter.tags has 1001 values, allowed are 1000"},
		{"meta", "q", func(p *Params) { p.Filter.Meta = map[string]string{"": "x", `a\b`: "x"} },
			`filter.meta has the metadata key "", allowed are 1 to 4096 bytes of UTF-8 without quotation marks and backslashes`},
		{"backslash", "q", func(p *Params) { p.Filter.Meta = map[string]string{`a\b`: "x", "a": "x"} },
			`filter.meta has the metadata key "a\\b", allowed are 1 to 4096 bytes of UTF-8 without quotation marks and backslashes`},
		{"where", "q", func(p *Params) { p.Filter.Where = filter.Expr{Op: filter.Exists, Field: filter.MetaField(`a"b`)} },
			`filter.where is not allowed: metadata key "a\"b", allowed are 1 to 4096 bytes of UTF-8 without quotation marks and backslashes`},
		{"many keys", "q", func(p *Params) {
			p.Filter.Meta = map[string]string{}
			for i := range 101 {
				p.Filter.Meta[fmt.Sprint(i)] = ""
			}
		}, "filter.meta has 101 keys, allowed are 100"},
		{"several", "", func(p *Params) { p.TopK, p.DocumentPrior = -1, 99 },
			"query is blank\ntop_k is -1, allowed are 1 to 1000\ndocument_prior is 99, allowed are 0 to 10"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := library(t)
			_, err := retriever(t, m, letters{}).Search(t.Context(), tc.query, params(tc.mutate))
			var invalid *InvalidError
			if !errors.As(err, &invalid) || err.Error() != tc.want {
				t.Errorf("error = %v, want InvalidError %s", err, tc.want)
			}
			if len(m.limits) > 0 {
				t.Error("the index was asked all the same")
			}
		})
	}
	if err := DefaultParams().Validate(); err != nil {
		t.Errorf("DefaultParams().Validate() = %v", err)
	}
}

func TestNewChecksTheRecipe(t *testing.T) {
	recipe := index.Recipe{Lexical: lexical.Default(), Embedder: index.EmbedderRecipe{Name: "other", Fingerprint: "other-7"}}
	_, err := New(&index.Generation{Collection: "docs", Number: 3, Recipe: recipe}, letters{})
	want := `retrieve from collection "docs", generation 3: built with embedder other (fingerprint other-7), this one is letters (fingerprint letters-1): ` + index.ErrRecipe.Error()
	if !errors.Is(err, index.ErrRecipe) || err.Error() != want {
		t.Errorf("New error = %v, want %s", err, want)
	}
	recipe.Embedder.Fingerprint = "letters-1"
	recipe.Lexical.Language = "klingon"
	if _, err := New(&index.Generation{Recipe: recipe}, letters{}); err == nil {
		t.Error("New accepts a recipe with an unknown language")
	}
}

// TestConcurrent: searches and rankings of several sizes beside and after each other
// give what each gives alone; the race detector watches.
func TestConcurrent(t *testing.T) {
	r := prefixed(t, library(t), letters{}).WithReranker(scorer(byEggs))
	type answer struct {
		Considered, Reranked int
		Chunks, All          []Ranked
		Added                []Added
	}
	search := func(i int) answer {
		p := params(func(p *Params) { p.Candidates = 6 + 10*(i%3) })
		if i%2 > 0 {
			p.Rerank, p.RerankWeight = 4, 0.5
		}
		if i%4 > 1 {
			p.Fusion, p.Neighbours = Fusion{Method: Lexical}, 1
		}
		got, err := r.Search(t.Context(), query+[]string{"", ` "badge cabbage"`, " doc-03"}[i%3], p)
		if err != nil {
			t.Error(err)
		}
		all := got.All()
		return answer{got.Considered, got.Reranked, got.Chunks, all, Additions(all, p)}
	}
	const n = 12
	var want [n]answer
	for i := range want {
		want[i] = search(i)
	}
	var wg sync.WaitGroup
	for first := range 4 {
		wg.Go(func() {
			for i := range 2 * n {
				k := (first*5 + i) % n
				if d := cmp.Diff(want[k], search(k)); d != "" {
					t.Errorf("search %d (-alone +beside others):\n%s", k, d)
				}
			}
		})
	}
	wg.Wait()
}
