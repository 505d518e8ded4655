package extract

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// pdfLine is a line of text as a page draws it. Positions are along (x) and
// across (y) the direction of writing, in points; y grows upwards.
type pdfLine struct {
	text   string
	x0, x1 float64
	y      float64
	size   float64 // of most of its glyphs
	bold   bool    // all of it
	italic bool    // all of it
	gaps   int     // gaps wide enough to separate the columns of a table
	ux, uy float64 // direction of writing

	cells []pdfCell // what the gaps separate; nil where there are none
	soft  bool      // its last character, a hyphen, is there for the line end alone
	joins []int     // offsets in text at which a hyphen is left out; see pdf_hyphens.go
}

// pdfCell is a part of a line.
type pdfCell struct {
	text   string
	x0, x1 float64
}

// isUpright reports whether a line is written from left to right, or from
// right to left, on the page as it is displayed.
func (l pdfLine) isUpright() bool { return l.ux > 0.9 }

// pdfWeight is the style of a glyph.
type pdfWeight struct{ bold, italic bool }

// Distances in em that tell words and lines apart; found on LaTeX, office and
// browser output (word F1 against pdftotext and against the sources).
const (
	wordGap   = 0.13 // a wider gap separates words
	columnGap = 1.5  // a wider gap separates columns of a table
	lineShift = 0.45 // a glyph further off the line begins another
	backShift = 1.0  // so does one further back
)

// pdfLines assembles glyphs, in the order in which they are drawn, into lines.
type pdfLines struct {
	lines []pdfLine
	b     []byte
	line  pdfLine // being assembled, where open is set
	open  bool
	cuts  []pdfCut
	end   float64 // x behind the last glyph and its character spacing
	ink   float64 // x behind the last glyph that is not a space
	space bool    // a space is due
	votes int     // for line.size, by majority vote

	faint, roman bool // a glyph that is not bold, or not italic, was drawn

	// Of a line that is drawn from right to left, the last letter first.
	leftmost  float64 // x of the leftmost glyph
	backwards bool    // a glyph was drawn to the left of the line before it

	written int // bytes of text so far

	accent       rune // the combining form of an accent drawn by itself as the last glyph, or 0
	accentMiddle float64
}

// pdfCut is a gap between columns: behind x0 and in front of x1, and of the
// text in front of an offset.
type pdfCut struct {
	at     int
	x0, x1 float64
}

// glyph adds one glyph: its text, the transformation of its unit square, its
// width and the character spacing behind it in em.
func (l *pdfLines) glyph(s string, m matrix, width, charSpace float64, weight pdfWeight) {
	ux, uy, along, across := m.direction()
	x, y := m[4]*ux+m[5]*uy, m[5]*ux-m[4]*uy
	size := across
	if size == 0 || !isFinite(x) || !isFinite(y) || !isFinite(size) || !isFinite(along) {
		return // it cannot be seen
	}
	end := x + width*along
	back := false
	if l.open {
		away := math.Abs(y-l.line.y) > lineShift*max(size, l.line.size) || math.Abs(ux-l.line.ux) > 0.1 || math.Abs(uy-l.line.uy) > 0.1
		back = !away && l.goesBack(s, x, end, size)
		if away || !back && x < l.end-backShift*size {
			l.flush()
			back = false
		}
	}
	if s == "" || strings.TrimSpace(s) == "" {
		if l.open && s != "" {
			l.space, l.end = true, end
		}
		return
	}
	switch {
	case !l.open:
		l.open = true
		l.line = pdfLine{x0: x, y: y, size: size, ux: ux, uy: uy}
		l.space, l.votes, l.faint, l.roman, l.accent = false, 0, false, false, 0
		l.leftmost, l.backwards, l.cuts, l.ink = x, false, l.cuts[:0], end
	case back:
		l.backwards = true
		if l.space || l.leftmost-end > wordGap*size {
			l.b = append(l.b, ' ')
		}
		l.space = false
	default:
		if l.space || x-l.end > wordGap*size {
			if x-l.ink > columnGap*size {
				l.line.gaps++
				l.cuts = append(l.cuts, pdfCut{at: len(l.b), x0: l.ink, x1: x})
			}
			l.b = append(l.b, ' ')
		}
		l.space = false
	}
	if size*noteSize > l.line.size && isNoteMark(string(l.b)) {
		l.b = append(l.b, ' ') // the raised number of a footnote, and its text
	}
	l.write(s, x)
	l.accent, l.accentMiddle = combining[s], x+width*along/2
	l.faint, l.roman = l.faint || !weight.bold, l.roman || !weight.italic
	switch {
	case math.Abs(size-l.line.size) < 0.05*size:
		l.votes++
	case l.votes > 0:
		l.votes--
	default:
		l.line.size, l.line.y, l.votes = size, y, 1
	}
	l.leftmost = min(l.leftmost, x)
	l.line.x0 = l.leftmost
	if l.backwards {
		l.ink = max(l.ink, end)
	} else {
		l.ink = end
	}
	// Letters spaced out on purpose are not words.
	l.end = end
	if charSpace > 0 && width > 0 {
		l.end += charSpace * along
	}
}

