// Package config holds ragloop's one configuration struct and its one loader.
//
// A value comes from the first of: command-line flag, environment variable
// (RAGLOOP_ and the key in capitals, dots as underscores), the YAML file, the
// default. [Loaded] remembers which, for messages and for "ragloop config
// print". Unknown keys and unknown RAGLOOP_ variables are errors that suggest
// the nearest known name: a misspelt option must not be an ignored option.
//
// The package knows nothing about what the values are used for, beyond their
// ranges; it opens no connection and creates no directory.
package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Config is every setting of ragloop. The zero value is not usable: start from
// [Default]. The tags are the documentation: yaml names the key inside its
// section, doc is its row in the table of keys.
type Config struct {
	DataDir    string   `yaml:"data_dir" doc:"directory of the local mode, the embedding cache, scratch indexes and PDFium as compiled for this machine"`
	Collection string   `yaml:"collection" doc:"collection to write and read"`
	LogLevel   string   `yaml:"log_level" doc:"debug, info, warn or error"`
	Qdrant     Qdrant   `yaml:"qdrant"`
	Index      Index    `yaml:"index"`
	Source     Source   `yaml:"source"`
	Extract    Extract  `yaml:"extract"`
	PDF        PDF      `yaml:"pdf"`
	Chunk      Chunk    `yaml:"chunk"`
	Embedder   Embedder `yaml:"embedder"`
	Retrieve   Retrieve `yaml:"retrieve"`
	Serve      Serve    `yaml:"serve"`
	LLM        LLM      `yaml:"llm"`
	NLI        NLI      `yaml:"nli"`
}

// Qdrant says where the index lives.
type Qdrant struct {
	Addr   string `yaml:"addr" doc:"host:port of a Qdrant server's gRPC API; empty: local mode in data_dir"`
	APIKey string `yaml:"api_key" doc:"API key of the server" secret:"true"`
	TLS    bool   `yaml:"tls" doc:"connect with TLS"`
}

// Index says what is stored so that filters find it at once.
type Index struct {
	Filterable []string `yaml:"filterable" doc:"keys of metadata that get a payload index, such as year:integer, a list or parted by commas; kinds are string, strings, integer, float, time and bool"`
}

// Source says which files of a directory are documents, and how it is watched.
type Source struct {
	Include  []string      `yaml:"include" doc:"globs as in .ragloopignore, a list or parted by commas: of directories take these files alone"`
	Exclude  []string      `yaml:"exclude" doc:"globs as in .ragloopignore: leave these files and directories out"`
	Quiet    time.Duration `yaml:"quiet" doc:"ingest --watch: a file that was written to is read once it has not changed for so long, 10ms to 1h"`
	Rescan   time.Duration `yaml:"rescan" doc:"ingest --watch: every so often all is looked at again, whether a change was heard of or not, 100ms to 24h"`
	PathMeta string        `yaml:"path_meta" doc:"pattern that takes metadata from paths, such as {year:int}/{team}/**; empty: none"`
}

// Extract limits what one document may cost; see ingest/extract/isolate.
type Extract struct {
	Timeout  time.Duration `yaml:"timeout" doc:"time to extract one document, 100ms to 1h; each MiB of the file adds as much"`
	MemoryMB int           `yaml:"memory_mb" doc:"memory to extract one document, in MiB, 64 to 65536; each MiB of the file adds two"`
}

// PDF says how PDF files are read.
type PDF struct {
	Backend string `yaml:"backend" doc:"builtin, pdfium (slower, reads nearly everything) or auto: builtin, and pdfium for what that cannot read"`
}

// Chunk is the chunking part of the recipe of a new collection.
type Chunk struct {
	Strategy    string  `yaml:"strategy" doc:"structure, fixed (windows of tokens), row (tables apart), page, parent (small chunks found, their section delivered), sentence or recursive (as frameworks cut, to compare with)"`
	SizeTokens  int     `yaml:"size_tokens" doc:"largest chunk, in tokens of chunk.tokenizer, 16 to 8192"`
	Overlap     float64 `yaml:"overlap" doc:"share of the size repeated from the previous chunk, 0 to 0.5; 0 with row and page"`
	IndexPrefix bool    `yaml:"index_prefix" doc:"index title and heading path in front of each chunk's text"`
	Context     string  `yaml:"context" doc:"what stands in front of each chunk in the index beside title and headings: none, or llm (a line about it, one request to the language model for each chunk)"`
	Tokenizer   string  `yaml:"tokenizer" doc:"tokenizer of the target model: o200k_base, cl100k_base, p50k_base, p50k_edit or r50k_base (GPT-2's)"`
}

