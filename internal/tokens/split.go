package tokens

import "unicode/utf8"

// The pre-tokenisation rules, as OpenAI publishes them:
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
//	gpt2         's|'t|'re|'ve|'m|'ll|'d
//	             | ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+
//	             |\s+(?!\S)|\s+
//
// The last is GPT-2's, of p50k_base, p50k_edit and r50k_base.
//
// They're matched by hand, because a backtracking engine takes most of the
// time of a count. Each function below returns the end of the leftmost-first
// match at i; every code point is matched by some alternative, so the pieces
// tile the text.

// rule is one of them.
type rule uint8

const (
	cl100k rule = iota
	o200k
	gpt2
)

// end returns the end of the piece of s that starts at i < len(s).
func (r rule) end(s string, i int) int {
	switch r {
	case cl100k:
		return endCL100K(s, i)
	case o200k:
		return endO200K(s, i)
	}
	return endGPT2(s, i)
}

func endCL100K(s string, i int) int {
	if j := asciiLetters(s, i); j > i {
		return j
	}
	if asciiOther(s, i) && s[i] != '\'' {
		return splitRest(s, i, false)
	}
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

func endO200K(s string, i int) int {
	if j := asciiWord(s, i); j > i {
		return contraction(s, j)
	}
	if asciiOther(s, i) {
		return splitRest(s, i, true)
	}
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

func endGPT2(s string, i int) int {
	if j := contraction(s, i); j > i && ascii[s[i+1]]&lower != 0 && ascii[s[j-1]]&lower != 0 {
		return j
	}
	p := i
	if s[i] == ' ' {
		p++
	}
	switch c, n := at(s, p); {
	case c&letter != 0:
		return run(s, p+n, letter)
	case c&number != 0:
		return run(s, p+n, number)
	case c&space == 0 && n > 0:
		return punctuation(s, p+n)
	}
	j := run(s, i, space)
	if j < len(s) { // the last one stays for what follows, if it is not the only one
		if _, n := utf8.DecodeLastRuneInString(s[:j]); j-n > i {
			return j - n
		}
	}
	return j
}

// Most pieces are words, and most words are ASCII.

// asciiLetters matches [^\r\n\p{L}\p{N}]?\p{L}+ at i where it takes ASCII only,
// no contraction may come before it and ASCII follows. It returns i elsewhere.
func asciiLetters(s string, i int) int {
	first := i
	if ascii[s[i]]&(letter|number|newline|beyond) == 0 {
		if s[i] == '\'' {
			return i
		}
		first++
	}
	j := asciiRun(s, first, letter)
	if j == first || j < len(s) && s[j] >= utf8.RuneSelf {
		return i
	}
	return j
}

// asciiWord matches [^\r\n\p{L}\p{N}]?(U*W+|U+W*) at i where it takes ASCII only
// and ASCII follows. It returns i elsewhere.
func asciiWord(s string, i int) int {
	first := i
	if ascii[s[i]]&(letter|number|newline|beyond) == 0 {
		first++
	}
	j := asciiRun(s, asciiRun(s, first, upper), lower)
	if j == first || j < len(s) && s[j] >= utf8.RuneSelf {
		return i
	}
	return j
}

// asciiOther reports whether no word starts at i because there are two ASCII
// characters that aren't letters.
func asciiOther(s string, i int) bool {
	return ascii[s[i]]&(letter|beyond) == 0 && (i+1 == len(s) || ascii[s[i+1]]&(letter|beyond) == 0)
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

// splitRest matches the alternatives that cl100k and o200k share: numbers,
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
