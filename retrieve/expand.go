package retrieve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/lexical"
)

// Expander writes texts that are searched for beside the query; implemented by
// expand.Writer. It must be safe for concurrent use.
type Expander interface {
	// Variants returns other wordings of the query, at least one.
	Variants(ctx context.Context, query string) ([]string, error)
	// Passage returns a passage that could answer the query.
	Passage(ctx context.Context, query string) (string, error)
}

// Expansions of a query, for Params.Expand.
const (
	NoExpansion = "none" // as ""
	// MultiQuery searches with the mean of the query's and its variants' vectors,
	// in both legs. The scores of a candidate are then the means of its scores under
	// each wording: CombSUM over them (Fox and Shaw, "Combination of Multiple
	// Searches", TREC-2, 1994) up to a constant, for one search instead of several.
	MultiQuery = "multi-query"
	// HyDE searches the dense leg with the mean of the query's vector and that of a
	// passage that could answer it (Gao, Ma, Lin and Callan, ACL 2023, with one
	// passage). The lexical leg has the query alone.
	HyDE = "hyde"
)

var expansions = []string{NoExpansion, MultiQuery, HyDE}

// ErrNoExpander: Params.Expand asks for an expander and the retriever has none.
var ErrNoExpander = errors.New("there is no language model to expand queries")

// errNoWording: the expander has nothing to add to the query, and does not say why.
var errNoWording = errors.New("the language model has no other wording of the query")

// WithExpander returns a retriever like r that expands queries where
// Params.Expand says so.
func (r *Retriever) WithExpander(x Expander) *Retriever {
	out := *r
	out.expander = x
	return &out
}

// Expands reports whether p asks for an expansion.
func (p Params) Expands() bool { return p.Expand != "" && p.Expand != NoExpansion }

// expand puts the query's expansion into both legs. What fails leaves the query
// as it is, which Degraded tells, unless Params.RequireAll is set.
func (q *finding) expand(ctx context.Context, query string) error {
	if q.p.Expand == HyDE && q.search.Dense == nil {
		return nil // no dense leg
	}
	defer q.measure("expand", q.r.now())
	err := q.expanded(ctx, query)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if q.p.RequireAll {
		return fmt.Errorf("%w: expand: %w", ErrLeg, err)
	}
	q.degraded = append(q.degraded, "expand: "+err.Error())
	return nil
}

// expanded is expand without its rule for errors; after one nothing is changed.
// It takes at most half of the time that is left.
func (q *finding) expanded(ctx context.Context, query string) error {
	if deadline, ok := ctx.Deadline(); ok && !q.p.RequireAll {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	var texts []string
	task := embed.Query
	if q.p.Expand == HyDE {
		passage, err := q.r.expander.Passage(ctx, query)
		if err != nil {
			return err
		}
		texts, task = []string{passage}, embed.Passage
	} else {
		var err error
		if texts, err = q.r.expander.Variants(ctx, query); err != nil {
			return err
		}
	}
	if len(texts) == 0 {
		return errNoWording
	}
	dense := q.search.Dense
	if dense != nil {
		vectors, err := q.r.vectors(ctx, task, texts)
		if err != nil {
			return err
		}
		dense = meanVector(append([][]float32{dense}, vectors...))
	}
	if q.p.Expand == MultiQuery && q.want.lexical {
		terms := []lexical.Vector{q.search.Sparse}
		for _, t := range texts {
			terms = append(terms, q.r.terms(t))
		}
		q.search.Sparse = meanTerms(terms)
	}
	q.search.Dense = dense
	q.reading.Written = texts
	return nil
}

// meanVector returns the mean of vectors, each of unit length, or the first where
// they cancel out.
func meanVector(vectors [][]float32) []float32 {
	sum := make([]float64, len(vectors[0]))
	for _, v := range vectors {
		for i, x := range unit(v) {
			sum[i] += x
		}
	}
	out := make([]float32, len(sum))
	for i, x := range sum {
		out[i] = float32(x / float64(len(vectors)))
	}
	if !slices.ContainsFunc(out, func(x float32) bool { return x != 0 }) {
		return vectors[0]
	}
	return out
}

// meanTerms returns the mean of sparse vectors, in which what a vector lacks is 0.
func meanTerms(vectors []lexical.Vector) lexical.Vector {
	sums := map[uint32]float32{}
	for _, v := range vectors {
		for i, id := range v.Indices {
			sums[id] += v.Values[i]
		}
	}
	var out lexical.Vector
	for id := range sums {
		out.Indices = append(out.Indices, id)
	}
	slices.Sort(out.Indices)
	for _, id := range out.Indices {
		out.Values = append(out.Values, sums[id]/float32(len(vectors)))
	}
	return out
}