// Embedder selects what turns text into vectors.
type Embedder struct {
	Kind          string        `yaml:"kind" doc:"builtin (in this process, offline) or openai (any OpenAI-compatible endpoint)"`
	BaseURL       string        `yaml:"base_url" doc:"openai: URL up to and excluding /embeddings"`
	Model         string        `yaml:"model" doc:"builtin: path of a model file, empty: bge-small-en-v1.5; openai: model name"`
	APIKey        string        `yaml:"api_key" doc:"openai: bearer token" secret:"true"`
	Dimension     int           `yaml:"dimension" doc:"openai: vector length, checked on every answer"`
	MaxTokens     int           `yaml:"max_tokens" doc:"openai: the model's window in tokens"`
	QueryPrefix   string        `yaml:"query_prefix" doc:"openai: instruction put in front of queries"`
	PassagePrefix string        `yaml:"passage_prefix" doc:"openai: instruction put in front of passages"`
	Timeout       time.Duration `yaml:"timeout" doc:"openai: limit for one request"`
	Cache         bool          `yaml:"cache" doc:"keep embeddings in data_dir so that no text is embedded twice"`
}

// Retrieve holds the serving defaults; a request may override what its message offers.
type Retrieve struct {
	TopK               int     `yaml:"top_k" doc:"ranked chunks given to the packer, 1 to 1000"`
	Candidates         int     `yaml:"candidates" doc:"hits per leg before fusion, retrieve.top_k to 1000; unset, at least retrieve.top_k"`
	Fusion             string  `yaml:"fusion" doc:"zscore(w=…), minmax(w=…), dbsf, rrf(k=…,w=…), dense or lexical; w is the dense weight"`
	DocumentPrior      float64 `yaml:"document_prior" doc:"weight of the best chunk of the same document, 0 is off"`
	NeighbourSmoothing float64 `yaml:"neighbour_smoothing" doc:"weight of the better adjacent chunk, and an eighth of it of the next one in the section, by how much they are above average, 0 is off"`
	IDFPower           float64 `yaml:"idf_power" doc:"exponent of idf in the lexical score: 1 is BM25, with more rare words count more, up to 3"`
	TitleBoost         float64 `yaml:"title_boost" doc:"weight of the query's terms in a document's title, in standard deviations of the fused scores, 0 is off"`
	PhraseBoost        float64 `yaml:"phrase_boost" doc:"weight of the phrases in quotation marks and the identifiers of a query, in standard deviations of the fused scores, 0 is off"`
	Feedback           float64 `yaml:"feedback" doc:"weight of what the dense leg finds first against the query (pseudo-relevance feedback), 0 (off) to 1"`
	Expand             string  `yaml:"expand" doc:"what the language model writes to be searched for, too: none, multi-query (other wordings) or hyde (a passage that could answer)"`
	Rerank             Rerank  `yaml:"rerank"`
	RequireAll         bool    `yaml:"require_all" doc:"fail instead of answering degraded when a leg fails"`
	BudgetTokens       int     `yaml:"budget_tokens" doc:"largest context, labels and separators counted, 1 to 1000000"`
	MaxPerSource       int     `yaml:"max_per_source" doc:"segments of one document in a context, 0 is no cap"`
	Neighbours         int     `yaml:"neighbours" doc:"chunks on either side of a ranked one that may make its segment longer, 0 (off) to 4"`
	Order              string  `yaml:"order" doc:"order of segments in a context: rank, document or ends (the best first and last)"`
	Diversity          float64 `yaml:"diversity" doc:"weight of not resembling what is in the context already, against rank, 0 (off) to 1"`
	Template           string  `yaml:"template" doc:"what stands around each text in a context: plain, xml, markdown or the path of a template file"`
}

// Rerank selects what puts the best candidates into their final order.
type Rerank struct {
	Kind      string        `yaml:"kind" doc:"cross_encoder (a model file in this process), late (token vectors of the embedding model in this process, bge-small-en-v1.5 unless embedder.kind is builtin) or http (an endpoint)"`
	Model     string        `yaml:"model" doc:"cross_encoder: path of the model file, empty: nothing is reranked; http: model name"`
	Depth     int           `yaml:"depth" doc:"how many of the best candidates are reranked, 1 to retrieve.candidates; unset, 30, and 50 with late, at most that"`
	Weight    float64       `yaml:"weight" doc:"weight of the reranker's scores against those before, above 0 to 1 (the reranker's order alone); unset, 1, and 0.7 with late"`
	CacheMB   int           `yaml:"cache_mb" doc:"late: token vectors of passages that the file passages.db keeps across restarts, in MiB, 0 (none) to 1048576; the file may be half as large again"`
	URL       string        `yaml:"url" doc:"http: URL up to and including /rerank"`
	API       string        `yaml:"api" doc:"http: shape of requests, cohere (also Jina, vLLM and llama.cpp) or tei (Text Embeddings Inference)"`
	APIKeyEnv string        `yaml:"api_key_env" doc:"http: name of the environment variable that holds the bearer token; empty: none is sent"`
	Timeout   time.Duration `yaml:"timeout" doc:"http: limit for one request"`
}

