package chunk

import (
	"slices"
	"unicode/utf8"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/text"
)

// structure is [Structure], and the part of the other strategies that is like it.
type structure struct{}

func (structure) regions(sp *splitter) []region { return []region{{to: len(sp.pieces)}} }

func (structure) finish(*splitter, int) {}

// pick prefers the places that the package comment names, in that order.
func (structure) pick(sp *splitter, start position, n, after int, cutPieces bool) (c cut, ok bool) {
	limit := sp.limit(start.at, n)
	last := start.i - 1 // the last whole piece within the limit
	for last+1 < len(sp.pieces) && sp.pieces[last+1].End <= limit {
		last++
	}
	if last == len(sp.pieces)-1 {
		return cut{last, sp.pieces[last].End}, true
	}
	const none = -1
	atBlock, atSentence, atGlue := none, none, none
	for i := last; i >= start.i && sp.pieces[i].End > after; i-- {
		fill := sp.estimate(start.at, sp.pieces[i].End)
		switch level := sp.pieces[i+1].before; {
		case level == glued:
			atGlue = max(atGlue, i)
			continue
		case level == section && 4*fill >= n:
			return cut{i, sp.pieces[i].End}, true
		case level >= block && 2*fill >= n:
			atBlock = max(atBlock, i)
		}
		atSentence = max(atSentence, i)
		if 4*fill < n {
			break
		}
	}
	best := atBlock
	if best == none {
		best = atSentence
	}
	if best == none {
		if !cutPieces {
			return cut{}, false
		}
		// What follows last is too large, and it's cut, even if it follows a
		// heading, unless the heading leaves hardly any room for it.
		from := max(start.at, sp.pieces[last+1].Start)
		end := sp.cutPiece(last+1, from, limit)
		if atGlue == none || end <= limit && 4*sp.estimate(from, limit) >= n {
			return cut{last + 1, end}, true
		}
		best = atGlue
	}
	return cut{best, sp.pieces[best].End}, true
}

// overlap returns the earliest sentence, row or line. ok is also false with a
// heading ahead, and where no sentence is small enough.
func (structure) overlap(sp *splitter, start position) (p position, ok bool) {
	return sp.tail(start, true)
}

// tail returns the earliest piece of the last chunk's tail that is small enough
// to be repeated, with sections none from in front of a heading.
func (sp *splitter) tail(start position, sections bool) (p position, ok bool) {
	budget := int(sp.p.Overlap * float64(sp.p.SizeTokens))
	if budget == 0 || len(sp.chunks) == 0 {
		return position{}, false
	}
	last := sp.chunks[len(sp.chunks)-1].Span
	i := start.i
	if start.at == sp.pieces[i].Start {
		if sections && sp.pieces[i].before == section {
			return position{}, false
		}
		i--
	}
	first := -1
	for ; i >= 0 && sp.pieces[i].Start > last.Start && sp.estimate(sp.pieces[i].Start, last.End) <= budget; i-- {
		first = i
		if sections && sp.pieces[i].before == section {
			break
		}
	}
	if first < 0 {
		return position{}, false
	}
	for ; first < len(sp.pieces) && sp.pieces[first].Start < last.End; first++ {
		if sp.count.Count(sp.text[sp.pieces[first].Start:last.End]) <= budget {
			return position{first, sp.pieces[first].Start}, true
		}
	}
	return position{}, false
}

// limit returns the end of the n-th token after from.
func (sp *splitter) limit(from, n int) int {
	if n <= 0 {
		return from
	}
	k, _ := slices.BinarySearch(sp.ends, from+1)
	if k+n > len(sp.ends) {
		return len(sp.text)
	}
	return sp.ends[k+n-1]
}

// estimate returns the number of tokens of the whole text that [from, to)
// touches. It's what the part alone would have, give or take a few.
func (sp *splitter) estimate(from, to int) int {
	a, _ := slices.BinarySearch(sp.ends, from+1)
	b, _ := slices.BinarySearch(sp.ends, to)
	return b - a + 1
}

// lookAhead is how much text after a limit is needed to tell whether a word
// ends at the limit. Longer words don't matter: they're cut anyway.
const lookAhead = 64

// cutPiece returns the best place in (from, limit] to cut piece i: the last
// sentence of a row or line, the last word, the last grapheme, the last code
// point; at least one code point after from. A sentence or word that ends in the
// first quarter is passed over: what follows it is too large for a chunk, so it
// will be cut anyway.
func (sp *splitter) cutPiece(i, from, limit int) int {
	limit = max(limit, from)
	stop := min(limit+lookAhead, sp.pieces[i].End)
	for stop < len(sp.text) && !utf8.RuneStart(sp.text[stop]) {
		stop--
	}
	part := sp.text[from:stop]
	splits := []func(string) []text.Span{text.Words, text.Graphemes}
	switch sp.doc.Blocks[sp.pieces[i].block].Kind {
	case extract.Row, extract.Table, extract.Code:
		splits = slices.Insert(splits, 0, text.Sentences)
	}
	for level, split := range splits {
		best := from
		for _, s := range split(part) {
			if at := from + s.Start; at <= limit {
				best = max(best, at)
			}
		}
		if last := level == len(splits)-1; best > from && (last || 4*(best-from) >= limit-from) {
			return text.TrimSpace(sp.text, text.Span{Start: from, End: best}).End
		}
	}
	_, n := utf8.DecodeRuneInString(sp.text[from:])
	end := from + n
	for end < stop {
		_, n := utf8.DecodeRuneInString(sp.text[end:])
		if end+n > limit {
			break
		}
		end += n
	}
	return end
}
