// Package extract turns the bytes of a file into a [Document]: UTF-8 text plus
// blocks, spans with structure, that tile it. It does not cut text into chunks
// and reads nothing but the bytes it is given.
//
// There is one extractor for each supported media type. Markdown, plain text,
// source code, XML, CSV and JSON Lines keep the source verbatim, so that a span
// of the text is a span of the file; only a byte order mark is removed and other
// encodings are decoded. The other formats are rendered: paragraphs are separated
// by a blank line, table rows are lines. Text compressed by gzip is unpacked.
//
// Pages are those of a PDF, the slides of a presentation and the sheets of a
// workbook; a text has them where it says where they end.
//
// Two rules hold for the text of every format: it is valid UTF-8 without NUL,
// and its blocks tile it.
//
// What a hostile file can do is bounded: in size, nesting and expansion, and for
// the formats that take long by the context. The libraries underneath parse
// PDF objects and HTML; what they are known to loop on or run out of memory
// with is kept from them, but a caller that reads files of strangers does well
// to run Extract in a process it can end, as package isolate does.
package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/text"
)

// Version names the behaviour of all extractors together. It is part of every
// revision and recipe: change it whenever the text of any format may change.
const Version = "4"

const (
	// MaxBytes is the size of the largest file that Extract accepts.
	MaxBytes = 256 << 20
	// MaxTextBytes is the size of the longest text that Extract returns.
	MaxTextBytes = 64 << 20
	// MaxBlocks is the largest number of blocks of a document.
	MaxBlocks = 2 << 20
)

var (
	// ErrUnsupported: no extractor for this media type.
	ErrUnsupported = errors.New("unsupported media type")
	// ErrMalformed: the bytes are not what their media type promises.
	ErrMalformed = errors.New("malformed document")
	// ErrEmpty: the document holds no text.
	ErrEmpty = errors.New("document has no text")
	// ErrTooLarge: the file, its text or something inside it is over a limit.
	ErrTooLarge = errors.New("document too large")
)

// Kind is the structure a block stands for.
type Kind string

const (
	Heading   Kind = "heading"
	Paragraph Kind = "paragraph"
	ListItem  Kind = "list_item"
	Table     Kind = "table"      // whole table, one row per line of its text
	Row       Kind = "row"        // one record of a CSV or JSON file or row of a sheet; the first of a CSV file is its header
	Code      Kind = "code"       // also the front matter of a Markdown file
	PageBreak Kind = "page_break" // the form feed between two pages of a plain text; other pages have none
)

// Block is one structural unit. Blocks are in text order and tile the text:
// the first starts at 0, each starts where the previous ends, the last ends at
// len(Text). Blank text between units belongs to the block before it; only a
// page break may be blank as a whole.
type Block struct {
	Kind  Kind
	Level int // heading level 1..6 or list depth 1..; 0 where meaningless
	Span  text.Span
	Page  int // 1-based page on which the block starts; 0 where the format has no pages
}

// Document is extracted text with its structure.
type Document struct {
	Text      string // valid UTF-8
	MediaType string // "text/markdown", "application/pdf", ...
	Title     string // the document's own or, where it has none, what the name of its file says; may be empty
	Pages     int    // 0 where the format has no pages
	Blocks    []Block
	Meta      meta.Fields // what the document says about itself, beside its title; nil where it says nothing
	Warnings  []string    // what a user should know: a guessed encoding, a page that could not be read

	PageLabels   []string // what the document calls its pages ("iv", "A-3"), one for each; nil where that is their number
	ScannedPages int      // pages without text that show a picture; they need character recognition
	RunningLines int      // lines of running heads and feet that are left out of Text
	// Joined are the offsets in Text, ascending, at which the source has a
	// hyphen and the end of a line in the middle of a word. In Text the line
	// ends behind the word.
	Joined []int
	// Doubtful: the built-in interpreter read a PDF file of which another reader
	// may read more; see PDFExtractor.
	Doubtful bool
}

// Input is what a source hands to Extract.
type Input struct {
	Name      string // file name or URI, used for its extension, for titles and in errors
	MediaType string // as declared by the caller, parameters allowed; empty: detect
	Data      []byte // never changed, not kept
	PDF       PDFOptions
}

