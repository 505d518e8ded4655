package embed

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
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
// Passages that were scored not long ago are in memory and cost microseconds, and
// so do, nearly, those in a [PassageStore]; others have to be read by the model
// first, some 18 ms for 200 tokens on one core. A token of 384 dimensions takes
// 388 bytes, a passage of 200 tokens 78 kB: the file of an index would be many
// times the index. This is why passages are kept when they are first scored and
// not when they are ingested, which would take twice the time.
//
// Source: Khattab and Zaharia, "ColBERT" (SIGIR 2020), there with a model that
// is trained for it. Here the model is not, and the weights are not in the paper.
type Late struct {
	model    *Builtin
	passages passageCache
	store    *PassageStore // nil: none
}

// lateRevision is part of the fingerprint. It changes when the scores do.
const lateRevision = "1"

// lateMemory is how much memory a Late keeps for passages: some 3,400 of 200
// tokens and 384 dimensions.
const lateMemory = 256 << 20

// NewLate returns the late interaction of m, which may embed at the same time.
// What it makes of passages is kept in store, too, unless that is nil; the scores
// are the same.
func NewLate(m *Builtin, store *PassageStore) *Late {
	return &Late{model: m, passages: passageCache{limit: lateMemory}, store: store}
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
// come with an error. Query and passages are cut at MaxTokens. Between two layers
// of the model it ends when ctx does.
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
	known := make(map[passageKey]rounded, len(passages))
	var unknown []passageKey // each once, in the order of passages
	first := make(map[passageKey]int, len(passages))
	for i, p := range passages {
		keys[i] = l.key(p)
		if _, again := first[keys[i]]; again {
			continue
		}
		first[keys[i]] = i
		var ok bool
		if known[keys[i]], ok = l.passages.get(keys[i]); !ok {
			unknown = append(unknown, keys[i])
		}
	}
	missing := unknown
	if l.store != nil && len(unknown) > 0 {
		stored, err := l.store.get(unknown, l.model.info.Dimension)
		if err != nil {
			return nil, err
		}
		missing = nil
		for i, key := range unknown {
			if known[key] = stored[i]; stored[i] == nil {
				missing = append(missing, key)
				continue
			}
			l.passages.put(key, stored[i])
		}
	}
	texts := make([]string, len(missing))
	for i, key := range missing {
		texts[i] = passages[first[key]]
	}
	fresh, err := l.compute(ctx, texts)
	var toStore []storedPassage
	for i, key := range missing {
		if fresh[i] == nil {
			continue // it failed, or was not reached
		}
		known[key] = fresh[i]
		l.passages.put(key, fresh[i])
		toStore = append(toStore, storedPassage{key, fresh[i]})
	}
	if l.store != nil {
		l.store.put(toStore)
	}
	if err != nil {
		return nil, err
	}
	out := make([]rounded, len(passages))
	for i, key := range keys {
		out[i] = known[key]
	}
	return out, nil
}

// compute reads passages with the model. With an error there are those that were
// read before it; the others are nil.
func (l *Late) compute(ctx context.Context, passages []string) ([]rounded, error) {
	out := make([]rounded, len(passages))
	if len(passages) == 0 {
		return out, nil
	}
	n, err := l.model.eachText(ctx, Passage, interactive, passages, func(i int, t *tokens) error {
		out[i] = round(t.vectors, l.model.info.Dimension)
		return nil
	})
	if err != nil {
		return out, fmt.Errorf("read passage %d of %d that are new: %w", n+1, len(passages), err)
	}
	return out, nil
}

// key stands for a passage and for all that shapes its tokens.
func (l *Late) key(passage string) passageKey {
	fingerprint := l.Info().Fingerprint
	h := sha256.New()
	h.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(fingerprint))))
	h.Write([]byte(fingerprint))
	h.Write([]byte(passage))
	return passageKey(h.Sum(nil))
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
