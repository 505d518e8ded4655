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

// Reranked is what the reranker made of a candidate. Its scores compare within one
// query only.
type Reranked struct {
	Before int     // 1-based rank before
	Score  float64 // of the reranker
	Final  float64 // decided the rank among the reranked: Score where Params.RerankWeight, w, is 1, else the sum of what follows, up to rounding
	// What follows is 0 where w is 1.
	Weighted float64 // w·z(Score); z is that of Rank
	Own      float64 // (1-w)·z(fused score and phrases)
	Added    Added   // to the two before; no Phrases, as Own has them
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
	if !slices.ContainsFunc(ps, func(p Params) bool { return p.Rerank > 0 }) {
		return f, nil
	}
	if r.reranker == nil {
		return f, fmt.Errorf("rerank: %w", ErrNoReranker)
	}
	chosen := f.unscored(ps)
	if len(chosen) == 0 {
		return f, nil
	}
	begin := r.now()
	ids := slices.Sorted(maps.Keys(chosen))
	passages := make([]string, len(ids))
	for i, id := range ids {
		c := chosen[id]
		passages[i] = r.passage(c.Chunk, recordOf(c.record).Title)
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

// unscored returns the candidates that rank among the first Params.Rerank under any of
// ps, without those that have the reranker's score already.
func (f *Found) unscored(ps []Params) map[index.ChunkID]admitted {
	s := newScratch()
	defer s.free()
	out := map[index.ChunkID]admitted{}
	for _, p := range ps {
		if p.Rerank == 0 {
			continue
		}
		s.order(f, p)
		for _, at := range s.places[:min(p.Rerank, len(s.places))] {
			c := s.admitted[at]
			if _, known := f.Reranked[c.Chunk.ID]; !known {
				out[c.Chunk.ID] = c
			}
		}
	}
	return out
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
	if p.Rerank == 0 {
		return f, nil
	}
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

// rerank puts the first p.Rerank of s.places, which are in order, into the order
// that [Rank] defines: equal ones stay as they are, what is behind stays behind.
// Unless all of them have a score nothing changes.
func (s *scratch) rerank(f *Found, p Params) {
	first := s.places[:min(p.Rerank, len(s.places))]
	if len(first) == 0 {
		return
	}
	all := make([]Reranked, len(first))
	for i, at := range first {
		score, ok := f.Reranked[s.admitted[at].Chunk.ID]
		if !ok {
			return
		}
		all[i] = Reranked{Before: i + 1, Score: score, Final: score}
	}
	if p.RerankWeight < 1 { // otherwise what a z-score rounds away would matter
		s.mix(first, all, p)
	}
	for i, at := range first {
		s.admitted[at].reranked = &all[i]
	}
	slices.SortStableFunc(first, func(i, j int) int {
		return cmp.Compare(s.admitted[j].reranked.Final, s.admitted[i].reranked.Final)
	})
}

// mix sets the final scores, and what they are made of, of all, which are those of
// the places first.
//
// What the document and the neighbours add is taken from the mixed scores: the
// reranker tells better than the legs how good they are, and has not seen them
// when it read a chunk.
func (s *scratch) mix(first []int, all []Reranked, p Params) {
	cs, unit := make([]admitted, len(first)), deviation(s.fused)
	weighted, own, mixed := make([]float64, len(first)), make([]float64, len(first)), make([]float64, len(first))
	for i, at := range first {
		cs[i], weighted[i] = s.admitted[at], all[i].Score
		own[i] = s.fused[at] + phraseWorth(p.PhraseBoost, unit, cs[i].phrases) // without what document, title and neighbours add
	}
	standardise(weighted)
	standardise(own)
	for i := range mixed {
		weighted[i], own[i] = float64(p.RerankWeight*weighted[i]), float64((1-p.RerankWeight)*own[i])
		mixed[i] = weighted[i] + own[i]
	}
	final, added := s.rescore(nil, cs, mixed, p), s.added(cs, mixed, p)
	for i := range all {
		all[i].Final, all[i].Weighted, all[i].Own, all[i].Added = final[i], weighted[i], own[i], added[i]
	}
}
