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

// frame is what stands around the texts of one context.
type frame struct {
	template *Template // nil: the plain one
	brackets int       // around labels of the plain one
}

// header returns what stands in front of the text of s.
func (f frame) header(s *segment, label string) string {
	if f.template != nil {
		return f.template.render(f.template.header, s, label)
	}
	return strings.Repeat("[", f.brackets) + label + strings.Repeat("]", f.brackets) + " " + description(s) + "\n"
}

// footer returns what stands behind it, but for the separator.
func (f frame) footer(s *segment) string {
	if f.template == nil {
		return ""
	}
	return f.template.render(f.template.footer, s, "")
}

// render writes segments in their order, and tells where the text of each
// begins, in bytes.
func (f frame) render(segments []*segment) (context string, starts []int) {
	var b strings.Builder
	for i, s := range segments {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(f.header(s, strconv.Itoa(i+1)))
		starts = append(starts, b.Len())
		b.WriteString(applyEdits(s.text, s.edits))
		b.WriteString(f.footer(s))
	}
	return b.String(), starts
}

// blockCost estimates what s costs in a context, without the digits of its label.
func (p *packing) blockCost(s *segment) int {
	const label = "0"
	header, tail := p.frame.header(s, label), p.frame.footer(s)+separator
	digits := p.meter.count(label)
	if len(s.edits) > 0 || lastSeam(s.text) == 0 { // what is in front and what is behind may meet
		return p.meter.count(header+applyEdits(s.text, s.edits)+tail) - digits
	}
	return p.meter.count(header) - digits + s.textCost + p.meter.joint(header, "", s.text) + p.meter.joint(s.text, tail, "")
}

// description says where s comes from, on one line.
func description(s *segment) string {
	where := line(string(s.doc), maxIDRunes)
	if p := pages(s); p != "" {
		where += ", p. " + p
	}
	if name := names(s.title, s.heading); len(name) > 0 {
		return strings.Join(name, " > ") + " (" + where + ")"
	}
	return where
}

// names returns the title and the headings, each on one line, without blank
// ones and what repeats the one before.
func names(title string, heading []string) []string {
	var name []string
	for _, n := range append([]string{title}, heading[:min(len(heading), maxHeadings)]...) {
		if n = line(n, maxNameRunes); n != "" && (len(name) == 0 || name[len(name)-1] != n) {
			name = append(name, n)
		}
	}
	return name
}

// pages returns "3", "3-4", or "" where there are none.
func pages(s *segment) string {
	switch {
	case s.pageStart == 0:
		return ""
	case s.pageEnd <= s.pageStart:
		return strconv.Itoa(s.pageStart)
	}
	return strconv.Itoa(s.pageStart) + "-" + strconv.Itoa(s.pageEnd)
}

// line returns s on one line, cut to limit code points: runs of white space
// become one space, invisible characters vanish.
func line(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case invisible(r):
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
		case unicode.IsSpace(r) || invisible(r):
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
