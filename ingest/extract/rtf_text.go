package extract

import (
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	encodingunicode "golang.org/x/text/encoding/unicode"
)

// codePages are the encodings that documents name, by the number of the code
// page.
var codePages = map[int]encoding.Encoding{
	437: charmap.CodePage437, 850: charmap.CodePage850, 852: charmap.CodePage852, 855: charmap.CodePage855, 858: charmap.CodePage858,
	860: charmap.CodePage860, 862: charmap.CodePage862, 863: charmap.CodePage863, 865: charmap.CodePage865, 866: charmap.CodePage866,
	874: charmap.Windows874, 932: japanese.ShiftJIS, 936: simplifiedchinese.GBK, 949: korean.EUCKR, 950: traditionalchinese.Big5,
	1250: charmap.Windows1250, 1251: charmap.Windows1251, 1252: charmap.Windows1252, 1253: charmap.Windows1253, 1254: charmap.Windows1254,
	1255: charmap.Windows1255, 1256: charmap.Windows1256, 1257: charmap.Windows1257, 1258: charmap.Windows1258,
	10000: charmap.Macintosh, 10007: charmap.MacintoshCyrillic, 65001: encodingunicode.UTF8,
}

// codePage returns the encoding of a code page, nil for an unknown one.
func codePage(number int) encoding.Encoding { return codePages[number] }

// charsetPage returns the encoding of a font's character set, nil for that of
// the document. Source: the values of \fcharset in the RTF specification 1.9.1.
func charsetPage(charset int) encoding.Encoding {
	page := map[int]int{
		77: 10000, 128: 932, 129: 949, 134: 936, 136: 950, 161: 1253, 162: 1254, 163: 1258, 177: 1255, 178: 1256,
		186: 1257, 204: 1251, 222: 874, 238: 1250, 254: 437, 255: 850,
	}[charset]
	return codePage(page)
}

// fontEncoding returns the encoding of the font at hand.
func (r *rtfReader) fontEncoding() encoding.Encoding {
	if e := r.fonts[r.state.font]; e != nil && r.state.destination != rtfInfo {
		return e
	}
	return r.encoding
}

// bytes takes characters in the encoding of the font.
func (r *rtfReader) bytes(b []byte) {
	if len(b) == 0 || r.state.hidden || r.state.destination == rtfNowhere || r.state.destination == rtfFontTable {
		return
	}
	r.surrogate = 0
	r.raw = append(r.raw, b...)
	// A byte below '0' is never the second of two.
	if n := len(r.raw); n >= maxRawBytes && (r.raw[n-1] < '0' || n >= 8*maxRawBytes) {
		r.flush()
	}
}

// maxRawBytes is how much text is decoded at once.
const maxRawBytes = 1 << 20

// flush decodes the bytes that were taken.
func (r *rtfReader) flush() {
	if len(r.raw) == 0 {
		return
	}
	raw := r.raw
	r.raw = r.raw[:0]
	for _, c := range raw {
		if c >= 0x80 || c < ' ' {
			s, _ := decodeWith(r.fontEncoding(), raw)
			r.write(cleanRTF(s))
			return
		}
	}
	r.write(string(raw))
}

// endParagraph writes the paragraph at hand.
func (r *rtfReader) endParagraph() {
	r.units++
	story, p := r.body, r.state.paragraph
	s := strings.TrimSpace(story.p.String())
	story.p.Reset()
	label := oneLine(story.label.String())
	story.label.Reset()
	defer r.writeBoxes()
	if p.inTable {
		if s != "" {
			story.cell = append(story.cell, strings.TrimSpace(label+" "+s))
		}
		return
	}
	r.endTable()
	if s == "" {
		return
	}
	style := r.styles[p.style]
	if p.outline < 0 {
		p.outline = style.outline()
	}
	switch {
	case p.outline >= 0 && p.outline < 9:
		if strings.ContainsFunc(label, letterOrDigit) {
			s = label + " " + s
		}
		s = oneLine(s)
		if p.outline == 0 && r.title == "" {
			r.title = s
		}
		story.out.write(Heading, min(p.outline+1, 6), s)
	case strings.EqualFold(style.name, "title"):
		if s = oneLine(s); r.title == "" {
			r.title = s
		}
		story.out.write(Heading, 1, s)
	case p.list || label != "":
		if !strings.ContainsFunc(label, letterOrDigit) {
			label = "-" // a bullet, which may be of a font of symbols
		}
		story.out.write(ListItem, p.level+1, itemText(p.level+1, label, s))
	default:
		story.out.write(Paragraph, 0, s)
	}
}

func letterOrDigit(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }

func (r *rtfReader) writeBoxes() {
	for _, box := range r.body.boxes {
		if r.state.paragraph.inTable {
			r.body.cell = append(r.body.cell, box)
		} else {
			r.body.out.write(Paragraph, 0, box)
		}
	}
	r.body.boxes = nil
}

func (r *rtfReader) endCell() {
	r.state.paragraph.inTable = true
	r.endParagraph()
	r.body.row = append(r.body.row, oneLine(strings.Join(r.body.cell, " ")))
	r.body.cell = nil
}

func (r *rtfReader) endRow() {
	if len(r.body.cell) > 0 {
		r.endCell()
	}
	r.body.rows = append(r.body.rows, r.body.row)
	r.body.row = nil
}

func (r *rtfReader) endTable() {
	if len(r.body.cell) > 0 || len(r.body.row) > 0 {
		r.endRow()
	}
	r.body.out.table(0, r.body.rows)
	r.body.rows = nil
}

// rtfStyle is what a style says about structure.
type rtfStyle struct {
	name  string
	level int // outline level from 1, 0 for none
}

// outline returns the outline level from 0, or -1. The built-in styles have
// one, whether it is written or not.
func (s rtfStyle) outline() int {
	if s.level > 0 {
		return s.level - 1
	}
	if n, ok := strings.CutPrefix(strings.ToLower(s.name), "heading "); ok {
		if level, err := strconv.Atoi(n); err == nil && level >= 1 && level <= 9 {
			return level - 1
		}
	}
	return -1
}

// nameStyle appends to the name of the style that is being defined.
func (r *rtfReader) nameStyle(s string) {
	const maxName = 64
	style := r.styles[r.defining]
	if len(r.styles) < maxRTFStyles && len(style.name) < maxName {
		style.name += s
		r.styles[r.defining] = style
	}
}

func (r *rtfReader) outlineStyle(level int) {
	style := r.styles[r.defining]
	if len(r.styles) < maxRTFStyles && level >= 0 && level < 9 {
		style.level = level + 1
		r.styles[r.defining] = style
	}
}

// endStyle ends the definition of a style.
func (r *rtfReader) endStyle() {
	if style, ok := r.styles[r.defining]; ok {
		style.name = strings.TrimSpace(strings.TrimRight(style.name, "; "))
		r.styles[r.defining] = style
	}
	r.defining = 0
}
