// Package pack assembles ranked chunks into one context that never exceeds its
// token budget.
//
// A context is a string of segments with a blank line between them. A segment
// is a header line, which says where the text comes from and carries the label
// to cite it by, and below it a contiguous span of one document, verbatim:
//
//	[1] Travel policy > Hotels > Limits (handbook/travel.pdf, p. 3-4)
//	The limit for one night is …
//
//	[2] Expenses FAQ (faq/expenses.md)
//	…
//
// # What the frame guarantees
//
// A header is one line whatever title, headings and document id hold. No line of any
// segment's text begins like a header of the same context: where a line of a
// document begins with white space, one "[" and a digit, the headers of this
// context have two brackets, "[[1]] …", and so on up to the first number that
// occurs in none of the texts. So neither chance (a list of references) nor a
// crafted document yields a line that has the form of a header.
//
// Not guaranteed: that a language model reads it that way. Text that talks about
// other sources, look-alike characters (a full-width bracket) and instructions
// hidden in a document reach the model as they are.
//
// The package is pure: equal input gives equal bytes. Chunks of equal score
// have the order that the caller gave them. It does not search, and it counts
// in whatever tokenizer it is given.
package pack

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/text"
)

// ErrBudget: the token budget is not positive, or smaller than the smallest
// context that can be made of the chunks.
var ErrBudget = errors.New("token budget too small")

// BudgetError is the [ErrBudget] of a Pack.
type BudgetError struct {
	BudgetTokens int
	NeedTokens   int // smallest budget that would do; at least 1
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("pack: %v: the budget is %d tokens, needed are at least %d", ErrBudget, e.BudgetTokens, e.NeedTokens)
}

// Is reports whether target is ErrBudget.
func (e *BudgetError) Is(target error) bool { return target == ErrBudget }

// Chunk is a ranked chunk as the packer sees it. Input order is rank order.
type Chunk struct {
	Doc                text.DocID
	Rev                string
	URI, Title         string
	Ordinal            int
	Span               text.RuneSpan // of Text in the document
	Text               string        // has exactly Span.Len() code points
	Gap                string        // what the document has between this chunk's end and the next one's start
	Heading            []string      // outermost first, without the title
	PageStart, PageEnd int           // 1-based; 0: no pages
	Score              float64
}

// Counter counts tokens of the target tokenizer on a whole string; implemented by tokens.Counter.
type Counter interface{ Count(s string) int }

// Orders of segments.
const (
	ByRank     = "rank"     // best first; a segment is as good as its best chunk
	ByDocument = "document" // documents by their best segment, in text order inside each
)

// Options of Pack.
type Options struct {
	BudgetTokens int    // > 0
	MaxPerSource int    // segments per document; 0: no cap
	Order        string // ByRank (default) or ByDocument
	NoTrim       bool   // do not trim the first chunk that does not fit at a sentence boundary
}

// Segment is one contiguous span of one document inside the context.
type Segment struct {
	Label              string // "1", as printed in the context
	Doc                text.DocID
	Rev                string
	URI, Title         string
	Heading            []string // of the chunk that it begins with
	PageStart, PageEnd int      // of its chunks, whole ones where it is Trimmed
	Span               text.RuneSpan
	Text               string // of the document at Span, and in the context
	Tokens             int    // of Text alone
	Score              float64
	Chunks             []int // indices into the input that it was made of, ascending
	Trimmed            bool  // one of Chunks is in it only up to the end of a sentence
}

// Reason why an input chunk is not in the context; a closed set.
type Reason string

const (
	Duplicate  Reason = "duplicate"   // its span is covered, or its text is already in the context
	OverBudget Reason = "over_budget" // it does not fit any more
	SourceCap  Reason = "source_cap"  // MaxPerSource reached
)

// Drop is an input chunk that is not in the context.
type Drop struct {
	Chunk  int // index into the input
	Reason Reason
}

// Context is the result. Counter.Count(Text) == Tokens <= Options.BudgetTokens, always.
// Every input chunk is in exactly one Segment or one Drop.
type Context struct {
	Text     string // "" without segments
	Tokens   int
	Segments []Segment // in the order of Text
	Dropped  []Drop    // by Chunk
}

// Pack goes through the chunks once, best first, and takes what fits. A chunk
// that overlaps or touches a segment of its document and revision makes that
// segment longer. A chunk that does not fit is skipped; the first for which
// that is possible is cut at the end of a sentence instead.
//
// Pack is pure and deterministic. No chunks give an empty context. Errors:
// [*BudgetError], which is [ErrBudget], when not even one chunk fits; an error
// naming the chunk where Span and Text disagree; an error for an unknown Order
// or a negative MaxPerSource.
func Pack(chunks []Chunk, c Counter, o Options) (Context, error) {
	if err := check(chunks, o); err != nil {
		return Context{}, err
	}
	// Costs are estimated while packing, and exact once the text is there. With
	// the tokenizers we know both agree; with any other one the limit shrinks by
	// the excess until they do. It ends: with a limit of 0 only the first
	// segment is left, which is always counted exactly.
	brackets := freeBrackets(chunks, 1)
	for limit := o.BudgetTokens; ; {
		p := newPacking(chunks, c, o, limit, brackets)
		for i := range chunks {
			p.place(i)
		}
		if len(p.segments) == 0 && p.need > 0 {
			return Context{}, &BudgetError{o.BudgetTokens, p.need}
		}
		result := p.result()
		if p.imitated() {
			// Only where a merge put a bracket and a digit together.
			brackets = freeBrackets(chunks, brackets+1)
			limit = o.BudgetTokens
			continue
		}
		if result.Tokens <= o.BudgetTokens {
			return result, nil
		}
		limit -= result.Tokens - o.BudgetTokens
	}
}

func check(chunks []Chunk, o Options) error {
	switch {
	case o.BudgetTokens <= 0:
		return &BudgetError{o.BudgetTokens, 1}
	case o.MaxPerSource < 0:
		return fmt.Errorf("pack: the cap per source is %d, allowed are 0 (none) and more", o.MaxPerSource)
	case o.Order != "" && o.Order != ByRank && o.Order != ByDocument:
		return fmt.Errorf("pack: the order is %q, allowed are %s and %s", o.Order, ByRank, ByDocument)
	}
	for i, ch := range chunks {
		if n := utf8.RuneCountInString(ch.Text); n != ch.Span.Len() || ch.Span.Start < 0 {
			return fmt.Errorf("pack: chunk %d (document %q) has the span [%d, %d), but its text has %d code points",
				i, ch.Doc, ch.Span.Start, ch.Span.End, n)
		}
	}
	return nil
}
