package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// packages make a file of each format that is a zip archive, from the content
// of its main part.
var packages = map[string]func(t testing.TB, content string) []byte{
	"x.docx": func(t testing.TB, s string) []byte {
		return buildDOCX(t, map[string]string{"word/document.xml": s})
	},
	"x.pptx": func(t testing.TB, s string) []byte {
		return buildPPTX(t, map[string]string{"ppt/slides/slide1.xml": s}, "")
	},
	"x.xlsx": func(t testing.TB, s string) []byte {
		return buildXLSX(t, map[string]string{"xl/worksheets/sheet1.xml": s}, "")
	},
	"x.odt": func(t testing.TB, s string) []byte {
		return buildODF(t, odtType, "text", "", map[string]string{"content.xml": s})
	},
	"x.epub": func(t testing.TB, s string) []byte {
		return buildZip(t, map[string]string{
			"mimetype": epubType, "META-INF/container.xml": `<container><rootfile full-path="o"/></container>`, "o": s,
		})
	},
}

func wantError(t *testing.T, name string, data []byte, want error) {
	t.Helper()
	_, err := Extract(t.Context(), Input{Name: name, Data: data})
	if !errors.Is(err, want) {
		t.Errorf("error %v of %s, want %v", err, name, want)
	}
	if ReasonOf(err) == "" {
		t.Errorf("error %v of %s has no reason", err, name)
	}
}

func TestPackageBombs(t *testing.T) {
	nested := strings.Repeat("<a>", 1_000_000)
	entities := `<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><d><p><r><t>&c;</t></r></p></d>`
	for name, build := range packages {
		t.Run(name[2:], func(t *testing.T) {
			wantError(t, name, build(t, "<d>"+strings.Repeat(" ", 8<<20)+"</d>"), ErrArchiveBomb)
			wantError(t, name, build(t, nested), ErrTooLarge)
			wantError(t, name, build(t, entities), ErrMalformed)
			wantError(t, name, build(t, "<d><p>"), ErrMalformed)
			wantError(t, name, build(t, "not XML"), ErrEmpty)
			wantError(t, name, slices.Concat(build(t, "<d/>"), bytes.Repeat([]byte("PK\x01\x02"), 500_000)), ErrArchiveBomb)
			whole := build(t, "<d/>")
			wantError(t, name, whole[:len(whole)-30], ErrMalformed)
		})
	}
}

func TestEncryptedPackages(t *testing.T) {
	for name, build := range packages {
		data := build(t, "<d/>")
		for _, magic := range []string{"PK\x03\x04", "PK\x01\x02"} { // the flag of every entry
			for at := 0; ; {
				i := bytes.Index(data[at:], []byte(magic))
				if i < 0 {
					break
				}
				at += i + 4
				data[at+2+2*(int(magic[2])&1)] |= 1
			}
		}
		wantError(t, name, data, ErrEncrypted)
	}
	manifest := map[string]string{"META-INF/manifest.xml": `<m xmlns:f="f"><f:file-entry><f:encryption-data/></f:file-entry></m>`}
	wantError(t, "x.odt", buildODF(t, odtType, "text", "", manifest), ErrEncrypted)
	ole := oleMagic + strings.Repeat("\x00", 600)
	wantError(t, "x.docx", []byte(ole+"E\x00n\x00c\x00r\x00y\x00p\x00t\x00e\x00d\x00P\x00a\x00c\x00k\x00a\x00g\x00e\x00"), ErrEncrypted)
	wantError(t, "x.doc", []byte(ole), ErrUnsupported)
}

// TestXMLAttributes gives a tag whose attributes would take gigabytes.
func TestXMLAttributes(t *testing.T) {
	tag := io.MultiReader(strings.NewReader("<a"), &endless{[]byte(` b=""`)})
	x := newXMLReader(t.Context(), tag)
	if _, err := x.token(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v of an endless tag, want ErrTooLarge", err)
	}
	x = newXMLReader(t.Context(), io.MultiReader(strings.NewReader("<a>"), &endless{[]byte("x")}))
	if _, err := x.text(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v of an endless text, want ErrTooLarge", err)
	}
}

// endless reads the same bytes again and again.
type endless struct{ b []byte }

