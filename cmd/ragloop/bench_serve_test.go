package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/tokens"
)

// TestBenchServe runs every part of the command, briefly and at rates that any
// machine keeps up with: what is printed is looked at, not how fast it is.
func TestBenchServe(t *testing.T) {
	out := mustRun(t, "bench", "serve", "--json", "--chunks", "60", "--rate", "20", "--duration", "200ms", "--warmup", "0s", "--timeout", "30s", "--overload", "2", "--budget", "512")
	var got loadResults
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Measurements) != 2 {
		t.Fatalf("%d measurements: %s", len(got.Measurements), out)
	}
	m := got.Measurements[0]
	if m.Name != "rate" || m.Calls != 3 || m.Outcomes["answered"] != 3 || m.Latency["answered"].Count != 3 || m.Lag.Count != 3 {
		t.Errorf("measurement = %+v", m)
	}
	var stages []string
	for _, s := range m.Stages {
		stages = append(stages, s.Name)
		if s.Count != 3 {
			t.Errorf("stage %s was measured %d times", s.Name, s.Count)
		}
	}
	if d := cmp.Diff([]string{"embed", "terms", "legs", "records", "fuse", "pack"}, stages); d != "" {
		t.Errorf("stages (-want +got):\n%s", d)
	}
	if m.Cores.Service <= 0 || m.Cores.Generator <= 0 {
		t.Errorf("cores at work = %+v, want some of both processes", m.Cores)
	}
	if m := got.Measurements[1]; m.Name != "overload" || m.Calls != 7 || m.Share == nil || *m.Share <= 0 {
		t.Errorf("measurement under overload = %+v", m)
	}
}

// TestBenchServeIngest: every query is embedded, and measured again beside an
// ingest, and once more before the overload, which is compared with that.
func TestBenchServeIngest(t *testing.T) {
	out := mustRun(t, "bench", "serve", "--json", "--chunks", "20", "--rate", "20", "--duration", "200ms", "--warmup", "0s", "--timeout", "30s", "--ingest", "--embed", "--overload", "1.5")
	var got loadResults
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range got.Measurements {
		names = append(names, m.Name)
		if m.Calls < 3 || m.Outcomes["answered"] != m.Calls {
			t.Errorf("%s: outcomes = %v, %s", m.Name, m.Outcomes, m.Error)
		}
	}
	if d := cmp.Diff([]string{"rate", "rate during ingest", "rate again", "overload"}, names); d != "" {
		t.Errorf("measurements (-want +got):\n%s", d)
	}
}

func TestBenchServeRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"--rate is \"fast\"":               {"--rate", "fast"},
		"--arrivals is \"regular\"":        {"--arrivals", "regular"},
		"--chunks is 19":                   {"--chunks", "19"},
		"--ingest would fill":              {"--addr", "127.0.0.1:1", "--ingest"},
		"--chunks is for the service that": {"--addr", "127.0.0.1:1", "--chunks", "100"},
		"--p99 is for --rate max":          {"--rate", "10", "--p99", "1s"},
		"--overload is 1, allowed are 0":   {"--overload", "1"},
		"--duration is 0s, allowed are":    {"--rate", "10", "--duration", "0s"},
		"--duration is -1s":                {"--duration", "-1s"},
		"--warmup is -1s, allowed are 0":   {"--warmup", "-1s"},
		"--timeout is 0s, allowed are":     {"--timeout", "0s"},
		"--p99 is -1s, allowed are":        {"--p99", "-1s"},
		"--p99 is 0s":                      {"--p99", "0s"},
		"--data goes without --addr":       {"--addr", "127.0.0.1:1", "--data", "d"},
		"--qdrant say nothing":             {"--qdrant", "127.0.0.1:1"},
		"no such file or directory":        {"--set", "nowhere.jsonl"},
	} {
		if code, _, stderr := command(t, append([]string{"bench", "serve"}, args...)...); code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("bench serve %q = %d, %s; want %q", args, code, stderr, want)
		}
	}
}

// TestBenchCorpus: as many chunks as asked for, and the same ones again.
func TestBenchCorpus(t *testing.T) {
	counter, err := tokens.New("o200k_base")
	if err != nil {
		t.Fatal(err)
	}
	read := func(seed uint64) (texts []string) {
		items, err := benchCorpus(45, 200, counter, seed)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			r, err := item.Open()
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			buf := make([]byte, 1<<20)
			for n := 0; err == nil; b.Write(buf[:n]) {
				n, err = r.Read(buf)
			}
			texts = append(texts, b.String())
		}
		return texts
	}
	first := read(1)
	paragraphs := 0
	for _, s := range first {
		for p := range strings.SplitSeq(strings.TrimSpace(s), "\n\n") {
			paragraphs++
			if n := counter.Count(p); n <= 100 || n > 200 {
				t.Errorf("a paragraph has %d tokens, want more than half a chunk and no more than one", n)
			}
		}
	}
	if paragraphs != 45 {
		t.Errorf("%d paragraphs, want 45", paragraphs)
	}
	if d := cmp.Diff(first, read(1)); d != "" {
		t.Error("the same seed makes another corpus")
	}
	if cmp.Equal(first, read(2)) {
		t.Error("another seed makes the same corpus")
	}
}

// BenchmarkEmbedQueries embeds the queries that "bench serve --embed" asks: on one core
// (-cpu 1) what is added to the processor time of an answer without that.
func BenchmarkEmbedQueries(b *testing.B) {
	queries, err := loadQueries("")
	if err != nil {
		b.Fatal(err)
	}
	model, err := embed.NewBuiltin()
	if err != nil {
		b.Fatal(err)
	}
	asked := 0
	for b.Loop() {
		if _, err := model.Embed(b.Context(), embed.Query, []string{uniqueQuery(queries[asked%len(queries)], asked)}); err != nil {
			b.Fatal(err)
		}
		asked++
	}
}
