package answer

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

// Embedder is what [Extractive] needs of one; implemented by those of package embed.
type Embedder interface {
	Embed(ctx context.Context, task embed.Task, texts []string) ([][]float32, error)
	Info() embed.Info
}

// Extractive answers with the sentences of the context that are most like the
// question, each with its citation, or abstains. It writes nothing of its own,
// works offline, and is deterministic. It is a floor, not an application.
//
// The score of a sentence is 0.6 of its cosine to the question and 0.4 of the share
// of the question's terms that it has, each weighted by how few sentences have it.
// The best by terms, 16 of them, are embedded. The best sentence is the answer,
// with a second one where that has 0.9 of its score. Below the threshold it
// abstains. Safe for concurrent use.
type Extractive struct {
	embedder  Embedder
	analyzer  *lexical.Analyzer
	threshold float64
}

const (
	denseWeight   = 0.6
	embedded      = 16
	secondShare   = 0.9
	sentenceBytes = 1000 // of a longer one the model would read no more
)

// DefaultThreshold is the score below which [Extractive] abstains. It abstains
// rarely: with the built-in embedder the score tells questions that a corpus
// answers badly from those that it does not. Of the demo's 176 queries with an
// answer and 30 without, 0.4 abstains from 4 and 0, 0.5 from 77 and 6, 0.55 from
// 121 and 15 ("ragloop answer --threshold").
const DefaultThreshold = 0.4

// NewExtractive returns the answerer. threshold is from 0, never abstain from a
// context with words, to 1.
func NewExtractive(e Embedder, threshold float64) (*Extractive, error) {
	if !(threshold >= 0 && threshold <= 1) {
		return nil, fmt.Errorf("configure extractive answerer: threshold is %v, allowed are 0 to 1", threshold)
	}
	a, err := lexical.New(lexical.Default())
	if err != nil {
		return nil, err // unreachable: the defaults are valid
	}
	return &Extractive{e, a, threshold}, nil
}

// Fingerprint changes whenever answers may.
func (x *Extractive) Fingerprint() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "1 %q %v", x.embedder.Info().Fingerprint, x.threshold))
	return fmt.Sprintf("extractive/%x", sum[:16])
}

// Name says what answers, for people.
func (x *Extractive) Name() string { return "extractive" }

// candidate is a sentence of a segment.
type candidate struct {
	body  string
	label string
	terms map[string]bool
	score float64
}

// Answer answers one question. Errors are those of the embedder.
func (x *Extractive) Answer(ctx context.Context, question string, c Context) (string, error) {
	all := x.candidates(c)
	x.scoreTerms(question, all)
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	best := func(a, b int) int { return cmp.Compare(all[b].score, all[a].score) }
	slices.SortStableFunc(order, best)
	order = order[:min(embedded, len(order))]
	if len(order) == 0 {
		return abstention, nil
	}
	slices.Sort(order) // ties by place in the context
	texts := make([]string, len(order))
	for k, i := range order {
		texts[k] = all[i].body
	}
	query, err := x.embedder.Embed(ctx, embed.Query, []string{question})
	if err != nil {
		return "", fmt.Errorf("embed the question: %w", err)
	}
	vectors, err := x.embedder.Embed(ctx, embed.Passage, texts)
	if err != nil {
		return "", fmt.Errorf("embed %d sentences: %w", len(texts), err)
	}
	for k, i := range order {
		all[i].score = denseWeight*max(0, cosine(query[0], vectors[k])) + (1-denseWeight)*all[i].score
	}
	slices.SortStableFunc(order, best)
	top := all[order[0]].score
	if top < x.threshold {
		return abstention, nil
	}
	chosen := order[:1]
	if len(order) > 1 && all[order[1]].score >= max(secondShare*top, x.threshold) {
		chosen = order[:2]
		slices.Sort(chosen) // as the context has them
	}
	var parts []string
	for _, i := range chosen {
		parts = append(parts, cite(all[i].body, all[i].label))
	}
	return strings.Join(parts, " "), nil
}

// candidates returns the sentences of the segments: headings, rows of tables and
// the like, which end in no full stop, included.
func (x *Extractive) candidates(c Context) []candidate {
	var out []candidate
	for i, body := range c.Texts() {
		for _, span := range text.Sentences(body) {
			s := strings.Join(strings.Fields(body[span.Start:span.End]), " ")
			terms := map[string]bool{}
			for _, t := range x.analyzer.Terms(s) {
				terms[t] = true
			}
			if len(terms) > 1 && len(s) <= sentenceBytes { // one word answers nothing
				out = append(out, candidate{body: s, label: c.Segments[i].Label, terms: terms})
			}
		}
	}
	return out
}

// scoreTerms gives each sentence the weighted share of the question's terms.
func (x *Extractive) scoreTerms(question string, all []candidate) {
	terms := x.analyzer.Terms(question)
	slices.Sort(terms)
	terms = slices.Compact(terms)
	total := 0.0
	for _, t := range terms {
		n := 0
		for _, c := range all {
			if c.terms[t] {
				n++
			}
		}
		weight := math.Log1p(float64(len(all)) / (1 + float64(n)))
		total += weight
		for i := range all {
			if all[i].terms[t] {
				all[i].score += weight
			}
		}
	}
	for i := range all {
		if total > 0 {
			all[i].score /= total
		}
	}
}

// cite puts a citation into a sentence, in front of its full stop.
func cite(s, label string) string {
	body := strings.TrimRight(s, ".")
	return strings.TrimRight(body, " ") + " [" + label + "]."
}

func cosine(a, b []float32) float64 {
	var sum float64
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return min(1, sum) // both are of unit length
}
