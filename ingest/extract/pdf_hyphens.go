package extract

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A word that is divided at the end of a line is put together on that line. The
// hyphen goes, unless it belongs to the word: where another hyphen is in front
// of it, where the document has the word with the hyphen and not without, and,
// for a word that the document has neither way, where it has both halves as
// words or does not divide words at all.
//
// What follows the word stays on its line, so that lines and pages begin one
// word later than in the source; pdfLine.joins, and with it Document.Joined,
// has the offsets at which a hyphen and a line end are left out.

// minCompoundHalf is the number of letters that each half of a compound has at
// least, as of "long-term"; shorter ones are syllables as well.
const minCompoundHalf = 4

// minDivided is the share of line ends that are hyphens from which a document
// divides words; without, one in a few hundred is, that of a compound. With
// justified text it is 5 to 15 %.
const minDivided = 0.02

// maxJoinedLine bounds the lines that are joined, in bytes.
const maxJoinedLine = 1 << 10

// hyphenation is one word divided at the end of a line.
type hyphenation struct {
	left, right string // halves, in lower case, with other hyphens
}

func (h hyphenation) joined() string   { return h.left + h.right }
func (h hyphenation) compound() string { return h.left + "-" + h.right }

// keepsHyphen reports whether the hyphen belongs to the word, in a document
// with the words counted that divides words or not.
func (h hyphenation) keepsHyphen(count map[string]int, divides bool) bool {
	switch {
	case strings.Contains(h.left, "-"):
		return true
	case count[h.joined()] > 0:
		return false
	case count[h.compound()] > 0:
		return true
	case h.left == "self" || h.left == "well":
		return !strings.HasPrefix(h.right, "ish") && !strings.HasPrefix(h.right, "less") && !strings.HasPrefix(h.right, "ness")
	}
	return !divides || utf8.RuneCountInString(h.left) >= minCompoundHalf && utf8.RuneCountInString(h.right) >= minCompoundHalf &&
		count[h.left] > 0 && count[h.right] > 0
}

// dividedWord returns the word that is divided between two lines.
func dividedWord(a, b pdfLine) (h hyphenation, ok bool) {
	if max(len(a.text), len(b.text)) > maxJoinedLine {
		return hyphenation{}, false
	}
	left, ok := strings.CutSuffix(a.text, "-")
	if !ok {
		left, ok = strings.CutSuffix(a.text, "\u2010")
	}
	first, _ := utf8.DecodeRuneInString(b.text)
	last, _ := utf8.DecodeLastRuneInString(left)
	if !ok || !unicode.IsLower(first) || !unicode.IsLetter(last) {
		return hyphenation{}, false
	}
	inWord := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsMark(r) || r == '-' || r == '’' || r == '\''
	}
	start := strings.LastIndexFunc(left, func(r rune) bool { return !inWord(r) })
	if start >= 0 {
		_, n := utf8.DecodeRuneInString(left[start:])
		left = left[start+n:]
	}
	right := b.text
	if end := strings.IndexFunc(right, func(r rune) bool { return !inWord(r) }); end >= 0 {
		right = right[:end]
	}
	return hyphenation{strings.ToLower(strings.TrimLeft(left, "-'")), strings.ToLower(strings.TrimRight(right, "-'"))}, true
}

// joinWords puts divided words together.
func (l *pdfLayout) joinWords() {
	count := map[string]int{}
	ends, divided := 0, 0
	l.eachLineEnd(func(a, b *pdfLine) bool {
		ends++
		if h, ok := dividedWord(*a, *b); ok {
			divided++
			for _, w := range []string{h.left, h.right, h.joined(), h.compound()} {
				count[w] = 0
			}
		}
		return false
	})
	if len(count) == 0 {
		return
	}
	l.countWords(count)
	l.eachLineEnd(func(a, b *pdfLine) bool {
		h, ok := dividedWord(*a, *b)
		if !ok {
			return false
		}
		joinLines(a, b, !a.soft && h.keepsHyphen(count, float64(divided) >= minDivided*float64(ends)))
		return true
	})
	l.removeEmpty()
}

