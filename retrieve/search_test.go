package retrieve

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

// BenchmarkSearch searches 10,000 chunks of 500 documents in local mode with the
// default parameters. Words are as frequent as in a language, the k-th one 1/k of the
// first, and every eighth query has an identifier.
func BenchmarkSearch(b *testing.B) {
	c, err := index.Dial(b.Context(), index.Options{InMemory: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := c.Close(); err != nil {
			b.Error(err)
		}
	})
	analyzer, err := lexical.New(lexical.Default())
	if err != nil {
		b.Fatal(err)
	}
	e := letters{}
	g, err := c.Create(b.Context(), "docs", index.Recipe{
		Extractor: "test", Chunker: index.ChunkerRecipe{Strategy: "sentence", SizeTokens: 64, Tokenizer: "o200k_base", IndexPrefix: true},
		Embedder: index.EmbedderRecipe{Name: "letters", Fingerprint: e.Info().Fingerprint, Dimension: e.Info().Dimension}, Lexical: lexical.Default(),
	})
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 8))
	vocabulary := make([]string, 5000)
	for i := range vocabulary {
		var w []byte
		for range 3 + rng.IntN(6) {
			w = append(w, byte('a'+rng.IntN(26)))
		}
		vocabulary[i] = string(w)
	}
	words := func(n int) string {
		out := make([]string, n)
		for i := range out {
			out[i] = vocabulary[int(math.Exp(rng.Float64()*math.Log(float64(len(vocabulary)))))-1]
		}
		return strings.Join(out, " ")
	}
	const chunks = 20
	for d := range 500 {
		doc, title := text.DocID(fmt.Sprintf("docs/%03d.md", d)), "On "+words(4)
		var points []index.Point
		at := 0
		for i := range chunks {
			s := fmt.Sprintf("%s LC-%d00 %s.", words(60), (d+i)%9, words(60))
			vectors, err := e.Embed(b.Context(), embed.Passage, []string{s})
			if err != nil {
				b.Fatal(err)
			}
			gap := " "
			if i == chunks-1 {
				gap = ""
			}
			points = append(points, index.Point{
				Chunk: index.Chunk{Doc: doc, Rev: "1", Ordinal: i, Span: text.RuneSpan{Start: at, End: at + len(s)}, Text: s, Gap: gap, Heading: []string{fmt.Sprint("Part ", i/5)}, Tokens: 200},
				Dense: vectors[0], Sparse: analyzer.Document(title + "\n" + s),
			})
			at += len(s) + len(gap)
		}
		if err := g.Put(b.Context(), index.Record{Doc: doc, Rev: "1", Title: title, State: index.Indexed, ChunkCount: chunks, Bytes: at}, points); err != nil {
			b.Fatal(err)
		}
	}
	queries := make([]string, 64)
	for i := range queries {
		queries[i] = words(8)
		if i%8 == 0 {
			queries[i] += " LC-300"
		}
	}
	r, err := New(g, e)
	if err != nil {
		b.Fatal(err)
	}
	p := DefaultParams()
	asked := 0
	b.ReportAllocs()
	for b.Loop() {
		res, err := r.Search(b.Context(), queries[asked%len(queries)], p)
		if err != nil || len(res.Chunks) != p.TopK {
			b.Fatalf("%d chunks, error %v", len(res.Chunks), err)
		}
		asked++
	}
}
