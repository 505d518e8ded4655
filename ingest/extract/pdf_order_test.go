package extract

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReadingOrder has a page that is drawn from top to bottom across its two
// columns, with a title over both and a footnote below both.
func TestReadingOrder(t *testing.T) {
	content := line(150, 740, 18, "F1", "Stones and Streams")
	want := []string{"Stones and Streams", ""}
	var left, right []string
	for i := range 12 {
		l, r := fmt.Sprintf("left line %02d is about stones in the river,", i), fmt.Sprintf("right line %02d is about streams in the hills,", i)
		y := 700 - float64(i)*12
		content += line(72, y, 10, "F1", l) + line(320, y, 10, "F1", r)
		left, right = append(left, l), append(right, r)
	}
	content += line(72, 540, 8, "F1", "1 A note that is as wide as both columns together, and stands below them at the foot of the page it is on.")
	want = append(append(want, left...), right...)
	want = append(want, "", "1 A note that is as wide as both columns together, and stands below them at the foot of the page it is on.")
	got := extractString(t, "x.pdf", buildPDF2(content)).Text
	if diff := cmp.Diff(want, strings.Split(got, "\n")); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	// The same page with more columns.
	content = ""
	var columns [3][]string
	for i := range 10 {
		for c := range columns {
			s := fmt.Sprintf("column %d, line %02d, is as long", c, i)
			content += line(60+float64(c)*170, 700-float64(i)*12, 10, "F1", s)
			columns[c] = append(columns[c], s)
		}
	}
	got = extractString(t, "x.pdf", buildPDF2(content)).Text
	if want := strings.Join(append(append(columns[0], columns[1]...), columns[2]...), "\n"); strings.ReplaceAll(got, "\n\n", "\n") != want {
		t.Errorf("three columns: %q, want %q", got, want)
	}
}

// TestReadingOrderOfTables: the cells of a table stay in their rows.
func TestReadingOrderOfTables(t *testing.T) {
	content := ""
	var want []string
	for i := range 12 {
		a, b := fmt.Sprintf("Item %c of the list", 'A'+i), fmt.Sprintf("%d.%02d", i*3, i)
		content += line(72, 700-float64(i)*14, 10, "F1", a) + line(320, 700-float64(i)*14, 10, "F1", b)
		want = append(want, a+" "+b)
	}
	doc := extractString(t, "x.pdf", buildPDF2(content))
	if diff := cmp.Diff(want, strings.Split(doc.Text, "\n")); diff != "" || doc.Blocks[0].Kind != Table {
		t.Errorf("a %s, rows (-want +got):\n%s", doc.Blocks[0].Kind, diff)
	}
}

func TestFootnoteBetweenColumns(t *testing.T) {
	content := line(72, 112, 10, "F1", "The text of the left column has lines") + line(72, 100, 10, "F1", "and ends in the middle of a sen-") +
		line(72, 72, 8, "F1", "1 A footnote of the left column.") +
		line(350, 700, 10, "F1", "tence, and goes on over here.") + line(350, 688, 10, "F1", "Then it ends.")
	want := "The text of the left column has lines\nand ends in the middle of a sentence,\nand goes on over here.\nThen it ends.\n\n1 A footnote of the left column."
	if got := extractString(t, "x.pdf", buildPDF2(content)).Text; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
}

