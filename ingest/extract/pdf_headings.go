package extract

import (
	"cmp"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxHeadingRunes   = 160
	maxHeadingLines   = 3
	minHeadingLetters = 3
	minCapitals       = 8
	maxSubtitles      = 2 // lines like "(in millions)" under a heading

	// headingSize is the size, relative to that of the body, from which a line
	// is a heading whatever its weight; boldHeadingSize that of a bold or
	// numbered one.
	headingSize     = 1.3
	boldHeadingSize = 1.08
	// minHeadingSize is the smallest size of a heading, relative to that of the
	// body of its page.
	minHeadingSize = 0.95
	// minPageText is the text in bytes that a page needs to have a body size of
	// its own.
	minPageText = 500
)

// title returns the first heading of the highest level on the first page, or
// "". Call it after text.
func (l *pdfLayout) title() string {
	title, level := "", math.MaxInt
	for _, p := range l.paras {
		if p.page == 1 && p.kind == Heading && p.level < level {
			title, level = p.text(" "), p.level
		}
	}
	return title
}

// numbered matches a line that begins with the number of a section.
var numbered = regexp.MustCompile(`^\d+(\.\d+)*\.?\s+\p{Lu}`)

// markHeadings marks headings and gives them levels, one for each style; see
// headingStyle.
func (l *pdfLayout) markHeadings() {
	body, pages := l.bodySizes()
	styles := map[int]headingStyle{} // by index in l.paras
	// Backwards, as what a line stands over tells whether it is a heading.
	for i := len(l.paras) - 1; i >= 0; i-- {
		p := &l.paras[i]
		if !mayBeHeading(*p) {
			continue
		}
		size := p.lines[0].size
		switch bold := allBold(p.lines); {
		case size >= headingSize*body, size >= boldHeadingSize*body && (bold || numbered.MatchString(p.lines[0].text)):
		case (bold || isUpper(p.lines)) && size > minHeadingSize*min(body, pages[p.page-1]) && introduces(*p, l.paras[i+1:]) && (i == 0 || !areBeside(l.paras[i-1], *p)):
		default:
			continue
		}
		p.kind = Heading
		styles[i] = styleOf(*p, body)
	}
	order := slices.Compact(slices.SortedFunc(maps.Values(styles), headingStyle.compare))
	order = order[:min(len(order), maxHeadingLevel-1)]
	for i, style := range styles {
		l.paras[i].level = maxHeadingLevel
		if k := slices.Index(order, style); k >= 0 {
			l.paras[i].level = k + 1
		}
	}
}

const maxHeadingLevel = 6

// headingStyle is what the level of a heading depends on. Larger ones come
// before smaller ones, then bold ones before others, upright before slanted,
// and then those with a shorter number: "2" before "2.1". Lines of the size of
// the body come last; of them, those in capitals come first.
type headingStyle struct {
	size   float64 // 0: that of the body
	weight int     // ascending: bold capitals, capitals, bold, bold italic, any other
	depth  int     // numbers in front of it, at least 1
}

func (s headingStyle) compare(t headingStyle) int {
	return cmp.Or(cmp.Compare(t.size, s.size), cmp.Compare(s.weight, t.weight), cmp.Compare(s.depth, t.depth))
}

func styleOf(p pdfPara, body float64) headingStyle {
	s := headingStyle{depth: 1}
	if p.lines[0].size >= boldHeadingSize*body {
		s.size = roundSize(p.lines[0].size)
	}
	bold, italic := allBold(p.lines), !slices.ContainsFunc(p.lines, func(line pdfLine) bool { return !line.italic })
	upper := s.size == 0 && isUpper(p.lines)
	switch {
	case bold && upper:
		s.weight = 0
	case upper:
		s.weight = 1
	case bold && !italic:
		s.weight = 2
	case bold:
		s.weight = 3
	default:
		s.weight = 4
	}
	if number := strings.TrimSpace(sectionNumber.FindString(p.lines[0].text)); number != "" {
		s.depth += strings.Count(strings.TrimSuffix(number, "."), ".")
	}
	return s
}

