package ingest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/tokens"
)

// DenseTolerance is the least cosine of a stored vector with that of embedding
// its text again. Rounding differs with the batch, the processor and the server:
// all 314 chunks of the demo corpus, embedded in batches and again one by one
// with the built-in model of 8 bits, have 0.9996 or more, while no two different
// chunks have more than 0.978.
const DenseTolerance = 0.995

// Verifier compares what a generation holds with what this program makes of the
// same text. It writes nothing but in Mend.
type Verifier struct {
	g        *index.Generation
	embedder embed.Embedder // nil: dense vectors are not compared
	counter  *tokens.Counter
	analyzer *lexical.Analyzer
}

// NewVerifier returns a verifier of g. Without an embedder, which must be that of
// g's recipe (index.ErrRecipe) and should have no cache, dense vectors can be
// neither compared nor made again.
func NewVerifier(g *index.Generation, e embed.Embedder) (*Verifier, error) {
	what := fmt.Sprintf("prepare to verify %s", g)
	if e != nil {
		r := recipeOf(e.Info(), g.Recipe.Chunker, g.Recipe.Lexical)
		r.Extractor = g.Recipe.Extractor // whatever extracted the text, it is stored
		if err := g.Recipe.Check(r); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
	}
	counter, err := tokens.New(g.Recipe.Chunker.Tokenizer)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	analyzer, err := lexical.New(g.Recipe.Lexical)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return &Verifier{g: g, embedder: e, counter: counter, analyzer: analyzer}, nil
}

// VerifyOptions say how much [Verifier.Verify] compares.
type VerifyOptions struct {
	ReadData bool   // read all chunks with their vectors
	Sample   int    // with ReadData: chunks to embed again; negative: all
	Seed     uint64 // of the sample
}

// Verify reports what is stored otherwise than it should be.
func (v *Verifier) Verify(ctx context.Context, o VerifyOptions) (index.Report, error) {
	if o.Sample != 0 && v.embedder == nil {
		return index.Report{}, fmt.Errorf("verify %s: a sample needs an embedder", v.g)
	}
	io := index.VerifyOptions{Data: o.ReadData, Sample: o.Sample, Seed: o.Seed}
	if o.ReadData {
		io.Check = v.check
	}
	return v.g.Verify(ctx, io)
}

// Mend mends what a report of v names, as far as it can: see
// [index.Generation.Mend].
func (v *Verifier) Mend(ctx context.Context, r index.Report) (index.Mended, error) {
	return v.g.Mend(ctx, r, v.remake)
}

// check compares what follows from the text of chunks.
func (v *Verifier) check(ctx context.Context, chunks []index.Stored) ([]index.Drift, error) {
	var out []index.Drift
	bad := func(s index.Stored, kind index.DriftKind, format string, args ...any) {
		remedy := index.Rewrite
		switch {
		case kind == index.DriftRefused:
			remedy = index.Unknown // another embedder, or the same another day
		case kind == index.DriftDense && !s.Prefixed:
			remedy = index.Reingest // what was embedded is not known
		}
		out = append(out, index.Drift{Kind: kind, Doc: s.Chunk.Doc, Ordinal: s.Chunk.Ordinal, Point: string(s.Chunk.ID), Remedy: remedy,
			Detail: fmt.Sprintf(format, args...)})
	}
	var sample []index.Stored
	for _, s := range chunks {
		if n := v.counter.Count(s.Chunk.Text); n != s.Chunk.Tokens {
			bad(s, index.DriftTokens, "it says %d tokens, its text has %d", s.Chunk.Tokens, n)
		}
		if s.Prefixed && !sameSparse(s.Sparse, v.analyzer.Document(s.Prefix+s.Chunk.Text)) {
			bad(s, index.DriftSparse, "its lexical vector is not that of its text")
		}
		switch norm := math.Sqrt(dot(s.Dense, s.Dense)); {
		case len(s.Dense) != v.g.Recipe.Embedder.Dimension:
			bad(s, index.DriftDense, "its dense vector has %d dimensions, the recipe %d", len(s.Dense), v.g.Recipe.Embedder.Dimension)
		case !(norm > 0.99 && norm < 1.01): // NaN, too
			bad(s, index.DriftDense, "its dense vector has length %.3g, should have 1", norm)
		case s.Embed:
			sample = append(sample, s)
		}
	}
	if len(sample) == 0 {
		return out, nil
	}
	vectors, refused, err := v.embed(ctx, sample)
	if err != nil {
		return nil, err
	}
	for i, s := range sample {
		if refused[i] != nil {
			bad(s, index.DriftRefused, "its dense vector cannot be compared: %v", refused[i])
		} else if c := cosine(s.Dense, vectors[i]); !(c >= DenseTolerance) {
			bad(s, index.DriftDense, "its dense vector has cosine %.4f with that of its text, at least %v is allowed", c, DenseTolerance)
		}
	}
	return out, nil
}

