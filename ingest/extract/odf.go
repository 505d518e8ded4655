package extract

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	odtType = "application/vnd.oasis.opendocument.text"
	odsType = "application/vnd.oasis.opendocument.spreadsheet"
	odpType = "application/vnd.oasis.opendocument.presentation"
)

// extractODF renders an OpenDocument text, spreadsheet or presentation.
//
// Of a text: headings, paragraphs, list items with their numbers or bullets,
// tables as rows of cells separated by " | ", text boxes behind their
// paragraph, footnotes and endnotes at the end. It has pages where the program
// that wrote it noted the page breaks. Deleted text of tracked changes,
// comments, headers and footers are left out.
//
// Of a spreadsheet: as extractXLSX does. Of a presentation: as extractPPTX does.
//
// The title is that of the document properties, or else the first paragraph of
// style Title or heading of level 1, or the first slide's.
func extractODF(ctx context.Context, in Input) (Document, error) {
	pkg, err := openPackage(in.Data)
	if err != nil {
		return Document{}, err
	}
	const content = "content.xml"
	if pkg.parts[content] == nil {
		return Document{}, fmt.Errorf("%w: the package has no %s", ErrMalformed, content)
	}
	if err := odfEncrypted(ctx, pkg); err != nil {
		return Document{}, err
	}
	r := &odfReader{out: &blockWriter{}, styles: odfStyles{parents: map[string]string{}, lists: map[string]*odfList{}}}
	if err := pkg.eachElement(ctx, "styles.xml", r.styles.element); err != nil {
		return Document{}, err
	}
	if r.xml, err = pkg.xml(ctx, content); err != nil {
		return Document{}, err
	}
	if err := r.blocks(); err != nil {
		return Document{}, fmt.Errorf("read %s: %w", content, err)
	}
	for _, note := range r.notes {
		r.out.write(Paragraph, 0, note)
	}
	properties := &dublinCore{}
	x, err := pkg.xml(ctx, "meta.xml")
	if err == nil && x != nil {
		err = properties.read(x, false)
	}
	if err != nil {
		return Document{}, fmt.Errorf("read meta.xml: %w", err)
	}
	doc := r.out.document()
	doc.Pages = r.out.page
	if doc.Title = properties.title; doc.Title == "" {
		doc.Title = r.title
	}
	properties.meta.apply(&doc)
	return doc, nil
}

// odfEncrypted returns ErrEncrypted where the manifest says that the parts are
// encrypted.
func odfEncrypted(ctx context.Context, pkg *zipPackage) error {
	encrypted := false
	err := pkg.eachElement(ctx, "META-INF/manifest.xml", func(t xml.StartElement) {
		encrypted = encrypted || t.Name.Local == "encryption-data"
	})
	if err == nil && encrypted {
		err = fmt.Errorf("%w: it needs a password; remove the password first", ErrEncrypted)
	}
	return err
}

// odfReader reads the content of an OpenDocument file. Its methods are called
// with the start of an element read and return with its end read.
type odfReader struct {
	xml      *xmlReader
	styles   odfStyles
	out      *blockWriter
	title    string
	notes    []string
	nest     []odfListState // the lists that are open
	sheets   bool           // tables are sheets
	repeated int            // cells written for the sake of a repetition
}

// odfListState is an open list.
type odfListState struct {
	style  *odfList
	number int // of the last item
}

// blocks reads to the end of the element that is open, or of the input.
func (r *odfReader) blocks() error {
	for depth := r.xml.depth; r.xml.depth >= depth; {
		tok, err := r.xml.token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if t, ok := tok.(xml.StartElement); ok {
			if err := r.block(t); err != nil {
				return err
			}
		}
	}
	return nil
}

// block reads the element t; of one that it does not know, the start only.
func (r *odfReader) block(t xml.StartElement) error {
	switch t.Name.Local {
	case "h":
		return r.heading(t)
	case "p":
		return r.paragraph(t)
	case "list":
		return r.list(t)
	case "table":
		if r.sheets {
			return r.sheet(t)
		}
		return r.table()
	case "page":
		return r.slide()
	case "spreadsheet":
		r.sheets = true
	case "text":
		if xmlFlag(t, "use-soft-page-breaks") {
			r.out.page = 1
		}
	case "soft-page-break":
		r.pageBreak()
	default:
		if odfSkipped(t) {
			return r.xml.skip()
		}
		r.styles.element(t)
	}
	return nil
}

// odfSkipped reports whether an element holds no text of the document: deleted
// text, comments, form controls, how a word is pronounced, what describes a
// picture.
func odfSkipped(t xml.StartElement) bool {
	switch t.Name.Local {
	case "tracked-changes", "annotation", "forms", "ruby-text", "object":
		return true
	case "title", "desc":
		return strings.Contains(t.Name.Space, "svg") // a text:title repeats that of the document
	}
	return false
}

// pageBreak begins a page, where pages are counted.
func (r *odfReader) pageBreak() {
	if r.out.page > 0 {
		r.out.page++
	}
}

func (r *odfReader) heading(t xml.StartElement) error {
	page := r.out.page
	s, boxes, err := r.text()
	if err != nil {
		return err
	}
	r.writeHeading(page, min(max(atoiOr(xmlAttr(t, "outline-level"), 1), 1), 6), s)
	r.boxes(boxes)
	return nil
}

