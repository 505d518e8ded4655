package lexical

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// words calls f with each word of s.
func (a *Analyzer) words(s string, f func(word string)) {
	start := -1
	for i, n := 0, 0; i < len(s); i += n {
		separates := false
		if c := s[i]; c < utf8.RuneSelf {
			separates, n = a.separators[c], 1
		} else {
			var r rune
			r, n = utf8.DecodeRuneInString(s[i:])
			separates = r == utf8.RuneError && n == 1 || a.boundary()(r)
		}
		switch {
		case separates:
			if start >= 0 {
				f(s[start:i])
			}
			start = -1
		case start < 0:
			start = i
		}
	}
	if start >= 0 {
		f(s[start:])
	}
}

// boundary returns the function that tells what separates words.
func (a *Analyzer) boundary() func(rune) bool {
	if a.p.Tokenizer == Whitespace {
		return unicode.IsSpace
	}
	return notAlphanumeric
}

// notAlphanumeric is the negation of Unicode's Alphabetic or Numeric.
// Alphabetic is more than letters: the vowel signs of Devanagari, letter
// numbers, circled letters.
func notAlphanumeric(r rune) bool {
	if r < utf8.RuneSelf {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
	}
	return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.Is(unicode.Other_Alphabetic, r)
}

// lower is Unicode's full lower-casing, where strings.ToLower is the simple
// one: they differ in two letters. İ becomes two code points, and Σ becomes ς
// at the end of a word.
func lower(s string) string {
	if !strings.ContainsAny(s, "İΣ") {
		return strings.ToLower(s)
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == 'İ':
			b.WriteString("i\u0307")
		case r == 'Σ' && finalSigma(s, i):
			b.WriteRune('ς')
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// finalSigma is the condition Final_Sigma of the Unicode Standard, table 3-17,
// for the Σ at i: a cased letter before it and none after, whatever
// case-ignorable code points stand between.
func finalSigma(s string, i int) bool {
	before := false
	for rest := s[:i]; rest != ""; {
		r, n := utf8.DecodeLastRuneInString(rest)
		if !caseIgnorable(r) {
			before = cased(r)
			break
		}
		rest = rest[:len(rest)-n]
	}
	if !before {
		return false
	}
	for _, r := range s[i+len("Σ"):] {
		if !caseIgnorable(r) {
			return !cased(r)
		}
	}
	return true
}

func cased(r rune) bool {
	return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

func caseIgnorable(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) ||
		strings.ContainsRune("'.:·\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a", r)
}

// firstRunes returns the first n code points of s, or s if it has fewer.
func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
