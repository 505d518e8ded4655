package extract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ragloop/ragloop/internal/meta"
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
	Meta      metaJSON    `json:"meta"`
	Warnings  []string    `json:"warnings"`

	PageLabels   []string `json:"page_labels,omitempty"`
	ScannedPages int      `json:"scanned_pages,omitempty"`
	RunningLines int      `json:"running_lines,omitempty"`
	Joined       []int    `json:"joined,omitempty"` // code points
}

// metaJSON is metadata as JSON has it: strings, numbers, truth values and lists
// of strings; a time is a string in the form of RFC 3339.
type metaJSON meta.Fields

func (m metaJSON) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, key := range meta.Fields(m).Keys() {
		if i > 0 {
			b.WriteByte(',')
		}
		err := enc.Encode(key)
		b.WriteByte(':')
		switch v := m[key]; v.Kind {
		case meta.Integer:
			err = errors.Join(err, enc.Encode(v.Integer))
		case meta.Float:
			err = errors.Join(err, enc.Encode(v.Float))
		case meta.Bool:
			err = errors.Join(err, enc.Encode(v.Bool))
		case meta.Strings:
			err = errors.Join(err, enc.Encode(v.Strings))
		case meta.String, meta.Time:
			err = errors.Join(err, enc.Encode(v.Text()))
		}
		if err != nil {
			return nil, fmt.Errorf("encode metadata %q: %w", key, err)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
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
//	{"text","media_type","title","pages","blocks":[{"kind","level","start","end","page"}],"meta":{…},"warnings":[…]}
//
// with start and end in Unicode code points. Each of these fields is present;
// lists are never null. Behind them, where they say something, are those of PDF
// files alone:
//
//	"page_labels":["i",…],"scanned_pages","running_lines","joined":[…]
//
// with joined in code points.
func (d Document) MarshalJSON() ([]byte, error) {
	out := documentJSON{
		Text: d.Text, MediaType: d.MediaType, Title: d.Title, Pages: d.Pages,
		Blocks:   make([]blockJSON, len(d.Blocks)),
		Meta:     metaJSON(d.Meta),
		Warnings: append([]string{}, d.Warnings...),

		PageLabels: d.PageLabels, ScannedPages: d.ScannedPages, RunningLines: d.RunningLines,
	}
	index := text.NewIndex(d.Text)
	for i, b := range d.Blocks {
		span, err := index.RuneSpan(b.Span)
		if err != nil {
			return nil, fmt.Errorf("encode block %d: %w", i, err)
		}
		out.Blocks[i] = blockJSON{Kind: b.Kind, Level: b.Level, Start: span.Start, End: span.End, Page: b.Page}
	}
	for _, at := range d.Joined {
		offset, err := index.RuneOffset(at)
		if err != nil {
			return nil, fmt.Errorf("encode joined words: %w", err)
		}
		out.Joined = append(out.Joined, offset)
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
