package labels

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/text"
)

// maxCopies bounds the copies of one span, the first in the text: what a
// document has on every page needs no more.
const maxCopies = 100

// copies returns where else the document says what it says at span, in the same
// words: the sentences that hold the span occur there again, byte for byte, white
// space around them. In text order; nil for none, and for a span that is blank or
// not in the text.
//
// Whole sentences have to agree because the words of a short answer alone occur
// in many sentences, which say other things.
func (d *document) copies(span text.RuneSpan) []text.RuneSpan {
	label, err := d.index.Span(span)
	if err != nil || text.Blank(d.text[label.Start:label.End]) {
		return nil
	}
	if _, n := locate(d.text, d.text[label.Start:label.End]); n < 2 {
		return nil
	}
	held := d.sentences(label)
	whole := d.text[held.Start:held.End]
	var out []text.RuneSpan
	for from := 0; len(out) < maxCopies; {
		i := strings.Index(d.text[from:], whole)
		if i < 0 {
			return out
		}
		at := text.Span{Start: from + i, End: from + i + len(whole)}
		_, size := utf8.DecodeRuneInString(whole)
		from = at.Start + size
		if at.Overlap(held) > 0 || !d.apart(at) {
			continue
		}
		start, err := d.index.RuneOffset(at.Start + label.Start - held.Start)
		if err != nil {
			panic(err) // unreachable: a match of valid UTF-8 starts between code points
		}
		out = append(out, text.RuneSpan{Start: start, End: start + span.Len()})
	}
	return out
}

// sentences returns the sentences of its paragraph that share text with label,
// without the white space around them.
func (d *document) sentences(label text.Span) text.Span {
	const paragraph = "\n\n"
	from, to := 0, len(d.text)
	if i := strings.LastIndex(d.text[:label.Start], paragraph); i >= 0 {
		from = i + len(paragraph)
	}
	if i := strings.Index(d.text[label.End:], paragraph); i >= 0 {
		to = label.End + i
	}
	held := label
	for _, s := range text.Sentences(d.text[from:to]) {
		s = text.Span{Start: from + s.Start, End: from + s.End}
		if s.Overlap(label) > 0 {
			held.Start, held.End = min(held.Start, s.Start), max(held.End, s.End)
		}
	}
	if trimmed := text.TrimSpace(d.text, held); trimmed.Contains(label) {
		return trimmed
	}
	return label // it has white space at its ends itself
}

// apart reports whether there is white space around at, or the text's end.
func (d *document) apart(at text.Span) bool {
	before, _ := utf8.DecodeLastRuneInString(d.text[:at.Start])
	after, _ := utf8.DecodeRuneInString(d.text[at.End:])
	return (at.Start == 0 || unicode.IsSpace(before)) && (at.End == len(d.text) || unicode.IsSpace(after))
}
