// Package retrieve finds the chunks that answer a query.
//
// A query runs in two legs over one generation of an index: dense (the cosine
// of the embedded query) and lexical (BM25). Their hits are checked against the
// document records, so that a response never mixes two revisions of one
// document, then fused into one order and rescored by context; the first of that
// order may be put into another one by a [Reranker]. [Retriever.Find] does what
// needs the index, [Retriever.Rerank] what needs the reranker, [Rank] the rest:
// [Retriever.Search] is one after the other, and evaluation ranks what was found
// and scored once under many settings.
//
// The package packs no context ([Packable] hands over to retrieve/pack) and
// knows nothing of the wire (see retrieve/server).
//
// Nouns: a leg is one way to score chunks; a candidate is a chunk that at least
// one leg returned, with the exact scores of both ("completed"); the fused
// score is the one number made of both; the final score decides the order: the
// fused score with what the document, its title, the neighbours and the query's
// phrases add, and among what was reranked Reranked.Final. Fused, final and
// reranker's scores may be negative and compare within one query only.
package retrieve

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/recent"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// ErrLeg: a leg, or the reranker, failed and the answer could not do without it.
// The failure may be temporary.
var ErrLeg = errors.New("retrieval leg failed")

// Params are the retrieval parameters that a run records. The zero value is not
// valid: start from [DefaultParams].
type Params struct {
	TopK               int     // chunks returned, 1..1000; default 50
	Candidates         int     // per leg, TopK..1000; default 100
	Fusion             Fusion  // default zscore(w=0.6)
	DocumentPrior      float64 // 0..10, 0 off; default 0.8
	NeighbourSmoothing float64 // of the better adjacent chunk's fused score, less the average; an eighth of it of the next one in the section; 0..10, 0 off; default 0.4
	IDFPower           float64 // exponent of idf in the lexical score, 1 (BM25) to 3; default 1.5: rare words count more
	TitleBoost         float64 // what the query's terms in a document's title are worth, 0..10 standard deviations of the fused scores, 0 off; default 2.5
	Feedback           float64 // weight of what the dense leg finds first against the query, 0..1, 0 off, the default
	Expand             string  // NoExpansion, the default, MultiQuery or HyDE; "" is NoExpansion
	PhraseBoost        float64 // what the query's phrases are worth, 0..10 standard deviations of the fused scores, 0 off; default 2
	Rerank             int     // how many of the best are reranked, 0..Candidates; 0 off, the default
	RerankWeight       float64 // of the reranker's scores against a chunk's own, above 0 to 1 (the reranker's alone), see Rank; needed with Rerank; default 1
	Neighbours         int     // chunks on either side of a ranked one that Packable offers, 0..4; 0 off, the default
	RequireAll         bool    // fail instead of degrading when a leg or the reranker fails
	Filter             index.Filter
}

// DefaultParams returns the defaults named at [Params]. README says on which
// collections they were chosen and measured, and on which confirmed.
func DefaultParams() Params {
	return Params{
		TopK:               50,
		Candidates:         100,
		Fusion:             Fusion{Method: ZScore, Weight: 0.6},
		DocumentPrior:      0.8,
		NeighbourSmoothing: 0.4,
		IDFPower:           1.5,
		TitleBoost:         2.5,
		PhraseBoost:        2,
		RerankWeight:       1,
	}
}

// Ranked is one chunk of the final order.
type Ranked struct {
	index.Candidate
	Rank    int           // 1-based
	Score   float64       // after fusion and rescoring; comparable within one query only
	Fused   float64       // before rescoring
	Title   float64       // share of the query's terms that the document's title has, by idf^(2·Params.IDFPower), 0..1
	Phrases float64       // share of the query's phrases that the chunk holds, identifiers half, 0..1
	Rerank  *Reranked     // nil: not reranked; otherwise its Final decided Rank
	Record  *index.Record // of its document; never nil, shared: nobody may change it
	Parent  *index.Chunk  // what is delivered instead of the chunk; nil: the chunk
	// Neighbours are the chunks up to Params.Neighbours away, in the order of
	// index.Generation.Neighbours. Of a search only Result.Chunks have them.
	Neighbours []*index.Chunk
}

// Result of one query.
type Result struct {
	Chunks     []Ranked // the first Params.TopK of All
	Considered int      // candidates that were ranked
	Reranked   int      // of them, those that the reranker has scored
	Reading    Reading  // of the query
	Degraded   []string // "dense: embedder unavailable"; empty: complete
	Warnings   []string // what is odd about the query: "filter: no document has the field \"yaer\""
	Stages     []Stage
	Relevance  pack.Relevance // see Found

	found  Found
	params Params
}

// All returns every candidate that was ranked, in the final order. They are made
// when asked for: an answer is made of Chunks, a fraction of them.
func (r *Result) All() []Ranked {
	p := r.params
	p.TopK = len(r.found.Legs.Candidates)
	return Rank(r.found, p)
}

// Stage is a measured step.
type Stage struct {
	Name    string        // "embed", "expand", "terms", "legs", "records", "feedback", "parents", "rerank", "fuse", "neighbours"
	Elapsed time.Duration // of all its runs, where it ran more than once
	Begin   time.Time     // of the first
}

// usualStages is how many stages there is room for from the start.
const usualStages = 8

