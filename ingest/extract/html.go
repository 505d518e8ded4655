package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"codeberg.org/readeck/go-readability/v2"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/net/html/charset"
)

// extractHTML renders the main content of a page as text in the manner of
// Markdown; see htmlWriter for the rendering and mainContent for the choice.
func extractHTML(_ context.Context, in Input) (Document, error) {
	s, warnings := decodeBytes(in.Data, htmlCharset(in))
	s = cleanText(s)
	root, err := parseHTML(s)
	if errors.Is(err, ErrTooLarge) {
		return Document{}, err
	}
	if err != nil {
		warnings = append(warnings, fmt.Sprintf("the page could not be parsed as a tree (%v); its text is kept without main content detection", err))
		text, marks := renderTokens(s)
		return Document{Text: text, Blocks: tile(text, marks), Warnings: warnings}, nil
	}
	title, about := htmlTitle(root), htmlMeta(root)
	text, marks := mainContent(root)
	doc := Document{Text: text, Title: title, Blocks: tile(text, marks), Warnings: warnings}
	about.apply(&doc)
	return doc, nil
}

// htmlCharset returns the encoding that the caller declared or that the head
// of the page names, or "".
func htmlCharset(in Input) string {
	if name := declaredCharset(in.MediaType); name != "" {
		return name
	}
	_, name, _ := charset.DetermineEncoding(in.Data, "")
	const prescanned = 1024
	if name == "windows-1252" && !bytes.Contains(bytes.ToLower(in.Data[:min(len(in.Data), prescanned)]), []byte("charset")) {
		return "" // not what the page says, but what browsers fall back to
	}
	return name
}

// maxHTMLBytes is the size of the largest page that is parsed, as a tree takes
// some hundred bytes for a short element.
const maxHTMLBytes = 16 << 20

// maxHTMLTags is the largest number of tags of a page that is parsed.
const maxHTMLTags = 1 << 20

// parseHTML returns the tree of a page. The error wraps ErrTooLarge, or is the
// parser's, which refuses more than 512 open elements.
func parseHTML(s string) (*html.Node, error) {
	if len(s) > maxHTMLBytes {
		return nil, fmt.Errorf("%w: a page of %d bytes, the limit is %d", ErrTooLarge, len(s), maxHTMLBytes)
	}
	if n := strings.Count(s, "<"); n > maxHTMLTags {
		return nil, fmt.Errorf("%w: a page of %d tags, the limit is %d", ErrTooLarge, n, maxHTMLTags)
	}
	return html.Parse(strings.NewReader(s))
}

// maxReadabilityWork bounds the pages that readability is asked about, in bytes
// of text, each counted for every element around it: it reads the text of an
// element again for each of those. Articles take some millions.
const maxReadabilityWork = 64 << 20

// minKept is the share of the words of the body that readability must keep to
// be trusted. On documentation pages it tends to keep one section only.
const minKept = 0.6

// mainContent renders the main content of a page: the <main> element where the
// author marked one, or else what readability takes for the article, or else,
// where that keeps fewer than minKept of its words, the body. Navigation,
// asides and footers are left out. It changes the tree.
func mainContent(root *html.Node) (string, []mark) {
	if m := findNode(root, isMain); m != nil {
		if text, marks := renderHTML(m); strings.TrimSpace(text) != "" {
			return addHeading(topHeading(root), text, marks)
		}
	}
	body := findNode(root, func(n *html.Node) bool { return n.DataAtom == atom.Body })
	if body == nil {
		body = root // unreachable: the parser adds a body
	}
	prune(body)
	text, marks := renderHTML(body)
	heading := topHeading(root)
	if readabilityWork(root) > maxReadabilityWork {
		return text, marks
	}
	if article := readArticle(root); article != nil {
		kept, keptMarks := renderHTML(article)
		if words := len(strings.Fields(text)); words > 0 && float64(len(strings.Fields(kept))) >= minKept*float64(words) {
			return addHeading(heading, kept, keptMarks)
		}
	}
	return text, marks
}

// readabilityWork returns the bytes of text below root, each counted for every
// element around it.
func readabilityWork(root *html.Node) int {
	work, depth := 0, 0
	for n := root; n != nil; {
		work += depth * len(n.Data)
		if n.FirstChild != nil {
			n, depth = n.FirstChild, depth+1
			continue
		}
		for n != root && n.NextSibling == nil {
			n, depth = n.Parent, depth-1
		}
		if n == root {
			break
		}
		n = n.NextSibling
	}
	return work
}

func isMain(n *html.Node) bool {
	return n.DataAtom == atom.Main || attr(n, "role") == "main"
}

