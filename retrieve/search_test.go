package retrieve

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

// BenchmarkSearch searches 2,000 chunks of 200 documents in local mode.
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
	words := []string{"badge", "cabbage", "head", "face", "decade", "beach", "cafe", "feed", "hedge", "egg", "river", "stone", "ember"}
	for d := range 200 {
		doc := text.DocID(fmt.Sprintf("doc%03d", d))
		var points []index.Point
		at := 0
		for i := range 10 {
			var ws []string
			for k := range 60 {
				ws = append(ws, words[(d*7+i*5+k*k)%len(words)])
			}
			s := strings.Join(append(ws, fmt.Sprintf("n%dx%d.", d, i)), " ")
			vectors, err := e.Embed(b.Context(), embed.Passage, []string{s})
			if err != nil {
				b.Fatal(err)
			}
			gap := " "
			if i == 9 {
				gap = ""
			}
			points = append(points, index.Point{
				Chunk: index.Chunk{Doc: doc, Rev: "1", Ordinal: i, Span: text.RuneSpan{Start: at, End: at + len(s)}, Text: s, Gap: gap, Tokens: 80},
				Dense: vectors[0], Sparse: analyzer.Document(s),
			})
			at += len(s) + len(gap)
		}
		if err := g.Put(b.Context(), index.Record{Doc: doc, Rev: "1", Title: "On " + words[d%len(words)], State: index.Indexed, ChunkCount: 10, Bytes: at}, points); err != nil {
			b.Fatal(err)
		}
	}
	r, err := New(g, e)
	if err != nil {
		b.Fatal(err)
	}
	p := DefaultParams()
	b.ReportAllocs()
	for b.Loop() {
		res, err := r.Search(b.Context(), "badge of the beach cafe", p)
		if err != nil || len(res.Chunks) != p.TopK {
			b.Fatalf("%d chunks, error %v", len(res.Chunks), err)
		}
	}
}
