package extract

import "strings"

// blockWriter collects the text of a rendered document, block by block.
type blockWriter struct {
	b     strings.Builder
	marks []mark
	page  int // of the blocks to come, 0 where the format has no pages
}

// write appends one block. Blocks are separated by a blank line; items of a
// list and rows of a sheet follow each other without.
func (w *blockWriter) write(kind Kind, level int, s string) {
	if w.full() {
		return // refused as too large in the end
	}
	if k := len(w.marks); k > 0 {
		if last := w.marks[k-1]; (kind == ListItem || kind == Row) && last.kind == kind && last.page == w.page {
			w.b.WriteByte('\n')
		} else {
			w.b.WriteString("\n\n")
		}
	}
	w.marks = append(w.marks, mark{at: w.b.Len(), kind: kind, level: level, page: w.page})
	w.b.WriteString(s)
}

// full reports whether more was written than a document may have.
func (w *blockWriter) full() bool {
	return w.b.Len() > MaxTextBytes || len(w.marks) > MaxBlocks
}

// document returns what was written. Its text obeys the text rules.
func (w *blockWriter) document() Document {
	s := w.b.String()
	return Document{Text: s, Blocks: tile(s, w.marks)}
}

// writeOn is write for a block that began on an earlier page than the one at
// hand.
func (w *blockWriter) writeOn(page int, kind Kind, level int, s string) {
	now := w.page
	w.page = page
	w.write(kind, level, s)
	w.page = now
}

// append appends text that is divided into blocks already.
func (w *blockWriter) append(s string, marks []mark) {
	if w.full() || strings.TrimSpace(s) == "" {
		return
	}
	if w.b.Len() > 0 {
		w.b.WriteString("\n\n")
	}
	for _, m := range marks {
		m.at += w.b.Len()
		m.page = w.page
		w.marks = append(w.marks, m)
	}
	w.b.WriteString(s)
}

// add appends the blocks of another writer, on the page of w.
func (w *blockWriter) add(other *blockWriter) {
	s := other.b.String()
	for i, m := range other.marks {
		end := len(s)
		if i+1 < len(other.marks) {
			end = other.marks[i+1].at
		}
		w.write(m.kind, m.level, strings.TrimRight(s[m.at:end], "\n"))
	}
}

// itemText returns the text of a list item of a level from 1: indented by it,
// behind its label.
func itemText(level int, label, s string) string {
	indent := strings.Repeat("  ", level-1)
	return indent + label + " " + strings.ReplaceAll(s, "\n", "\n"+indent+"  ")
}

// table writes rows of cells as one block that began on page: a line each, cells
// separated by " | ". Rows without text are left out.
func (w *blockWriter) table(page int, rows [][]string) {
	var lines []string
	for _, cells := range rows {
		if line := rowText(cells); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) > 0 {
		w.writeOn(page, Table, 0, strings.Join(lines, "\n"))
	}
}

// rowText returns the line of a row, "" where no cell has text.
func rowText(cells []string) string {
	line := strings.Join(cells, " | ")
	if strings.Trim(line, " |") == "" {
		return ""
	}
	return line
}

// oneLine returns s with every run of white space made one space.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
