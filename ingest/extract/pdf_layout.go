package extract

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pdfLayout turns the lines of pages into blocks: paragraphs by the gaps
// between lines, headings by the size and weight of their font, tables by gaps
// inside lines.
type pdfLayout struct {
	pages [][]pdfLine
	paras []pdfPara
	bytes int // of text
}

// pdfPara is a run of lines of one page that belong together.
type pdfPara struct {
	lines []pdfLine
	page  int
	kind  Kind
	level int
}

func (l *pdfLayout) addPage(lines []pdfLine) {
	l.pages = append(l.pages, lines)
	for _, line := range lines {
		l.bytes += len(line.text)
	}
}

// text returns the text of all pages and its blocks.
func (l *pdfLayout) text() (string, []mark) {
	for i, lines := range l.pages {
		for _, p := range paragraphs(lines) {
			l.paras = append(l.paras, pdfPara{lines: p, page: i + 1, kind: Paragraph})
		}
	}
	l.markTables()
	l.markHeadings()
	var b strings.Builder
	var marks []mark
	for _, p := range l.paras {
		if b.Len() > 0 {
			if k := marks[len(marks)-1]; k.kind == ListItem && p.kind == ListItem && k.page == p.page {
				b.WriteByte('\n')
			} else {
				b.WriteString("\n\n")
			}
		}
		marks = append(marks, mark{at: b.Len(), kind: p.kind, level: p.level, page: p.page})
		for i, line := range p.lines {
			if i > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(line.text)
		}
	}
	return b.String(), marks
}

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

func (p pdfPara) text(separator string) string {
	var b strings.Builder
	for i, line := range p.lines {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(line.text)
	}
	return b.String()
}

// paragraphs divides the lines of a page.
func paragraphs(lines []pdfLine) [][]pdfLine {
	pitch := linePitch(lines)
	var out [][]pdfLine
	start := 0
	for i := 1; i <= len(lines); i++ {
		if i == len(lines) || separate(lines[start:i], lines[i], pitch) {
			out = append(out, lines[start:i])
			start = i
		}
	}
	return out
}

// linePitch returns the usual distance between two lines of a page, in em.
func linePitch(lines []pdfLine) float64 {
	var pitches []float64
	for i := 1; i < len(lines); i++ {
		if d := (lines[i-1].y - lines[i].y) / lines[i].size; d > 0.7 && d < 3 && sameSize(lines[i-1], lines[i]) {
			pitches = append(pitches, d)
		}
	}
	if len(pitches) == 0 {
		return 1.2
	}
	slices.Sort(pitches)
	// The lower quartile: on a page of short paragraphs most distances are
	// those between paragraphs.
	return pitches[len(pitches)/4]
}

func sameSize(a, b pdfLine) bool {
	return math.Abs(a.size-b.size) <= 0.1*math.Max(a.size, b.size)
}

// separate reports whether next begins a new paragraph behind para.
func separate(para []pdfLine, next pdfLine, pitch float64) bool {
	last := para[len(para)-1]
	em := math.Max(last.size, next.size)
	down := (last.y - next.y) / em
	switch {
	case math.Abs(last.ux-next.ux) > 0.1 || math.Abs(last.uy-next.uy) > 0.1:
		return true
	case startsBullet(next.text):
		return true
	case !sameSize(last, next) && math.Abs(down) > lineShift:
		return true
	case math.Abs(down) <= lineShift: // parts of one line
		return false
	case down < 0: // the next column
		return !runsOn(last.text, next.text)
	case down > pitch*1.3+0.05:
		return true
	case last.gaps > 0 && isProse(next) && len(para) > 1, isProse(last) && next.gaps > 0:
		return true // a table and the text around it
	case last.bold != next.bold && last.gaps == 0:
		return allBold(para) != next.bold
	}
	indent := (next.x0 - last.x0) / em
	return indent > 0.8 && indent < 5 && endsSentence(last.text) && last.gaps == 0 && next.gaps == 0
}

// isProse reports whether a line has the length of running text and no
// columns.
func isProse(l pdfLine) bool { return l.gaps == 0 && l.x1-l.x0 > proseWidth*l.size }

func allBold(lines []pdfLine) bool {
	for _, l := range lines {
		if !l.bold {
			return false
		}
	}
	return true
}

// runsOn reports whether a paragraph whose lines end in a goes on with b at
// the top of the next column.
func runsOn(a, b string) bool {
	first, _ := utf8.DecodeRuneInString(b)
	return !endsSentence(a) && unicode.IsLower(first)
}

func endsSentence(s string) bool {
	last, _ := utf8.DecodeLastRuneInString(strings.TrimRight(s, "\"'”’)]"))
	return strings.ContainsRune(".!?:;。！？", last)
}

// startsBullet reports whether a line begins with a bullet.
func startsBullet(s string) bool {
	first, size := utf8.DecodeRuneInString(s)
	return strings.ContainsRune("•◦▪■●○‣⁃∙·➢✓", first) && len(s) > size && s[size] == ' '
}

