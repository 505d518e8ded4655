// Package pack assembles ranked chunks into one context that never exceeds its
// token budget.
//
// A context is a string of segments with a blank line between them. A segment
// is a contiguous span of one document inside a frame: lines that say where the
// text comes from and carry the label to cite it by. The plain frame is a header
// line:
//
//	[1] Travel policy > Hotels > Limits (handbook/travel.pdf, p. 3-4)
//	The limit for one night is …
//
//	[2] Expenses FAQ (faq/expenses.md)
//	…
//
// It leaves out a title that the document's id says already.
//
// A [Template] makes other frames: XML tags, Markdown headings, or what its
// author writes.
//
// # What the frame guarantees
//
// A line of the frame is one line whatever title, headings and document id hold,
// and no line of any segment's text can be taken for one:
//
//   - In the plain frame, the headers give way: where a line of a document begins
//     with white space, one "[" and a digit, the headers of this context have two
//     brackets, "[[1]] …", and so on up to the first number that occurs in none of
//     the texts. Texts stay as they are.
//   - Templates keep their form, which prompts may rely on: what a document has of
//     it gets a backslash, "<\/source>".
//   - In either, a run of invisible characters that can hold a message, such as
//     the tag characters that mirror ASCII, reads U+FFFD.
//   - What nobody sees does not hide a label or a tag: white space, blanks of other
//     scripts, and all that Unicode says to ignore, letters among it.
//
// Each such change is an [Edit] of its segment, so that an offset in the context
// leads back to the document ([Segment.Origin]); Segment.Text and Segment.Span
// are the document's.
//
// Not guaranteed: that a language model reads it that way. Text that talks about
// other sources, look-alike characters (a full-width bracket, a letter with an accent,
// what marks of direction turn round) and instructions in plain sight reach the model
// as they are. A code fence or comment that a document leaves open can hide the headers
// behind it where a context is rendered; they are still in its text.
//
// # Determinism
//
// The package is pure: equal input gives equal bytes, and so does input in which
// chunks of equal [Chunk].Rank that follow each other have changed places. It does
// not search, and it counts in whatever tokenizer it is given.
package pack

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

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
	// Rank is for input that has ties: chunks that follow each other with equal
	// ranks are in no order but that of what they hold. 0: the order given counts.
	Rank int
	// Found is what of Span was found, where the chunk is the parent of it; zero:
	// all. A parent that does not fit is cut around Found, or to it.
	Found text.RuneSpan
	// Neighbour marks a chunk that was not found but stands beside one that was:
	// it may make a segment longer, with what is left of the budget. Neighbours
	// come after all others, the most wanted first.
	Neighbour bool
}

// Counter counts tokens of the target tokenizer on a whole string; implemented by tokens.Counter.
type Counter interface{ Count(s string) int }

// Orders of segments.
const (
	ByRank     = "rank"     // best first; a segment is as good as its best chunk
	ByDocument = "document" // documents by their best segment, in text order inside each
	ByEnds     = "ends"     // best first, second best last, and so on inwards: models attend to the ends
)

// Orders lists them.
func Orders() []string { return []string{ByRank, ByDocument, ByEnds} }

// Options of Pack.
type Options struct {
	BudgetTokens int    // > 0
	MaxPerSource int    // segments per document; 0: no cap
	Order        string // ByRank (default), ByDocument or ByEnds
	NoTrim       bool   // do not trim the first chunk that does not fit at a sentence boundary
	// Diversity, 0 to 1, is the weight of how little a chunk resembles those taken
	// before it against its rank: maximal marginal relevance (Carbonell and
	// Goldstein, SIGIR 1998, with lambda = 1-Diversity) over the texts. It decides
	// what is taken, not the order of segments. 0, the default: rank alone.
	Diversity float64
	Template  *Template // nil: Plain
	// Relevance focuses contexts of up to 1,536 tokens: the ends of chunks that have
	// the least to do with the query make room for more chunks, as far as those are
	// worth more. What is left of a chunk is whole sentences without a gap. Nil: only
	// the first chunk that does not fit is cut. Nor are chunks focused with NoTrim
	// or Diversity, where some are parents or neighbours, where they overlap, or where
	// nothing of what is left fits.
	Relevance Relevance
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
	Text               string        // of the document at Span
	Context            text.RuneSpan // of the same, with Edits made, in Context.Text
	Edits              []Edit        // in order, apart; nil: Text is in the context as it is
	Tokens             int           // of Text alone
	Score              float64
	Chunks             []int // indices into the input that it was made of, ascending
	Trimmed            bool  // one of Chunks is in it only in part
}