func (r *odfReader) writeHeading(page, level int, s string) {
	if s = oneLine(s); s == "" {
		return
	}
	if level == 1 && r.title == "" {
		r.title = s
	}
	r.out.writeOn(page, Heading, level, s)
}

func (r *odfReader) paragraph(t xml.StartElement) error {
	page := r.out.page
	s, boxes, err := r.text()
	if err != nil {
		return err
	}
	if level := r.styles.heading(xmlAttr(t, "style-name")); level > 0 {
		r.writeHeading(page, level, s)
	} else if s != "" {
		r.out.writeOn(page, Paragraph, 0, s)
	}
	r.boxes(boxes)
	return nil
}

func (r *odfReader) boxes(boxes []string) {
	for _, box := range boxes {
		r.out.write(Paragraph, 0, box)
	}
}

// nested reads the blocks of an element inside another block and returns their
// text.
func (r *odfReader) nested() (string, error) {
	return r.apart(r.blocks)
}

// apart calls read, which reads blocks, and returns their text.
func (r *odfReader) apart(read func() error) (string, error) {
	out, nest, sheets := r.out, r.nest, r.sheets
	r.out, r.nest, r.sheets = &blockWriter{page: out.page}, nil, false
	err := read()
	s := strings.TrimSpace(r.out.b.String())
	out.page = r.out.page
	r.out, r.nest, r.sheets = out, nest, sheets
	return s, err
}

// list reads a text:list element.
func (r *odfReader) list(t xml.StartElement) error {
	state := odfListState{style: r.styles.lists[xmlAttr(t, "style-name")]}
	if k := len(r.nest); state.style == nil && k > 0 {
		state.style = r.nest[k-1].style
	}
	r.nest = append(r.nest, state)
	defer func() { r.nest = r.nest[:len(r.nest)-1] }()
	for depth := r.xml.depth; r.xml.depth >= depth; {
		tok, err := r.xml.token()
		if err != nil {
			return err
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch e.Name.Local {
		case "list-item", "list-header":
			err = r.item(e)
		default:
			err = r.xml.skip()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// item reads a list item: its paragraphs are the item, lists in it are items of
// the next level.
func (r *odfReader) item(t xml.StartElement) error {
	level, page := len(r.nest), r.out.page
	list := &r.nest[level-1]
	var paragraphs []string
	flush := func() {
		s := strings.Join(paragraphs, "\n")
		if paragraphs = nil; s == "" {
			return
		}
		label := ""
		if t.Name.Local == "list-item" {
			list.number = atoiOr(xmlAttr(t, "start-value"), list.number+1)
			label = list.style.label(level, list.number)
		}
		if label == "" {
			indent := strings.Repeat("  ", level-1)
			r.out.writeOn(page, ListItem, level, indent+strings.ReplaceAll(s, "\n", "\n"+indent))
			return
		}
		r.out.writeOn(page, ListItem, level, itemText(level, label, s))
	}
	for depth := r.xml.depth; r.xml.depth >= depth; {
		tok, err := r.xml.token()
		if err != nil {
			return err
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch e.Name.Local {
		case "p":
			var s string
			var boxes []string
			if s, boxes, err = r.text(); s != "" {
				paragraphs = append(paragraphs, s)
			}
			paragraphs = append(paragraphs, boxes...)
		case "number":
			err = r.xml.skip() // what the label was when the file was written
		default:
			flush() // a heading with an outline number, a list, a table
			err = r.block(e)
		}
		if err != nil {
			return err
		}
	}
	flush()
	return nil
}

// table reads a table:table element of a text or a slide.
func (r *odfReader) table() error {
	var rows [][]string
	page := r.out.page
	for depth := r.xml.depth; r.xml.depth >= depth; {
		tok, err := r.xml.token()
		if err != nil {
			return err
		}
		t, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch k := len(rows) - 1; t.Name.Local {
		case "table-row":
			rows = append(rows, nil)
		case "table-cell", "covered-table-cell":
			s, err := r.nested()
			if err != nil {
				return err
			}
			if k >= 0 {
				rows[k] = append(rows[k], oneLine(s))
			}
		}
	}
	r.out.table(page, rows)
	return nil
}

// odfFurniture are the classes of frames that stand on every slide.
var odfFurniture = map[string]bool{"page": true, "page-number": true, "header": true, "footer": true, "date-time": true}

// slide reads a draw:page element.
func (r *odfReader) slide() error {
	page := r.out.page + 1
	if page > maxSlides {
		return fmt.Errorf("%w: a presentation of more than %d slides", ErrTooLarge, maxSlides)
	}
	outer := r.out
	body, titles := &blockWriter{}, &blockWriter{}
	for depth := r.xml.depth; r.xml.depth >= depth; {
		tok, err := r.xml.token()
		if err != nil {
			return err
		}
		t, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch r.out = body; {
		case t.Name.Local == "frame" && xmlAttr(t, "class") == "title":
			r.out = titles
			err = r.blocks()
		case t.Name.Local == "frame" && odfFurniture[xmlAttr(t, "class")]:
			err = r.xml.skip()
		default:
			err = r.block(t)
		}
		if r.out = outer; err != nil {
			return err
		}
	}
	r.out.page = page
	if title := oneLine(titles.b.String()); title != "" {
		if page == 1 && r.title == "" {
			r.title = title
		}
		r.out.write(Heading, 1, title)
	}
	r.out.add(body)
	return nil
}
