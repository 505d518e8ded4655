package tune_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/stats"
	"github.com/ragloop/ragloop/evalret/tune"
	"github.com/ragloop/ragloop/ingest/chunk"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve"
)

type words struct{}

func (words) Count(s string) int { return len(strings.Fields(s)) }

const evidenceText = "the answer is here."

// corpus is n documents with their evidence at the start, and a query each.
func corpus(n int) (labels.Set, map[text.DocID]string) {
	set, docs := labels.Set{Name: "set"}, map[text.DocID]string{}
	for i := range n {
		doc := text.DocID(fmt.Sprintf("d%03d", i))
		docs[doc] = evidenceText + strings.Repeat(" filler", 400)
		set.Queries = append(set.Queries, labels.Query{
			ID: fmt.Sprintf("q%03d", i), Text: string(doc) + "?",
			Evidence: []labels.Evidence{{Doc: doc, Span: text.RuneSpan{Start: 0, End: len(evidenceText)}, Quote: evidenceText}},
		})
	}
	return set, docs
}

// builder builds chunkings in which a share of the queries finds its evidence
// first and the others do not find it at all.
type builder struct {
	docs   map[text.DocID]string
	share  map[int]float64 // by chunk size; absent: 0.5
	corpus func(tune.Chunking) string
	fail   error

	built  []tune.Chunking
	finds  int
	closed int
}

func (b *builder) Build(_ context.Context, c tune.Chunking) (tune.Built, error) {
	if b.fail != nil {
		return tune.Built{}, b.fail
	}
	b.built = append(b.built, c)
	share, ok := b.share[c.SizeTokens]
	if !ok {
		share = 0.5
	}
	fingerprint := "corpus"
	if b.corpus != nil {
		fingerprint = b.corpus(c)
	}
	return tune.Built{
		Finder: finder{b, c, share}, Corpus: fingerprint, Recipe: "recipe " + c.String(), Chunks: 100_000 / c.SizeTokens,
		Texts: func(_ context.Context, doc text.DocID) (string, error) {
			if s, ok := b.docs[doc]; ok {
				return s, nil
			}
			return "", labels.ErrNoDocument
		},
		Close: func() error { b.closed++; return nil },
	}, nil
}

type finder struct {
	b     *builder
	c     tune.Chunking
	share float64
}

// Rerank keeps the order.
func (f finder) Rerank(_ context.Context, _ string, found retrieve.Found, _ ...retrieve.Params) (retrieve.Found, error) {
	found.Reranked = map[index.ChunkID]float64{}
	for _, c := range found.Legs.Candidates {
		found.Reranked[c.Chunk.ID] = 0
	}
	return found, nil
}

func (f finder) Find(_ context.Context, query string, _ retrieve.Params) (retrieve.Found, error) {
	f.b.finds++ // the tests search one query at a time
	doc := text.DocID(strings.TrimSuffix(query, "?"))
	var found retrieve.Found
	var i int
	if _, err := fmt.Sscanf(query, "d%d?", &i); err != nil {
		return found, err
	}
	// The multiples of the golden ratio fill [0, 1) evenly.
	lucky := math.Mod(float64(i)*math.Phi, 1) < f.share
	body := []rune(f.b.docs[doc])
	width := 8 * f.c.SizeTokens / 4
	for i := range 12 {
		start := i * width
		if i == 0 && !lucky {
			continue
		}
		if start+width > len(body) {
			break
		}
		found.Legs.Candidates = append(found.Legs.Candidates, index.Candidate{
			Chunk: &index.Chunk{
				ID: index.ChunkID(fmt.Sprintf("%02d", i)), Doc: doc, Rev: "r", Ordinal: i,
				Span: text.RuneSpan{Start: start, End: start + width}, Text: string(body[start : start+width]),
			},
			Dense: 1 - float64(i)/20, DenseRank: i + 1,
		})
		found.Records = append(found.Records, &index.Record{Doc: doc, Rev: "r", State: index.Indexed})
	}
	return found, nil
}

