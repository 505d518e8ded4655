package embed

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/ragloop/ragloop/internal/simd"
)

// Late scores how well passages answer a query by late interaction: query and
// passage are read apart, then each token of the query looks for the token of
// the passage that is most alike in its context. It needs no other model than
// the one that embeds. It is safe for concurrent use; what it computes shares
// the threads with the model's other calls.
//
// The score is Σ r·max cos / Σ r over the tokens of the query, r their
// [Builtin.Rarity], cos as of [Builtin.Tokens]: from -1 to 1, comparable within
// one query. The vectors of passages are rounded to int8. (Their signs alone would
// take an eighth of the memory and cost 0.002 to 0.004 of nDCG@10.) The score of a
// pair depends on its two texts only, with the same bits as promised at [Builtin].
// A query without words gives every passage 0, and a passage without words has -1.
//
// Passages that were scored not long ago are in memory and cost microseconds;
// others have to be read by the model first, some 18 ms for 200 tokens on one
// core.
//
// Source: Khattab and Zaharia, "ColBERT" (SIGIR 2020), there with a model that
// is trained for it. Here the model is not, and the weights are not in the paper.
type Late struct {
	model    *Builtin
	passages passageCache
}

// lateRevision is part of the fingerprint. It changes when the scores do.
const lateRevision = "1"

// lateMemory is how much memory a Late keeps for passages: some 3,400 of 200
// tokens and 384 dimensions.
const lateMemory = 256 << 20

// NewLate returns the late interaction of m, which may embed at the same time.
func NewLate(m *Builtin) *Late {
	return &Late{model: m, passages: passageCache{limit: lateMemory}}
}

// Info describes it. Its Dimension is 0.
func (l *Late) Info() Info {
	info := l.model.info
	return Info{
		Name:        info.Name + ", late interaction",
		Fingerprint: "late/" + lateRevision + "/" + info.Fingerprint,
		MaxTokens:   info.MaxTokens,
	}
}

// Score returns the score of query with each passage, in their order; no scores
// come with an error. Query and passages are cut at MaxTokens. Between two texts
// it ends when ctx does.
func (l *Late) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	q, err := l.query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("read the query: %w", err)
	}
	read, err := l.read(ctx, passages)
	if err != nil {
		return nil, err
	}
	scores := make([]float32, len(passages))
	for i, p := range read {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("score passage %d of %d: %w", i+1, len(passages), err)
		}
		scores[i] = q.score(p)
	}
	return scores, nil
}

// read returns the tokens of passages.
func (l *Late) read(ctx context.Context, passages []string) ([]rounded, error) {
	keys := make([]passageKey, len(passages))
	out := make([]rounded, len(passages))
	var missing []string
	var places []int
	for i, p := range passages {
		keys[i] = sha256.Sum256([]byte(p))
		var known bool
		if out[i], known = l.passages.get(keys[i]); !known {
			missing = append(missing, p)
			places = append(places, i)
		}
	}
	n, err := l.model.eachText(ctx, Passage, interactive, missing, func(i int, t *tokens) error {
		out[places[i]] = round(t.vectors, l.model.info.Dimension)
		l.passages.put(keys[places[i]], out[places[i]])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read passage %d of %d: %w", places[min(n, len(places)-1)]+1, len(passages), err)
	}
	return out, nil
}

// lateQuery is a query that has been read.
type lateQuery struct {
	vectors   []float32 // one after the other
	weights   []float32 // of its tokens; their sum is 1
	dimension int
}

func (l *Late) query(ctx context.Context, query string) (lateQuery, error) {
	q := lateQuery{dimension: l.model.info.Dimension}
	_, err := l.model.eachText(ctx, Query, interactive, []string{query}, func(_ int, t *tokens) error {
		q.vectors = append(q.vectors, t.vectors...)
		var sum float32
		for _, id := range t.ids {
			q.weights = append(q.weights, l.model.Rarity(id))
			sum += l.model.Rarity(id)
		}
		for i := range q.weights {
			q.weights[i] /= sum
		}
		return nil
	})
	return q, err
}

func (q lateQuery) score(p rounded) float32 {
	if len(q.weights) == 0 {
		return 0
	}
	best := make([]float32, len(q.weights))
	for i := range best {
		best[i] = -1
	}
	steps := make([]float32, q.dimension)
	for len(p) > 0 {
		var scale float32
		scale, p = p.next(steps)
		for i := range best {
			best[i] = max(best[i], scale*simd.Dot(q.vectors[i*q.dimension:(i+1)*q.dimension], steps))
		}
	}
	var score float32
	for i, w := range q.weights {
		score += float32(w * best[i])
	}
	return score
}
