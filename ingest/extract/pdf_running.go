package extract

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A running head or foot is a row of text at the edge of a page that the pages
// around it have at the same height: the same words, or a page number that
// counts with the pages. The outermost row of a page may be at any height if it
// has both, as the foot of a page that was a web page follows the text.
//
// It is left out, but its words are kept where they come first, unless the
// document says them elsewhere too, so that nothing that is said only there is
// lost. The heads of columns that a table has again on each page are none.
const (
	maxRunningRows = 3   // at an edge
	runningZone    = 0.2 // of the height of a page, at either edge
	runningShift   = 4   // points by which the height of such rows may differ
	runningShare   = 0.5 // of the pages, at least, have such a row at one height
	minRunning     = 3   // pages with such a row; with nothing but a page number, minNumbered
	minNumbered    = 2
	maxRunningText = 200 // bytes of a row
	maxHeadGap     = 3   // between the heads of columns and the first row, in em
)

// pageRow is a row of text at the top or bottom of a page.
type pageRow struct {
	lines  []int   // indices in those of the page
	foot   bool    // counted from the bottom of the page
	edge   float64 // distance from the edge, in points
	zone   bool    // it is near enough to the edge
	outer  bool    // nothing is nearer to the edge
	text   string  // in lower case, page numbers and white space normalised
	number int     // its page number, or -1
	bare   bool    // it is nothing but a page number
	cells  int     // that gaps separate
	heads  bool    // it may be the heads of the columns of a table
	agrees bool    // with a row of a page near by
	remove bool
}

// removeRunning removes running heads and feet from the pages.
func (l *pdfLayout) removeRunning() {
	rows := make([][]pageRow, len(l.pages))
	used := 0
	for i, p := range l.pages {
		if len(p.lines) > 0 {
			used++
		}
		rows[i] = append(edgeRows(p, false), edgeRows(p, true)...)
	}
	compareRows(rows)
	for _, foot := range []bool{false, true} {
		chooseRunning(rows, foot, used)
	}
	l.takeOut(rows)
}

// edgeRows returns the rows nearest to the upper or lower edge of a page, the
// outermost first.
func edgeRows(p pdfPageText, foot bool) []pageRow {
	edge := func(line pdfLine) float64 {
		if foot {
			return line.y
		}
		return p.height - line.y
	}
	var near []int
	for i, line := range p.lines {
		if line.isUpright() && edge(line) >= -runningShift {
			near = append(near, i)
		}
	}
	slices.SortStableFunc(near, func(a, b int) int { return cmp.Compare(edge(p.lines[a]), edge(p.lines[b])) })
	var rows []pageRow
	for len(near) > 0 && len(rows) < maxRunningRows {
		first := p.lines[near[0]]
		if len(rows) > 0 && edge(first) > runningZone*p.height {
			break
		}
		n := 1
		for n < len(near) && edge(p.lines[near[n]])-edge(first) < lineShift*first.size {
			n++
		}
		row := slices.Clone(near[:n])
		slices.SortStableFunc(row, func(a, b int) int { return cmp.Compare(p.lines[a].x0, p.lines[b].x0) })
		near = near[n:]
		r := newPageRow(p, row)
		r.heads = !foot && r.cells > 1 && isTableRow(p, near, first)
		r.foot, r.edge, r.outer = foot, edge(first), len(rows) == 0
		r.zone = r.edge <= runningZone*p.height
		rows = append(rows, r)
	}
	return rows
}

// isTableRow reports whether the first of the lines near has cells and comes
// close below a line.
func isTableRow(p pdfPageText, near []int, above pdfLine) bool {
	if len(near) == 0 {
		return false
	}
	line := p.lines[near[0]]
	isBesideNext := len(near) > 1 && math.Abs(p.lines[near[1]].y-line.y) < lineShift*line.size
	return (line.gaps > 0 || isBesideNext) && above.y-line.y <= maxHeadGap*line.size
}