// The kinds of [Rerank].
const (
	CrossEncoder = "cross_encoder"
	Late         = "late"
	HTTPReranker = "http"
)

// On reports whether anything is reranked.
func (r Rerank) On() bool { return r.Kind != CrossEncoder || r.Model != "" }

// Serve configures the gRPC service.
type Serve struct {
	Listen        string        `yaml:"listen" doc:"address to listen on; loopback unless you say otherwise"`
	MaxConcurrent int           `yaml:"max_concurrent" doc:"most searches, and most calls of ingestion, handled at once, those included that wait for other machines, 1 to 100000; of searches at work fewer where more would only be slower"`
	QueryCacheMB  int           `yaml:"query_cache_mb" doc:"memory for the vectors of recent queries, in MiB, 0 (none) to 65536"`
	DrainTimeout  time.Duration `yaml:"drain_timeout" doc:"how long a stop waits for calls in flight"`
	MetricsListen string        `yaml:"metrics_listen" doc:"address to answer HTTP GET /metrics (Prometheus) and /healthz on, such as 127.0.0.1:9363; empty: none"`
	Traces        string        `yaml:"traces" doc:"off, or otlp: spans of calls to the collector, and with the sampling, that OpenTelemetry's variables name"`
}

// LLM is the language model that judges answers, writes them or rewrites
// queries; nothing asks one unless told to.
type LLM struct {
	BaseURL     string        `yaml:"base_url" doc:"URL up to and excluding /chat/completions of an OpenAI-compatible endpoint; empty: no language model"`
	Model       string        `yaml:"model" doc:"model name, as the endpoint calls it"`
	APIKeyEnv   string        `yaml:"api_key_env" doc:"name of the environment variable that holds the bearer token; empty: none is sent"`
	Structured  string        `yaml:"structured" doc:"how JSON is asked for: schema (OpenAI, Ollama, vLLM, llama.cpp), object-schema (llama-cpp-python), object or prompt (in words alone)"`
	LimitField  string        `yaml:"limit_field" doc:"name of the limit of an answer in requests: max_tokens or max_completion_tokens"`
	Omit        []string      `yaml:"omit" doc:"what the endpoint refuses or reads over, a list or parted by commas: seed, temperature, system (instructions then stand in front of the user's message)"`
	Timeout     time.Duration `yaml:"timeout" doc:"limit for one request"`
	Concurrency int           `yaml:"concurrency" doc:"requests at once, 1 to 256"`
	Tokenizer   string        `yaml:"tokenizer" doc:"what estimates of cost count in: one of those of chunk.tokenizer, or an upper bound, bytes/N"`
	Cache       bool          `yaml:"cache" doc:"keep the answers that can be used in data_dir so that nothing is asked twice"`
}

// NLI is the entailment classifier that judges answers.
type NLI struct {
	URL        string        `yaml:"url" doc:"whole URL of a text-classification endpoint with entailment labels; empty: none"`
	Shape      string        `yaml:"shape" doc:"form of its requests: tei (inputs are pairs) or hf (inputs are text and text_pair)"`
	Labels     []string      `yaml:"labels" doc:"its names for entailment, neutral and contradiction, or for entailment and anything else, in this order, parted by commas"`
	APIKeyEnv  string        `yaml:"api_key_env" doc:"name of the environment variable that holds the bearer token; empty: none is sent"`
	Timeout    time.Duration `yaml:"timeout" doc:"limit for one request"`
	BatchPairs int           `yaml:"batch_pairs" doc:"tei: pairs per request, 1 to 1024"`
	Cache      bool          `yaml:"cache" doc:"keep results in data_dir so that nothing is asked twice; a new model at the same address is then not asked about what is known"`
}

