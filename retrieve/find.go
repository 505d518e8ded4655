package retrieve

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
)

// legs says which legs to run.
type legs struct{ dense, lexical bool }

// Find embeds the query, runs both legs with p.Candidates and p.Filter, and
// drops invisible chunks. A leg loses no depth to them: where too few visible
// hits remain it is searched deeper, up to MaxCandidates.
//
// Both legs are run whatever p.Fusion is, so that Rank may be given another
// one, and neighbours are read of every candidate. Errors as for Search.
func (r *Retriever) Find(ctx context.Context, query string, p Params) (Found, error) {
	f, err := r.find(ctx, query, p, legs{dense: true, lexical: true})
	if err != nil {
		return Found{}, err
	}
	chunks := make([]index.Chunk, len(f.Legs.Candidates))
	for i, c := range f.Legs.Candidates {
		chunks[i] = *c.Chunk
	}
	if f, err = r.neighbours(ctx, f, chunks, f.Records, p.Neighbours); err != nil {
		return Found{}, contextFirst(ctx, err)
	}
	return f, nil
}

func (r *Retriever) find(ctx context.Context, query string, p Params, want legs) (Found, error) {
	if err := Check(query, p); err != nil {
		return Found{}, err
	}
	if p.Expands() && r.expander == nil {
		return Found{}, &InvalidError{"expand", fmt.Sprintf("is %q, but %v", p.Expand, ErrNoExpander)}
	}
	q := finding{r: r, p: p, want: want, stages: make([]Stage, 0, usualStages)}
	own := r.terms(query)
	if err := q.prepare(ctx, query, own); err != nil {
		return Found{}, contextFirst(ctx, err)
	}
	if p.Expands() {
		if err := q.expand(ctx, query); err != nil {
			return Found{}, contextFirst(ctx, err)
		}
	}
	if err := q.weigh(ctx, own.Indices); err != nil {
		return Found{}, contextFirst(ctx, err)
	}
	visible, records, err := q.visible(ctx)
	if err != nil {
		return Found{}, contextFirst(ctx, err)
	}
	if p.Feedback > 0 && q.search.Dense != nil {
		switch moved, err := q.feedback(ctx, visible); {
		case err != nil && (p.RequireAll || ctx.Err() != nil):
			return Found{}, contextFirst(ctx, fmt.Errorf("%w: feedback: %w", ErrLeg, err))
		case err != nil:
			q.degraded = append(q.degraded, "feedback: "+err.Error())
		case moved:
			if visible, records, err = q.visible(ctx); err != nil {
				return Found{}, contextFirst(ctx, err)
			}
		}
	}
	parents, err := q.parents(ctx, visible)
	if err != nil {
		return Found{}, contextFirst(ctx, err)
	}
	warnings, err := q.warnings(ctx, visible)
	if err != nil {
		return Found{}, contextFirst(ctx, err)
	}
	said := r.phrases(query)
	shares := r.held(said, visible, records)
	if p.PhraseBoost > 0 { // else they count for nothing
		q.reading.Phrases = said.list
		if len(visible) > 0 {
			warnings = append(warnings, said.missing()...)
		}
	}
	return Found{
		Legs: index.Legs{Candidates: visible}, Records: records, Parents: parents,
		Phrases: shares, Titles: q.titles(records), Relevance: q.asked.relevance(),
		Reading: q.reading, Degraded: q.degraded, Warnings: warnings, Stages: q.stages,
	}, nil
}

// visible runs the legs as deep as it takes and returns the visible candidates, by
// chunk id, and the record of each one's document.
func (q *finding) visible(ctx context.Context) ([]index.Candidate, []*index.Record, error) {
	s := newScratch()
	defer s.free()
	for limit := q.p.Candidates; ; limit = min(2*limit, MaxCandidates) {
		hits, err := q.run(ctx, limit)
		if err != nil {
			return nil, nil, err
		}
		records, err := q.records(ctx, hits, s)
		if err != nil {
			return nil, nil, err
		}
		dense, lexical := deepest(hits.Candidates, denseRank), deepest(hits.Candidates, lexicalRank)
		visible, records := s.keepVisible(hits.Candidates, records)
		if limit == MaxCandidates || !short(dense, visible, denseRank, limit, q.p.Candidates) &&
			!short(lexical, visible, lexicalRank, limit, q.p.Candidates) {
			return visible, records, nil
		}
	}
}

