package retrieve

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// scorer is a reranker.
type scorer func(ctx context.Context, query string, passages []string) ([]float32, error)

func (s scorer) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	return s(ctx, query, passages)
}

// byEggs prefers passages with many of the letter g; many are alike.
func byEggs(_ context.Context, _ string, passages []string) ([]float32, error) {
	var out []float32
	for _, p := range passages {
		out = append(out, float32(strings.Count(p, "g"))-2)
	}
	return out, nil
}

func TestRerankedSearch(t *testing.T) {
	plain := retriever(t, library(t), letters{})
	r := plain.WithReranker(scorer(byEggs))
	p := DefaultParams()
	p.TopK, p.Candidates = 12, 20
	before, err := r.Search(t.Context(), "a badge in the hedge", p)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := plain.Search(t.Context(), "a badge in the hedge", p); err != nil || !slices.Equal(ids(want.All()), ids(before.All())) {
		t.Errorf("a reranker that is not asked for changes the order (%v)", err)
	}
	p.Rerank = 8
	after, err := r.Search(t.Context(), "a badge in the hedge", p)
	if err != nil || len(after.Degraded) > 0 {
		t.Fatalf("Search = %v, degraded %v", err, after.Degraded)
	}
	if slices.Equal(ids(before.All())[:8], ids(after.All())[:8]) {
		t.Fatal("the test shows nothing: reranking kept the order")
	}
	was := before.All()
	for i, c := range after.All() {
		if c.Rank != i+1 {
			t.Errorf("candidate %d has rank %d", i, c.Rank)
		}
		if i >= 8 {
			if c.Rerank != nil || c.Chunk.ID != was[i].Chunk.ID {
				t.Errorf("candidate %d, beyond the depth, is %s with %+v, want %s untouched", i, c.Chunk.ID, c.Rerank, was[i].Chunk.ID)
			}
			continue
		}
		was := was[c.Rerank.Before-1]
		if was.Chunk.ID != c.Chunk.ID || was.Score != c.Score || was.Fused != c.Fused {
			t.Errorf("candidate %d: %+v, but rank %d before is %+v", i, c, c.Rerank.Before, was)
		}
		score := float64(strings.Count(c.Chunk.Text, "g")) - 2
		if want := (Reranked{Before: c.Rerank.Before, Score: score, Final: score}); *c.Rerank != want {
			t.Errorf("candidate %d: %+v, want %+v", i, *c.Rerank, want)
		}
		if i > 0 {
			last := after.All()[i-1].Rerank
			if last.Score < c.Rerank.Score || last.Score == c.Rerank.Score && last.Before > c.Rerank.Before {
				t.Errorf("candidates %d and %d are out of order: %+v, %+v", i-1, i, *last, *c.Rerank)
			}
		}
	}
	if !slices.Equal(ids(after.Chunks), ids(after.All())[:12]) {
		t.Error("Chunks are not the first of Candidates")
	}
	var stages []string
	for _, s := range after.Stages {
		stages = append(stages, s.Name)
	}
	if want := []string{"embed", "terms", "legs", "records", "rerank", "fuse"}; !slices.Equal(stages, want) {
		t.Errorf("stages = %v, want %v", stages, want)
	}
}

// TestRerankedAsServed: what was found once and scored once for many settings
// ranks like a search with each.
func TestRerankedAsServed(t *testing.T) {
	scored := map[string]int{}
	r := retriever(t, library(t), letters{}).WithReranker(scorer(func(ctx context.Context, q string, passages []string) ([]float32, error) {
		for _, p := range passages {
			scored[p]++
		}
		return byEggs(ctx, q, passages)
	}))
	var ps []Params
	for _, fusion := range []string{"dense", "lexical", "zscore(w=0.6)"} {
		for _, depth := range []int{0, 1, 7, 20} {
			p := DefaultParams()
			p.Fusion, _ = ParseFusion(fusion)
			p.TopK, p.Candidates, p.Rerank = 20, 20, depth
			ps = append(ps, p)
		}
	}
	f, err := r.Find(t.Context(), "a badge in the hedge", ps[0])
	if err != nil {
		t.Fatal(err)
	}
	all, err := r.Rerank(t.Context(), "a badge in the hedge", f, ps...)
	if err != nil {
		t.Fatal(err)
	}
	if f.Reranked != nil {
		t.Error("Rerank changed what it was given")
	}
	texts := map[string]int{}
	for _, c := range f.Legs.Candidates {
		texts[c.Chunk.Text]++
	}
	for body, n := range scored {
		if n > texts[body] {
			t.Errorf("%q was scored %d times, %d chunks have that text", body, n, texts[body])
		}
	}
	for _, p := range ps {
		want, err := r.Search(t.Context(), "a badge in the hedge", p)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Chunks, Rank(all, p)); diff != "" {
			t.Errorf("%s, %d reranked (-served +ranked):\n%s", p.Fusion, p.Rerank, diff)
		}
		p.Rerank = 0
		if got := Rank(all, p); !slices.Equal(ids(got), ids(Rank(f, p))) || got[0].Rerank != nil {
			t.Errorf("%s: scores that nobody asked for change the ranking", p.Fusion)
		}
	}
	missing := ps[len(ps)-1]
	if got := Rank(f, missing); got[0].Rerank != nil {
		t.Errorf("Rank without scores reranked: %+v", *got[0].Rerank)
	}
}

