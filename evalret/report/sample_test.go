package report_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/tune"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

type words struct{}

func (words) Count(s string) int { return len(strings.Fields(s)) }

// world is a small corpus with a query set, and searches it with noise: the
// dense leg is better than the lexical one, and long chunks blur both.
type world struct {
	set    labels.Set
	docs   map[text.DocID]string
	titles map[text.DocID]string
	spans  map[text.DocID][]text.RuneSpan // of sentences
	finds  map[string]target              // by query text
}

type target struct {
	doc      text.DocID
	sentence int
	noise    [2]float64

	answerable bool
}

const (
	corpusDocs      = 30
	sentencesPerDoc = 18
)

func newWorld(queries, unanswerable int) *world {
	rng := rand.New(rand.NewPCG(11, 12))
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	w := &world{set: labels.Set{Name: "handbook.jsonl"}, docs: map[text.DocID]string{}, titles: map[text.DocID]string{}, spans: map[text.DocID][]text.RuneSpan{}, finds: map[string]target{}}
	var docs []text.DocID
	for d := range corpusDocs {
		doc := text.DocID(fmt.Sprintf("handbook/%02d-%s.md", d, pick("travel", "leave", "safety", "billing", "support")))
		docs = append(docs, doc)
		w.titles[doc] = pick("Travel", "Leave", "Safety", "Billing", "Support") + " policy " + fmt.Sprint(2020+d%6)
		var b strings.Builder
		for range sentencesPerDoc {
			start := b.Len()
			fmt.Fprintf(&b, "The %s for %s in %s is %d %s, reviewed every %d months by the %s team.",
				pick("allowance", "limit", "deadline", "deposit", "rate"), pick("hotels", "equipment", "parental leave", "site visits", "refunds"),
				pick("Bern", "Oslo", "Porto", "Lyon", "Turku"), 10+rng.IntN(900), pick("francs", "euros", "days", "hours"), 3+rng.IntN(20), pick("finance", "people", "field"))
			w.spans[doc] = append(w.spans[doc], text.RuneSpan{Start: start, End: b.Len()})
			b.WriteByte(' ')
		}
		w.docs[doc] = strings.TrimSpace(b.String())
	}
	for i := range queries + unanswerable {
		t := target{docs[rng.IntN(len(docs))], rng.IntN(sentencesPerDoc), [2]float64{rng.NormFloat64(), rng.NormFloat64()}, i < queries}
		q := labels.Query{ID: fmt.Sprintf("q%03d", i+1), Text: fmt.Sprintf("What does the %s say about case %d?", w.titles[t.doc], i+1), Line: i + 1}
		if i >= queries {
			q.Unanswerable = true
		} else {
			span := w.spans[t.doc][t.sentence]
			q.Evidence = []labels.Evidence{{Doc: t.doc, Span: span, Quote: w.docs[t.doc][span.Start:span.End]}}
			if i%4 == 0 {
				other := w.spans[t.doc][(t.sentence+9)%sentencesPerDoc]
				q.Evidence = append(q.Evidence, labels.Evidence{Doc: t.doc, Span: other, Quote: w.docs[t.doc][other.Start:other.End]})
				q.Tags = append(q.Tags, "two facts")
			}
			q.Tags = append(q.Tags, []string{"table", "policy", "numbers"}[i%3])
			q.Answer = "See the sentence."
		}
		w.finds[q.Text] = t
		w.set.Queries = append(w.set.Queries, q)
	}
	return w
}

func (w *world) texts(_ context.Context, doc text.DocID) (string, error) {
	if s, ok := w.docs[doc]; ok {
		return s, nil
	}
	return "", labels.ErrNoDocument
}

// finder searches w in chunks of n sentences.
type finder struct {
	w *world
	n int
}

func (f finder) Rerank(_ context.Context, query string, _ retrieve.Found, _ ...retrieve.Params) (retrieve.Found, error) {
	return retrieve.Found{}, fmt.Errorf("rerank %q: no setting of the sample does", query)
}

