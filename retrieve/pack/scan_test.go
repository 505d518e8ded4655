package pack

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// TestScan compares what looks at eight bytes at once with what looks at each
// code point.
func TestScan(t *testing.T) {
	lineOf := func(s string) string {
		visible := strings.Map(func(r rune) rune {
			if invisible(r) && !unicode.IsSpace(r) {
				return -1
			}
			return r
		}, s)
		return strings.Join(strings.Fields(visible), " ")
	}
	check := func(s string) {
		t.Helper()
		if got, want := runes(s), utf8.RuneCountInString(s); got != want {
			t.Fatalf("runes(%q) = %d, want %d", s, got, want)
		}
		if got := hides(s); got != strings.ContainsFunc(s, invisible) {
			t.Fatalf("hides(%q) = %v", s, got)
		}
		if isLine(s) && lineOf(s) != s {
			t.Fatalf("isLine(%q), but it is %q on one line", s, lineOf(s))
		}
	}
	for b := range 256 { // each byte at each place of a group
		for at := range 9 {
			plain := []byte("a plain line")
			plain[at] = byte(b)
			check(string(plain))
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	parts := append([]string{"\x00", "\x1f", "\x7f", "\xff", "é", "\xe6\x97", "eight by"}, fragments...)
	for range 5000 {
		var b strings.Builder
		for range r.IntN(8) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		check(b.String())
	}
	if !isLine("A title (x)") || isLine(" a") || isLine("a ") || isLine("a  b") || !isLine("") {
		t.Error("isLine does not know a line")
	}
}
