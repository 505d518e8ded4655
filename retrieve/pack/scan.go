package pack

import "unicode/utf8"

// Every text that is offered is looked through for what a frame must care about,
// packed or not. Most of it is plain English, which is soon found out, by eight
// bytes at once where it is long.

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// eight returns the eight bytes of s at i.
func eight(s string, i int) uint64 {
	b := s[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// runes returns the number of code points of s.
func runes(s string) int {
	n := 0
	for i := 0; i < len(s); {
		if i+8 <= len(s) && eight(s, i)&highs == 0 {
			i, n = i+8, n+8
			continue
		}
		for end := min(i+8, len(s)); i < end; n++ {
			_, width := utf8.DecodeRuneInString(s[i:])
			i += width
		}
	}
	return n
}

// offset returns where in s the code point n begins, in bytes; len(s) where s has no
// more than n.
func offset(s string, n int) int {
	i := 0
	for n > 0 && i < len(s) {
		if n >= 8 && i+8 <= len(s) && eight(s, i)&highs == 0 {
			i, n = i+8, n-8
			continue
		}
		_, width := utf8.DecodeRuneInString(s[i:])
		i, n = i+width, n-1
	}
	return i
}

// hides reports whether s has an invisible character.
func hides(s string) bool {
	for i := 0; i < len(s); {
		if i+8 <= len(s) && printable(eight(s, i)) {
			i += 8
			continue
		}
		for end := min(i+8, len(s)); i < end; {
			r, width := utf8.DecodeRuneInString(s[i:])
			if invisible(r) {
				return true
			}
			i += width
		}
	}
	return false
}

// printable reports whether all eight bytes are from ' ' to '~'.
func printable(w uint64) bool {
	below := w - ' '*lows // borrows from the high bit where a byte is less
	above := w + lows     // carries into it where a byte is 0x7F
	return (w|below|above)&highs == 0
}

// isLine reports whether s is visible ASCII with single spaces between words: what
// most titles are.
func isLine(s string) bool {
	space := true // before s
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == ' ' && space {
			return false
		}
		space = s[i] == ' '
	}
	return s == "" || !space
}
