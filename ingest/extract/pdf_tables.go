package extract

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	headerPitch      = 1.7 // of the rows; a header may be set off by a rule
	boldHeaderPitch  = 1.2 // of the rows; further off it is a heading
	maxRowLabelRunes = 100
	maxCellLines     = 8 // of a wrapped cell

	// A column head begins further to the right than the labels of the rows and
	// ends at most so far above what it heads; in em.
	headIndent   = 4
	headDistance = 3
	minHeadSize  = 0.6 // of the rows
	maxHeads     = 32  // paragraphs of one table
)

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
			switch {
			case out[k].kind == Table:
				out[k].lines = joined(out[k].lines, p.lines)
				continue
			case k > 0 && out[k-1].kind == Table && out[k-1].page == p.page && (isRowLabel(out[k].lines) || isWrappedLabel(out[k], p)):
				// A line without values, between rows with values, or the label of the
				// row that follows.
				out[k-1].lines = joined(joined(out[k-1].lines, out[k].lines), p.lines)
				out = out[:k]
				continue
			}
		}
		out = append(out, p)
	}
	l.paras = out[:0]
	for _, p := range out {
		if p.kind == Table {
			p.lines = foldRows(p.lines)
		}
		if p.kind == Table && len(p.lines) < 2 {
			p.kind = Paragraph
		}
		if p.kind == Table {
			heads := l.takeColumnHeads(p)
			if k := len(l.paras) - 1; len(heads) == 0 && k >= 0 && isHeaderOf(l.paras[k], p) {
				p.lines = joined(l.paras[k].lines, p.lines)
				l.paras = l.paras[:k]
				heads = l.takeColumnHeads(p) // over a line in front of the first row
			}
			p.lines = append(heads, p.lines...)
		}
		l.paras = append(l.paras, p)
	}
}

// joined returns a with b behind it, which follows a in the lines of their
// page: both are parts of one array.
func joined(a, b []pdfLine) []pdfLine { return a[:len(a)+len(b)] }

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

// takeColumnHeads removes the paragraphs at the end of l.paras that are the
// heads of the columns of table, which comes next, and returns them as rows.
func (l *pdfLayout) takeColumnHeads(table pdfPara) []pdfLine {
	em, low := table.lines[0].size, table.lines[0].y
	high := low // low and high bound the heads taken last, beside each other
	from := len(l.paras)
	left, right := extent(table.lines)
	for taken := 0; from > 0 && taken < maxHeads; taken++ {
		p := l.paras[from-1]
		if p.page != table.page || !mayBeHead(p, em, left, right) {
			break
		}
		top, bottom := p.lines[0].y, p.lines[len(p.lines)-1].y
		if taken > 0 && bottom < high+lineShift*em && top > low-lineShift*em {
			low, high = min(low, bottom), max(high, top)
		} else {
			if bottom <= high || bottom-high > headDistance*em || isCentred(p, em, left, right) {
				break
			}
			low, high = bottom, top
		}
		from--
	}
	rows := headRows(l.paras[from:])
	l.paras = l.paras[:from]
	return rows
}

// mayBeHead reports whether p has the form of a column head of a table whose
// rows have the font size and extent given: a few words over the values, not
// over the labels of the rows.
func mayBeHead(p pdfPara, em, left, right float64) bool {
	if p.kind != Paragraph || len(p.lines) > maxCellLines || endsSentence(p.lines[len(p.lines)-1].text) {
		return false
	}
	x0, x1 := extent(p.lines)
	return x0 >= left+headIndent*em && x1 <= right+headIndent*em && !slices.ContainsFunc(p.lines, func(line pdfLine) bool {
		return isProse(line) || line.size < minHeadSize*em || line.size > em && !sameSize(line, pdfLine{size: em})
	})
}

// isCentred reports whether p begins in the middle of a table, as its caption
// may.
func isCentred(p pdfPara, em, left, right float64) bool {
	return math.Abs((p.lines[0].x0+p.lines[0].x1)-(left+right)) < headIndent*em
}

// extent returns where lines begin and end.
func extent(lines []pdfLine) (left, right float64) {
	left, right = lines[0].x0, lines[0].x1
	for _, line := range lines {
		left, right = min(left, line.x0), max(right, line.x1)
	}
	return left, right
}

// headRows makes rows of column heads: what stands under each other is one
// cell, cells beside each other are one row.
func headRows(heads []pdfPara) []pdfLine {
	var rows []pdfLine
	var last pdfLine // line
	for _, p := range heads {
		for _, line := range p.lines {
			down := (last.y - line.y) / line.size
			under := down > lineShift && down < headDistance && line.x0 < last.x1 && line.x1 > last.x0
			switch k := len(rows) - 1; {
			case k >= 0 && under && last.gaps == 0 && line.gaps == 0:
				rows[k] = rows[k].with(line)
			case k >= 0 && down < lineShift && line.x0 >= last.x1:
				rows[k] = rows[k].with(line)
				rows[k].gaps++
			default:
				rows = append(rows, line)
			}
			last = line
		}
	}
	return rows
}

// with returns l with the text of next behind its own.
func (l pdfLine) with(next pdfLine) pdfLine {
	l.text += " " + next.text
	l.x0, l.x1 = min(l.x0, next.x0), max(l.x1, next.x1)
	l.bold = l.bold && next.bold
	return l
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

// isWrappedLabel reports whether p is the wrapped label of the first row of a
// table, in front of its other cells.
func isWrappedLabel(p, table pdfPara) bool {
	return p.kind == Paragraph && len(p.lines) <= maxCellLines && isBeside(table.lines[0], p.lines)
}
