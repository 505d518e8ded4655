// Package preview shows people how a document is chunked: the chunks with their
// numbers, their sizes, and what is odd about them. It cuts as package chunk
// does, and changes and stores nothing.
//
// A [Preview] is one document with its chunks; [HTML] shows several on one page.
// Offsets are code points, as everywhere outside the program.
package preview

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/ragloop/ragloop/ingest/chunk"
	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/text"
)

// Settings are what the previews of one page have in common.
type Settings struct {
	Strategy    chunk.Strategy `json:"strategy"`
	SizeTokens  int            `json:"size_tokens"`
	Overlap     float64        `json:"overlap"`
	IndexPrefix bool           `json:"index_prefix"`
	Tokenizer   string         `json:"tokenizer"`
	Embedder    string         `json:"embedder"`
	Window      int            `json:"window"` // of the embedder, in its tokens; 0: none
}

// Preview is a document and its chunks.
type Preview struct {
	File       string    `json:"file"`
	MediaType  string    `json:"media_type"`
	Title      string    `json:"title"`
	Pages      int       `json:"pages"` // 0 where the format has none
	CodePoints int       `json:"code_points"`
	Chunks     []Chunk   `json:"chunks"` // in text order; none where the document has no text
	Sizes      Sizes     `json:"sizes"`
	Warnings   []Warning `json:"warnings"` // by chunk, then in the order of Codes

	text  string
	spans []text.Span // of the chunks
}

// Chunk is one chunk. Spans of neighbours may overlap.
type Chunk struct {
	Number         int      `json:"number"` // its ordinal, from 0
	Start          int      `json:"start"`
	End            int      `json:"end"`
	Tokens         int      `json:"tokens"`          // of Text, in the target tokenizer
	EmbedderTokens int      `json:"embedder_tokens"` // of Prefix and Text, as the embedder counts
	Heading        []string `json:"heading"`         // outermost first
	PageStart      int      `json:"page_start"`      // 0 where the format has no pages
	PageEnd        int      `json:"page_end"`
	Parent         *Parent  `json:"parent,omitempty"` // nil: it is its own
	Begins         string   `json:"begins"`           // the first words, on one line
	Ends           string   `json:"ends"`             // the last words
	Prefix         string   `json:"prefix"`
	Text           string   `json:"text"`
}

// Parent is the run of chunks that is delivered where one of them is found.
type Parent struct {
	First int `json:"first"` // numbers, both included
	Last  int `json:"last"`
}

// New chunks doc, which was read from file. w may be nil: no window, and what
// the embedder counts is what c does. Errors are those of chunk.Split.
func New(file string, doc extract.Document, p chunk.Params, c chunk.Counter, w chunk.Window) (Preview, error) {
	chunks, _, err := chunk.Split(doc, p, c, w)
	if err != nil {
		return Preview{}, fmt.Errorf("chunk %s: %w", file, err)
	}
	out := Preview{
		File: file, MediaType: doc.MediaType, Title: doc.Title, Pages: doc.Pages, CodePoints: utf8.RuneCountInString(doc.Text),
		Chunks: []Chunk{}, Warnings: warnings(doc, chunks, p), text: doc.Text,
	}
	count := c.Count
	if w != nil {
		count = w.CountTokens
	}
	runes := text.NewIndex(doc.Text)
	for _, ch := range chunks {
		span, err := runes.RuneSpan(ch.Span)
		if err != nil {
			return Preview{}, fmt.Errorf("chunk %s: %w", file, err) // unreachable: Split cuts at code points
		}
		v := Chunk{
			Number: ch.Ordinal, Start: span.Start, End: span.End, Tokens: ch.Tokens, EmbedderTokens: count(ch.Prefix + ch.Text),
			Heading: append([]string{}, ch.Heading...), PageStart: ch.PageStart, PageEnd: ch.PageEnd,
			Begins: begins(ch.Text), Ends: ends(ch.Text), Prefix: ch.Prefix, Text: ch.Text,
		}
		if ch.ParentLast > 0 {
			v.Parent = &Parent{ch.ParentFirst, ch.ParentLast}
		}
		out.Chunks = append(out.Chunks, v)
		out.spans = append(out.spans, ch.Span)
	}
	out.Sizes = sizes(out.Chunks, p.SizeTokens)
	return out, nil
}

const (
	edgeRunes = 44  // of the words that a chunk begins or ends with
	edgeBytes = 512 // that are looked at for them
)

// begins returns the first words of s on one line, with "…" where it goes on.
func begins(s string) string {
	cut := len(s) > edgeBytes
	if cut {
		s = strings.ToValidUTF8(s[:edgeBytes], "")
	}
	runes := []rune(strings.Join(strings.Fields(s), " "))
	if len(runes) <= edgeRunes && !cut {
		return string(runes)
	}
	line := string(runes[:min(len(runes), edgeRunes)])
	if at := strings.LastIndexByte(line, ' '); at > len(line)/2 {
		line = line[:at]
	}
	return line + " …"
}

// ends returns the last words of s on one line, with "…" where there is more
// before.
func ends(s string) string {
	cut := len(s) > edgeBytes
	if cut {
		s = strings.ToValidUTF8(s[len(s)-edgeBytes:], "")
	}
	runes := []rune(strings.Join(strings.Fields(s), " "))
	if len(runes) <= edgeRunes && !cut {
		return string(runes)
	}
	line := string(runes[max(0, len(runes)-edgeRunes):])
	if at := strings.IndexByte(line, ' '); at >= 0 && at < len(line)/2 {
		line = line[at+1:]
	}
	return "… " + line
}
