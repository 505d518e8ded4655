package wordpiece

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// clean deletes control characters, turns white space into spaces and puts
// spaces around CJK ideographs. It must come before decomposition: deleting a
// character lets its neighbours combine. ASCII text without control characters
// is returned as it is.
func clean(text string) string {
	i := 0
	for i < len(text) && plain(text[i]) {
		i++
	}
	if i == len(text) {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + 16)
	b.WriteString(text[:i])
	for _, r := range text[i:] {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			b.WriteByte(' ')
		case dropped(r):
		case r >= utf8.RuneSelf && unicode.IsSpace(r):
			b.WriteByte(' ')
		case ideograph(r):
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func plain(c byte) bool { return c >= ' ' && c < 0x7f }

// dropped reports whether r is deleted: U+0000, U+FFFD and the categories Cc,
// Cf and Co. Unassigned code points (Cn) and surrogates stay. U+000B, U+000C
// and U+0085 are white space to Unicode but control characters here.
func dropped(r rune) bool {
	return r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Co, formatCharacters)
}

// ideograph reports whether r is in one of the CJK ideograph blocks that BERT
// separates; kana, Hangul and later extensions are not among them.
func ideograph(r rune) bool {
	return r >= 0x3400 && (r <= 0x4dbf ||
		r >= 0x4e00 && r <= 0x9fff ||
		r >= 0xf900 && r <= 0xfaff ||
		r >= 0x20000 && r <= 0x2a6df ||
		r >= 0x2a700 && r <= 0x2b73f ||
		r >= 0x2b740 && r <= 0x2b81f ||
		r >= 0x2b820 && r <= 0x2ceaf ||
		r >= 0x2f800 && r <= 0x2fa1f)
}

// decompose returns the canonical decomposition (NFD).
func decompose(text string) string {
	if norm.NFD.IsNormalString(text) {
		return text
	}
	return norm.NFD.String(text)
}

// class is the role of a decomposed character.
type class uint8

const (
	letter      class = iota // part of a word
	space                    // ends a word
	punctuation              // a word of its own
	mark                     // deleted
)

// classify returns the role of r and its lower-case form. Each character is
// lowered alone: no rule looks at its neighbours.
func classify(r rune) (class, rune) {
	if r < utf8.RuneSelf {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return letter, r
		case r >= 'A' && r <= 'Z':
			return letter, r + 'a' - 'A'
		case r == ' ':
			return space, r
		}
		return punctuation, r // control characters are gone
	}
	switch {
	case unicode.Is(nonspacingMarks, r):
		return mark, r
	case unicode.IsSpace(r):
		return space, r
	case unicode.Is(punctuationMarks, r):
		return punctuation, r
	}
	return letter, unicode.ToLower(r)
}

func appendRune(b []byte, r rune) []byte {
	if r < utf8.RuneSelf {
		return append(b, byte(r))
	}
	return utf8.AppendRune(b, r)
}
