package labels

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/text"
)

// Candidate is a passage that waits for somebody to say whether it answers a
// query. Stored layout, JSON Lines, one candidate a line:
//
//	{"query":"q1","text":"how long?","doc":"a.md","start":10,"end":42,"quote":"…","reason":"…"}
//
// Only reason may be missing.
type Candidate struct {
	Query  string // id
	Text   string // what is asked
	Doc    text.DocID
	Span   text.RuneSpan
	Quote  string // the text at Span
	Reason string // why it is worth a judgement
}

// Evidence returns the label that c becomes when it is relevant.
func (c Candidate) Evidence() Evidence { return Evidence{Doc: c.Doc, Span: c.Span, Quote: c.Quote} }

type candidateLine struct {
	Query  string     `json:"query"`
	Text   string     `json:"text"`
	Doc    text.DocID `json:"doc"`
	Start  int        `json:"start"`
	End    int        `json:"end"`
	Quote  string     `json:"quote"`
	Reason string     `json:"reason,omitempty"`
}

// WriteCandidates writes one candidate a line.
func WriteCandidates(w io.Writer, cs []Candidate) error {
	b := bufio.NewWriter(w)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	for _, c := range cs {
		if err := enc.Encode(candidateLine{c.Query, c.Text, c.Doc, c.Span.Start, c.Span.End, c.Quote, c.Reason}); err != nil {
			return fmt.Errorf("write candidates: %w", err)
		}
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write candidates: %w", err)
	}
	return nil
}

// ReadCandidates reads what [WriteCandidates] writes; name stands for the file in
// errors. Unknown, missing and repeated keys, wrong types, empty values and spans
// that do not fit their quotes are errors; up to 20 are reported at once.
func ReadCandidates(r io.Reader, name string) ([]Candidate, error) {
	var cs []Candidate
	var f faults
	err := eachLine(r, name, func(n int, line []byte) {
		c, fault := decodeCandidate(line)
		if fault != nil {
			fault.File, fault.Line, fault.Query = name, n, c.Query
			f.add(fault)
			return
		}
		cs = append(cs, c)
	})
	if err == nil {
		err = f.err()
	}
	if err != nil {
		return nil, fmt.Errorf("read candidates: %w", err)
	}
	return cs, nil
}

func decodeCandidate(line []byte) (c Candidate, fault *LineError) {
	if !utf8.Valid(line) {
		return c, &LineError{Problem: "is not valid UTF-8"}
	}
	keys := []string{"query", "text", "doc", "start", "end", "quote", "reason"}
	fault = object(line, "", keys, keys[:6], func(key string, raw json.RawMessage) *LineError {
		switch key {
		case "query":
			return value(raw, key, "a string (the query's id)", &c.Query)
		case "text":
			return value(raw, key, "a string (the query)", &c.Text)
		case "doc":
			return value(raw, key, "a string", &c.Doc)
		case "start":
			return value(raw, key, "a whole number (code points)", &c.Span.Start)
		case "end":
			return value(raw, key, "a whole number (code points)", &c.Span.End)
		case "quote":
			return value(raw, key, "a string", &c.Quote)
		default:
			return value(raw, key, "a string", &c.Reason)
		}
	})
	switch n := utf8.RuneCountInString(c.Quote); {
	case fault != nil:
	case c.Query == "":
		fault = &LineError{Field: "query", Problem: "is empty"}
	case text.Blank(c.Text):
		fault = &LineError{Field: "text", Problem: "is blank"}
	case c.Doc == "":
		fault = &LineError{Field: "doc", Problem: "is empty"}
	case text.Blank(c.Quote):
		fault = &LineError{Field: "quote", Problem: "is blank"}
	case c.Span.Start < 0 || c.Span.Len() != n:
		fault = &LineError{Field: "end", Problem: fmt.Sprintf("the span [%d, %d) does not fit a quote of %d code points", c.Span.Start, c.Span.End, n)}
	}
	return c, fault
}

// Locate finds e in a document's current text as [Check] does. A reason that is not
// empty says that the label is broken; detail then explains.
func Locate(document string, e Evidence) (found Evidence, how Anchor, reason Reason, detail string) {
	return newDocument(document).anchor(e)
}
