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
	pages [][]pdfLine
	paras []pdfPara
	bytes int // of text
	lines int
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
	l.lines += len(lines)
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
