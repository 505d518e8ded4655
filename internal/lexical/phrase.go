package lexical

import "strings"

// Phrase is a run of words that has to stand in a text as it is: in this order,
// with nothing but word boundaries between them. Letter case (unless the
// parameters tell the two apart) and what separates the words make no
// difference; stop words count and nothing is stemmed: who quotes means the
// words quoted. The zero value has no words and is in no text.
type Phrase struct {
	words []string
	exact bool // words are as they are written
	// part is in every text that holds the phrase: of exact words the first, else the
	// longest run of ASCII digits in a word. "" where there is none, or folding may
	// make digits of something else.
	part string
}

// Phrase returns the phrase that s is.
func (a *Analyzer) Phrase(s string) Phrase {
	an := a.begin()
	defer an.end()
	var p Phrase
	a.words(s, func(w string) { p.words = append(p.words, an.normalise(w)) })
	if !a.p.ASCIIFolding {
		for _, w := range p.words {
			for run := range strings.FieldsFuncSeq(w, func(r rune) bool { return r < '0' || r > '9' }) {
				if len(run) > len(p.part) {
					p.part = run
				}
			}
		}
	}
	return p
}

// Exact is [Analyzer.Phrase] for words that have to be written as they are in s,
// in upper and lower case: "IT" is not "it".
func (a *Analyzer) Exact(s string) Phrase {
	p := Phrase{exact: true}
	a.words(s, func(w string) { p.words = append(p.words, strings.Clone(w)) })
	if len(p.words) > 0 {
		p.part = p.words[0]
	}
	return p
}

// Len returns the number of words.
func (p Phrase) Len() int { return len(p.words) }

// Holds reports for each phrase whether it is in one of the texts. A phrase does
// not reach from one text into the next. Reading a text is linear in it, times
// the phrases that are begun at once.
func (a *Analyzer) Holds(phrases []Phrase, texts ...string) []bool {
	an := a.begin()
	defer an.end()
	holds := make([]bool, len(phrases))
	begun := make([][]int, len(phrases)) // how far each attempt got, per phrase
	open := make([]int, 0, len(phrases)) // phrases that the text may hold
	for _, t := range texts {
		open = open[:0]
		for i, p := range phrases {
			if !holds[i] && strings.Contains(t, p.part) {
				open = append(open, i)
				begun[i] = begun[i][:0]
			}
		}
		if len(open) == 0 {
			continue
		}
		a.words(t, func(w string) {
			written := w
			w = an.normalise(w)
			for _, i := range open {
				switch p := phrases[i]; {
				case holds[i]:
				case p.exact:
					begun[i], holds[i] = p.advance(begun[i], written)
				default:
					begun[i], holds[i] = p.advance(begun[i], w)
				}
			}
		})
	}
	return holds
}

// advance takes the next word of a text into the attempts at p, and begins one.
func (p Phrase) advance(begun []int, w string) (rest []int, held bool) {
	if len(p.words) == 0 {
		return nil, false
	}
	rest = begun[:0]
	for _, n := range begun {
		if p.words[n] == w {
			n++
			if n == len(p.words) {
				return rest, true
			}
			rest = append(rest, n)
		}
	}
	if p.words[0] == w {
		if len(p.words) == 1 {
			return rest, true
		}
		rest = append(rest, 1)
	}
	return rest, false
}
