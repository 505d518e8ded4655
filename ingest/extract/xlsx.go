package extract

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

const xlsxType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

// Limits of a workbook, those of the programs that write them.
const (
	maxSheets        = 1000
	maxSheetColumns  = 16_384
	maxCellStyles    = 1 << 16
	maxSharedStrings = 4 << 20
	maxCellBytes     = 1 << 20
)

// extractXLSX renders the sheets of a workbook in their order, hidden ones
// included: a page each, with the name as a heading of level 1 and a block of
// kind Row for each row that is not blank; see sheetWriter for the rows. The
// notes on cells follow.
//
// A cell is written with its number format: decimals, percent, thousands,
// currency signs, and dates in the form of ISO 8601. A formula is written as the
// value that was stored with it, or as the formula itself where none was.
// Charts, pictures and text boxes are left out.
//
// The title is that of the document properties.
func extractXLSX(ctx context.Context, in Input) (Document, error) {
	pkg, err := openPackage(in.Data)
	if err != nil {
		return Document{}, err
	}
	main, err := pkg.mainPart(ctx, "xl/workbook.xml", "workbook")
	if err != nil {
		return Document{}, err
	}
	book, err := readWorkbook(ctx, pkg, main)
	if err != nil {
		return Document{}, err
	}
	w := &blockWriter{}
	for i, s := range book.sheets {
		w.page = i + 1
		if err := book.sheet(ctx, pkg, s, w); err != nil {
			return Document{}, err
		}
	}
	properties, err := officeProperties(ctx, pkg)
	if err != nil {
		return Document{}, err
	}
	doc := w.document()
	doc.Title, doc.Pages = properties.title, len(book.sheets)
	properties.meta.apply(&doc)
	return doc, nil
}

// workbook is what the sheets of a workbook share.
type workbook struct {
	date1904 bool
	sheets   []sheetPart
	strings  []string
	styles   []numberFormat // by the style index of a cell
}

// sheetPart is a sheet and the part that holds it.
type sheetPart struct{ name, part string }