// sectionNumber matches the number of a section, or of one of an appendix.
var sectionNumber = regexp.MustCompile(`^(?:\d+|[A-Z]\.\d+)(?:\.\d+)*\.?(?:\s|$)`)

// mayBeHeading reports whether p has the form of a heading: a few words that
// begin with a capital or a number.
func mayBeHeading(p pdfPara) bool {
	if p.kind != Paragraph || len(p.lines) > maxHeadingLines {
		return false
	}
	s := p.text(" ")
	if utf8.RuneCountInString(s) > maxHeadingRunes || letters(s) < minHeadingLetters {
		return false
	}
	for _, line := range p.lines {
		if line.gaps > 0 {
			return false
		}
	}
	if strings.Contains(s, ". . .") || strings.Contains(s, "....") {
		return false // a line of a table of contents
	}
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	return !unicode.IsLower(first) && !strings.ContainsRune(".,;", last) && !isRemark(s)
}

func letters(s string) int {
	n := 0
	for _, r := range s {
		if unicode.IsLetter(r) {
			n++
		}
	}
	return n
}

// isRemark reports whether s stands in parentheses as a whole.
func isRemark(s string) bool { return strings.HasPrefix(s, "(") && strings.HasSuffix(s, ")") }

// isUpper reports whether lines are written in capitals.
func isUpper(lines []pdfLine) bool {
	upper := 0
	for _, line := range lines {
		for _, r := range line.text {
			if unicode.IsLower(r) {
				return false
			}
			if unicode.IsUpper(r) {
				upper++
			}
		}
	}
	return upper >= minCapitals
}

// introduces reports whether the line p, which is set off, is what the paragraphs behind it
// are about: running text, a table, or a heading with its own.
func introduces(p pdfPara, rest []pdfPara) bool {
	for i := 0; i < maxSubtitles && len(rest) > 0 && len(rest[0].lines) == 1 && isRemark(rest[0].lines[0].text); i++ {
		rest = rest[1:]
	}
	if len(p.lines) > 2 || len(rest) == 0 || rest[0].page != p.page || areBeside(p, rest[0]) {
		return false
	}
	switch next := rest[0]; next.kind {
	case Heading:
		return true
	case Table:
		em := next.lines[0].size
		left, right := extent(next.lines)
		return !mayBeHead(p, em, left, right) || isCentred(p, em, left, right)
	default:
		return !allBold(next.lines) && !isUpper(next.lines) && utf8.RuneCountInString(next.text(" ")) >= 2*utf8.RuneCountInString(p.text(" "))
	}
}

// areBeside reports whether two short paragraphs stand at the same height, as
// the cells of a row do.
func areBeside(a, b pdfPara) bool {
	if a.page != b.page || len(a.lines) > maxHeadingLines || len(b.lines) > maxHeadingLines {
		return false
	}
	return a.lines[len(a.lines)-1].y <= b.lines[0].y && a.lines[0].y >= b.lines[len(b.lines)-1].y
}

// bodySizes returns the font size of most of the text, and that of most of the
// text of each page.
func (l *pdfLayout) bodySizes() (body float64, pages []float64) {
	all := map[float64]int{}
	for _, p := range l.pages {
		page, n := map[float64]int{}, 0
		for _, line := range p.lines {
			page[roundSize(line.size)] += len(line.text)
			n += len(line.text)
		}
		for size, n := range page {
			all[size] += n
		}
		size := math.Inf(1) // that of the whole decides
		if n >= minPageText {
			size = mostly(page)
		}
		pages = append(pages, size)
	}
	return mostly(all), pages
}

// mostly returns the size with the largest count, the smallest of several.
func mostly(count map[float64]int) float64 {
	best, most := 1.0, 0
	for size, n := range count {
		if n > most || n == most && size < best {
			best, most = size, n
		}
	}
	return best
}

// roundSize rounds a font size to half a point, so that sizes that only differ
// by scaling are one.
func roundSize(size float64) float64 { return max(math.Round(size*2)/2, 0.5) }
