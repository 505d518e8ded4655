package extract

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// htmlWriter renders HTML as text: "# " in front of headings, "- " or "1. " in
// front of list items, "> " in front of quotations, fences around preformatted
// text, "| a | b |" for table rows. Inline markup leaves its text only, without
// escapes, so that a phrase of the page is a phrase of the text; links leave
// their text, images their alternative text. White space is collapsed as a
// browser does, soft hyphens and zero width spaces are dropped.
type htmlWriter struct {
	b      strings.Builder
	marks  []mark
	prefix []string // of every line at this point: quotation marks and indentation
	lists  []list
	marker string // to be written in front of the next text, once
	next   mark   // the block that the next text begins, where next.kind is set
	breaks int    // line breaks to be written before the next text: 0, 1 or 2
	space  bool   // white space to be written before the next text
	block  mark   // the innermost block at this point: what text after a nested block returns to
}

const quotePrefix = "> "

// list is an open <ul> or <ol>.
type list struct {
	ordered bool
	number  int // of the next item
}

// renderHTML renders n and everything below it.
func renderHTML(n *html.Node) (string, []mark) {
	w := &htmlWriter{block: mark{kind: Paragraph}}
	w.node(n)
	return w.b.String(), w.marks
}

func (w *htmlWriter) children(n *html.Node) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		w.node(c)
	}
}

func (w *htmlWriter) node(n *html.Node) {
	switch n.Type {
	case html.TextNode:
		w.text(n.Data)
		return
	case html.DocumentNode:
		w.children(n)
		return
	case html.ElementNode:
		if !skipped(n) {
			w.element(n)
		}
	}
}

func (w *htmlWriter) element(n *html.Node) {
	switch n.DataAtom {
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		if slices.Contains(w.prefix, quotePrefix) {
			// Quoted, it heads nothing.
			w.within(w.block, 2, func() { w.children(n) })
			return
		}
		level := int(n.Data[1] - '0')
		w.within(mark{kind: Heading, level: level}, 2, func() {
			w.marker = strings.Repeat("#", level) + " "
			w.children(n)
			w.marker = ""
		})
	case atom.Ul, atom.Ol, atom.Menu:
		w.list(n)
	case atom.Li:
		w.item(n)
	case atom.Pre:
		w.preformatted(n)
	case atom.Blockquote:
		w.within(w.block, 2, func() { w.indented(quotePrefix, func() { w.children(n) }) })
	case atom.Table:
		w.table(n)
	case atom.Dt:
		w.begin(2)
		w.children(n)
	case atom.Dd:
		// On the line under its term, in the term's block.
		w.lineBreak(1)
		w.children(n)
	case atom.Br:
		if w.block.kind == Heading {
			w.space = true
			return
		}
		w.lineBreak(min(w.breaks+1, 2))
	case atom.Img:
		w.text(attr(n, "alt"))
	default:
		if blockElements[n.DataAtom] {
			w.within(w.block, 2, func() { w.children(n) })
			return
		}
		w.children(n)
	}
}

// blockElements begin on a line of their own and have no rendering of their
// own.
var blockElements = map[atom.Atom]bool{
	atom.Address: true, atom.Article: true, atom.Body: true, atom.Caption: true, atom.Center: true,
	atom.Details: true, atom.Div: true, atom.Dl: true, atom.Fieldset: true,
	atom.Figcaption: true, atom.Figure: true, atom.Form: true, atom.Header: true, atom.Hgroup: true,
	atom.Hr: true, atom.Legend: true, atom.Main: true, atom.P: true, atom.Section: true,
	atom.Summary: true, atom.Tbody: true, atom.Td: true, atom.Tfoot: true, atom.Th: true, atom.Thead: true,
	atom.Tr: true,
}

// within renders a block element: content begins and ends with breaks line
// breaks and belongs to a block of m's kind.
func (w *htmlWriter) within(m mark, breaks int, content func()) {
	outer := w.block
	w.block = m
	w.begin(breaks)
	content()
	w.block = outer
	w.begin(breaks)
}

// begin makes the next text begin a block of the current kind. A paragraph in
// a list item continues the item.
func (w *htmlWriter) begin(breaks int) {
	if w.block.kind == ListItem {
		breaks = 1
		if k := len(w.marks); k > 0 && w.next.kind == "" && w.marks[k-1].kind == ListItem && w.marks[k-1].level == w.block.level {
			w.lineBreak(breaks)
			return
		}
	}
	w.lineBreak(breaks)
	w.next = w.block
}

