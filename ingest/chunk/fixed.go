package chunk

import (
	"slices"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/text"
)

// fixed is [Fixed].
type fixed struct{ structure }

// pick returns the end of the n-th token, or, where that is not past after, of
// the first code point that is not blank.
func (fixed) pick(sp *splitter, start position, n, after int, cutPieces bool) (c cut, ok bool) {
	end := sp.limit(start.at, n)
	for end < len(sp.text) && !utf8.RuneStart(sp.text[end]) {
		end--
	}
	end = text.TrimSpace(sp.text, text.Span{Start: start.at, End: max(start.at, end)}).End
	if end <= max(after, start.at) {
		if !cutPieces {
			return cut{}, false
		}
		from := max(start.at, sp.pieces[start.i].Start)
		_, size := utf8.DecodeRuneInString(sp.text[from:])
		end = from + size
	}
	return cut{sp.pieceAt(end - 1), end}, true
}

// overlap counts the tokens back. At most half of a chunk is repeated, also of
// one that the window kept small.
func (fixed) overlap(sp *splitter, _ position) (p position, ok bool) {
	if sp.p.Overlap == 0 || len(sp.chunks) == 0 {
		return position{}, false
	}
	last := sp.chunks[len(sp.chunks)-1]
	budget := min(int(sp.p.Overlap*float64(sp.p.SizeTokens)), last.Tokens/2)
	end, _ := slices.BinarySearch(sp.ends, last.Span.End)
	for n := min(budget, end); n > 0; n-- {
		at := sp.ends[end-n]
		for at < last.Span.End && !utf8.RuneStart(sp.text[at]) {
			at++
		}
		at = text.TrimSpace(sp.text, text.Span{Start: at, End: last.Span.End}).Start
		if at > last.Span.Start && at < last.Span.End && sp.count.Count(sp.text[at:last.Span.End]) <= budget {
			return position{sp.pieceAt(at), at}, true
		}
	}
	return position{}, false
}
