package pack

import "unicode"

// What a reader does not see cannot tell two lines apart for him, so every comparison
// with a frame passes over it. Three kinds are told apart, as a title that becomes one
// line needs: white space, which Unicode says; what is blank although Unicode calls it
// a symbol, a mark or a letter; and what takes no room.

// nothing has the properties of what takes no room on a page, white space aside: format
// and control characters, what is ignored by default where a font has nothing for it
// (variation selectors, fillers of Hangul, joiners, code points kept for more of the
// kind), and what will never be a character. More than what Unicode derives as
// Default_Ignorable_Code_Point, which leaves out format characters that some fonts show.
var nothing = []*unicode.RangeTable{unicode.Cc, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point}

// nothingBits are those of the basic plane, one bit each: most texts are looked through
// by code point, and in most of the world's scripts.
var nothingBits = func() (bits [1 << 16 / 64]uint64) {
	for _, t := range nothing {
		for _, rs := range t.R16 {
			for r := uint32(rs.Lo); r <= uint32(rs.Hi); r += uint32(rs.Stride) {
				if !unicode.IsSpace(rune(r)) {
					bits[r/64] |= 1 << (r % 64)
				}
			}
		}
	}
	return bits
}()

// invisible reports whether r takes no room on a page and is not white space.
func invisible(r rune) bool {
	if uint32(r) < 1<<16 {
		return nothingBits[uint32(r)/64]>>(uint32(r)%64)&1 != 0
	}
	return unicode.In(r, nothing...) // no white space there
}

// white reports whether r leaves a place empty: white space, and the blanks that have
// no property to know them by.
func white(r rune) bool {
	switch r {
	case '\u2800', // BRAILLE PATTERN BLANK
		'\uFFFC',                                 // OBJECT REPLACEMENT CHARACTER
		'\U00013440', '\U00013441', '\U00013442', // EGYPTIAN HIEROGLYPH MIRROR HORIZONTALLY, FULL BLANK, HALF BLANK
		'\U00016FE4', // KHITAN SMALL SCRIPT FILLER
		'\U0001D159': // MUSICAL SYMBOL NULL NOTEHEAD
		return true
	}
	return unicode.IsSpace(r)
}

// unseen reports whether a reader sees nothing of r.
func unseen(r rune) bool { return invisible(r) || white(r) }

// Ends of lines. Every reader knows the line feed; the others are ends to some and
// nothing to see for the rest.
const (
	lineFeed  = iota
	carriage  // carriage return
	control   // control characters of old, as Python has them
	separates // U+0085, U+2028 and U+2029
	lineEnds  // number of the above
	goesOn    = -1
)

// lineEnd returns the kind of end that r is, or goesOn.
func lineEnd(r rune) int {
	switch r {
	case '\n':
		return lineFeed
	case '\r':
		return carriage
	case '\v', '\f', '\x1c', '\x1d', '\x1e':
		return control
	case '\u0085', '\u2028', '\u2029':
		return separates
	}
	return goesOn
}

func endsLine(r rune) bool { return lineEnd(r) != goesOn }
