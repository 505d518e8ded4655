package judge

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

// A window is what an entailment classifier sees of a context: three sentences in
// a row, or fewer where they are long. Each sentence begins one. Classifiers read
// some 512 tokens, claim included; 1,200 bytes are about 300.
const (
	windowSentences = 3
	windowBytes     = 1200
)

// windows returns the windows of a context in order, without white space at their
// ends; none is longer than windowBytes.
func windows(s string) []text.Span {
	var pieces []text.Span
	for _, sentence := range text.Sentences(s) {
		for _, piece := range cut(s, sentence) {
			if piece = text.TrimSpace(s, piece); piece.Len() > 0 {
				pieces = append(pieces, piece)
			}
		}
	}
	var out []text.Span
	for i, first := range pieces {
		w := first
		for _, next := range pieces[i+1 : min(len(pieces), i+windowSentences)] {
			if next.End-w.Start > windowBytes {
				break
			}
			w.End = next.End
		}
		if n := len(out); n > 0 && out[n-1].End == w.End {
			continue // the end of the one before
		}
		out = append(out, w)
	}
	return out
}

// cut cuts a span into pieces of at most windowBytes, at a space where there is
// one in the second half.
func cut(s string, span text.Span) []text.Span {
	var out []text.Span
	for span.Len() > windowBytes {
		end := span.Start + windowBytes
		for back := 1; back < utf8.UTFMax && !utf8.RuneStart(s[end]); back++ { // bytes that are no UTF-8 start none
			end--
		}
		if at := strings.LastIndexByte(s[span.Start:end], ' '); at > windowBytes/2 {
			end = span.Start + at
		}
		out = append(out, text.Span{Start: span.Start, End: end})
		span.Start = end
	}
	return append(out, span)
}

// selector finds the windows of one context that say most about a claim.
type selector struct {
	analyzer *lexical.Analyzer
	windows  []text.Span
	terms    []map[string]bool
	df       map[string]int
}

func newSelector(a *lexical.Analyzer, evidence string) *selector {
	s := &selector{analyzer: a, windows: windows(evidence), df: map[string]int{}}
	for _, w := range s.windows {
		terms := map[string]bool{}
		for _, t := range a.Terms(evidence[w.Start:w.End]) {
			if !terms[t] {
				terms[t] = true
				s.df[t]++
			}
		}
		s.terms = append(s.terms, terms)
	}
	return s
}

// best returns the n windows that have most of a claim's terms, each weighted by
// how few windows have it; the best first, of equals the earlier one. Windows
// without any are taken last, so that a claim in other words is judged, too.
func (s *selector) best(claim string, n int) []text.Span {
	terms := s.analyzer.Terms(claim)
	slices.Sort(terms) // sums in one order: floats
	terms = slices.Compact(terms)
	scores := make([]float64, len(s.windows))
	order := make([]int, len(s.windows))
	for i, have := range s.terms {
		order[i] = i
		for _, t := range terms {
			if have[t] {
				scores[i] += math.Log1p(float64(len(s.windows)) / float64(s.df[t]))
			}
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	var out []text.Span
	for _, i := range order[:min(n, len(order))] {
		out = append(out, s.windows[i])
	}
	return out
}
