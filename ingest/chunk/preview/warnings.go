package preview

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ragloop/ragloop/ingest/chunk"
	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/text"
)

// Code is a kind of warning; a closed set.
type Code string

const (
	WindowSplit  Code = "window_split"   // smaller than the size would allow: the embedder's window was full
	Tiny         Code = "tiny"           // under a tenth of the size, in a document of several chunks
	TableSplit   Code = "table_split"    // begins inside a table, without its header row, or inside a row
	HeadingAtEnd Code = "heading_at_end" // ends with a heading whose text is in the next chunk
	WordSplit    Code = "word_split"     // begins inside a word
	Repeated     Code = "repeated_text"  // the text of an earlier chunk, white space aside
)

// Codes returns all codes in the order in which they are shown.
func Codes() []Code { return []Code{WindowSplit, TableSplit, HeadingAtEnd, WordSplit, Repeated, Tiny} }

// Meaning says what is odd about a chunk: "begins inside a table".
func (c Code) Meaning() string {
	switch c {
	case WindowSplit:
		return "made smaller than the size, as the embedder's window was full"
	case Tiny:
		return "under a tenth of the size"
	case TableSplit:
		return "begins inside a table"
	case HeadingAtEnd:
		return "ends with a heading, its text is in the next chunk"
	case WordSplit:
		return "begins inside a word"
	case Repeated:
		return "has the text of an earlier chunk"
	}
	return string(c)
}

// Warning is something that a user may want to know about a chunk. It need not
// be a mistake.
type Warning struct {
	Chunk   int    `json:"chunk"` // its number
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

func warnings(doc extract.Document, chunks []chunk.Chunk, p chunk.Params) []Warning {
	out := []Warning{}
	seen := map[string]int{}
	for i, c := range chunks {
		add := func(code Code, message string) {
			out = append(out, Warning{c.Ordinal, code, message})
		}
		if c.WindowSplit {
			add(WindowSplit, WindowSplit.Meaning())
		}
		if where := insideTable(doc, c, p); where != "" {
			add(TableSplit, "begins inside "+where)
		}
		if i+1 < len(chunks) && headingAtEnd(doc, c.Span.End) {
			add(HeadingAtEnd, HeadingAtEnd.Meaning())
		}
		if insideWord(doc.Text, c.Span.Start) {
			add(WordSplit, WordSplit.Meaning())
		}
		body := strings.Join(strings.Fields(c.Text), " ")
		if first, ok := seen[body]; ok {
			add(Repeated, fmt.Sprintf("has the text of chunk %d", first))
		} else {
			seen[body] = c.Ordinal
		}
		if len(chunks) > 1 && 10*c.Tokens < p.SizeTokens {
			add(Tiny, Tiny.Meaning())
		}
	}
	return out
}

// blockAt returns the index of the block that holds a byte.
func blockAt(blocks []extract.Block, at int) int {
	i, found := slices.BinarySearchFunc(blocks, at, func(b extract.Block, at int) int {
		if b.Span.Len() == 0 && b.Span.Start == at {
			return -1 // holds nothing; the next one may
		}
		return cmp.Compare(b.Span.Start, at)
	})
	if !found {
		i--
	}
	return i
}

// insideTable returns "a table" or "a row" where c begins in the middle of one,
// otherwise "". A table whose header row the prefix repeats is not torn.
func insideTable(doc extract.Document, c chunk.Chunk, p chunk.Params) string {
	b := doc.Blocks[blockAt(doc.Blocks, c.Span.Start)]
	start := text.TrimSpace(doc.Text, b.Span).Start
	if c.Span.Start <= start {
		return ""
	}
	switch b.Kind {
	case extract.Row:
		return "a row"
	case extract.Table:
		line := strings.LastIndexByte(doc.Text[start:c.Span.Start], '\n') + 1
		switch {
		case !text.Blank(doc.Text[start+line : c.Span.Start]):
			return "a row"
		case p.Strategy != chunk.Row || !p.IndexPrefix:
			return "a table"
		}
	}
	return ""
}

// headingAtEnd reports whether the text up to end has a heading last, and the
// text of its section is behind it.
func headingAtEnd(doc extract.Document, end int) bool {
	i := blockAt(doc.Blocks, end-1)
	b := doc.Blocks[i]
	if b.Kind != extract.Heading || !text.Blank(doc.Text[end:b.Span.End]) {
		return false
	}
	for _, next := range doc.Blocks[i+1:] {
		if !text.Blank(doc.Text[next.Span.Start:next.Span.End]) {
			return next.Kind != extract.Heading || next.Level > b.Level
		}
	}
	return false
}

// unspaced are scripts that have no spaces between words.
var unspaced = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

// insideWord reports whether an offset lies between two letters or digits of
// one word.
func insideWord(s string, at int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:at])
	after, _ := utf8.DecodeRuneInString(s[at:])
	word := func(r rune) bool {
		return (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r)) && !unicode.In(r, unspaced...)
	}
	return at > 0 && word(before) && word(after)
}
