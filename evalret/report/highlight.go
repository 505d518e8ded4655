package report

import (
	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/text"
)

// piece is a stretch of a context that is evidence or not.
type piece struct {
	Text     string
	Evidence bool
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
	Quote      string
	Covered    string // "100 %"
	Class      string // "full", "part" or "none"
	Lost       string // by which stage; empty: not, or not known
}

// segments splits the texts of a context at the borders of evidence.
func segments(c evalret.Context, evidence []evalret.Evidence) []shownSegment {
	var out []shownSegment
	for _, s := range c.Segments {
		shown := shownSegment{Doc: string(s.Doc), Title: s.Title, Start: s.Start, End: s.End}
		if shown.Title == shown.Doc {
			shown.Title = ""
		}
		runes := []rune(s.Text)
		var marked []text.RuneSpan
		for _, e := range evidence {
			if e.Doc == s.Doc {
				marked = append(marked, text.RuneSpan{Start: e.Start - s.Start, End: e.End - s.Start})
			}
		}
		whole := []text.RuneSpan{{Start: 0, End: len(runes)}}
		at := 0
		for _, m := range text.Intersect(marked, whole) {
			if m.Start > at {
				shown.Pieces = append(shown.Pieces, piece{string(runes[at:m.Start]), false})
			}
			shown.Pieces = append(shown.Pieces, piece{string(runes[m.Start:m.End]), true})
			at = m.End
		}
		if at < len(runes) {
			shown.Pieces = append(shown.Pieces, piece{string(runes[at:]), false})
		}
		out = append(out, shown)
	}
	return out
}

// coverage says how much of each evidence span c holds.
func coverage(c evalret.Context, evidence []evalret.Evidence) []shownEvidence {
	places := make([]metric.Place, len(c.Segments))
	for i, s := range c.Segments {
		places[i] = metric.Place{Doc: s.Doc, Span: text.RuneSpan{Start: s.Start, End: s.End}}
	}
	gold := make([]metric.Place, len(evidence))
	for i, e := range evidence {
		gold[i] = metric.Place{Doc: e.Doc, Span: text.RuneSpan{Start: e.Start, End: e.End}}
	}
	out := make([]shownEvidence, len(evidence))
	for i, n := range metric.Coverage(places, gold) {
		e := evidence[i]
		share := 0.0
		if e.End > e.Start {
			share = float64(n) / float64(e.End-e.Start)
		}
		class := "part"
		switch {
		case n == 0:
			class = "none"
		case n == e.End-e.Start:
			class = "full"
		}
		out[i] = shownEvidence{Doc: string(e.Doc), Start: e.Start, End: e.End, Quote: e.Quote, Covered: whole(share), Class: class}
	}
	return out
}
