package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/text"
)

var (
	errMissing   = errors.New("does not occur")
	errAmbiguous = errors.New("occurs more than once")
)

// document is extracted text in which evidence can be found.
type document struct {
	text  string
	rows  []text.Span // of the blocks that are one record
	index *text.Index
	key   string // text without what comparison ignores
	at    []int  // offset in text of each byte of key
}

func newDocument(d extract.Document) *document {
	x := &document{text: d.Text, index: text.NewIndex(d.Text)}
	for _, b := range d.Blocks {
		if b.Kind == extract.Row {
			x.rows = append(x.rows, b.Span)
		}
	}
	var key strings.Builder
	for i, r := range d.Text {
		if ignored(r) {
			continue
		}
		key.WriteRune(r)
		for range utf8.RuneLen(r) {
			x.at = append(x.at, i)
		}
	}
	x.key = key.String()
	return x
}

// ignored reports whether comparison skips r: extractors differ in white space,
// in hyphens at line ends and in the rendering of tables and markup, and office
// suites in quotation marks and dashes.
func ignored(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune("-‐‑–\u00ad\"'“”‘’|*_`#>\\", r)
}

func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if ignored(r) {
			return -1
		}
		return r
	}, s)
}

// find returns the span of the only occurrence of quote: from its first to its
// last character that comparison doesn't ignore.
// The error wraps errMissing or errAmbiguous.
func (d *document) find(quote string) (text.Span, error) {
	want := fold(quote)
	if want == "" {
		return text.Span{}, fmt.Errorf("quote %q holds nothing to compare", quote)
	}
	i := strings.Index(d.key, want)
	switch {
	case i < 0:
		return text.Span{}, fmt.Errorf("%q %w", quote, errMissing)
	case strings.Contains(d.key[i+1:], want):
		return text.Span{}, fmt.Errorf("%q %w", quote, errAmbiguous)
	}
	last := d.at[i+len(want)-1]
	_, size := utf8.DecodeRuneInString(d.text[last:])
	return text.Span{Start: d.at[i], End: last + size}, nil
}

// findRow returns the record, or else the line, in which the only occurrence of
// part lies, without white space around it.
func (d *document) findRow(part string) (text.Span, error) {
	s, err := d.find(part)
	if err != nil {
		return s, err
	}
	row := text.Span{
		Start: strings.LastIndexByte(d.text[:s.Start], '\n') + 1,
		End:   len(d.text),
	}
	if n := strings.IndexByte(d.text[s.End:], '\n'); n >= 0 {
		row.End = s.End + n
	}
	record := false
	for _, r := range d.rows {
		if r.Contains(s) {
			row, record = r, true
		}
	}
	if !record && strings.Contains(d.text[s.Start:s.End], "\n") {
		return s, fmt.Errorf("%q spreads over several rows", part)
	}
	trimmed := strings.TrimSpace(d.text[row.Start:row.End])
	row.Start += strings.Index(d.text[row.Start:row.End], trimmed)
	row.End = row.Start + len(trimmed)
	return row, nil
}