func TestRerankPassages(t *testing.T) {
	m := build(t, map[text.DocID][]string{"a": {"egg"}, "b": {"an egg"}})
	m.points[0].Chunk.Heading = []string{"Hen", strings.Repeat("é", 300)}
	var got []string
	r := retriever(t, m, letters{}).WithReranker(scorer(func(ctx context.Context, q string, passages []string) ([]float32, error) {
		got = passages
		return byEggs(ctx, q, passages)
	}))
	p := DefaultParams()
	p.Rerank = 2
	search := func() []string {
		if _, err := r.Search(t.Context(), "egg", p); err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		return got
	}
	if want := []string{"an egg", "egg"}; !slices.Equal(search(), want) {
		t.Errorf("without index prefix the passages are %q, want %q", got, want)
	}
	r.prefix = true
	doc := m.points[0].Chunk.Doc
	line := "Title of " + string(doc) + " > Hen > "
	line += strings.Repeat("é", maxContextRunes-len(line))
	other := map[index.ChunkID]string{"a-000": "Title of b\nan egg", "b-000": "Title of a\negg"}[m.points[0].Chunk.ID]
	want := []string{line + "\n" + m.points[0].Chunk.Text, other}
	slices.Sort(want)
	if diff := cmp.Diff(want, search()); diff != "" {
		t.Errorf("with index prefix (-want +got):\n%s", diff)
	}
}

func TestRerankFails(t *testing.T) {
	plain := retriever(t, library(t), letters{})
	p := DefaultParams()
	want, err := plain.Search(t.Context(), "badge", p)
	if err != nil {
		t.Fatal(err)
	}
	p.Rerank = 5
	nan := float32(math.NaN())
	for problem, answer := range map[string]scorer{
		"rerank: connection refused":                                  func(context.Context, string, []string) ([]float32, error) { return nil, errDown },
		"rerank: the reranker broke its contract: 1 scores for 5 pas": func(context.Context, string, []string) ([]float32, error) { return []float32{1}, nil },
		"rerank: the reranker broke its contract: the score of chunk": func(context.Context, string, []string) ([]float32, error) { return []float32{1, nan, 1, 1, 1}, nil },
	} {
		r := plain.WithReranker(answer)
		got, err := r.Search(t.Context(), "badge", p)
		if err != nil {
			t.Fatalf("%s: %v", problem, err)
		}
		if !slices.Equal(ids(got.All()), ids(want.All())) || got.All()[0].Rerank != nil {
			t.Errorf("%s: the order is not the one before reranking", problem)
		}
		if len(got.Degraded) != 1 || !strings.HasPrefix(got.Degraded[0], problem) {
			t.Errorf("%s: degraded = %q", problem, got.Degraded)
		}
		strict := p
		strict.RequireAll = true
		if _, err := r.Search(t.Context(), "badge", strict); !errors.Is(err, ErrLeg) || !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: Search that requires all = %v, want %v", problem, err, ErrLeg)
		}
		f, err := r.Find(t.Context(), "badge", p)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Rerank(t.Context(), "badge", f, p); err == nil || got.Reranked != nil {
			t.Errorf("%s: Rerank = %v with scores %v", problem, err, got.Reranked)
		}
	}
}

