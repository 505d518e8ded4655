package extract

import (
	"maps"
	"regexp"
	"strconv"
	"strings"

	"github.com/ledongthuc/pdf"
)

// glyphText returns the text of a glyph name: decoded, which the library found
// for it, or what a name of the form "uni20AC", "u1F600" or "f_i" spells.
func glyphText(name, decoded string, code int) string {
	if decoded != string(rune(code)) {
		return pdfText(decoded)
	}
	if name == ".notdef" {
		return ""
	}
	if s, ok := glyphNames[name]; ok {
		return s
	}
	base, _, _ := strings.Cut(name, ".") // "a.sc" is a small capital a
	if digits, ok := strings.CutPrefix(base, "uni"); ok && len(digits)%4 == 0 && len(digits) > 0 {
		if s := utf16BE(decodePDFHex([]byte(digits))); len(digits) == 2*len(decodePDFHex([]byte(digits))) && s != "" {
			return pdfText(s)
		}
	}
	if digits, ok := strings.CutPrefix(base, "u"); ok && len(digits) >= 4 && len(digits) <= 6 {
		if n, err := strconv.ParseUint(digits, 16, 32); err == nil && n <= 0x10ffff {
			return pdfText(string(rune(n)))
		}
	}
	if parts := strings.Split(base, "_"); len(parts) > 1 {
		ligature := ""
		for _, p := range parts {
			if len(p) != 1 {
				return pdfText(decoded)
			}
			ligature += p
		}
		return ligature
	}
	return pdfText(decoded)
}

// standardEncoding is where Adobe's StandardEncoding differs from
// Windows-1252 (ISO 32000-1, annex D.2).
var standardEncoding = map[byte]rune{
	0x27: '’', 0x60: '‘', 0xa4: '⁄', 0xa6: 'ƒ', 0xa8: '¤', 0xa9: '\'', 0xaa: '“', 0xac: '‹', 0xad: '›',
	0xae: 'ﬁ', 0xaf: 'ﬂ', 0xb1: '–', 0xb2: '†', 0xb3: '‡', 0xb4: '·', 0xb7: '•', 0xb8: '‚', 0xb9: '„',
	0xba: '”', 0xbc: '…', 0xbd: '‰', 0xc1: '`', 0xc2: '´', 0xc3: 'ˆ', 0xc4: '˜', 0xc5: '¯', 0xc6: '˘',
	0xc7: '˙', 0xc8: '¨', 0xca: '˚', 0xcb: '¸', 0xcd: '˝', 0xce: '˛', 0xcf: 'ˇ', 0xd0: '—', 0xe1: 'Æ',
	0xe3: 'ª', 0xe8: 'Ł', 0xe9: 'Ø', 0xea: 'Œ', 0xeb: 'º', 0xf1: 'æ', 0xf5: 'ı', 0xf8: 'ł', 0xf9: 'ø',
	0xfa: 'œ', 0xfb: 'ß',
}

// glyphNames gives the text of the glyph names that the built-in encodings of
// Type 1 fonts use, TeX's included; names of one letter stand for it.
var glyphNames = func() map[string]string {
	m := map[string]string{}
	fields := strings.Fields(glyphNameList)
	for i := 0; i+1 < len(fields); i += 2 {
		m[fields[i]] = fields[i+1]
	}
	m["space"], m["grave"] = " ", "`"
	for c := 'a'; c <= 'z'; c++ {
		m[string(c)] = string(c)
		m[string(c-'a'+'A')] = string(c - 'a' + 'A')
	}
	return m
}()