// Reason why an input chunk is not in the context; a closed set.
type Reason string

const (
	Duplicate  Reason = "duplicate"   // its span is covered, or its text is already in the context
	OverBudget Reason = "over_budget" // it does not fit any more
	SourceCap  Reason = "source_cap"  // MaxPerSource reached
	Apart      Reason = "apart"       // a neighbour of nothing in the context
)

// Drop is an input chunk that is not in the context.
type Drop struct {
	Chunk  int // index into the input
	Reason Reason
}

// CutReason says why a part of a chunk is not in the context; a closed set.
type CutReason string

const (
	Focused CutReason = "focus"  // it made room for more chunks: Options.Relevance
	Trimmed CutReason = "trim"   // the first chunk that did not fit was cut at a sentence
	Unfound CutReason = "parent" // the parent did not fit: what was found of it is there, and not this
)

// Cut is a part of an input chunk that the context lacks although the chunk is in
// one of its segments.
type Cut struct {
	Chunk  int           // index into the input
	Span   text.RuneSpan // of the document; not empty
	Reason CutReason
}

// Context is the result. Counter.Count(Text) == Tokens <= Options.BudgetTokens, always.
// Every input chunk is in exactly one Segment or one Drop; see [Context.Fates].
type Context struct {
	Text     string // "" without segments
	Tokens   int
	Segments []Segment // in the order of Text
	Dropped  []Drop    // by Chunk
	Cuts     []Cut     // by Chunk, of each in the order of the document
	Turns    []int     // the input chunks in the order in which they competed, without neighbours, which came after them
}

// Segment returns the segment with a label.
func (c Context) Segment(label string) (Segment, bool) {
	for _, s := range c.Segments {
		if s.Label == label {
			return s, true
		}
	}
	return Segment{}, false
}

// Pack goes through the chunks once, best first, and takes what fits. A chunk
// that overlaps or touches a segment of its document and revision makes that
// segment longer. A chunk that does not fit is skipped; the first for which
// that is possible is cut at the end of a sentence instead. With
// [Options.Relevance] others are cut before, to make room for more of them. A
// parent that does not fit is delivered as what was found of it. Then neighbours
// make segments longer.
//
// Pack is pure and deterministic, and keeps nothing of the chunks but what they hold.
// No chunks give an empty context. Errors:
// [*BudgetError], which is [ErrBudget], when not even one chunk fits; an error
// naming the chunk where Span, Found and Text disagree, a score is not a number
// or a neighbour is in front of a chunk that was found; an error for an unknown
// Order, a negative MaxPerSource or a Diversity outside 0..1.
func Pack(chunks []Chunk, c Counter, o Options) (Context, error) {
	if err := check(chunks, o); err != nil {
		return Context{}, err
	}
	ranked, order := settleTies(chunks)
	m := newMeter(c)
	out, err := packRanked(ranked, m, o)
	if err != nil {
		return Context{}, needed(err, ranked, m, o)
	}
	if order != nil {
		out.reorder(order)
	}
	return out, nil
}

// needed returns err, where it is a [*BudgetError] with the budget that would do.
func needed(err error, ranked []Chunk, m meter, o Options) error {
	budget := o.BudgetTokens
	var small *BudgetError
	for errors.As(err, &small) {
		// What is needed may need more again, as another text needs another frame.
		o.BudgetTokens = small.NeedTokens
		if _, err = packRanked(ranked, m, o); err == nil {
			return &BudgetError{budget, small.NeedTokens}
		}
	}
	return err
}

