package extract

import (
	"context"
	"fmt"
	"html"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	gfm "github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	gmtext "github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"github.com/ragloop/ragloop/internal/text"
)

// extractMarkdown keeps the source verbatim, front matter included, which is a
// block of kind Code. The title is the first heading of level 1, or else the
// title that the front matter gives; its other values are metadata.
func extractMarkdown(_ context.Context, in Input) (Document, error) {
	s, warnings, err := decodeText(in)
	if err != nil {
		return Document{}, err
	}
	front := readFrontMatter(s)
	marks, title, parsed := markdownMarks(s, front.length)
	if title == "" {
		title = front.title
	}
	if !parsed {
		warnings = append(warnings, fmt.Sprintf("not parsed as Markdown: it is longer than %d bytes or nested deeper than %d; its paragraphs are kept", maxMarkdownBytes, maxNesting))
	}
	doc := Document{Text: s, Title: title, Blocks: tile(s, marks), Warnings: warnings}
	front.meta.apply(&doc)
	return doc, nil
}

// maxMarkdownBytes is the size of the longest source that is parsed, as a
// syntax tree takes some hundred bytes for a short line.
const maxMarkdownBytes = 16 << 20

// markdownMarks marks the blocks of the Markdown source s, which begins with
// front bytes of front matter; parsed is false where it marks its paragraphs
// only. The title is the first heading of level 1.
func markdownMarks(s string, front int) (marks []mark, title string, parsed bool) {
	if front > 0 {
		marks = append(marks, mark{at: 0, kind: Code})
	}
	if len(s) > maxMarkdownBytes || nesting(s[front:]) > maxNesting {
		body := text.Span{Start: front, End: len(s)}
		return paragraphMarks(marks, s, body, 0), "", false
	}
	w := markdownWalk{src: s, base: front, marks: marks}
	root := blockParser().Parse(gmtext.NewReader([]byte(s[front:])))
	// The walk itself returns no error.
	_ = ast.Walk(root, w.visit)
	return w.marks, w.title, true
}

// blockParser parses the block structure of CommonMark. Neither inline markup
// nor link definitions are parsed, nor tables by the parser's extension: they
// move no block that cannot be found without, and their cost is quadratic in a
// hostile source.
func blockParser() parser.Parser {
	return parser.NewParser(parser.WithBlockParsers(parser.DefaultBlockParsers()...))
}

// markdownWalk collects marks from a syntax tree in source order.
type markdownWalk struct {
	src   string
	base  int // offset in src of what was parsed
	lists int // depth of list nesting
	marks []mark
	title string
}

func (w *markdownWalk) visit(n ast.Node, entering bool) (ast.WalkStatus, error) {
	if n.Kind() == ast.KindList {
		if entering {
			w.lists++
		} else {
			w.lists--
		}
	}
	if !entering || n.Type() != ast.TypeBlock {
		return ast.WalkContinue, nil
	}
	switch n := n.(type) {
	case *ast.Heading:
		if n.Parent().Kind() != ast.KindDocument || n.Lines().Len() == 0 {
			w.text(n) // quoted or empty, it heads nothing
			break
		}
		w.mark(n, Heading, n.Level)
		if n.Level == 1 && w.title == "" {
			w.title = plainInline(n, w.src[w.base:])
		}
	case *ast.Paragraph, *ast.TextBlock:
		w.text(n)
		if at := tableStart(n, w.src[w.base:]); at >= 0 {
			w.markAt(w.base+at, Table, 0, false)
		}
	case *ast.HTMLBlock, *ast.ThematicBreak:
		w.text(n)
	case *ast.ListItem:
		w.mark(n, ListItem, w.lists)
		return ast.WalkContinue, nil
	case *ast.FencedCodeBlock, *ast.CodeBlock:
		w.mark(n, Code, 0)
	default:
		return ast.WalkContinue, nil
	}
	return ast.WalkSkipChildren, nil
}

// text marks running text: a paragraph, or a part of the list item around it.
func (w *markdownWalk) text(n ast.Node) {
	if w.lists > 0 {
		w.mark(n, ListItem, w.lists)
	} else {
		w.mark(n, Paragraph, 0)
	}
}

// mark marks the start of the line that n begins in, so that list markers,
// block quote markers and indentation belong to the block they introduce. A
// further paragraph of a list item continues its block.
func (w *markdownWalk) mark(n ast.Node, kind Kind, level int) {
	// Behind a tab the parser may place a block a column or two too far.
	pos := w.base + max(n.Pos(), 0)
	if n.Lines().Len() > 0 {
		pos = min(pos, w.base+n.Lines().At(0).Start)
	}
	w.markAt(min(pos, len(w.src)), kind, level, n.Kind() == ast.KindListItem)
}

// markAt marks the start of the line that holds offset pos. item says that a
// list item begins there.
func (w *markdownWalk) markAt(pos int, kind Kind, level int, item bool) {
	at := strings.LastIndexByte(w.src[:pos], '\n') + 1
	if k := len(w.marks); k > 0 {
		last := &w.marks[k-1]
		if at = max(at, last.at); last.at == at {
			last.kind, last.level = kind, level
			return
		}
		if kind == ListItem && last.kind == ListItem && last.level == level && !item {
			return
		}
	}
	w.marks = append(w.marks, mark{at: at, kind: kind, level: level})
}

// maxTitleBytes is the longest heading that is parsed for inline markup.
const maxTitleBytes = 1 << 10

// plainInline returns the text of heading h without its inline markup.
func plainInline(h *ast.Heading, src string) string {
	var b strings.Builder
	for i := range h.Lines().Len() {
		line := h.Lines().At(i)
		b.WriteString(src[line.Start:line.Stop])
		b.WriteByte('\n')
	}
	raw := strings.TrimSpace(b.String())
	if len(raw) > maxTitleBytes {
		return raw
	}
	// As the content of a heading, the line cannot begin another block.
	line := []byte("# " + strings.ReplaceAll(raw, "\n", " "))
	root := goldmark.New(goldmark.WithExtensions(gfm.GFM)).Parser().Parse(gmtext.NewReader(line))
	b.Reset()
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			b.WriteString(html.UnescapeString(string(util.UnescapePunctuations(n.Value(line)))))
		case *ast.String:
			b.Write(n.Value)
		case *ast.AutoLink:
			b.Write(n.Label(line))
		}
		return ast.WalkContinue, nil
	})
	return strings.TrimSpace(b.String())
}
