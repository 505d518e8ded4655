package wordpiece

import (
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// class is the role of a character.
type class uint8

const (
	letter      class = iota // part of a word
	space                    // ends a word
	punctuation              // a word of its own
	ideograph                // a letter that is a word of its own
	nothing                  // deleted
	mark                     // deleted, but nothing is reordered across it
	compound                 // becomes several characters, or one whose place depends on its neighbours
)

// character is what a rune becomes: a class and, where that is one, the rune.
type character uint32

func become(c class, r rune) character { return character(c)<<24 | character(r) }
func (c character) class() class       { return class(c >> 24) }
func (c character) rune() rune         { return rune(c & 0xffffff) }

// characters knows what each rune becomes, in blocks of 256 that are made when
// one of them is first needed.
type characters struct {
	options Options
	blocks  [(unicode.MaxRune + 1) >> 8]atomic.Pointer[[256]character]
}

func (c *characters) of(r rune) character {
	b := c.blocks[r>>8].Load()
	if b == nil {
		b = new([256]character)
		for i := range b {
			b[i] = c.derive(r&^0xff + rune(i))
		}
		c.blocks[r>>8].Store(b) // two that come here at once make the same
	}
	return b[r&0xff]
}

// derive applies the rules to one rune.
func (c *characters) derive(r rune) character {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return become(space, ' ')
	case dropped(r):
		return become(nothing, 0)
	case unicode.IsSpace(r):
		return become(space, ' ')
	}
	var buf, keep [8]rune
	parts, kept := c.expand(buf[:0], r), keep[:0]
	starters := 0
	for _, p := range parts {
		starter := !c.options.StripAccents || combiningClass(p) == 0
		if starter {
			starters++
		}
		stripped := c.options.StripAccents && unicode.Is(nonspacingMarks, p)
		if !stripped {
			kept = append(kept, p)
		}
		if !starter && !stripped || starter && stripped && len(parts) > 1 {
			return become(compound, 0) // it takes part in reordering
		}
	}
	switch {
	case len(kept) > 1:
		return become(compound, 0)
	case len(kept) == 0 && starters > 0:
		return become(mark, 0)
	case len(kept) == 0:
		return become(nothing, 0)
	case c.options.HandleChineseChars && isIdeograph(r):
		return become(ideograph, kept[0])
	}
	only := c.lower(kept[0])
	return become(classify(only), only)
}

// expand appends what r is decomposed into, as the options say.
func (c *characters) expand(runes []rune, r rune) []rune {
	switch {
	case c.options.StripAccents:
		return appendDecomposition(runes, r)
	case c.options.Lowercase && r == 'İ':
		return append(runes, 'i', '\u0307') // the only one whose lower case is two
	}
	return append(runes, r)
}

func (c *characters) lower(r rune) rune {
	if !c.options.Lowercase {
		return r
	}
	return unicode.ToLower(r)
}

// appendDecomposition appends the canonical decomposition (NFD) of r.
func appendDecomposition(runes []rune, r rune) []rune {
	const first, vowels, finals = 0xac00, 21, 28 // of Hangul: The Unicode Standard, §3.12
	if i := r - first; i >= 0 && i < 19*vowels*finals {
		runes = append(runes, 0x1100+i/(vowels*finals), 0x1161+i/finals%vowels)
		if i%finals > 0 {
			runes = append(runes, 0x11a7+i%finals)
		}
		return runes
	}
	var buf [utf8.UTFMax]byte
	p := norm.NFD.Properties(buf[:utf8.EncodeRune(buf[:], r)])
	d := p.Decomposition()
	if d == nil {
		return append(runes, r)
	}
	for _, part := range string(d) {
		runes = append(runes, part)
	}
	return runes
}

// combiningClass returns the Canonical_Combining_Class; 0 for a starter, which
// has a fixed place.
func combiningClass(r rune) uint8 {
	var buf [utf8.UTFMax]byte
	return norm.NFD.Properties(buf[:utf8.EncodeRune(buf[:], r)]).CCC()
}

// dropped reports whether r is deleted: U+0000, U+FFFD and the categories Cc,
// Cf and Co. Unassigned code points (Cn) and surrogates stay. U+000B, U+000C
// and U+0085 are white space to Unicode but control characters here.
func dropped(r rune) bool {
	return r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Co, formatCharacters)
}

// isIdeograph reports whether r is in one of the CJK ideograph blocks that BERT
// separates; kana, Hangul and later extensions are not among them. The gap
// before U+2B920, inside extension E, is the reference tokenizer's.
func isIdeograph(r rune) bool {
	return r >= 0x3400 && (r <= 0x4dbf ||
		r >= 0x4e00 && r <= 0x9fff ||
		r >= 0xf900 && r <= 0xfaff ||
		r >= 0x20000 && r <= 0x2a6df ||
		r >= 0x2a700 && r <= 0x2b73f ||
		r >= 0x2b740 && r <= 0x2b81f ||
		r >= 0x2b920 && r <= 0x2ceaf ||
		r >= 0x2f800 && r <= 0x2fa1f)
}

// classify returns whether r, cleaned, expanded and not deleted, is a space,
// punctuation or a letter.
func classify(r rune) class {
	switch {
	case r < utf8.RuneSelf:
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return letter
		}
		return punctuation // the symbols, too; spaces and control characters are gone
	case unicode.IsSpace(r):
		return space
	case unicode.Is(punctuationMarks, r):
		return punctuation
	}
	return letter
}
