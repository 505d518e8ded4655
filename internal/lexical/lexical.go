// Package lexical computes the sparse vectors of the lexical leg: Qdrant's
// "qdrant/bm25" model on the client side, so that local mode and every server
// version see the same vectors. It is not a search engine: inverse document
// frequency and scoring are the collection's business (sparse modifier IDF).
//
// A text is split into words, each word becomes a term (folded, lower-cased,
// dropped if it is a stop word, stemmed, dropped if its length is out of
// range), each distinct term a dimension: the absolute value of its signed
// 32-bit murmur3 hash. The value of a dimension is the term's BM25 weight in a
// document and 1 in a query.
//
// What a server of version 1.18.3 computed for texts written for the purpose
// is in testdata/own.jsonl; equality with it is tested. Text is taken as it is:
// a decomposed "é" is not the same word as a composed one, here as there, unless
// it is of a [Phrase], of which no server knows. Bytes that aren't UTF-8 separate
// words.
package lexical

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Tokenizers of [Params]. Qdrant's fourth, "multilingual", needs its
// dictionaries and is not supported.
const (
	Word       = "word"       // runs of alphabetic and numeric code points; the default
	Whitespace = "whitespace" // runs of anything but white space
	Prefix     = "prefix"     // every prefix of every word of a document, the longest alone of a query
)

// Params are the BM25 parameters stored in a recipe. The optional ones are
// Qdrant's defaults where they are zero.
type Params struct {
	K        float64 `json:"k"`        // term frequency saturation, 0..1000; 1.2
	B        float64 `json:"b"`        // length normalisation, 0..1; 0.75
	AvgLen   float64 `json:"avg_len"`  // mean terms per chunk after filtering, > 0, measured; 256 where unknown
	Language string  `json:"language"` // one of Languages: stop words and stemming; "none" for neither

	Tokenizer     string   `json:"tokenizer,omitempty"`      // Word, Whitespace or Prefix; empty: Word
	CaseSensitive bool     `json:"case_sensitive,omitempty"` // keep upper case; the stop words and stemmers are lower case
	ASCIIFolding  bool     `json:"ascii_folding,omitempty"`  // "café" becomes "cafe"
	StopWords     []string `json:"stop_words,omitzero"`      // instead of the language's; nil: the language's, empty: none
	MinTermLen    int      `json:"min_term_len,omitempty"`   // in code points, after stemming; 0: no limit
	MaxTermLen    int      `json:"max_term_len,omitempty"`   // the same; of Prefix the longest prefix
}

// Default returns Qdrant's defaults: k 1.2, b 0.75, average length 256, English.
func Default() Params { return Params{K: 1.2, B: 0.75, AvgLen: 256, Language: "english"} }

// ForChunks returns what chunks are indexed with: Default with the k and b of
// Trotman, Jia and Crane, "Towards an Efficient and Effective Search Engine" (OSIR
// 2012), which Anserini has for its defaults. Chunks are short and differ little in
// length, so that to have a word twice, or to be short, says less than of whole
// documents.
func ForChunks() Params {
	p := Default()
	p.K, p.B = 0.9, 0.4
	return p
}

// maxK keeps k*(terms of a text) far from overflow. Useful values are below 3.
const maxK = 1000

// Analyzer turns text into terms and sparse vectors. Safe for concurrent use.
type Analyzer struct {
	p         Params
	stem      stemmer // nil: none
	stopWords map[string]bool
	// separators are the ASCII characters that separate words.
	separators [utf8.RuneSelf]bool

	idle sync.Pool // of *analysis
}

