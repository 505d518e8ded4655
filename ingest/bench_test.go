package ingest

import (
	"fmt"
	"testing"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// benchSource is n documents of about five chunks of 16 tokens.
func benchSource(n int) Source {
	var items []Item
	for i := range n {
		items = append(items, Text(text.DocID(fmt.Sprintf("doc-%05d", i)), fmt.Sprint("Title ", i), para(fmt.Sprintf("subject %d", i), 5)))
	}
	return Documents(items)
}

// BenchmarkRun is everything but embedding: extraction, chunking, lexical
// vectors, and a durable commit to local mode on disk.
func BenchmarkRun(b *testing.B) {
	const docs = 1000
	src := benchSource(docs)
	for _, bench := range []string{"new", "unchanged"} {
		b.Run(bench, func(b *testing.B) {
			c := dial(b, index.Options{DataDir: b.TempDir()})
			e := &hashed{}
			chunks := 0
			g, err := c.Create(b.Context(), "bench-0", fixed(e))
			if err != nil {
				b.Fatal(err)
			}
			if bench == "unchanged" {
				if _, err := worker(b, g, Options{Embedder: e, Extractor: InProcess{}}).Run(b.Context(), src); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if bench == "new" {
					n++
					if g, err = c.Create(b.Context(), fmt.Sprint("bench-", n), fixed(e)); err != nil {
						b.Fatal(err)
					}
				}
				s, err := worker(b, g, Options{Embedder: e, Extractor: InProcess{}}).Run(b.Context(), src)
				if err != nil {
					b.Fatal(err)
				}
				chunks += s.Chunks
			}
			b.ReportMetric(float64(docs*b.N)/b.Elapsed().Seconds(), "docs/s")
			b.ReportMetric(float64(chunks)/b.Elapsed().Seconds(), "chunks/s")
		})
	}
}
