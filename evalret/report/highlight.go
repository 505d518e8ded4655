package report

import (
	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/text"
)

// Marks of a piece of text.
const (
	isEvidence = "evidence" // labelled evidence
	isGap      = "gap"      // evidence that is not in the context
)

// piece is a stretch of text with one mark; "" is none.
type piece struct {
	Text, Mark string
	Pointer    bool // a sentence of the answer rests on it
}

// shownSegment is a segment of a context, laid out.
type shownSegment struct {
	Doc, Title string
	Start, End int
	Pieces     []piece
}

// shownEvidence is a labelled span and how much of it the context holds.
type shownEvidence struct {
	Doc        string
	Start, End int
	Quote      []piece // what is missing is a gap
	Covered    string  // "100 %"
	Class      string  // "full", "part" or "none"
	Lost       string  // by which stage; empty: not, or not known
}

// segments splits the texts of a context at the borders of evidence. Where
// evidence goes on beyond a segment, and no other segment has it, the missing
// part stands at the segment's end as a gap. pointers are what an answer rests on.
func segments(c evalret.Context, evidence, pointers []evalret.Evidence) []shownSegment {
	var out []shownSegment
	for _, s := range c.Segments {
		shown := shownSegment{Doc: string(s.Doc), Title: s.Title, Start: s.Start, End: s.End}
		if shown.Title == shown.Doc {
			shown.Title = ""
		}
		span := text.RuneSpan{Start: s.Start, End: s.End}
		var marked []text.RuneSpan
		var before, after string
		for _, e := range evidence {
			whole := text.RuneSpan{Start: e.Start, End: e.End}
			if e.Doc != s.Doc {
				continue
			}
			marked = append(marked, whole)
			if whole.Overlap(span) == 0 {
				continue
			}
			for _, g := range gaps(c, e) {
				switch {
				case g.End == s.Start:
					before = quoted(e, g)
				case g.Start == s.End:
					after = quoted(e, g)
				}
			}
		}
		if before != "" {
			shown.Pieces = append(shown.Pieces, piece{Text: before, Mark: isGap})
		}
		shown.Pieces = append(shown.Pieces, underline(pieces([]rune(s.Text), s.Start, marked, "", isEvidence), s, pointers)...)
		if after != "" {
			shown.Pieces = append(shown.Pieces, piece{Text: after, Mark: isGap})
		}
		out = append(out, shown)
	}
	return out
}

// pieces splits runes, which begin at start, into those inside of marked and
// those outside.
func pieces(runes []rune, start int, marked []text.RuneSpan, outside, inside string) []piece {
	whole := text.RuneSpan{Start: start, End: start + len(runes)}
	var out []piece
	at := start
	add := func(to int, mark string) {
		if to > at {
			out = append(out, piece{Text: string(runes[at-start : to-start]), Mark: mark})
		}
		at = to
	}
	for _, m := range text.Intersect(marked, []text.RuneSpan{whole}) {
		add(m.Start, outside)
		add(m.End, inside)
	}
	add(whole.End, outside)
	return out
}

// underline splits the pieces of a segment at the borders of pointers into it.
func underline(ps []piece, s evalret.Segment, pointers []evalret.Evidence) []piece {
	var into []text.RuneSpan
	for _, p := range pointers {
		if p.Doc == s.Doc {
			into = append(into, text.RuneSpan{Start: p.Start, End: p.End})
		}
	}
	if len(into) == 0 {
		return ps
	}
	var out []piece
	at := s.Start
	for _, p := range ps {
		runes := []rune(p.Text)
		for _, part := range pieces(runes, at, into, "", isPointed) {
			out = append(out, piece{Text: part.Text, Mark: p.Mark, Pointer: part.Mark == isPointed})
		}
		at += len(runes)
	}
	return out
}

// isPointed marks pieces on their way through underline.
const isPointed = "pointed"

// held returns the spans of doc that c has.
func held(c evalret.Context, doc text.DocID) []text.RuneSpan {
	var spans []text.RuneSpan
	for _, s := range c.Segments {
		if s.Doc == doc {
			spans = append(spans, text.RuneSpan{Start: s.Start, End: s.End})
		}
	}
	return text.Union(spans)
}

// gaps returns what c lacks of e.
func gaps(c evalret.Context, e evalret.Evidence) []text.RuneSpan {
	return text.Subtract([]text.RuneSpan{{Start: e.Start, End: e.End}}, held(c, e.Doc))
}

// quoted returns the part of e's quote at span, "" where the quote is not the
// text of the span letter by letter.
func quoted(e evalret.Evidence, span text.RuneSpan) string {
	runes := []rune(e.Quote)
	if len(runes) != e.End-e.Start {
		return ""
	}
	return string(runes[span.Start-e.Start : span.End-e.Start])
}

// coverage says how much of each evidence span c holds.
func coverage(c evalret.Context, evidence []evalret.Evidence) []shownEvidence {
	places := make([]metric.Place, len(c.Segments))
	for i, s := range c.Segments {
		places[i] = metric.Place{Doc: s.Doc, Span: text.RuneSpan{Start: s.Start, End: s.End}}
	}
	gold := make([]metric.Place, len(evidence))
	for i, e := range evidence {
		gold[i] = e.Place()
	}
	out := make([]shownEvidence, len(evidence))
	for i, n := range metric.Coverage(places, gold) {
		e := evidence[i]
		share := 0.0
		if e.End > e.Start {
			share = float64(n) / float64(e.End-e.Start)
		}
		shown := shownEvidence{Doc: string(e.Doc), Start: e.Start, End: e.End, Covered: whole(share), Class: "part"}
		switch {
		case n == 0:
			shown.Class = "none"
		case n == e.End-e.Start:
			shown.Class = "full"
		}
		switch runes := []rune(e.Quote); {
		case len(runes) == 0:
		case len(runes) == e.End-e.Start && shown.Class == "part":
			shown.Quote = pieces(runes, e.Start, held(c, e.Doc), isGap, "")
		case shown.Class == "none":
			shown.Quote = []piece{{Text: e.Quote, Mark: isGap}}
		default:
			shown.Quote = []piece{{Text: e.Quote}}
		}
		out[i] = shown
	}
	return out
}
