package embed

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/embed/bert"
	"github.com/ragloop/ragloop/internal/embed/wordpiece"
	"github.com/ragloop/ragloop/internal/text"
)

// Tokens is what the model makes of each token of a text, in their order. The
// special tokens, the instruction and what does not fit into the window are left
// out: a text without words has none.
type Tokens struct {
	IDs     []int32     // pieces of the vocabulary
	Spans   []text.Span // bytes of the word that a piece is of, which all its pieces share, with a mark that follows at once
	Vectors [][]float32 // of unit length, Info().Dimension numbers each
}

// Tokens returns the tokens of each text, in order, with vectors in which the
// context of a token shows: their cosine says how alike two tokens are where
// they stand. On error the tokens are those of the first texts, as in Embed.
//
// The vectors are last hidden states less their common part (see center), made
// of unit length. Precision, threads and priority are those of [Builtin.Embed],
// and a vector depends on its text and the task only.
//
// The vectors of a text of 200 tokens take 0.3 MB: ask for few texts at a time.
func (b *Builtin) Tokens(ctx context.Context, task Task, texts []string) ([]Tokens, error) {
	out := make([]Tokens, len(texts))
	_, _, p, err := b.plan(task)
	if err != nil {
		return nil, err
	}
	n, err := b.eachText(ctx, task, p, texts, func(i int, t *tokens) error {
		h := b.info.Dimension
		flat := slices.Clone(t.vectors)
		vectors := make([][]float32, len(t.ids))
		for j := range vectors {
			vectors[j] = flat[j*h : (j+1)*h : (j+1)*h]
		}
		out[i] = Tokens{IDs: slices.Clone(t.ids), Spans: t.spans, Vectors: vectors}
		return nil
	})
	if err != nil {
		return out[:n], fmt.Errorf("compute the tokens of text %d of %d: %w", n+1, len(texts), err)
	}
	return out, nil
}

// tokens is Tokens with the vectors one after the other.
type tokens struct {
	ids     []int32
	spans   []text.Span
	vectors []float32
}

// eachText computes the tokens of texts and calls do with those of each, in any
// order and from several goroutines; ids and vectors are good until it returns.
// On error it returns the least text that failed: all before it are done.
func (b *Builtin) eachText(ctx context.Context, task Task, p priority, texts []string, do func(i int, t *tokens) error) (int, error) {
	center, err := b.center.of(b)
	if err != nil {
		return 0, err
	}
	return b.eachState(ctx, task, p, texts, func(i int, t *tokens) error {
		h := b.model.Hidden
		for at := 0; at < len(t.vectors); at += h {
			row := t.vectors[at : at+h]
			for j, c := range center {
				row[j] -= c
			}
			if !normalise(row) {
				return bert.ErrNoVector
			}
		}
		return do(i, t)
	})
}

// eachState is eachText with the last hidden states as they are.
func (b *Builtin) eachState(ctx context.Context, task Task, p priority, texts []string, do func(i int, t *tokens) error) (int, error) {
	prefix, precision, _, err := b.plan(task)
	if err != nil {
		return 0, err
	}
	spans := make([][]text.Span, len(texts))
	return b.scheduler.run(ctx, work{
		priority: p,
		items:    len(texts),
		tokenise: func(ids []int32, i int) ([]int32, int) {
			ids, spans[i] = b.tokenizer.AppendWords(ids, nil, b.model.MaxTokens, prefix, texts[i])
			return ids, len(ids)
		},
		compute: func(i int, ids []int32, _ int, w *bert.Workspace) error {
			t := tokens{spans: spans[i]}
			if n := len(t.spans); n > 0 {
				first, last := len(ids)-1-n, len(ids)-1 // the last is [SEP]
				var team *bert.Team
				if len(texts) == 1 {
					team = b.scheduler.team(p, len(ids))
				}
				states, err := b.model.States(team, ids, precision, w)
				if err != nil {
					return err
				}
				t.ids, t.vectors = ids[first:last], states[first*b.model.Hidden:last*b.model.Hidden]
			}
			return do(i, &t)
		},
	})
}

// normalise makes v of unit length and reports whether it has a direction.
func normalise(v []float32) bool {
	var squares float64
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	length := math.Sqrt(squares)
	if !(length > 0) || math.IsInf(length, 0) {
		return false
	}
	for i, x := range v {
		v[i] = float32(float64(x) / length)
	}
	return true
}

// center is what the hidden states of all tokens have in common, whatever they
// stand for: the mean over the passages of center.txt. It is computed when it is
// first needed, which takes some 40 ms.
//
// It is the same for all texts, so that no score depends on what else is scored.
// Its source matters little: with the mean over the passages that are reranked
// themselves nDCG@10 of late interaction differs by 0.003 at most.
type center struct {
	once sync.Once
	mean []float32
	err  error
}

//go:embed center.txt
var centerText string

func (c *center) of(b *Builtin) ([]float32, error) {
	c.once.Do(func() { c.mean, c.err = meanState(b) })
	return c.mean, c.err
}

func meanState(b *Builtin) ([]float32, error) {
	texts := strings.Split(strings.TrimSpace(centerText), "\n\n")
	sums := make([][]float64, len(texts))
	counts := make([]int, len(texts))
	// A context that ends must not be what is remembered.
	_, err := b.eachState(context.Background(), Passage, interactive, texts, func(i int, t *tokens) error {
		h := b.model.Hidden
		sums[i], counts[i] = make([]float64, h), len(t.ids)
		for j, x := range t.vectors {
			sums[i][j%h] += float64(x)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("compute the mean of the model's hidden states: %w", err)
	}
	total := make([]float64, b.model.Hidden)
	n := 0
	for i, sum := range sums { // in order: sums depend on it
		for j, x := range sum {
			total[j] += x
		}
		n += counts[i]
	}
	if n == 0 {
		return nil, errors.New("compute the mean of the model's hidden states: it has no tokens")
	}
	mean := make([]float32, len(total))
	for j, x := range total {
		mean[j] = float32(x / float64(n))
	}
	return mean, nil
}

// Rarity returns how rare a piece is in English, for weighing the tokens of a
// text: ln(1 + r/5), where r is the piece's place among those of more than one
// character. Vocabularies of BERT list these by falling frequency, which follows
// the place (Zipf), so this is nearly an inverse document frequency, of the
// texts that the vocabulary was made from; no index is needed. In that of
// bge-small-en-v1.5 "the" has 0.2, "flow" 5.6 and the rarest piece 8.6. A letter,
// digit or ideograph has 1, a mark 0.05. It panics unless id is a piece's.
func (b *Builtin) Rarity(id int32) float32 {
	b.rarity.once.Do(func() { b.rarity.of = rarities(b.tokenizer) })
	return b.rarity.of[id]
}

// rarity holds the rarity of each piece, computed when it is first needed.
type rarity struct {
	once sync.Once
	of   []float32
}

const (
	commonRank   = 5 // with 1 and with 30 nDCG@10 differs by 0.004 at most
	rarityOfOne  = 1
	rarityOfMark = 0.05
)

func rarities(t *wordpiece.Tokenizer) []float32 {
	out := make([]float32, t.Len())
	rank := 0
	for id := range out {
		piece := t.Piece(int32(id))
		r, size := utf8.DecodeRuneInString(piece)
		switch {
		case size == len(piece) && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			out[id] = rarityOfOne
		case size == len(piece) || strings.HasPrefix(piece, "["): // special and unused ones
			out[id] = rarityOfMark
		default:
			rank++
			out[id] = float32(math.Log1p(float64(rank) / commonRank))
		}
	}
	return out
}
