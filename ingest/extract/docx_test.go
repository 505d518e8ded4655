package extract

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testStyles = `<?xml version="1.0"?><w:styles ` + wordNamespace + `>
<w:style w:type="paragraph" w:styleId="berschrift1"><w:name w:val="heading 1"/><w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="berschrift2"><w:name w:val="Heading 2"/></w:style>
<w:style w:type="paragraph" w:styleId="Section"><w:name w:val="Section"/><w:basedOn w:val="berschrift2"/>
 <w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="2"/></w:numPr></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="Loop"><w:name w:val="Loop"/><w:basedOn w:val="Pool"/></w:style>
<w:style w:type="paragraph" w:styleId="Pool"><w:name w:val="Pool"/><w:basedOn w:val="Loop"/></w:style>
<w:style w:type="paragraph" w:styleId="T"><w:name w:val="Title"/></w:style>
</w:styles>`

const testNumbering = `<?xml version="1.0"?><w:numbering ` + wordNamespace + `>
<w:abstractNum w:abstractNumId="7">
 <w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
 <w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="(%2)"/></w:lvl>
</w:abstractNum>
<w:abstractNum w:abstractNumId="8">
 <w:lvl w:ilvl="0"><w:numFmt w:val="upperRoman"/><w:lvlText w:val="%1"/></w:lvl>
 <w:lvl w:ilvl="1"><w:start w:val="4"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1.%2"/></w:lvl>
</w:abstractNum>
<w:abstractNum w:abstractNumId="9"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="&#xF0B7;"/></w:lvl></w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>
<w:num w:numId="2"><w:abstractNumId w:val="8"/></w:num>
<w:num w:numId="3"><w:abstractNumId w:val="9"/></w:num>
<w:num w:numId="4"><w:abstractNumId w:val="7"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>
</w:numbering>`

// para returns a w:p of a style and, where numID is not empty, a list.
func para(style, numID string, level int, runs string) string {
	p := ""
	if style != "" {
		p += `<w:pStyle w:val="` + style + `"/>`
	}
	if numID != "" {
		p += fmt.Sprintf(`<w:numPr><w:ilvl w:val="%d"/><w:numId w:val="%s"/></w:numPr>`, level, numID)
	}
	return `<w:p><w:pPr>` + p + `<w:tabs><w:tab w:val="left"/></w:tabs></w:pPr>` + runs + `</w:p>`
}

func run(s string) string { return `<w:r><w:t xml:space="preserve">` + s + `</w:t></w:r>` }

