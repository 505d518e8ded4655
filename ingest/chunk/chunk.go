// Package chunk cuts a document into chunks: spans of its text small enough to
// be retrieved and packed one by one. It is pure: no clock, no network, same
// input, same chunks. It doesn't make ids, embed or store.
//
// # Where a chunk ends
//
// The text is first taken apart into pieces (pieces.go): a heading, a sentence
// of a paragraph or list item, a row of a table, a record, a line of code. With
// the strategy [Structure] a chunk is a run of whole pieces, as long as
// SizeTokens and the embedder's window allow, and then shortened to the best
// place to stop (fit.go, pick.go):
//
//  1. in front of the last heading, if that leaves at least a quarter of the
//     size: whole small sections share a chunk, a section that doesn't fit
//     starts its own;
//  2. else in front of the last paragraph, list item, table or other block, if
//     that leaves at least half of the size;
//  3. else after the last sentence, row or line.
//
// A chunk doesn't end right after a heading if it can end elsewhere. Only a
// piece that is too large by itself is cut: between sentences if it is a row or
// a line, between words, between graphemes, between code points.
//
// # What the chunks promise
//
// Every chunk's Text is the document's text at its Span. No chunk has more than
// SizeTokens tokens, counted on its text alone. Starts and ends strictly
// increase. Every non-blank byte is in a chunk. The texts of the chunks, less
// what overlaps the chunk before, and their Gaps make up the document's text
// byte for byte. A document without any non-blank text has no chunks.
package chunk

import (
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/text"
)

// Params are the chunking parameters of a recipe.
type Params struct {
	Strategy    Strategy // empty: Structure
	SizeTokens  int      // largest chunk, in tokens of the target tokenizer; 16..8192
	Overlap     float64  // share of SizeTokens repeated from the previous chunk; 0 <= Overlap <= 0.5
	IndexPrefix bool     // put title and heading path in front of the indexed text
}

// Limits of [Params].
const (
	MinSizeTokens = 16
	MaxSizeTokens = 8192
	MaxOverlap    = 0.5
)

// Validate returns an error that names the parameter, its value and what is
// allowed, or nil.
func (p Params) Validate() error {
	if err := p.Strategy.check(p.Overlap); err != nil {
		return fmt.Errorf("check chunking parameters: %w", err)
	}
	if p.SizeTokens < MinSizeTokens || p.SizeTokens > MaxSizeTokens {
		return fmt.Errorf("check chunking parameters: size is %d tokens, want %d to %d", p.SizeTokens, MinSizeTokens, MaxSizeTokens)
	}
	if math.IsNaN(p.Overlap) || p.Overlap < 0 || p.Overlap > MaxOverlap {
		return fmt.Errorf("check chunking parameters: overlap is %v, want 0 to %v", p.Overlap, MaxOverlap)
	}
	return nil
}

// Counter counts tokens of the target tokenizer; implemented by tokens.Counter.
type Counter interface {
	Count(s string) int
	Ends(s string) []int
}

// Window is the embedder's limit; implemented by embed.Embedder through a small adapter.
type Window interface {
	MaxTokens() int // 0: no limit
	CountTokens(s string) int
}

// Chunk is a span of a document. Text == doc.Text[Span.Start:Span.End].
type Chunk struct {
	Ordinal int // 0-based position in the document
	Span    text.Span
	Text    string
	// Gap is the blank text between this chunk's end and the next chunk's start
	// ("" where they overlap or touch), or the end of the document.
	Gap string
	// Heading is the heading path, outermost first, without the document title
	// (or what the title adds a remark in parentheses to):
	// the headings in force where the chunk starts, those that it opens with
	// included. Markdown's heading marks are removed, white space is collapsed,
	// and headings are cut to 200 code points.
	Heading            []string
	PageStart, PageEnd int  // 1-based, 0 where the format has no pages
	Tokens             int  // exact count of Text in the target tokenizer
	WindowSplit        bool // the embedder's window was full before the size was
	// Prefix is the index prefix: document title and heading path on one line,
	// "Handbook > Leave > Carry-over\n". Indexed text is Prefix + Text. A prefix
	// has at most 64 of the embedder's tokens and takes at most a quarter of its
	// window: what is too much is left out from the left of the path, the title
	// last. With the strategy [Row] a second line, under the same limits, repeats
	// the header row of the chunk's table if the chunk begins behind it. "" when
	// off, where there is neither title nor heading, and in a window too small for
	// a prefix and a single character.
	Prefix string
	// ParentFirst and ParentLast are the ordinals of the first and the last chunk
	// of the parent, which is to be delivered where this chunk is found; with the
	// strategy [Parent] only. Both are 0 where the chunk is its own parent.
	ParentFirst, ParentLast int
}

// Stats counts what a user should know about a chunking.
type Stats struct {
	WindowSplits int // chunks with WindowSplit
}

// Split cuts doc into chunks, in text order. w may be nil: no window.
//
// A chunk starts where the one before ended, or, with an overlap, at the
// earliest sentence, row or line ([Fixed]: token; [Recursive]: part) of its tail
// that has at most Overlap*SizeTokens tokens. Nothing is repeated across a heading,
// but by Fixed, [Sentence] and Recursive, and nothing where the overlap would leave too little room for the next sentence.
//
// The first chunk starts at offset 0, blank or not. In the odd case that the
// text begins with more blanks than half a chunk holds, the first chunk is
// one of them and its Gap the others.
//
// Errors: parameters out of range, blocks that don't tile the text, text that
// isn't UTF-8, a window in which not a single character has room.
func Split(doc extract.Document, p Params, c Counter, w Window) ([]Chunk, Stats, error) {
	if err := p.Validate(); err != nil {
		return nil, Stats{}, err
	}
	if err := checkDocument(doc); err != nil {
		return nil, Stats{}, err
	}
	o := newOutline(doc)
	if len(o.pieces) == 0 {
		return nil, Stats{}, nil
	}
	sp := newSplitter(doc, o, p, c, w)
	if err := sp.split(); err != nil {
		return nil, Stats{}, err
	}
	return sp.chunks, sp.stats, nil
}

func checkDocument(doc extract.Document) error {
	if !utf8.ValidString(doc.Text) {
		return fmt.Errorf("check document: its text is not UTF-8")
	}
	end := 0
	for i, b := range doc.Blocks {
		if b.Span.Start != end || b.Span.End < b.Span.Start || b.Span.End > len(doc.Text) {
			return fmt.Errorf("check document: block %d has span [%d,%d), want it to start at %d within a text of %d bytes", i, b.Span.Start, b.Span.End, end, len(doc.Text))
		}
		end = b.Span.End
		if end < len(doc.Text) && !utf8.RuneStart(doc.Text[end]) {
			return fmt.Errorf("check document: block %d ends at %d, inside a code point", i, end)
		}
	}
	if end != len(doc.Text) {
		return fmt.Errorf("check document: the blocks end at %d, the text at %d", end, len(doc.Text))
	}
	return nil
}