// Default returns the defaults: local mode, the built-in embedder, the hybrid
// fusion that measured best.
func Default() Config {
	return Config{
		DataDir:    ".ragloop",
		Collection: "default",
		LogLevel:   "warn",
		Source:     Source{Quiet: 2 * time.Second, Rescan: 5 * time.Minute},
		Extract:    Extract{Timeout: 9 * time.Second, MemoryMB: 320},
		PDF:        PDF{Backend: "auto"},
		Chunk:      Chunk{Strategy: "structure", SizeTokens: 200, Overlap: 0, IndexPrefix: true, Context: "none", Tokenizer: "o200k_base"},
		Embedder:   Embedder{Kind: "builtin", Timeout: 60 * time.Second, Cache: true},
		Retrieve: Retrieve{
			TopK: 50, Candidates: 100, Fusion: "zscore(w=0.6)", DocumentPrior: 0.8, NeighbourSmoothing: 0.4, IDFPower: 1.5, TitleBoost: 2.5, PhraseBoost: 2, Expand: "none",
			Rerank:       Rerank{Kind: CrossEncoder, Depth: 30, Weight: 1, CacheMB: 1024, API: "cohere", Timeout: 10 * time.Second},
			BudgetTokens: 2048, Order: "rank", Template: "plain",
		},
		Serve: Serve{Listen: "127.0.0.1:6363", MaxConcurrent: 256, QueryCacheMB: 32, DrainTimeout: 10 * time.Second, Traces: "off"},
		LLM: LLM{
			Structured: "schema", LimitField: "max_tokens", Timeout: 2 * time.Minute,
			Concurrency: 4, Tokenizer: "o200k_base", Cache: true,
		},
		NLI: NLI{Shape: "tei", Labels: []string{"entailment", "neutral", "contradiction"}, Timeout: time.Minute, BatchPairs: 16, Cache: true},
	}
}

// Error is a bad setting: which key, where its value came from, what is allowed.
type Error struct {
	Key     string // "chunk.size_tokens"
	Origin  string // "default", "ragloop.yaml:3", "environment RAGLOOP_…", "flag"
	Problem string // "is 9000, allowed are 16 to 8192"
}

func (e *Error) Error() string {
	return fmt.Sprintf("read configuration: %s (%s) %s", e.Key, e.Origin, e.Problem)
}

// rule is one condition on a setting.
type rule struct {
	key string
	ok  bool
	msg string
}

func between(key string, v, lo, hi int) rule {
	return rule{key, lo <= v && v <= hi, fmt.Sprintf("is %d, allowed are %d to %d", v, lo, hi)}
}

func share(key string, v, hi float64) rule {
	return rule{key, v >= 0 && v <= hi, fmt.Sprintf("is %v, allowed are 0 to %v", v, hi)}
}

func oneOf(key, v string, allowed ...string) rule {
	return rule{key, slices.Contains(allowed, v), fmt.Sprintf("is %q, allowed are %s", v, strings.Join(allowed, ", "))}
}

func notEmpty(key, v string) rule { return rule{key, v != "", "is empty"} }

func positive(key string, d time.Duration) rule {
	return rule{key, d > 0, fmt.Sprintf("is %v, must be positive", d)}
}

