package extract

import (
	"math"
	"strings"
	"unicode"
)

// A cell of which the text is wrapped has further lines, which are drawn below
// it: behind the row, or, where a table is drawn cell by cell, before the other
// cells. They are put into their cells, so that a row is one line.
const (
	cellIndent = 0.6 // by which the lines of a cell may be indented, in em
	cellPitch  = 1.5 // between the lines of a cell, at most, in em

	maxRowBytes = 1 << 12 // of a row that still grows
)

// foldRows returns the lines of a table, one for each row.
func foldRows(lines []pdfLine) []pdfLine {
	var rows []pdfLine
	bottom := 0.0 // of the row, y of its last line
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if len(rows) == 0 {
			rows, bottom = append(rows, line), line.y
			continue
		}
		row := &rows[len(rows)-1]
		near := bottom-line.y > lineShift*line.size && bottom-line.y <= cellPitch*line.size
		switch n := wrappedFirst(*row, lines[i:]); {
		case len(row.text) > maxRowBytes:
		case isBeside(line, []pdfLine{*row}):
			row.addCell(line)
			continue
		case n > 0:
			for _, next := range lines[i : i+n] {
				row.text += " " + next.text
				row.x1 = max(row.x1, next.x1)
				bottom = next.y
			}
			i += n - 1
			continue
		case near && row.wrap(line):
			bottom = line.y
			continue
		}
		rows, bottom = append(rows, line), line.y
	}
	return rows
}

// wrappedFirst returns how many of lines are further lines of the first cell
// of a row, of which the other cells come next; 0 where that is not so.
func wrappedFirst(row pdfLine, lines []pdfLine) int {
	y := row.y
	for i, line := range lines[:min(len(lines), maxCellLines)] {
		if i > 0 && isBeside(line, []pdfLine{row}) {
			return i
		}
		if row.gaps > 0 || line.gaps > 0 || math.Abs(line.x0-row.x0) > cellIndent*row.size || y-line.y > cellPitch*line.size {
			return 0
		}
		y = line.y
	}
	return 0
}

// cellsOf returns the cells of a line, which is one where it has no gaps.
func cellsOf(line pdfLine) []pdfCell {
	if len(line.cells) > 0 {
		return line.cells
	}
	return []pdfCell{{text: line.text, x0: line.x0, x1: line.x1}}
}

// addCell adds the cells of a line beside the row.
func (l *pdfLine) addCell(line pdfLine) {
	l.cells = append(append([]pdfCell(nil), cellsOf(*l)...), cellsOf(line)...)
	l.gaps += 1 + line.gaps
	l.text += " " + line.text
	l.x1 = line.x1
	l.bold, l.italic = l.bold && line.bold, l.italic && line.italic
}

// wrap adds a line to the cell of the row that it continues: one of words, not
// the first, that begins where the line does. It reports whether there is one.
func (l *pdfLine) wrap(line pdfLine) bool {
	if line.gaps > 0 || !hasWords(line.text) {
		return false
	}
	for i, c := range l.cells {
		if i == 0 || math.Abs(c.x0-line.x0) > cellIndent*line.size || !hasWords(c.text) || endsSentence(c.text) {
			continue
		}
		cells := append([]pdfCell(nil), l.cells...)
		cells[i].text += " " + line.text
		cells[i].x1 = max(c.x1, line.x1)
		var b strings.Builder
		for k, c := range cells {
			if k > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(c.text)
		}
		l.cells, l.text, l.x1 = cells, b.String(), max(l.x1, line.x1)
		return true
	}
	return false
}

// hasWords reports whether s begins with letters, as words do and amounts
// don't.
func hasWords(s string) bool {
	for _, r := range s {
		if unicode.IsLetter(r) {
			return true
		}
		if !strings.ContainsRune("(\"'“‘„«", r) {
			return false
		}
	}
	return false
}