func TestDOCX(t *testing.T) {
	body := para("T", "", 0, run("The title")) +
		para("berschrift1", "", 0, run("Part")+run(" one")) +
		para("", "", 0, run("Plain ")+`<w:hyperlink>`+run("linked")+`</w:hyperlink>`+`<w:r><w:tab/><w:t>tab</w:t><w:br/><w:t>line &amp; é</w:t><w:noBreakHyphen/></w:r>`) +
		para("", "", 0, `<w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:ins>`+run("added")+`</w:ins><w:moveFrom>`+run("moved")+`</w:moveFrom><w:r><w:instrText>PAGE</w:instrText></w:r>`) +
		para("", "", 0, "") +
		para("Section", "", 0, run("Scope")) + para("Section", "", 0, run("Terms")) +
		para("", "1", 0, run("first")) + para("", "1", 1, run("sub one")) + para("", "1", 1, run("sub two<![CDATA[ ]]>")) + para("", "1", 0, run("second")) +
		para("", "", 0, run("between")) +
		para("", "4", 0, run("restarted")) + para("", "3", 0, `<w:r><w:t>bullet</w:t><w:br/><w:t>more</w:t></w:r>`) + para("", "0", 0, run("no list")) +
		para("", "99", 0, run("unknown list")) + para("Loop", "", 0, run("cyclic style")) +
		`<w:tbl><w:tr><w:tc>` + para("", "", 0, run("A")) + `</w:tc><w:tc>` + para("", "", 0, run("B")) + para("berschrift1", "", 0, run("b")) + `</w:tc></w:tr>` +
		`<w:tr><w:tc><w:p/></w:tc><w:tc><w:p/></w:tc></w:tr>` +
		`<w:tr><w:tc>` + para("", "", 0, run("1")) + `</w:tc><w:tc><w:tbl><w:tr><w:tc>` + para("", "", 0, run("in")) + `</w:tc><w:tc>` + para("", "", 0, run("ner")) + `</w:tc></w:tr></w:tbl></w:tc></w:tr></w:tbl>` +
		`<w:p><w:r><w:t>Around</w:t></w:r><w:r><mc:AlternateContent xmlns:mc="m"><mc:Choice><w:txbxContent>` + para("", "", 0, run("boxed")) + `</w:txbxContent></mc:Choice>` +
		`<mc:Fallback><w:txbxContent>` + para("", "", 0, run("boxed")) + `</w:txbxContent></mc:Fallback></mc:AlternateContent></w:r></w:p>` +
		`<w:sdt><w:sdtContent>` + para("", "", 0, run("in a control")) + `</w:sdtContent></w:sdt>`
	parts := map[string]string{
		"word/document.xml":  docxBody(body),
		"word/styles.xml":    testStyles,
		"word/numbering.xml": testNumbering,
		"word/footnotes.xml": `<w:footnotes ` + wordNamespace + `><w:footnote w:type="separator">` + para("", "", 0, `<w:r><w:separator/></w:r>`) + `</w:footnote><w:footnote>` + para("", "", 0, run("A note.")) + `</w:footnote></w:footnotes>`,
	}
	doc, err := Extract(t.Context(), Input{Name: "x.docx", Data: buildDOCX(t, parts)})
	if err != nil {
		t.Fatal(err)
	}
	checkDocument(t, doc)
	var got []string
	for _, b := range doc.Blocks {
		got = append(got, fmt.Sprintf("%s %d %q", b.Kind, b.Level, strings.TrimRight(doc.Text[b.Span.Start:b.Span.End], "\n")))
	}
	want := []string{
		`heading 1 "The title"`,
		`heading 1 "Part one"`,
		`paragraph 0 "Plain linked\ttab\nline & é-"`,
		`paragraph 0 "added"`,
		`heading 2 "I.4 Scope"`,
		`heading 2 "I.5 Terms"`,
		`list_item 1 "1. first"`,
		`list_item 2 "  (a) sub one"`,
		`list_item 2 "  (b) sub two"`,
		`list_item 1 "2. second"`,
		`paragraph 0 "between"`,
		`list_item 1 "1. restarted"`,
		`list_item 1 "- bullet\n  more"`,
		`paragraph 0 "no list"`,
		`list_item 1 "- unknown list"`,
		`paragraph 0 "cyclic style"`,
		`table 0 "A | B b\n1 | in | ner"`,
		`paragraph 0 "Around"`,
		`paragraph 0 "boxed"`,
		`paragraph 0 "in a control"`,
		`paragraph 0 "A note."`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
	if doc.Title != "The title" {
		t.Errorf("title %q, want that of the paragraph of style Title", doc.Title)
	}

	parts["docProps/core.xml"] = `<cp:coreProperties xmlns:cp="c" xmlns:dc="d"><dc:title> Core &lt;title&gt; </dc:title></cp:coreProperties>`
	if doc, err = Extract(t.Context(), Input{Name: "x.docx", Data: buildDOCX(t, parts)}); err != nil || doc.Title != "Core <title>" {
		t.Errorf("title %q, error %v, want that of the document properties", doc.Title, err)
	}
}

func TestDOCXRefused(t *testing.T) {
	text := docxBody(para("", "", 0, run("text")))
	bomb := docxBody(para("", "", 0, run(strings.Repeat(" ", 8<<20))))
	many := map[string]string{"word/document.xml": text}
	for i := range maxZipEntries {
		many[fmt.Sprintf("word/media/%d", i)] = ""
	}
	truncated := buildDOCX(t, map[string]string{"word/document.xml": text})
	tests := []struct {
		name string
		data []byte
		want error
	}{
		{"bomb", buildDOCX(t, map[string]string{"word/document.xml": bomb}), ErrTooLarge},
		{"entries", buildDOCX(t, many), ErrTooLarge},
		{"depth", buildDOCX(t, map[string]string{"word/document.xml": docxBody(strings.Repeat("<w:x>", 300) + strings.Repeat("</w:x>", 300))}), ErrTooLarge},
		{"nested tables", buildDOCX(t, map[string]string{"word/document.xml": docxBody(strings.Repeat("<w:tbl><w:tr><w:tc>", 100) + strings.Repeat("</w:tc></w:tr></w:tbl>", 100))}), ErrTooLarge},
		{"not XML", buildDOCX(t, map[string]string{"word/document.xml": "<w:document"}), ErrMalformed},
		{"unclosed", buildDOCX(t, map[string]string{"word/document.xml": "<w:document><w:p>"}), ErrMalformed},
		{"bad styles", buildDOCX(t, map[string]string{"word/document.xml": text, "word/styles.xml": "<a>&undefined;</a>"}), ErrMalformed},
		{"truncated", truncated[:len(truncated)/2], ErrMalformed},
		{"two documents", twice(t, text), ErrMalformed},
		{"no text", buildDOCX(t, map[string]string{"word/document.xml": docxBody("<w:p/>")}), ErrEmpty},
	}
	for _, tt := range tests {
		_, err := Extract(t.Context(), Input{Name: "x.docx", MediaType: docxType, Data: tt.data})
		if !errors.Is(err, tt.want) || !strings.HasPrefix(err.Error(), "extract x.docx: ") {
			t.Errorf("%s: error %v, want %v for x.docx", tt.name, err, tt.want)
		}
	}
}

// twice returns a package with two main documents of one name.
func twice(t *testing.T, document string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for range 2 {
		w, err := z.Create("word/document.xml")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(document)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFormatNumber(t *testing.T) {
	tests := []struct {
		n      int
		format string
		want   string
	}{
		{3, "decimal", "3"}, {3, "lowerLetter", "c"}, {28, "upperLetter", "BB"}, {0, "lowerLetter", "0"},
		{1994, "upperRoman", "MCMXCIV"}, {4, "lowerRoman", "iv"}, {5000, "upperRoman", "5000"}, {7, "japaneseCounting", "7"},
	}
	for _, tt := range tests {
		if got := formatNumber(tt.n, tt.format); got != tt.want {
			t.Errorf("formatNumber(%d, %s) = %s, want %s", tt.n, tt.format, got, tt.want)
		}
	}
}

// FuzzDOCX fuzzes the XML of the parts; what is around it belongs to
// archive/zip.
func FuzzDOCX(f *testing.F) {
	f.Add(docxBody(para("T", "1", 1, run("a"))+"<w:tbl><w:tr><w:tc><w:p/></w:tc></w:tr></w:tbl>"), testStyles, testNumbering)
	f.Add("<document><p><r><t>a</t></r><p><r><t>b</t></r></p></p></document>", "<styles/>", "<numbering><num numId='1'><abstractNumId val='1'/></num></numbering>")
	f.Add("</w:p>", "", "")
	f.Fuzz(func(t *testing.T, document, styles, numbering string) {
		data := buildDOCX(t, map[string]string{"word/document.xml": document, "word/styles.xml": styles, "word/numbering.xml": numbering})
		fuzzExtract(t, "x.docx", docxType, string(data))
	})
}
