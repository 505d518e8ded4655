package answer

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

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
// with a second one where that has 0.9 of its score. It abstains where the evidence,
// the largest cosine of the question to one of the first three segments, is below the
// threshold. Safe for concurrent use.
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

	evidenceSegments = 3
	evidenceBytes    = 1500 // of each
)

// DefaultThreshold is the evidence below which [Extractive] abstains: hardly ever, as
// no threshold holds for all questions. With the built-in embedder the evidence tells
// questions on other subjects from those that a corpus answers: of ClapNQ's 300
// questions without an answer in its passages, thresholds by cross-validation, about
// 0.74, abstain from 256, and from 90 of the 300 with one (AUROC 0.87). It does not
// tell questions for a detail that is missing: of the demo's 30 they abstain from 2,
// and from 9 of the 176 with an answer (AUROC 0.40, as the 30 ask in the corpus's
// own words and the others do not). [Calibrate], by "ragloop answer --calibrate", says
// what a threshold does to a set.
const DefaultThreshold = 0.5

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
	sum := sha256.Sum256(fmt.Appendf(nil, "2 %q %v", x.embedder.Info().Fingerprint, x.threshold))
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
	all, order := x.ranked(question, c)
	if len(order) == 0 {
		return abstention, nil
	}
	query, segments, sentences, err := x.embed(ctx, question, c, all, order)
	if err != nil {
		return "", err
	}
	if nearest(query, segments) < x.threshold {
		return abstention, nil
	}
	for k, i := range order {
		all[i].score = denseWeight*max(0, cosine(query, sentences[k])) + (1-denseWeight)*all[i].score
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(all[b].score, all[a].score) })
	chosen := order[:1]
	if len(order) > 1 && all[order[1]].score >= secondShare*all[order[0]].score {
		chosen = order[:2]
		slices.Sort(chosen) // as the context has them
	}
	var parts []string
	for _, i := range chosen {
		parts = append(parts, cite(all[i].body, all[i].label))
	}
	return strings.Join(parts, " "), nil
}

// Evidence returns what the threshold is held against, 0 to 1: 0 for a context with
// nothing to answer with. Errors are those of the embedder.
func (x *Extractive) Evidence(ctx context.Context, question string, c Context) (float64, error) {
	if _, order := x.ranked(question, c); len(order) == 0 {
		return 0, nil
	}
	query, segments, _, err := x.embed(ctx, question, c, nil, nil)
	if err != nil {
		return 0, err
	}
	return nearest(query, segments), nil
}

// ranked returns the sentences of c with their scores by terms, and the best of them
// by their place in the context.
func (x *Extractive) ranked(question string, c Context) (all []candidate, order []int) {
	all = x.candidates(c)
	x.scoreTerms(question, all)
	order = make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(all[b].score, all[a].score) })
	order = order[:min(embedded, len(order))]
	slices.Sort(order) // ties by place in the context
	return all, order
}

// embed returns the vectors of the question, of the first segments, and of the
// sentences in order.
func (x *Extractive) embed(ctx context.Context, question string, c Context, all []candidate, order []int) (query []float32, segments, sentences [][]float32, err error) {
	var texts []string
	for _, body := range c.Texts() {
		if len(texts) < evidenceSegments && !text.Blank(body) {
			texts = append(texts, firstBytes(body, evidenceBytes))
		}
	}
	n := len(texts)
	for _, i := range order {
		texts = append(texts, all[i].body)
	}
	queries, err := x.embedder.Embed(ctx, embed.Query, []string{question})
	if err != nil {
		return nil, nil, nil, fmt.Errorf("embed the question: %w", err)
	}
	vectors, err := x.embedder.Embed(ctx, embed.Passage, texts)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("embed %d passages: %w", len(texts), err)
	}
	return queries[0], vectors[:n], vectors[n:], nil
}

// nearest returns the largest cosine of query to one of vectors, at least 0.
func nearest(query []float32, vectors [][]float32) float64 {
	best := 0.0
	for _, v := range vectors {
		best = max(best, cosine(query, v))
	}
	return best
}

// firstBytes returns s up to n bytes, of whole code points.
func firstBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
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
