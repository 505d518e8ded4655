package ingest

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ragloop/ragloop/internal/demo"
	"github.com/ragloop/ragloop/internal/embed"
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

// noted is an embedder that notes which texts it is given together.
type noted struct {
	embed.Embedder
	calls [][]string
}

func (n *noted) Embed(ctx context.Context, task embed.Task, texts []string) ([][]float32, error) {
	n.calls = append(n.calls, texts)
	return n.Embedder.Embed(ctx, task, texts)
}

// BenchmarkPipeline is a first run with the built-in model, from files to a
// durable collection of local mode, beside embedding the same texts in the same
// batches and doing nothing else. Processes for parsers are not in it. The PDF
// files are those of the directory sec10q_pdf that RAGLOOP_DATA holds.
func BenchmarkPipeline(b *testing.B) {
	model, err := embed.NewBuiltin()
	if err != nil {
		b.Fatal(err)
	}
	p := plan("bench")
	p.Chunker.SizeTokens = 200
	bench := func(fsys fs.FS) func(*testing.B) {
		return func(b *testing.B) {
			var whole, alone time.Duration
			chunks := 0
			for b.Loop() {
				c := dial(b, index.Options{DataDir: b.TempDir()})
				e := &noted{Embedder: model}
				start := time.Now()
				built, err := Build(b.Context(), c, p, FS(fsys, FSOptions{}), Options{Embedder: e, Extractor: InProcess{}})
				whole += time.Since(start)
				if err != nil || built.Summary.Failed > 0 {
					b.Fatal(built.Summary.Failures, err)
				}
				chunks += built.Summary.Chunks
				start = time.Now()
				for _, texts := range e.calls {
					if _, err := model.Embed(b.Context(), embed.Passage, texts); err != nil {
						b.Fatal(err)
					}
				}
				alone += time.Since(start)
			}
			b.ReportMetric(float64(chunks)/whole.Seconds(), "chunks/s")
			b.ReportMetric(whole.Seconds()/alone.Seconds(), "x-embedding")
		}
	}
	b.Run("demo", bench(demo.Corpus()))
	if data := os.Getenv("RAGLOOP_DATA"); data != "" {
		b.Run("sec10q", bench(os.DirFS(filepath.Join(data, "sec10q_pdf", "data", "v1", "docs"))))
	}
}

// shuffled is n documents of words of the demo's corpus in an order of their
// own; the changed ones get another order.
func shuffled(b *testing.B, n, words, changed int) Source {
	var vocabulary []string
	err := fs.WalkDir(demo.Corpus(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".md") {
			return err
		}
		data, err := fs.ReadFile(demo.Corpus(), name)
		vocabulary = append(vocabulary, strings.Fields(string(data))...)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	var items []Item
	for i := range n {
		seed := uint64(i)
		if i%(n/max(changed, 1)) == 0 && changed > 0 {
			seed += uint64(n)
		}
		r := rand.New(rand.NewPCG(seed, 0))
		var body strings.Builder
		for range words {
			body.WriteString(vocabulary[r.IntN(len(vocabulary))])
			body.WriteByte(' ')
		}
		items = append(items, Text(text.DocID(fmt.Sprintf("doc-%05d", i)), "", body.String()))
	}
	return Documents(items)
}

// BenchmarkAgain is what a second run costs, as a share of the first: over 200
// unchanged documents, and with two of them changed. With the built-in model.
func BenchmarkAgain(b *testing.B) {
	model, err := embed.NewBuiltin()
	if err != nil {
		b.Fatal(err)
	}
	const docs, words = 200, 300
	p := plan("bench")
	p.Chunker.SizeTokens = 200
	var first, unchanged, changed time.Duration
	run := func(c *index.Client, src Source, replaced int) time.Duration {
		start := time.Now()
		built, err := Build(b.Context(), c, p, src, Options{Embedder: model, Extractor: InProcess{}})
		if err != nil || built.Summary.Failed > 0 || built.Summary.Replaced != replaced {
			b.Fatalf("%+v, %v", built.Summary, err)
		}
		return time.Since(start)
	}
	for b.Loop() {
		c := dial(b, index.Options{DataDir: b.TempDir()})
		first += run(c, shuffled(b, docs, words, 0), 0)
		unchanged += run(c, shuffled(b, docs, words, 0), 0)
		changed += run(c, shuffled(b, docs, words, docs/100), docs/100)
	}
	b.ReportMetric(first.Seconds()/unchanged.Seconds(), "x-unchanged")
	b.ReportMetric(100*changed.Seconds()/first.Seconds(), "%-one-percent-changed")
}
