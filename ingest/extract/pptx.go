package extract

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const pptxType = "application/vnd.openxmlformats-officedocument.presentationml.presentation"

// maxSlides is the largest number of slides of a presentation.
const maxSlides = 10_000

// extractPPTX renders the slides of a presentation in their order, hidden ones
// included: a page each. The title of a slide comes first, as a heading of
// level 1; then its shapes in the order of the file, tables as rows of cells
// separated by " | ", the text of diagrams, and the speaker's notes. Charts,
// comments, footers and what the layout repeats on every slide are left out.
//
// The title is that of the document properties, or else the first slide's.
func extractPPTX(ctx context.Context, in Input) (Document, error) {
	pkg, err := openPackage(in.Data)
	if err != nil {
		return Document{}, err
	}
	main, err := pkg.mainPart(ctx, "ppt/presentation.xml", "presentation")
	if err != nil {
		return Document{}, err
	}
	slides, err := slideParts(ctx, pkg, main)
	if err != nil {
		return Document{}, err
	}
	w := &blockWriter{}
	title := ""
	for i, part := range slides {
		w.page = i + 1
		heading, err := writeSlide(ctx, pkg, part, w)
		if err != nil {
			return Document{}, err
		}
		if i == 0 {
			title = heading
		}
	}
	properties, err := officeProperties(ctx, pkg)
	if err != nil {
		return Document{}, err
	}
	doc := w.document()
	if doc.Title, doc.Pages = properties.title, len(slides); doc.Title == "" {
		doc.Title = title
	}
	properties.meta.apply(&doc)
	return doc, nil
}

// slideParts returns the parts of the slides in the order of the presentation.
// A slide that is listed twice counts once.
func slideParts(ctx context.Context, pkg *zipPackage, main string) ([]string, error) {
	rels, err := pkg.relationships(ctx, main)
	if err != nil {
		return nil, err
	}
	targets := map[string]string{}
	for _, r := range rels {
		if r.kind == "slide" {
			targets[r.id] = r.target
		}
	}
	var slides []string
	err = pkg.eachElement(ctx, main, func(t xml.StartElement) {
		if t.Name.Local != "sldId" {
			return
		}
		for _, a := range t.Attr {
			if a.Name.Local != "id" || a.Name.Space == "" { // the attribute without a namespace is a number
				continue
			}
			if part := targets[a.Value]; part != "" && len(slides) <= maxSlides {
				slides = append(slides, part)
			}
			delete(targets, a.Value)
		}
	})
	if err == nil && len(slides) > maxSlides {
		err = fmt.Errorf("%w: a presentation of more than %d slides", ErrTooLarge, maxSlides)
	}
	return slides, err
}

// writeSlide writes one slide and its notes and returns its title.
func writeSlide(ctx context.Context, pkg *zipPackage, part string, w *blockWriter) (title string, err error) {
	rels, err := pkg.relationships(ctx, part)
	if err != nil {
		return "", err
	}
	targets := map[string]string{}
	notes := ""
	for _, r := range rels {
		targets[r.id] = r.target
		if r.kind == "notesSlide" {
			notes = r.target
		}
	}
	slide, err := readSlide(ctx, pkg, part, targets)
	if err != nil {
		return "", err
	}
	if title = oneLine(strings.Join(slide.title, " ")); title != "" {
		w.write(Heading, 1, title)
	}
	w.add(&slide.body)
	if notes == "" {
		return title, nil
	}
	said, err := readSlide(ctx, pkg, notes, nil)
	if err != nil {
		return "", err
	}
	w.add(&said.body)
	return title, nil
}

// slideReader reads DrawingML. Its methods are called with the start of an
// element read and return with its end read.
type slideReader struct {
	ctx         context.Context
	xml         *xmlReader
	pkg         *zipPackage
	targets     map[string]string     // of the relationships of a slide, by id; nil for its notes
	placeholder string                // the type of the placeholder that the shape fills, "" for no placeholder
	numbers     [maxListLevel + 1]int // of the last numbered paragraphs of the shape, by level
	title       []string              // the paragraphs of the slide's title
	body        blockWriter
}

// readSlide reads a slide or the page of its notes, which may be missing.
func readSlide(ctx context.Context, pkg *zipPackage, part string, targets map[string]string) (*slideReader, error) {
	r := &slideReader{ctx: ctx, pkg: pkg, targets: targets}
	x, err := pkg.xml(ctx, part)
	if err != nil || x == nil {
		return r, err
	}
	r.xml = x
	if err := r.shapes(); err != nil {
		return nil, fmt.Errorf("read %s: %w", part, err)
	}
	return r, nil
}

