package retrieve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ragloop/ragloop/internal/index"
)

// Reranker scores how well passages answer a query, by reading both;
// implemented by embed.CrossEncoder, embed.Late and embed.HTTPReranker.
type Reranker interface {
	// Score returns one finite score per passage, in order: the larger, the more
	// relevant. The score of a passage depends on the query and the passage only.
	// It ends soon after ctx does. It must be safe for concurrent use.
	Score(ctx context.Context, query string, passages []string) ([]float32, error)
}

// Reranked is what the reranker made of a candidate. The zero value stands for a
// candidate that was not reranked.
type Reranked struct {
	Before int     // 1-based rank before; 0: not reranked
	Score  float64 // of the reranker; comparable within one query only
}

// ErrNoReranker: Params.Rerank asks for a reranker and the retriever has none.
var ErrNoReranker = errors.New("there is no reranker")

// maxContextRunes bounds the line of title and headings that a passage begins with.
const maxContextRunes = 200

// WithReranker returns a retriever like r that reranks where Params.Rerank says so.
func (r *Retriever) WithReranker(x Reranker) *Retriever {
	out := *r
	out.reranker = x
	return &out
}

// Rerank scores the candidates that rank among the first Params.Rerank under any
// of ps, each once, and returns f with the scores: [Rank] puts them to use under
// each of ps. f itself is not changed. Where none of ps reranks it is f.
//
// The reranker reads what the legs index: title, headings and text, if the
// recipe has the index prefix, otherwise the text alone. Errors:
// [ErrNoReranker], those of the reranker, among them contexts that end, and an
// error where it breaks its contract; then nothing is reranked.
func (r *Retriever) Rerank(ctx context.Context, query string, f Found, ps ...Params) (Found, error) {
	chosen := map[index.ChunkID]index.Candidate{}
	for _, p := range ps {
		if p.Rerank == 0 {
			continue
		}
		if r.reranker == nil {
			return f, fmt.Errorf("rerank: %w", ErrNoReranker)
		}
		before, _ := order(f, p)
		for _, c := range top(before, p.Rerank) {
			if _, known := f.Reranked[c.Chunk.ID]; !known {
				chosen[c.Chunk.ID] = c.Candidate
			}
		}
	}
	if len(chosen) == 0 {
		return f, nil
	}
	begin := r.now()
	ids := slices.Sorted(maps.Keys(chosen))
	passages := make([]string, len(ids))
	for i, id := range ids {
		c := chosen[id].Chunk
		passages[i] = r.passage(c, f.record(c.Doc).Title)
	}
	scores, err := r.reranker.Score(ctx, query, passages)
	if err != nil {
		return f, fmt.Errorf("rerank: %w", err)
	}
	if len(scores) != len(passages) {
		return f, fmt.Errorf("rerank: the reranker broke its contract: %d scores for %d passages", len(scores), len(passages))
	}
	reranked := maps.Clone(f.Reranked)
	if reranked == nil {
		reranked = make(map[index.ChunkID]float64, len(ids))
	}
	for i, s := range scores {
		if math.IsNaN(float64(s)) || math.IsInf(float64(s), 0) {
			return f, fmt.Errorf("rerank: the reranker broke its contract: the score of chunk %s is %v", ids[i], s)
		}
		reranked[ids[i]] = float64(s)
	}
	f.Reranked = reranked
	f.Stages = append(slices.Clip(f.Stages), Stage{"rerank", r.now().Sub(begin), begin})
	return f, nil
}

// passage returns what the reranker reads of a chunk.
func (r *Retriever) passage(c *index.Chunk, title string) string {
	if !r.prefix {
		return c.Text
	}
	parts := slices.Clone(c.Heading)
	if title != "" {
		parts = append([]string{title}, parts...)
	}
	line := []rune(strings.Join(parts, " > "))
	if len(line) == 0 {
		return c.Text
	}
	return string(line[:min(len(line), maxContextRunes)]) + "\n" + c.Text
}

// rerank is Rerank for a search, which rather answers in the order before than
// late or not at all. The reranker gets three quarters of the time that is left;
// the rest is for the answer.
func (r *Retriever) rerank(ctx context.Context, query string, f Found, p Params) (Found, error) {
	limited := ctx
	if deadline, ok := ctx.Deadline(); ok && !p.RequireAll {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, time.Until(deadline)/4*3)
		defer cancel()
	}
	begin := r.now()
	out, err := r.Rerank(limited, query, f, p)
	switch {
	case err == nil:
		return out, nil
	case ctx.Err() != nil:
		return f, contextFirst(ctx, err)
	case p.RequireAll:
		return f, fmt.Errorf("%w: %w", ErrLeg, err)
	}
	f.Degraded = append(slices.Clip(f.Degraded), err.Error())
	f.Stages = append(slices.Clip(f.Stages), Stage{"rerank", r.now().Sub(begin), begin}) // in vain, but the time is gone
	return f, nil
}

// rerankOrder puts the first p.Rerank of all, which are in order, into the order
// that [Rank] defines: equal ones stay as they are, what is behind stays behind.
// Unless all of them have a score nothing changes. own are the scores of all
// themselves.
//
// What the document and the neighbours add is taken from these mixed scores: the
// reranker tells better than the legs how good they are, and has not seen them
// when it read a chunk.
func rerankOrder(all []Ranked, own []float64, f Found, p Params) {
	first := all[:min(p.Rerank, len(all))]
	after := make([]float64, len(first))
	for i, c := range first {
		s, ok := f.Reranked[c.Chunk.ID]
		if !ok {
			return
		}
		after[i] = s
	}
	if p.RerankWeight < 1 { // otherwise what a z-score rounds away would matter
		before := slices.Clone(own[:len(first)])
		standardise(after)
		standardise(before)
		cs := make([]admitted, len(first))
		for i := range after {
			after[i] = float64(p.RerankWeight*after[i]) + float64((1-p.RerankWeight)*before[i])
			cs[i].Candidate = &first[i].Candidate
		}
		after = rescore(cs, after, f.Titles, p)
	}
	by := make(map[index.ChunkID]float64, len(first))
	for i := range first {
		id := first[i].Chunk.ID
		by[id] = after[i]
		first[i].Rerank = Reranked{Before: i + 1, Score: f.Reranked[id]}
	}
	slices.SortStableFunc(first, func(a, b Ranked) int { return cmp.Compare(by[b.Chunk.ID], by[a.Chunk.ID]) })
}
