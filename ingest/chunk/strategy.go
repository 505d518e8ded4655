package chunk

import (
	"fmt"
	"slices"

	"github.com/ragloop/ragloop/internal/text"
)

// Strategy names a way to cut, as recipes store it. The empty one stands for
// [Structure].
type Strategy string

const (
	// Structure fills chunks with whole sentences, rows and lines, and stops at
	// headings and paragraphs where it can: see the package comment.
	Structure Strategy = "structure"
	// Fixed cuts every SizeTokens tokens, whatever the text is. A token that ends
	// inside a code point is left to the next chunk, and so are the blanks in
	// front of it.
	Fixed Strategy = "fixed"
	// Sentence fills chunks with whole sentences, rows and lines, whatever heading
	// or paragraph they belong to: the way of LlamaIndex's SentenceSplitter.
	Sentence Strategy = "sentence"
	// Recursive cuts at empty lines; what is too large then at the ends of lines,
	// what still is between words; and merges neighbours to chunks as large as
	// possible, each beginning with the last parts of the one before that the
	// overlap has room for: the way of LangChain's RecursiveCharacterTextSplitter.
	// That one counts characters: with the tokenizer "bytes/1" SizeTokens is in
	// bytes.
	Recursive Strategy = "recursive"
	// Row keeps tables apart from other text: a chunk has as many rows of one
	// table as fit, with the headings directly in front of it, and the index
	// prefix of those behind the first repeats the table's header row. That is
	// the row above the rule of Markdown, the first record of a CSV file, or the
	// first row of a table that marks none; rows of sheets and JSON files name
	// their values themselves. Other text is cut as by Structure.
	Row Strategy = "row"
	// Page makes a chunk of each page, and several, as by Structure, of one that
	// is too large. A block belongs to the page that it starts on. A document
	// without pages is cut as one page.
	Page Strategy = "page"
	// Parent cuts as by Structure, but never across the parents that its chunks
	// name: a parent is a section with those below it, if it has at most
	// [ParentSizes] times SizeTokens tokens, otherwise a part of one. The chunks
	// are indexed and found, their parents are to be delivered.
	Parent Strategy = "parent"
)

// ParentSizes is the size of the largest parent, in sizes of a chunk.
const ParentSizes = 4

// Strategies returns all strategies, the default first.
func Strategies() []Strategy {
	return []Strategy{Structure, Fixed, Row, Page, Parent, Sentence, Recursive}
}

// Overlaps reports whether chunks may repeat text of the one before: a page and
// a row don't.
func (s Strategy) Overlaps() bool { return s != Page && s != Row }

// strategy returns nil where s is none.
func (s Strategy) strategy() strategy {
	switch s {
	case Structure, "":
		return structure{}
	case Fixed:
		return fixed{}
	case Row:
		return row{}
	case Page:
		return page{}
	case Parent:
		return parent{}
	case Sentence:
		return wholes{}
	case Recursive:
		return recursive{}
	}
	return nil
}

func (s Strategy) check(overlap float64) error {
	if s.strategy() == nil {
		return fmt.Errorf("strategy is %q, want one of %q", s, Strategies())
	}
	if overlap > 0 && !s.Overlaps() {
		return fmt.Errorf("overlap is %v, want 0: strategy %q repeats nothing", overlap, s)
	}
	return nil
}

// strategy decides where the chunks of a document begin and end. One that does
// a part of it like structure embeds it.
type strategy interface {
	// regions takes all pieces apart, in order.
	regions(sp *splitter) []region
	// pick chooses the end of the chunk that starts at start for n tokens, as
	// estimated; it lies past after. ok is false where only cutting a piece is
	// left, and that is not wanted.
	pick(sp *splitter, start position, n, after int, cutPieces bool) (c cut, ok bool)
	// overlap returns the earliest place before start, at which the next chunk
	// would start without an overlap, such that at most the share allowed of the
	// last chunk is repeated. ok is false where nothing is to be repeated: no
	// overlap asked for, or no chunk yet.
	overlap(sp *splitter, start position) (p position, ok bool)
	// finish completes the chunks of a region, those from ordinal first on.
	finish(sp *splitter, first int)
}

// region is a run of pieces, [from, to), that no chunk crosses. Head, unless it
// is empty, is the header row of the table that it consists of.
type region struct {
	from, to int
	head     text.Span
}

// runs takes the pieces apart in front of each that begins a region.
func runs(pieces []piece, begins func(i int) bool) []region {
	out := []region{{}}
	for i := range pieces {
		if i > 0 && begins(i) {
			out = append(out, region{from: i})
		}
		out[len(out)-1].to = i + 1
	}
	return out
}

// page is [Page].
type page struct{ structure }

func (page) regions(sp *splitter) []region {
	return runs(sp.pieces, func(i int) bool {
		return sp.doc.Blocks[sp.pieces[i].block].Page != sp.doc.Blocks[sp.pieces[i-1].block].Page
	})
}

// pieceAt returns the piece that holds offset at, or the first behind it.
func (sp *splitter) pieceAt(at int) int {
	i, _ := slices.BinarySearchFunc(sp.pieces, at, func(p piece, at int) int { return p.End - at - 1 })
	return i
}