// shapes reads the shapes of a slide.
func (r *slideReader) shapes() error {
	for {
		tok, err := r.xml.token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		t, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch t.Name.Local {
		case "sp", "graphicFrame", "cxnSp", "pic":
			r.placeholder, r.numbers = "", [maxListLevel + 1]int{}
		case "ph":
			if r.placeholder = xmlAttr(t, "type"); r.placeholder == "" {
				r.placeholder = "obj"
			}
		case "p":
			err = r.paragraph()
		case "tbl":
			err = r.table()
		case "relIds":
			err = r.diagram(xmlAttr(t, "dm"))
		case "Fallback":
			err = r.xml.skip() // repeats what the alternative beside it says
		}
		if err != nil {
			return err
		}
	}
}

// slideParagraph is a paragraph of a shape.
type slideParagraph struct {
	text     string
	level    int // from 0
	bullet   bool
	numbered bool
	start    int  // of a numbered list
	plain    bool // said to have neither
}

// paragraph reads a paragraph and keeps it as a block: of the title, or a list
// item where it has a bullet or fills the body of a slide, which has bullets
// unless it says otherwise.
func (r *slideReader) paragraph() error {
	p, err := r.readParagraph()
	if err != nil || p.text == "" {
		return err
	}
	switch r.placeholder {
	case "ftr", "dt", "sldNum", "hdr", "sldImg":
		return nil
	case "title", "ctrTitle":
		r.title = append(r.title, p.text)
		return nil
	case "obj", "body":
		p.bullet = p.bullet || !p.numbered && !p.plain && r.targets != nil
	}
	if !p.numbered {
		clear(r.numbers[p.level:])
	}
	level := p.level + 1
	switch {
	case p.numbered:
		if r.numbers[p.level]++; r.numbers[p.level] == 1 {
			r.numbers[p.level] = p.start
		}
		clear(r.numbers[level:])
		r.body.write(ListItem, level, itemText(level, strconv.Itoa(r.numbers[p.level])+".", p.text))
	case p.bullet:
		r.body.write(ListItem, level, itemText(level, "-", p.text))
	default:
		r.body.write(Paragraph, 0, p.text)
	}
	return nil
}

// readParagraph reads an a:p element.
func (r *slideReader) readParagraph() (slideParagraph, error) {
	var p slideParagraph
	var b strings.Builder
	for depth := r.xml.depth; r.xml.depth >= depth; {
		tok, err := r.xml.token()
		if err != nil {
			return p, err
		}
		t, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch t.Name.Local {
		case "t":
			var s string
			s, err = r.xml.text()
			b.WriteString(s)
		case "br":
			b.WriteByte('\n')
		case "pPr":
			p.level = min(max(atoiOr(xmlAttr(t, "lvl"), 0), 0), maxListLevel)
		case "buChar", "buBlip":
			p.bullet = true
		case "buAutoNum":
			p.numbered, p.start = true, max(atoiOr(xmlAttr(t, "startAt"), 1), 1)
		case "buNone":
			p.plain = true
		}
		if err != nil {
			return p, err
		}
	}
	p.text = strings.TrimSpace(b.String())
	return p, nil
}

// table reads an a:tbl element. A cell over several columns is followed by
// empty cells, as the file has them.
func (r *slideReader) table() error {
	var rows [][]string
	var cell []string
	for depth := r.xml.depth; r.xml.depth >= depth; {
		tok, err := r.xml.token()
		if err != nil {
			return err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "tr":
				rows = append(rows, nil)
			case "tc":
				cell = nil
			case "p":
				p, err := r.readParagraph()
				if err != nil {
					return err
				}
				cell = append(cell, p.text)
			}
		case xml.EndElement:
			if k := len(rows) - 1; t.Name.Local == "tc" && k >= 0 {
				rows[k] = append(rows[k], oneLine(strings.Join(cell, " ")))
			}
		}
	}
	r.body.table(0, rows)
	return nil
}

// diagram reads the text of the diagram whose data is at a relationship.
func (r *slideReader) diagram(id string) error {
	part := r.targets[id]
	delete(r.targets, id) // once
	data, err := readSlide(r.ctx, r.pkg, part, nil)
	if err != nil {
		return err
	}
	r.body.add(&data.body)
	return nil
}
