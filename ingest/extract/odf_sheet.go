package extract

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// maxRepeatedCells bounds the cells that are written because a file says that a
// cell or a row is repeated.
const maxRepeatedCells = 1 << 20

// sheet reads a table:table element of a spreadsheet.
func (r *odfReader) sheet(t xml.StartElement) error {
	if r.out.page++; r.out.page > maxSheets {
		return fmt.Errorf("%w: a workbook of more than %d sheets", ErrTooLarge, maxSheets)
	}
	rows := &sheetWriter{out: r.out, name: oneLine(xmlAttr(t, "name"))}
	for depth := r.xml.depth; r.xml.depth >= depth; {
		tok, err := r.xml.token()
		if err != nil {
			return err
		}
		t, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch t.Name.Local {
		case "table-row":
			if err := r.row(t, rows); err != nil {
				return err
			}
		case "shapes", "forms":
			if err := r.xml.skip(); err != nil {
				return err
			}
		}
	}
	rows.endTable()
	return nil
}

// row reads a table:table-row element.
func (r *odfReader) row(t xml.StartElement, out *sheetWriter) error {
	count := max(atoiOr(xmlAttr(t, "number-rows-repeated"), 1), 1)
	var cells []cell
	column := 0
	for depth := r.xml.depth; r.xml.depth >= depth; {
		tok, err := r.xml.token()
		if err != nil {
			return err
		}
		t, ok := tok.(xml.StartElement)
		if !ok || t.Name.Local != "table-cell" && t.Name.Local != "covered-table-cell" {
			continue
		}
		repeated := min(max(atoiOr(xmlAttr(t, "number-columns-repeated"), 1), 1), maxSheetColumns)
		c, err := r.cell(t)
		if err != nil {
			return err
		}
		if c.text != "" {
			if column+repeated > maxSheetColumns {
				return fmt.Errorf("%w: a row of more than %d cells", ErrTooLarge, maxSheetColumns)
			}
			if err := r.repeat(repeated - 1); err != nil {
				return err
			}
			for i := range repeated {
				c.column = column + i
				cells = append(cells, c)
			}
		}
		column = min(column+repeated, maxSheetColumns)
	}
	if len(cells) == 0 {
		return out.row(nil)
	}
	if count > 1 {
		if err := r.repeat(min(count, maxRepeatedCells) * len(cells)); err != nil {
			return err
		}
	}
	for range count {
		if err := out.row(cells); err != nil {
			return err
		}
	}
	return nil
}

// repeat counts cells that are repetitions.
func (r *odfReader) repeat(cells int) error {
	if r.repeated += cells; r.repeated > maxRepeatedCells {
		return fmt.Errorf("%w: more than %d cells are repetitions", ErrArchiveBomb, maxRepeatedCells)
	}
	return nil
}

// cell reads a cell: the text that it shows, or a date in the form of ISO 8601.
func (r *odfReader) cell(t xml.StartElement) (cell, error) {
	kind := xmlAttr(t, "value-type")
	s, err := r.nested()
	if err != nil {
		return cell{}, err
	}
	switch date := strings.TrimSuffix(xmlAttr(t, "date-value"), "T00:00:00"); {
	case kind == "date" && date != "":
		s = strings.Replace(date, "T", " ", 1)
	case s == "":
		s = xmlAttr(t, "value")
	}
	if s = oneLine(s); len(s) > maxCellBytes {
		return cell{}, fmt.Errorf("%w: a cell of %d bytes of text, the limit is %d", ErrTooLarge, len(s), maxCellBytes)
	}
	return cell{text: s, number: kind != "" && kind != "string"}, nil
}
