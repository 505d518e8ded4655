package qdrantlocal

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/internal/lexical"
)

// textAnalyzer turns a text into the tokens of a full-text index: words, lower
// case, without stop words, stemmed, then filtered by length or cut into prefixes.
type textAnalyzer struct {
	blanks    bool // words end at white space only, not at anything but letters and numbers
	keepCase  bool
	stopWords []*lexical.Analyzer // of languages: a stop word has no terms
	custom    map[string]bool     // further stop words
	stem      *lexical.Analyzer   // nil: none
	prefixes  bool
	minLen    int // in code points, like maxLen
	maxLen    int // 0: no limit
}

// newTextAnalyzer checks text index parameters; nil means the server's defaults.
func newTextAnalyzer(p *qdrant.TextIndexParams) (*textAnalyzer, error) {
	if p == nil {
		p = &qdrant.TextIndexParams{Tokenizer: qdrant.TokenizerType_Word}
	}
	a := &textAnalyzer{
		keepCase: !orDefault(p.Lowercase, true), custom: map[string]bool{},
		minLen: int(min(p.GetMinTokenLen(), 1<<31)), maxLen: int(min(p.GetMaxTokenLen(), 1<<31)),
	}
	switch p.GetTokenizer() {
	case qdrant.TokenizerType_Word:
	case qdrant.TokenizerType_Whitespace:
		a.blanks = true
	case qdrant.TokenizerType_Prefix:
		a.prefixes = true
	case qdrant.TokenizerType_Multilingual:
		return nil, unsupported("the multilingual tokenizer")
	default:
		return nil, status.Error(codes.InvalidArgument, "unknown tokenizer type")
	}
	for _, name := range p.GetStopwords().GetLanguages() {
		l, err := languageAnalyzer(name, lexical.Default())
		if err != nil {
			return nil, err
		}
		a.stopWords = append(a.stopWords, l)
	}
	for _, w := range p.GetStopwords().GetCustom() {
		if !a.keepCase {
			w = strings.ToLower(w)
		}
		a.custom[w] = true
	}
	if s := p.GetStemmer(); s != nil {
		if s.GetSnowball() == nil {
			return nil, status.Error(codes.InvalidArgument, "stemmer has no parameters")
		}
		params := lexical.Default()
		params.StopWords = []string{}
		l, err := languageAnalyzer(s.GetSnowball().GetLanguage(), params)
		if err != nil {
			return nil, err
		}
		a.stem = l
	}
	if p.GetAsciiFolding() {
		return nil, unsupported("ASCII folding in text indexes")
	}
	return a, nil
}

func languageAnalyzer(name string, p lexical.Params) (*lexical.Analyzer, error) {
	language, err := knownLanguage(name)
	if err != nil {
		return nil, err
	}
	if language == "" {
		return nil, status.Errorf(codes.InvalidArgument, "unknown language %q", name)
	}
	p.Language = language
	return lexical.New(p)
}

// words splits a text.
func (a *textAnalyzer) words(s string) []string {
	if !a.keepCase {
		s = strings.ToLower(s)
	}
	if a.blanks {
		return strings.Fields(s)
	}
	return strings.FieldsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.Is(unicode.Other_Alphabetic, r)
	})
}

func (a *textAnalyzer) isStopWord(w string) bool {
	if a.custom[w] {
		return true
	}
	for _, l := range a.stopWords {
		if len(l.Terms(w)) == 0 {
			return true
		}
	}
	return false
}

func (a *textAnalyzer) stemmed(w string) string {
	if a.stem == nil {
		return w
	}
	if t := a.stem.Terms(w); len(t) == 1 { // not of words with other characters inside
		return t[0]
	}
	return w
}

// document returns the tokens of an indexed text in order.
func (a *textAnalyzer) document(s string) []string {
	var out []string
	for _, w := range a.words(s) {
		if a.isStopWord(w) {
			continue
		}
		w = a.stemmed(w)
		n := utf8.RuneCountInString(w)
		switch {
		case n < a.minLen:
		case a.prefixes:
			for k := max(a.minLen, 1); k <= n && (a.maxLen == 0 || k <= a.maxLen); k++ {
				out = append(out, firstRunes(w, k))
			}
		case a.maxLen > 0 && n > a.maxLen:
		default:
			out = append(out, w)
		}
	}
	return out
}

// query returns the tokens of a query; of prefixes only the longest, stop
// words included, because a query may be the beginning of a longer word.
func (a *textAnalyzer) query(s string) []string {
	if !a.prefixes {
		return a.document(s)
	}
	var out []string
	for _, w := range a.words(s) {
		w = a.stemmed(w)
		if utf8.RuneCountInString(w) < a.minLen {
			continue
		}
		if a.maxLen > 0 {
			w = firstRunes(w, a.maxLen)
		}
		out = append(out, w)
	}
	return out
}

// firstRunes returns the first n code points of s, or all of it.
func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
