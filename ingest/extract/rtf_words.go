package extract

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// control reads a control word or symbol, at its backslash.
func (r *rtfReader) control() {
	r.at++
	if r.at == len(r.data) {
		return
	}
	c := r.data[r.at]
	if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
		name, value, given := r.word()
		if r.skip > 0 && name != "bin" {
			r.skip--
			return
		}
		r.controlWord(name, value, given)
		r.first, r.starred = false, false
		return
	}
	r.at++
	r.first = r.first && c == '*'
	if c == '\'' {
		if r.at+2 > len(r.data) {
			r.at = len(r.data)
			return
		}
		b, err := strconv.ParseUint(string(r.data[r.at:r.at+2]), 16, 8)
		r.at += 2
		switch {
		case r.skip > 0:
			r.skip--
		case err == nil:
			r.bytes([]byte{byte(b)})
		}
		return
	}
	if r.skip > 0 {
		r.skip--
		return
	}
	switch c {
	case '\\', '{', '}':
		r.text(string(rune(c)))
	case '~':
		r.text("\u00a0")
	case '_':
		r.text("-")
	case '\n', '\r':
		r.controlWord("par", 0, false)
	case '\t':
		r.text("\t")
	case '*':
		r.starred = true
	}
}

// word reads a control word: its letters, its number and the space that ends
// it.
func (r *rtfReader) word() (name string, value int, given bool) {
	const maxLetters, maxDigits = 32, 10
	start := r.at
	for r.at < len(r.data) && r.at-start < maxLetters && (r.data[r.at]|0x20) >= 'a' && (r.data[r.at]|0x20) <= 'z' {
		r.at++
	}
	name = string(r.data[start:r.at])
	start = r.at
	if r.at < len(r.data) && r.data[r.at] == '-' {
		r.at++
	}
	for r.at < len(r.data) && r.at-start < maxDigits && r.data[r.at] >= '0' && r.data[r.at] <= '9' {
		r.at++
	}
	if n, err := strconv.Atoi(string(r.data[start:r.at])); err == nil {
		value, given = n, true
	}
	if r.at < len(r.data) && r.data[r.at] == ' ' {
		r.at++
	}
	return name, value, given
}

// rtfSymbols are control words that stand for text.
var rtfSymbols = map[string]string{
	"tab": "\t", "line": "\n", "softline": "\n", "lbr": "\n", "emdash": "\u2014", "endash": "\u2013", "emspace": "\u2003", "enspace": "\u2002", "qmspace": "\u2005",
	"bullet": "\u2022", "lquote": "\u2018", "rquote": "\u2019", "ldblquote": "\u201c", "rdblquote": "\u201d",
	"zwj": "\u200d", "zwnj": "\u200c", "ltrmark": "\u200e", "rtlmark": "\u200f",
}

// rtfSkipped are destinations that hold no text of the document.
var rtfSkipped = map[string]bool{
	"pict": true, "nonshppict": true, "header": true, "headerl": true, "headerr": true, "headerf": true,
	"footer": true, "footerl": true, "footerr": true, "footerf": true, "ftnsep": true, "ftnsepc": true, "ftncn": true,
	"aftnsep": true, "aftnsepc": true, "aftncn": true, "colortbl": true, "filetbl": true, "fldinst": true, "xe": true, "tc": true,
	"rxe": true, "nonesttables": true, "sp": true, "objdata": true, "listtable": true, "listoverridetable": true,
	"annotation": true, "bkmkstart": true, "bkmkend": true, "themedata": true, "datastore": true,
}

// rtfInfoFields are the destinations of the document information.
var rtfInfoFields = map[string]bool{
	"title": true, "author": true, "subject": true, "keywords": true, "doccomm": true, "category": true, "operator": true,
	"creatim": true, "revtim": true,
}

// rtfStarred are the destinations marked as to be skipped that are read.
var rtfStarred = map[string]bool{"shpinst": true, "footnote": true, "pntext": true, "listtext": true}

