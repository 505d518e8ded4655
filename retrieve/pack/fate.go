package pack

import (
	"strings"

	"github.com/ragloop/ragloop/internal/text"
)

// Fate is what became of a chunk that was offered to [Pack].
type Fate struct {
	Turn      int           // its place in the order in which chunks competed, from 1; 0: a neighbour
	Segment   string        // label of the segment that it is in; "": of none
	Dropped   Reason        // why it is in none
	Duplicate string        // label of the segment that has what a Duplicate holds; "": it holds nothing
	Delivered text.RuneSpan // what of its span is in Segment; zero without one
	Cuts      []Cut         // what of its span the context lacks although it is in Segment, in order
}

// Fates returns what became of each of chunks, of which c was packed. What a
// segment has beyond what it delivers of its chunks is white space between them.
func (c Context) Fates(chunks []Chunk) []Fate {
	out := make([]Fate, len(chunks))
	texts := map[string]string{} // label by text
	for _, s := range c.Segments {
		for _, i := range s.Chunks {
			out[i].Segment = s.Label
			out[i].Delivered = both(chunks[i].Span, s.Span)
			if body := strings.TrimSpace(chunks[i].Text); texts[body] == "" || s.Span.Contains(chunks[i].Span) {
				texts[body] = s.Label
			}
		}
	}
	for turn, i := range c.Turns {
		out[i].Turn = turn + 1
	}
	for _, cut := range c.Cuts {
		out[cut.Chunk].Cuts = append(out[cut.Chunk].Cuts, cut)
	}
	for _, d := range c.Dropped {
		out[d.Chunk].Dropped = d.Reason
		if d.Reason == Duplicate {
			ch := chunks[d.Chunk]
			if out[d.Chunk].Duplicate = c.covering(ch); out[d.Chunk].Duplicate == "" {
				out[d.Chunk].Duplicate = texts[strings.TrimSpace(ch.Text)]
			}
		}
	}
	return out
}

// covering returns the label of the segment that has the span of ch, or at least
// what was found of it.
func (c Context) covering(ch Chunk) string {
	span := ch.found().Span
	for _, s := range c.Segments {
		if span.Len() > 0 && s.Doc == ch.Doc && s.Rev == ch.Rev && s.Span.Contains(span) {
			return s.Label
		}
	}
	return ""
}

// cuts appends to out what the context lacks of whole[i], which is in it in part.
func (p *packing) cuts(out []Cut, i int) []Cut {
	whole, part := &p.whole[i], text.RuneSpan{}
	for k, ch := range p.chunks {
		if p.at(k) == i {
			part = ch.Span // what competed
		}
	}
	inside := Unfound
	if i == p.trimmed {
		inside = Trimmed
	}
	add := func(span text.RuneSpan, r CutReason) {
		if span.Len() > 0 {
			out = append(out, Cut{i, span, r})
		}
	}
	lacks := func(span text.RuneSpan) {
		add(both(span, text.RuneSpan{Start: whole.Span.Start, End: part.Start}), Focused)
		add(both(span, part), inside)
		add(both(span, text.RuneSpan{Start: part.End, End: whole.Span.End}), Focused)
	}
	at := whole.Span.Start
	for _, s := range p.of(p.sources[i]) {
		lacks(text.RuneSpan{Start: at, End: min(s.span.Start, whole.Span.End)})
		at = max(at, s.span.End)
	}
	lacks(text.RuneSpan{Start: at, End: whole.Span.End})
	return out
}

// both returns what a and b have in common, the zero span where that is nothing.
func both(a, b text.RuneSpan) text.RuneSpan {
	if s := (text.RuneSpan{Start: max(a.Start, b.Start), End: min(a.End, b.End)}); s.Start < s.End {
		return s
	}
	return text.RuneSpan{}
}
