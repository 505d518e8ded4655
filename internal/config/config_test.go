package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ragloop.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	path := write(t, "chunk:\n  size_tokens: 100\n  overlap: 0.1\nlog_level: info\nserve:\n  drain_timeout: 3s\n")
	l, err := Load(path, []string{"RAGLOOP_CHUNK_SIZE_TOKENS=200", "RAGLOOP_LOG_LEVEL=debug", "PATH=/bin", "RAGLOOP_DATA=x"},
		map[string]string{"chunk.size_tokens": "300"})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Chunk.SizeTokens, want.Chunk.Overlap, want.LogLevel, want.Serve.DrainTimeout = 300, 0.1, "debug", 3*time.Second
	if d := cmp.Diff(want, l.Config); d != "" {
		t.Errorf("Load (-want +got):\n%s", d)
	}
	for key, want := range map[string]string{
		"chunk.size_tokens": "flag", "log_level": "environment RAGLOOP_LOG_LEVEL",
		"chunk.overlap": path + ":3", "collection": "default",
	} {
		if got := l.Origin[key]; got != want {
			t.Errorf("Origin[%q] = %q, want %q", key, got, want)
		}
	}
}

// TestBad has one entry per way to get a configuration wrong.
func TestBad(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		env        []string
		flags      map[string]string
		key, want  string
	}{
		{"unknown key", "chunk:\n  size_tokns: 3\n", nil, nil, "chunk.size_tokns", "did you mean chunk.size_tokens?"},
		{"unknown section", "chunks:\n  size: 3\n", nil, nil, "chunks", "is no known key"},
		{"far off", "zzzzzzzzzzzz: 3\n", nil, nil, "zzzzzzzzzzzz", "ragloop config keys"},
		{"twice", "log_level: info\nlog_level: warn\n", nil, nil, "log_level", "is given twice"},
		{"list for value", "log_level: [info]\n", nil, nil, "log_level", "must be a single value"},
		{"value for section", "chunk: 3\n", nil, nil, "chunk", "must be a mapping"},
		{"not a number", "chunk:\n  size_tokens: many\n", nil, nil, "chunk.size_tokens", "whole number"},
		{"NaN", "chunk:\n  overlap: NaN\n", nil, nil, "chunk.overlap", "a number is expected"},
		{"too short", "extract:\n  timeout: 10ms\n", nil, nil, "extract.timeout", "is 10ms, allowed are 100ms to 1h"},
		{"list in a list", "source:\n  include: [[a]]\n", nil, nil, "source.include", "must be a list of single values"},
		{"mapping for a list", "source:\n  exclude: {a: b}\n", nil, nil, "source.exclude", "must be a list of single values"},
		{"comma in a list", "source:\n  exclude: ['a,b']\n", nil, nil, "source.exclude", "holds \"a,b\", but no part of a list may have a comma"},
		{"empty value in a list", "source:\n  exclude: ['']\n", nil, nil, "source.exclude", "holds an empty value"},
		{"restless", "source:\n  quiet: 0s\n", nil, nil, "source.quiet", "is 0s, allowed are 10ms to 1h"},
		{"seldom", "source:\n  rescan: 48h\n", nil, nil, "source.rescan", "is 48h0m0s, allowed are 100ms to 24h"},
		{"too little", "extract:\n  memory_mb: 1\n", nil, nil, "extract.memory_mb", "is 1, allowed are 64 to 65536"},
		{"strategy", "chunk:\n  strategy: magic\n", nil, nil, "chunk.strategy", "allowed are structure, fixed, row, page, parent"},
		{"overlap of pages", "chunk:\n  strategy: page\n  overlap: 0.1\n", nil, nil, "chunk.overlap", "is 0.1, but chunk.strategy page repeats nothing, allowed is 0"},
		{"PDF backend", "pdf:\n  backend: ghost\n", nil, nil, "pdf.backend", "is \"ghost\", allowed are auto, builtin, pdfium"},
		{"out of range", "chunk:\n  size_tokens: 9000\n", nil, nil, "chunk.size_tokens", "is 9000, allowed are 16 to 8192"},
		{"bad bool", "", []string{"RAGLOOP_QDRANT_TLS=perhaps"}, nil, "qdrant.tls", "allowed are true and false"},
		{"bad variable", "", []string{"RAGLOOP_LOGLEVEL=info"}, nil, "RAGLOOP_LOGLEVEL", "did you mean RAGLOOP_LOG_LEVEL?"},
		{"budget", "", nil, map[string]string{"retrieve.budget_tokens": "0"}, "retrieve.budget_tokens", "allowed are 1 to 1000000"},
		{"idf power", "retrieve: {idf_power: 0.5}\n", nil, nil, "retrieve.idf_power", "is 0.5, allowed are 1 to 3"},
		{"idf power as text", "", []string{"RAGLOOP_RETRIEVE_IDF_POWER=NaN"}, nil, "retrieve.idf_power", "a number is expected"},
		{"title boost", "", nil, map[string]string{"retrieve.title_boost": "11"}, "retrieve.title_boost", "is 11, allowed are 0 to 10"},
		{"neighbours", "", nil, map[string]string{"retrieve.neighbours": "5"}, "retrieve.neighbours", "allowed are 0 to 4"},
		{"candidates below top-k", "", nil, map[string]string{"retrieve.top_k": "200", "retrieve.candidates": "150"}, "retrieve.candidates", "allowed are 200 (retrieve.top_k) to 1000"},
		{"top-k above candidates' limit", "", nil, map[string]string{"retrieve.top_k": "2000"}, "retrieve.top_k", "allowed are 1 to 1000"},
		{"duration", "serve:\n  drain_timeout: 5\n", nil, nil, "serve.drain_timeout", "a duration such as"},
		{"traces", "serve: {traces: jaeger}\n", nil, nil, "serve.traces", "allowed are off, otlp"},
		{"option without effect", "embedder:\n  base_url: x\n", nil, nil, "embedder.base_url", "only embedder.kind: openai uses it"},
		{"rerank depth", "retrieve:\n  rerank:\n    model: x\n    depth: 101\n", nil, nil, "retrieve.rerank.depth", "is 101, allowed are 1 to 100 (retrieve.candidates)"},
		{"depth without a reranker", "retrieve:\n  rerank:\n    depth: 7\n", nil, nil, "retrieve.rerank.depth", "without retrieve.rerank.model or another retrieve.rerank.kind nothing is reranked"},
		{"weight without a reranker", "retrieve: {rerank: {weight: 0.5}}\n", nil, nil, "retrieve.rerank.weight", "nothing is reranked"},
		{"rerank weight", "retrieve: {rerank: {kind: late, weight: 0}}\n", nil, nil, "retrieve.rerank.weight", "is 0, allowed are above 0 to 1"},
		{"kind of reranker", "retrieve: {rerank: {kind: colbert}}\n", nil, nil, "retrieve.rerank.kind", "allowed are cross_encoder, http, late"},
		{"model of late interaction", "retrieve: {rerank: {kind: late, model: x}}\n", nil, nil, "retrieve.rerank.model", "late uses the embedding model"},
		{"passages of late interaction", "retrieve: {rerank: {kind: late, cache_mb: -1}}\n", nil, nil, "retrieve.rerank.cache_mb", "is -1, allowed are 0 to 1048576"},
		{"passages without late interaction", "retrieve: {rerank: {model: x, cache_mb: 10}}\n", nil, nil, "retrieve.rerank.cache_mb", "only retrieve.rerank.kind: late uses it"},
		{"reranker without an address", "retrieve: {rerank: {kind: http, model: m}}\n", nil, nil, "retrieve.rerank.url", "is empty, retrieve.rerank.kind: http needs it"},
		{"reranker without a model", "retrieve: {rerank: {kind: http, url: http://x}}\n", nil, nil, "retrieve.rerank.model", "is empty, retrieve.rerank.kind: http needs it"},
		{"shape of reranking", "retrieve: {rerank: {kind: http, url: http://x, model: m, api: rest}}\n", nil, nil, "retrieve.rerank.api", "allowed are cohere, tei"},
		{"key of the reranker", "retrieve: {rerank: {kind: http, url: http://x, model: m, api_key_env: sk-123}}\n", nil, nil, "retrieve.rerank.api_key_env", "is no name of an environment variable"},
		{"address without effect", "retrieve: {rerank: {kind: late, url: http://x}}\n", nil, nil, "retrieve.rerank.url", "only retrieve.rerank.kind: http uses it"},
		{"model without an address", "llm:\n  model: m\n", nil, nil, "llm.model", "is set, but without llm.base_url nothing uses it"},
		{"language model without a name", "llm:\n  base_url: http://x\n", nil, nil, "llm.model", "is empty, llm.base_url needs it"},
		{"structured", "llm: {base_url: x, model: m, structured: xml}\n", nil, nil, "llm.structured", "allowed are schema, object-schema, object, prompt"},
		{"limit field", "llm: {base_url: x, model: m, limit_field: n}\n", nil, nil, "llm.limit_field", "allowed are max_tokens, max_completion_tokens"},
		{"omit", "llm: {base_url: x, model: m, omit: [seed, model]}\n", nil, nil, "llm.omit", "has \"model\", allowed are seed, system, temperature"},
		{"key for its name", "llm: {base_url: x, model: m, api_key_env: sk-123}\n", nil, nil, "llm.api_key_env", "is no name of an environment variable"},
		{"name of a key", "llm: {base_url: x, model: m, api_key_env: RAGLOOP_KEY}\n", nil, nil, "llm.api_key_env", "choose another name"},
		{"classifier without an address", "nli:\n  shape: hf\n", nil, nil, "nli.shape", "is set, but without nli.url nothing uses it"},
		{"shape", "nli: {url: x, shape: x}\n", nil, nil, "nli.shape", "allowed are tei, hf"},
		{"labels", "nli: {url: x, labels: [a, a]}\n", nil, nil, "nli.labels", "is \"a,a\", want two or three different names"},
		{"openai without URL", "embedder:\n  kind: openai\n", nil, nil, "embedder.base_url", "is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(write(t, tt.file), tt.env, tt.flags)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("Load = %v, want *Error", err)
			}
			if e.Key != tt.key || !strings.Contains(e.Problem, tt.want) {
				t.Errorf("Load = %v, want key %s and %q", err, tt.key, tt.want)
			}
		})
	}
}

