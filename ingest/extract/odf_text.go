package extract

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// odfText collects the text of a paragraph with its white space collapsed, as
// the format says.
type odfText struct {
	b     strings.Builder
	space bool // ends with a space that stands for a run of white space
}

func (p *odfText) chars(s string) {
	for s != "" {
		end := strings.IndexAny(s, " \t\r\n")
		if end < 0 {
			end = len(s)
		}
		if end > 0 {
			p.b.WriteString(s[:end])
			p.space = false
		}
		rest := strings.TrimLeft(s[end:], " \t\r\n")
		if len(rest) < len(s)-end && !p.space {
			p.b.WriteByte(' ')
			p.space = true
		}
		s = rest
	}
}

// literal writes white space that stands for itself.
func (p *odfText) literal(s string) {
	p.b.WriteString(s)
	p.space = false
}

// maxSpaces is the longest run of spaces that is written.
const maxSpaces = 80

// text reads to the end of the element that is open, a paragraph or heading,
// and returns its text and that of the boxes anchored in it. Notes are kept for
// later.
func (r *odfReader) text() (s string, boxes []string, err error) {
	var p odfText
	for depth := r.xml.depth; r.xml.depth >= depth; {
		tok, err := r.xml.token()
		if err != nil {
			return "", nil, err
		}
		switch t := tok.(type) {
		case xml.CharData:
			p.chars(string(t))
		case xml.StartElement:
			switch t.Name.Local {
			case "s":
				p.literal(strings.Repeat(" ", min(max(atoiOr(xmlAttr(t, "c"), 1), 1), maxSpaces)))
			case "tab":
				p.literal("\t")
			case "line-break":
				p.literal("\n")
			case "soft-page-break":
				r.pageBreak()
			case "note":
				err = r.note()
			case "text-box", "custom-shape", "table", "list":
				read := r.blocks
				if name := t.Name.Local; name == "table" || name == "list" {
					read = func() error { return r.block(t) }
				}
				var box string
				if box, err = r.apart(read); box != "" {
					boxes = append(boxes, box)
				}
			default:
				if odfSkipped(t) {
					err = r.xml.skip()
				}
			}
			if err != nil {
				return "", nil, err
			}
		}
	}
	return strings.TrimSpace(p.b.String()), boxes, nil
}

// note reads a text:note element and keeps its body.
func (r *odfReader) note() error {
	for depth := r.xml.depth; r.xml.depth >= depth; {
		tok, err := r.xml.token()
		if err != nil {
			return err
		}
		t, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		if t.Name.Local != "note-body" {
			if err := r.xml.skip(); err != nil {
				return err
			}
			continue
		}
		s, err := r.nested()
		if err != nil {
			return err
		}
		if s != "" {
			r.notes = append(r.notes, s)
		}
	}
	return nil
}

// odfStyles is what the styles of a file say about structure.
type odfStyles struct {
	parents map[string]string // of paragraph styles
	lists   map[string]*odfList
	list    *odfList // whose levels are being read
}

// odfList is the style of a list: the format of each of its levels, from 1.
type odfList struct {
	levels map[int]odfListLevel
}

type odfListLevel struct {
	format         string // style:num-format: "1", "a", "A", "i", "I"; "" for a bullet
	prefix, suffix string
	start          int
}

// element reads the start of an element, if it is one of a style.
func (s *odfStyles) element(t xml.StartElement) {
	switch t.Name.Local {
	case "style":
		if xmlAttr(t, "family") == "paragraph" {
			s.parents[xmlAttr(t, "name")] = xmlAttr(t, "parent-style-name")
		}
	case "list-style", "outline-style":
		s.list = &odfList{levels: map[int]odfListLevel{}}
		s.lists[xmlAttr(t, "name")] = s.list
	case "list-level-style-number", "list-level-style-bullet", "list-level-style-image":
		if s.list != nil {
			s.list.levels[atoiOr(xmlAttr(t, "level"), 1)] = odfListLevel{
				format: xmlAttr(t, "num-format"),
				prefix: strings.ToValidUTF8(cutBytes(xmlAttr(t, "num-prefix"), maxLabelBytes), ""),
				suffix: strings.ToValidUTF8(cutBytes(xmlAttr(t, "num-suffix"), maxLabelBytes), ""),
				start:  atoiOr(xmlAttr(t, "start-value"), 1),
			}
		}
	}
}

func cutBytes(s string, n int) string { return s[:min(len(s), n)] }

// heading returns the level of the heading that a paragraph style makes, 0 for
// none: Title and "Heading 1" or what is based on them. Some programs write
// headings as paragraphs. The names are the same in every language.
func (s *odfStyles) heading(style string) int {
	const maxInheritance = 16 // a chain may be a cycle
	for range maxInheritance {
		if style == "Title" {
			return 1
		}
		if n, ok := strings.CutPrefix(style, "Heading_20_"); ok {
			return min(max(atoiOr(n, 0), 0), 6)
		}
		style = s.parents[style]
	}
	return 0
}

// label returns the label of item n of a list at a level. A list without a
// style has bullets.
func (l *odfList) label(level, n int) string {
	if l == nil {
		return "-"
	}
	f := l.levels[level]
	if f.format == "" {
		return "-"
	}
	number := strconv.Itoa(n + f.start - 1)
	switch f.format {
	case "a":
		number = formatNumber(n+f.start-1, "lowerLetter")
	case "A":
		number = formatNumber(n+f.start-1, "upperLetter")
	case "i":
		number = formatNumber(n+f.start-1, "lowerRoman")
	case "I":
		number = formatNumber(n+f.start-1, "upperRoman")
	}
	return strings.TrimSpace(f.prefix + number + f.suffix)
}