// finding is one run of find.
type finding struct {
	r        *Retriever
	p        Params
	want     legs
	search   index.Search
	asked    *asked // what the query asks for, as far as the index has it; nil: nothing, or nobody asked
	reading  Reading
	degraded []string
	stages   []Stage
}

// measure adds the time since begin to a stage.
func (q *finding) measure(name string, begin time.Time) {
	elapsed := q.r.now().Sub(begin)
	for i := range q.stages {
		if q.stages[i].Name == name {
			q.stages[i].Elapsed += elapsed
			return
		}
	}
	q.stages = append(q.stages, Stage{name, elapsed, begin})
}

// prepare fills in the query of each leg, terms being that of the lexical one. A
// dense leg that cannot be had is given up where the lexical one can answer.
func (q *finding) prepare(ctx context.Context, query string, terms lexical.Vector) error {
	q.search.Filter = q.p.Filter
	if q.want.lexical {
		q.search.Sparse = terms
	}
	if !q.want.dense {
		return nil
	}
	defer q.measure("embed", q.r.now())
	alone := q.p.RequireAll || len(q.search.Sparse.Indices) == 0
	vector, err := q.r.embed(ctx, query, alone)
	if err != nil {
		if alone || ctx.Err() != nil {
			return fmt.Errorf("%w: dense: %w", ErrLeg, err)
		}
		q.degraded = append(q.degraded, "dense: "+err.Error())
		return nil
	}
	q.search.Dense = vector
	if window := q.r.embedder.Info().MaxTokens; window > 0 {
		if n := q.r.embedder.CountTokens(query); n > window {
			q.degraded = append(q.degraded, fmt.Sprintf("dense: the query has %d tokens, the embedder reads the first %d", n, window))
		}
	}
	return nil
}

// embed returns the vector of the query. Unless alone, it takes at most half of
// the time that is left, so that the other leg still can answer.
func (r *Retriever) embed(ctx context.Context, query string, alone bool) ([]float32, error) {
	if deadline, ok := ctx.Deadline(); ok && !alone {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	vectors, err := r.vectors(ctx, embed.Query, []string{query})
	if err != nil {
		return nil, err
	}
	return vectors[0], nil
}

// vectors embeds texts and checks what comes.
func (r *Retriever) vectors(ctx context.Context, task embed.Task, texts []string) ([][]float32, error) {
	vectors, err := r.embedder.Embed(ctx, task, texts)
	if err != nil {
		return nil, fmt.Errorf("embed the query: %w", err)
	}
	info := r.embedder.Info()
	if len(vectors) != len(texts) {
		return nil, fmt.Errorf("embed the query: embedder %s broke its contract: %d vectors of %d texts", info.Name, len(vectors), len(texts))
	}
	for _, v := range vectors {
		if len(v) != info.Dimension {
			return nil, fmt.Errorf("embed the query: embedder %s broke its contract: a vector of %d numbers instead of %d", info.Name, len(v), info.Dimension)
		}
		for _, x := range v {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return nil, fmt.Errorf("embed the query: embedder %s broke its contract: a number of the vector is %v", info.Name, x)
			}
		}
	}
	return vectors, nil
}

// run searches the legs. Where both fail together, each is tried alone, and the
// answer degrades to the one that works.
func (q *finding) run(ctx context.Context, limit int) (index.Legs, error) {
	defer q.measure("legs", q.r.now())
	q.search.Limit = limit
	both := q.search.Dense != nil && len(q.search.Sparse.Indices) > 0
	if q.search.Dense == nil && len(q.search.Sparse.Indices) == 0 {
		return index.Legs{}, nil // the lexical leg alone, and the query has no term
	}
	hits, err := q.r.legs(ctx, q.search)
	switch {
	case err == nil:
		return hits, nil
	case !both || q.p.RequireAll || ctx.Err() != nil:
		return index.Legs{}, fmt.Errorf("%w: %w", ErrLeg, err)
	}
	dense, sparse := q.search, q.search
	dense.Sparse, sparse.Dense = lexical.Vector{}, nil
	if hits, denseErr := q.r.legs(ctx, dense); denseErr == nil {
		q.search = dense
		q.degraded = append(q.degraded, "lexical: "+err.Error())
		return hits, nil
	}
	if hits, sparseErr := q.r.legs(ctx, sparse); sparseErr == nil {
		q.search = sparse
		q.degraded = append(q.degraded, "dense: "+err.Error())
		return hits, nil
	}
	return index.Legs{}, fmt.Errorf("%w: dense and lexical: %w", ErrLeg, err)
}

