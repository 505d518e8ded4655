package extract

import (
	"context"
	"strings"
	"unicode"

	"github.com/ragloop/ragloop/internal/text"
)

// extractPlain keeps the text verbatim. Paragraphs are separated by blank
// lines; a form feed is a page break, and a text that has one has pages.
func extractPlain(_ context.Context, in Input) (Document, error) {
	s, warnings, err := decodeText(in)
	if err != nil {
		return Document{}, err
	}
	marks, pages := plainMarks(s)
	return Document{Text: s, Pages: pages, Blocks: tile(s, marks), Warnings: warnings}, nil
}

// plainMarks marks the paragraphs of s and the form feeds between its pages.
// pages is 0 where s has no form feed but at its end.
func plainMarks(s string) (marks []mark, pages int) {
	body := strings.TrimRightFunc(s, unicode.IsSpace)
	if !strings.Contains(body, "\f") {
		return paragraphMarks(nil, s, text.Span{End: len(s)}, 0), 0
	}
	at := 0
	for pages = 1; ; pages++ {
		i := strings.IndexByte(body[at:], '\f')
		if i < 0 {
			return paragraphMarks(marks, s, text.Span{Start: at, End: len(s)}, pages), pages
		}
		marks = paragraphMarks(marks, s, text.Span{Start: at, End: at + i}, pages)
		marks = append(marks, mark{at: at + i, kind: PageBreak, page: pages})
		at += i + 1
	}
}

// paragraphMarks appends marks for the runs of lines between blank lines in
// span.
func paragraphMarks(marks []mark, s string, span text.Span, page int) []mark {
	blank := true // so was the line before
	for at := span.Start; at < span.End; {
		end := lineEnd(s[:span.End], at)
		now := text.Blank(s[at:end])
		if len(marks) > MaxBlocks {
			return marks // refused as too many in the end
		}
		if blank && !now {
			marks = append(marks, mark{at: at, kind: Paragraph, page: page})
		}
		at, blank = end, now
	}
	return marks
}

// lineEnd returns the offset behind the line of s that holds offset at, its
// line break included: LF, CR LF or CR.
func lineEnd(s string, at int) int {
	i := strings.IndexAny(s[at:], "\n\r")
	if i < 0 {
		return len(s)
	}
	at += i
	if s[at] == '\r' && at+1 < len(s) && s[at+1] == '\n' {
		return at + 2
	}
	return at + 1
}
