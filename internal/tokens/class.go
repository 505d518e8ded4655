package tokens

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

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
	beyond                    // ASCII: only in the table of single bytes

	letter    = upper | lower | caseles
	wordUpper = upper | caseles | mark
	wordLower = lower | caseles | mark
)

// classes holds the classes of all code points, 256 to a page; nil is a page of
// code points without any. fillClasses must have returned before it is read.
var classes [(unicode.MaxRune + 1) / 256]*[256]class

// ascii holds the same by byte, [beyond] for those that aren't ASCII.
var ascii [256]class

var fillClasses = sync.OnceFunc(func() {
	for _, set := range []struct {
		table *unicode.RangeTable
		class class
	}{
		{unicode.Lu, upper}, {unicode.Lt, upper}, {unicode.Ll, lower}, {unicode.Lm, caseles}, {unicode.Lo, caseles},
		{unicode.M, mark}, {unicode.N, number}, {unicode.White_Space, space},
	} {
		for _, r := range set.table.R16 {
			addClass(rune(r.Lo), rune(r.Hi), rune(r.Stride), set.class)
		}
		for _, r := range set.table.R32 {
			addClass(rune(r.Lo), rune(r.Hi), rune(r.Stride), set.class)
		}
	}
	addClass('\n', '\r', '\r'-'\n', newline)
	for b := range ascii {
		ascii[b] = beyond
		if b < utf8.RuneSelf {
			ascii[b] = classes[0][b]
		}
	}
})

// addClass adds c to the classes of every stride-th code point from lo to hi.
func addClass(lo, hi, stride rune, c class) {
	for r := lo; r <= hi; r += stride {
		page := &classes[r>>8]
		if *page == nil {
			*page = new([256]class)
		}
		(*page)[r&0xFF] |= c
	}
}

// at returns the class and the width of the code point at i; width 0 and no
// class at the end of s.
func at(s string, i int) (class, int) {
	if i >= len(s) {
		return 0, 0
	}
	if c := ascii[s[i]]; c != beyond {
		return c, 1
	}
	return wideAt(s, i)
}

// wideAt does the same for a code point that isn't ASCII.
func wideAt(s string, i int) (class, int) {
	r, n := utf8.DecodeRuneInString(s[i:])
	if page := classes[r>>8]; page != nil {
		return page[r&0xFF], n
	}
	return 0, n
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

// asciiRun does the same as far as the run is ASCII.
func asciiRun(s string, i int, set class) int {
	for i < len(s) && ascii[s[i]]&set != 0 {
		i++
	}
	return i
}