func TestTableRows(t *testing.T) {
	tests := []struct {
		name, content string
		want          []string
	}{
		{"a wrapped last cell",
			line(72, 700, 10, "F1", "Fee") + line(160, 700, 10, "F1", "Amount") + line(260, 700, 10, "F1", "Remark") +
				line(72, 680, 10, "F1", "Copy") + line(160, 680, 10, "F1", "0.20") + line(260, 680, 10, "F1", "for each page, if it is") + line(260, 668, 10, "F1", "black and white") +
				line(72, 648, 10, "F1", "Scan") + line(160, 648, 10, "F1", "0.50") + line(260, 648, 10, "F1", "for each page"),
			[]string{"Fee Amount Remark", "Copy 0.20 for each page, if it is black and white", "Scan 0.50 for each page"}},
		{"a wrapped first cell, cell by cell",
			line(72, 700, 10, "F1", "Service") + line(260, 700, 10, "F1", "Amount") + line(330, 700, 10, "F1", "Tax") +
				line(72, 680, 10, "F1", "Copy of a page that") + line(72, 668, 10, "F1", "is not bound") + line(260, 680, 10, "F1", "0.20") + line(330, 680, 10, "F1", "0.04") +
				line(72, 648, 10, "F1", "Scan") + line(260, 648, 10, "F1", "0.50") + line(330, 648, 10, "F1", "0.10"),
			[]string{"Service Amount Tax", "Copy of a page that is not bound 0.20 0.04", "Scan 0.50 0.10"}},
		{"a row label",
			line(72, 700, 10, "F1", "Item") + line(260, 700, 10, "F1", "Amount") + line(72, 686, 10, "F1", "Seals:") +
				line(72, 672, 10, "F1", "S-1") + line(260, 672, 10, "F1", "0.20") + line(72, 658, 10, "F1", "S-2") + line(260, 658, 10, "F1", "0.50"),
			[]string{"Item Amount", "Seals:", "S-1 0.20", "S-2 0.50"}},
	}
	for _, tt := range tests {
		doc := extractString(t, "x.pdf", buildPDF2(tt.content))
		if diff := cmp.Diff(tt.want, strings.Split(doc.Text, "\n")); diff != "" || doc.Blocks[0].Kind != Table {
			t.Errorf("%s: a %s, rows (-want +got):\n%s", tt.name, doc.Blocks[0].Kind, diff)
		}
	}
}

func TestLogicalOrder(t *testing.T) {
	tests := []struct{ drawn, want string }{
		{"plain text 12", "plain text 12"},
		{"םולש", "שלום"},
		{"!םלוע ,םולש", "שלום, עולם!"},
		{"2026 תנשב 1,234.50", "1,234.50 בשנת 2026"},
		{"(רגסומ) ןאכ", "כאן (מוסגר)"},
		{"PDF ץבוק אוה הז", "זה הוא קובץ PDF"},
		{"the word םולש in English", "the word שלום in English"},
		{"ةيبرعلا", "العربية"},
		{"\u05dd\u05d5\u05bc\u05dc", "\u05dc\u05d5\u05bc\u05dd"},
	}
	for _, tt := range tests {
		if got := logicalOrder(tt.drawn); got != tt.want {
			t.Errorf("logicalOrder(%q) = %q, want %q", tt.drawn, got, tt.want)
		}
	}
}

// TestRightToLeft draws a Hebrew word letter by letter, from right to left and
// from left to right, with a number behind it.
func TestRightToLeft(t *testing.T) {
	const toUnicode = "beginbfrange <0041> <005a> <05d0> endbfrange beginbfchar <0020> <0020> <0031> <0031> <0032> <0032> endbfchar"
	file := func(content string) string {
		return pdfOf("/Root 1 0 R", "<< /Type /Catalog /Pages 2 0 R >>",
			"<< /Type /Pages /Kids [3 0 R] /Resources << /Font << /F1 5 0 R >> >> >>", "<< /Type /Page /Contents 4 0 R >>", pdfStreamOf("", content),
			"<< /Type /Font /Subtype /Type0 /Encoding /Identity-H /ToUnicode 6 0 R /DescendantFonts [<< /DW 500 >>] >>", pdfStreamOf("", toUnicode))
	}
	glyph := func(x float64, codes string) string {
		return fmt.Sprintf("BT /F1 10 Tf %g 700 Td <%s> Tj ET ", x, codes)
	}
	const want = "אבג דה 12"
	backwards := glyph(200, "0041") + glyph(195, "0042") + glyph(190, "0043") + glyph(182, "0044") + glyph(177, "0045") + glyph(164, "00310032")
	forwards := glyph(164, "00310032") + glyph(177, "00450044") + glyph(190, "004300420041")
	for name, content := range map[string]string{"backwards": backwards, "forwards": forwards} {
		if got := extractString(t, "x.pdf", file(content)).Text; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
