package embed

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ragloop/ragloop/internal/simd"
)

// The flags let peers/peers.py give the benchmarks the texts that it gives to
// others, and compare the vectors.
var (
	textsFile   = flag.String("texts", "", "JSON lines of `{\"text\": …}` for BenchmarkBulk; empty: the golden texts")
	vectorsFile = flag.String("vectors", "", "`file` for the vectors of BenchmarkBulk: float32, little endian")
)

// benchTexts returns the texts of -texts, or else the golden ones.
func benchTexts(b *testing.B) []string {
	var texts []string
	if *textsFile == "" {
		for _, g := range goldens(b) {
			texts = append(texts, g.Text)
		}
		return texts
	}
	file, err := os.Open(*textsFile)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	for dec := json.NewDecoder(bufio.NewReader(file)); ; {
		var line struct{ Text string }
		if err := dec.Decode(&line); errors.Is(err, io.EOF) {
			return texts
		} else if err != nil {
			b.Fatal(err)
		}
		texts = append(texts, line.Text)
	}
}

// BenchmarkBulk embeds all texts as passages in one call, on GOMAXPROCS threads.
// The model is loaded and warm before the clock starts.
func BenchmarkBulk(b *testing.B) {
	e := newBuiltin(b)
	texts := benchTexts(b)
	tokens := 0
	for _, text := range texts {
		tokens += min(e.CountTokens(text), e.Info().MaxTokens)
	}
	warm := slices.Repeat([]string{"pump"}, runtime.GOMAXPROCS(0))
	if _, err := e.Embed(context.Background(), Passage, warm); err != nil {
		b.Fatal(err)
	}
	var vectors [][]float32
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if vectors, err = e.Embed(context.Background(), Passage, texts); err != nil {
			b.Fatal(err)
		}
	}
	n := float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(n*float64(len(texts)), "texts/s")
	b.ReportMetric(n*float64(tokens), "tokens/s")
	b.Logf("%d texts, %d tokens, kernel %s", len(texts), tokens, simd.Kernel())
	if *vectorsFile != "" {
		if err := os.WriteFile(*vectorsFile, vectorBytes(vectors), 0o600); err != nil {
			b.Fatal(err)
		}
	}
}

func vectorBytes(vectors [][]float32) []byte {
	var out []byte
	for _, v := range vectors {
		var err error
		if out, err = binary.Append(out, binary.LittleEndian, v); err != nil {
			panic(err) // unreachable: float32 always encodes
		}
	}
	return out
}

// BenchmarkQuery16 measures the latency of a query of 16 tokens, special tokens
// included: raw, as a peer without the query instruction computes it, with the
// instruction in front, and in the arithmetic of passages.
func BenchmarkQuery16(b *testing.B) {
	e := newBuiltin(b)
	text := strings.TrimSpace(strings.Repeat("pump ", 14))
	for _, task := range []Task{Raw, Query, Passage} {
		b.Run(task.String(), func(b *testing.B) {
			var times []time.Duration
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				if _, err := e.Embed(context.Background(), task, []string{text}); err != nil {
					b.Fatal(err)
				}
				times = append(times, time.Since(start))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds())/1e3, "p50-ms")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1e3, "p99-ms")
		})
	}
}

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
