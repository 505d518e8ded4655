package extract

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A page of which the text was read may still be unreadable: fonts that do not
// say what their glyphs mean, or say it wrongly, words without the spaces
// between them. What tells such pages needs no dictionary, so that tables of
// codes are suspected as well: a suspicion costs a second reading by another
// reader, never text.
const (
	minSmellGlyphs = 20
	minSmellWords  = 20
	minSmellLatin  = 100  // letters
	smellLimit     = 0.05 // from which a page is suspected
	certainSmell   = 0.5  // of what only whole pages have

	maxWordLetters = 12  // on average; English has 5, German 6
	maxSingles     = 0.4 // share of words of one letter
	minVowels      = 0.2 // share of Latin letters; languages have a third or more
)

// endOfLatin is behind the last of the letters that count as Latin.
const endOfLatin = 0x250

// smell returns how much of a page cannot be read: 0 for nothing to 1 for all.
func (p pdfPageText) smell() float64 {
	worst := 0.0
	if p.err != nil {
		worst = smellLimit
	}
	if p.glyphs < minSmellGlyphs {
		return worst
	}
	worst = max(worst, float64(p.unmapped)/float64(p.glyphs))
	var words, letters, singles, latin, vowels, runes, bad int
	for _, line := range p.lines {
		for word := range strings.FieldsSeq(line.text) {
			n := 0
			for _, r := range word {
				runes++
				switch {
				case r == utf8.RuneError, unicode.Is(unicode.Co, r), unicode.Is(unicode.Cc, r):
					bad++
				case unicode.IsLetter(r) && isSpaced(r):
					n++
					if r < endOfLatin {
						latin++
						if !strings.ContainsRune("bcdfghjklmnpqrstvwxzBCDFGHJKLMNPQRSTVWXZ", r) {
							vowels++
						}
					}
				}
			}
			if n == 0 {
				continue
			}
			words++
			letters += n
			if n == 1 {
				singles++
			}
		}
	}
	if runes > 0 {
		worst = max(worst, float64(bad)/float64(runes))
	}
	if words >= minSmellWords && (letters > maxWordLetters*words || float64(singles) > maxSingles*float64(words)) ||
		latin >= minSmellLatin && float64(vowels) < minVowels*float64(latin) {
		worst = max(worst, certainSmell)
	}
	return worst
}

// isSpaced reports whether the script of a letter has spaces between words.
func isSpaced(r rune) bool {
	return !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan)
}

// better returns whichever of two readings of a page is to be kept: that of
// which more can be read, or else that with more text.
func better(a, b pdfPageText) pdfPageText {
	x, y := a.smell(), b.smell()
	if len(b.lines) == 0 || y > x || y == x && b.letters() <= a.letters() {
		return a
	}
	if y < x && 2*b.letters() < a.letters() {
		return a // the smell of a page is no reason to lose it
	}
	return b
}

// letters returns the number of letters and digits on a page.
func (p pdfPageText) letters() int {
	n := 0
	for _, line := range p.lines {
		for _, r := range line.text {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				n++
			}
		}
	}
	return n
}