func (f finder) Find(_ context.Context, query string, _ retrieve.Params) (retrieve.Found, error) {
	t, ok := f.w.finds[query]
	if !ok {
		return retrieve.Found{}, fmt.Errorf("find %q: no such query", query)
	}
	rng := rand.New(rand.NewPCG(uint64(len(query)), uint64(t.sentence)*977+uint64(len(t.doc))+uint64(f.n)))
	var found retrieve.Found
	docs := make([]text.DocID, 0, len(f.w.docs))
	for doc := range f.w.docs {
		docs = append(docs, doc)
	}
	slices.Sort(docs)
	for _, doc := range docs {
		spans := f.w.spans[doc]
		for from := 0; from < len(spans); from += f.n {
			to := min(from+f.n, len(spans))
			span := text.RuneSpan{Start: spans[from].Start, End: spans[to-1].End}
			signal := 0.0
			if t.answerable && doc == t.doc {
				signal = 0.6
				if from <= t.sentence && t.sentence < to {
					signal = 2.4 / (1 + 0.12*float64(f.n))
				}
			}
			found.Legs.Candidates = append(found.Legs.Candidates, index.Candidate{
				Chunk: &index.Chunk{
					ID: index.ChunkID(fmt.Sprintf("%s#%02d", doc, from)), Doc: doc, Rev: "r", Ordinal: from / f.n,
					Span: span, Text: f.w.docs[doc][span.Start:span.End], Gap: " ",
				},
				Dense:   0.5 + 0.1*(signal+0.55*rng.NormFloat64()+0.2*t.noise[0]),
				Lexical: 10 + 3*(signal*0.8+0.7*rng.NormFloat64()+0.2*t.noise[1]),
			})
		}
	}
	cs := found.Legs.Candidates
	slices.SortFunc(cs, func(a, b index.Candidate) int { return cmp.Compare(b.Dense, a.Dense) })
	for i := range cs {
		cs[i].DenseRank = i + 1
	}
	slices.SortFunc(cs, func(a, b index.Candidate) int { return cmp.Compare(b.Lexical, a.Lexical) })
	for i := range cs {
		cs[i].LexicalRank = i + 1
		doc := cs[i].Chunk.Doc
		found.Records = append(found.Records, &index.Record{Doc: doc, Rev: "r", Title: f.w.titles[doc], State: index.Indexed})
	}
	return found, nil
}

var budgets = []int{60, 120, 240, 480}

func options(w *world) evalret.Options {
	return evalret.Options{
		Settings: evalret.Standard(retrieve.DefaultParams(), pack.Options{}),
		Metrics:  metric.Defaults(budgets), Primary: metric.Metric{Name: "evidence_recall", At: 120, Unit: metric.Tokens},
		Counter: words{}, Tokenizer: "words", Texts: w.texts, Seed: 1, Resamples: 1000, Detail: evalret.Contexts,
		Provenance: evalret.Provenance{Corpus: "1f0c5e9a77d2b3c4", Recipe: "9b1d4c2e8f7a6053", Code: "v0.0.0-test"},
	}
}

func evaluation(w *world) (evalret.Evaluation, error) {
	return evalret.Evaluate(context.Background(), w.set, finder{w, 3}, options(w))
}

func evaluate(t *testing.T, w *world) evalret.Evaluation {
	t.Helper()
	e, err := evaluation(w)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Build implements tune.Builder: the size is the number of sentences times 16.
func (w *world) Build(_ context.Context, c tune.Chunking) (tune.Built, error) {
	n := c.SizeTokens / 16
	return tune.Built{Finder: finder{w, n}, Corpus: "1f0c5e9a77d2b3c4", Recipe: "recipe " + c.String(), Chunks: corpusDocs * (sentencesPerDoc + n - 1) / n, Texts: w.texts}, nil
}

func tuned(t *testing.T, w *world) tune.Result {
	t.Helper()
	p := retrieve.DefaultParams()
	r, err := tune.Run(context.Background(), w.set, w, tune.Options{
		Grid:    tune.Grid{Sizes: []int{16, 48, 96, 192}, TopK: []int{5, 20}, Budgets: budgets},
		Current: tune.Setting{Chunking: tune.Chunking{SizeTokens: 96}, TopK: 20, Fusion: p.Fusion},
		Base:    p, Counter: words{}, Tokenizer: "words", Primary: metric.Metric{Name: "evidence_recall", At: 120, Unit: metric.Tokens},
		Seed: 1, Resamples: 1000, Code: "v0.0.0-test",
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
