package extract

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// extractDOCX renders the body of a Word document, then its footnotes and
// endnotes. Paragraphs are separated by a blank line; list items and table rows
// are lines, the cells of a row are separated by " | ". Numbers and bullets
// that Word generates are written out. Deleted and moved-away text of tracked
// changes, comments, headers and footers are left out.
//
// The title is that of the document properties, or else the first paragraph of
// style Title or first heading of level 1.
func extractDOCX(ctx context.Context, in Input) (Document, error) {
	pkg, err := openPackage(in.Data)
	if err != nil {
		return Document{}, err
	}
	main, err := pkg.mainPart(ctx, "word/document.xml", "Word document")
	if err != nil {
		return Document{}, err
	}
	dir := main[:strings.LastIndexByte(main, '/')+1]
	r := docxReader{ctx: ctx, out: &blockWriter{}}
	if r.styles, err = readStyles(ctx, pkg, dir+"styles.xml"); err != nil {
		return Document{}, err
	}
	if r.numbering, err = readNumbering(ctx, pkg, dir+"numbering.xml"); err != nil {
		return Document{}, err
	}
	for _, part := range []string{main, dir + "footnotes.xml", dir + "endnotes.xml"} {
		if err := r.part(pkg, part); err != nil {
			return Document{}, err
		}
	}
	properties, err := officeProperties(ctx, pkg)
	if err != nil {
		return Document{}, err
	}
	doc := r.out.document()
	if doc.Title = properties.title; doc.Title == "" {
		doc.Title = r.title
	}
	properties.meta.apply(&doc)
	return doc, nil
}

// docxReader reads WordprocessingML. Its methods are called with the start of
// an element read and return with its end read.
type docxReader struct {
	ctx       context.Context
	xml       *xmlReader
	styles    map[string]docxStyle
	numbering *numbering
	out       *blockWriter
	title     string
}

// part reads one part of the package, which may be missing.
func (r *docxReader) part(pkg *zipPackage, name string) error {
	x, err := pkg.xml(r.ctx, name)
	if err != nil || x == nil {
		return err
	}
	r.xml = x
	if err := r.blocks(); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// blocks reads paragraphs and tables up to the end of the element that is open.
func (r *docxReader) blocks() error {
	for depth := 0; ; {
		tok, err := r.xml.token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			depth++
			switch t.Name.Local {
			case "p":
				err = r.paragraph()
				depth--
			case "tbl":
				err = r.table()
				depth--
			case "Fallback", "moveFrom", "del":
				// A fallback repeats what the alternative beside it says.
				err = r.xml.skip()
				depth--
			}
			if err != nil {
				return err
			}
		case xml.EndElement:
			if depth--; depth < 0 {
				return nil
			}
		}
	}
}

// paragraphText is a paragraph as its elements give it.
type paragraphText struct {
	b       strings.Builder
	style   string
	outline int // outline level 0..8, or -1
	numID   string
	level   int // of the list, from 0
	boxes   []string
}

func (r *docxReader) paragraph() error {
	p, err := r.readParagraph()
	if err != nil {
		return err
	}
	style := r.styles[p.style]
	if p.outline < 0 {
		p.outline = style.outline
	}
	if p.numID == "" {
		p.numID, p.level = style.numID, style.level
	}
	s := strings.TrimSpace(p.b.String())
	if s != "" {
		label, bullet := r.numbering.next(p.numID, p.level)
		switch {
		case p.outline >= 0 && p.outline < 9:
			level := min(p.outline+1, 6)
			if label != "" && !bullet {
				s = label + " " + s
			}
			s = oneLine(s)
			if level == 1 && r.title == "" {
				r.title = s
			}
			r.out.write(Heading, level, s)
		case style.title:
			if r.title == "" {
				r.title = s
			}
			r.out.write(Heading, 1, s)
		case label != "":
			r.out.write(ListItem, p.level+1, itemText(p.level+1, label, s))
		default:
			r.out.write(Paragraph, 0, s)
		}
	}
	for _, box := range p.boxes {
		r.out.write(Paragraph, 0, box)
	}
	return nil
}

// readParagraph reads a w:p element.
func (r *docxReader) readParagraph() (*paragraphText, error) {
	p := &paragraphText{outline: -1}
	inText, depth := false, 0
	for {
		tok, err := r.xml.token()
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.CharData:
			if inText {
				p.b.Write(t)
			}
		case xml.EndElement:
			inText = false
			if depth--; depth < 0 {
				return p, nil
			}
		case xml.StartElement:
			depth++
			switch t.Name.Local {
			case "t":
				inText = true
			case "tab":
				p.b.WriteByte('\t')
			case "br", "cr":
				p.b.WriteByte('\n')
			case "noBreakHyphen":
				p.b.WriteByte('-')
			case "pStyle":
				p.style = xmlAttr(t, "val")
			case "outlineLvl":
				p.outline = atoiOr(xmlAttr(t, "val"), -1)
			case "numId":
				p.numID = xmlAttr(t, "val")
			case "ilvl":
				p.level = min(max(atoiOr(xmlAttr(t, "val"), 0), 0), maxListLevel)
			case "tabs", "pPrChange", "rPrChange", "del", "moveFrom", "Fallback":
				// w:tabs holds tab stops, which are named as tabs are; the
				// rest is what the document does not say (any more).
				err = r.xml.skip()
				depth--
			case "txbxContent":
				var box string
				if box, err = r.nested(); box != "" {
					p.boxes = append(p.boxes, box)
				}
				depth--
			}
			if err != nil {
				return nil, err
			}
		}
	}
}

// nested reads paragraphs and tables inside another block and returns their
// text.
func (r *docxReader) nested() (string, error) {
	outer := r.out
	r.out = &blockWriter{}
	defer func() { r.out = outer }()
	err := r.blocks()
	return strings.TrimSpace(r.out.b.String()), err
}

// table reads a w:tbl element and writes its rows as one block.
func (r *docxReader) table() error {
	var rows [][]string
	var cells []string
	for depth := 0; ; {
		tok, err := r.xml.token()
		if err != nil {
			return err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			depth++
			switch t.Name.Local {
			case "tc":
				var cell string
				cell, err = r.nested()
				cells = append(cells, oneLine(cell))
				depth--
			case "del", "moveFrom", "tblPrChange", "trPrChange":
				err = r.xml.skip()
				depth--
			}
			if err != nil {
				return err
			}
		case xml.EndElement:
			if t.Name.Local == "tr" {
				rows = append(rows, cells)
				cells = nil
			}
			if depth--; depth < 0 {
				r.out.table(0, rows)
				return nil
			}
		}
	}
}
