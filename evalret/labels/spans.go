package labels

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/ragloop/ragloop/internal/text"
)

// Found is a span that a system returned.
type Found struct {
	Doc  text.DocID
	Span text.RuneSpan
}

// ReadSpans reads ranked spans by query id, one query a line, best span first:
//
//	{"id":"q1","spans":[{"doc":"a.md","start":10,"end":42}]}
//
// Offsets are code points of the document's text, half-open. The same query
// twice, a span that ends before it starts or starts before 0, and whatever
// [Read] would refuse are errors; up to 20 are reported at once.
func ReadSpans(r io.Reader, name string) (map[string][]Found, error) {
	results := map[string][]Found{}
	var f faults
	err := eachLine(r, name, func(n int, line []byte) {
		id, spans, fault := decodeSpans(line)
		if _, ok := results[id]; ok && fault == nil {
			fault = &LineError{Field: "id", Problem: "occurs twice"}
		}
		if fault != nil {
			fault.File, fault.Line, fault.Query = name, n, id
			f.add(fault)
			return
		}
		results[id] = spans
	})
	if err == nil {
		err = f.err()
	}
	if err != nil {
		return nil, fmt.Errorf("read ranked spans: %w", err)
	}
	return results, nil
}

func decodeSpans(line []byte) (id string, spans []Found, fault *LineError) {
	keys := []string{"id", "spans"}
	fault = object(line, "", keys, keys, func(key string, raw json.RawMessage) *LineError {
		if key == "id" {
			return value(raw, key, "a string", &id)
		}
		var items []json.RawMessage
		if fault := value(raw, key, "an array of objects", &items); fault != nil {
			return fault
		}
		for i, item := range items {
			path := fmt.Sprintf("spans[%d]", i)
			var s Found
			keys := []string{"doc", "start", "end"}
			fault := object(item, path, keys, keys, func(key string, raw json.RawMessage) *LineError {
				switch key {
				case "doc":
					return value(raw, path+".doc", "a string", &s.Doc)
				case "start":
					return value(raw, path+".start", "a whole number (code points)", &s.Span.Start)
				default:
					return value(raw, path+".end", "a whole number (code points)", &s.Span.End)
				}
			})
			if fault == nil && (s.Span.Start < 0 || s.Span.End < s.Span.Start) {
				fault = &LineError{Field: path, Problem: fmt.Sprintf("is %d to %d; want 0 ≤ start ≤ end", s.Span.Start, s.Span.End)}
			}
			if fault != nil {
				return fault
			}
			spans = append(spans, s)
		}
		return nil
	})
	return id, spans, fault
}
