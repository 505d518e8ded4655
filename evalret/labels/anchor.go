package labels

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/ragloop/ragloop/internal/text"
)

// Anchor says how an evidence span was found in today's text.
type Anchor string

const (
	// Exact: the text at the span is the quote, or the span lies in the text
	// and no quote was recorded.
	Exact Anchor = "exact"
	// Moved: the quote occurs elsewhere, exactly once.
	Moved Anchor = "moved"
	// Normalised: the quote occurs exactly once when white space, letter case,
	// typographic variants and line-break hyphens are disregarded.
	Normalised Anchor = "normalised"
)

// Reason says why a label is broken; a closed set.
type Reason string

const (
	// NoDocument: the document is not in the corpus.
	NoDocument Reason = "no_document"
	// Unreadable: the document's text could not be had.
	Unreadable Reason = "unreadable"
	// OutOfBounds: the span ends after the text and there is no quote to find it by.
	OutOfBounds Reason = "out_of_bounds"
	// QuoteNotFound: the quote does not occur in the text.
	QuoteNotFound Reason = "quote_not_found"
	// QuoteAmbiguous: the quote occurs several times, and not at the span.
	QuoteAmbiguous Reason = "quote_ambiguous"
)

// document is a text prepared for anchoring.
type document struct {
	text  string
	index *text.Index
	plain *plain // made when first needed
}

func newDocument(s string) *document { return &document{text: s, index: text.NewIndex(s)} }

// anchor finds e in d. Where the text differs from the quote only in form, the
// evidence returned quotes the text. A reason that is not empty says that the
// label is broken; detail then explains.
func (d *document) anchor(e Evidence) (found Evidence, how Anchor, reason Reason, detail string) {
	at, err := d.index.Slice(e.Span)
	if e.Quote == "" {
		if err != nil {
			return e, "", OutOfBounds, fmt.Sprintf("span [%d, %d) of a text of %d code points, and no quote", e.Span.Start, e.Span.End, d.index.Runes())
		}
		return e, Exact, "", ""
	}
	if err == nil && at == e.Quote {
		return e, Exact, "", ""
	}
	if !utf8.ValidString(e.Quote) {
		return e, "", QuoteNotFound, "the quote is not valid UTF-8"
	}
	if start, n := locate(d.text, e.Quote); n > 1 {
		return e, "", QuoteAmbiguous, fmt.Sprintf("the quote %s is not at [%d, %d) but occurs %d times", brief(e.Quote), e.Span.Start, e.Span.End, n)
	} else if n == 1 {
		return d.at(e, start, start+len(e.Quote)), Moved, "", ""
	}
	if d.plain == nil {
		d.plain = newPlain(d.text)
	}
	quote := newPlain(e.Quote)
	start, n := locate(d.plain.text, quote.text)
	switch {
	case quote.text == "" || n == 0:
		if err != nil {
			return e, "", QuoteNotFound, fmt.Sprintf("the quote %s does not occur, and the span [%d, %d) leaves the text of %d code points", brief(e.Quote), e.Span.Start, e.Span.End, d.index.Runes())
		}
		return e, "", QuoteNotFound, fmt.Sprintf("the quote %s does not occur; the text at [%d, %d) is %s", brief(e.Quote), e.Span.Start, e.Span.End, brief(at))
	case n > 1:
		return e, "", QuoteAmbiguous, fmt.Sprintf("the quote %s occurs %d times when form is disregarded", brief(e.Quote), n)
	}
	return d.at(e, d.plain.source[start], d.plain.end(start+len(quote.text))), Normalised, "", ""
}

// at returns e at the bytes [start, end) of the text.
func (d *document) at(e Evidence, start, end int) Evidence {
	span, err := d.index.RuneSpan(text.Span{Start: start, End: end})
	if err != nil {
		panic(err) // unreachable: a match of valid UTF-8 starts and ends between code points
	}
	return Evidence{Doc: e.Doc, Span: span, Quote: d.text[start:end]}
}

// locate returns where sub first occurs in s and how often, overlapping
// occurrences included.
func locate(s, sub string) (first, n int) {
	for from := 0; ; n++ {
		i := strings.Index(s[from:], sub)
		if i < 0 || sub == "" {
			return first, n
		}
		if n == 0 {
			first = i
		}
		_, size := utf8.DecodeRuneInString(s[from+i:])
		from += i + size
	}
}

// plain is a text without what changes when a document is extracted anew:
// white space, format characters such as soft hyphens, hyphens at line ends,
// letter case, compatibility forms (ligatures, full width), accents written as
// separate characters, and the shape of quotation marks and dashes.
type plain struct {
	text   string
	source []int // byte offset in the source of the code point that each byte of text comes from
	ends   []int // byte offset in the source where that code point ends
}

// end returns the byte offset in the source at which the code point before
// byte at of the plain text ends.
func (p *plain) end(at int) int { return p.ends[at-1] }

func newPlain(s string) *plain {
	var b strings.Builder
	p := &plain{source: make([]int, 0, len(s)), ends: make([]int, 0, len(s))}
	prev := rune(0)
	for i, r := range s {
		_, size := utf8.DecodeRuneInString(s[i:])
		before := prev
		prev = r
		if unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) {
			continue
		}
		r = shape(r)
		if r == '-' && unicode.IsLetter(before) && endsLine(s[i+size:]) {
			continue
		}
		for _, d := range norm.NFKD.String(string(r)) {
			n, _ := b.WriteRune(unicode.ToLower(d))
			for range n {
				p.source = append(p.source, i)
				p.ends = append(p.ends, i+size)
			}
		}
	}
	p.text = b.String()
	return p
}

// shape maps typographic variants to one character.
func shape(r rune) rune {
	switch r {
	case '‘', '’', '‚', '‛', '′', '`', '´':
		return '\''
	case '“', '”', '„', '‟', '″', '«', '»':
		return '"'
	case '‐', '‑', '‒', '–', '—', '―', '−':
		return '-'
	}
	return r
}

// endsLine reports whether s starts with a line break, spaces before it allowed.
func endsLine(s string) bool {
	s = strings.TrimLeft(s, " \t\r")
	return s != "" && s[0] == '\n'
}

// brief quotes s for a message, cut to 60 code points.
func brief(s string) string {
	n := 0
	for i := range s {
		if n == 60 {
			return fmt.Sprintf("%q…", s[:i])
		}
		n++
	}
	return fmt.Sprintf("%q", s)
}
