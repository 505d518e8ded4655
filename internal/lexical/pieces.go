package lexical

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/unicode/rangetable"
)

// pieces calls f with what phrases are made of: the words of s, but of writing that
// does not separate words each letter alone, with the marks on it. Such letters have
// no case, and nothing folds them. Beside one a word begins as it does beside a space.
func (a *Analyzer) pieces(s string, f func(piece string, alone bool)) {
	start, alone := -1, false // of the piece at hand, -1: none
	for i, n := 0, 0; i < len(s); i += n {
		separates, single := false, false
		if c := s[i]; c < utf8.RuneSelf {
			separates, n = a.separators[c], 1
			if !separates && !alone && start >= 0 {
				continue
			}
		} else {
			var r rune
			r, n = utf8.DecodeRuneInString(s[i:])
			switch {
			case commonUnspaced(r):
				single = true
			case start >= 0 && alone && isMark(r):
				continue
			default:
				separates = r == utf8.RuneError && n == 1 || a.boundary()(r)
				single = !separates && Unspaced(r)
			}
		}
		if start >= 0 && (separates || single || alone) {
			f(s[start:i], alone)
			start = -1
		}
		if !separates && start < 0 {
			start, alone = i, single
		}
	}
	if start >= 0 {
		f(s[start:], alone)
	}
}

// isMark reports whether r makes another letter of the one before it. A variation
// selector chooses between shapes of the same letter.
func isMark(r rune) bool {
	return unicode.Is(unicode.M, r) && !unicode.Is(unicode.Variation_Selector, r)
}

// Unspaced reports whether r belongs to writing that does not separate words by
// spaces: Chinese, Japanese, Thai, Lao, Khmer and Burmese.
func Unspaced(r rune) bool {
	return r >= 0x0e00 && (commonUnspaced(r) || unicode.Is(unspaced, r))
}

// unspaced are the scripts, and the letters that Unicode counts to no script as both
// kana have them: the marks of length, voicing and repetition.
var unspaced = rangetable.Merge(unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
	rangetable.New('〆', '〱', '〲', '〳', '〴', '〵', '〼', 'ー', 'ｰ', 'ﾞ', 'ﾟ'))

// commonUnspaced reports whether r is one of the letters that most Chinese and
// Japanese is written with, faster than any table.
func commonUnspaced(r rune) bool {
	return r >= 0x3041 && (r <= 0x3096 || r >= 0x30a1 && r <= 0x30fa || r == 'ー' || r >= 0x4e00 && r <= 0x9fff)
}

const softHyphen = '\u00ad'

// composed returns s with composed letters (Unicode's normalization form C) and
// without soft hyphens, which say where a word may be broken and are no part of it.
// Mostly that is s.
func composed(s string) string {
	if isComposed(s) {
		return s
	}
	return norm.NFC.String(strings.ReplaceAll(s, string(softHyphen), ""))
}

// isComposed reports whether composed changes nothing, as far as can be seen at a
// glance: of Latin letters and of what commonUnspaced knows.
func isComposed(s string) bool {
	for i := 0; i < len(s); {
		for i+8 <= len(s) && (s[i]|s[i+1]|s[i+2]|s[i+3]|s[i+4]|s[i+5]|s[i+6]|s[i+7]) < utf8.RuneSelf {
			i += 8
		}
		for end := min(i+8, len(s)); i < end; {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r >= 0x0300 && !commonUnspaced(r) || r == softHyphen {
				return false
			}
			i += n
		}
	}
	return true
}