const glyphNameList = `
	exclam ! quotedbl " numbersign # dollar $ percent % ampersand & quoteright ’ quotesingle ' parenleft ( parenright )
	asterisk * plus + comma , hyphen - period . slash / zero 0 one 1 two 2 three 3 four 4 five 5 six 6 seven 7 eight 8
	nine 9 colon : semicolon ; less < equal = greater > question ? at @ bracketleft [ backslash \ bracketright ]
	asciicircum ^ underscore _ quoteleft ‘ braceleft { bar | braceright } asciitilde ~
	exclamdown ¡ cent ¢ sterling £ fraction ⁄ yen ¥ florin ƒ section § currency ¤ quotedblleft “ quotedblright ”
	guillemotleft « guillemotright » guilsinglleft ‹ guilsinglright › endash – emdash — dagger † daggerdbl ‡
	periodcentered · paragraph ¶ bullet • quotesinglbase ‚ quotedblbase „ ellipsis … perthousand ‰ questiondown ¿
	acute ´ circumflex ˆ tilde ˜ macron ¯ breve ˘ dotaccent ˙ dieresis ¨ ring ˚ cedilla ¸ hungarumlaut ˝ ogonek ˛ caron ˇ
	AE Æ ae æ OE Œ oe œ Oslash Ø oslash ø Lslash Ł lslash ł germandbls ß dotlessi ı dotlessj ȷ
	ordfeminine ª ordmasculine º copyright © circlecopyrt © registered ® degree ° mu µ
	ff ff fi fi fl fl ffi ffi ffl ffl
	Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π Sigma Σ Upsilon Υ Phi Φ Psi Ψ Omega Ω
	alpha α beta β gamma γ delta δ epsilon ε epsilon1 ϵ zeta ζ eta η theta θ theta1 ϑ iota ι kappa κ lambda λ nu ν xi ξ
	pi π pi1 ϖ rho ρ rho1 ϱ sigma σ sigma1 ς tau τ upsilon υ phi φ phi1 ϕ chi χ psi ψ omega ω
	minus − multiply × asteriskmath ∗ divide ÷ plusminus ± minusplus ∓ periodmath · lessequal ≤ greaterequal ≥
	equivalence ≡ similar ∼ approxequal ≈ propersubset ⊂ propersuperset ⊃ reflexsubset ⊆ reflexsuperset ⊇
	arrowleft ← arrowright → arrowup ↑ arrowdown ↓ arrowboth ↔ arrowdblleft ⇐ arrowdblright ⇒ arrowdblboth ⇔
	infinity ∞ element ∈ prime ′ universal ∀ existential ∃ logicalnot ¬ emptyset ∅ intersection ∩ union ∪
	logicaland ∧ logicalor ∨ partialdiff ∂ summation ∑ product ∏ integral ∫ radical √ nabla ∇`

var encodingEntry = regexp.MustCompile(`dup\s+(\d{1,3})\s*/(\S+)\s+put`)

// builtinEncoding returns the glyph names, by code, that the clear text at the
// start of a Type 1 font program gives. A font without an encoding in the PDF
// file, as TeX's are, has this one.
func builtinEncoding(program []byte) map[int]string {
	clear, _, _ := strings.Cut(string(program[:min(len(program), 64<<10)]), "eexec")
	m := map[int]string{}
	for _, e := range encodingEntry.FindAllStringSubmatch(clear, -1) {
		if code, err := strconv.Atoi(e[1]); err == nil && code < 256 {
			m[code] = e[2]
		}
	}
	return m
}

// The codes of TeX's encodings that differ from ASCII. OT1 is that of the
// original fonts, T1 that of the "Cork" fonts; codes from 128 on are left out.
var (
	texOT1 = map[int]string{
		11: "ff", 12: "fi", 13: "fl", 14: "ffi", 15: "ffl", 16: "ı", 17: "ȷ", 18: "`", 19: "´", 20: "ˇ", 21: "˘", 22: "¯",
		23: "˚", 24: "¸", 25: "ß", 26: "æ", 27: "œ", 28: "ø", 29: "Æ", 30: "Œ", 31: "Ø",
		34: "”", 39: "’", 92: "“", 94: "ˆ", 95: "˙", 96: "‘", 123: "–", 124: "—", 125: "˝", 126: "˜", 127: "¨",
	}
	texT1 = map[int]string{
		0: "`", 1: "´", 2: "ˆ", 3: "˜", 4: "¨", 5: "˝", 6: "˚", 7: "ˇ", 8: "˘", 9: "¯", 10: "˙", 11: "¸", 12: "˛",
		13: "‚", 14: "‹", 15: "›", 16: "“", 17: "”", 18: "„", 19: "«", 20: "»", 21: "–", 22: "—", 25: "ı", 26: "ȷ",
		27: "ff", 28: "fi", 29: "fl", 30: "ffi", 31: "ffl", 39: "’", 96: "‘", 127: "-",
	}
)

// texEncoding returns the encoding of a bitmap font of TeX, nil for any other
// font. Such a font names each glyph by its code alone ("a30"), so that the
// encoding is inferred: it is OT1 where one of the ligatures that OT1 has and
// T1 lacks is used without those of T1.
func texEncoding(differences pdf.Value) map[int]string {
	used, code := map[int]bool{}, 0
	for i := 0; i < differences.Len() && i < maxFontEntries; i++ {
		d := differences.Index(i)
		if d.Kind() != pdf.Name {
			code = int(d.Int64())
			continue
		}
		if d.Name() != "a"+strconv.Itoa(code) {
			return nil
		}
		used[code] = true
		code++
	}
	any := func(first, last int) bool {
		for c := first; c <= last; c++ {
			if used[c] {
				return true
			}
		}
		return false
	}
	encoding := texT1
	if any(11, 15) && !any(27, 31) {
		encoding = texOT1
	}
	out := maps.Clone(encoding)
	for c := range out {
		if !used[c] {
			delete(out, c)
		}
	}
	return out
}
