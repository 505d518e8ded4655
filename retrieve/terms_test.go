package retrieve

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/text/unicode/norm"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/recent"
	"github.com/ragloop/ragloop/internal/text"
)

// prefixed is a retriever over an index of titles and texts.
func prefixed(t testing.TB, m *memory, e embed.Embedder) *Retriever {
	t.Helper()
	r, err := newRetriever(m, index.Recipe{
		Lexical: lexical.Default(), Embedder: index.EmbedderRecipe{Fingerprint: "letters-1"}, Chunker: index.ChunkerRecipe{IndexPrefix: true},
	}, e)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestIDFPower: two common words beat a rare one under BM25, and not where rare
// words count more. The index of this test multiplies by no idf itself.
func TestIDFPower(t *testing.T) {
	docs := map[text.DocID][]string{"rare": {"axolotl"}, "common": {"hedge head"}}
	for _, d := range strings.Fields("a b c d e f g h") {
		docs[text.DocID(d)] = []string{"hedge egg", "head egg"}
	}
	r := retriever(t, build(t, docs), letters{})
	first := func(query string, power float64) Ranked {
		t.Helper()
		p := params(func(p *Params) {
			p.Fusion, p.IDFPower, p.DocumentPrior, p.NeighbourSmoothing = Fusion{Method: Lexical}, power, 0, 0
		})
		got, err := r.Search(t.Context(), query, p)
		if err != nil {
			t.Fatal(err)
		}
		return got.Chunks[0]
	}
	for power, want := range map[float64]text.DocID{1: "common", 2: "rare", 3: "rare"} {
		if got := first("hedge axolotl head", power).Chunk.Doc; got != want {
			t.Errorf("idf^%v: first is %s, want %s", power, got, want)
		}
	}
	idf := math.Log1p(17.5 / 1.5) // one chunk of 18 has the word
	if gain := first("axolotl", 1.5).Lexical / first("axolotl", 1).Lexical; math.Abs(gain-math.Sqrt(idf)) > 1e-3 {
		t.Errorf("idf^1.5: the lexical score is %v times that of BM25, want the root of the idf, %v", gain, math.Sqrt(idf))
	}
}

// TestTitleBoost: a chunk gains its title's share of the query in standard deviations of the fused scores,
// under every fusion, and the whole search is still Find and Rank.
func TestTitleBoost(t *testing.T) {
	m := library(t)
	for doc, r := range m.rec {
		r.Title = "Book of " + strings.TrimLeft(string(doc), "doc")
		if doc == "doc03" || doc == "doc07" {
			r.Title = "The Cabbage Book"
		}
		m.rec[doc] = r
	}
	r := prefixed(t, m, letters{})
	const query = "which cabbage feeds a hedge, says book nowhere"
	for _, f := range allFusions() {
		p := params(func(p *Params) { p.Fusion, p.TitleBoost, p.TopK, p.Candidates = f, 3, 100, 100 })
		got, err := r.Search(t.Context(), query, p)
		if err != nil {
			t.Fatal(err)
		}
		found, err := r.Find(t.Context(), query, p)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(Rank(found, p), got.Chunks); d != "" {
			t.Errorf("%s: Search differs from Find and Rank:\n%s", f, d)
		}
		p.TitleBoost = 0
		plain, err := r.Search(t.Context(), query, p)
		if err != nil {
			t.Fatal(err)
		}
		before, fused := map[index.ChunkID]float64{}, []float64{}
		for _, c := range plain.All() {
			before[c.Chunk.ID] = c.Score
			fused = append(fused, c.Fused)
			if c.Title != 0 {
				t.Errorf("%s: %s has the share %v although titles count for nothing", f, c.Chunk.ID, c.Title)
			}
		}
		for _, c := range got.All() {
			if gain := c.Score - before[c.Chunk.ID]; math.Abs(gain-3*deviation(fused)*c.Title) > 1e-9 {
				t.Errorf("%s: a chunk with the share %v gains %v, want %v", f, c.Title, gain, 3*deviation(fused)*c.Title)
			}
			if named := c.Chunk.Doc == "doc03" || c.Chunk.Doc == "doc07"; named != (c.Title > 0) {
				t.Errorf("%s: %s of %q has the share %v", f, c.Chunk.ID, c.Record.Title, c.Title)
			}
		}
	}
}

// asking is what a query of these words asks for.
func asking(a *lexical.Analyzer, words map[string]float64) *asked {
	weights := map[uint32]float64{}
	for w, x := range words {
		weights[a.Query(w).Indices[0]] = x
	}
	return newAsked(a, slices.Collect(maps.Keys(weights)), func(id uint32) float64 { return weights[id] })
}

// TestAsked: of many terms the heaviest count, whatever order they come in, and
// none that weighs nothing.
func TestAsked(t *testing.T) {
	weight := func(id uint32) float64 { return float64(id % 100) }
	var ids []uint32
	for id := range uint32(200) {
		ids = append(ids, id)
	}
	got := newAsked(nil, ids, weight)
	slices.Reverse(ids)
	if again := newAsked(nil, ids, weight); !slices.Equal(got.ids, again.ids) || !slices.Equal(got.weights, again.weights) {
		t.Error("the order of terms matters")
	}
	if len(got.ids) != maxAskedTerms || !slices.IsSorted(got.ids) || slices.Min(got.weights) != 68 {
		t.Errorf("%d of 200 terms are kept, the least of weight %v", len(got.ids), slices.Min(got.weights))
	}
	if newAsked(nil, []uint32{0, 100}, weight) != nil || newAsked(nil, nil, weight).relevance() != nil {
		t.Error("terms of weight 0 ask for something")
	}
}

func TestTitleShares(t *testing.T) {
	a, err := lexical.New(lexical.Default())
	if err != nil {
		t.Fatal(err)
	}
	q := finding{r: &Retriever{analyzer: a, titles: recent.New[string, []uint32](2), prefix: true}, p: Params{TitleBoost: 1}}
	q.asked = asking(a, map[string]float64{"travel": 1, "policy": 3, "limits": 5})
	records := []*index.Record{
		{Title: "Limits of the Travel Policy"}, {Title: "Travels; policies"}, {Title: "Expenses"}, {},
		{Title: "Travels; policies"}, {Title: strings.Repeat("Limits of the Travel Policy ", maxTitleBytes)},
	}
	want := []float64{1, 10. / 35, 0, 0, 10. / 35, 1}
	if d := cmp.Diff(want, q.titles(records), cmpopts.EquateApprox(0, 1e-12)); d != "" {
		t.Errorf("titles (-want +got):\n%s", d)
	}
	if q.asked.lacking(0) != 9 {
		t.Errorf("titles changed what sentences are compared with: %v", q.asked.weights)
	}
	q.asked = nil
	if got := q.titles(records); got != nil {
		t.Errorf("titles of a query without terms = %v, want nil", got)
	}
}

// TestTermsUnknown: where nobody tells how rare terms are, the leg is BM25 and
// says so; a request that wants all or nothing fails.
func TestTermsUnknown(t *testing.T) {
	m := library(t)
	m.idfFail = errDown
	r := prefixed(t, m, letters{})
	got, err := r.Search(t.Context(), query, params(nil))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"lexical: read how rare the query's terms are: connection refused"}; !slices.Equal(got.Degraded, want) {
		t.Errorf("Degraded = %q, want %q", got.Degraded, want)
	}
	// It is only the lexical leg's affair where that has use for it.
	for _, change := range []func(p *Params){
		func(p *Params) { p.Fusion = Fusion{Method: Dense} },
		func(p *Params) { p.IDFPower = 1 }, // of titles alone
	} {
		got, err := r.Search(t.Context(), query, params(change))
		if want := []string{"terms: read how rare the query's terms are: connection refused"}; err != nil || !slices.Equal(got.Degraded, want) {
			t.Errorf("Degraded = %q, %v, want %q", got.Degraded, err, want)
		}
	}
	plain, err := r.Search(t.Context(), query, params(func(p *Params) { p.IDFPower, p.TitleBoost = 1, 0 }))
	if err != nil {
		t.Fatal(err)
	}
	if len(plain.Degraded) > 0 {
		t.Errorf("BM25 is degraded by what it does not need: %q", plain.Degraded)
	}
	if d := cmp.Diff(plain.All(), got.All()); d != "" {
		t.Errorf("degraded differs from BM25 (-BM25 +degraded):\n%s", d)
	}
	_, err = r.Search(t.Context(), query, params(func(p *Params) { p.RequireAll = true }))
	if !errors.Is(err, ErrLeg) || !errors.Is(err, errDown) {
		t.Errorf("with RequireAll: error = %v, want ErrLeg and the cause", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m.idfFail = context.Canceled
	if _, err := r.Search(ctx, query, params(nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error = %v, want context.Canceled", err)
	}
}

// TestPower: two servers that return another chunk for a term agree about its
// weight.
func TestPower(t *testing.T) {
	for _, x := range []float64{1e-7, 0.3, 1, math.E, 11.5} {
		for _, exponent := range []float64{0.5, 1, 2} {
			got, near := power(x, exponent), power(x*(1+1e-7), exponent)
			if got != near || math.Abs(got/math.Pow(x, exponent)-1) > 1./4096 {
				t.Errorf("power(%v, %v) = %v, and %v just beside", x, exponent, got, near)
			}
		}
	}
	if got := power(3, 0); got != 1 {
		t.Errorf("power(3, 0) = %v", got)
	}
}

// A query in decomposed letters finds what the composed one finds.
func TestTermsComposed(t *testing.T) {
	r := retriever(t, build(t, map[text.DocID][]string{"pump": {"die Gr\u00f6\u00dfe der Pumpe"}, "other": {"die Gro der Pumpe"}}), letters{})
	lexical := func(query string) map[text.DocID]float64 {
		got, err := r.Search(t.Context(), query, params(nil))
		if err != nil {
			t.Fatal(err)
		}
		out := map[text.DocID]float64{}
		for _, c := range got.All() {
			out[c.Chunk.Doc] = c.Lexical
		}
		return out
	}
	want := lexical("Gr\u00f6\u00dfe")
	if !(want["pump"] > 0) {
		t.Fatalf("scores = %v, the test needs one of pump", want)
	}
	if d := cmp.Diff(want, lexical("Gro\u0308\u00dfe")); d != "" {
		t.Errorf("lexical scores (-composed +decomposed):\n%s", d)
	}
}

// Composing takes nothing apart: the dots of Bengali and Hindi letters, and Hebrew
// points, would cut the words that documents have as they were typed.
func TestComposed(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "",
		"plain":                      "plain",
		"Gro\u0308\u00dfe":           "Gr\u00f6\u00dfe",
		"\u1112\u1161\u11ab":         "\ud55c",
		"\u09b8\u09ae\u09df e\u0301": "\u09b8\u09ae\u09df \u00e9",
		"\u0932\u095c\u0915\u093e":   "\u0932\u095c\u0915\u093e",
		"\u0932\u0921\u093c":         "\u0932\u0921\u093c",
		"\ufb4b \uf900 \u212b":       "\ufb4b \uf900 \u212b",
		"e\u0331\u0301x\u0301\xff":   "\u00e9\u0331x\u0301\xff",
	} {
		if got := composed(in); got != want {
			t.Errorf("composed(%+q) = %+q, want %+q", in, got, want)
		} else if norm.NFC.String(got) != norm.NFC.String(in) {
			t.Errorf("composed(%+q) = %+q, which is another text", in, got)
		}
	}
}

// What a document has as a letter of its own, and the query too, is found.
func TestTermsNotTakenApart(t *testing.T) {
	r := prefixed(t, library(t), letters{})
	const word = "\u09b8\u09ae\u09df" // Bengali, as keyboards write it
	if d := cmp.Diff(r.analyzer.Query(word), r.terms(word)); d != "" {
		t.Errorf("terms (-as it is +got):\n%s", d)
	}
	if d := cmp.Diff(r.named("Gr\u00f6\u00dfe"), r.named("Gro\u0308\u00dfe")); d != "" {
		t.Errorf("terms of a title (-composed +decomposed):\n%s", d)
	}
}
