package telemetry

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

// BenchmarkReport is all that one Retrieve reports, of seven stages, with metrics and
// without: no index, no network.
func BenchmarkReport(b *testing.B) {
	a := Answer{Chunks: 50, Context: &Context{Tokens: 1900, BudgetTokens: 2048}}
	for _, name := range []string{"embed", "legs", "records", "fuse", "rerank", "neighbours", "pack"} {
		a.Stages = append(a.Stages, Stage{Name: name, Elapsed: 300 * time.Microsecond})
	}
	for _, bb := range []struct {
		name string
		m    *Metrics
	}{{"off", nil}, {"metrics", NewMetrics("", []string{"Retrieve"})}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bb.m.Call("Retrieve", codes.OK, 2*time.Millisecond, "")
				bb.m.Answered(a)
			}
		})
	}
	b.Run("refused", func(b *testing.B) {
		m := NewMetrics("", []string{"Retrieve"})
		b.ReportAllocs()
		for b.Loop() {
			m.Refused("Retrieve", codes.ResourceExhausted)
		}
	})
}

// BenchmarkScrape is one scrape of everything.
func BenchmarkScrape(b *testing.B) {
	m := full(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.registry.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