// validate checks ranges that need no knowledge of other packages. What only
// another package knows (fusion syntax, tokenizer names) is checked there, when
// the value is used, before anything is written.
func (l *Loaded) validate() error {
	c := l.Config
	rules := []rule{
		notEmpty("data_dir", c.DataDir),
		notEmpty("collection", c.Collection),
		oneOf("log_level", c.LogLevel, "debug", "info", "warn", "error"),
		{"source.quiet", 10*time.Millisecond <= c.Source.Quiet && c.Source.Quiet <= time.Hour,
			fmt.Sprintf("is %v, allowed are 10ms to 1h", c.Source.Quiet)},
		{"source.rescan", 100*time.Millisecond <= c.Source.Rescan && c.Source.Rescan <= 24*time.Hour,
			fmt.Sprintf("is %v, allowed are 100ms to 24h", c.Source.Rescan)},
		{"extract.timeout", 100*time.Millisecond <= c.Extract.Timeout && c.Extract.Timeout <= time.Hour,
			fmt.Sprintf("is %v, allowed are 100ms to 1h", c.Extract.Timeout)},
		between("extract.memory_mb", c.Extract.MemoryMB, 64, 65536),
		oneOf("pdf.backend", c.PDF.Backend, "auto", "builtin", "pdfium"),
		oneOf("chunk.strategy", c.Chunk.Strategy, "structure", "fixed", "row", "page", "parent", "sentence", "recursive"),
		between("chunk.size_tokens", c.Chunk.SizeTokens, 16, 8192),
		share("chunk.overlap", c.Chunk.Overlap, 0.5),
		{"chunk.overlap", c.Chunk.Overlap == 0 || c.Chunk.Strategy != "row" && c.Chunk.Strategy != "page",
			fmt.Sprintf("is %v, but chunk.strategy %s repeats nothing, allowed is 0", c.Chunk.Overlap, c.Chunk.Strategy)},
		oneOf("chunk.context", c.Chunk.Context, "none", "llm"),
		{"chunk.context", c.Chunk.Context != "llm" || c.LLM.BaseURL != "", "is llm, which needs llm.base_url"},
		oneOf("chunk.tokenizer", c.Chunk.Tokenizer, "cl100k_base", "o200k_base", "p50k_base", "p50k_edit", "r50k_base"),
		oneOf("embedder.kind", c.Embedder.Kind, "builtin", "openai"),
		positive("embedder.timeout", c.Embedder.Timeout),
		between("retrieve.top_k", c.Retrieve.TopK, 1, 1000),
		{"retrieve.candidates", c.Retrieve.TopK <= c.Retrieve.Candidates && c.Retrieve.Candidates <= 1000,
			fmt.Sprintf("is %d, allowed are %d (retrieve.top_k) to 1000", c.Retrieve.Candidates, c.Retrieve.TopK)},
		share("retrieve.document_prior", c.Retrieve.DocumentPrior, 10),
		share("retrieve.neighbour_smoothing", c.Retrieve.NeighbourSmoothing, 10),
		{"retrieve.idf_power", c.Retrieve.IDFPower >= 1 && c.Retrieve.IDFPower <= 3, fmt.Sprintf("is %v, allowed are 1 to 3", c.Retrieve.IDFPower)},
		share("retrieve.title_boost", c.Retrieve.TitleBoost, 10),
		share("retrieve.phrase_boost", c.Retrieve.PhraseBoost, 10),
		oneOf("retrieve.expand", c.Retrieve.Expand, "none", "multi-query", "hyde"),
		{"retrieve.expand", c.Retrieve.Expand == "none" || c.LLM.BaseURL != "", fmt.Sprintf("is %s, which needs llm.base_url", c.Retrieve.Expand)},
		share("retrieve.feedback", c.Retrieve.Feedback, 1),
		between("retrieve.budget_tokens", c.Retrieve.BudgetTokens, 1, 1_000_000),
		between("retrieve.max_per_source", c.Retrieve.MaxPerSource, 0, 1000),
		between("retrieve.neighbours", c.Retrieve.Neighbours, 0, 4),
		oneOf("retrieve.order", c.Retrieve.Order, "rank", "document", "ends"),
		share("retrieve.diversity", c.Retrieve.Diversity, 1),
		notEmpty("retrieve.template", c.Retrieve.Template),
		notEmpty("serve.listen", c.Serve.Listen),
		between("serve.max_concurrent", c.Serve.MaxConcurrent, 1, 100_000),
		between("serve.query_cache_mb", c.Serve.QueryCacheMB, 0, 65536),
		positive("serve.drain_timeout", c.Serve.DrainTimeout),
		oneOf("serve.traces", c.Serve.Traces, "off", "otlp"),
	}
	if c.Embedder.Kind == "openai" {
		needed := func(key, v string) rule { return rule{key, v != "", "is empty, embedder.kind: openai needs it"} }
		rules = append(rules,
			needed("embedder.base_url", c.Embedder.BaseURL),
			needed("embedder.model", c.Embedder.Model),
			between("embedder.dimension", c.Embedder.Dimension, 1, 65536),
			between("embedder.max_tokens", c.Embedder.MaxTokens, 16, 1_000_000))
	} else {
		// Settings of the other kind would do nothing: say so instead of ignoring them.
		def := Default().Embedder
		for _, o := range []struct {
			name  string
			unset bool
		}{
			{"base_url", c.Embedder.BaseURL == def.BaseURL},
			{"api_key", c.Embedder.APIKey == def.APIKey},
			{"dimension", c.Embedder.Dimension == def.Dimension},
			{"max_tokens", c.Embedder.MaxTokens == def.MaxTokens},
			{"timeout", c.Embedder.Timeout == def.Timeout},
			{"query_prefix", c.Embedder.QueryPrefix == def.QueryPrefix},
			{"passage_prefix", c.Embedder.PassagePrefix == def.PassagePrefix},
		} {
			rules = append(rules, rule{"embedder." + o.name, o.unset, "is set, but only embedder.kind: openai uses it"})
		}
	}
	rules = append(rules, remoteRules(c)...)
	rules = append(rules, l.rerankRules()...)
	for _, r := range rules {
		if !r.ok {
			return &Error{Key: r.key, Origin: l.Origin[r.key], Problem: r.msg}
		}
	}
	return nil
}
