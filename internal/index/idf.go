package index

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/recent"
)

// frequencies remembers how rare terms are. What is remembered is as old as the
// last change that this client made, and no older than maxFrequencyAge, as others
// may change the index too. Safe for concurrent use.
type frequencies struct {
	kept    *recent.Map[termOf, frequency]
	changes atomic.Uint64 // made by this client
	now     func() time.Time
}

// termOf is a dimension of the lexical vectors of a chunk collection.
type termOf struct {
	collection string
	id         uint32
}

// frequency is what was known of a term, and when.
type frequency struct {
	idf     float64 // 0: no chunk has it
	changes uint64
	at      time.Time
}

const (
	// maxFrequencies is how many terms are remembered: some 10 MB.
	maxFrequencies  = 1 << 16
	maxFrequencyAge = time.Minute
	// maxTermsAsked is how many terms one request asks for.
	maxTermsAsked = 256
)

func newFrequencies(now func() time.Time) *frequencies {
	return &frequencies{kept: recent.New[termOf, frequency](maxFrequencies), now: now}
}

// IDF returns the inverse document frequencies that the index weighs terms with,
// all above 0 and finite; a term that no chunk of the tenant has is missing. They
// count the chunks of all tenants and of superseded revisions, as the scores do, on a
// server for a while deleted ones, too (see vacuum), and may be a minute behind what
// other clients write.
//
// Qdrant does not tell them. But the score of a chunk for one term alone is the
// term's idf times its weight in the chunk, and both are there to be read.
func (g *Generation) IDF(ctx context.Context, terms []uint32) (map[uint32]float64, error) {
	f, collection := g.c.frequencies, g.chunks()
	changes, now := f.changes.Load(), f.now()
	out := make(map[uint32]float64, len(terms))
	var unknown []uint32
	for _, id := range terms {
		was, ok := f.kept.Get(termOf{collection, id})
		switch {
		case !ok || was.changes != changes || now.Sub(was.at) > maxFrequencyAge:
			unknown = append(unknown, id)
		case was.idf > 0:
			out[id] = was.idf
		}
	}
	for group := range slices.Chunk(unknown, maxTermsAsked) {
		found, err := g.askIDF(ctx, group)
		if err != nil {
			return nil, fmt.Errorf("read the idf of %d terms in %s: %w", len(unknown), g, err)
		}
		for i, id := range group {
			if found[i] > 0 {
				out[id] = found[i]
			}
			f.kept.Put(termOf{collection, id}, frequency{found[i], changes, now})
		}
	}
	return out, nil
}

// askIDF returns the idf of each term, 0 for one that no chunk has.
func (g *Generation) askIDF(ctx context.Context, terms []uint32) ([]float64, error) {
	queries := make([]*qdrant.QueryPoints, len(terms))
	filter, with := g.c.scope(), qdrant.NewWithVectorsInclude(sparseVector)
	for i, id := range terms {
		queries[i] = g.query(leg{using: sparseVector, query: qdrant.NewQuerySparse([]uint32{id}, []float32{1})}, filter, 1)
		queries[i].WithVectors = with
	}
	results, err := g.batch(ctx, queries)
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(terms))
	for i, r := range results {
		points := r.GetResult()
		if len(points) == 0 {
			continue
		}
		p := points[0]
		v := p.GetVectors().GetVectors().GetVectors()[sparseVector].GetSparse()
		at := slices.Index(v.GetIndices(), terms[i])
		if at < 0 || at >= len(v.GetValues()) {
			return nil, fmt.Errorf("%w: chunk %s is found for the term %d and lacks it", ErrDamaged, p.GetId().GetUuid(), terms[i])
		}
		// 0 where float32 has no room for it: a term of all of many million chunks.
		out[i] = float64(p.GetScore()) / float64(v.GetValues()[at])
		if !(out[i] >= 0) || math.IsInf(out[i], 0) {
			return nil, fmt.Errorf("%w: chunk %s has the score %v for the term %d, of which it has %v", ErrDamaged, p.GetId().GetUuid(), p.GetScore(), terms[i], v.GetValues()[at])
		}
	}
	g.c.release(results)
	return out, nil
}