func newPageRow(p pdfPageText, lines []int) pageRow {
	var cells []string
	for _, i := range lines {
		if line := p.lines[i]; len(line.cells) > 0 {
			for _, c := range line.cells {
				cells = append(cells, c.text)
			}
		} else {
			cells = append(cells, line.text)
		}
	}
	row := pageRow{lines: lines, cells: len(cells)}
	row.text, row.number, row.bare = runningText(cells)
	return row
}

var (
	// bareNumber is a page number as such: "12", "- 12 -", "Page 12 of 30",
	// "xii", "A-3", "[12]".
	bareNumber = regexp.MustCompile(`^(?:` + pageWords + `)?[-–—\[(|\s]*([a-z]{1,2}-|\d{1,3}[-.–])?(\d{1,5}|[ivxlc]{1,7})[-–—\])|\s]*(?:(?:/|of|de|von|sur|di|из)\s*\d{1,5})?[-–—\])|\s]*$`)
	// numberLast and numberFirst are those with other words and something that
	// sets them apart.
	numberLast  = regexp.MustCompile(`(?:[|•·–—/]\s*|[-,]\s+|\b(?:` + pageWords + `))((?:[a-z]{1,2}-|\d{1,3}-)?)(\d{1,5}|[ivxlc]{1,7})(?:\s*(?:/|of|de|von|sur|di|из)\s*\d{1,5})?$`)
	numberFirst = regexp.MustCompile(`^((?:[a-z]{1,2}-|\d{1,3}-)?)(\d{1,5}|[ivxlc]{1,7})\s*[|•·–—/]`)
)

const pageWords = `page |pages |pg\.? |p\. ?|seite |s\. |página |pagina |стр\.? |strona |sayfa |sida |side `

// runningText returns the text of a row of cells in the form in which rows are
// compared, with "#" for a page number, and the number, -1 where there is none.
func runningText(cells []string) (text string, number int, bare bool) {
	for i, c := range cells {
		cells[i] = strings.Join(strings.Fields(strings.ToLower(c)), " ")
	}
	whole := strings.Join(cells, " ")
	if len(whole) > maxRunningText {
		return whole, -1, false
	}
	if m := bareNumber.FindStringSubmatch(whole); m != nil {
		return "#", pageValue(m[2]), true
	}
	if k := len(cells); k > 1 { // set apart by a gap
		if m := bareNumber.FindStringSubmatch(cells[k-1]); m != nil {
			return strings.Join(cells[:k-1], " ") + " #", pageValue(m[2]), false
		}
		if m := bareNumber.FindStringSubmatch(cells[0]); m != nil {
			return "# " + strings.Join(cells[1:], " "), pageValue(m[2]), false
		}
	}
	if m := numberLast.FindStringSubmatchIndex(whole); m != nil {
		return whole[:m[2]] + "#", pageValue(whole[m[4]:m[5]]), false
	}
	if m := numberFirst.FindStringSubmatchIndex(whole); m != nil {
		return "#" + whole[m[5]:], pageValue(whole[m[4]:m[5]]), false
	}
	return whole, -1, false
}

// pageValue returns the value of digits or Roman numerals.
func pageValue(s string) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	values := map[byte]int{'i': 1, 'v': 5, 'x': 10, 'l': 50, 'c': 100}
	n := 0
	for i := range len(s) {
		v := values[s[i]]
		if i+1 < len(s) && v < values[s[i+1]] {
			v = -v
		}
		n += v
	}
	if n < 1 || strings.ToLower(roman(n)) != s {
		return -1
	}
	return n
}

// compareRows finds out which rows agree with one of the pages around theirs.
// Left and right pages may differ, so that the second next counts as well.
func compareRows(rows [][]pageRow) {
	const near = 2
	for i := range rows {
		for a := range rows[i] {
			for j := i + 1; j <= i+near && j < len(rows); j++ {
				for b := range rows[j] {
					if agree(rows[i][a], rows[j][b], j-i) {
						rows[i][a].agrees, rows[j][b].agrees = true, true
					}
				}
			}
		}
	}
}

