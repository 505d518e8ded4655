package extract

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

const epubType = "application/epub+zip"

// maxSpineItems is the largest number of documents of a book.
const maxSpineItems = 10_000

// extractEPUB renders the documents of a book in the order of its spine, each
// once, as extractHTML renders the body of a page; the table of contents that
// readers generate is left out. A book has no pages.
//
// The title is that of the metadata, or else the first heading of level 1.
func extractEPUB(ctx context.Context, in Input) (Document, error) {
	pkg, err := openPackage(in.Data)
	if err != nil {
		return Document{}, err
	}
	root, err := epubRoot(ctx, pkg)
	if err != nil {
		return Document{}, err
	}
	book, err := readEPUB(ctx, pkg, root)
	if err != nil {
		return Document{}, err
	}
	protected, err := epubProtected(ctx, pkg)
	if err != nil {
		return Document{}, err
	}
	w := &blockWriter{}
	var warnings []string
	for _, part := range book.spine {
		if protected[part] {
			return Document{}, fmt.Errorf("%w: %s is protected (DRM)", ErrEncrypted, part)
		}
		page, damaged, err := epubPage(ctx, pkg, part)
		if err != nil {
			return Document{}, err
		}
		switch {
		case page == nil:
			warnings = append(warnings, fmt.Sprintf("%.80q is listed in the book but missing", part))
			continue
		case damaged:
			warnings = append(warnings, fmt.Sprintf("%.80q is not valid XHTML; read as browsers read it", part))
		}
		prune(page)
		s, marks := renderHTML(page)
		w.append(s, marks)
	}
	const maxWarnings = 10
	if n := len(warnings); n > maxWarnings {
		warnings = append(warnings[:maxWarnings], fmt.Sprintf("%d more parts are missing or not valid", n-maxWarnings))
	}
	doc := w.document()
	doc.Title, doc.Warnings = book.properties.title, warnings
	if doc.Title == "" {
		doc.Title = topBlock(doc)
	}
	book.properties.meta.apply(&doc)
	return doc, nil
}

// topBlock returns the text of the first heading of level 1 of a document that
// was rendered from HTML.
func topBlock(doc Document) string {
	for _, b := range doc.Blocks {
		if b.Kind == Heading && b.Level == 1 {
			return strings.TrimLeft(doc.Text[b.Span.Start:b.Span.End], "# ")
		}
	}
	return ""
}

// epubRoot returns the part that lists what the book consists of.
func epubRoot(ctx context.Context, pkg *zipPackage) (string, error) {
	root := ""
	err := pkg.eachElement(ctx, "META-INF/container.xml", func(t xml.StartElement) {
		if t.Name.Local == "rootfile" && root == "" {
			root = path.Clean(xmlAttr(t, "full-path"))
		}
	})
	if err == nil && pkg.parts[root] == nil {
		err = fmt.Errorf("%w: the package has no book %q", ErrMalformed, root)
	}
	return root, err
}

// epubBook is what the root of a book says.
type epubBook struct {
	spine      []string // parts
	properties dublinCore
}

// readEPUB reads the root of a book.
func readEPUB(ctx context.Context, pkg *zipPackage, root string) (*epubBook, error) {
	x, err := pkg.xml(ctx, root)
	if err != nil {
		return nil, err
	}
	b := &epubBook{}
	items := map[string]string{}
	inMetadata := false
	for {
		tok, err := x.token()
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err == nil {
			switch t := tok.(type) {
			case xml.EndElement:
				inMetadata = inMetadata && t.Name.Local != "metadata"
			case xml.StartElement:
				if inMetadata {
					err = b.properties.element(x, t, true)
					break
				}
				switch t.Name.Local {
				case "metadata":
					inMetadata = true
				case "item":
					if !slices.Contains(strings.Fields(xmlAttr(t, "properties")), "nav") && epubReads(xmlAttr(t, "media-type")) {
						items[xmlAttr(t, "id")] = epubTarget(root, xmlAttr(t, "href"))
					}
				case "itemref":
					// An item may be listed again, the book goes on.
					if part := items[xmlAttr(t, "idref")]; part != "" {
						b.spine = append(b.spine, part)
						delete(items, xmlAttr(t, "idref"))
					}
				}
			}
		}
		if len(b.spine) > maxSpineItems {
			err = fmt.Errorf("%w: a book of more than %d documents", ErrTooLarge, maxSpineItems)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", root, err)
		}
	}
}