func (r *rtfReader) controlWord(name string, value int, given bool) {
	if r.first && (r.starred && !rtfStarred[name] || rtfSkipped[name]) {
		r.flush()
		r.state.destination = rtfNowhere
	}
	if name == "bin" { // bytes that are no Rich Text
		r.at += min(max(value, 0), len(r.data)-r.at)
		return
	}
	if name == "u" {
		r.unicode(value)
		r.skip = r.state.skip
		return
	}
	r.flush()
	if s, ok := rtfSymbols[name]; ok {
		r.write(s)
		return
	}
	if r.state.destination == rtfNowhere {
		return
	}
	if r.first && r.destination(name) {
		return
	}
	on := !given || value != 0
	p := &r.state.paragraph
	switch name {
	case "uc":
		r.state.skip = min(max(value, 0), 16)
	case "ansicpg":
		if e := codePage(value); e != nil {
			r.encoding = e
		}
	case "mac":
		r.encoding = codePage(10000)
	case "pc":
		r.encoding = codePage(437)
	case "f":
		if r.state.font = value; r.state.destination == rtfFontTable {
			r.defining = value
		}
	case "fcharset":
		if r.state.destination == rtfFontTable && len(r.fonts) < maxRTFStyles {
			r.fonts[r.defining] = charsetPage(value)
		}
	case "cpg":
		if e := codePage(value); e != nil && r.state.destination == rtfFontTable && len(r.fonts) < maxRTFStyles {
			r.fonts[r.defining] = e
		}
	case "s":
		if r.state.destination == rtfStylesheet {
			r.defining = value
		}
		p.style = value
	case "outlinelevel":
		if r.state.destination == rtfStylesheet {
			r.outlineStyle(value)
		}
		p.outline = value
	case "ls":
		p.list = value != 0
	case "ilvl":
		p.level = min(max(value, 0), maxListLevel)
	case "intbl":
		p.inTable = on
	case "pard":
		*p = rtfParagraph{style: -1, outline: -1}
	case "plain":
		r.state.hidden, r.state.font = false, 0
	case "v", "deleted":
		r.state.hidden = on
	case "par", "sect", "page":
		if r.state.destination == rtfBody {
			r.endParagraph()
		}
	case "cell":
		if r.state.destination == rtfBody {
			r.endCell()
		}
	case "nestcell", "nestrow":
		r.write(" ")
	case "row":
		if r.state.destination == rtfBody {
			r.endRow()
		}
	case "yr", "mo", "dy", "hr", "min", "sec":
		if f := r.info[r.state.field]; r.state.destination == rtfInfo && f != nil {
			f.clock[name] = value
		}
	}
}

// destination says where the text of the group goes, if name, the first word in
// it, is about that.
func (r *rtfReader) destination(name string) bool {
	switch name {
	case "fonttbl":
		r.state.destination = rtfFontTable
	case "stylesheet":
		r.state.destination = rtfStylesheet
		r.defining = 0
	case "info":
		r.state.destination, r.state.field = rtfInfo, ""
	case "listtext", "pntext":
		r.state.destination = rtfLabel
		r.body.label.Reset()
	case "footnote":
		r.apart(true)
	case "shptxt":
		r.apart(false)
	default:
		if r.state.destination != rtfInfo || !rtfInfoFields[name] {
			return false
		}
		if r.state.field = name; r.info[name] == nil {
			r.info[name] = &rtfField{clock: map[string]int{}}
		}
	}
	return true
}

// unicode writes a UTF-16 code unit, a signed number of 16 bits; its pair makes
// one character.
func (r *rtfReader) unicode(value int) {
	if len(r.raw) > 0 {
		r.flush()
	}
	c := rune(uint16(value))
	if value > 0xFFFF && value <= 0x10FFFF {
		c = rune(value) // some programs write what does not fit
	}
	switch {
	case c >= 0xD800 && c < 0xDC00:
		r.flush()
		r.surrogate = c
	case c >= 0xDC00 && c < 0xE000:
		pair := utf16.DecodeRune(r.surrogate, c) // U+FFFD for what is no pair
		r.surrogate = 0
		r.write(string(pair))
	default:
		r.text(cleanRTF(string(c)))
	}
}

// cleanRTF drops control characters, which stand for nothing in Rich Text.
func cleanRTF(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' || c == 0x7F {
			return -1
		}
		return c
	}, s)
}

// rtfField is a field of the document information.
type rtfField struct {
	b     strings.Builder
	clock map[string]int // of a point in time, by control word
}

func (f *rtfField) text() string {
	if f == nil {
		return ""
	}
	return cleanMeta(f.b.String())
}

// time returns the point in time in the form of RFC 3339, "" for none.
func (f *rtfField) time() string {
	if f == nil || f.clock["yr"] == 0 {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02dZ", f.clock["yr"], max(f.clock["mo"], 1), max(f.clock["dy"], 1), f.clock["hr"], f.clock["min"], f.clock["sec"])
}
