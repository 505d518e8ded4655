package pack

import (
	"fmt"
	"slices"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

// checkFates checks that everything which is lost and everything which is added has
// a name: a code point of a chunk in the context is in a segment or in one cut, and
// a code point of a segment is of one of its chunks or white space between them.
func (c corpus) checkFates(chunks []Chunk, o Options, got Context) error {
	fates := got.Fates(chunks)
	var turns []int
	trims := map[int]bool{}
	for i, f := range fates {
		ch := chunks[i]
		switch {
		case (f.Segment == "") == (f.Dropped == ""):
			return fmt.Errorf("chunk %d is in segment %q and dropped for %q", i, f.Segment, f.Dropped)
		case (f.Turn == 0) != ch.Neighbour:
			return fmt.Errorf("chunk %d (neighbour: %v) has turn %d", i, ch.Neighbour, f.Turn)
		case f.Dropped == Duplicate && f.Duplicate == "" && ch.found().Span.Len() > 0, f.Dropped != Duplicate && f.Duplicate != "":
			return fmt.Errorf("chunk %d is dropped for %q and a duplicate of %q", i, f.Dropped, f.Duplicate)
		}
		if f.Turn > 0 {
			turns = append(turns, f.Turn)
		}
		if f.Segment == "" {
			if f.Delivered.Len() > 0 || f.Cuts != nil {
				return fmt.Errorf("chunk %d is dropped, and %+v", i, f)
			}
			continue
		}
		s, _ := got.Segment(f.Segment)
		if !s.Span.Contains(f.Delivered) || !ch.Span.Contains(f.Delivered) || f.Delivered.Len() == 0 {
			return fmt.Errorf("%v of chunk %d at %v is delivered in segment %v", f.Delivered, i, ch.Span, s.Span)
		}
		lost := make([]int, ch.Span.Len()) // how often each code point is in a segment or a cut
		mark := func(span text.RuneSpan) {
			for at := max(span.Start, ch.Span.Start); at < min(span.End, ch.Span.End); at++ {
				lost[at-ch.Span.Start]++
			}
		}
		for _, s := range got.Segments {
			if s.Doc == ch.Doc && s.Rev == ch.Rev {
				mark(s.Span)
			}
		}
		for _, cut := range f.Cuts {
			mark(cut.Span)
			switch {
			case !ch.Span.Contains(cut.Span):
				return fmt.Errorf("chunk %d at %v has %+v", i, ch.Span, cut)
			case cut.Reason == Trimmed:
				trims[i] = true
			case cut.Reason == Focused && o.Relevance == nil, cut.Reason == Unfound && ch.Found.Len() == 0:
				return fmt.Errorf("chunk %d has %+v", i, cut)
			}
			if o.NoTrim && cut.Reason != Unfound {
				return fmt.Errorf("chunk %d has %+v", i, cut)
			}
		}
		for at, n := range lost {
			if n != 1 {
				return fmt.Errorf("code point %d of chunk %d is in %d segments and cuts", ch.Span.Start+at, i, n)
			}
		}
	}
	slices.Sort(turns)
	for k, turn := range turns {
		if turn != k+1 {
			return fmt.Errorf("the turns are %v", turns)
		}
	}
	if len(trims) > 1 {
		return fmt.Errorf("%d chunks are trimmed", len(trims))
	}
	for _, s := range got.Segments {
		named := make([]bool, s.Span.Len())
		for _, i := range s.Chunks {
			for at := fates[i].Delivered.Start; at < fates[i].Delivered.End; at++ {
				named[at-s.Span.Start] = true
			}
		}
		for at, ok := range named {
			if r := c.docs[s.Doc][s.Span.Start+at]; !ok && !unicode.IsSpace(r) {
				return fmt.Errorf("nobody delivered %q at %d of segment %s", r, s.Span.Start+at, s.Label)
			}
		}
	}
	return nil
}

// TestFates: each thing that may become of a chunk, by its name.
func TestFates(t *testing.T) {
	best, second, third := about("a", 3, "One", "Heat", "Two", "Three"), about("b", 2.9, "Four", "Five", "Heat", "Six"), about("c", 2.8, "Seven", "Heat", "Eight", "Nine")
	twin := best
	twin.Doc = "z"
	// Three chunks of one document, one behind the other.
	long := about("f", 0, "One", "Two", "Three").Text
	ends := text.Sentences(long)
	first, middle, last := cut("f", long, 0, ends[0].End-1, " "), cut("f", long, ends[1].Start, ends[1].End-1, " "), cut("f", long, ends[2].Start, len(long), "")
	parent := cut("f", long, 0, len(long), "")
	parent.Found = middle.Span
	beside := last
	beside.Neighbour = true

	say := func(f Fate) string {
		out := fmt.Sprintf("%d: ", f.Turn)
		switch {
		case f.Duplicate != "":
			return out + "duplicate of " + f.Duplicate
		case f.Dropped != "":
			return out + string(f.Dropped)
		}
		out += fmt.Sprintf("in %s %d-%d", f.Segment, f.Delivered.Start, f.Delivered.End)
		for _, cut := range f.Cuts {
			out += fmt.Sprintf(", %s %d-%d", cut.Reason, cut.Span.Start, cut.Span.End)
		}
		return out
	}
	for _, tc := range []struct {
		name   string
		chunks []Chunk
		o      Options
		want   []string
	}{
		{"whole, and twice", []Chunk{best, twin}, Options{BudgetTokens: 500}, []string{"1: in 1 0-390", "2: duplicate of 1"}},
		{"merged, with a neighbour", []Chunk{middle, first, beside}, Options{BudgetTokens: 500}, []string{"1: in 1 97-193", "2: in 1 0-96", "0: in 1 194-292"}},
		{"trimmed", []Chunk{first, best}, Options{BudgetTokens: 70}, []string{"1: in 1 0-96", "2: in 2 0-194, trim 194-390"}},
		{"not even that", []Chunk{first, best}, Options{BudgetTokens: 70, NoTrim: true}, []string{"1: in 1 0-96", "2: over_budget"}},
		{"as its parent", []Chunk{parent, middle}, Options{BudgetTokens: 500}, []string{"1: in 1 0-292", "2: duplicate of 1"}},
		{"without its parent", []Chunk{parent}, Options{BudgetTokens: 30, NoTrim: true}, []string{"1: in 1 97-193, parent 0-97, parent 193-292"}},
		{"one of a document", []Chunk{first, last}, Options{BudgetTokens: 500, MaxPerSource: 1}, []string{"1: in 1 0-96", "2: source_cap"}},
		{"beside nothing", []Chunk{best, beside}, Options{BudgetTokens: 500}, []string{"1: in 1 0-390", "0: apart"}},
		{"diversity sets back what is like the best", []Chunk{best, second, about("y", 1, "Entirely", "different", "things")}, Options{BudgetTokens: 160, Diversity: 0.9, NoTrim: true},
			[]string{"1: in 1 0-390", "3: over_budget", "2: in 2 0-304"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, f := range packed(t, tc.chunks, tc.o).Fates(tc.chunks) {
				got = append(got, say(f))
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("fates (-want +got):\n%s", d)
			}
		})
	}
	// Focus cuts ends of three chunks, and sets back what it does not take.
	chunks := slices.Concat([]Chunk{best, second, third}, tail())
	var got []string
	for _, f := range packed(t, chunks, Options{BudgetTokens: 192, Relevance: mentions("Heat")}).Fates(chunks) {
		got = append(got, say(f))
	}
	if d := cmp.Diff([]string{"1: in 1 0-291, focus 291-390", "2: in 2 98-390, focus 0-98", "3: in 3 0-295, focus 295-393", "4: over_budget"}, got[:4]); d != "" {
		t.Errorf("fates of focused chunks (-want +got):\n%s", d)
	}
}