// Found holds what the legs returned for one query, before fusion; evaluation
// and tuning rank it under many settings without searching again. Records, Phrases and
// Titles are parallel to Legs.Candidates, or nil.
type Found struct {
	// Legs holds the visible candidates by chunk id. The ranks of each leg are
	// without holes: invisible chunks are not counted.
	Legs     index.Legs
	Records  []*index.Record                // of each candidate's document; shared: nobody may change them
	Phrases  []float64                      // 0..1: share of the query's phrases that each candidate holds, identifiers half; nil: there are none
	Titles   []float64                      // 0..1: share of the query's terms that the title of each candidate's document has, see Ranked; nil: titles count for nothing
	Reranked map[index.ChunkID]float64      // the reranker's scores, of the candidates that it has seen
	Parents  map[index.ChunkID]*index.Chunk // of the candidates that have one; see index.Generation.Parents
	// Relevance is for pack.Options: what sentences have of the query. Nil: it has no
	// terms, or how rare they are was not asked for (IDFPower 1, TitleBoost 0) or not told.
	Relevance pack.Relevance
	// Neighbours of the candidates, up to Params.Neighbours away; see index.Generation.Neighbours.
	Neighbours map[index.ChunkID][]*index.Chunk
	Reading    Reading  // of the query
	Degraded   []string // as in Result
	Warnings   []string // as in Result
	Stages     []Stage  // in the order in which they began
}

// searcher is what retrieval needs of an index; implemented by
// [index.Generation].
type searcher interface {
	// Legs returns candidates by chunk id, which the caller owns, but for the chunks
	// and what else they point to.
	Legs(ctx context.Context, s index.Search) (index.Legs, error)
	// RecordsOf returns the record of each of docs, nil where there is none, in a slice
	// that the caller owns. It keeps docs no longer than the call.
	RecordsOf(ctx context.Context, docs []text.DocID) ([]*index.Record, error)
	Vectors(ctx context.Context, ids []index.ChunkID) (map[index.ChunkID][]float32, error)
	Parents(ctx context.Context, chunks []index.Chunk) (map[index.ChunkID]*index.Chunk, error)
	Neighbours(ctx context.Context, chunks []index.Chunk, n int) (map[index.ChunkID][]*index.Chunk, error)
	// IDF returns the inverse document frequencies of terms; one that no chunk has is missing.
	IDF(ctx context.Context, terms []uint32) (map[uint32]float64, error)
	Absent(ctx context.Context, f index.Filter, most int) ([]index.Absent, error)
}

// Retriever answers queries from one generation. Safe for concurrent use.
type Retriever struct {
	index    searcher
	embedder embed.Embedder
	analyzer *lexical.Analyzer
	titles   *recent.Map[string, []uint32] // terms, see named
	prefix   bool                          // title and headings are indexed with the text
	reranker Reranker                      // nil: none
	expander Expander                      // nil: none
	now      func() time.Time              // measures stages
}

// New returns a retriever over g. It fails with index.ErrRecipe when e's
// fingerprint is not the one g was built with.
func New(g *index.Generation, e embed.Embedder) (*Retriever, error) {
	r, err := newRetriever(g, g.Recipe, e)
	if err != nil {
		return nil, fmt.Errorf("retrieve from collection %q, generation %d: %w", g.Collection, g.Number, err)
	}
	return r, nil
}

func newRetriever(s searcher, recipe index.Recipe, e embed.Embedder) (*Retriever, error) {
	built, have := recipe.Embedder, e.Info()
	if built.Fingerprint != have.Fingerprint {
		return nil, fmt.Errorf("built with embedder %s (fingerprint %s), this one is %s (fingerprint %s): %w",
			built.Name, built.Fingerprint, have.Name, have.Fingerprint, index.ErrRecipe)
	}
	a, err := lexical.New(recipe.Lexical)
	if err != nil {
		return nil, fmt.Errorf("make the lexical analyzer of the recipe: %w", err)
	}
	return &Retriever{index: s, embedder: e, analyzer: a, titles: recent.New[string, []uint32](maxTitles), prefix: recipe.Chunker.IndexPrefix, now: time.Now}, nil
}

// Search runs the whole pipeline: Find, Rerank, then Rank. A leg that p.Fusion
// does not use is not run, and neighbours are read of Result.Chunks only; the
// result is the same. A reranker that fails, or would take more time than ctx
// has, leaves the order before it, which Degraded tells.
//
// Errors: [*InvalidError] for a bad query or parameter (one or several, joined),
// [ErrLeg] when a leg failed that the answer needs, context errors, errors of
// the index.
func (r *Retriever) Search(ctx context.Context, query string, p Params) (Result, error) {
	if p.Rerank > 0 && r.reranker == nil {
		return Result{}, &InvalidError{"rerank", fmt.Sprintf("is %d, but %v", p.Rerank, ErrNoReranker)}
	}
	f, err := r.find(ctx, query, p, p.Fusion.uses())
	if err != nil {
		return Result{}, err
	}
	if f, err = r.rerank(ctx, query, f, p); err != nil {
		return Result{}, err
	}
	begin := r.now()
	chunks, considered := rank(&f, p)
	f.Stages = append(f.Stages, Stage{"fuse", r.now().Sub(begin), begin})
	if p.Neighbours > 0 {
		of, records := known(chunks)
		if f, err = r.neighbours(ctx, f, of, records, p.Neighbours); err != nil {
			return Result{}, contextFirst(ctx, err)
		}
		expand(chunks, &f, p.Neighbours)
	}
	return Result{
		Chunks: chunks, Considered: considered, Reranked: len(f.Reranked),
		Reading: f.Reading, Degraded: f.Degraded, Warnings: f.Warnings, Stages: f.Stages, Relevance: f.Relevance, found: f, params: p,
	}, nil
}
