package extract

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/ragloop/ragloop/internal/text"
)

// documentJSON is the machine-readable form of a Document. Its fields and their
// order are stable.
type documentJSON struct {
	Text      string      `json:"text"`
	MediaType string      `json:"media_type"`
	Title     string      `json:"title"`
	Pages     int         `json:"pages"`
	Blocks    []blockJSON `json:"blocks"`
	Warnings  []string    `json:"warnings"`
}

type blockJSON struct {
	Kind  Kind `json:"kind"`
	Level int  `json:"level"`
	Start int  `json:"start"` // code points
	End   int  `json:"end"`   // code points
	Page  int  `json:"page"`
}

// MarshalJSON returns
//
//	{"text","media_type","title","pages","blocks":[{"kind","level","start","end","page"}],"warnings":[…]}
//
// with start and end in Unicode code points. Every field is present; lists are
// never null.
func (d Document) MarshalJSON() ([]byte, error) {
	out := documentJSON{
		Text: d.Text, MediaType: d.MediaType, Title: d.Title, Pages: d.Pages,
		Blocks:   make([]blockJSON, len(d.Blocks)),
		Warnings: append([]string{}, d.Warnings...),
	}
	index := text.NewIndex(d.Text)
	for i, b := range d.Blocks {
		span, err := index.RuneSpan(b.Span)
		if err != nil {
			return nil, fmt.Errorf("encode block %d: %w", i, err)
		}
		out.Blocks[i] = blockJSON{Kind: b.Kind, Level: b.Level, Start: span.Start, End: span.End, Page: b.Page}
	}
	// Escaping for HTML is the encoder's choice that calls this method.
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
