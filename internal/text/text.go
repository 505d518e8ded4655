// Package text holds what every stage says about a document's text: which
// document, which span of it, and how byte offsets and Unicode code points
// convert into each other. It also splits text into sentences.
//
// Inside the program offsets are bytes ([Span]); on the wire, in labels and in
// reports they are code points ([RuneSpan]). This package alone converts, and
// the two are distinct types so that a mix-up does not compile.
package text

// DocID names a document inside a collection: the slash-separated path
// relative to its source, or the id that the caller gave. Never empty.
type DocID string

// Span is a half-open interval [Start, End) of byte offsets in a text.
// The zero value is the empty span at 0.
type Span struct{ Start, End int }

// Len returns the number of bytes in s.
func (s Span) Len() int { return s.End - s.Start }

// RuneSpan is a half-open interval [Start, End) of Unicode code points.
type RuneSpan struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

// Len returns the number of code points in s.
func (s RuneSpan) Len() int { return s.End - s.Start }
