package extract

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

const (
	// maxSpan bounds the columns or rows that one cell is taken to span.
	maxSpan = 100
	// maxTableCells bounds the cells of one table, those added for spans
	// included.
	maxTableCells = 1 << 20
)

// tableRow is one row of a table as text.
type tableRow struct {
	cells  []string
	header bool
}

// table writes a <table>: "| a | b |" for each row, with a line of dashes under
// the header. A cell over several columns is followed by empty cells; a cell
// over several rows is repeated in each, so that a row can be read alone.
// Tables that only lay out a page are written as the blocks in their cells.
func (w *htmlWriter) table(n *html.Node) {
	var rows []tableRow
	if !layoutTable(n) {
		rows = tableRows(n)
	}
	columns := 0
	for _, r := range rows {
		columns = max(columns, len(r.cells))
	}
	if columns < 2 {
		w.within(w.block, 2, func() { w.children(n) })
		return
	}
	if c := findNode(n, func(d *html.Node) bool { return d.DataAtom == atom.Caption }); c != nil {
		w.within(mark{kind: Paragraph}, 2, func() { w.children(c) })
	}
	w.within(mark{kind: Table}, 2, func() {
		head := 0 // rows of the header
		for head < len(rows) && rows[head].header {
			head++
		}
		for i, r := range rows {
			w.lineBreak(1)
			w.raw("| " + strings.Join(r.cells, " | ") + " |")
			if i+1 == head {
				w.lineBreak(1)
				w.raw("|" + strings.Repeat(" --- |", len(r.cells)))
			}
		}
	})
}

// layoutTable reports whether n places blocks on a page rather than values in
// rows.
func layoutTable(n *html.Node) bool {
	if role := attr(n, "role"); role == "presentation" || role == "none" {
		return true
	}
	return findNode(n, func(d *html.Node) bool {
		switch d.DataAtom {
		case atom.Table, atom.H1, atom.H2, atom.H3, atom.Pre:
			return true
		}
		return false
	}) != nil
}

// tableRows returns the rows of a table without nested tables, blank ones left
// out.
func tableRows(table *html.Node) []tableRow {
	type above struct { // a cell that reaches into the rows below
		text string
		rows int
	}
	var rows []tableRow
	pending := map[int]above{} // by column
	cells, size := 0, 0
	for tr := range table.Descendants() {
		if tr.DataAtom != atom.Tr || skipped(tr) {
			continue
		}
		row := tableRow{header: true}
		fill := func() {
			for p, ok := pending[len(row.cells)]; ok; p, ok = pending[len(row.cells)] {
				if p.rows--; p.rows == 0 {
					delete(pending, len(row.cells))
				} else {
					pending[len(row.cells)] = p
				}
				row.cells = append(row.cells, p.text)
			}
		}
		blank := true
		for td := tr.FirstChild; td != nil; td = td.NextSibling {
			if td.DataAtom != atom.Td && td.DataAtom != atom.Th || skipped(td) {
				continue
			}
			fill()
			text, _ := renderHTML(td)
			text = strings.Join(strings.Fields(text), " ")
			blank = blank && text == ""
			row.header = row.header && (td.DataAtom == atom.Th || tr.Parent != nil && tr.Parent.DataAtom == atom.Thead)
			for range span(td, "colspan") {
				if r := span(td, "rowspan"); r > 1 {
					pending[len(row.cells)] = above{text, r - 1}
				}
				row.cells = append(row.cells, text)
				text = ""
			}
		}
		fill()
		cells += len(row.cells)
		for _, c := range row.cells {
			size += len(c)
		}
		if cells > maxTableCells || size > MaxTextBytes {
			return nil
		}
		if !blank {
			rows = append(rows, row)
		}
	}
	return rows
}

// span returns the number of columns or rows that a cell spans.
func span(td *html.Node, name string) int {
	n, err := strconv.Atoi(attr(td, name))
	if err != nil {
		return 1
	}
	return min(max(n, 1), maxSpan)
}

// renderTokens renders a page that could not be parsed as a tree: running text
// with its headings, cut at every tag of a block element.
func renderTokens(page string) (string, []mark) {
	w := &htmlWriter{block: mark{kind: Paragraph}}
	z := html.NewTokenizer(strings.NewReader(page))
	skip := "" // the element whose content is left out
	for {
		switch z.Next() {
		case html.ErrorToken:
			return w.b.String(), w.marks
		case html.TextToken:
			if skip == "" {
				w.text(html.UnescapeString(string(z.Raw())))
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			switch tag := atom.Lookup(name); tag {
			case atom.Script, atom.Style, atom.Noscript, atom.Template, atom.Title, atom.Textarea, atom.Nav, atom.Aside, atom.Footer:
				if skip == "" {
					skip = string(name)
				}
			case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
				level := int(name[1] - '0')
				w.block = mark{kind: Heading, level: level}
				w.begin(2)
				w.marker = strings.Repeat("#", level) + " "
			case atom.Br:
				w.lineBreak(1)
			case atom.Li:
				w.begin(1)
			default:
				if blockElements[tag] || tag == atom.Ul || tag == atom.Ol || tag == atom.Table || tag == atom.Pre || tag == atom.Blockquote {
					w.begin(2)
				}
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			switch tag := atom.Lookup(name); {
			case string(name) == skip:
				skip = ""
			case len(name) == 2 && name[0] == 'h' && name[1] >= '1' && name[1] <= '6':
				w.marker = ""
				w.block = mark{kind: Paragraph}
				w.begin(2)
			case blockElements[tag]:
				w.begin(2)
			}
		}
	}
}