func (e *endless) Read(b []byte) (int, error) {
	n := 0
	for n+len(e.b) <= len(b) {
		n += copy(b[n:], e.b)
	}
	if n == 0 {
		n = copy(b, e.b[:1])
	}
	return n, nil
}

func TestTextBombs(t *testing.T) {
	multipart := func(depth int) string {
		var b strings.Builder
		b.WriteString("From: a@b.c\nDate: Sat, 1 Mar 2025 08:30:00 +0100\n")
		for i := range depth {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"b%d\"\n\n--b%d\n", i, i)
		}
		return b.String() + "\n\ntext"
	}
	tests := []struct {
		name, data string
		want       error
	}{
		{"x.rtf", `{\rtf1 ` + strings.Repeat("{", 1_000_000), ErrTooLarge},
		{"x.rtf", `{\rtf1 ` + strings.Repeat(`{\footnote `, 100_000), ErrTooLarge},
		{"x.rtf", `{\rtf1 }}`, ErrEmpty},
		{"x.rtf", `{\rtf1 ` + strings.Repeat(`\bin999999999 `, 1000), ErrEmpty},
		{"x.json", strings.Repeat("[", 1_000_000), ErrTooLarge},
		{"x.json", strings.Repeat(`{"a":`, 1_000_000), ErrTooLarge},
		{"x.json", `{"` + strings.Repeat("k", 1<<17) + `": 1}`, ErrTooLarge},
		{"x.json", `{"a": 1`, ErrMalformed},
		{"x.json", `{"a" 1}`, ErrMalformed},
		{"x.json", `{"a": 1} x`, ErrMalformed},
		{"x.json", `{"a": null, "b": [], "c": {}, "d": " "}`, ErrEmpty},
		{"x.eml", multipart(10_000), ErrTooLarge},
		{"x.eml", strings.Repeat("From: a@b.c\nContent-Type: message/rfc822\n\n", 10_000), ErrTooLarge},
		{"x.eml", "From: a@b.c\nContent-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 5000), ErrTooLarge},
		{"x.eml", "From: a@b.c\n" + strings.Repeat("A:\n", 1_000_000), ErrTooLarge},
		{"x.eml", "From: a@b.c\nContent-Type: multipart/mixed\n\n", ErrMalformed},
		{"x.eml", "From: a@b.c\nContent-Type: multipart/encrypted; boundary=b\n\n--b\n", ErrEncrypted},
		{"x.eml", "just text", ErrMalformed},
		{"x.txt.gz", string(gzipped(t, make([]byte, 64<<20))), ErrArchiveBomb},
		{"x.txt.gz", string(gzipped(t, gzipped(t, []byte("text")))), ErrUnsupported},
		{"x.txt.gz", string(gzipped(t, []byte("text"))[:20]), ErrMalformed},
		{"x.txt.gz", string(gzipped(t, nil)), ErrEmpty},
		{"x.pdf.gz", string(gzipped(t, []byte(buildPDF(show("a"))))), ErrUnsupported},
		{"x.gz", string(gzipped(t, []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"))), ErrUnsupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantError(t, tt.name, []byte(tt.data), tt.want)
		})
	}
}

// TestRepetitionBombs gives small files that stand for huge sheets.
func TestRepetitionBombs(t *testing.T) {
	cell := `<table:table-cell table:number-columns-repeated="%d"><text:p>a</text:p></table:table-cell>`
	rows := func(n, columns int) string {
		return fmt.Sprintf(`<table:table><table:table-row table:number-rows-repeated="%d">`+cell+`</table:table-row></table:table>`, n, columns)
	}
	wantError(t, "x.ods", buildODF(t, odsType, "spreadsheet", rows(1<<20, 1000), nil), ErrArchiveBomb)
	wantError(t, "x.ods", buildODF(t, odsType, "spreadsheet", strings.Replace(rows(1, 1<<30), "</table:table-row>", fmt.Sprintf(cell, 1<<30)+"</table:table-row>", 1), nil), ErrTooLarge)
	wantError(t, "x.ods", buildODF(t, odsType, "spreadsheet", strings.Repeat(rows(1, 1000), 1001), nil), ErrTooLarge)
	doc := mustExtract(t, "x.ods", buildODF(t, odsType, "spreadsheet", rows(3, 2), nil))
	if want := "a | a\na | a\na | a"; doc.Text != want {
		t.Errorf("text %q, want %q", doc.Text, want)
	}
	// Far to the right, a cell costs nothing but itself.
	doc = mustExtract(t, "x.xlsx", buildXLSX(t, nil, strings.Repeat(`<row><c r="XFD1"><v>1</v></c></row>`, 20_000)))
	if n := strings.Count(doc.Text, "1"); n < 20_000 {
		t.Errorf("%d cells, want 20000", n)
	}
	wantError(t, "x.xlsx", buildXLSX(t, nil, `<row><c r="XFE1"><v>1</v></c></row>`), ErrMalformed)
	wantError(t, "x.xlsx", buildXLSX(t, nil, `<row><c t="s"><v>7</v></c></row>`), ErrMalformed)
	wantError(t, "x.xlsx", buildXLSX(t, map[string]string{"xl/sharedStrings.xml": "<sst>" + strings.Repeat("<si/>", 3_000_000) + "</sst>"}, ""), ErrArchiveBomb)
}

// TestCyclicBooks gives books whose parts lead to each other.
func TestCyclicBooks(t *testing.T) {
	opf := `<package><manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/><item id="b" href="book.opf" media-type="application/xhtml+xml"/>` +
		`<item id="c" href="../../x" media-type="application/xhtml+xml"/></manifest><spine>` + strings.Repeat(`<itemref idref="a"/><itemref idref="b"/><itemref idref="c"/>`, 20_000) + `</spine></package>`
	data := buildZip(t, map[string]string{
		"mimetype": epubType, "META-INF/container.xml": `<container><rootfile full-path="OPS/book.opf"/></container>`,
		"OPS/book.opf": opf, "OPS/a.xhtml": `<html><body><p>once</p></body></html>`, "pad": strings.Repeat("0123456789", 10),
	})
	doc, err := Extract(t.Context(), Input{Name: "x.epub", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(doc.Text, "once") != 1 || len(doc.Warnings) == 0 {
		t.Errorf("text %q with warnings %q, want the chapter once and a warning of what is missing", doc.Text, doc.Warnings)
	}
	protected := buildZip(t, map[string]string{
		"mimetype": epubType, "META-INF/container.xml": `<container><rootfile full-path="OPS/book.opf"/></container>`,
		"META-INF/encryption.xml": `<e><CipherReference URI="OPS/a.xhtml"/></e>`,
		"OPS/book.opf":            opf, "OPS/a.xhtml": `<html/>`,
	})
	wantError(t, "x.epub", protected, ErrEncrypted)
}

func TestFrontMatterBombs(t *testing.T) {
	laughs := "---\na: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a]\nc: [*b, *b, *b, *b, *b, *b, *b, *b]\nd: *a\n---\ntext\n"
	for _, s := range []string{laughs, "---\na: " + strings.Repeat("[", 60_000) + "\n---\ntext\n", "---\na: " + strings.Repeat("{a: ", 15_000) + "\n---\ntext\n", "---\na: " + strings.Repeat("x", 100_000) + "\n---\ntext\n", "---\na: [\n---\ntext\n"} {
		doc := mustExtract(t, "x.md", []byte(s))
		if len(doc.Warnings) == 0 || doc.Text != s {
			t.Errorf("front matter %.20q: warnings %q, want one, and the text as it is", s, doc.Warnings)
		}
	}
}

// TestCancelledFormats ends the context during the work.
func TestCancelledFormats(t *testing.T) {
	c := content{heading: "h", paragraphs: slices.Repeat([]string{"p"}, 5000), items: []string{"i"}, rows: [][]string{{"a", "b", "c"}, {"d", "e", "f"}}}
	for _, name := range []string{"x.docx", "x.pptx", "x.xlsx", "x.odt", "x.ods", "x.odp", "x.epub", "x.rtf", "x.json"} {
		data := builders[name](t, c)
		if _, err := Extract(&endingContext{Context: t.Context(), left: 1}, Input{Name: name, Data: data}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want context.Canceled", name, err)
		}
	}
}
