package extract

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/ledongthuc/pdf"
)

// matrix is a transformation [a b c d e f] of ISO 32000-1, 8.3.
type matrix [6]float64

var identity = matrix{1, 0, 0, 1, 0, 0}

// mul returns the transformation that applies m, then n.
func (m matrix) mul(n matrix) matrix {
	return matrix{
		m[0]*n[0] + m[1]*n[2], m[0]*n[1] + m[1]*n[3],
		m[2]*n[0] + m[3]*n[2], m[2]*n[1] + m[3]*n[3],
		m[4]*n[0] + m[5]*n[2] + n[4], m[4]*n[1] + m[5]*n[3] + n[5],
	}
}

func translation(x, y float64) matrix { return matrix{1, 0, 0, 1, x, y} }

// textState is the part of the graphics state that showing text depends on
// (ISO 32000-1, 9.3); q and Q save and restore it.
type textState struct {
	ctm, tm, tlm               matrix
	charSpace, wordSpace       float64
	scale, leading, size, rise float64
	font                       *pdfFont
	stroked                    bool // filled and stroked: a way to print bold
}

// pdfInterpreter interprets the content of one page and hands the glyphs to
// lines.
type pdfInterpreter struct {
	pdfLines
	src      *pdfSource
	fonts    *pdfFonts
	glyphs   int
	unmapped int     // glyphs whose font does not say what they mean
	pictures float64 // area of the images, in square points
	bytes    int     // content interpreted so far
	ops      int
	depth    int // of forms
}

// page interprets the contents of p.
func (in *pdfInterpreter) page(p pdfPage) pdfPageText {
	err := in.run(p.contents, p.resources, p.base)
	return pdfPageText{
		lines: in.finish(), width: p.width, height: p.height, err: err,
		glyphs: in.glyphs, unmapped: in.unmapped, pictures: finite(in.pictures / (p.width * p.height)),
	}
}

// run interprets one content stream, of a page or a form.
func (in *pdfInterpreter) run(contents, resources pdf.Value, ctm matrix) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = libraryError(x)
		}
	}()
	data, readErr := in.src.streamBytes(contents)
	if in.bytes += len(data); in.bytes > maxPageBytes {
		return errPDFLimit
	}
	s := &pdfStream{
		in: in, resources: resources, fonts: resources.Key("Font"), names: map[string]*pdfFont{},
		state: textState{ctm: ctm, tm: identity, tlm: identity, scale: 1},
	}
	lex := pdfLexer{data: data}
	var operands []pdfOperand
	for {
		op, args, ok := lex.next(operands)
		if !ok {
			return readErr
		}
		operands = args
		if in.ops++; in.ops%checkEachToken == 0 {
			if err := in.src.ctx.Err(); err != nil {
				return err
			}
		}
		if err := s.operator(op, args); err != nil {
			return err
		}
		if in.full() {
			return errPDFLimit
		}
	}
}

// libraryError makes an error of what the library panicked with, which may
// quote much of the file.
func libraryError(x any) error {
	const maxRunes = 120
	s := strings.Join(strings.Fields(strings.ToValidUTF8(fmt.Sprint(x), "")), " ")
	if r := []rune(s); len(r) > maxRunes {
		s = string(r[:maxRunes]) + "…"
	}
	return errors.New(s)
}

// pdfStream is a content stream that is being interpreted.
type pdfStream struct {
	in        *pdfInterpreter
	resources pdf.Value
	fonts     pdf.Value           // its font dictionary
	names     map[string]*pdfFont // fonts looked up so far
	state     textState
	saved     []textState
}

// maxSavedStates bounds the nesting of q; ISO 32000-1, annex C, allows 28.
const maxSavedStates = 1000