func options(t *testing.T) tune.Options {
	t.Helper()
	dense := retrieve.Fusion{Method: retrieve.Dense}
	return tune.Options{
		Grid:    tune.Grid{Sizes: []int{16, 32, 64}, Overlaps: []float64{0, 0.25}, TopK: []int{2, 5}, Budgets: []int{60, 120}},
		Current: tune.Setting{Chunking: tune.Chunking{Strategy: chunk.Structure, SizeTokens: 32}, TopK: 5, Fusion: dense},
		Base:    retrieve.DefaultParams(), Counter: words{}, Tokenizer: "words",
		Seed: 1, Resamples: 1000, Concurrency: 1, Code: "test",
	}
}

func TestWinner(t *testing.T) {
	set, docs := corpus(120)
	b := &builder{docs: docs, share: map[int]float64{16: 0.9, 32: 0.5, 64: 0.2}}
	r, err := tune.Run(context.Background(), set, b, options(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Settings) != 12 || r.Queries != 120 || r.Primary.String() != "evidence_recall@120t" {
		t.Fatalf("%d settings, %d queries, primary %s", len(r.Settings), r.Queries, r.Primary)
	}
	var want []tune.Chunking
	for _, size := range []int{16, 32, 64} {
		for _, overlap := range []float64{0, 0.25} {
			want = append(want, tune.Chunking{Strategy: chunk.Structure, SizeTokens: size, Overlap: overlap})
		}
	}
	if diff := cmp.Diff(want, b.built); diff != "" {
		t.Errorf("chunkings built (-want +got):\n%s", diff)
	}
	// Once for each chunking and query, whatever the number of settings.
	if b.finds != 6*120 || b.closed != 6 {
		t.Errorf("%d searches, %d closed, want 720 and 6", b.finds, b.closed)
	}
	if v := r.Verdict; v.Kind != tune.Winner || v.Winner != v.Best || r.Settings[v.Winner].Setting.SizeTokens != 16 {
		t.Errorf("verdict = %+v, want chunks of 16 tokens to win", v)
	}
	for i, o := range r.Settings {
		if o.Current != (i == r.Current) || (o.Comparison == nil) != o.Current {
			t.Errorf("%s: current %v, comparison %v", o.Setting, o.Current, o.Comparison)
		}
		if o.Comparison == nil {
			continue
		}
		want := map[int]stats.Verdict{16: stats.Better, 32: stats.Unclear, 64: stats.Worse}[o.Setting.SizeTokens]
		if got := o.Comparison.Verdict(); got != want {
			t.Errorf("%s is %q, want %q", o.Setting, got, want)
		}
	}
	if !strings.Contains(r.Verdict.Sentence, "It is better than the current setting (32-token chunks, overlap 0, top-k 5) by") {
		t.Errorf("sentence = %q", r.Verdict.Sentence)
	}
	if !slices.ContainsFunc(r.Warnings, func(w stats.Warning) bool { return w.Code == "selected" }) {
		t.Errorf("warnings = %v, want one about choosing and measuring on the same queries", r.Warnings)
	}
}

// TestHoldOut: what is chosen on one part of the queries is confirmed, or not,
// on the other, and each query is still searched once for each chunking.
func TestHoldOut(t *testing.T) {
	set, docs := corpus(120)
	b := &builder{docs: docs, share: map[int]float64{16: 0.9}}
	o := options(t)
	o.HoldOut = 0.4
	r, err := tune.Run(context.Background(), set, b, o)
	if err != nil {
		t.Fatal(err)
	}
	c := r.Verdict.Confirmation
	if r.Verdict.Kind != tune.Winner || c == nil {
		t.Fatalf("verdict %+v, want a winner with a confirmation", r.Verdict)
	}
	if r.Queries != 72 || c.Queries != 48 || c.Verdict() != stats.Better {
		t.Errorf("chosen on %d queries, confirmed on %d: %s; want 72, 48, %s", r.Queries, c.Queries, c.Verdict(), stats.Better)
	}
	if want := "The 48 held-out queries confirm it: +"; !strings.Contains(r.Verdict.Sentence, want) {
		t.Errorf("sentence %q, want %q", r.Verdict.Sentence, want)
	}
	for _, w := range r.Warnings {
		if w.Code == "selected" {
			t.Errorf("a confirmed winner has the warning %q", w.Message)
		}
	}
	if want := len(set.Queries) * len(b.built); b.finds != want {
		t.Errorf("%d searches for %d chunkings, want %d", b.finds, len(b.built), want)
	}

	// A half that is too small says so.
	o.HoldOut = 0.1
	if r, err = tune.Run(context.Background(), set, b, o); err != nil || !strings.Contains(r.Verdict.Sentence, "too few to confirm it") {
		t.Errorf("with 12 held out: %q, %v", r.Verdict.Sentence, err)
	}
	for _, share := range []float64{-0.1, 1, math.NaN()} {
		o.HoldOut = share
		if _, err := tune.Run(context.Background(), set, b, o); !errors.Is(err, tune.ErrOptions) {
			t.Errorf("hold-out %v: %v, want ErrOptions", share, err)
		}
	}
}

// TestRerankGrid: the reranker is one more dimension, searched once like the others.
func TestRerankGrid(t *testing.T) {
	set, docs := corpus(20)
	b := &builder{docs: docs, share: map[int]float64{32: 0.5}}
	o := options(t)
	o.Grid = tune.Grid{TopK: []int{2, 5}, Reranks: []int{0, 2}, Budgets: []int{60}}
	if _, err := tune.Run(t.Context(), set, b, o); !errors.Is(err, evalret.ErrOptions) {
		t.Errorf("Run without the reranker's name = %v, want %v", err, evalret.ErrOptions)
	}
	o.Reranker = "r1"
	b.finds = 0
	r, err := tune.Run(t.Context(), set, b, o)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	retrievals := map[string]bool{}
	for _, o := range r.Settings {
		names = append(names, o.Setting.String())
		retrievals[o.Retrieval] = true
	}
	if want := []string{"32/0 k2 dense", "32/0 k2 dense rerank(2)", "32/0 k5 dense", "32/0 k5 dense rerank(2)"}; !slices.Equal(names, want) {
		t.Errorf("settings = %q, want %q", names, want)
	}
	if len(retrievals) != 4 || b.finds != 20 {
		t.Errorf("%d retrieval fingerprints and %d searches, want 4 and 20", len(retrievals), b.finds)
	}
}

// TestRerankWeightGrid: the weight of the reranker is a dimension of the settings
// that rerank, and of no others.
func TestRerankWeightGrid(t *testing.T) {
	set, docs := corpus(20)
	o := options(t)
	o.Base.RerankWeight = 0.7
	o.Reranker = "r1"
	names := func() (out []string) {
		t.Helper()
		r, err := tune.Run(t.Context(), set, &builder{docs: docs}, o)
		if err != nil {
			t.Fatal(err)
		}
		retrievals := map[string]bool{}
		for _, s := range r.Settings {
			out = append(out, s.Setting.String())
			retrievals[s.Retrieval] = true
		}
		if len(retrievals) != len(out) {
			t.Errorf("%d retrieval fingerprints of %d settings", len(retrievals), len(out))
		}
		return out
	}
	o.Grid = tune.Grid{Reranks: []int{0, 2}, RerankWeights: []float64{0.5, 1}, Budgets: []int{60}}
	if got, want := names(), []string{"32/0 k5 dense", "32/0 k5 dense rerank(2,w=0.5)", "32/0 k5 dense rerank(2)"}; !slices.Equal(got, want) {
		t.Errorf("settings = %q, want %q", got, want)
	}
	o.Current.Rerank = 2 // with the weight of the base
	if got, want := names(), []string{"32/0 k5 dense", "32/0 k5 dense rerank(2,w=0.5)", "32/0 k5 dense rerank(2)", "32/0 k5 dense rerank(2,w=0.7)"}; !slices.Equal(got, want) {
		t.Errorf("settings = %q, want %q", got, want)
	}
	for _, bad := range [][]float64{{0}, {1.5}, {math.NaN()}, {0.5, -1}} {
		o.Grid.RerankWeights = bad
		if _, err := tune.Run(t.Context(), set, &builder{docs: docs}, o); !errors.Is(err, tune.ErrOptions) || !strings.Contains(err.Error(), "rerank_weight is") {
			t.Errorf("weights %v: %v, want %v", bad, err, tune.ErrOptions)
		}
	}
	o.Current.Rerank = 0
	o.Grid = tune.Grid{RerankWeights: []float64{0.5}, Budgets: []int{60}}
	if _, err := tune.Run(t.Context(), set, &builder{docs: docs}, o); !errors.Is(err, tune.ErrOptions) || !strings.Contains(err.Error(), "no setting reranks") {
		t.Errorf("a weight without a reranker: %v, want %v", err, tune.ErrOptions)
	}
}

// TestRerankCosts: of settings that are equal but for the reranker the one
// without it is cheaper, never the other way round.
func TestRerankCosts(t *testing.T) {
	set, docs := corpus(60)
	for current, want := range map[int]string{0: "", 2: "32/0 k5 dense"} {
		o := options(t)
		o.Current.SizeTokens, o.Current.TopK, o.Current.Rerank = 32, 5, current
		o.Grid = tune.Grid{Sizes: []int{32}, TopK: []int{5}, Reranks: []int{2, 0}, Budgets: []int{60}}
		o.Reranker = "r1"
		r, err := tune.Run(t.Context(), set, &builder{docs: docs}, o)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if v := r.Verdict; v.Cheaper >= 0 {
			got = r.Settings[v.Cheaper].Setting.String()
			if !strings.HasSuffix(v.Sentence, " chunks, 0 instead of 2 reranked).") {
				t.Errorf("sentence = %q", v.Sentence)
			}
		}
		if got != want {
			t.Errorf("current depth %d: cheaper is %q, want %q (%s)", current, got, want, r.Verdict.Sentence)
		}
	}
}

func TestNoClearWinner(t *testing.T) {
	set, docs := corpus(60)
	// 64 is better on few queries: within noise.
	b := &builder{docs: docs, share: map[int]float64{16: 0.5, 32: 0.5, 64: 0.53}}
	r, err := tune.Run(context.Background(), set, b, options(t))
	if err != nil {
		t.Fatal(err)
	}
	v := r.Verdict
	if v.Kind != tune.NoWinner || v.Winner != -1 || !strings.HasPrefix(v.Sentence, "No clear winner: with 60 labelled queries") {
		t.Errorf("verdict = %+v, want no clear winner", v)
	}
	best := r.Settings[v.Best]
	if best.Setting.SizeTokens == 64 && (v.MDE <= 0 || v.QueriesNeeded <= 60) {
		t.Errorf("verdict = %+v: want the detectable difference and the queries needed", v)
	}
	// With two chunks instead of five a context has fewer tokens, and nothing
	// is lost: evidence comes first or not at all.
	if v.Cheaper < 0 || r.Settings[v.Cheaper].Setting.TopK != 2 || !strings.Contains(v.Sentence, "Cheaper, and not worse than the current setting by") {
		t.Errorf("verdict = %+v, want a cheaper setting with top-k 2", v)
	}
}

// TestStrategies: strategies are one more dimension; those that repeat nothing
// take part without an overlap.
func TestStrategies(t *testing.T) {
	set, docs := corpus(30)
	b := &builder{docs: docs}
	o := options(t)
	o.Current.Strategy = "" // as chunk.Structure
	o.Grid = tune.Grid{Strategies: []chunk.Strategy{chunk.Page, chunk.Parent, chunk.Structure}, Overlaps: []float64{0.25, 0}, Budgets: []int{60}}
	r, err := tune.Run(t.Context(), set, b, o)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range r.Chunkings {
		got = append(got, c.Chunking.String())
	}
	if want := []string{"32/0", "32/0.25", "page 32/0", "parent 32/0", "parent 32/0.25"}; !slices.Equal(got, want) {
		t.Errorf("chunkings = %q, want %q", got, want)
	}
	if s := r.Settings[r.Current].Setting; s.String() != "32/0 k5 dense" || s.Strategy != chunk.Structure {
		t.Errorf("the current setting is %s with strategy %q", s, s.Strategy)
	}
	if !strings.Contains(r.Verdict.Sentence, "strategy structure") {
		t.Errorf("the verdict does not name the strategy: %s", r.Verdict.Sentence)
	}
	encoded, err := json.Marshal(r.Settings)
	if err != nil || strings.Count(string(encoded), `"strategy":"parent"`) != 2 {
		t.Errorf("JSON = %s, %v", encoded, err)
	}
}

func TestTooFew(t *testing.T) {
	set, docs := corpus(20)
	r, err := tune.Run(context.Background(), set, &builder{docs: docs, share: map[int]float64{16: 1, 32: 0}}, options(t))
	if err != nil {
		t.Fatal(err)
	}
	if v := r.Verdict; v.Kind != tune.TooFew || v.Winner != -1 || v.Cheaper != -1 {
		t.Errorf("verdict = %+v, want too few queries", v)
	}
}

func TestNothingToCompare(t *testing.T) {
	set, docs := corpus(30)
	o := options(t)
	o.Grid = tune.Grid{Budgets: []int{60}}
	r, err := tune.Run(context.Background(), set, &builder{docs: docs}, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict.Kind != tune.Nothing || len(r.Settings) != 1 || r.Settings[0].Setting != o.Current {
		t.Errorf("verdict = %+v over %d settings", r.Verdict, len(r.Settings))
	}
	for i := range set.Queries {
		set.Queries[i].Evidence = nil
	}
	r, err = tune.Run(context.Background(), set, &builder{docs: docs}, options(t))
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict.Kind != tune.Nothing || r.Queries != 0 {
		t.Errorf("without labels: verdict = %+v", r.Verdict)
	}
}

func TestDocumentLabelsAreEnough(t *testing.T) {
	set, docs := corpus(40)
	for i, q := range set.Queries {
		set.Queries[i].Docs = map[text.DocID]int{q.Evidence[0].Doc: 1}
		set.Queries[i].Evidence = nil
	}
	r, err := tune.Run(context.Background(), set, &builder{docs: docs}, options(t))
	if err != nil {
		t.Fatal(err)
	}
	if r.Primary.String() != "nDCG@10" || r.Queries != 40 {
		t.Errorf("primary %s over %d queries, want nDCG@10 over 40", r.Primary, r.Queries)
	}
}

func TestJSON(t *testing.T) {
	set, docs := corpus(40)
	encode := func() []byte {
		r, err := tune.Run(context.Background(), set, &builder{docs: docs, share: map[int]float64{16: 0.9}}, options(t))
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := encode()
	if string(b) != string(encode()) {
		t.Error("two equal sweeps give different bytes")
	}
	var shape struct {
		Verdict  map[string]any
		Settings []struct {
			Name    string
			Metrics map[string]struct {
				Value *float64
				N     int
				CI95  *[2]float64
			}
			AgainstCurrent *struct {
				Diff    *float64
				CI95    *[2]float64
				Verdict string
			} `json:"against_current"`
			Current bool
		}
		Warnings []stats.Warning
	}
	if err := json.Unmarshal(b, &shape); err != nil {
		t.Fatal(err)
	}
	if shape.Verdict["kind"] == "" || shape.Verdict["sentence"] == "" || len(shape.Settings) != 12 {
		t.Errorf("JSON = %s", b)
	}
	for _, s := range shape.Settings {
		if m := s.Metrics["evidence_recall@120t"]; m.Value == nil || m.CI95 == nil || m.N != 40 {
			t.Errorf("%s: evidence_recall@120t = %+v", s.Name, m)
		}
		if s.Current != (s.AgainstCurrent == nil) {
			t.Errorf("%s: current %v, against_current %v", s.Name, s.Current, s.AgainstCurrent)
		}
	}
}

func TestProgress(t *testing.T) {
	set, docs := corpus(30)
	o := options(t)
	var got []string
	o.Progress = func(p tune.Progress) {
		if p.Queries == 0 || p.Queries == p.Total {
			got = append(got, fmt.Sprintf("%d/%d %s %d/%d", p.Number, p.Chunkings, p.Chunking, p.Queries, p.Total))
		}
	}
	o.Grid.Sizes, o.Grid.Overlaps = []int{32, 16}, []float64{0}
	if _, err := tune.Run(context.Background(), set, &builder{docs: docs}, o); err != nil {
		t.Fatal(err)
	}
	want := []string{"1/2 16/0 0/30", "1/2 16/0 30/30", "2/2 32/0 0/30", "2/2 32/0 30/30"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

func TestRefuses(t *testing.T) {
	set, docs := corpus(30)
	change := func(edit func(*tune.Options)) tune.Options {
		o := options(t)
		edit(&o)
		return o
	}
	tests := map[string]struct {
		o    tune.Options
		want string
	}{
		"size":     {change(func(o *tune.Options) { o.Grid.Sizes = []int{8} }), "chunk size 8 tokens; allowed: 16 to 8192"},
		"overlap":  {change(func(o *tune.Options) { o.Grid.Overlaps = []float64{0.6} }), "overlap 0.6; allowed: 0 to 0.5"},
		"strategy": {change(func(o *tune.Options) { o.Grid.Strategies = []chunk.Strategy{"magic"} }), `strategy "magic"; allowed: ["structure" `},
		"page overlap": {change(func(o *tune.Options) {
			o.Grid.Strategies, o.Grid.Overlaps = []chunk.Strategy{chunk.Page}, []float64{0.1}
		}), `overlap 0.1 with chunking strategy "page"`},
		"top-k":   {change(func(o *tune.Options) { o.Grid.TopK = []int{0} }), "top-k 0; allowed: 1 to 1000"},
		"budget":  {change(func(o *tune.Options) { o.Grid.Budgets = []int{0} }), "token budget 0; allowed: 1 to"},
		"current": {change(func(o *tune.Options) { o.Current.SizeTokens = 0 }), "chunk size 0 tokens"},
		"counter": {change(func(o *tune.Options) { o.Counter = nil }), "token counter"},
		"margin":  {change(func(o *tune.Options) { o.Margin = -1 }), "margin -1"},
		"fusion":  {change(func(o *tune.Options) { o.Grid.Fusions = []retrieve.Fusion{{Method: "best"}} }), "fusion"},
		"many":    {change(func(o *tune.Options) { o.Grid.TopK = slices.Repeat([]int{5}, 100) }), "600 settings; allowed: up to 500"},
	}
	for name, tt := range tests {
		_, err := tune.Run(context.Background(), set, &builder{docs: docs}, tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !(errors.Is(err, tune.ErrOptions) || errors.Is(err, evalret.ErrOptions)) {
			t.Errorf("%s: %v, want an options error with %q", name, err, tt.want)
		}
	}
	broken := errors.New("disk full")
	if _, err := tune.Run(context.Background(), set, &builder{docs: docs, fail: broken}, options(t)); !errors.Is(err, broken) || !strings.Contains(err.Error(), "chunking 16/0: build") {
		t.Errorf("builder failing: %v", err)
	}
	b := &builder{docs: docs, corpus: func(c tune.Chunking) string { return c.String() }}
	if _, err := tune.Run(context.Background(), set, b, options(t)); err == nil || !strings.Contains(err.Error(), "settings can't be compared") || b.closed != 2 {
		t.Errorf("another corpus: %v, %d closed", err, b.closed)
	}
}
