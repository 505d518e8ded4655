package pack

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/text"
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

// render writes segments in their order, and tells where the text of each is, in
// bytes.
func (f frame) render(segments []*segment) (context string, texts []text.Span) {
	var b strings.Builder
	size := 0
	for _, s := range segments {
		size += len(s.text) + headerBytes
	}
	b.Grow(size)
	texts = make([]text.Span, len(segments))
	for i, s := range segments {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(f.header(s, strconv.Itoa(i+1)))
		texts[i].Start = b.Len()
		b.WriteString(applyEdits(s.text, s.edits))
		texts[i].End = b.Len()
		b.WriteString(f.footer(s))
	}
	return b.String(), texts
}

// headerBytes is more than most headers have.
const headerBytes = 256

// price sets what g's segment costs in a context, without the digits of its
// label, and reports whether that is at most room. Where it is not, the costs are
// only known to be more: the text of a chunk that does not fit, as most do not
// when the budget is nearly used up, is counted only as far as there is room.
func (p *packing) price(g growth, room int) bool {
	s, m := g.segment, p.meter
	alone := len(g.absorbed) == 0 // textCost is still to be found
	first, last := m.firstSeam(s.text), m.lastSeam(s.text)
	apart := len(s.edits) == 0 && last > 0 // what is in front and what is behind do not meet
	if alone && apart && m.exact != nil {
		// What is around the text costs at least nothing, but for the tokens in which
		// both may meet: no more than there are bytes up to the seams.
		most := room + m.digit + first + len(s.text) - last
		if s.textCost = m.countUpTo(s.text, most); s.textCost > most {
			return false
		}
		alone = false
	}
	header, tail := p.frame.header(s, aDigit), p.frame.footer(s)+separator
	if !apart {
		s.cost = m.countUpTo(header+applyEdits(s.text, s.edits)+tail, room+m.digit) - m.digit
		if s.cost > room {
			return false
		}
		if alone {
			s.textCost = m.count(s.text)
		}
		return true
	}
	if alone {
		s.textCost = m.count(s.text)
	}
	s.cost = m.count(header) - m.digit + m.joint(header, "", s.text) + s.textCost + m.joint(s.text, tail, "")
	return s.cost <= room
}

// description says where s comes from, on one line.
func description(s *segment) string {
	id := line(string(s.doc), maxIDRunes)
	where := id
	if p := pages(s); p != "" {
		where += ", p. " + p
	}
	name := names(s.title, s.heading)
	if len(name) > 0 && name[0] == line(s.title, maxNameRunes) && says(id, name[0]) {
		name = name[1:]
	}
	if len(name) > 0 {
		return strings.Join(name, " > ") + " (" + where + ")"
	}
	return where
}

// says reports whether the id of a document says its title already, as names of
// files often do: it has the letters and digits of the title without a break, case
// and what stands between them aside. A title of fewer than minSaid is not looked
// for: another word of the id may hold it.
func says(id, title string) bool {
	if strings.Contains(id, "%") {
		if decoded, err := url.PathUnescape(id); err == nil {
			id = decoded
		}
	}
	for at := range id {
		if begins(id[at:], title) {
			return true
		}
	}
	return false
}

// minSaid is how many letters and digits a title needs for an id to say it.
const minSaid = 8

// begins reports whether s begins with the letters and digits of title, minSaid of
// them at least.
func begins(s, title string) bool {
	said := 0
	for _, want := range title {
		if !unicode.IsLetter(want) && !unicode.IsNumber(want) {
			continue
		}
		for {
			r, size := utf8.DecodeRuneInString(s)
			if size == 0 {
				return false
			}
			s = s[size:]
			if unicode.ToLower(r) == unicode.ToLower(want) {
				said++
				break
			}
			if said == 0 || unicode.IsLetter(r) || unicode.IsNumber(r) {
				return false
			}
		}
	}
	return said >= minSaid
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
	if len(s) <= limit && isLine(s) {
		return s
	}
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
	if strings.IndexByte(s, '[') < 0 {
		return nil
	}
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
