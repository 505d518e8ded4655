package ground

import (
	"context"
	"fmt"
)

// Lexical judges claims by their words: how much of a claim the evidence has,
// in what order and neighbourhood, whether numbers, dates, units, names and
// quotations occur, negations agree, and no opposite or other number is in the
// place of a word. It is deterministic, works offline, and takes about half a
// millisecond for a claim and its share of reading the evidence. Its support is a
// logistic of these features that was fitted to what people said ([Model]).
//
// It has no vectors of tokens. The greatest cosines of a claim's words with the
// evidence's, by the built-in embedding model, were tried beside its features (mean,
// least, of missing words, and so on): no cross-validated figure rose by more than
// 0.002, and a thousand tokens took 90 ms to read.
//
// It supports a claim whose words are there. It does not understand one: see
// its Limits. Weights of words, stemming, function words, synonyms and opposites
// are English; in other languages the checks of numbers, names and quotations hold
// and the rest is coarser.
type Lexical struct {
	model *model
}

var _ Judge = (*Lexical)(nil)

// NewLexical returns the lexical judge with the built-in model.
func NewLexical() (*Lexical, error) {
	m, err := loadDefault()
	if err != nil {
		return nil, err
	}
	return &Lexical{model: m}, nil
}

// NewLexicalWith returns the lexical judge with a model of the user's own.
func NewLexicalWith(m Model) (*Lexical, error) {
	c, err := m.compile()
	if err != nil {
		return nil, err
	}
	return &Lexical{model: c}, nil
}

// Info implements [Judge].
func (l *Lexical) Info() Info {
	return Info{Name: "lexical support", Fingerprint: l.model.fingerprint, Limits: []string{
		"It compares words, not meaning: a paraphrase scores too low, and a false claim made of the context's words too high.",
		"A number that is in the context but belongs to something else is noticed in about seven cases of ten, such a name in four.",
		"An inserted negation is noticed in about nine cases of ten, an opposite in two of three, other changes of a single word rarely.",
		"Support ranks claims of one kind of text; choose a threshold on answers of your own that people judged.",
	}}
}

// Judge implements [Judge].
func (l *Lexical) Judge(ctx context.Context, evidence string, claims []string) ([]Judgement, error) {
	r := newReader()
	e := r.read(evidence, true)
	quantities := e.quantities()
	out := make([]Judgement, len(claims))
	for i, claim := range claims {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("judge claim %d of %d: %w", i+1, len(claims), err)
		}
		x := examine(r, e, quantities, claim)
		if len(x.claim.words) == 0 || len(e.words) == 0 {
			continue // no words, no support
		}
		out[i] = Judgement{Support: l.model.support(&x.features), Evidence: x.best, Findings: x.findings}
	}
	return out, nil
}
