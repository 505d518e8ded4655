package extract

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestXLSX(t *testing.T) {
	parts := map[string]string{
		"xl/sharedStrings.xml": `<sst><si><t>Ferry</t></si><si><r><t>Pel</t></r><r><t xml:space="preserve">ikan </t></r><rPh><t>no</t></rPh></si></sst>`,
		"xl/styles.xml": `<styleSheet><numFmts><numFmt numFmtId="164" formatCode="dd/mm/yyyy"/></numFmts><cellStyleXfs><xf numFmtId="9"/></cellStyleXfs>` +
			`<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="10"/></cellXfs></styleSheet>`,
		"xl/worksheets/_rels/sheet1.xml.rels": buildRels("comments", "/xl/comments1.xml"),
		"xl/comments1.xml":                    `<comments><commentList><comment ref="B2"><text><r><t>Seen </t></r><r><t>twice</t></r></text></comment><comment ref="C1"><text/></comment></commentList></comments>`,
		"docProps/core.xml":                   `<p><dc:title xmlns:dc="d">Log</dc:title></p>`,
	}
	sheet := `<row><c t="s"><v>0</v></c><c t="inlineStr"><is><t>Date</t></is></c><c t="str"><f>X</f><v>Full</v></c></row>` +
		`<row><c t="s"><v>1</v></c><c s="1"><v>45717</v></c><c s="2"><v>0.125</v></c></row>` +
		`<row><c r="B3" t="b"><v>1</v></c><c r="C3" t="e"><v>#N/A</v></c></row>` +
		`<row r="5"><c r="A5"><f>SUM(A1)</f></c></row><row r="7"><c r="AA7" t="d"><v>2025-03-01</v></c></row><row r="8"/>`
	doc := mustExtract(t, "x.xlsx", buildXLSX(t, parts, sheet, "", inlineRow(1, "a", "b")+inlineRow(2, "c", "", "")))
	want := []string{
		`heading 1 p1 "Sheet1"`,
		`row 0 p1 "Ferry | Date | Full"`,
		`row 0 p1 "Ferry: Pelikan | Date: 2025-03-01 | Full: 12.50%"`,
		`row 0 p1 "Date: TRUE | Full: #N/A"`,
		`row 0 p1 "=SUM(A1)"`,
		`row 0 p1 "2025-03-01"`,
		`paragraph 0 p1 "B2: Seen twice"`,
		`heading 1 p3 "Sheet3"`,
		`row 0 p3 "a | b"`,
		`row 0 p3 "c"`,
	}
	if diff := cmp.Diff(want, kindsOf(doc)); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
	if doc.Title != "Log" || doc.Pages != 3 {
		t.Errorf("title %q, %d pages, want Log and 3", doc.Title, doc.Pages)
	}
}