// TestRerankDeadline: a reranker that takes too long costs the time that it was
// given, and the answer comes before the deadline.
func TestRerankDeadline(t *testing.T) {
	m := library(t)
	synctest.Test(t, func(t *testing.T) {
		r := retriever(t, m, letters{}).WithReranker(scorer(func(ctx context.Context, _ string, _ []string) ([]float32, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}))
		p := DefaultParams()
		p.Rerank = 5
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		got, err := r.Search(ctx, "badge", p)
		if err != nil || len(got.Chunks) == 0 || !slices.Equal(got.Degraded, []string{"rerank: context deadline exceeded"}) {
			t.Errorf("Search = %d chunks, degraded %q, %v", len(got.Chunks), got.Degraded, err)
		}
		if !slices.Contains(got.Stages, Stage{"rerank", 750 * time.Millisecond, begin}) {
			t.Errorf("stages = %v, want 750ms of rerank", got.Stages)
		}
		if took := time.Since(begin); took != 750*time.Millisecond {
			t.Errorf("Search took %v of a second, want 750ms", took)
		}
		p.RequireAll = true
		if _, err := r.Search(ctx, "badge", p); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Search that requires all = %v, want %v", err, context.DeadlineExceeded)
		}
	})
}

func TestRerankCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := retriever(t, library(t), letters{}).WithReranker(scorer(func(ctx context.Context, _ string, _ []string) ([]float32, error) {
		cancel()
		return nil, ctx.Err()
	}))
	p := DefaultParams()
	p.Rerank = 5
	if _, err := r.Search(ctx, "badge", p); !errors.Is(err, context.Canceled) {
		t.Errorf("Search = %v, want %v", err, context.Canceled)
	}
}

