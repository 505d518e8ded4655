package tokens

import (
	"unicode"
	"unicode/utf8"
)

// The two pre-tokenisation rules, as OpenAI publishes them:
//
//	cl100k_base  (?i:'s|'t|'re|'ve|'m|'ll|'d)
//	             |[^\r\n\p{L}\p{N}]?\p{L}+
//	             |\p{N}{1,3}
//	             | ?[^\s\p{L}\p{N}]+[\r\n]*
//	             |\s*[\r\n]+|\s+(?!\S)|\s+
//	o200k_base   [^\r\n\p{L}\p{N}]?U*W+C?
//	             |[^\r\n\p{L}\p{N}]?U+W*C?
//	             |\p{N}{1,3}
//	             | ?[^\s\p{L}\p{N}]+[\r\n/]*
//	             |\s*[\r\n]+|\s+(?!\S)|\s+
//	             U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], W = [\p{Ll}\p{Lm}\p{Lo}\p{M}],
//	             C = (?i:'s|'t|'re|'ve|'m|'ll|'d)
//
// They're matched by hand, because a backtracking engine takes most of the
// time of a count. Each function below returns the end of the leftmost-first
// match at i; every code point is matched by some alternative, so the pieces
// tile the text.

// class is a set of the properties that the rules ask about.
type class uint8

const (
	upper   class = 1 << iota // Lu, Lt
	lower                     // Ll
	caseles                   // Lm, Lo: in U and in W
	mark                      // M: in U and in W, but not a letter
	number                    // N
	space                     // \s
	newline                   // \r, \n

	letter    = upper | lower | caseles
	wordUpper = upper | caseles | mark
	wordLower = lower | caseles | mark
)

var ascii = func() (t [utf8.RuneSelf]class) {
	for r := range t {
		t[r] = classify(rune(r))
	}
	return t
}()

func classify(r rune) class {
	switch {
	case unicode.Is(unicode.Ll, r):
		return lower
	case unicode.In(r, unicode.Lu, unicode.Lt):
		return upper
	case unicode.In(r, unicode.Lo, unicode.Lm):
		return caseles
	case unicode.IsMark(r):
		return mark
	case unicode.IsNumber(r):
		return number
	case r == '\r' || r == '\n':
		return space | newline
	case unicode.IsSpace(r):
		return space
	}
	return 0
}

// at returns the class and the width of the code point at i; width 0 and no
// class at the end of s.
func at(s string, i int) (class, int) {
	if i >= len(s) {
		return 0, 0
	}
	if c := s[i]; c < utf8.RuneSelf {
		return ascii[c], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return classify(r), n
}

// run returns the end of the longest run of code points with a property of set.
func run(s string, i int, set class) int {
	for i < len(s) {
		c, n := at(s, i)
		if c&set == 0 {
			break
		}
		i += n
	}
	return i
}

func splitCL100K(s string, i int) int {
	c, n := at(s, i)
	if j := contraction(s, i); j > i {
		return j
	}
	if c&letter != 0 {
		return run(s, i+n, letter)
	}
	if c&(newline|number) == 0 {
		if j := run(s, i+n, letter); j > i+n {
			return j
		}
	}
	return splitRest(s, i, false)
}

func splitO200K(s string, i int) int {
	c, n := at(s, i)
	p := i
	if c&(newline|letter|number) == 0 {
		p += n
	}
	j := capitalised(s, p)
	if j == p && c&mark != 0 {
		// A mark may be the optional first code point or a part of the word.
		p = i
		j = capitalised(s, p)
	}
	if j == p {
		j = run(s, p, wordUpper)
	}
	if j == p {
		return splitRest(s, i, true)
	}
	if k := contraction(s, j); k > j {
		return k
	}
	return j
}

// capitalised matches U*W+ at i; it returns i where that doesn't match.
//
// U* first takes the whole run of U. If a lower-case letter follows, W+ starts
// there. If not, the engine backs off to the last code point of the run that is
// also in W, and stops after it: "日本NHK" is "日本" and "NHK".
func capitalised(s string, i int) int {
	j, lastBoth := i, i // lastBoth: end of the last code point in U and in W
	for j < len(s) {
		c, n := at(s, j)
		if c&wordUpper == 0 {
			break
		}
		j += n
		if c&upper == 0 {
			lastBoth = j
		}
	}
	if k := run(s, j, wordLower); k > j {
		return k
	}
	return lastBoth
}

// splitRest matches the alternatives that both rules share: numbers,
// punctuation and white space. slash tells whether "/" may follow punctuation.
func splitRest(s string, i int, slash bool) int {
	c, n := at(s, i)
	if c&number != 0 {
		j := i + n
		for k := 1; k < 3; k++ {
			c, n := at(s, j)
			if c&number == 0 {
				break
			}
			j += n
		}
		return j
	}
	p := i
	if s[i] == ' ' {
		p++
	}
	if j := punctuation(s, p); j > p {
		for j < len(s) && (s[j] == '\r' || s[j] == '\n' || slash && s[j] == '/') {
			j++
		}
		return j
	}
	return whiteSpace(s, i)
}

// punctuation returns the end of the run of [^\s\p{L}\p{N}] at i.
func punctuation(s string, i int) int {
	for i < len(s) {
		c, n := at(s, i)
		if c&(letter|number|space) != 0 {
			break
		}
		i += n
	}
	return i
}

// whiteSpace matches \s*[\r\n]+|\s+(?!\S)|\s+ at i, where white space starts:
// up to the last line break of the run if it has one; else the run without its
// last code point, which goes with the word that follows; else the run.
func whiteSpace(s string, i int) int {
	j, last, lastBreak := i, i, i
	for j < len(s) {
		c, n := at(s, j)
		if c&space == 0 {
			break
		}
		last = j
		j += n
		if c&newline != 0 {
			lastBreak = j
		}
	}
	switch {
	case lastBreak > i:
		return lastBreak
	case j < len(s) && last > i:
		return last
	}
	return j
}

// contraction matches (?i:'s|'t|'re|'ve|'m|'ll|'d) at i; it returns i where it
// doesn't.
func contraction(s string, i int) int {
	if i+1 >= len(s) || s[i] != '\'' {
		return i
	}
	switch a := s[i+1] | 0x20; a {
	case 's', 't', 'm', 'd':
		return i + 2
	case 'r', 'v', 'l':
		if i+2 < len(s) {
			b := s[i+2] | 0x20
			if a == 'l' && b == 'l' || a != 'l' && b == 'e' {
				return i + 3
			}
		}
	}
	return i
}