// eachLineEnd calls f with the lines before and behind each line end inside a
// paragraph, also of one that goes on at the top of the next column or page,
// behind footnotes and tables. f reports whether it took words from b; a line
// of which nothing is left is passed over.
func (l *pdfLayout) eachLineEnd(f func(a, b *pdfLine) bool) {
	for i := range l.paras {
		p := &l.paras[i]
		if p.kind != Paragraph && p.kind != ListItem && p.kind != Heading {
			continue
		}
		var last *pdfLine
		for k := range p.lines {
			line := &p.lines[k]
			if last != nil && last.gaps == 0 && line.gaps == 0 && f(last, line) && line.text == "" {
				continue
			}
			last = line
		}
		if rest := l.restOf(i); rest != nil && p.kind != Heading && last.gaps == 0 {
			f(last, rest)
		}
	}
}

// maxInterruption is the number of paragraphs that may come between the parts
// of one: footnotes, a table and its caption.
const maxInterruption = 4

// restOf returns the first line of the paragraph that goes on with the i-th,
// which ends in the middle of a word; nil where there is none.
func (l *pdfLayout) restOf(i int) *pdfLine {
	p := l.paras[i]
	last := p.lines[len(p.lines)-1]
	if !strings.HasSuffix(last.text, "-") && !strings.HasSuffix(last.text, "\u2010") {
		return nil
	}
	for k := i + 1; k < len(l.paras) && k <= i+1+maxInterruption; k++ {
		next := l.paras[k]
		first := next.lines[0]
		switch {
		case next.page > p.page+1:
			return nil
		case next.kind != Paragraph || !sameSize(first, last) || first.gaps > 0:
		case next.page == p.page && first.y <= last.y:
			return nil // below it: something else
		default:
			if _, ok := dividedWord(last, first); ok {
				return &next.lines[0]
			}
			return nil
		}
	}
	return nil
}

// joinLines moves the rest of a divided word from the start of b to the end of
// a.
func joinLines(a, b *pdfLine, keepHyphen bool) {
	word, rest, _ := strings.Cut(b.text, " ")
	taken := len(b.text) - len(rest)
	if !keepHyphen {
		_, n := utf8.DecodeLastRuneInString(a.text)
		a.text = a.text[:len(a.text)-n]
		a.joins = append(a.joins, len(a.text))
	}
	a.text += word
	a.soft = b.soft && rest == ""
	b.text = rest
	var joins []int
	for _, at := range b.joins {
		joins = append(joins, at-taken)
	}
	b.joins = joins
}

// countWords counts the words of the document that count has already. The
// halves of divided words are none.
func (l *pdfLayout) countWords(count map[string]int) {
	var word []byte
	for _, p := range l.paras {
		for i, line := range p.lines {
			s := line.text
			if i+1 < len(p.lines) {
				if _, ok := dividedWord(line, p.lines[i+1]); ok {
					s = s[:max(strings.LastIndexByte(s, ' '), 0)]
				}
			}
			if i > 0 {
				if _, ok := dividedWord(p.lines[i-1], line); ok {
					_, s, _ = strings.Cut(s, " ")
				}
			}
			for w := range strings.FieldsFuncSeq(s, func(r rune) bool {
				return !unicode.IsLetter(r) && !unicode.IsMark(r) && r != '-' && r != '’' && r != '\''
			}) {
				word = appendLower(word[:0], w)
				if n, ok := count[string(word)]; ok {
					count[string(word)] = n + 1
				}
			}
		}
	}
}

// appendLower appends s in lower case.
func appendLower(b []byte, s string) []byte {
	for _, r := range s {
		b = utf8.AppendRune(b, unicode.ToLower(r))
	}
	return b
}

// removeEmpty removes the lines and paragraphs of which nothing is left.
func (l *pdfLayout) removeEmpty() {
	paras := l.paras[:0]
	for _, p := range l.paras {
		lines := p.lines[:0]
		for _, line := range p.lines {
			if line.text != "" {
				lines = append(lines, line)
			}
		}
		if p.lines = lines; len(lines) > 0 {
			paras = append(paras, p)
		}
	}
	l.paras = paras
}
