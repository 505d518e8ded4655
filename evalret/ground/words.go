package ground

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/text"
)

// words returns the words of s: runs of letters and digits, with the marks
// that join them inside ("don't", "3.5", "10,000", "well-known" is two).
func words(s string) []text.Span {
	var out []text.Span
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if !wordRune(r) {
			i += n
			continue
		}
		start := i
		i = wordEnd(s, i)
		out = append(out, text.Span{Start: start, End: i})
	}
	return out
}

func wordRune(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Mn, r))
}

// wordEnd returns where the word that starts at i ends.
func wordEnd(s string, i int) int {
	var prev rune
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		if !wordRune(r) {
			next, _ := utf8.DecodeRuneInString(s[i+n:])
			if !joins(r, prev, next) {
				break
			}
		}
		prev = r
		i += n
	}
	return i
}

// joins reports whether mark between prev and next is part of a word: an
// apostrophe between letters, a point or comma between digits.
func joins(mark, prev, next rune) bool {
	switch mark {
	case '\'', '’':
		return unicode.IsLetter(prev) && unicode.IsLetter(next)
	case '.', ',':
		return unicode.IsDigit(prev) && unicode.IsDigit(next)
	}
	return false
}

// fold returns a word in lower case with plain apostrophes.
func fold(w string) string {
	return strings.ToLower(strings.ReplaceAll(w, "’", "'"))
}
