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

// surroundings are what a context has around the text of a segment.
type surroundings struct {
	header string // with aDigit for the label
	label  int    // where in it that is
	tail   string // the footer, and the separator
	next   string // the beginning of the header of a segment behind, as far as it changes the tokens of tail
	tokens int    // of header
}

// labelled returns the header in two parts, between which the label belongs.
func (a surroundings) labelled() (before, after string) {
	return a.header[:a.label], a.header[a.label+len(aDigit):]
}

// footer returns the tail of the last segment of a context.
func (a surroundings) footer() string { return strings.TrimSuffix(a.tail, separator) }

// around returns what stands around the text of s.
func (p *packing) around(s *segment) surroundings {
	var a surroundings
	if t := p.frame.template; t != nil {
		a.header, a.label = t.render(t.header, s)
		footer, _ := t.render(t.footer, s)
		a.tail = footer + separator
	} else {
		b, at := p.made.open(plainBytes(s))
		for range p.frame.brackets {
			b.WriteByte('[')
		}
		a.label = b.Len() - at
		b.WriteString(aDigit)
		for range p.frame.brackets {
			b.WriteByte(']')
		}
		b.WriteByte(' ')
		describe(b, s)
		b.WriteByte('\n')
		a.header, a.tail = b.String()[at:], separator
	}
	a.tokens = p.meter.count(a.header)
	a.next = p.next(a.header)
	return a
}

// next returns what of a header changes the tokens of the separator in front of it:
// "" where there is a seam between them. The headers of a context begin alike.
func (p *packing) next(header string) string {
	m := p.meter
	if m.exact == nil {
		return ""
	}
	first := header[:m.firstSeam(header)]
	if joined := p.made.join(separator, first, ""); m.apart(joined, len(separator)) {
		return ""
	}
	return first
}

// plainBytes is more than most plain headers of s have.
func plainBytes(s *segment) int {
	n := len("[1]  (, p. 1000-1000)\n") + len(s.names.Doc) + len(s.names.Title)
	for _, h := range s.heading {
		n += len(h) + len(" > ")
	}
	return n
}

// render writes segments in their order, and tells where the text of each is, in
// bytes, until the next render.
func (p *packing) render(segments []*segment) (context string, texts []text.Span) {
	size := len(separator) * max(len(segments)-1, 0)
	for i, s := range segments {
		size += len(s.around.header) - len(aDigit) + len(strconv.Itoa(i+1)) + len(s.shown) + len(s.around.footer())
	}
	var b strings.Builder
	b.Grow(size)
	texts = p.places[:0]
	for i, s := range segments {
		if i > 0 {
			b.WriteString(separator)
		}
		before, after := s.around.labelled()
		b.WriteString(before)
		b.WriteString(strconv.Itoa(i + 1))
		b.WriteString(after)
		begin := b.Len()
		b.WriteString(s.shown)
		texts = append(texts, text.Span{Start: begin, End: b.Len()})
		b.WriteString(s.around.footer())
	}
	p.places = texts
	return b.String(), texts
}

// price sets what g's segment costs in a context, without the digits of its
// label, and reports whether that is at most room. Where it is not, the costs are
// only known to be more: the text of a chunk that does not fit, as most do not
// when the budget is nearly used up, is counted only as far as there is room.
func (p *packing) price(g *growth, room int) bool {
	s, m := &g.segment, p.meter
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
	p.surround(g)
	header, tail, next := s.around.header, s.around.tail, s.around.next
	if !apart {
		ahead := 0
		if next != "" {
			tail, ahead = tail+next, m.count(next)
		}
		s.cost = m.countUpTo(p.made.join(header, s.shown, tail), room+m.digit+ahead) - m.digit - ahead
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
	s.cost = s.around.tokens - m.digit + p.joint(header, "", s.text) + s.textCost + p.joint(s.text, tail, next)
	return s.cost <= room
}

// surround sets what is around g's segment. A chunk that is cut in several ways keeps
// it, and so does a segment that grows inside its section.
func (p *packing) surround(g *growth) {
	s := &g.segment
	if len(g.absorbed) == 0 {
		alone := &p.alone[s.first]
		if alone.header == "" {
			*alone = p.around(s)
		}
		s.around = *alone
		return
	}
	for _, a := range g.absorbed {
		if s.described(a) {
			s.around = a.around
			return
		}
	}
	s.around = p.around(s)
}

// joint returns count(left+mid+right) - count(left) - count(right).
func (p *packing) joint(left, mid, right string) int {
	m := p.meter
	left, right = left[m.lastSeam(left):], right[:m.firstSeam(right)]
	return m.joint(p.made.join(left, mid, right), len(left), len(left)+len(mid))
}

// description says where s comes from, on one line.
func description(s *segment) string {
	var b strings.Builder
	describe(&b, s)
	return b.String()
}

// describe writes the description of s.
func describe(b *strings.Builder, s *segment) {
	var few [1 + maxHeadings]string
	id := line(string(s.names.Doc), maxIDRunes)
	name := names(few[:0], s.names.Title, s.heading)
	if len(name) > 0 && name[0] == line(s.names.Title, maxNameRunes) && says(id, name[0]) {
		name = name[1:]
	}
	for i, n := range name {
		if i > 0 {
			b.WriteString(" > ")
		}
		b.WriteString(n)
	}
	if len(name) > 0 {
		b.WriteString(" (")
	}
	b.WriteString(id)
	if p := pages(s); p != "" {
		b.WriteString(", p. ")
		b.WriteString(p)
	}
	if len(name) > 0 {
		b.WriteByte(')')
	}
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

// names appends the title and the headings, each on one line, without blank
// ones and what repeats the one before.
func names(to []string, title string, heading []string) []string {
	add := func(n string) {
		if n = line(n, maxNameRunes); n != "" && (len(to) == 0 || to[len(to)-1] != n) {
			to = append(to, n)
		}
	}
	add(title)
	for _, h := range heading[:min(len(heading), maxHeadings)] {
		add(h)
	}
	return to
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

// line returns s on one line, cut to limit code points: runs of white space and blanks
// become one space, invisible characters vanish.
func line(s string, limit int) string {
	if len(s) <= limit && isLine(s) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case white(r):
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
func freeBrackets(chunks []*Chunk, least int) int {
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

// leadingBrackets returns for which n a line of s begins with n opening brackets and
// a digit, what nobody sees not counted. To a reader who takes some ends of lines for
// nothing, a line begins behind the last of another kind.
func leadingBrackets(s string) map[int]bool {
	if strings.IndexByte(s, '[') < 0 {
		return nil
	}
	var taken map[int]bool
	const over = -1            // the beginning of the line is
	var brackets [lineEnds]int // since the last end of each kind, or the line feed
	begin := func(n int) {
		for kind := range brackets {
			brackets[kind] = n
		}
	}
	begin(0)
	begins := true
	for _, r := range s {
		kind := lineEnd(r)
		switch {
		case kind == lineFeed:
			begin(0)
			begins = true
		case kind != goesOn:
			brackets[kind] = 0
			begins = true
		case !begins || unseen(r):
		case r == '[':
			for kind, n := range brackets {
				if n != over {
					brackets[kind]++
				}
			}
		default:
			if unicode.IsNumber(r) {
				for _, n := range brackets {
					if n > 0 {
						if taken == nil {
							taken = map[int]bool{}
						}
						taken[n] = true
					}
				}
			}
			begin(over)
			begins = false
		}
	}
	return taken
}