func (s *pdfStream) operator(op string, args []pdfOperand) error {
	n := func(i int) float64 {
		if i < len(args) {
			return args[i].number
		}
		return 0
	}
	g := &s.state
	switch op {
	case "q":
		if len(s.saved) < maxSavedStates {
			s.saved = append(s.saved, *g)
		}
	case "Q":
		if k := len(s.saved); k > 0 {
			*g, s.saved = s.saved[k-1], s.saved[:k-1]
		}
	case "cm":
		if len(args) == 6 {
			g.ctm = matrix{n(0), n(1), n(2), n(3), n(4), n(5)}.mul(g.ctm)
		}
	case "BT":
		g.tm, g.tlm = identity, identity
	case "Tf":
		if len(args) >= 2 {
			var err error
			g.font, err = s.font(string(args[0].bytes))
			g.size = n(1)
			return err
		}
	case "Tc":
		g.charSpace = n(0)
	case "Tw":
		g.wordSpace = n(0)
	case "Tz":
		g.scale = n(0) / 100
	case "TL":
		g.leading = n(0)
	case "Ts":
		g.rise = n(0)
	case "Tr":
		g.stroked = n(0) == 2
	case "Td":
		g.nextLine(n(0), n(1))
	case "TD":
		g.leading = -n(1)
		g.nextLine(n(0), n(1))
	case "T*":
		g.nextLine(0, -g.leading)
	case "Tm":
		if len(args) == 6 {
			g.tm = matrix{n(0), n(1), n(2), n(3), n(4), n(5)}
			g.tlm = g.tm
		}
	case "Tj":
		s.showLast(args)
	case "'":
		g.nextLine(0, -g.leading)
		s.showLast(args)
	case "\"":
		if len(args) == 3 {
			g.wordSpace, g.charSpace = n(0), n(1)
		}
		g.nextLine(0, -g.leading)
		s.showLast(args)
	case "TJ":
		if len(args) == 0 {
			return nil
		}
		for _, x := range args[len(args)-1].array {
			if x.kind == pdfString {
				s.show(x.bytes)
			} else {
				g.tm = translation(-x.number/1000*g.size*g.scale, 0).mul(g.tm)
			}
		}
	case "Do":
		if len(args) > 0 {
			return s.object(string(args[len(args)-1].bytes))
		}
	case "ID":
		s.picture()
	}
	return nil
}

// picture counts an image, which fills the unit square.
func (s *pdfStream) picture() {
	m := s.state.ctm
	s.in.pictures += math.Abs(m[0]*m[3] - m[1]*m[2])
}

func (g *textState) nextLine(x, y float64) {
	g.tlm = translation(x, y).mul(g.tlm)
	g.tm = g.tlm
}

func (s *pdfStream) showLast(args []pdfOperand) {
	if k := len(args); k > 0 {
		s.show(args[k-1].bytes)
	}
}

// show shows a string in the current font and moves on behind it.
func (s *pdfStream) show(raw []byte) {
	g := &s.state
	if g.font == nil {
		s.in.glyphs += len(raw)
		s.in.unmapped += len(raw)
		return
	}
	step := 1
	if g.font.wide {
		step = 2
	}
	spacing := 0.0
	if g.size != 0 {
		spacing = g.charSpace / g.size
	}
	for i := 0; i+step <= len(raw) && !s.in.full(); i += step {
		code := codeOf(raw[i : i+step])
		text, ok := g.font.decode(code)
		if !ok {
			s.in.unmapped++
		}
		width := g.font.width(code) / 1000
		m := matrix{g.size * g.scale, 0, 0, g.size, 0, g.rise}.mul(g.tm).mul(g.ctm)
		s.in.glyphs++
		s.in.glyph(text, m, width, spacing, pdfWeight{bold: g.font.bold || g.stroked, italic: g.font.italic})
		advance := width*g.size + g.charSpace
		if step == 1 && code == ' ' {
			advance += g.wordSpace
		}
		g.tm = translation(advance*g.scale, 0).mul(g.tm)
	}
}

// object draws an XObject: it interprets a form and counts an image.
func (s *pdfStream) object(name string) error {
	x := s.resources.Key("XObject").Key(name)
	switch kind := x.Key("Subtype").Name(); {
	case kind == "Image":
		s.picture()
		return nil
	case kind != "Form" || s.in.depth >= maxFormDepth:
		return nil
	}
	m := identity
	if v := x.Key("Matrix"); v.Len() == len(m) {
		for i := range m {
			m[i] = finite(v.Index(i).Float64())
		}
	}
	resources := x.Key("Resources")
	if resources.IsNull() {
		resources = s.resources
	}
	s.in.bytes += 16 << 10 // so that many short forms have an end as well
	s.in.depth++
	err := s.in.run(x, resources, m.mul(s.state.ctm))
	s.in.depth--
	return err
}

// font returns the font of a name, nil where it cannot be read.
func (s *pdfStream) font(name string) (*pdfFont, error) {
	if f, ok := s.names[name]; ok {
		return f, nil
	}
	f, cost, err := s.in.fonts.find(s.fonts, name)
	if s.in.bytes += cost; err == nil && s.in.bytes > maxPageBytes {
		err = errPDFLimit
	}
	s.names[name] = f
	return f, err
}

// direction returns the unit vector in which m advances and the sizes of its
// unit square along and across it.
func (m matrix) direction() (ux, uy, along, across float64) {
	along, across = math.Hypot(m[0], m[1]), math.Hypot(m[2], m[3])
	if along == 0 {
		return 1, 0, 0, across
	}
	return m[0] / along, m[1] / along, along, across
}
