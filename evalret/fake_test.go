package evalret_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve"
)

// words counts tokens as words.
type words struct{}

func (words) Count(s string) int { return len(strings.Fields(s)) }

// finder answers from a table; a query that is not in it fails.
type finder map[string]retrieve.Found

var errFind = errors.New("index on fire")

func (f finder) Find(ctx context.Context, query string, p retrieve.Params) (retrieve.Found, error) {
	if err := ctx.Err(); err != nil {
		return retrieve.Found{}, err
	}
	found, ok := f[query]
	if !ok {
		return retrieve.Found{}, errFind
	}
	return found, nil
}

// Rerank prefers the chunks that are later in its document.
func (f finder) Rerank(ctx context.Context, query string, found retrieve.Found, ps ...retrieve.Params) (retrieve.Found, error) {
	if strings.Contains(query, "no reranker") {
		return found, errFind
	}
	found.Reranked = map[index.ChunkID]float64{}
	for _, c := range found.Legs.Candidates {
		found.Reranked[c.Chunk.ID] = float64(c.Chunk.Span.Start)
	}
	return found, nil
}

// hit is a chunk with its scores in both legs; 0: not a hit of that leg.
type hit struct {
	doc            text.DocID
	start          int
	text           string
	dense, lexical float64
}

// found makes the result of both legs.
func found(hits ...hit) retrieve.Found {
	var f retrieve.Found
	for i, h := range hits {
		f.Legs.Candidates = append(f.Legs.Candidates, index.Candidate{
			Chunk: &index.Chunk{
				ID: index.ChunkID(fmt.Sprintf("%02d", i)), Doc: h.doc, Rev: "r", Ordinal: h.start,
				Span: text.RuneSpan{Start: h.start, End: h.start + len([]rune(h.text))}, Text: h.text,
			},
			Dense: h.dense, Lexical: h.lexical,
		})
		f.Records = append(f.Records, &index.Record{Doc: h.doc, Rev: "r", Title: "Title of " + string(h.doc), State: index.Indexed})
	}
	cs := f.Legs.Candidates
	rank := func(score func(index.Candidate) float64, set func(*index.Candidate, int)) {
		order := make([]int, 0, len(cs))
		for i := range cs {
			if score(cs[i]) > 0 {
				order = append(order, i)
			}
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(score(cs[b]), score(cs[a])) })
		for r, i := range order {
			set(&cs[i], r+1)
		}
	}
	rank(func(c index.Candidate) float64 { return c.Dense }, func(c *index.Candidate, r int) { c.DenseRank = r })
	rank(func(c index.Candidate) float64 { return c.Lexical }, func(c *index.Candidate, r int) { c.LexicalRank = r })
	return f
}
