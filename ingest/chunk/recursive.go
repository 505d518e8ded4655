package chunk

import (
	"strings"

	"github.com/ragloop/ragloop/internal/text"
)

// recursive is [Recursive].
type recursive struct{ fixed }

// separators in the order in which they are tried; what has none of them is cut
// anywhere.
var separators = []string{"\n\n", "\n", " "}

// regions plans the chunks of the whole text.
func (recursive) regions(sp *splitter) []region {
	sp.plan = sp.recurse(nil, text.Span{End: len(sp.text)}, separators)
	return []region{{to: len(sp.pieces)}}
}

// recurse appends the spans of the chunks of a part of the text. Parts between
// two that are too large are merged among themselves.
func (sp *splitter) recurse(out []text.Span, part text.Span, by []string) []text.Span {
	for len(by) > 0 && !strings.Contains(sp.text[part.Start:part.End], by[0]) {
		by = by[1:]
	}
	if len(by) == 0 {
		return append(out, part)
	}
	var run []sized
	for _, s := range sp.cutBefore(part, by[0]) {
		n := sp.count.Count(sp.text[s.Start:s.End])
		if n <= sp.p.SizeTokens {
			run = append(run, sized{s, n})
			continue
		}
		out = sp.mergeRun(out, run)
		run = run[:0]
		out = sp.recurse(out, s, by[1:])
	}
	return sp.mergeRun(out, run)
}

// sized is a part of the text with its tokens.
type sized struct {
	text.Span
	tokens int
}

// cutBefore cuts part in front of each separator, which begins what follows it.
func (sp *splitter) cutBefore(part text.Span, separator string) []text.Span {
	var out []text.Span
	for at := part.Start; at < part.End; {
		next := part.End
		if n := strings.Index(sp.text[at+1:part.End], separator); n >= 0 {
			next = at + 1 + n
		}
		out = append(out, text.Span{Start: at, End: next})
		at = next
	}
	return out
}

// mergeRun appends as few chunks as the parts of run, which follow each other,
// make. Each begins with those at the end of the one before that have, together,
// no more than the overlap, if there is room for what comes next.
func (sp *splitter) mergeRun(out []text.Span, run []sized) []text.Span {
	overlap := int(sp.p.Overlap * float64(sp.p.SizeTokens))
	first, total := 0, 0
	for i, part := range run {
		if i > first && total+part.tokens > sp.p.SizeTokens {
			out = append(out, text.Span{Start: run[first].Start, End: run[i-1].End})
			for first < i && (total > overlap || total+part.tokens > sp.p.SizeTokens) {
				total -= run[first].tokens
				first++
			}
		}
		total += part.tokens
	}
	if len(run) > 0 {
		out = append(out, text.Span{Start: run[first].Start, End: run[len(run)-1].End})
	}
	return out
}

// planned returns the first span of the plan that ends behind at, without the
// white space around it.
func (sp *splitter) planned(at int) (text.Span, bool) {
	for len(sp.plan) > 0 && text.TrimSpace(sp.text, sp.plan[0]).End <= at {
		sp.plan = sp.plan[1:]
	}
	if len(sp.plan) == 0 {
		return text.Span{}, false
	}
	return text.TrimSpace(sp.text, sp.plan[0]), true
}

// pick follows the plan. What has too many tokens all the same, or no room in the
// window, is cut as by Fixed.
func (r recursive) pick(sp *splitter, start position, n, after int, cutPieces bool) (c cut, ok bool) {
	s, ok := sp.planned(max(start.at, after))
	if ok && n < sp.p.SizeTokens {
		ok = sp.estimate(start.at, s.End) <= n
	} else if ok {
		ok = sp.count.Count(sp.text[start.at:s.End]) <= sp.p.SizeTokens
	}
	if !ok {
		return r.fixed.pick(sp, start, n, after, cutPieces)
	}
	return cut{sp.pieceAt(s.End - 1), s.End}, true
}

// overlap follows the plan, too.
func (recursive) overlap(sp *splitter, _ position) (p position, ok bool) {
	if sp.p.Overlap == 0 || len(sp.chunks) == 0 {
		return position{}, false
	}
	last := sp.chunks[len(sp.chunks)-1].Span
	s, ok := sp.planned(last.End)
	if !ok || s.Start <= last.Start || s.Start >= last.End {
		return position{}, false
	}
	if sp.count.Count(sp.text[s.Start:last.End]) > int(sp.p.Overlap*float64(sp.p.SizeTokens)) {
		return position{}, false
	}
	return position{sp.pieceAt(s.Start), s.Start}, true
}
