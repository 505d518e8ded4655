package retrieve

import (
	"slices"
	"strings"

	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// asked is what a query asks for, word by word; a [pack.Relevance]. It never
// changes.
type asked struct {
	analyzer *lexical.Analyzer
	terms    []term // of the query, by id
}

// maxWords bounds the terms of a query that sentences are looked through for.
const maxWords = 64

// newAsked returns what the terms of a query ask for, nil where it has none. A
// term counts its weight.
func newAsked(a *lexical.Analyzer, terms []term) pack.Relevance {
	if len(terms) == 0 {
		return nil
	}
	return &asked{a, terms[:min(len(terms), maxWords)]}
}

// Shares returns which share of the query each sentence has, by the weight of its
// terms. Those that title, headings or id of the document have count nothing: what
// they say, they say of every sentence alike.
func (a *asked) Shares(chunks []pack.Chunk, sentences [][]text.Span) [][]float64 {
	out := make([][]float64, len(chunks))
	for i, ch := range chunks {
		if sentences[i] == nil {
			continue
		}
		out[i] = make([]float64, len(sentences[i]))
		said := a.in(about(ch))
		all := a.weight(said)
		if all == 0 {
			continue
		}
		for k, s := range sentences[i] {
			out[i][k] = 1 - a.weight(said|a.in(ch.Text[s.Start:s.End]))/all
		}
	}
	return out
}

// set is some of the terms of a query, a bit for each.
type set uint64

// in returns those that s has.
func (a *asked) in(s string) set {
	var found set
	has := a.analyzer.Document(s).Indices
	for i, t := range a.terms {
		if _, ok := slices.BinarySearch(has, t.id); ok {
			found |= 1 << i
		}
	}
	return found
}

// weight returns the weight of those that are not in s.
func (a *asked) weight(s set) float64 {
	sum := 0.0
	for i, t := range a.terms {
		if s&(1<<i) == 0 {
			sum += t.weight
		}
	}
	return sum
}

// about returns what is said of a chunk beside its text.
func about(ch pack.Chunk) string {
	id := strings.ReplaceAll(string(ch.Doc), "_", " ") // which no word of a file's name ends at
	return strings.Join(slices.Concat([]string{ch.Title, id}, ch.Heading), "\n")
}
