package text

import (
	"strconv"
	"strings"
	"unicode"
)

// Printable returns s, which comes from a document or another program, for a line
// of a terminal: control characters are escaped, so that they neither break the
// line nor reach the terminal as commands, and so are those that make text read in
// another direction than it stands.
func Printable(s string) string {
	if !strings.ContainsFunc(s, commands) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if commands(r) {
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func commands(r rune) bool {
	return unicode.IsControl(r) || '\u202A' <= r && r <= '\u202E' || '\u2066' <= r && r <= '\u2069'
}