// New checks p and returns its analyzer. Its errors name the parameter, its
// value and what is allowed.
func New(p Params) (*Analyzer, error) {
	switch {
	case !(p.K >= 0 && p.K <= maxK):
		return nil, fmt.Errorf("check lexical parameters: k is %v, want 0 to %d", p.K, maxK)
	case !(p.B >= 0 && p.B <= 1):
		return nil, fmt.Errorf("check lexical parameters: b is %v, want 0 to 1", p.B)
	case !(p.AvgLen > 0) || math.IsInf(p.AvgLen, 0):
		return nil, fmt.Errorf("check lexical parameters: avg_len is %v, want a number above 0", p.AvgLen)
	case p.MinTermLen < 0:
		return nil, fmt.Errorf("check lexical parameters: min_term_len is %d, want 0 (no limit) or more", p.MinTermLen)
	case p.MaxTermLen < 0:
		return nil, fmt.Errorf("check lexical parameters: max_term_len is %d, want 0 (no limit) or more", p.MaxTermLen)
	case p.MaxTermLen > 0 && p.MaxTermLen < p.MinTermLen:
		return nil, fmt.Errorf("check lexical parameters: max_term_len is %d, want at least min_term_len, %d", p.MaxTermLen, p.MinTermLen)
	}
	switch p.Tokenizer {
	case "":
		p.Tokenizer = Word
	case Word, Whitespace, Prefix:
	default:
		return nil, fmt.Errorf("check lexical parameters: tokenizer is %q, want %s, %s or %s", p.Tokenizer, Word, Whitespace, Prefix)
	}
	a := &Analyzer{p: p}
	for c := range a.separators {
		a.separators[c] = a.boundary()(rune(c))
	}
	words := slices.Clone(p.StopWords)
	if p.Language != none {
		l, ok := languages[p.Language]
		if !ok {
			return nil, fmt.Errorf("check lexical parameters: language is %q, want one of %s", p.Language, strings.Join(Languages(), ", "))
		}
		a.stem = l.stem
		if p.StopWords == nil {
			words = strings.Fields(l.stopWords)
		}
	}
	a.stopWords = make(map[string]bool, len(words))
	for _, w := range words {
		if !p.CaseSensitive {
			w = lower(w)
		}
		a.stopWords[w] = true
	}
	return a, nil
}

// Terms returns the analysed terms of an indexed text in order, repeats kept.
// Their number is the length that AvgLen is the mean of.
func (a *Analyzer) Terms(s string) []string {
	an := a.begin()
	defer an.end()
	var terms []string
	a.each(an, s, func(t *term) { terms = append(terms, t.text) })
	return terms
}

// each calls f with the terms of an indexed text in order.
func (a *Analyzer) each(an *analysis, s string, f func(*term)) {
	a.words(s, func(w string) {
		switch t := an.term(w); {
		case t.dropped:
		case a.p.Tokenizer == Prefix:
			for _, p := range a.appendPrefixes(nil, t.text, utf8.RuneCountInString(t.text)) {
				f(newTerm(p))
			}
		default:
			f(t)
		}
	})
}

// queryTerms returns the terms of a query: those of a document, but for the
// prefix tokenizer the longest prefix of each word, stop words included, since
// the query may be the beginning of a longer word.
func (a *Analyzer) queryTerms(s string) []string {
	if a.p.Tokenizer != Prefix {
		return a.Terms(s)
	}
	var terms []string
	an := a.begin()
	defer an.end()
	a.words(s, func(w string) {
		w = an.stem(an.normalise(w))
		if n := utf8.RuneCountInString(w); n >= a.p.MinTermLen {
			if a.p.MaxTermLen > 0 && n > a.p.MaxTermLen {
				w = firstRunes(w, a.p.MaxTermLen)
			}
			terms = append(terms, w)
		}
	})
	return terms
}

// appendPrefixes appends the prefixes of w, which has n code points, from the
// shortest allowed to the longest.
func (a *Analyzer) appendPrefixes(terms []string, w string, n int) []string {
	shortest, longest := max(a.p.MinTermLen, 1), n
	if a.p.MaxTermLen > 0 {
		longest = min(longest, a.p.MaxTermLen)
	}
	for k := shortest; k < longest; k++ {
		terms = append(terms, firstRunes(w, k))
	}
	return append(terms, firstRunes(w, longest))
}
