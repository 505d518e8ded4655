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
	gaps   int     // gaps wide enough to separate the columns of a table
	ux, uy float64 // direction of writing
}

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
	end   float64 // x behind the last glyph and its character spacing
	ink   float64 // x behind the last glyph that is not a space
	space bool    // a space is due
	votes int     // for line.size, by majority vote
	faint bool    // a glyph that is not bold was drawn

	written int // bytes of text so far

	accent       rune // the combining form of an accent drawn by itself as the last glyph, or 0
	accentMiddle float64
}

// glyph adds one glyph: its text, the transformation of its unit square, its
// width and the character spacing behind it in em.
func (l *pdfLines) glyph(s string, m matrix, width, charSpace float64, bold bool) {
	ux, uy, along, across := m.direction()
	x, y := m[4]*ux+m[5]*uy, m[5]*ux-m[4]*uy
	size := across
	if size == 0 || !isFinite(x) || !isFinite(y) || !isFinite(size) || !isFinite(along) {
		return // it cannot be seen
	}
	end := x + width*along
	if l.open {
		if math.Abs(y-l.line.y) > lineShift*max(size, l.line.size) || x < l.end-backShift*size ||
			math.Abs(ux-l.line.ux) > 0.1 || math.Abs(uy-l.line.uy) > 0.1 {
			l.flush()
		}
	}
	if s == "" || strings.TrimSpace(s) == "" {
		if l.open && s != "" {
			l.space, l.end = true, end
		}
		return
	}
	if !l.open {
		l.open = true
		l.line = pdfLine{x0: x, y: y, size: size, ux: ux, uy: uy}
		l.space, l.votes, l.faint, l.accent = false, 0, false, 0
	} else {
		if l.space || x-l.end > wordGap*size {
			l.b = append(l.b, ' ')
			if x-l.ink > columnGap*size {
				l.line.gaps++
			}
		}
		l.space = false
	}
	l.write(s, x)
	l.accent, l.accentMiddle = combining[s], x+width*along/2
	l.faint = l.faint || !bold
	switch {
	case math.Abs(size-l.line.size) < 0.05*size:
		l.votes++
	case l.votes > 0:
		l.votes--
	default:
		l.line.size, l.line.y, l.votes = size, y, 1
	}
	l.ink = end
	// Letters spaced out on purpose are not words.
	l.end = end
	if charSpace > 0 && width > 0 {
		l.end += charSpace * along
	}
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
	l.line.text = strings.Join(strings.Fields(cleanText(string(l.b))), " ")
	l.b = l.b[:0]
	l.line.x1, l.line.bold = l.ink, !l.faint
	if l.line.text == "" || l.repeats() {
		return
	}
	l.lines = append(l.lines, l.line)
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
