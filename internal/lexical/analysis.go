package lexical

import (
	"strings"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis/char/asciifolding"
	"github.com/blevesearch/snowballstem"
)

// term is the term of a word and its dimension, or says that the word has none.
type term struct {
	text    string
	id      uint32
	dropped bool

	// How often the word occurs in the text at hand, while Document counts.
	count int
}

func newTerm(s string) *term { return &term{text: s, id: termID(s)} }

// analysis is what the analysis of one text at a time needs: a stemmer's
// environment, and the terms of words met before, in this text or in others. A
// few thousand words make up most of any text, and looking one up takes a tenth
// of the time of stemming it.
type analysis struct {
	a     *Analyzer
	env   *snowballstem.Env // nil: no stemming
	known map[string]*term  // by word as it stands in the text
	short map[uint64]*term  // the same for those that shortKey has a key for

	// Buffers of Document.
	terms []*term  // of the text's different words
	keys  []uint64 // dimension of a term, and its position in terms

	// Buffers of Holds.
	word, normal string // of the text; normal is "" where nobody asked for it
	open         []int  // phrases that the text may hold
	begun        []int  // how many words of each phrase stand up to the one at hand
}

const (
	// Bounds of analysis.known, which is emptied when it is full: about 2 MB.
	maxKnown     = 1 << 14
	maxKnownWord = 32 // bytes; longer ones are rare
	// maxBuffer is the length of the longest buffers that are kept.
	maxBuffer = 1 << 14
)

// begin returns an analysis that nobody else uses until its end.
func (a *Analyzer) begin() *analysis {
	if an, ok := a.idle.Get().(*analysis); ok {
		return an
	}
	an := &analysis{a: a, known: make(map[string]*term), short: make(map[uint64]*term)}
	if a.stem != nil {
		an.env = snowballstem.NewEnv("")
	}
	return an
}

func (an *analysis) end() {
	if an.env != nil {
		an.env.SetCurrent("") // not to hold on to the text
	}
	an.word, an.normal = "", ""
	if cap(an.keys) > maxBuffer {
		an.terms, an.keys = nil, nil
	}
	if cap(an.begun) > maxBuffer {
		an.open, an.begun = nil, nil
	}
	clear(an.terms)
	an.a.idle.Put(an)
}

// term returns the term of a word of an indexed text, of which the prefix
// tokenizer still has to make prefixes.
func (an *analysis) term(w string) *term {
	key, short := shortKey(w)
	if short {
		if t, ok := an.short[key]; ok {
			return t
		}
	} else if t, ok := an.known[w]; ok {
		return t
	}
	t := &term{dropped: true}
	if s, ok := an.keep(w); ok {
		t = newTerm(strings.Clone(s)) // the term may outlive the text
	}
	if len(an.known)+len(an.short) >= maxKnown {
		clear(an.known)
		clear(an.short)
	}
	switch {
	case short:
		an.short[key] = t
	case len(w) <= maxKnownWord:
		an.known[strings.Clone(w)] = t
	}
	return t
}

// shortKey returns the bytes of a word of at most seven, which most words are,
// with their number.
func shortKey(w string) (key uint64, ok bool) {
	if len(w) > 7 {
		return 0, false
	}
	key = uint64(len(w))
	for i := range len(w) {
		key = key<<8 | uint64(w[i])
	}
	return key, true
}

// keep returns what is left of a word, and false where it is dropped.
func (an *analysis) keep(w string) (string, bool) {
	w = an.normalise(w)
	if an.a.stopWords[w] {
		return "", false
	}
	w = an.stem(w)
	n := utf8.RuneCountInString(w)
	tooLong := an.a.p.MaxTermLen > 0 && n > an.a.p.MaxTermLen && an.a.p.Tokenizer != Prefix
	return w, n >= an.a.p.MinTermLen && !tooLong
}

// normalise folds and lower-cases a word. The server's folding is Lucene's, and
// so is the library's.
func (an *analysis) normalise(w string) string {
	if an.a.p.ASCIIFolding {
		w = string(asciifolding.New().Filter([]byte(w)))
	}
	if !an.a.p.CaseSensitive {
		w = lower(w)
	}
	return w
}

func (an *analysis) stem(w string) string {
	if an.env == nil {
		return w
	}
	an.env.SetCurrent(w)
	an.a.stem(an.env)
	return an.env.Current()
}