func readWorkbook(ctx context.Context, pkg *zipPackage, main string) (*workbook, error) {
	rels, err := pkg.relationships(ctx, main)
	if err != nil {
		return nil, err
	}
	targets, byKind := map[string]string{}, map[string]string{}
	for _, r := range rels {
		targets[r.id], byKind[r.kind] = r.target, r.target
	}
	b := &workbook{}
	err = pkg.eachElement(ctx, main, func(t xml.StartElement) {
		switch t.Name.Local {
		case "workbookPr":
			b.date1904 = xmlFlag(t, "date1904")
		case "sheet":
			if part := targets[xmlAttr(t, "id")]; part != "" && len(b.sheets) <= maxSheets {
				b.sheets = append(b.sheets, sheetPart{xmlAttr(t, "name"), part})
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if len(b.sheets) > maxSheets {
		return nil, fmt.Errorf("%w: a workbook of more than %d sheets", ErrTooLarge, maxSheets)
	}
	if err := b.readStyles(ctx, pkg, byKind["styles"]); err != nil {
		return nil, err
	}
	return b, b.readStrings(ctx, pkg, byKind["sharedStrings"])
}

// readStyles reads the number formats of the cell styles.
func (b *workbook) readStyles(ctx context.Context, pkg *zipPackage, part string) error {
	codes := map[string]string{}
	inCells := false
	return pkg.eachElement(ctx, part, func(t xml.StartElement) {
		switch t.Name.Local {
		case "numFmt":
			if len(codes) < maxCellStyles {
				codes[xmlAttr(t, "numFmtId")] = xmlAttr(t, "formatCode")
			}
		case "cellXfs":
			inCells = true
		case "cellStyleXfs", "cellStyles", "dxfs":
			inCells = false
		case "xf":
			if inCells && len(b.styles) < maxCellStyles {
				id := xmlAttr(t, "numFmtId")
				code, ok := codes[id]
				if !ok {
					code = builtinFormats[atoiOr(id, 0)]
				}
				b.styles = append(b.styles, parseNumberFormat(code))
			}
		}
	})
}

// readStrings reads the strings that cells refer to by number.
func (b *workbook) readStrings(ctx context.Context, pkg *zipPackage, part string) error {
	x, err := pkg.xml(ctx, part)
	if err != nil || x == nil {
		return err
	}
	size := 0
	for {
		tok, err := x.token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", part, err)
		}
		if t, ok := tok.(xml.StartElement); !ok || t.Name.Local != "si" {
			continue
		}
		s, err := richText(x)
		if err != nil {
			return fmt.Errorf("read %s: %w", part, err)
		}
		if size += len(s); size > MaxTextBytes || len(b.strings) == maxSharedStrings {
			return fmt.Errorf("%w: more than %d strings or %d bytes in %s", ErrTooLarge, maxSharedStrings, MaxTextBytes, part)
		}
		b.strings = append(b.strings, s)
	}
}

// richText reads to the end of the element that is open and returns the text
// of its t elements, without the hints for pronunciation.
func richText(x *xmlReader) (string, error) {
	var parts []string
	for depth := x.depth; x.depth >= depth; {
		tok, err := x.token()
		if err != nil {
			return "", err
		}
		t, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch t.Name.Local {
		case "rPh":
			err = x.skip()
		case "t":
			var s string
			s, err = x.text()
			parts = append(parts, s)
		}
		if err != nil {
			return "", err
		}
	}
	return strings.Join(parts, ""), nil
}

// sheet writes one sheet.
func (b *workbook) sheet(ctx context.Context, pkg *zipPackage, s sheetPart, w *blockWriter) error {
	x, err := pkg.xml(ctx, s.part)
	if err != nil || x == nil {
		return err
	}
	rows := &sheetWriter{out: w, name: oneLine(s.name)}
	if err := b.rows(x, rows); err != nil {
		return fmt.Errorf("read %s: %w", s.part, err)
	}
	rows.endTable()
	rels, err := pkg.relationships(ctx, s.part)
	if err != nil {
		return err
	}
	for _, r := range rels {
		if r.kind != "comments" || path.Ext(r.target) != ".xml" {
			continue
		}
		if err := writeNotes(ctx, pkg, r.target, rows); err != nil {
			return fmt.Errorf("read %s: %w", r.target, err)
		}
	}
	return nil
}

// rows reads the rows of a sheet.
func (b *workbook) rows(x *xmlReader, out *sheetWriter) error {
	number := 0
	for {
		tok, err := x.token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		t, ok := tok.(xml.StartElement)
		if !ok || t.Name.Local != "row" {
			continue
		}
		n := atoiOr(xmlAttr(t, "r"), number+1)
		if n != number+1 {
			out.endTable() // blank rows between
		}
		number = n
		cells, err := b.cells(x)
		if err != nil {
			return err
		}
		if err := out.row(cells); err != nil {
			return err
		}
	}
}

// cells reads the cells of a row that have text, in the order of the file.
func (b *workbook) cells(x *xmlReader) ([]cell, error) {
	var cells []cell
	column := -1
	for depth := x.depth; x.depth >= depth; {
		tok, err := x.token()
		if err != nil {
			return nil, err
		}
		t, ok := tok.(xml.StartElement)
		if !ok || t.Name.Local != "c" {
			continue
		}
		column++
		if ref := xmlAttr(t, "r"); ref != "" {
			column = columnOf(ref)
		}
		if column < 0 || column >= maxSheetColumns {
			return nil, fmt.Errorf("%w: cell %q, columns are A to XFD", ErrMalformed, xmlAttr(t, "r"))
		}
		c, err := b.cell(x, t)
		if err != nil {
			return nil, err
		}
		if c.column = column; c.text != "" {
			if k := len(cells); k > 0 && cells[k-1].column >= column {
				return nil, fmt.Errorf("%w: cell %q is not behind the one before", ErrMalformed, xmlAttr(t, "r"))
			}
			cells = append(cells, c)
		}
	}
	return cells, nil
}

// cell reads a c element.
func (b *workbook) cell(x *xmlReader, t xml.StartElement) (cell, error) {
	value, formula, inline := "", "", ""
	for depth := x.depth; x.depth >= depth; {
		tok, err := x.token()
		if err != nil {
			return cell{}, err
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch e.Name.Local {
		case "v":
			value, err = x.text()
		case "f":
			formula, err = x.text()
		case "is":
			inline, err = richText(x)
		}
		if err != nil {
			return cell{}, err
		}
	}
	c := cell{}
	switch kind := xmlAttr(t, "t"); {
	case kind == "s":
		i := atoiOr(strings.TrimSpace(value), -1)
		if i < 0 || i >= len(b.strings) {
			return cell{}, fmt.Errorf("%w: cell %s is string %q of %d", ErrMalformed, xmlAttr(t, "r"), value, len(b.strings))
		}
		c.text = b.strings[i]
	case kind == "inlineStr":
		c.text = inline
	case kind == "b":
		c.text, c.number = map[bool]string{true: "TRUE", false: "FALSE"}[strings.TrimSpace(value) == "1"], true
	case kind == "str", kind == "e":
		c.text = value
	case kind == "d":
		c.text, c.number = value, true
	case value != "":
		var format numberFormat
		if i := atoiOr(xmlAttr(t, "s"), 0); i >= 0 && i < len(b.styles) {
			format = b.styles[i]
		}
		c.text, c.number = format.format(strings.TrimSpace(value), b.date1904), true
	}
	if c.text == "" && formula != "" {
		c.text = "=" + formula
	}
	if c.text = oneLine(c.text); len(c.text) > maxCellBytes {
		return cell{}, fmt.Errorf("%w: cell %s has %d bytes of text, the limit is %d", ErrTooLarge, xmlAttr(t, "r"), len(c.text), maxCellBytes)
	}
	return c, nil
}

// columnOf returns the column, from 0, of a reference such as "AB12", or -1.
func columnOf(ref string) int {
	n := 0
	for i := 0; i < len(ref); i++ {
		c := ref[i]
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c < 'A' || c > 'Z' {
			break
		}
		if n = n*26 + int(c-'A') + 1; n > maxSheetColumns {
			return maxSheetColumns
		}
	}
	return n - 1
}

// writeNotes writes the notes on the cells of a sheet: "B5: text".
func writeNotes(ctx context.Context, pkg *zipPackage, part string, out *sheetWriter) error {
	x, err := pkg.xml(ctx, part)
	if err != nil || x == nil {
		return err
	}
	for {
		tok, err := x.token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		t, ok := tok.(xml.StartElement)
		if !ok || t.Name.Local != "comment" {
			continue
		}
		s, err := richText(x)
		if err != nil {
			return err
		}
		if s = strings.TrimSpace(s); s != "" {
			out.begin()
			out.out.write(Paragraph, 0, xmlAttr(t, "ref")+": "+s)
		}
	}
}