// reorder makes a context of ranked chunks one of chunks that are in another order:
// order has the place of each of them.
func (c *Context) reorder(order []int) {
	for _, s := range c.Segments {
		for k, i := range s.Chunks {
			s.Chunks[k] = order[i]
		}
		slices.Sort(s.Chunks)
	}
	for k := range c.Dropped {
		c.Dropped[k].Chunk = order[c.Dropped[k].Chunk]
	}
	slices.SortFunc(c.Dropped, func(a, b Drop) int { return cmp.Compare(a.Chunk, b.Chunk) })
	for k := range c.Cuts {
		c.Cuts[k].Chunk = order[c.Cuts[k].Chunk]
	}
	slices.SortStableFunc(c.Cuts, func(a, b Cut) int { return cmp.Compare(a.Chunk, b.Chunk) })
	for k, i := range c.Turns {
		c.Turns[k] = order[i]
	}
}

// packRanked packs chunks among which there are no ties: as [focus] says, or, where
// nothing fits of what that leaves, as they are.
func packRanked(chunks []Chunk, m meter, o Options) (Context, error) {
	var focused *BudgetError
	if parts, order := focus(chunks, m, o); order != nil {
		if out, err := pack(parts, order, chunks, m, o); !errors.As(err, &focused) {
			return out, err
		}
	}
	out, err := pack(nil, nil, chunks, m, o)
	var small *BudgetError
	if focused != nil && errors.As(err, &small) && focused.NeedTokens < small.NeedTokens {
		return Context{}, focused
	}
	return out, err
}

// pack packs chunks in the order in which they compete; chunks[i] is part or all of
// whole[order[i]], and whole is in rank order. Nil: whole as it is.
func pack(chunks []*Chunk, order []int, whole []Chunk, m meter, o Options) (Context, error) {
	p := newPacking(chunks, order, whole, m, o)
	out, err := p.run()
	p.release()
	return out, err
}

// run makes the context. Where not even one chunk fits, the error is a [*BudgetError].
func (p *packing) run() (Context, error) {
	// Costs are estimated while packing, and exact once the text is there. With
	// the tokenizers we know both agree; with any other one the limit shrinks by
	// the excess until they do. It ends: with a limit of 0 only the first
	// segment is left, which is always counted exactly.
	budget := p.options.BudgetTokens
	f := frame{template: p.options.Template}
	if f.template == nil {
		f.brackets = freeBrackets(p.chunks, 1)
	}
	for limit := budget; ; {
		p.begin(limit, f)
		p.all()
		if len(p.segments) == 0 && p.need > 0 {
			return Context{}, &BudgetError{budget, p.need}
		}
		result := p.result()
		if p.imitated() {
			// Only where a merge put a bracket and a digit together.
			f.brackets = freeBrackets(p.chunks, f.brackets+1)
			limit = budget
			continue
		}
		if result.Tokens <= budget {
			return result, nil
		}
		limit -= result.Tokens - budget
	}
}

func check(chunks []Chunk, o Options) error {
	switch {
	case o.BudgetTokens <= 0:
		return &BudgetError{o.BudgetTokens, 1}
	case o.MaxPerSource < 0:
		return fmt.Errorf("pack: the cap per source is %d, allowed are 0 (none) and more", o.MaxPerSource)
	case o.Order != "" && !slices.Contains(Orders(), o.Order):
		return fmt.Errorf("pack: the order is %q, allowed are %s", o.Order, strings.Join(Orders(), ", "))
	case !(o.Diversity >= 0 && o.Diversity <= 1):
		return fmt.Errorf("pack: the diversity is %v, allowed are 0 to 1", o.Diversity)
	}
	for i := range chunks {
		ch := &chunks[i]
		bad := func(format string, args ...any) error {
			return fmt.Errorf("pack: chunk %d (document %q) "+format, append([]any{i, ch.Doc}, args...)...)
		}
		n := runes(ch.Text)
		switch {
		case n != ch.Span.Len() || ch.Span.Start < 0:
			return bad("has the span [%d, %d), but its text has %d code points", ch.Span.Start, ch.Span.End, n)
		case ch.Found.Start > ch.Found.End || !ch.Span.Contains(ch.Found):
			return bad("has the span [%d, %d), but what was found of it is [%d, %d)", ch.Span.Start, ch.Span.End, ch.Found.Start, ch.Found.End)
		case math.IsNaN(ch.Score):
			return bad("has a score that is not a number")
		case i > 0 && chunks[i-1].Neighbour && !ch.Neighbour:
			return bad("was found, but comes after a neighbour")
		}
	}
	return nil
}
