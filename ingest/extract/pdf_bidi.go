package extract

import (
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
)

// maxBackStep is how far to the left, in em, a glyph of a line that is drawn
// from right to left may be: a number in it is drawn from its first digit on.
const maxBackStep = 6

// goesBack reports whether a glyph continues the line to its left, as those of
// Hebrew and Arabic do that are drawn in the order in which they are read.
func (l *pdfLines) goesBack(s string, x, end, size float64) bool {
	if x >= l.leftmost-0.1*size || end > l.leftmost+0.3*size || l.leftmost-end > maxBackStep*size {
		return false
	}
	if isRightToLeft(s) {
		last, _ := utf8.DecodeLastRune(l.b)
		return l.backwards || l.space || !isLatinOrder(last)
	}
	return l.backwards
}

// isRightToLeft reports whether s begins with a letter of a script that is
// written from right to left.
func isRightToLeft(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	if r < firstRightToLeft {
		return false
	}
	class := runeClass(r)
	return class == bidi.R || class == bidi.AL
}

// firstRightToLeft is the first letter of Hebrew; no such script comes before.
const firstRightToLeft = 0x590

// isLatinOrder reports whether r is written from left to right whatever the
// direction of the text.
func isLatinOrder(r rune) bool {
	switch runeClass(r) {
	case bidi.L, bidi.EN, bidi.AN:
		return true
	}
	return false
}

func runeClass(r rune) bidi.Class {
	p, _ := bidi.LookupRune(r)
	return p.Class()
}

// logicalOrder returns a line that is drawn from left to right in the order in
// which it is read. It undoes what a simple case of the bidirectional algorithm
// does: a line without embeddings, whose direction is that of most of its
// letters.
func logicalOrder(s string) string {
	right, left := 0, 0
	for _, r := range s {
		if r < firstRightToLeft {
			if r >= 'A' {
				left++
			}
			continue
		}
		switch runeClass(r) {
		case bidi.R, bidi.AL:
			right++
		case bidi.L:
			left++
		}
	}
	if right == 0 {
		return s
	}
	clusters := splitClusters(s)
	if right < left {
		reverseRuns(clusters, func(r rune) bool { return !isLatinOrder(r) && runeClass(r) != bidi.EN })
	} else {
		slices.Reverse(clusters)
		for i, c := range clusters {
			clusters[i] = mirrored(c)
		}
		reverseRuns(clusters, isLatinOrder)
	}
	out := make([]byte, 0, len(s))
	for _, c := range clusters {
		out = append(out, c...)
	}
	return string(out)
}

// splitClusters divides s into characters with the marks behind them.
func splitClusters(s string) []string {
	var out []string
	start := 0
	for at, r := range s {
		if at > start && (r < firstMark || runeClass(r) != bidi.NSM) {
			out = append(out, s[start:at])
			start = at
		}
	}
	return append(out, s[start:])
}

// firstMark is the first combining mark.
const firstMark = 0x300

// reverseRuns reverses each longest run of characters that begins and ends with
// one of a direction and has none of the other in between.
func reverseRuns(clusters []string, in func(rune) bool) {
	strong := func(i int) (is, other bool) {
		r, _ := utf8.DecodeRuneInString(clusters[i])
		switch runeClass(r) {
		case bidi.L, bidi.EN, bidi.AN, bidi.R, bidi.AL:
			return in(r), !in(r)
		}
		return false, false
	}
	for i := 0; i < len(clusters); i++ {
		if is, _ := strong(i); !is {
			continue
		}
		last := i
		for j := i + 1; j < len(clusters); j++ {
			is, other := strong(j)
			if other {
				break
			}
			if is {
				last = j
			}
		}
		slices.Reverse(clusters[i : last+1])
		for k := i; k <= last; k++ {
			clusters[k] = mirrored(clusters[k])
		}
		i = last
	}
}

// mirrored returns the bracket that c is drawn as in text of the other
// direction, c itself where it is none.
func mirrored(c string) string {
	if r, n := utf8.DecodeRuneInString(c); n == len(c) {
		if p, _ := bidi.LookupRune(r); p.IsBracket() {
			return bidi.ReverseString(c)
		}
	}
	return c
}
