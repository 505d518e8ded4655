package pack

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Longest parts of a header, in code points. They keep a document from filling
// the budget with its title.
const (
	maxNameRunes = 120 // title, each heading
	maxIDRunes   = 200
	maxHeadings  = 6
)

// separator stands between two segments.
const separator = "\n\n"

// render writes segments in their order.
func (p *packing) render(segments []*segment) string {
	var b strings.Builder
	for i, s := range segments {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(openLabel(p.brackets, i+1))
		b.WriteString(closeLabel(p.brackets, s))
		b.WriteString(s.text)
	}
	return b.String()
}

// blockCost estimates what s costs in a context, without its label.
func (p *packing) blockCost(s *segment) int {
	header := closeLabel(p.brackets, s)
	if lastSeam(s.text) == 0 { // what is in front and what is behind may meet
		return p.meter.count(header + s.text + separator)
	}
	return p.meter.count(header) + s.textCost + p.meter.joint(header, "", s.text) + p.meter.joint(s.text, separator, "")
}

// openLabel returns the beginning of a header, up to the label.
func openLabel(brackets, n int) string { return strings.Repeat("[", brackets) + strconv.Itoa(n) }

// closeLabel returns the rest of the header line behind the label.
func closeLabel(brackets int, s *segment) string {
	var b strings.Builder
	b.WriteString(strings.Repeat("]", brackets))
	var name []string
	if title := line(s.title, maxNameRunes); title != "" {
		name = append(name, title)
	}
	for _, h := range s.heading[:min(len(s.heading), maxHeadings)] {
		if h = line(h, maxNameRunes); h != "" && (len(name) == 0 || name[len(name)-1] != h) {
			name = append(name, h)
		}
	}
	where := line(string(s.doc), maxIDRunes)
	switch {
	case s.pageStart == 0:
	case s.pageEnd <= s.pageStart:
		where += ", p. " + strconv.Itoa(s.pageStart)
	default:
		where += ", p. " + strconv.Itoa(s.pageStart) + "-" + strconv.Itoa(s.pageEnd)
	}
	b.WriteByte(' ')
	if len(name) == 0 {
		b.WriteString(where)
	} else {
		b.WriteString(strings.Join(name, " > ") + " (" + where + ")")
	}
	b.WriteByte('\n')
	return b.String()
}

// line returns s on one line, cut to limit code points: runs of white space
// become one space, other control and format characters vanish.
func line(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf):
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	n := 0
	for at := range s {
		if n++; n == limit {
			return strings.TrimSpace(s[:at]) + "…"
		}
	}
	return s // unreachable: s has more than limit code points
}

// freeBrackets returns the smallest number of brackets, from least, with which
// no line of any text begins like a header.
func freeBrackets(chunks []Chunk, least int) int {
	taken := map[int]bool{}
	for _, ch := range chunks {
		for n := range leadingBrackets(ch.Text) {
			taken[n] = true
		}
	}
	for taken[least] {
		least++
	}
	return least
}

// leadingBrackets returns for which n a line of s begins with n opening
// brackets and a digit, white space and invisible characters not counted.
func leadingBrackets(s string) map[int]bool {
	var taken map[int]bool
	n := 0 // brackets at the beginning of the line; -1: its beginning is over
	for _, r := range s {
		switch {
		case endsLine(r):
			n = 0
		case n < 0:
		case r == '[':
			n++
		case unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf):
		default:
			if n > 0 && unicode.IsNumber(r) {
				if taken == nil {
					taken = map[int]bool{}
				}
				taken[n] = true
			}
			n = -1
		}
	}
	return taken
}

func endsLine(r rune) bool {
	switch r {
	case '\n', '\r', '\v', '\f', '\u0085', '\u2028', '\u2029':
		return true
	}
	return false
}