func epubReads(mediaType string) bool {
	return mediaType == "application/xhtml+xml" || mediaType == "text/html" || mediaType == "text/x-oeb1-document"
}

// epubTarget returns the part that a reference in another part leads to.
func epubTarget(from, href string) string {
	href, _, _ = strings.Cut(href, "#")
	if decoded, err := url.PathUnescape(href); err == nil {
		href = decoded
	}
	return strings.TrimPrefix(path.Clean("/"+path.Dir(from)+"/"+href), "/")
}

// epubProtected returns the parts that are encrypted, fonts among them.
func epubProtected(ctx context.Context, pkg *zipPackage) (map[string]bool, error) {
	parts := map[string]bool{}
	err := pkg.eachElement(ctx, "META-INF/encryption.xml", func(t xml.StartElement) {
		if t.Name.Local == "CipherReference" {
			parts[epubTarget("", xmlAttr(t, "URI"))] = true
		}
	})
	return parts, err
}

// epubPage returns the tree of an XHTML document, nil where it is missing. One
// that is not well-formed is parsed as HTML; damaged says so.
func epubPage(ctx context.Context, pkg *zipPackage, part string) (page *html.Node, damaged bool, err error) {
	data, err := pkg.part(part)
	if err != nil || data == nil {
		return nil, false, err
	}
	if len(data) > maxHTMLBytes {
		return nil, false, fmt.Errorf("%w: %s has %d bytes, the limit is %d", ErrTooLarge, part, len(data), maxHTMLBytes)
	}
	page, err = parseXHTML(ctx, data)
	if err == nil || !errors.Is(err, ErrMalformed) {
		return page, false, err
	}
	s, _ := decodeBytes(data, htmlCharset(Input{Data: data}))
	// HTML knows no element that closes itself: these would swallow the page.
	s = selfClosed.ReplaceAllString(cleanText(s), "<$1$2></$1>")
	page, err = parseHTML(s)
	if errors.Is(err, ErrTooLarge) {
		return nil, false, fmt.Errorf("%s: %w", part, err)
	}
	if err != nil {
		return nil, false, fmt.Errorf("%w: parse %s: %w", ErrMalformed, part, err)
	}
	return page, true, nil
}

var selfClosed = regexp.MustCompile(`(?i)<(title|script|style|textarea|iframe|noscript|noframes|xmp)((?:\s[^<>]*)?)/>`)

// maxXHTMLNodes bounds the nodes of the tree of one document.
const maxXHTMLNodes = 1 << 20

// parseXHTML returns the tree of an XHTML document. An HTML parser would take
// an element that closes itself, <title/>, for one that is never closed.
func parseXHTML(ctx context.Context, data []byte) (*html.Node, error) {
	x := newXMLReader(ctx, bytes.NewReader(data))
	x.d.Entity = xml.HTMLEntity
	root := &html.Node{Type: html.DocumentNode}
	open, nodes := root, 0
	for {
		tok, err := x.token()
		if errors.Is(err, io.EOF) {
			return root, nil
		}
		if err != nil {
			return nil, err
		}
		if nodes++; nodes > maxXHTMLNodes {
			return nil, fmt.Errorf("%w: a document of more than %d elements", ErrTooLarge, maxXHTMLNodes)
		}
		switch t := tok.(type) {
		case xml.StartElement:
			n := &html.Node{Type: html.ElementNode, Data: strings.ToLower(t.Name.Local)}
			if n.Data == "aside" || n.Data == "footer" {
				n.Data = "div" // of a web page it is furniture, of a book a note
			}
			n.DataAtom = atom.Lookup([]byte(n.Data))
			for _, a := range t.Attr {
				n.Attr = append(n.Attr, html.Attribute{Key: a.Name.Local, Val: a.Value})
			}
			open.AppendChild(n)
			open = n
		case xml.EndElement:
			open = open.Parent
		case xml.CharData:
			if utf8.Valid(t) && open != root {
				open.AppendChild(&html.Node{Type: html.TextNode, Data: cleanText(string(t))})
			}
		}
	}
}
