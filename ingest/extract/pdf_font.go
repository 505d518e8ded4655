package extract

import (
	"math"
	"strings"

	"github.com/ledongthuc/pdf"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// pdfFont says what the codes of a font mean and how wide their glyphs are.
type pdfFont struct {
	wide    bool           // codes have two bytes instead of one
	utf16   bool           // codes are UTF-16 themselves
	unicode map[int]string // by code; as ToUnicode says
	simple  [256]string    // by code, of a font with codes of one byte
	widths  map[int]float64
	dflt    float64 // width of the other glyphs; widths are in 1/1000 em
	bold    bool
	italic  bool
}

// maxFontEntries bounds the entries read from one table of a font; a font has
// no more codes.
const maxFontEntries = 1 << 17

// loadPDFFont reads a font dictionary. It panics where the library does.
func loadPDFFont(src *pdfSource, v pdf.Value) *pdfFont {
	f := &pdfFont{widths: map[int]float64{}}
	if v.Key("ToUnicode").Kind() == pdf.Stream {
		// What a damaged stream says up to the damage is good.
		data, _ := src.streamBytes(v.Key("ToUnicode"))
		f.unicode = parseToUnicode(data)
	}
	descriptor := v.Key("FontDescriptor")
	if v.Key("Subtype").Name() == "Type0" {
		descendant := v.Key("DescendantFonts").Index(0)
		descriptor = descendant.Key("FontDescriptor")
		f.loadComposite(v, descendant)
	} else {
		f.loadSimple(src, v, descriptor)
	}
	f.bold, f.italic = isBold(v.Key("BaseFont").Name(), descriptor), isItalic(v.Key("BaseFont").Name(), descriptor)
	return f
}

// entries returns about how much memory f takes, in entries of its tables.
func (f *pdfFont) entries() int { return len(f.simple) + len(f.unicode) + len(f.widths) }

// decode returns the text of a code; ok is false where the font does not say.
func (f *pdfFont) decode(code int) (s string, ok bool) {
	if s, ok = f.unicode[code]; ok {
		return s, true
	}
	if !f.wide {
		s = f.simple[code]
		return s, s != ""
	}
	if f.utf16 {
		return pdfText(string(rune(code))), true
	}
	return "", false
}

func (f *pdfFont) width(code int) float64 {
	if w, ok := f.widths[code]; ok {
		return w
	}
	return f.dflt
}

// loadComposite reads a Type0 font. Its codes are taken to have two bytes, as
// those of the Identity and Unicode encodings have.
func (f *pdfFont) loadComposite(v, descendant pdf.Value) {
	f.wide = true
	encoding := v.Key("Encoding").Name()
	f.utf16 = strings.Contains(encoding, "UCS2") || strings.Contains(encoding, "UTF16")
	f.dflt = 1000
	if dw := descendant.Key("DW"); !dw.IsNull() {
		f.dflt = finite(dw.Float64())
	}
	w := descendant.Key("W")
	entries := 0
	for i := 0; i < w.Len() && entries < maxFontEntries; {
		first := int(w.Index(i).Int64())
		if list := w.Index(i + 1); list.Kind() == pdf.Array {
			for j := 0; j < list.Len() && entries < maxFontEntries; j++ {
				f.widths[first+j] = finite(list.Index(j).Float64())
				entries++
			}
			i += 2
			continue
		}
		last := min(int(w.Index(i+1).Int64()), 0xffff)
		width := finite(w.Index(i + 2).Float64())
		for code := max(first, 0); code <= last && entries < maxFontEntries; code++ {
			f.widths[code] = width
			entries++
		}
		i += 3
	}
}

// loadSimple reads a font whose codes have one byte.
func (f *pdfFont) loadSimple(src *pdfSource, v, descriptor pdf.Value) {
	f.loadEncoding(src, v, descriptor)
	scale := 1.0
	if m := v.Key("FontMatrix"); v.Key("Subtype").Name() == "Type3" && m.Len() == 6 {
		scale = math.Abs(finite(m.Index(0).Float64())) * 1000
	}
	first := int(v.Key("FirstChar").Int64())
	w := v.Key("Widths")
	for i := 0; i < w.Len() && i < 256; i++ {
		f.widths[first+i] = finite(w.Index(i).Float64() * scale)
	}
	f.dflt = finite(descriptor.Key("MissingWidth").Float64())
	if w.Len() == 0 {
		// One of the 14 standard fonts, whose widths a file may leave out.
		for code, s := range f.simple {
			f.widths[code] = approximateWidth(s, strings.Contains(v.Key("BaseFont").Name(), "Courier"))
		}
	}
}

// loadEncoding fills f.simple: a base encoding and the differences from it.
func (f *pdfFont) loadEncoding(src *pdfSource, v, descriptor pdf.Value) {
	encoding := v.Key("Encoding")
	base := encoding.Name()
	if encoding.Kind() == pdf.Dict {
		base = encoding.Key("BaseEncoding").Name()
	}
	const symbolic = 1 << 2
	isSymbolic := descriptor.Key("Flags").Int64()&symbolic != 0
	for code := range f.simple {
		b := byte(code)
		var r rune
		switch base {
		case "MacRomanEncoding":
			r = charmap.Macintosh.DecodeByte(b)
		case "WinAnsiEncoding":
			r = charmap.Windows1252.DecodeByte(b)
		default:
			r = charmap.Windows1252.DecodeByte(b)
			if s, ok := standardEncoding[b]; ok && !isSymbolic && v.Key("Subtype").Name() != "TrueType" {
				r = s
			}
		}
		f.simple[code] = pdfText(string(r))
	}
	if name := v.Key("BaseFont").Name(); strings.Contains(name, "Symbol") || strings.Contains(name, "Dingbats") {
		f.simple[0xb7] = "•"
	}
	if program := descriptor.Key("FontFile"); base == "" && program.Kind() == pdf.Stream {
		data, _ := src.streamBytes(program)
		for code, name := range builtinEncoding(data) {
			if text, ok := glyphNames[name]; ok {
				f.simple[code] = text
			}
		}
	}
	differences := encoding.Key("Differences")
	if encoding.Kind() != pdf.Dict || differences.Len() == 0 {
		return
	}
	// The library knows the names of glyphs. It decodes a code without a known
	// name as the code itself.
	font := pdf.Font{V: v}
	encoder := font.Encoder()
	tex := texEncoding(differences)
	code := 0
	for i := 0; i < differences.Len() && i < maxFontEntries; i++ {
		d := differences.Index(i)
		if d.Kind() != pdf.Name {
			code = int(d.Int64())
			continue
		}
		if code >= 0 && code < 256 {
			if text, ok := tex[code]; ok {
				f.simple[code] = text
			} else {
				f.simple[code] = glyphText(d.Name(), encoder.Decode(string([]byte{byte(code)})), code)
			}
		}
		code++
	}
}

// approximateWidth returns about the width of a character in a standard font,
// near enough to tell a gap between words.
func approximateWidth(s string, monospaced bool) float64 {
	switch {
	case monospaced:
		return 600
	case s == "":
		return 0
	case strings.Contains("ijlI.,:;'|!", s):
		return 260
	case strings.Contains("ftr()[]/- ", s):
		return 310
	case strings.Contains("mMW@%", s):
		return 850
	case s[0] >= 'A' && s[0] <= 'Z':
		return 680
	}
	return 520
}

// Flags of a font descriptor (ISO 32000-1, 9.8.2).
const (
	flagItalic    = 1 << 6
	flagForceBold = 1 << 18
)

// isBold reports whether a font is bold, as far as its name and descriptor
// tell.
func isBold(name string, descriptor pdf.Value) bool {
	if descriptor.Key("Flags").Int64()&flagForceBold != 0 || descriptor.Key("FontWeight").Float64() >= 600 {
		return true
	}
	return isBoldName(name)
}

func isBoldName(name string) bool {
	name = fontFamily(name)
	for _, word := range []string{"bold", "black", "heavy", "demi", "cmbx", "cmb1", "sfbx", "ecbx", "cmssbx", "-bd"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return strings.HasSuffix(name, "-medi") || strings.HasSuffix(name, "-mediital") // of the URW fonts
}

// fontFamily returns the name of a font in lower case, without the random
// prefix that a subset has.
func fontFamily(name string) string {
	if _, after, ok := strings.Cut(name, "+"); ok {
		name = after
	}
	return strings.ToLower(name)
}

// isItalic reports whether a font is slanted, as far as its name and descriptor
// tell.
func isItalic(name string, descriptor pdf.Value) bool {
	return descriptor.Key("Flags").Int64()&flagItalic != 0 || finite(descriptor.Key("ItalicAngle").Float64()) != 0 || isItalicName(name)
}

func isItalicName(name string) bool {
	name = fontFamily(name)
	for _, word := range []string{"italic", "oblique", "cmti", "cmsl", "cmbxti", "cmbxsl"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// pdfText returns what s, the text of one code, is rendered as: ligatures and
// presentation forms as letters, no-break spaces as spaces, control characters
// and the symbols of bullet fonts replaced.
func pdfText(s string) string {
	clean := true
	for _, r := range s {
		if r < ' ' || r >= 0x7f && r < 0xad || r >= 0xe000 {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= 0xfb00 && r <= 0xfefc: // ligatures and other presentation forms
			b.WriteString(norm.NFKC.String(string(r)))
		case r == 0xa0, r == '\t', r == '\n', r == '\r':
			b.WriteByte(' ')
		case r < ' ', r >= 0x7f && r < 0xa0, r == 0xfeff, r == 0xfffe, r == 0xffff:
		case r >= 0xf000 && r <= 0xf0ff: // Symbol and Wingdings
			if r < 0xf07f && r >= 0xf020 && r != 0xf06c && r != 0xf06e && r != 0xf076 {
				b.WriteRune(r - 0xf000)
			} else {
				b.WriteRune('•')
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// finite returns x, or 0 where it is no finite number.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}