// agree reports whether two rows are the same but for a page number, that of b
// is on a page so many further. At one height, a row whose other words change
// counts where there is a page number in it.
func agree(a, b pageRow, pages int) bool {
	if a.foot != b.foot || a.text == "" {
		return false
	}
	numbered := a.number >= 0 && b.number-a.number == pages
	if numbered && a.outer && b.outer && a.text == b.text {
		return true
	}
	if a.number < 0 && (a.heads || b.heads) {
		return false
	}
	near := a.zone && b.zone && math.Abs(a.edge-b.edge) <= runningShift
	return near && (numbered || a.number < 0 && a.text == b.text)
}

// chooseRunning marks the rows to be removed at one edge of the pages. Of the
// rows of a page only those count that have nothing else outside of them.
func chooseRunning(rows [][]pageRow, foot bool, used int) {
	var byHeight, byText []*pageRow
	for i := range rows {
		for j := range rows[i] {
			r := &rows[i][j]
			if r.foot != foot || !r.agrees {
				continue
			}
			byHeight = append(byHeight, r)
			if r.outer && r.number >= 0 {
				byText = append(byText, r)
			}
		}
	}
	mark := func(rows []*pageRow, same func(first, last, next *pageRow) bool) {
		for len(rows) > 0 {
			n := 1
			for n < len(rows) && same(rows[0], rows[n-1], rows[n]) {
				n++
			}
			group := rows[:n]
			rows = rows[n:]
			least := minRunning
			if !slices.ContainsFunc(group, func(r *pageRow) bool { return !r.bare }) {
				least = minNumbered
			}
			if n < least || float64(n) < runningShare*float64(used) {
				continue
			}
			for _, r := range group {
				r.remove = true
			}
		}
	}
	slices.SortStableFunc(byHeight, func(a, b *pageRow) int { return cmp.Compare(a.edge, b.edge) })
	mark(byHeight, func(first, last, next *pageRow) bool {
		return next.edge-last.edge <= 1 && next.edge-first.edge <= runningShift
	})
	slices.SortStableFunc(byText, func(a, b *pageRow) int { return cmp.Compare(a.text, b.text) })
	mark(byText, func(first, _, next *pageRow) bool { return next.text == first.text })
	for i := range rows {
		outermost := true
		for j := range rows[i] {
			if r := &rows[i][j]; r.foot == foot {
				outermost = outermost && r.remove
				r.remove = outermost
			}
		}
	}
}

// takeOut removes the rows that are marked, but the first that says something.
func (l *pdfLayout) takeOut(rows [][]pageRow) {
	said := map[string]bool{}
	running := make([]map[int]bool, len(rows))
	for i := range rows {
		running[i] = map[int]bool{}
		for _, r := range rows[i] {
			for _, k := range r.lines {
				if r.remove {
					running[i][k] = true
				}
			}
		}
	}
	words := func(s string) string {
		return strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) {
				return unicode.ToLower(r)
			}
			return -1
		}, s)
	}
	for i, p := range l.pages {
		for k, line := range p.lines {
			if !running[i][k] && len(line.text) <= maxRunningText {
				said[words(line.text)] = true
			}
		}
	}
	for i := range rows {
		for _, r := range rows[i] {
			if !r.remove || r.bare {
				continue
			}
			if w := words(r.text); w != "" && !said[w] {
				said[w] = true
				for _, k := range r.lines {
					delete(running[i], k)
				}
			}
		}
		if len(running[i]) == 0 {
			continue
		}
		var kept []pdfLine
		for k, line := range l.pages[i].lines {
			if !running[i][k] {
				kept = append(kept, line)
			}
		}
		l.running += len(running[i])
		l.pages[i].lines = kept
	}
}
