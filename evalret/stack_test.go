package evalret_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/internal/tokens"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// hashing embeds a text as counts of its words' hashes.
type hashing struct{}

const hashDimension = 64

func (hashing) Embed(_ context.Context, _ embed.Task, texts []string) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i, s := range texts {
		v := make([]float32, hashDimension)
		norm := 0.0
		for _, w := range strings.Fields(strings.ToLower(s)) {
			h := fnv.New32a()
			h.Write([]byte(strings.Trim(w, ".?,")))
			v[h.Sum32()%hashDimension]++
		}
		for _, x := range v {
			norm += float64(x) * float64(x)
		}
		for k := range v {
			v[k] = float32(float64(v[k]) / math.Sqrt(norm))
		}
		out[i] = v
	}
	return out, nil
}

func (hashing) Info() embed.Info {
	return embed.Info{Name: "hashing", Fingerprint: "hashing-1", Dimension: hashDimension}
}

func (hashing) CountTokens(s string) int { return len(strings.Fields(s)) }

// stack indexes three chunks of each of ten documents in an in-memory index.
func stack(t *testing.T) (*index.Generation, *retrieve.Retriever, labels.Set) {
	t.Helper()
	ctx := context.Background()
	client, err := index.Dial(ctx, index.Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	params := lexical.Default()
	analyzer, err := lexical.New(params)
	if err != nil {
		t.Fatal(err)
	}
	e := hashing{}
	info := e.Info()
	gen, err := client.Create(ctx, "docs", index.Recipe{
		Extractor: "test", Chunker: index.ChunkerRecipe{Strategy: "sentence", SizeTokens: 64, Tokenizer: "o200k_base"},
		Embedder: index.EmbedderRecipe{Name: info.Name, Fingerprint: info.Fingerprint, Dimension: info.Dimension}, Lexical: params,
	})
	if err != nil {
		t.Fatal(err)
	}
	set := labels.Set{Name: "stack"}
	towns := []string{"Bern", "Oslo", "Porto", "Lyon", "Turku", "Ghent", "Graz", "Cork", "Bari", "Brno"}
	for d, town := range towns {
		doc := text.DocID(strings.ToLower(town) + ".md")
		parts := []string{
			fmt.Sprintf("The office in %s opens at %d in the morning.", town, 6+d%4),
			fmt.Sprintf("Visitors of %s need a badge, and the badge costs %d euros.", town, 5+d),
			fmt.Sprintf("In %s the hotel allowance is %d francs a night.", town, 100+10*d),
		}
		body := strings.Join(parts, " ")
		var points []index.Point
		at := 0
		for i, part := range parts {
			span := text.RuneSpan{Start: at, End: at + len(part)}
			at = span.End + 1
			gap := " "
			if i == len(parts)-1 {
				gap = ""
			}
			vectors, err := e.Embed(ctx, embed.Passage, []string{part})
			if err != nil {
				t.Fatal(err)
			}
			points = append(points, index.Point{
				Chunk: index.Chunk{Doc: doc, Rev: "1", Ordinal: i, Span: span, Text: part, Gap: gap},
				Dense: vectors[0], Sparse: analyzer.Document(part),
			})
		}
		record := index.Record{Doc: doc, Rev: "1", Title: town, State: index.Indexed, ChunkCount: len(points), Bytes: len(body)}
		if err := gen.Put(ctx, record, points); err != nil {
			t.Fatal(err)
		}
		set.Queries = append(set.Queries,
			labels.Query{
				ID: town + " badge", Text: "What does a visitor badge cost in " + town + "?",
				Evidence: []labels.Evidence{{Doc: doc, Span: points[1].Chunk.Span, Quote: parts[1]}},
			},
			labels.Query{
				ID: town + " hotel", Text: "How many francs a night may a hotel in " + town + " cost?",
				Evidence: []labels.Evidence{{Doc: doc, Span: text.RuneSpan{Start: 0, End: len(parts[2])}, Quote: parts[2]}}, // moved
			})
	}
	r, err := retrieve.New(gen, e)
	if err != nil {
		t.Fatal(err)
	}
	return gen, r, set
}

// TestRankedAsServed: every setting is ranked and packed as a search with its
// parameters would be.
func TestRankedAsServed(t *testing.T) {
	gen, r, set := stack(t)
	ctx := context.Background()
	counter, err := tokens.New("o200k_base")
	if err != nil {
		t.Fatal(err)
	}
	base := retrieve.DefaultParams()
	base.TopK, base.Candidates = 4, 6
	settings := evalret.Standard(base, pack.Options{})
	for _, name := range []string{"rrf", "dbsf", "minmax(w=0.3)"} {
		p := base
		if p.Fusion, err = retrieve.ParseFusion(name); err != nil {
			t.Fatal(err)
		}
		settings = append(settings, evalret.Setting{Name: name, Params: p, Pack: pack.Options{Order: pack.ByDocument}})
	}
	near := base
	near.TopK, near.Neighbours = 2, 2
	settings = append(settings, evalret.Setting{Name: "neighbours", Params: near})
	e, err := evalret.Evaluate(ctx, set, r, evalret.Options{
		Settings: settings, Metrics: metric.Defaults([]int{40, 120}), Counter: counter, Tokenizer: counter.Name(),
		Texts: func(ctx context.Context, doc text.DocID) (string, error) {
			body, _, err := gen.Text(ctx, doc)
			return body, err
		},
		Resamples: 200, Detail: evalret.Contexts,
	})
	if err != nil {
		t.Fatal(err)
	}
	if e.Labels.Moved != 10 || len(e.Labels.Broken) != 0 {
		t.Errorf("labels: %+v, want 10 of 20 moved", e.Labels)
	}
	offered := 0
	for i, s := range settings {
		run := e.Runs[i]
		for k, q := range set.Queries {
			served, err := r.Search(ctx, q.Text, s.Params)
			if err != nil {
				t.Fatal(err)
			}
			offered += len(retrieve.Neighbours(served.Chunks))
			var docs []text.DocID
			for _, c := range served.All() {
				docs = append(docs, c.Chunk.Doc)
			}
			docs = metric.MaxP(docs)
			if diff := cmp.Diff(docs[:min(10, len(docs))], run.PerQuery[k].Docs); diff != "" {
				t.Errorf("%s, %s: documents (-served +evaluated):\n%s", s.Name, q.ID, diff)
			}
			for _, c := range run.PerQuery[k].Contexts {
				if diff := cmp.Diff(servedContext(t, served, counter, s.Pack, c.Budget), c.Segments); diff != "" {
					t.Errorf("%s, %s: context of %d tokens (-served +evaluated):\n%s", s.Name, q.ID, c.Budget, diff)
				}
			}
		}
		if x, _ := run.Metrics["evidence_recall@120t"].Value.Float(); x < 0.5 {
			t.Errorf("%s: evidence_recall@120t = %v, want at least 0.5 on so easy a set", s.Name, x)
		}
	}
	if offered == 0 {
		t.Error("the setting neighbours shows nothing: there are none")
	}
}

// servedContext packs the chunks of a search as the server would.
func servedContext(t *testing.T, r retrieve.Result, counter pack.Counter, o pack.Options, budget int) []evalret.Segment {
	t.Helper()
	o.BudgetTokens, o.Relevance = budget, r.Relevance
	packed, err := pack.Pack(retrieve.Packable(r.Chunks), counter, o)
	if err != nil {
		t.Fatal(err)
	}
	out := []evalret.Segment{}
	for _, s := range packed.Segments {
		seg := evalret.Segment{Doc: s.Doc, Start: s.Span.Start, End: s.Span.End}
		if budget == 120 { // the budget of the primary metric keeps its texts
			seg.Title, seg.Text = s.Title, s.Text
		}
		out = append(out, seg)
	}
	return out
}