func TestColumnNames(t *testing.T) {
	// Cells are words, but for what begins with #, which is a number; _ is none.
	tests := []struct {
		name string
		rows []string
		want string // of the second row
	}{
		{"words", []string{"Name Town", "Ana #3", "Ola #4"}, "Name: Ana | Town: 3"},
		{"three columns of words", []string{"Name Town Role", "Ana Bergen cook"}, "Name: Ana | Town: Bergen | Role: cook"},
		{"terms and values", []string{"Name Ana", "Age #30"}, "Age | 30"},
		{"terms and words", []string{"Name Ana", "Town Bergen", "Role cook"}, "Town | Bergen"},
		{"years", []string{"_ #2023 #2024", "Cars #1 #2"}, "Cars | 2023: 1 | 2024: 2"},
		{"numbers", []string{"a #1 #2", "b #3 #4"}, "b | 3 | 4"},
		{"twice the same", []string{"a a b", "c d e"}, "c | d | e"},
		{"a column without a name", []string{"a b", "c d e"}, "c | d | e"},
		{"left out", []string{"a #1990 c", "_ d"}, "1990: d"},
		{"gaps", []string{"#1 #2 #3 #4", "a _ _ b"}, "a | | | b"},
	}
	for _, tt := range tests {
		w := &sheetWriter{out: &blockWriter{}}
		for _, line := range tt.rows {
			var cells []cell
			for i, s := range strings.Fields(line) {
				if text, number := strings.CutPrefix(s, "#"); s != "_" {
					cells = append(cells, cell{column: i, text: text, number: number})
				}
			}
			if err := w.row(cells); err != nil {
				t.Fatal(err)
			}
		}
		w.endTable()
		if got := strings.Split(w.out.b.String(), "\n")[1]; got != tt.want {
			t.Errorf("%s: second row %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestNumberFormat(t *testing.T) {
	tests := []struct{ code, value, want string }{
		{"", "0.30000000000000004", "0.3"}, {"", "1234567890123", "1234567890123"}, {"", "1E+22", "1e+22"}, {"", "-5", "-5"}, {"", "x", "x"},
		{"General", "1.5", "1.5"}, {"0", "1.5", "2"}, {"0.00", "1.005", "1.00"}, {"#,##0", "1234567", "1,234,567"}, {"#,##0", "-999", "-999"},
		{"#,##0.00;[Red]-#,##0.00", "-1234.5", "-1,234.50"}, {"0.0#", "1.5", "1.5"}, {"0.0#", "1.25", "1.25"}, {"0%", "0.07", "7%"}, {"0.0%", "1", "100.0%"},
		{`"$"#,##0.00`, "3", "$3.00"}, {`[$€-407] #,##0.00`, "3", "€ 3.00"}, {`0.0 "kg"`, "3", "3.0 kg"}, {`0\ \m`, "3", "3 m"}, {`_-* #,##0.00_-`, "3", "3.00"},
		{`0.0,,"M"`, "2500000", "2.5M"}, {"0.00E+00", "12345", "12345"}, {"# ?/?", "0.5", "0.5"}, {"@", "7", "7"}, {"[>100]0.0;0", "7", "7"},
		{`"open`, "7", "7"}, {"[open", "7", "7"}, {strings.Repeat("0", 300), "7", "7"}, {"0." + strings.Repeat("0", 20), "7", "7"},
		{"yyyy-mm-dd", "45717", "2025-03-01"}, {"d/m/yy", "45717.99999999", "2025-03-02"}, {"mmm-yy", "45717", "2025-03"}, {"d-mmm", "45717", "2025-03-01"},
		{"yyyy-mm-dd hh:mm:ss", "45717.5", "2025-03-01 12:00"}, {"m/d/yy h:mm", "45717.25003", "2025-03-01 06:00:03"}, {"h:mm AM/PM", "0.75", "18:00"},
		{"mm:ss", "0.0425", "01:01:12"}, {"[h]:mm", "1.5", "36:00"}, {"h:mm", "45717.5", "12:00"}, {"yyyy", "45717", "2025-03-01"},
		{"yyyy-mm-dd", "1", "1900-01-01"}, {"yyyy-mm-dd", "59", "1900-02-28"}, {"yyyy-mm-dd", "61", "1900-03-01"}, {"yyyy-mm-dd", "-1", "-1"}, {"yyyy-mm-dd", "1e9", "1000000000"},
	}
	for _, tt := range tests {
		if got := parseNumberFormat(tt.code).format(tt.value, false); got != tt.want {
			t.Errorf("%s in the format %.40q = %q, want %q", tt.value, tt.code, got, tt.want)
		}
	}
	if got := parseNumberFormat("yyyy-mm-dd").format("0", true); got != "1904-01-01" {
		t.Errorf("day 0 of the calendar of 1904 = %q, want 1904-01-01", got)
	}
	for id, code := range builtinFormats {
		if f := parseNumberFormat(code); f == (numberFormat{}) {
			t.Errorf("the format %d, %q, is not understood", id, code)
		}
	}
}

func FuzzXLSX(f *testing.F) {
	f.Add(inlineRow(1, "Name", "Price")+inlineRow(2, "a", "b"), "<sst><si><t>a</t></si></sst>", `<s><numFmt numFmtId="164" formatCode="0.0 &quot;m&quot;"/><cellXfs><xf numFmtId="164"/></cellXfs></s>`)
	f.Add(`<row r="9"><c r="XFD9" t="s" s="0"><v>0</v></c></row>`, "<sst><si><r><t>a</t></r><rPh><t>b</t></rPh></si></sst>", "")
	f.Fuzz(func(t *testing.T, sheet, strings, styles string) {
		data := buildXLSX(t, map[string]string{"xl/sharedStrings.xml": strings, "xl/styles.xml": styles}, sheet)
		fuzzExtract(t, "x.xlsx", xlsxType, string(data))
	})
}

func FuzzNumberFormat(f *testing.F) {
	f.Add("#,##0.00;[Red]-#,##0.00", "1.5", false)
	f.Add("[h]:mm:ss.0", "45717.25", true)
	f.Fuzz(func(t *testing.T, code, value string, date1904 bool) {
		_ = parseNumberFormat(code).format(value, date1904)
	})
}
