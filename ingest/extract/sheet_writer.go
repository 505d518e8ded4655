package extract

import (
	"strconv"
	"strings"
)

// cell is a cell of a sheet that has text, on one line.
type cell struct {
	column int // from 0
	text   string
	number bool // a number, a date or a truth value rather than words
}

// sheetWriter writes the rows of one sheet. A table is a run of rows without a
// blank row between; what stands in a single cell above it is its caption.
//
// Where the first row of a table names its columns, the cells of the others are
// labelled with the names, so that each row can be read alone:
// "Name: Pipit | Price: 12.50". Otherwise cells are separated by " | ", one
// for each column that is left out between two.
type sheetWriter struct {
	out     *blockWriter
	name    string
	begun   bool
	pending [][]cell // the first rows of a table, until they tell whether it has names
	decided bool
	names   map[int]string // of the columns of the table
}

const (
	// decideRows is how many rows are looked at to tell whether the first names
	// the columns.
	decideRows = 20
	// maxNameBytes is the longest name of a column.
	maxNameBytes = 120
	// maxGap is the largest number of columns left out between two cells that
	// is shown.
	maxGap = 8
)

// begin writes the name of the sheet, once.
func (w *sheetWriter) begin() {
	if !w.begun && w.name != "" {
		w.out.write(Heading, 1, w.name)
	}
	w.begun = true
}

// row writes a row; a blank one ends the table.
func (w *sheetWriter) row(cells []cell) error {
	if w.out.full() {
		if w.out.b.Len() > MaxTextBytes {
			return tooLong(w.out.b.Len())
		}
		return tooManyBlocks()
	}
	switch {
	case len(cells) == 0:
		w.endTable()
	case w.decided:
		w.write(cells)
	case len(w.pending) == 0 && len(cells) == 1:
		w.write(cells) // a caption
	default:
		if w.pending = append(w.pending, cells); len(w.pending) == decideRows {
			w.decide()
		}
	}
	return nil
}

// endTable writes what is pending.
func (w *sheetWriter) endTable() {
	w.decide()
	w.decided, w.names = false, nil
}

// decide tells whether the first row names the columns, and writes what is
// pending.
func (w *sheetWriter) decide() {
	rows := w.pending
	w.pending, w.decided = nil, true
	if len(rows) == 0 {
		return
	}
	named := columnNames(rows)
	w.write(rows[0])
	w.names = named
	for _, r := range rows[1:] {
		w.write(r)
	}
}

func (w *sheetWriter) write(cells []cell) {
	w.begin()
	var b strings.Builder
	for i, c := range cells {
		name, labelled := w.names[c.column]
		if i > 0 {
			gap := 1
			if w.names == nil {
				gap = min(c.column-cells[i-1].column, maxGap)
			}
			b.WriteString(strings.Repeat(" |", gap) + " ")
		}
		if labelled {
			b.WriteString(name + ": ")
		}
		b.WriteString(c.text)
	}
	w.out.write(Row, 0, b.String())
}

// columnNames returns the names that the first of rows gives to the columns, by
// column, or nil. Names are words, or years; no two are equal; and there is one
// for every column of the rows below, but for the first.
//
// A table of two columns may as well be one of terms and values. There the
// second column must hold a number in every row but the first, and in more than
// one.
func columnNames(rows [][]cell) map[int]string {
	head := rows[0]
	if len(rows) < 2 || len(head) < 2 {
		return nil
	}
	names, seen := map[int]string{}, map[string]bool{}
	for i, c := range head {
		if len(c.text) > maxNameBytes || seen[c.text] || c.number && (i == 0 && c.column == 0 || !isYear(c.text)) {
			return nil
		}
		seen[c.text] = true
		names[c.column] = c.text
	}
	first := head[0].column
	columns := map[int]bool{}
	numbers := true // in the second column
	for _, row := range rows[1:] {
		for _, c := range row {
			first = min(first, c.column)
			columns[c.column] = true
			if c.column == head[1].column {
				numbers = numbers && c.number
			}
		}
	}
	for column := range columns {
		if _, ok := names[column]; !ok && column != first {
			return nil
		}
	}
	if len(names) == 2 && len(columns) <= 2 && (!numbers || len(rows) < 3) {
		return nil
	}
	return names
}

func isYear(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 1900 && n <= 2100
}