func (r *Retriever) legs(ctx context.Context, s index.Search) (index.Legs, error) {
	hits, err := r.index.Legs(ctx, s)
	if err != nil {
		return index.Legs{}, fmt.Errorf("search the index: %w", err)
	}
	for i := range hits.Candidates {
		c := &hits.Candidates[i]
		if sum := c.Dense + c.Lexical; math.IsNaN(sum) || math.IsInf(sum, 0) {
			return index.Legs{}, fmt.Errorf("search the index: chunk %s has the scores %v and %v", c.Chunk.ID, c.Dense, c.Lexical)
		}
	}
	return hits, nil
}

// records returns the record of each hit's document, nil where there is none.
func (q *finding) records(ctx context.Context, hits index.Legs, s *scratch) ([]*index.Record, error) {
	if len(hits.Candidates) == 0 {
		return nil, nil
	}
	defer q.measure("records", q.r.now())
	s.named = s.named[:0]
	for i := range hits.Candidates {
		s.named = append(s.named, hits.Candidates[i].Chunk.Doc)
	}
	records, err := q.r.index.RecordsOf(ctx, s.named)
	if err != nil {
		return nil, fmt.Errorf("read the records of the hits: %w", err)
	}
	return records, nil
}

// maxAsked bounds the things that a filter names and that are looked for: each
// costs up to two requests, and a long filter is hardly written by hand.
const maxAsked = 16

// warnings says what the filter names and no document has, where nothing was found.
// Of many it looks at the first maxAsked.
func (q *finding) warnings(ctx context.Context, found []index.Candidate) ([]string, error) {
	if len(found) > 0 {
		return nil, nil
	}
	absent, err := q.r.index.Absent(ctx, q.p.Filter, maxAsked)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, a := range absent {
		out = append(out, "filter: "+a.String())
	}
	return out, nil
}

func denseRank(c *index.Candidate) *int   { return &c.DenseRank }
func lexicalRank(c *index.Candidate) *int { return &c.LexicalRank }

// keepVisible returns the candidates whose revision is the one of their document's
// record, in the same order and with ranks counted anew, and these records. It reuses
// both slices.
func (s *scratch) keepVisible(cs []index.Candidate, records []*index.Record) ([]index.Candidate, []*index.Record) {
	n := 0
	for i := range cs {
		if r := records[i]; r != nil && r.State == index.Indexed && r.Rev == cs[i].Chunk.Rev {
			cs[n], records[n] = cs[i], r
			n++
		}
	}
	clear(cs[n:])
	cs, records = cs[:n], records[:n]
	for _, rank := range []func(*index.Candidate) *int{denseRank, lexicalRank} {
		s.ranks = s.ranks[:0]
		for i := range cs {
			if r := *rank(&cs[i]); r > 0 {
				s.ranks = append(s.ranks, uint64(r)<<32|uint64(i))
			}
		}
		slices.Sort(s.ranks)
		for i, r := range s.ranks {
			*rank(&cs[uint32(r)]) = i + 1
		}
	}
	return cs, records
}

// deepest returns the last rank that a leg gave.
func deepest(cs []index.Candidate, rank func(*index.Candidate) *int) int {
	last := 0
	for i := range cs {
		last = max(last, *rank(&cs[i]))
	}
	return last
}

// short reports whether a leg has fewer than want visible hits although a
// search deeper than limit, to which it came, may find more.
func short(deepest int, visible []index.Candidate, rank func(*index.Candidate) *int, limit, want int) bool {
	n := 0
	for i := range visible {
		if *rank(&visible[i]) > 0 {
			n++
		}
	}
	return deepest >= limit && n < want
}

// contextFirst returns the error of a context that is done in front of what
// came of it, so that callers can tell the two apart.
func contextFirst(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}