// TestCandidatesFollowTopK: the default leaves room for every allowed top-k.
func TestCandidatesFollowTopK(t *testing.T) {
	for topK, want := range map[string]int{"5": 100, "100": 100, "300": 300, "1000": 1000} {
		l, err := Load("", nil, map[string]string{"retrieve.top_k": topK})
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Config.Retrieve.Candidates; got != want {
			t.Errorf("retrieve.candidates with top-k %s = %d, want %d", topK, got, want)
		}
	}
}

// TestDepthFollowsCandidates: the default depth is never above the candidates.
func TestDepthFollowsCandidates(t *testing.T) {
	l, err := Load("", nil, map[string]string{"retrieve.top_k": "5", "retrieve.candidates": "12"})
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Config.Retrieve.Rerank.Depth; got != 12 {
		t.Errorf("retrieve.rerank.depth with 12 candidates = %d, want 12", got)
	}
}

// TestRerankDefaults: depth and weight follow the kind unless they are set.
func TestRerankDefaults(t *testing.T) {
	for file, want := range map[string]Rerank{
		"":                                   {Depth: 30, Weight: 1},
		"retrieve: {rerank: {model: x}}\n":   {Depth: 30, Weight: 1},
		"retrieve: {rerank: {kind: late}}\n": {Depth: 50, Weight: 0.7},
		"retrieve: {rerank: {kind: late, depth: 30, weight: 1}}\n":          {Depth: 30, Weight: 1},
		"retrieve: {top_k: 9, candidates: 40, rerank: {kind: late}}\n":      {Depth: 40, Weight: 0.7},
		"retrieve: {rerank: {kind: http, url: u, model: m, weight: 0.5}}\n": {Depth: 30, Weight: 0.5},
	} {
		l, err := Load(write(t, file), nil, nil)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if got := l.Config.Retrieve.Rerank; got.Depth != want.Depth || got.Weight != want.Weight {
			t.Errorf("%s: depth %d and weight %v, want %d and %v", file, got.Depth, got.Weight, want.Depth, want.Weight)
		}
		if got := l.Config.Retrieve.Rerank.On(); got != (file != "") {
			t.Errorf("%s: On() = %v", file, got)
		}
	}
}