// prune removes everything below n that is not content.
func prune(n *html.Node) {
	for c := n.FirstChild; c != nil; {
		next := c.NextSibling
		if c.Type == html.ElementNode && skipped(c) {
			n.RemoveChild(c)
		} else {
			prune(c)
		}
		c = next
	}
}

// wasTop marks the elements that were <h1> before readability made them <h2>.
const wasTop = "data-was-h1"

// readArticle returns the article that readability finds, or nil. It changes
// the tree.
func readArticle(root *html.Node) (article *html.Node) {
	// Readability is written for pages of the open web; a page it fails on is
	// one it has no opinion about.
	defer func() {
		if recover() != nil {
			article = nil
		}
	}()
	for n := range root.Descendants() {
		if n.DataAtom == atom.H1 {
			n.Attr = append(n.Attr, html.Attribute{Key: wasTop})
		}
	}
	p := readability.NewParser()
	p.Logger = slog.New(slog.DiscardHandler)
	a, err := p.ParseAndMutate(root, nil)
	if err != nil || a.Node == nil {
		return nil
	}
	for n := range a.Node.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if hasAttr(n, wasTop) && n.Data == "h2" {
			n.Data = "h1"
		}
		n.DataAtom = atom.Lookup([]byte(n.Data)) // elements that readability made have none
	}
	return a.Node
}

// topHeading renders the first <h1> of a page, "" for none.
func topHeading(root *html.Node) string {
	h1 := findNode(root, func(n *html.Node) bool { return n.DataAtom == atom.H1 && !hidden(n) })
	if h1 == nil {
		return ""
	}
	heading, _ := renderHTML(h1)
	return heading
}

// addHeading puts the heading of the page in front of text that has no heading
// of level 1: some pages keep it outside their content.
func addHeading(heading, text string, marks []mark) (string, []mark) {
	for _, m := range marks {
		if m.kind == Heading && m.level == 1 {
			return text, marks
		}
	}
	if heading == "" {
		return text, marks
	}
	heading += "\n\n"
	out := []mark{{kind: Heading, level: 1}}
	for _, m := range marks {
		m.at += len(heading)
		out = append(out, m)
	}
	return heading + text, out
}

// htmlTitle returns the title of a page: its <title>, or its first <h1> where
// it has no title or the title only adds the name of the site to the heading.
func htmlTitle(root *html.Node) string {
	title := ""
	if n := findNode(root, func(n *html.Node) bool { return n.DataAtom == atom.Title && n.Namespace == "" }); n != nil {
		title = innerText(n)
	}
	h1 := strings.Join(strings.Fields(strings.TrimPrefix(topHeading(root), "# ")), " ")
	if title == "" || h1 != "" && strings.Contains(title, h1) {
		return h1
	}
	return title
}

// findNode returns the first node below n, in document order, that ok accepts.
func findNode(n *html.Node, ok func(*html.Node) bool) *html.Node {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && ok(d) {
			return d
		}
	}
	return nil
}

// innerText returns the text below n with white space collapsed.
func innerText(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Namespace == "" && a.Key == name {
			return a.Val
		}
	}
	return ""
}

func hasAttr(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Namespace == "" && a.Key == name {
			return true
		}
	}
	return false
}

// hidden reports whether n is not shown to a reader.
func hidden(n *html.Node) bool {
	if hasAttr(n, "hidden") || attr(n, "aria-hidden") == "true" {
		return true
	}
	style := strings.ToLower(strings.ReplaceAll(attr(n, "style"), " ", ""))
	return strings.Contains(style, "display:none") || strings.Contains(style, "visibility:hidden")
}

// skipped reports whether n holds nothing of the page's content: code,
// embedded media, form controls, and the furniture around the content.
func skipped(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Script, atom.Style, atom.Noscript, atom.Template, atom.Head, atom.Iframe, atom.Object, atom.Embed,
		atom.Svg, atom.Canvas, atom.Audio, atom.Video, atom.Map,
		atom.Button, atom.Input, atom.Select, atom.Textarea, atom.Dialog, atom.Rp,
		atom.Nav, atom.Aside, atom.Footer:
		return true
	case atom.Header:
		return !inArticle(n) && findNode(n, func(d *html.Node) bool { return d.DataAtom == atom.H1 }) == nil
	case atom.A:
		// The permanent link that documentation tools put beside headings.
		switch innerText(n) {
		case "¶", "#", "🔗":
			return true
		}
	}
	switch attr(n, "role") {
	case "navigation", "complementary", "contentinfo", "search", "dialog", "alertdialog":
		return true
	}
	return hidden(n)
}

// inArticle reports whether n belongs to the content of a page rather than to
// its frame.
func inArticle(n *html.Node) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.DataAtom == atom.Article || p.DataAtom == atom.Section || isMain(p) {
			return true
		}
	}
	return false
}
