package lexical

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Phrase is a run of words that has to stand in a text as it is: in this order,
// with nothing but word boundaries between them. Letter case (unless the
// parameters tell the two apart) and what separates the words make no
// difference, nor do decomposed letters and soft hyphens; stop words count and
// nothing is stemmed: who quotes means the words quoted. Where writing does not
// separate words, a phrase may begin and end at any letter. The zero value has no
// words and is in no text.
type Phrase struct {
	words []string // or letters: see pieces
	exact bool     // words are as they are written
	// back[i] is the length of the longest beginning of words[:i+1], short of all of it,
	// that it ends with, too: an attempt that fails at word i+1 goes on behind as many
	// (Knuth, Morris and Pratt, "Fast Pattern Matching in Strings", SIAM Journal on
	// Computing 6, 1977).
	back []int
	// part is in every text that holds the phrase: of exact words the first, else the
	// longest of its letters that stand alone and the runs of ASCII digits in its words.
	// "" where there is none. Where folding may make digits of something else, they do
	// not count.
	part string
}

// Phrase returns the phrase that s is.
func (a *Analyzer) Phrase(s string) Phrase {
	an := a.begin()
	defer an.end()
	var p Phrase
	a.pieces(composed(s), func(w string, alone bool) {
		if alone {
			p.words = append(p.words, w)
			p.part = longer(p.part, w)
			return
		}
		w = an.normalise(w)
		p.words = append(p.words, w)
		if !a.p.ASCIIFolding {
			for run := range strings.FieldsFuncSeq(w, func(r rune) bool { return r < '0' || r > '9' }) {
				p.part = longer(p.part, run)
			}
		}
	})
	p.back = backs(p.words)
	return p
}

// longer returns the longer of two strings, the first of equally long ones.
func longer(a, b string) string {
	if len(b) > len(a) {
		return b
	}
	return a
}

// Exact is [Analyzer.Phrase] for words that have to be written as they are in s,
// in upper and lower case: "IT" is not "it".
func (a *Analyzer) Exact(s string) Phrase {
	p := Phrase{exact: true}
	a.pieces(composed(s), func(w string, _ bool) { p.words = append(p.words, w) })
	if len(p.words) > 0 {
		p.part = p.words[0]
	}
	p.back = backs(p.words)
	return p
}

// backs returns Phrase.back.
func backs(words []string) []int {
	back := make([]int, len(words))
	for i, n := 1, 0; i < len(words); i++ {
		for n > 0 && words[i] != words[n] {
			n = back[n-1]
		}
		if words[i] == words[n] {
			n++
		}
		back[i] = n
	}
	return back
}

// Len returns the number of words, in writing that does not separate them of letters.
func (p Phrase) Len() int { return len(p.words) }

// Holds reports for each phrase whether it is in one of the texts. A phrase does
// not reach from one text into the next. The time is linear in the texts, times the
// number of phrases.
func (a *Analyzer) Holds(phrases []Phrase, texts ...string) []bool {
	an := a.begin()
	defer an.end()
	holds := make([]bool, len(phrases))
	an.begun = slices.Grow(an.begun[:0], len(phrases))[:len(phrases)]
	for _, t := range texts {
		t = composed(t)
		an.open = an.open[:0]
		for i := range phrases {
			if p := &phrases[i]; !holds[i] && len(p.words) > 0 && strings.Contains(t, p.part) {
				an.open = append(an.open, i)
				an.begun[i] = 0
			}
		}
		if len(an.open) == 0 {
			continue
		}
		a.pieces(t, func(w string, alone bool) {
			an.word, an.normal = w, ""
			if alone {
				an.normal = w
			}
			for _, i := range an.open {
				if holds[i] {
					continue
				}
				p, n := &phrases[i], an.begun[i]
				for n > 0 && !an.is(p, n) {
					n = p.back[n-1]
				}
				if an.is(p, n) {
					n++
					holds[i] = n == len(p.words)
				}
				an.begun[i] = n
			}
		})
	}
	return holds
}

// is reports whether the word at hand is word n of p. Most words differ from it in
// their first letter, and need not be normalised to know that: an ASCII letter becomes
// one, whatever comes behind it.
func (an *analysis) is(p *Phrase, n int) bool {
	w, want := an.word, p.words[n]
	if p.exact {
		return w == want
	}
	for i := range len(w) {
		c := w[i]
		switch {
		case c >= utf8.RuneSelf:
			if an.normal == "" {
				an.normal = an.normalise(w)
			}
			return an.normal == want
		case 'A' <= c && c <= 'Z' && !an.a.p.CaseSensitive:
			c += 'a' - 'A'
		}
		if i >= len(want) || c != want[i] {
			return false
		}
	}
	return len(w) == len(want)
}