// lineBreak ends the line, where something was written on it.
func (w *htmlWriter) lineBreak(n int) {
	w.breaks = max(w.breaks, n)
	w.space = false
}

// indented renders content with s in front of every line.
func (w *htmlWriter) indented(s string, content func()) {
	w.prefix = append(w.prefix, s)
	content()
	w.prefix = w.prefix[:len(w.prefix)-1]
}

func (w *htmlWriter) list(n *html.Node) {
	start, err := strconv.Atoi(attr(n, "start"))
	if err != nil {
		start = 1
	}
	w.lists = append(w.lists, list{ordered: n.DataAtom == atom.Ol, number: start})
	w.within(w.block, 2, func() { w.children(n) })
	w.lists = w.lists[:len(w.lists)-1]
}

func (w *htmlWriter) item(n *html.Node) {
	marker := "- "
	if k := len(w.lists); k > 0 && w.lists[k-1].ordered {
		marker = strconv.Itoa(w.lists[k-1].number) + ". "
		w.lists[k-1].number++
	}
	outer := w.block
	w.block = mark{kind: ListItem, level: max(1, len(w.lists))}
	w.next = w.block
	w.lineBreak(1)
	w.marker = marker
	w.indented(strings.Repeat(" ", len(marker)), func() { w.children(n) })
	w.marker = "" // an empty item leaves nothing
	w.block = outer
	w.begin(1)
}

// text writes running text with its white space collapsed.
func (w *htmlWriter) text(s string) {
	for s != "" {
		r, _ := utf8.DecodeRuneInString(s)
		if unicode.IsSpace(r) {
			w.space = true
			s = strings.TrimLeftFunc(s, unicode.IsSpace)
			continue
		}
		end := strings.IndexFunc(s, unicode.IsSpace)
		if end < 0 {
			end = len(s)
		}
		if word := dropInvisible(s[:end]); word != "" {
			w.raw(word)
		}
		s = s[end:]
	}
}

// dropInvisible removes what only advises a browser where to break a line.
func dropInvisible(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\u00ad' || r == '\u200b' {
			return -1
		}
		return r
	}, s)
}

// raw writes s after whatever is due before the next text.
func (w *htmlWriter) raw(s string) {
	if w.b.Len() > MaxTextBytes {
		return // refused as too large in the end
	}
	if w.b.Len() == 0 || w.breaks > 0 || w.marker != "" {
		w.startLine()
	} else if w.space {
		w.b.WriteByte(' ')
	}
	w.space = false
	w.b.WriteString(s)
}

// startLine writes the line breaks that are due, begins the next block and
// writes what stands in front of its first line.
func (w *htmlWriter) startLine() {
	if w.b.Len() > 0 {
		w.b.WriteString(strings.Repeat("\n", max(1, w.breaks)))
	}
	w.breaks = 0
	if w.next.kind != "" || len(w.marks) == 0 {
		m := w.block
		m.at = w.b.Len()
		w.marks = append(w.marks, m)
		w.next = mark{}
	}
	for i, p := range w.prefix {
		if i == len(w.prefix)-1 && w.marker != "" && strings.TrimSpace(p) == "" {
			continue // the marker of a list item takes the place of its indentation
		}
		w.b.WriteString(p)
	}
	w.b.WriteString(w.marker)
	w.marker = ""
}

// longestRun returns the length of the longest run of c in s.
func longestRun(s string, c byte) int {
	longest, run := 0, 0
	for i := range len(s) {
		if run++; s[i] != c {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}

// preformatted writes a <pre> element as a fenced block, line by line as it is.
func (w *htmlWriter) preformatted(n *html.Node) {
	var b strings.Builder
	for d := range n.Descendants() {
		switch {
		case d.Type == html.TextNode:
			b.WriteString(d.Data)
		case d.DataAtom == atom.Br:
			b.WriteByte('\n')
		}
	}
	body := strings.Trim(strings.ReplaceAll(b.String(), "\r\n", "\n"), "\n")
	if strings.TrimSpace(body) == "" {
		return
	}
	fence := strings.Repeat("`", max(3, longestRun(body, '`')+1))
	w.within(mark{kind: Code}, 2, func() {
		w.raw(fence)
		for line := range strings.SplitSeq(body, "\n") {
			w.lineBreak(1)
			w.raw(line)
		}
		w.lineBreak(1)
		w.raw(fence)
	})
}
