package extract

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
)

// rtfBytes returns s in an encoding as Rich Text writes bytes.
func rtfBytes(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteString(`\'` + string([]byte{digits[c>>4], digits[c&15]}))
	}
	return s.String()
}

func TestRTF(t *testing.T) {
	russian, japaneseText := encode(t, charmap.Windows1251, "Паром"), encode(t, japanese.ShiftJIS, "連絡船ソ")
	source := `{\rtf1\ansi\ansicpg1252\uc1{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial Cyr;}{\f2\fcharset128 Mincho;}{\f3\fcharset2 Symbol;}}` +
		`{\stylesheet{\ql Normal;}{\s1\outlinelevel0 berschrift;}{\s2 heading 2;}{\s3 Title;}{\*\cs9 skipped;}}` +
		`{\info{\title The \'e9tude}{\author Ana}{\keywords a, b;c}{\creatim\yr2025\mo3\dy1\hr8\min30}}{\header head}{\*\generator none}` +
		`\pard\s3 Title par\par\pard\s1{\listtext 1.\tab}Chapter\line one\par\pard\s2 Section\par` +
		`\pard\plain plain \b bold\b0 , \{braces\} \\ caf\'e9 \u233?\u-10179?\u-8704? {\f1 ` + rtfBytes(russian) + `} {\f2 ` + rtfBytes(japaneseText) + `}\~x\_y\emdash z{\v hidden}{\deleted gone}\par` + "\n" +
		`{\pict 0123}{\field{\*\fldinst HYPERLINK "x"}{\fldrslt link}} text{\footnote \pard The note.}\par` +
		`\pard\ls1{\listtext\f3\'b7\tab}bullet\par\pard\ls1\ilvl1{\listtext a)\tab}nested\par` +
		`\trowd\pard\intbl A\par a\cell B\cell\row\trowd\pard\intbl 1\cell{\nonesttables no}2\cell\row\pard ` +
		`{\shp{\*\shpinst{\sp{\sn x}{\sv 1}}{\shptxt boxed\par}}}after\par{\uc2\u8364 xxeuro}\par un\header finished}trailing`
	doc := mustExtract(t, "x.rtf", []byte(source))
	want := []string{
		`heading 1 p0 "Title par"`,
		`heading 1 p0 "1. Chapter one"`,
		`heading 2 p0 "Section"`,
		`paragraph 0 p0 "plain bold, {braces} \\ café é😀 Паром 連絡船ソ\u00a0x-y—z"`,
		`paragraph 0 p0 "link text"`,
		`list_item 1 p0 "- bullet"`,
		`list_item 2 p0 "  a) nested"`,
		`table 0 p0 "A a | B\n1 | 2"`,
		`paragraph 0 p0 "after"`,
		`paragraph 0 p0 "boxed"`,
		`paragraph 0 p0 "€euro"`,
		`paragraph 0 p0 "unfinished"`,
		`paragraph 0 p0 "The note."`,
	}
	if diff := cmp.Diff(want, kindsOf(doc)); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
	wantMeta(t, doc, `author strings "Ana"`, `created time "2025-03-01T08:30:00Z"`, `keywords strings "a, b, c"`)
	if doc.Title != "The étude" {
		t.Errorf("title %q, want that of the document information", doc.Title)
	}
}

func FuzzRTF(f *testing.F) {
	f.Add(`{\rtf1\ansi{\fonttbl{\f1\fcharset128 x;}}{\stylesheet{\s1 heading 1;}}{\info{\title a}{\creatim\yr2025}}\pard\s1 b\par\pard\ls1{\listtext\'b7}c\par\trowd\intbl d\cell\row{\f1\'83\'41}\u-10179?\u-8704?}`)
	f.Add(`{\rtf1{\footnote a{\shp{\*\shpinst{\shptxt b\cell}}}\row}\bin3 }}}`)
	f.Fuzz(func(t *testing.T, s string) { fuzzExtract(t, "x.rtf", rtfType, s) })
}
