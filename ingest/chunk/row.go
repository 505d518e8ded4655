package chunk

import (
	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/text"
)

// row is [Row].
type row struct{ structure }

func (row) regions(sp *splitter) []region {
	blocks := sp.doc.Blocks
	// table numbers the table that a piece belongs to by its first block; -1: none.
	table := make([]int, len(sp.pieces))
	for i, p := range sp.pieces {
		switch b := blocks[p.block]; {
		case b.Kind == extract.Table:
			table[i] = p.block
		case b.Kind != extract.Row:
			table[i] = -1
		case i > 0 && table[i-1] >= 0 && blocks[table[i-1]].Kind == extract.Row && blocks[table[i-1]].Page == b.Page:
			table[i] = table[i-1]
		default:
			table[i] = p.block
		}
	}
	// Headings directly in front of a table go with it.
	for i := len(table) - 2; i >= 0; i-- {
		if blocks[sp.pieces[i].block].Kind == extract.Heading {
			table[i] = table[i+1]
		}
	}
	out := runs(sp.pieces, func(i int) bool { return table[i] != table[i-1] })
	for k := range out {
		r := &out[k]
		if table[r.from] >= 0 {
			r.head = sp.tableHead(sp.pieces[r.from:r.to])
		}
	}
	return out
}

// tableHead returns the span of the header row of a table with the headings in
// front of it; empty: it has none.
func (sp *splitter) tableHead(pieces []piece) text.Span {
	var rows []piece
	for _, p := range pieces {
		if sp.doc.Blocks[p.block].Kind != extract.Heading {
			rows = append(rows, p)
		}
	}
	if sp.doc.Blocks[rows[0].block].Kind == extract.Row {
		switch sp.doc.MediaType {
		case "text/csv", "text/tab-separated-values":
			return rows[0].Span
		}
		return text.Span{}
	}
	for i, p := range rows {
		if i > 0 && delimiterRow(sp.text[p.Start:p.End]) {
			return text.Span{Start: rows[0].Start, End: rows[i-1].End}
		}
	}
	if delimiterRow(sp.text[rows[0].Start:rows[0].End]) {
		return text.Span{} // a head without names
	}
	return rows[0].Span
}
