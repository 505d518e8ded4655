package pack

import (
	"slices"
	"strings"

	"github.com/ragloop/ragloop/internal/text"
)

// segment is a segment in the making. Once it is in the context it does not change,
// but for what absorbed it and for its place.
type segment struct {
	source             int    // in packing.sources
	names              *Chunk // has its document, revision, URI and title
	heading            []string
	pageStart, pageEnd int
	span               text.RuneSpan
	text               string
	gap                string // white space of the document behind span; "" where unknown
	score              float64
	edits              []Edit
	shown              string   // text with edits made
	first, chunks      int      // the best of its chunks, as a place in packing.whole, and how many they are
	absorbedBy         *segment // nil: it is in the context
	place              int      // in the context, set by packing.result

	// Set by price, textCost before that where the segment is made of others.
	around   surroundings
	textCost int // cost of text
	cost     int // cost of the block: header without label, text, separator
}

// described reports whether what stands around s and o is the same.
func (s *segment) described(o *segment) bool {
	return s.names.URI == o.names.URI && s.names.Title == o.names.Title && s.pageStart == o.pageStart && s.pageEnd == o.pageEnd &&
		slices.Equal(s.heading, o.heading)
}

// inContext returns the segment of the context that s is, or is a part of.
func (s *segment) inContext() *segment {
	for s.absorbedBy != nil {
		if next := s.absorbedBy.absorbedBy; next != nil {
			s.absorbedBy = next // a shorter way for those that come after
		}
		s = s.absorbedBy
	}
	return s
}

// touches reports whether s and ch overlap or follow each other with nothing
// but a known gap between them.
func (s *segment) touches(ch *Chunk) bool {
	return follows(s.span, s.gap, ch.Span) || follows(ch.Span, ch.Gap, s.span) ||
		s.span.Start <= ch.Span.End && ch.Span.Start <= s.span.End
}

// follows reports whether b starts where a and its gap end.
func follows(a text.RuneSpan, gap string, b text.RuneSpan) bool { return a.End+runes(gap) == b.Start }

// merge makes g's segment of ch, which is part or all of whole[i], and of the
// segments that it touches, which g has and which come by start. They stay whole;
// ch fills what lies before, between and behind them. What it costs is not known yet.
func (p *packing) merge(g *growth, ch *Chunk, i int) {
	touched := g.absorbed
	g.segment = segment{
		source: p.sources[i], names: &p.whole[i],
		heading: ch.Heading, pageStart: ch.PageStart, pageEnd: ch.PageEnd,
		span: ch.Span, text: ch.Text, gap: ch.Gap, score: ch.Score, first: i, chunks: 1,
	}
	out := &g.segment
	if len(touched) > 0 {
		p.join(out, ch, touched)
	}
	out.edits = p.frame.edits(out.text)
	out.shown = applyEdits(out.text, out.edits)
}

// join makes out, which is made of ch so far, longer by touched.
func (p *packing) join(out *segment, ch *Chunk, touched []*segment) {
	i := out.first
	start := ch.Span.Start
	if touched[0].span.Start <= start {
		start = touched[0].span.Start
		out.heading = touched[0].heading
	}
	size := len(ch.Text) + len(ch.Gap)
	for _, s := range touched {
		size += len(s.text) + len(s.gap)
	}
	b, from := p.made.open(size)
	at, gap := start, "" // up to here text is made; of the segment before at
	for _, s := range touched {
		made := b.Len()
		fill(b, ch, gap, at, s.span.Start)
		filled := b.Len()
		b.WriteString(s.text)
		out.textCost += s.textCost + p.meter.joint(b.String()[from:], made-from, filled-from)
		at, gap = s.span.End, s.gap
		out.score = max(out.score, s.score)
		out.pageStart = lowestPage(out.pageStart, s.pageStart)
		out.pageEnd = max(out.pageEnd, s.pageEnd)
		out.first = min(out.first, s.first)
		out.chunks += s.chunks
		if s.first < i {
			out.names = s.names
		}
	}
	if ch.Span.End > at {
		made := b.Len()
		fill(b, ch, gap, at, ch.Span.End)
		out.textCost += p.meter.joint(b.String()[from:], made-from, b.Len()-from)
	} else {
		out.span.End = at
		if ch.Span.End < at || gap != "" {
			out.gap = gap
		}
	}
	out.span.Start = start
	out.text = b.String()[from:]
	if ch.Neighbour { // it stands in no rank: what it was added to does
		out.score = touched[0].score
		for _, s := range touched[1:] {
			out.score = max(out.score, s.score)
		}
	}
}

// parent reports whether less than all of ch was found.
func (ch *Chunk) parent() bool { return ch.Found.Len() > 0 && ch.Found != ch.Span }

// found returns what was found of ch as a chunk of its own: ch itself, unless it
// is a parent.
func (ch *Chunk) found() Chunk {
	if !ch.parent() {
		return *ch
	}
	return ch.part(ch.bytes(ch.Found))
}

// bytes returns where a span of the document is in ch.Text, which has it.
func (ch *Chunk) bytes(span text.RuneSpan) text.Span {
	start := offset(ch.Text, span.Start-ch.Span.Start)
	return text.Span{Start: start, End: start + offset(ch.Text[start:], span.Len())}
}

// part returns ch cut to bytes of its text, without white space where it is cut.
func (ch *Chunk) part(s text.Span) Chunk {
	out := *ch
	body := text.TrimSpace(ch.Text, s)
	if s.Start == 0 {
		body.Start = 0
	}
	if s.End == len(ch.Text) {
		body.End = len(ch.Text)
	} else {
		out.Gap = ""
	}
	out.Span.Start += runes(ch.Text[:body.Start])
	out.Text = ch.Text[body.Start:body.End]
	out.Span.End = out.Span.Start + runes(out.Text)
	out.Found = text.RuneSpan{}
	return out
}

// fill writes the document's text between from and to, put together from ch,
// the gap before it and the gap behind it.
func fill(b *strings.Builder, ch *Chunk, before string, from, to int) {
	b.WriteString(piece(before, ch.Span.Start-runes(before), from, to))
	b.WriteString(piece(ch.Text, ch.Span.Start, from, to))
	b.WriteString(piece(ch.Gap, ch.Span.End, from, to))
}

// piece returns what s, which begins at start, has between from and to.
func piece(s string, start, from, to int) string {
	from, to = max(from-start, 0), to-start
	if from >= to {
		return ""
	}
	s = s[offset(s, from):]
	return s[:offset(s, to-from)]
}

// lowestPage returns the smaller page; 0 means that there is none.
func lowestPage(a, b int) int {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
