package ground

import (
	"strings"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/text"
)

// names checks every run of capitalised words: a name of which no word occurs
// in the evidence.
func (c *checker) names() {
	for _, run := range c.claim.names() {
		known := false
		for i := run.Start; i < run.End && !known; i++ {
			known = c.evidence.knows(c.claim.words[i])
		}
		if !known {
			c.add(Name, run.Start, run.End-1, c.inPlace(run.Start))
		}
	}
}

// names returns the runs of words of p, [Start, End), that look like names:
// capitalised, and not only because a sentence begins.
func (p *passage) names() []text.Span {
	var out []text.Span
	for i := 0; i < len(p.words); i++ {
		if !p.name(i) {
			continue
		}
		start := i
		for i+1 < len(p.words) && p.name(i+1) && p.joined(i) && !p.words[i+1].first {
			i++
		}
		out = append(out, text.Span{Start: start, End: i + 1})
	}
	return out
}

// name reports whether word i looks like a name or a part of one.
func (p *passage) name(i int) bool {
	w := p.words[i]
	if !w.upper || w.stop || w.number || len(w.form) < 2 || monthNames[w.form] != "" {
		return false
	}
	if strings.ContainsAny(w.form, "0123456789") && len(w.form) <= 3 {
		return false // "Q4", "H1": written out as often
	}
	if !w.first && !p.opens(i) {
		return true
	}
	_, common := ranks()[w.form]
	return !common && !inflected(w.form) && !openers[w.form]
}

// opens reports whether word i stands where a capital begins a part of a
// sentence: after a colon or the marks of Markdown.
func (p *passage) opens(i int) bool {
	before := strings.TrimRight(p.body[:p.words[i].span.Start], " \n")
	return before == "" || strings.ContainsAny(before[len(before)-1:], ":*#_|>")
}

// inflected reports whether a word has the ending of a verb form or an adverb.
func inflected(form string) bool {
	return strings.HasSuffix(form, "ing") || strings.HasSuffix(form, "ed") || strings.HasSuffix(form, "ly") || strings.HasSuffix(form, "'s")
}

// openers begin sentences and are too rare for the list of frequent words.
var openers = map[string]bool{
	"moreover": true, "furthermore": true, "nevertheless": true, "nonetheless": true, "thus": true, "hence": true, "overall": true,
	"alternatively": true, "likewise": true, "meanwhile": true, "whilst": true, "regardless": true, "notably": true, "besides": true,
}

// knows reports whether the evidence has w of another passage: as a word or, if w
// is in capitals, as the initials of a run of words.
func (p *passage) knows(w word) bool {
	return len(p.at[w.stem]) > 0 || w.capitals && p.initials()[w.form]
}

// initials returns, in lower case, the initials of all runs of two to six
// capitalised words, with function words between them left out or in: "RTB" of
// "Regional Transit Board", "BOA" and "BA" of "Bank Of America".
func (p *passage) initials() map[string]bool {
	if p.acronyms != nil {
		return p.acronyms
	}
	p.acronyms = map[string]bool{}
	for _, all := range []bool{true, false} {
		for i := range p.words {
			run := ""
			for j := i; j < len(p.words) && j < i+9 && len(run) < 6; j++ {
				w := p.words[j]
				if w.upper && (all || !w.stop) && w.form[0] < utf8.RuneSelf {
					if run += w.form[:1]; len(run) >= 2 {
						p.acronyms[run] = true
					}
				} else if !w.stop || run == "" {
					break
				}
			}
		}
	}
	return p.acronyms
}
