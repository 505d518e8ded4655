package chunk

import (
	"iter"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/text"
)

// breakLevel says how good a place to stop the front of a piece is.
type breakLevel uint8

const (
	glued    breakLevel = iota // after a heading, or inside a table's head: only as the last resort
	sentence                   // between sentences, rows or lines
	block                      // between blocks
	section                    // in front of a heading
)

// piece is a unit that is cut only if it alone is too large. Pieces are in text
// order, begin and end with a non-blank, and hold all the non-blank text.
type piece struct {
	text.Span
	before breakLevel
	block  int // index in the document's blocks
}

// outline is the structure that chunking needs from a document.
type outline struct {
	pieces []piece
	// heading[b] is the innermost heading in force at block b, b itself if it is
	// one: an index in titles; -1: none.
	heading []int
	titles  []title
}

// title is a heading, cleaned.
type title struct {
	text  string
	level int
	up    int // the heading that encloses it; -1: none
}

// maxLevel bounds the length of heading paths.
const maxLevel = 6

func newOutline(doc extract.Document) *outline {
	o := &outline{heading: make([]int, len(doc.Blocks))}
	current := -1
	previous := extract.PageBreak // kind of the last block with a piece
	for i, b := range doc.Blocks {
		body := doc.Text[b.Span.Start:b.Span.End]
		blank := text.Blank(body)
		if b.Kind == extract.Heading && !blank {
			current = o.addTitle(cleanTitle(body), min(max(b.Level, 1), maxLevel), current)
		}
		o.heading[i] = current
		if blank {
			continue
		}
		before := block
		switch {
		case previous == extract.Heading:
			before = glued
		case b.Kind == extract.Heading:
			before = section
		case b.Kind == extract.Row && previous == extract.Row:
			before = sentence
		}
		o.addPieces(doc.Text, i, b, before)
		previous = b.Kind
	}
	return o
}

// addTitle records a heading below current and returns its index.
func (o *outline) addTitle(s string, level, current int) int {
	up := current
	for up >= 0 && o.titles[up].level >= level {
		up = o.titles[up].up
	}
	o.titles = append(o.titles, title{s, level, up})
	return len(o.titles) - 1
}

// addPieces appends the pieces of block b, the first with the break level given.
func (o *outline) addPieces(s string, index int, b extract.Block, before breakLevel) {
	add := func(sp text.Span) {
		if sp = text.TrimSpace(s, sp); sp.Len() > 0 {
			o.pieces = append(o.pieces, piece{sp, before, index})
			before = sentence
		}
	}
	switch b.Kind {
	case extract.Heading, extract.Row:
		add(b.Span)
	case extract.Table:
		for sp := range lines(s, b.Span) {
			if delimiterRow(s[sp.Start:sp.End]) {
				before = glued // to the names of the columns, and the first row to it
				add(sp)
				before = glued
				continue
			}
			add(sp)
		}
	case extract.Code:
		for sp := range lines(s, b.Span) {
			add(sp)
		}
	default:
		for _, sp := range text.Sentences(s[b.Span.Start:b.Span.End]) {
			add(text.Span{Start: b.Span.Start + sp.Start, End: b.Span.Start + sp.End})
		}
	}
}

// lines yields the spans of the lines of s within sp.
func lines(s string, sp text.Span) iter.Seq[text.Span] {
	return func(yield func(text.Span) bool) {
		for start := sp.Start; start < sp.End; {
			end := sp.End
			if n := strings.IndexByte(s[start:sp.End], '\n'); n >= 0 {
				end = start + n + 1
			}
			if !yield(text.Span{Start: start, End: end}) {
				return
			}
			start = end
		}
	}
}

// delimiterRow reports whether line separates the head of a Markdown table from
// its body: "|---|:-:|".
func delimiterRow(line string) bool {
	return strings.Contains(line, "-") && strings.Trim(line, "|-: \t\r\n") == ""
}

// path returns the headings in force at a block, outermost first.
func (o *outline) path(index int) []string {
	var path []string
	for h := o.heading[index]; h >= 0; h = o.titles[h].up {
		if t := o.titles[h].text; t != "" {
			path = append(path, t)
		}
	}
	slices.Reverse(path)
	return path
}
