package pack

import (
	"slices"

	"github.com/ragloop/ragloop/internal/text"
)

// segment is a segment in the making. It never changes once made.
type segment struct {
	doc                text.DocID
	rev                string
	uri, title         string
	heading            []string
	pageStart, pageEnd int
	span               text.RuneSpan
	text               string
	gap                string // white space of the document behind span; "" where unknown
	score              float64
	edits              []Edit
	chunks             []int // places in packing.whole, ascending

	// Set by price, textCost before that where the segment is made of others.
	textCost int // cost of text
	cost     int // cost of the block: header without label, text, separator
}

// touches reports whether s and ch overlap or follow each other with nothing
// but a known gap between them.
func (s *segment) touches(ch Chunk) bool {
	return follows(s.span, s.gap, ch.Span) || follows(ch.Span, ch.Gap, s.span) ||
		s.span.Start <= ch.Span.End && ch.Span.Start <= s.span.End
}

// follows reports whether b starts where a and its gap end.
func follows(a text.RuneSpan, gap string, b text.RuneSpan) bool { return a.End+runes(gap) == b.Start }

// merge returns the segment made of ch, which is part or all of whole[i], and of
// the segments that it touches, which come by start. The
// segments stay whole; ch fills what lies before, between and behind them. What it
// costs is not known yet.
func (p *packing) merge(ch Chunk, i int, touched []*segment) *segment {
	out := &segment{
		doc: ch.Doc, rev: ch.Rev, uri: ch.URI, title: ch.Title,
		heading: ch.Heading, pageStart: ch.PageStart, pageEnd: ch.PageEnd,
		span: ch.Span, gap: ch.Gap, score: ch.Score, chunks: []int{i},
	}
	if len(touched) == 0 {
		out.text = ch.Text
		out.edits = p.frame.edits(out.text)
		return out
	}
	at := ch.Span.Start // up to here text is made
	if touched[0].span.Start <= ch.Span.Start {
		at = touched[0].span.Start
		out.heading = touched[0].heading
	}
	out.span.Start = at
	gap := "" // of the segment before at
	for _, s := range touched {
		fill := fill(ch, gap, at, s.span.Start)
		out.textCost += s.textCost + p.meter.joint(out.text, fill, s.text)
		out.text += fill + s.text
		at, gap = s.span.End, s.gap
		out.score = max(out.score, s.score)
		out.pageStart = lowestPage(out.pageStart, s.pageStart)
		out.pageEnd = max(out.pageEnd, s.pageEnd)
		out.chunks = append(out.chunks, s.chunks...)
		if s.chunks[0] < i {
			out.uri, out.title = s.uri, s.title
		}
	}
	if ch.Span.End > at {
		fill := fill(ch, gap, at, ch.Span.End)
		out.textCost += p.meter.joint(out.text, fill, "")
		out.text += fill
	} else {
		out.span.End = at
		if ch.Span.End < at || gap != "" {
			out.gap = gap
		}
	}
	if ch.Neighbour { // it stands in no rank: what it was added to does
		out.score = touched[0].score
		for _, s := range touched[1:] {
			out.score = max(out.score, s.score)
		}
	}
	slices.Sort(out.chunks)
	out.edits = p.frame.edits(out.text)
	return out
}

// found returns what was found of ch as a chunk of its own: ch itself, unless it
// is a parent.
func (ch Chunk) found() Chunk {
	if ch.Found.Len() == 0 || ch.Found == ch.Span {
		return ch
	}
	return ch.part(ch.bytes(ch.Found))
}

// bytes returns where a span of the document is in ch.Text, which has it.
func (ch Chunk) bytes(span text.RuneSpan) text.Span {
	x := text.NewIndex(ch.Text)
	s, _ := x.Span(text.RuneSpan{Start: span.Start - ch.Span.Start, End: span.End - ch.Span.Start}) // unreachable error: check
	return s
}

// part returns ch cut to bytes of its text, without white space where it is cut.
func (ch Chunk) part(s text.Span) Chunk {
	body := text.TrimSpace(ch.Text, s)
	if s.Start == 0 {
		body.Start = 0
	}
	if s.End == len(ch.Text) {
		body.End = len(ch.Text)
	} else {
		ch.Gap = ""
	}
	ch.Span.Start += runes(ch.Text[:body.Start])
	ch.Text = ch.Text[body.Start:body.End]
	ch.Span.End = ch.Span.Start + runes(ch.Text)
	ch.Found = text.RuneSpan{}
	return ch
}

// fill returns the document's text between from and to, put together from ch,
// the gap before it and the gap behind it.
func fill(ch Chunk, before string, from, to int) string {
	return piece(before, ch.Span.Start-runes(before), from, to) +
		piece(ch.Text, ch.Span.Start, from, to) +
		piece(ch.Gap, ch.Span.End, from, to)
}

// piece returns what s, which begins at start, has between from and to.
func piece(s string, start, from, to int) string {
	length := runes(s)
	from, to = max(from-start, 0), min(to-start, length)
	if from >= to {
		return ""
	}
	if from == 0 && to == length {
		return s
	}
	part, _ := text.Slice(s, text.RuneSpan{Start: from, End: to}) // unreachable error: both ends lie in s
	return part
}

// lowestPage returns the smaller page; 0 means that there is none.
func lowestPage(a, b int) int {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
