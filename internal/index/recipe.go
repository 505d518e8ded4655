package index

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/ragloop/ragloop/internal/lexical"
)

// ChunkerRecipe is the chunking part of a recipe.
type ChunkerRecipe struct {
	Strategy    string  `json:"strategy"` // a chunk.Strategy: "structure"
	SizeTokens  int     `json:"size_tokens"`
	Overlap     float64 `json:"overlap"`
	Tokenizer   string  `json:"tokenizer"` // "o200k_base"
	IndexPrefix bool    `json:"index_prefix"`
	Context     string  `json:"context,omitempty"` // fingerprint of what writes a line about each chunk into the prefix; empty: none
}

// EmbedderRecipe is the embedding part of a recipe.
type EmbedderRecipe struct {
	Name        string `json:"name"`
	Fingerprint string `json:"fingerprint"`
	Dimension   int    `json:"dimension"`
}

// Recipe is everything that decides what a generation holds for given documents.
// It is stored as collection metadata.
type Recipe struct {
	Extractor string         `json:"extractor"` // extract.Version
	Chunker   ChunkerRecipe  `json:"chunker"`
	Embedder  EmbedderRecipe `json:"embedder"`
	Lexical   lexical.Params `json:"lexical"`
}

// Fingerprint returns the first 16 hex digits of the SHA-256 of the canonical
// JSON of r: its fields in the order of the type, without white space. It is
// empty where r holds a number that is not finite; Create refuses such a recipe.
func (r Recipe) Fingerprint() string {
	b, err := json.Marshal(r)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// Diff names what differs between r and want, one "part: stored X, wanted Y"
// each, in the order of the type; nil where documents prepared by one fit a
// generation built by the other. An average length of 0 in want means "as
// stored", and an embedder with another name but the same fingerprint is the same.
func (r Recipe) Diff(want Recipe) []string {
	var out []string
	add := func(part string, stored, wanted any) {
		if stored != wanted {
			out = append(out, fmt.Sprintf("%s: stored %v, wanted %v", part, stored, wanted))
		}
	}
	add("extractor version", r.Extractor, want.Extractor)
	add("chunking strategy", r.Chunker.Strategy, want.Chunker.Strategy)
	add("chunk size in tokens", r.Chunker.SizeTokens, want.Chunker.SizeTokens)
	add("chunk overlap", r.Chunker.Overlap, want.Chunker.Overlap)
	add("tokenizer", r.Chunker.Tokenizer, want.Chunker.Tokenizer)
	add("index prefix", r.Chunker.IndexPrefix, want.Chunker.IndexPrefix)
	add("context of chunks", cmp.Or(r.Chunker.Context, "none"), cmp.Or(want.Chunker.Context, "none"))
	if r.Embedder.Fingerprint != want.Embedder.Fingerprint || r.Embedder.Dimension != want.Embedder.Dimension {
		add("embedder", r.Embedder.describe(), want.Embedder.describe())
	}
	add("BM25 k", r.Lexical.K, want.Lexical.K)
	add("BM25 b", r.Lexical.B, want.Lexical.B)
	if want.Lexical.AvgLen != 0 {
		add("BM25 average length", r.Lexical.AvgLen, want.Lexical.AvgLen)
	}
	add("language", r.Lexical.Language, want.Lexical.Language)
	add("word splitting", cmp.Or(r.Lexical.Tokenizer, lexical.Word), cmp.Or(want.Lexical.Tokenizer, lexical.Word))
	add("case sensitivity", r.Lexical.CaseSensitive, want.Lexical.CaseSensitive)
	add("ASCII folding", r.Lexical.ASCIIFolding, want.Lexical.ASCIIFolding)
	add("stop words", describeWords(r.Lexical.StopWords), describeWords(want.Lexical.StopWords))
	add("shortest term", r.Lexical.MinTermLen, want.Lexical.MinTermLen)
	add("longest term", r.Lexical.MaxTermLen, want.Lexical.MaxTermLen)
	return out
}

// Check returns nil where documents prepared by want fit a generation built by
// r; otherwise an error that wraps ErrRecipe and names every difference. An
// average length of 0 in want means "as stored".
func (r Recipe) Check(want Recipe) error {
	if d := r.Diff(want); d != nil {
		return fmt.Errorf("%w: %s", ErrRecipe, strings.Join(d, "; "))
	}
	return nil
}

// describeWords tells nil, the language's own list, from an empty one.
func describeWords(words []string) string {
	if words == nil {
		return "the language's"
	}
	return fmt.Sprintf("%q", words)
}

func (e EmbedderRecipe) describe() string {
	return fmt.Sprintf("%s (%d dimensions, fingerprint %s)", e.Name, e.Dimension, e.Fingerprint)
}

// validate checks what a collection cannot be created without; ranges of the
// chunker are the chunker's business.
func (r Recipe) validate() error {
	if r.Embedder.Dimension < 1 || r.Embedder.Dimension > 65536 {
		return fmt.Errorf("%w: embedding dimension %d, allowed are 1 to 65536", ErrInvalid, r.Embedder.Dimension)
	}
	if o := r.Chunker.Overlap; math.IsNaN(o) || math.IsInf(o, 0) {
		return fmt.Errorf("%w: chunk overlap %v is not a finite number", ErrInvalid, o)
	}
	if _, err := lexical.New(r.Lexical); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}