func TestNoReranker(t *testing.T) {
	r := retriever(t, library(t), letters{})
	p := DefaultParams()
	p.Rerank = 5
	var invalid *InvalidError
	if _, err := r.Search(t.Context(), "badge", p); !errors.As(err, &invalid) || invalid.Field != "rerank" {
		t.Errorf("Search = %v, want an InvalidError about rerank", err)
	}
	f, err := r.Find(t.Context(), "badge", p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Rerank(t.Context(), "badge", f, p); !errors.Is(err, ErrNoReranker) {
		t.Errorf("Rerank = %v, want %v", err, ErrNoReranker)
	}
	p.Rerank = 101
	if err := p.Validate(); err == nil || err.Error() != "rerank is 101, allowed are 0 (off) to 100 (candidates)" {
		t.Errorf("Validate = %v", err)
	}
}

// TestRerankWeight: between the order before and the reranker's own, a weight
// mixes the two scores, each as z-scores over what is reranked, and what a chunk
// gains from its document and its neighbours comes on top.
func TestRerankWeight(t *testing.T) {
	r := retriever(t, library(t), letters{}).WithReranker(scorer(byEggs))
	p := DefaultParams()
	p.TopK, p.Candidates, p.Rerank = 20, 20, 9
	f, err := r.Find(t.Context(), "a badge in the hedge", p)
	if err != nil {
		t.Fatal(err)
	}
	orders := map[string]bool{}
	for _, context := range []struct{ prior, smoothing float64 }{{0, 0}, {0.8, 0}, {0, 0.4}, {0.8, 0.4}} {
		p.DocumentPrior, p.NeighbourSmoothing = context.prior, context.smoothing
		if f, err = r.Rerank(t.Context(), "a badge in the hedge", f, p); err != nil {
			t.Fatal(err)
		}
		off := p
		off.Rerank = 0
		before := Rank(f, off)[:9]
		z := func(value func(Ranked) float64) func(Ranked) float64 {
			var sum, squares float64
			for _, c := range before {
				sum += value(c) / 9
			}
			for _, c := range before {
				squares += (value(c) - sum) * (value(c) - sum) / 9
			}
			return func(c Ranked) float64 { return (value(c) - sum) / math.Sqrt(squares) }
		}
		zFused := z(func(c Ranked) float64 { return c.Fused })
		zReranked := z(func(c Ranked) float64 { return f.Reranked[c.Chunk.ID] })
		for _, w := range []float64{1e-9, 0.2, 0.5, 0.8, 1} {
			p.RerankWeight = w
			if err := p.Validate(); err != nil {
				t.Fatal(err)
			}
			own := func(c Ranked) float64 { return w*zReranked(c) + (1-w)*zFused(c) }
			want := func(c Ranked) float64 {
				if w == 1 {
					return own(c)
				}
				best, beside, second := math.Inf(-1), math.Inf(-1), math.Inf(-1)
				for _, other := range before {
					if other.Chunk.Doc != c.Chunk.Doc {
						continue
					}
					best = max(best, own(other))
					switch other.Chunk.Ordinal - c.Chunk.Ordinal {
					case 1, -1:
						beside = max(beside, own(other))
					case 2, -2:
						second = max(second, own(other))
					}
				}
				for _, s := range []*float64{&beside, &second} {
					if math.IsInf(*s, -1) {
						*s = 0 // the average of z-scores
					}
				}
				return own(c) + context.prior*best + context.smoothing*(beside+second/8)
			}
			got := Rank(f, p)[:9]
			orders[strings.Join(ids(got), " ")] = true
			for _, c := range got {
				r := *c.Rerank
				if math.Abs(r.Final-want(c)) > 1e-12 && w < 1 {
					t.Errorf("%+v, weight %v: %s has the final score %v, want %v", context, w, c.Chunk.ID, r.Final, want(c))
				}
				parts := Reranked{Before: r.Before, Score: r.Score, Final: r.Score}
				if w < 1 {
					parts = Reranked{
						Before: r.Before, Score: r.Score, Final: r.Weighted + r.Own + r.Added.Document + r.Added.Neighbours,
						Weighted: w * zReranked(c), Own: (1 - w) * zFused(c), Added: Added{Document: r.Added.Document, Neighbours: r.Added.Neighbours},
					}
				}
				if d := cmp.Diff(parts, r, cmpopts.EquateApprox(0, 1e-12)); d != "" {
					t.Errorf("%+v, weight %v: parts of %s (-want +got):\n%s", context, w, c.Chunk.ID, d)
				}
				if context.prior == 0 && r.Added.Document != 0 || context.smoothing == 0 && r.Added.Neighbours != 0 {
					t.Errorf("%+v, weight %v: %+v is added to %s", context, w, r.Added, c.Chunk.ID)
				}
			}
			for i := 1; i < len(got); i++ {
				a, b := got[i-1], got[i]
				x, y := want(a), want(b)
				if x < y-1e-12 || math.Abs(x-y) < 1e-12 && a.Rerank.Before > b.Rerank.Before {
					t.Errorf("%+v, weight %v: rank %d has %v and was %d, rank %d has %v and was %d", context, w, i, x, a.Rerank.Before, i+1, y, b.Rerank.Before)
				}
			}
			if w < 1e-6 && context.prior+context.smoothing == 0 && !slices.Equal(ids(got), ids(before)) {
				t.Errorf("a weight of nearly 0 changes the order")
			}
		}
	}
	if len(orders) < 3 {
		t.Errorf("the test shows little: %d orders under 5 weights", len(orders))
	}
	for _, w := range []float64{0, -1, 1.1, math.NaN()} {
		p.RerankWeight = w
		if err := p.Validate(); err == nil || !strings.HasPrefix(err.Error(), "rerank_weight is ") {
			t.Errorf("weight %v: Validate = %v", w, err)
		}
	}
}

// TestRerankedParts: what a final score is made of adds up to it, whatever takes part,
// and the order is that of the final scores.
func TestRerankedParts(t *testing.T) {
	m := library(t)
	m.rec["doc05"].Title = "On hedges"
	r := prefixed(t, m, letters{}).WithReranker(scorer(byEggs))
	for _, f := range allFusions() {
		p := params(func(p *Params) { p.Fusion, p.TopK, p.Candidates, p.Rerank, p.RerankWeight = f, 100, 100, 30, 0.7 })
		p.DocumentPrior, p.TitleBoost, p.NeighbourSmoothing, p.PhraseBoost = 0.8, 2, 0.4, 2
		got, err := r.Search(t.Context(), `hedge "beach badge" head`, p)
		if err != nil {
			t.Fatal(err)
		}
		sum := Added{}
		for i, c := range got.All()[:30] {
			x := *c.Rerank
			a := x.Added
			if all := x.Weighted + x.Own + a.Document + a.Title + a.Neighbours; math.Abs(all-x.Final) > 1e-9 || a.Phrases != 0 {
				t.Errorf("%s: #%d has the final score %v, the parts of %+v make %v", f, c.Rank, x.Final, x, all)
			}
			if i > 0 && got.All()[i-1].Rerank.Final < x.Final {
				t.Errorf("%s: #%d has the final score %v, the one before it less", f, c.Rank, x.Final)
			}
			sum.Document += math.Abs(a.Document)
			sum.Title += math.Abs(a.Title)
			sum.Neighbours += math.Abs(a.Neighbours)
		}
		if sum.Document == 0 || sum.Title == 0 || sum.Neighbours == 0 {
			t.Errorf("%s: something adds nothing anywhere: %+v", f, sum)
		}
	}
}