// markTables marks lists and tables, and joins the runs of lines that make up
// one table.
func (l *pdfLayout) markTables() {
	var out []pdfPara
	for _, p := range l.paras {
		if startsBullet(p.lines[0].text) {
			p.kind, p.level = ListItem, 1
		} else if isTabular(p.lines) {
			p.kind = Table
		}
		k := len(out) - 1
		if p.kind == Table && k >= 0 && out[k].page == p.page && sameSize(out[k].lines[0], p.lines[0]) {
			prev := &out[k]
			switch {
			case prev.kind == Table:
				prev.lines = append(slices.Clip(prev.lines), p.lines...)
				continue
			case k > 0 && out[k-1].kind == Table && out[k-1].page == p.page && isRowLabel(prev.lines):
				// A line without values, between rows with values.
				rows := append(append(slices.Clip(out[k-1].lines), prev.lines...), p.lines...)
				out[k-1].lines = rows
				out = out[:k]
				continue
			}
		}
		out = append(out, p)
	}
	l.paras = out[:0]
	for _, p := range out {
		if p.kind == Table && len(p.lines) < 2 {
			p.kind = Paragraph
		}
		if k := len(l.paras) - 1; k >= 0 && p.kind == Table && isHeaderOf(l.paras[k], p) {
			p.lines = append(slices.Clip(l.paras[k].lines), p.lines...)
			l.paras = l.paras[:k]
		}
		l.paras = append(l.paras, p)
	}
}

// isHeaderOf reports whether p is a line over a table that names its columns:
// no sentence, as wide as half of the first row, and hardly further from it
// than the rows are from each other. A bold one may be narrower and is nearer.
func isHeaderOf(p, table pdfPara) bool {
	line, first, second := p.lines[0], table.lines[0], table.lines[1]
	pitch, above := first.y-second.y, line.y-first.y
	if p.kind != Paragraph || len(p.lines) != 1 || p.page != table.page || !sameSize(line, first) || pitch <= 0 || above <= 0 {
		return false
	}
	if line.bold && !first.bold {
		return above <= boldHeaderPitch*pitch
	}
	return above <= headerPitch*pitch && !isProse(line) && !endsSentence(line.text) &&
		line.x0 > first.x0-(first.x1-first.x0)/2 && line.x1 > (first.x0+first.x1)/2
}

// isTabular reports whether at least half of the lines have columns: gaps, or
// another line beside them, as the cells of a row have of which one is wrapped.
func isTabular(lines []pdfLine) bool {
	n := 0
	for i, line := range lines {
		if line.gaps > 0 || isBeside(line, lines[max(0, i-maxCellLines):i]) {
			n++
		}
	}
	return 2*n >= len(lines)
}

// isBeside reports whether line stands to the right of one of others, at its
// height.
func isBeside(line pdfLine, others []pdfLine) bool {
	for _, o := range others {
		if math.Abs(o.y-line.y) < 0.2*line.size && o.x1 < line.x0 {
			return true
		}
	}
	return false
}

func isRowLabel(lines []pdfLine) bool {
	return len(lines) == 1 && utf8.RuneCountInString(lines[0].text) <= maxRowLabelRunes && !endsSentence(strings.TrimSuffix(lines[0].text, ":"))
}

const (
	proseWidth       = 28  // em; a narrower line may be a cell
	headerPitch      = 1.7 // of the rows; a header may be set off by a rule
	boldHeaderPitch  = 1.2 // of the rows; further off it is a heading
	maxRowLabelRunes = 100
	maxCellLines     = 8 // of a wrapped cell

	maxHeadingRunes = 160
	maxHeadingLines = 3
	// headingSize is the size, relative to that of the body, from which a line
	// is a heading whatever its weight; boldHeadingSize that of a bold or
	// numbered one.
	headingSize     = 1.3
	boldHeadingSize = 1.08
)

// numbered matches a line that begins with the number of a section.
var numbered = regexp.MustCompile(`^\d+(\.\d+)*\.?\s+\p{Lu}`)

// markHeadings marks headings and gives them levels: larger sizes before
// smaller ones, and bold lines of the size of the body last.
func (l *pdfLayout) markHeadings() {
	body := l.bodySize()
	var sizes []float64
	for i := range l.paras {
		p := &l.paras[i]
		if !mayBeHeading(*p) {
			continue
		}
		ratio := p.lines[0].size / body
		if ratio >= headingSize || ratio >= boldHeadingSize && (allBold(p.lines) || numbered.MatchString(p.lines[0].text)) {
			p.kind = Heading
			sizes = append(sizes, roundSize(p.lines[0].size))
		} else if ratio > 0.95 && allBold(p.lines) && i+1 < len(l.paras) && introduces(*p, l.paras[i+1]) {
			p.kind = Heading
		}
	}
	slices.Sort(sizes)
	sizes = slices.Compact(sizes)
	slices.Reverse(sizes)
	for i := range l.paras {
		p := &l.paras[i]
		if p.kind != Heading {
			continue
		}
		p.level = len(sizes) + 1
		if at := slices.Index(sizes, roundSize(p.lines[0].size)); at >= 0 && p.lines[0].size >= boldHeadingSize*body {
			p.level = at + 1
		}
		p.level = min(p.level, 6)
	}
}

// mayBeHeading reports whether p has the form of a heading: a few words that
// begin with a capital or a number.
func mayBeHeading(p pdfPara) bool {
	if p.kind != Paragraph || len(p.lines) > maxHeadingLines {
		return false
	}
	s := p.text(" ")
	if utf8.RuneCountInString(s) > maxHeadingRunes || strings.IndexFunc(s, unicode.IsLetter) < 0 {
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
	return !unicode.IsLower(first) && !strings.ContainsRune(".,;", last)
}

// introduces reports whether the bold line p stands over running text.
func introduces(p, next pdfPara) bool {
	return len(p.lines) <= 2 && next.page == p.page && (next.kind == Paragraph || next.kind == ListItem) && !allBold(next.lines) &&
		utf8.RuneCountInString(next.text(" ")) >= 2*utf8.RuneCountInString(p.text(" "))
}

// bodySize returns the font size of most of the text.
func (l *pdfLayout) bodySize() float64 {
	count := map[float64]int{}
	for _, p := range l.paras {
		for _, line := range p.lines {
			count[roundSize(line.size)] += len(line.text)
		}
	}
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