// remake returns chunks with what follows from their text.
func (v *Verifier) remake(ctx context.Context, chunks []index.Stored) ([]index.Point, error) {
	out := make([]index.Point, len(chunks))
	var again []index.Stored
	var at []int
	for i, s := range chunks {
		s.Chunk.Tokens = v.counter.Count(s.Chunk.Text)
		if s.Prefixed {
			s.Sparse = v.analyzer.Document(s.Prefix + s.Chunk.Text)
		}
		out[i] = s.Point
		if s.Embed {
			again, at = append(again, s), append(at, i)
		}
	}
	if len(again) == 0 {
		return out, nil
	}
	vectors, _, err := v.embed(ctx, again) // nil where it refuses
	if err != nil {
		return nil, err
	}
	for i, k := range at {
		out[k].Dense = vectors[i]
	}
	return out, nil
}

// embed returns the vectors of chunks, nil for those that the embedder refuses, and
// why it does.
func (v *Verifier) embed(ctx context.Context, chunks []index.Stored) (vectors [][]float32, refused map[int]error, err error) {
	if v.embedder == nil {
		return nil, nil, fmt.Errorf("embed %d chunks: no embedder was given", len(chunks))
	}
	texts := make([]string, len(chunks))
	for i, s := range chunks {
		texts[i] = s.Prefix + s.Chunk.Text
	}
	refused = map[int]error{}
	for len(vectors) < len(texts) {
		rest := texts[len(vectors):]
		got, err := v.embedder.Embed(ctx, embed.Passage, rest)
		if len(got) > len(rest) || err == nil && len(got) < len(rest) {
			return nil, nil, errors.Join(err, fmt.Errorf("the embedder %q returned %d vectors for %d texts", v.embedder.Info().Name, len(got), len(rest)))
		}
		vectors = append(vectors, got...)
		switch {
		case errors.Is(err, embed.ErrRefused) && len(got) < len(rest):
			refused[len(vectors)] = err
			vectors = append(vectors, nil)
		case err != nil:
			return nil, nil, fmt.Errorf("embed %d chunks: %w", len(texts), err)
		}
	}
	return vectors, refused, nil
}

// sameSparse compares exactly. A server may return the dimensions in any order.
func sameSparse(stored, want lexical.Vector) bool {
	if len(stored.Indices) != len(want.Indices) || len(stored.Values) != len(want.Values) {
		return false
	}
	for k, i := range stored.Indices {
		at, ok := slices.BinarySearch(want.Indices, i)
		if !ok || want.Values[at] != stored.Values[k] {
			return false
		}
	}
	return true
}

func cosine(a, b []float32) float64 {
	return dot(a, b) / math.Sqrt(dot(a, a)*dot(b, b))
}

func dot(a, b []float32) (sum float64) {
	for i := range min(len(a), len(b)) {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}
