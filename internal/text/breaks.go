package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
	"github.com/clipperhouse/uax29/v2/words"
)

// Blank reports whether s holds nothing but white space (unicode.IsSpace).
// The empty string is blank.
func Blank(s string) bool { return strings.TrimSpace(s) == "" }

// TrimSpace returns sp without the white space at both of its ends in s.
// A blank span shrinks to the empty span at its start.
func TrimSpace(s string, sp Span) Span {
	body := s[sp.Start:sp.End]
	left := len(body) - len(strings.TrimLeftFunc(body, unicode.IsSpace))
	if left == len(body) {
		return Span{sp.Start, sp.Start}
	}
	right := len(strings.TrimRightFunc(body, unicode.IsSpace))
	return Span{sp.Start + left, sp.Start + right}
}

// Words splits s where a reader would break a line. The spans tile s: each
// holds one word with the punctuation attached to it and the white space that
// follows; white space at the start of s belongs to the first. nil for "".
//
// In scripts written without spaces the pieces of Unicode Standard Annex 29 are
// taken, with punctuation kept beside its word: single characters in Han,
// Hiragana, Thai, Lao, Khmer and Myanmar, whose words only a dictionary knows,
// and runs of Katakana.
func Words(s string) []Span {
	var out []Span
	start := 0
	var prev rune // last code point of the piece before
	for it := words.FromString(s); it.Next(); {
		first, _ := utf8.DecodeRuneInString(it.Value())
		if it.Start() > start && breakable(prev, first) && !Blank(s[start:it.Start()]) {
			out = append(out, Span{start, it.Start()})
			start = it.Start()
		}
		prev, _ = utf8.DecodeLastRuneInString(it.Value())
	}
	if start < len(s) {
		out = append(out, Span{start, len(s)})
	}
	return out
}

// breakable reports whether a line may be broken between the word pieces that
// end in prev and begin with next.
func breakable(prev, next rune) bool {
	switch {
	case unicode.IsSpace(next):
		return false
	case unicode.IsSpace(prev):
		return true
	case unicode.IsPunct(next) && !unicode.In(next, unicode.Ps, unicode.Pi):
		return false
	case unicode.In(prev, unicode.Ps, unicode.Pi):
		return false
	}
	return unspaced(prev) || unspaced(next)
}

// unspaced reports whether r belongs to writing that does not separate words
// by spaces.
func unspaced(r rune) bool {
	return r >= 0x0e00 && (unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) ||
		r >= 0x3000 && r <= 0x303f || r >= 0xff00 && r <= 0xff65) // CJK and full-width punctuation
}

// Graphemes splits s into user-perceived characters (Unicode Standard Annex
// 29), the smallest pieces a text may be cut into. The spans tile s; nil for "".
func Graphemes(s string) []Span {
	var out []Span
	for it := graphemes.FromString(s); it.Next(); {
		out = append(out, Span{it.Start(), it.End()})
	}
	return out
}
