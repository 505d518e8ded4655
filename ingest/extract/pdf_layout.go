package extract

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pdfLayout turns the lines of pages into blocks: paragraphs by the gaps
// between lines, headings by the size and weight of their font, tables by gaps
// inside lines.
type pdfLayout struct {
	pages   []pdfPageText
	paras   []pdfPara
	running int   // lines of running heads and feet that are left out
	joined  []int // offsets in the text at which a hyphen is left out
}

// pdfPara is a run of lines of one page that belong together.
type pdfPara struct {
	lines []pdfLine
	page  int
	kind  Kind
	level int
}

// newPDFLayout takes over pages.
func newPDFLayout(pages []pdfPageText) *pdfLayout { return &pdfLayout{pages: pages} }

// text returns the text of all pages and its blocks. It is called once.
func (l *pdfLayout) text() (string, []mark) {
	for i, p := range l.pages {
		l.pages[i].lines = readingOrder(p.lines)
	}
	l.removeRunning()
	for i, page := range l.pages {
		for _, p := range notesLast(paragraphs(page.lines)) {
			l.paras = append(l.paras, pdfPara{lines: p, page: i + 1, kind: Paragraph})
		}
	}
	l.markTables()
	l.markHeadings()
	l.joinWords()
	var b strings.Builder
	var marks []mark
	for i, p := range l.paras {
		if b.Len() > 0 {
			b.WriteString(between(l.paras[i-1], p))
		}
		marks = append(marks, mark{at: b.Len(), kind: p.kind, level: p.level, page: p.page})
		for i, line := range p.lines {
			if i > 0 {
				b.WriteByte('\n')
			}
			for _, at := range line.joins {
				l.joined = append(l.joined, b.Len()+at)
			}
			b.WriteString(line.text)
		}
	}
	return b.String(), marks
}

// between returns what separates two blocks: the end of a line between items of
// a list and where a paragraph goes on, a blank line elsewhere.
func between(a, b pdfPara) string {
	if a.kind == ListItem && b.kind == ListItem && a.page == b.page || goesOn(a, b) {
		return "\n"
	}
	return "\n\n"
}

// goesOn reports whether b is the rest of a paragraph that the end of a page
// divides.
func goesOn(a, b pdfPara) bool {
	if a.page+1 != b.page || a.kind != Paragraph && a.kind != ListItem || b.kind != Paragraph {
		return false
	}
	last, first := a.lines[len(a.lines)-1], b.lines[0]
	_, right := extent(a.lines)
	isFull := last.x1 > right-3*last.size && (len(a.lines) > 1 || isProse(last))
	return isFull && last.gaps == 0 && first.gaps == 0 && sameSize(last, first) && runsOn(last.text, first.text)
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

// notesLast moves the footnotes of a column behind the paragraph that goes on
// in the next column, and makes that one paragraph. The paragraphs stay parts of
// one array.
func notesLast(paras [][]pdfLine) [][]pdfLine {
	moved := false
	var out [][]pdfLine
	for i := 0; i < len(paras); i++ {
		n := i + 1
		for n < len(paras) && isNote(paras[n], paras[i]) {
			n++
		}
		if n > i+1 && n < len(paras) && continues(paras[i], paras[n]) {
			moved = true
			out = append(out, slices.Concat(paras[i], paras[n]))
			out = append(out, paras[i+1:n]...)
			i = n
			continue
		}
		out = append(out, paras[i])
	}
	if !moved {
		return paras
	}
	all := slices.Concat(out...)
	for i, p := range out {
		out[i], all = all[:len(p)], all[len(p):]
	}
	return out
}

// continues reports whether the paragraph a goes on with b at the top of the
// next column.
func continues(a, b []pdfLine) bool {
	last, next := a[len(a)-1], b[0]
	return sameSize(last, next) && next.y > last.y && last.gaps+next.gaps == 0 && runsOn(last.text, next.text)
}

// isNote reports whether p, which comes behind the paragraph body, is a
// footnote: below it, in a smaller font and marked.
func isNote(p, body []pdfLine) bool {
	first, last := p[0], body[len(body)-1]
	_, n := utf8.DecodeRuneInString(first.text)
	return first.size < 0.95*last.size && first.y < last.y && first.gaps == 0 && isNoteMark(first.text[:n])
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

// proseWidth is the width, in em, from which a line is running text; a narrower
// one may be a cell.
const proseWidth = 28

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
