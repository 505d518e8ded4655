package tokens

import (
	"unicode"
	"unicode/utf8"
)

// A seam is a place in a text at which a rule always splits, whatever is in front
// and behind: pieces on either side are the same as in the parts alone, so that
// Count(s) == Count(s[:i]) + Count(s[i:]). There are two kinds:
//
//   - behind a line feed, in front of what is neither white space nor a slash:
//     line feeds only end pieces, and but for "/" (o200k_base) end them for good.
//     GPT-2's rule has none of these: what follows splits white space in front of
//     it, "\n\n" in two;
//   - between what is not white space and a space: a space only begins a piece,
//     or stands among white space. By GPT-2's rule that goes for any white space.
//
// That makes counts of long texts out of those of their parts, see [Counter.FirstSeam].

// FirstSeam returns the first offset inside s at which counts add up, len(s)
// where there is none: for every text a, Count(a+s) is Count(a+s[:i]) +
// Count(s[i:]). A bound has no seams.
func (c *Counter) FirstSeam(s string) int {
	if c.perToken > 0 {
		return len(s)
	}
	for i := 1; i < len(s); i++ {
		if c.rule.seam(s, i) {
			return i
		}
	}
	return len(s)
}

// LastSeam returns the last offset inside s at which counts add up, 0 where there
// is none: for every text b, Count(s+b) is Count(s[:i]) + Count(s[i:]+b). A bound
// has no seams.
func (c *Counter) LastSeam(s string) int {
	if c.perToken > 0 {
		return 0
	}
	for i := len(s) - 1; i > 0; i-- {
		if c.rule.seam(s, i) {
			return i
		}
	}
	return 0
}

// seam reports whether s, which is longer than i > 0, has a seam at i. Beside a
// byte that is not valid UTF-8 there is none: with what is around s it may be a
// space.
func (r rule) seam(s string, i int) bool {
	switch {
	case s[i-1] == '\n':
		if r == gpt2 {
			return false
		}
		if s[i] < utf8.RuneSelf {
			return s[i] != '/' && ascii[s[i]]&space == 0
		}
		behind, n := utf8.DecodeRuneInString(s[i:])
		return n > 1 && !unicode.IsSpace(behind)
	case s[i] != ' ' && (r != gpt2 || ascii[s[i]]&space == 0):
		return false
	case s[i-1] < utf8.RuneSelf:
		return ascii[s[i-1]]&space == 0
	}
	before, n := utf8.DecodeLastRuneInString(s[:i])
	return n > 1 && !unicode.IsSpace(before)
}