// noteSize is the size, relative to that of the text behind it, below which the
// number at the start of a footnote is a raised one.
const noteSize = 0.85

// isNoteMark reports whether s is what marks a footnote.
func isNoteMark(s string) bool {
	return s != "" && len(s) <= 3 && strings.Trim(s, "0123456789*†‡§¶") == ""
}

// combining gives the combining form of accents that are characters of their
// own.
var combining = map[string]rune{
	"`": 0x300, "´": 0x301, "ˆ": 0x302, "˜": 0x303, "¯": 0x304, "˘": 0x306, "˙": 0x307, "¨": 0x308,
	"˚": 0x30a, "˝": 0x30b, "ˇ": 0x30c, "¸": 0x327, "˛": 0x328,
}

// write appends the text of a glyph at x. Where it is drawn under an accent,
// as TeX composes accented letters, the two become one letter.
func (l *pdfLines) write(s string, x float64) {
	l.written += len(s)
	if first, _ := utf8.DecodeRuneInString(s); l.accent == 0 || l.space || x > l.accentMiddle || !unicode.IsLetter(first) {
		l.b = append(l.b, s...)
		return
	}
	switch s {
	case "ı":
		s = "i"
	case "ȷ":
		s = "j"
	}
	_, n := utf8.DecodeLastRune(l.b) // the accent
	l.b = append(l.b[:len(l.b)-n], norm.NFC.String(s+string(l.accent))...)
}

// full reports whether the page has more text than a file may have.
func (l *pdfLines) full() bool { return l.written > MaxTextBytes || len(l.lines) > maxPageLines }

// flush ends the line.
func (l *pdfLines) flush() {
	if !l.open {
		return
	}
	l.open = false
	l.line.text = l.lineText(string(l.b))
	l.line.x1, l.line.bold, l.line.italic = l.ink, !l.faint, !l.roman
	if strings.Contains(l.line.text, softHyphen) {
		// One that is drawn is a hyphen, which some fonts give this code.
		l.line.soft = strings.HasSuffix(l.line.text, softHyphen)
		l.line.text = strings.ReplaceAll(l.line.text, softHyphen, "-")
	}
	if len(l.cuts) > 0 {
		l.line.cells = l.cells()
	}
	l.b = l.b[:0]
	if l.line.text == "" || l.repeats() {
		return
	}
	l.lines = append(l.lines, l.line)
}

const softHyphen = "\u00ad"

// lineText returns the text of glyphs in the order in which they are read.
func (l *pdfLines) lineText(drawn string) string {
	s := strings.Join(strings.Fields(cleanText(drawn)), " ")
	if !l.backwards {
		s = logicalOrder(s)
	}
	return s
}

// cells returns the parts of the line.
func (l *pdfLines) cells() []pdfCell {
	var out []pdfCell
	at, x0 := 0, l.line.x0
	for _, c := range append(l.cuts, pdfCut{at: len(l.b), x0: l.ink}) {
		text := strings.ReplaceAll(l.lineText(string(l.b[at:c.at])), softHyphen, "-")
		if text != "" {
			out = append(out, pdfCell{text: text, x0: x0, x1: c.x0})
		}
		at, x0 = c.at, c.x1
	}
	return out
}

// finish returns the lines of the page.
func (l *pdfLines) finish() []pdfLine {
	l.flush()
	return l.lines
}

// repeats reports whether the line only draws the one before again, a little
// to the side: a way to print bold.
func (l *pdfLines) repeats() bool {
	k := len(l.lines)
	if k == 0 {
		return false
	}
	p := l.lines[k-1]
	return p.text == l.line.text && math.Abs(p.x0-l.line.x0) < 0.1*p.size && math.Abs(p.y-l.line.y) < 0.1*p.size
}

func isFinite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