// Extract detects the media type of in and extracts its text.
//
// A declared media type decides, where it is one that Extract supports and the
// content does not contradict it; otherwise the content does and then, among
// the kinds of text that look alike, the extension of in.Name.
//
// Errors name in.Name and have a [Reason], unless they are the error of ctx:
// they wrap ErrUnsupported, ErrMalformed, ErrEmpty or ErrTooLarge, or one of the
// finer sentinels. The result depends on in alone. Extract may
// be called concurrently.
func Extract(ctx context.Context, in Input) (doc Document, err error) {
	defer func() {
		// One file must not end the worker that reads thousands.
		if x := recover(); x != nil {
			err = fmt.Errorf("%w: %v", ErrCrashed, x)
		}
		if err != nil {
			if ReasonOf(err) == "" && ctx.Err() == nil {
				err = fmt.Errorf("%w: %w", ErrMalformed, err)
			}
			doc, err = Document{}, fmt.Errorf("extract %s: %w", in.Name, err)
		}
	}()
	return extract(ctx, in)
}

func extract(ctx context.Context, in Input) (Document, error) {
	if err := ctx.Err(); err != nil {
		return Document{}, err
	}
	if len(in.Data) > MaxBytes {
		return Document{}, fmt.Errorf("%w: over the limit of %d bytes", ErrTooLarge, MaxBytes)
	}
	if len(in.Data) == 0 {
		return Document{}, fmt.Errorf("%w: the file is empty", ErrEmpty)
	}
	f, in, err := open(ctx, in)
	if err != nil {
		return Document{}, err
	}
	doc, err := f.extract(ctx, in)
	if err != nil {
		return Document{}, err
	}
	doc.MediaType = f.mediaType
	doc.Title = strings.Join(strings.Fields(strings.ToValidUTF8(doc.Title, "\uFFFD")), " ")
	if doc.Title == "" {
		doc.Title = nameTitle(in.Name)
	}
	if len(doc.Text) > MaxTextBytes {
		return Document{}, tooLong(len(doc.Text))
	}
	if len(doc.Blocks) > MaxBlocks {
		return Document{}, tooManyBlocks()
	}
	if text.Blank(doc.Text) {
		return Document{}, ErrEmpty
	}
	return doc, nil
}

// open chooses the extractor of in and returns what it shall read: in, or the
// text that in is compressed from.
func open(ctx context.Context, in Input) (format, Input, error) {
	if !bytes.HasPrefix(in.Data, []byte(gzipMagic)) {
		f, err := detect(in)
		return f, in, err
	}
	inner, err := gunzip(ctx, in)
	if err != nil {
		return format{}, in, err
	}
	f, err := detect(inner)
	if err != nil {
		return format{}, in, fmt.Errorf("unpack: %w", err)
	}
	if !f.isText() {
		return format{}, in, fmt.Errorf("%w: compressed %s; unpack it first", ErrUnsupported, f.name)
	}
	return f, inner, nil
}

func tooLong(n int) error {
	return fmt.Errorf("%w: %d bytes of text, the limit is %d", ErrOutputTooLarge, n, MaxTextBytes)
}

func tooManyBlocks() error {
	return fmt.Errorf("%w: more than %d paragraphs, rows or other blocks", ErrOutputTooLarge, MaxBlocks)
}

// mark says that a block starts at a byte offset.
type mark struct {
	at    int
	kind  Kind
	level int
	page  int
}

// tile turns marks, ordered by offset, into blocks that tile s. Of several
// marks at one offset the last counts. A block that would be blank becomes part
// of the block before it, or of the one after where it is the first.
func tile(s string, marks []mark) []Block {
	blocks := make([]Block, 0, len(marks)+1)
	for i, m := range marks {
		end := len(s)
		if i+1 < len(marks) {
			end = marks[i+1].at
		}
		if m.kind != PageBreak && text.Blank(s[m.at:end]) {
			continue
		}
		blocks = append(blocks, Block{Kind: m.kind, Level: m.level, Page: m.page, Span: text.Span{Start: m.at}})
	}
	if len(blocks) == 0 {
		if s == "" {
			return nil
		}
		blocks = append(blocks, Block{Kind: Paragraph})
	}
	for i := range blocks {
		blocks[i].Span.End = len(s)
		if i == 0 {
			blocks[i].Span.Start = 0
		} else {
			blocks[i-1].Span.End = blocks[i].Span.Start
		}
	}
	return blocks
}

// cleanText makes rendered text obey the text rules: invalid UTF-8 becomes
// U+FFFD, and NUL is dropped.
func cleanText(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ReplaceAll(s, "\x00", "")
}