// TestLists: as YAML, as the environment and as a flag give them.
func TestLists(t *testing.T) {
	l, err := Load(write(t, "source:\n  include: ['*.md', docs/]\n  exclude: '*.tmp'\n"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"*.md", "docs/"}, l.Config.Source.Include); d != "" {
		t.Errorf("include (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"*.tmp"}, l.Config.Source.Exclude); d != "" {
		t.Errorf("exclude (-want +got):\n%s", d)
	}
	again, err := Load(write(t, l.Effective()), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(l.Config, again.Config); d != "" {
		t.Errorf("reading back (-want +got):\n%s", d)
	}
	l, err = Load("", []string{"RAGLOOP_SOURCE_INCLUDE=a,b"}, map[string]string{"source.exclude": "c,d"})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a", "b", "c", "d"}, append(l.Config.Source.Include, l.Config.Source.Exclude...)); d != "" {
		t.Errorf("environment and flag (-want +got):\n%s", d)
	}
}

func TestBadFiles(t *testing.T) {
	for name, text := range map[string]string{"syntax": "a: [", "two documents": "log_level: info\n---\nlog_level: warn\n"} {
		if _, err := Load(write(t, text), nil, nil); err == nil {
			t.Errorf("%s: Load = nil error", name)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "absent.yaml"), nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load(absent) = %v, want ErrNotExist", err)
	}
	if _, err := Load(write(t, ""), nil, nil); err != nil {
		t.Errorf("Load(empty) = %v", err)
	}
}

func TestEveryFieldParses(t *testing.T) {
	c := Default()
	for _, f := range fieldsOf(&c) {
		if err := f.parse(f.text()); err != nil {
			t.Errorf("%s: %v", f.key, err)
		}
		if f.doc == "" {
			t.Errorf("%s has no doc tag", f.key)
		}
	}
}

// TestEffective: what is printed reads back as the same configuration, secrets aside.
func TestEffective(t *testing.T) {
	l, err := Load("", nil, map[string]string{"qdrant.api_key": "s3cret", "chunk.overlap": "0.25"})
	if err != nil {
		t.Fatal(err)
	}
	out := l.Effective()
	if strings.Contains(out, "s3cret") {
		t.Errorf("Effective shows the API key:\n%s", out)
	}
	again, err := Load(write(t, out), nil, map[string]string{"qdrant.api_key": "s3cret"})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(l.Config, again.Config); d != "" {
		t.Errorf("reading back (-want +got):\n%s", d)
	}
}
