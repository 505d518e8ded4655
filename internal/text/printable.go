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
func Printable(s string) string { return escaped(s, commands) }

// PrintableLines is Printable for text of several lines: line feeds and tabs stay.
func PrintableLines(s string) string {
	return escaped(s, func(r rune) bool { return r != '\n' && r != '\t' && commands(r) })
}

func escaped(s string, which func(rune) bool) string {
	if !strings.ContainsFunc(s, which) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if which(r) {
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
