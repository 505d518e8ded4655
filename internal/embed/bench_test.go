package embed

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/internal/simd"
)

// BenchmarkBuiltin measures texts of equal length: passages as in ingestion, as
// many per call as there are threads, and single queries.
func BenchmarkBuiltin(b *testing.B) {
	e, err := NewBuiltin()
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		task   Task
		name   string
		tokens int
		texts  int
	}{
		{Passage, "passage", 256, runtime.GOMAXPROCS(0)},
		{Passage, "passage", 64, runtime.GOMAXPROCS(0)},
		{Raw, "float", 256, runtime.GOMAXPROCS(0)},
		{Query, "query", 24, 1},
	} {
		b.Run(fmt.Sprintf("%s/tokens=%d/kernel=%s", c.name, c.tokens, simd.Kernel()), func(b *testing.B) {
			words := c.tokens - 2
			if c.task == Query {
				words -= e.CountTokens(e.model.QueryPrefix) - 2
			}
			texts := make([]string, c.texts)
			for i := range texts {
				texts[i] = strings.Repeat("pump ", words)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Embed(context.Background(), c.task, texts); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(c.texts)*float64(b.N)/b.Elapsed().Seconds(), "texts/s")
		})
	}
}

func BenchmarkNewBuiltin(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewBuiltin(); err != nil {
			b.Fatal(err)
		}
	}
}
