package extract

import (
	"cmp"
	"slices"
	"strings"
)

// Some programs draw a page from top to bottom across its columns, so that a
// line of one column goes on with that of the next. Such a page has many lines
// that are divided at the same places into parts that are running text.
const (
	maxColumns     = 8
	minColumnLines = 8    // that are divided alike
	minColumnShare = 0.3  // of the lines of the page
	minColumnWidth = 12.0 // in em
	minColumnWords = 3.0  // of a part, on average
	minColumnFull  = 0.6  // share of the parts that reach to where most end
	fullColumn     = 0.85 // of its width, from which a part does
)

// readingOrder returns the lines of a page column by column where they are
// drawn across columns, unchanged elsewhere. A line over several columns, a
// title for instance, comes behind what is above it and before what is below.
func readingOrder(lines []pdfLine) []pdfLine {
	columns := drawnAcross(lines)
	if columns == nil {
		return lines
	}
	var parts, rest []pdfLine
	for _, line := range lines {
		switch {
		case !line.isUpright():
			rest = append(rest, line)
		case line.gaps > 0 && len(line.cells) > 1:
			parts = append(parts, splitAt(line, columns)...)
		default:
			parts = append(parts, line)
		}
	}
	slices.SortStableFunc(parts, func(a, b pdfLine) int { return cmp.Compare(b.y, a.y) })
	out := make([]pdfLine, 0, len(parts)+len(rest))
	byColumn := make([][]pdfLine, len(columns))
	flush := func() {
		for i, c := range byColumn {
			out = append(out, c...)
			byColumn[i] = nil
		}
	}
	for _, p := range parts {
		if i := pdfColumnOf(p, columns); i >= 0 {
			byColumn[i] = append(byColumn[i], p)
		} else {
			flush()
			out = append(out, p)
		}
	}
	flush()
	return append(out, rest...)
}

// pdfColumn is where the text of a column begins and ends.
type pdfColumn struct{ x0, x1 float64 }

// pdfColumnOf returns the column that a line is in, -1 for one over several.
func pdfColumnOf(line pdfLine, columns []pdfColumn) int {
	for i := range columns {
		afterLast := i == 0 || line.x0 > columns[i-1].x1
		beforeNext := i == len(columns)-1 || line.x1 < columns[i+1].x0
		if afterLast && beforeNext {
			return i
		}
	}
	return -1
}

// splitAt divides a line at the gaps between columns.
func splitAt(line pdfLine, columns []pdfColumn) []pdfLine {
	var out []pdfLine
	for _, c := range line.cells {
		part := line
		part.text, part.x0, part.x1, part.gaps, part.cells = c.text, c.x0, c.x1, 0, []pdfCell{c}
		if k := len(out) - 1; k >= 0 && pdfColumnOf(part, columns) == pdfColumnOf(out[k], columns) {
			out[k].text += " " + c.text
			out[k].x1 = c.x1
			out[k].cells = append(out[k].cells, c)
			out[k].gaps++
			continue
		}
		out = append(out, part)
	}
	for i := range out {
		if out[i].gaps == 0 {
			out[i].cells = nil
		}
		out[i].soft = line.soft && i == len(out)-1
	}
	return out
}

// drawnAcross returns the columns of a page that is drawn across them, nil for
// any other.
func drawnAcross(lines []pdfLine) []pdfColumn {
	byCount := map[int]int{}
	for _, line := range lines {
		if isDivided(line) {
			byCount[len(line.cells)]++
		}
	}
	n := 0
	for count, k := range byCount {
		if k > byCount[n] || k == byCount[n] && count > n {
			n = count
		}
	}
	if n > maxColumns || byCount[n] < minColumnLines || float64(byCount[n]) < minColumnShare*float64(len(lines)) {
		return nil
	}
	// Where the parts begin, and where most of them end.
	starts, ends := make([][]float64, n), make([][]float64, n)
	words := 0
	for _, line := range lines {
		if !isDivided(line) || len(line.cells) != n {
			continue
		}
		for i, c := range line.cells {
			starts[i], ends[i] = append(starts[i], c.x0), append(ends[i], c.x1)
			words += strings.Count(c.text, " ") + 1
		}
	}
	if float64(words) < minColumnWords*float64(n*byCount[n]) {
		return nil
	}
	columns := make([]pdfColumn, n)
	for i := range columns {
		slices.Sort(starts[i])
		slices.Sort(ends[i])
		x0, x1 := starts[i][len(starts[i])/10], ends[i][len(ends[i])*9/10]
		full := 0
		for _, end := range ends[i] {
			if end >= x0+fullColumn*(x1-x0) {
				full++
			}
		}
		if float64(full) < minColumnFull*float64(len(ends[i])) || i > 0 && x0 <= columns[i-1].x1 {
			return nil
		}
		columns[i] = pdfColumn{x0, x1}
	}
	return columns
}

// isDivided reports whether a line has gaps between parts as wide as a column
// of text.
func isDivided(line pdfLine) bool {
	return line.isUpright() && len(line.cells) > 1 && !slices.ContainsFunc(line.cells, func(c pdfCell) bool {
		return c.x1-c.x0 < minColumnWidth*line.size
	})
}
