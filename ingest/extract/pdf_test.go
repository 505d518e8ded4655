package extract

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// show returns a content stream with one line of text.
func show(s string) string { return "BT /F1 12 Tf 72 700 Td (" + s + ") Tj ET" }

func TestPDFText(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"escapes", `BT /F1 12 Tf 72 700 Td (a\(b\)\\ \101\\n (nested) \q\
c) Tj ET`, `a(b)\ A\n (nested) qc`},
		{"hexadecimal", "BT /F1 12 Tf 72 700 Td <48 65 6C6c6F2> Tj ET", "Hello"},
		{"word gap", "BT /F1 10 Tf 72 700 Td [(two) -300 (words) -50 (joined) 3 (.)] TJ ET", "two wordsjoined."},
		{"lines", "BT /F1 10 Tf 12 TL 72 700 Td (one) Tj T* (two) Tj (three) ' 1 0 (four) \" ET", "one\ntwo\nthree\nfour"},
		{"paragraph gap", "BT /F1 10 Tf 72 700 Td (one) Tj 0 -12 TD (two) Tj 0 -30 Td (three) Tj ET", "one\ntwo\n\nthree"},
		{"absolute positions", "BT /F1 10 Tf 1 0 0 1 72 700 Tm (a) Tj 1 0 0 1 200 700 Tm (b) Tj ET", "a b"},
		{"scaled by the page", "q .1 0 0 .1 0 0 cm BT /F1 100 Tf 720 7000 Td (a) Tj 56 0 Td (b) Tj 0 -120 Td (c) Tj ET Q BT /F1 10 Tf 72 676 Td (d) Tj ET", "ab\nc\nd"},
		{"two columns in order", "BT /F1 10 Tf 72 700 Td (left one) Tj 0 -12 Td (left two.) Tj 200 12 Td (Right one) Tj 0 -12 Td (right two.) Tj ET", "left one\nleft two.\n\nRight one\nright two."},
		{"drawn twice for weight", "BT /F1 10 Tf 72 700 Td (Bold) Tj 0.2 0 Td (Bold) Tj 0 -12 Td (x) Tj ET", "Bold\nx"},
		{"spaced letters", "BT /F1 10 Tf 5 Tc 72 700 Td (Spaced) Tj ET", "Spaced"},
		{"superscript", "BT /F1 10 Tf 72 700 Td (m) Tj /F1 7 Tf 4 Ts (2) Tj 0 Ts /F1 10 Tf ( wide) Tj ET", "m2 wide"},
		{"inline image", "BI /W 2 /H 2 /BPC 8 /CS /G ID \x00(EI\xff)>> EI\n" + show("after"), "after"},
		{"more escapes", "BT /F1 12 Tf 72 700 Td (a\\tb\\r\\fc\\b\\\r\nd\\1015\\777) Tj ET % comment\n", "a b cdA5ÿ"},
		{"string without end", show("text") + " BT (open \\", "text"},
		{"deep arrays", strings.Repeat("[", 100) + "1" + strings.Repeat("]", 90) + " TJ " + show("text"), "text"},
		{"stray delimiters", ")>] } " + show("text") + " Q Q ) ET", "text"},
		{"missing operands", "Tf Td Tj TJ ' \" Tm cm Do q " + show("text"), "text"},
		{"unknown font", "BT /F9 12 Tf (lost) Tj /F1 12 Tf 72 700 Td (kept) Tj ET", "kept"},
		{"marked content", "/Span << /Lang (en) /X [1 << /Y (z) >>] >> BDC " + show("text") + " EMC", "text"},
		{"accents", "BT /F1 10 Tf 0 Tz 72 700 Td (\xb4) Tj (e) Tj (\xa8) Tj (\xb4) Tj (u) Tj (\xb4) Tj (1) Tj ET", "é¨ú´1"},
		{"no break space", "BT /F1 12 Tf 72 700 Td (a\xa0b) Tj ET", "a b"},
		{"infinite numbers", "BT /F1 " + strings.Repeat("9", 400) + " Tf 72 700 Td (x) Tj ET " + show("text"), "text"},
	}
	for _, tt := range tests {
		if doc := extractString(t, "x.pdf", buildPDF(tt.content)); doc.Text != tt.want {
			t.Errorf("%s: text %q, want %q", tt.name, doc.Text, tt.want)
		}
	}
}

func TestPDFPages(t *testing.T) {
	doc := extractString(t, "x.pdf", buildPDF(show("first"), "", show("third"), "BT (no font) Tj"))
	want := []Block{
		{Kind: Paragraph, Page: 1}, {Kind: Paragraph, Page: 3},
	}
	want[0].Span.End = len("first\n\n")
	want[1].Span.Start, want[1].Span.End = want[0].Span.End, len("first\n\nthird")
	if diff := cmp.Diff(want, doc.Blocks); diff != "" || doc.Pages != 4 || doc.Text != "first\n\nthird" {
		t.Errorf("text %q, pages %d, blocks (-want +got):\n%s", doc.Text, doc.Pages, diff)
	}
}

func TestPDFFormsAndFonts(t *testing.T) {
	toUnicode := "/CIDInit /ProcSet findresource begin\n1 begincodespacerange <0000> <ffff> endcodespacerange\n" +
		"2 beginbfchar <0001> <0048> <0002> <D83DDE00> endbfchar\n" +
		"2 beginbfrange <0010> <0012> <0061> <0020> <0021> [<FB01> <00A0>] endbfrange"
	form := show("before") + " 1 0 0 1 0 -20 cm /Self Do"
	cid := "BT /F2 10 Tf 72 500 Td <0001001000120020000200210011> Tj <7777> Tj ET"
	data := pdfOf("/Root 1 0 R /Info << /Title (\xfe\xff\x00T\x00\xef\x00l\x00e) >>",
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 /Resources << /Font << /F1 5 0 R /F2 6 0 R >> /XObject << /Fm 8 0 R >> >> >>",
		"<< /Type /Page /Parent 2 0 R /Contents [4 0 R 4 0 R] >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len("/Fm Do"), "/Fm Do"),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
		"<< /Type /Font /Subtype /Type0 /BaseFont /ABCDEF+Sans-Bold /Encoding /Identity-H /ToUnicode 7 0 R /DescendantFonts [<< /DW 500 /W [1 [600 700] 16 18 550] >>] >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(toUnicode), toUnicode),
		fmt.Sprintf("<< /Type /XObject /Subtype /Form /Matrix [1 0 0 1 0 0] /Resources << /Font << /F1 5 0 R /F2 6 0 R >> /XObject << /Self 8 0 R >> >> /Length %d >>\nstream\n%s\nendstream", len(form+" "+cid), form+" "+cid))
	doc := extractString(t, "x.pdf", data)
	if !strings.Contains(doc.Text, "before") || !strings.Contains(doc.Text, "Hacfi😀 b") {
		t.Errorf("text %q lacks the text of the form or of its composite font", doc.Text)
	}
	if doc.Title != "Tïle" {
		t.Errorf("title %q, want %q", doc.Title, "Tïle")
	}
	if len(doc.Warnings) != 1 || !strings.Contains(doc.Warnings[0], "glyphs are left out") {
		t.Errorf("warnings %q, want one about glyphs left out", doc.Warnings)
	}
}

func TestPDFInfoTitle(t *testing.T) {
	for title, want := range map[string]string{
		" A title ": "A title", "Microsoft Word - draft": "", "report.docx": "", "Untitled": "", "0000320193-22": "",
		"\xef\xbb\xbfÜber": "Über", "bad \xff": "bad \uFFFD", "Version 1.2": "Version 1.2",
	} {
		if got := pdfInfoTitle(title); got != want {
			t.Errorf("pdfInfoTitle(%q) = %q, want %q", title, got, want)
		}
	}
}

func TestPDFRepairs(t *testing.T) {
	good := buildPDF(show("text"))
	for name, data := range map[string]string{
		"leading junk":         "HTTP/1.1 200 OK\r\n\r\n" + good,
		"version 2.0":          strings.Replace(good, "%PDF-1.4", "%PDF-2.0", 1),
		"blank behind version": strings.Replace(good, "%PDF-1.4\n", "%PDF-1.4 ", 1),
		"trailing junk":        good + strings.Repeat("\x00", 5000),
		"no end marker":        strings.TrimSuffix(good, "%%EOF\n"),
		"cycle of sections":    strings.Replace(good, "/Root 1 0 R", fmt.Sprintf("/Root 1 0 R /Prev %07d", strings.LastIndex(good, "xref\n0")), 1),
		"huge size":            strings.Replace(good, "/Size 6", "/S#69ze 2000000000", 1),
		"huge subsection":      strings.Replace(good, "xref\n0 6", "xref\n2000000000 6", 1),
		"wrong offsets":        strings.Replace(good, "%PDF-1.4\n", "%PDF-1.4\n%\n", 1),
		"no cross-references":  good[:strings.Index(good, "xref\n0")],
		"old object numbers":   good + "9 0 obj << /Type /XObject >> endobj",
	} {
		doc, err := Extract(t.Context(), Input{Name: "x.pdf", MediaType: "application/pdf", Data: []byte(data)})
		if err != nil || doc.Text != "text" {
			t.Errorf("%s: text %q, error %v", name, doc.Text, err)
		}
	}
}

// xrefStream returns a file of objects by number, of which held are in object
// streams, by the number of the stream, and the last is a cross-reference
// stream.
func xrefStream(objects map[int]string, held map[int]int) string {
	var b, rows strings.Builder
	b.WriteString("%PDF-1.5\n")
	last := max(slices.Max(slices.Collect(maps.Keys(objects))), 9) + 1
	for n := range last {
		switch object, ok := objects[n]; {
		case held[n] > 0:
			rows.Write([]byte{2, 0, byte(held[n]), 0})
		case ok:
			rows.Write([]byte{1, byte(b.Len() >> 8), byte(b.Len()), 0})
			fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", n, object)
		default:
			rows.Write(make([]byte, 4))
		}
	}
	at := b.Len()
	fmt.Fprintf(&b, "%d 0 obj\n<< /Type /XRef /Size %d /W [1 2 1] /Root 1 0 R /Length %d >>\nstream\n%s\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n",
		last, last+1, rows.Len(), rows.String(), at)
	return b.String()
}

// TestPDFObjectStreams has one font in an object stream, of which the others
// are hostile: the library would recurse or loop without end.
func TestPDFObjectStreams(t *testing.T) {
	const font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
	container := func(dict, content string) string {
		return fmt.Sprintf("<< /Type /ObjStm %s /Length %d >>\nstream\n%s\nendstream", dict, len(content), content)
	}
	packed := deflate(t, "5 0 "+font)
	tests := []struct {
		name, stream string
		held         map[int]int
		want         string
	}{
		{"plain", container("/N 1 /First 4", "5 0 "+font), map[int]int{5: 6}, "text"},
		{"packed", container("/N 1 /First 4 /Filter /FlateDecode", packed), map[int]int{5: 6}, "text"},
		{"two objects", container("/N 2 /First 9", "7 0 5 5 \n null "+font), map[int]int{5: 6, 7: 6}, "text"},
		{"in itself", "", map[int]int{5: 5}, ""},
		{"in each other", "", map[int]int{5: 6, 6: 5}, ""},
		{"length in itself", container("/N 7 0 R /First 4", "5 0 "+font), map[int]int{5: 6, 7: 6}, ""},
		{"extends itself", container("/N 1 /First 4 /Extends 6 0 R", "9 0 "+font), map[int]int{5: 6}, ""},
		{"string without end", container("/N 1 /First 4", "5 0 <48"), map[int]int{5: 6}, ""},
		{"huge number", container("/N 9000000000000000000 /First 4", "9 0 "+font), map[int]int{5: 6}, ""},
		{"missing", "", map[int]int{5: 6}, ""},
	}
	for _, tt := range tests {
		objects := map[int]string{
			1: "<< /Type /Catalog /Pages 2 0 R >>", 2: "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
			3: "<< /Type /Page /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
			4: fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(show("text")), show("text")),
		}
		if tt.stream != "" {
			objects[6] = tt.stream
		}
		data := xrefStream(objects, tt.held)
		doc, err := Extract(t.Context(), Input{Name: "x.pdf", Data: []byte(data)})
		if doc.Text != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%s: text %q, error %v, want text %q", tt.name, doc.Text, err, tt.want)
		}
		if tt.want == "" {
			continue
		}
		damaged := strings.Replace(data, "startxref", "startxxxx", 1)
		if doc, err := Extract(t.Context(), Input{Name: "x.pdf", Data: []byte(damaged)}); err != nil || doc.Text != tt.want || len(doc.Warnings) != 1 {
			t.Errorf("%s, damaged: text %q, error %v, warnings %q", tt.name, doc.Text, err, doc.Warnings)
		}
	}
}

func deflate(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPDFBombs has what a small file can ask for much memory or time with.
func TestPDFBombs(t *testing.T) {
	stream := func(dict, content string) string {
		return fmt.Sprintf("<< %s /Length %d >>\nstream\n%s\nendstream", dict, len(content), content)
	}
	const helvetica = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
	const composite = "<< /Type /Font /Subtype /Type0 /ToUnicode 6 0 R /DescendantFonts [<< >>] >>"
	text := stream("", show("text"))
	tests := []struct {
		name     string
		contents string
		font     string
		more     string
		want     error
	}{
		{"filters", stream("/Filter ["+strings.Repeat("/FlateDecode ", 3000)+"]", deflate(t, "x")), helvetica, "", ErrEmpty},
		{"rows", stream("/Filter [/FlateDecode] /DecodeParms [<< /Predictor 12 /Columns 4000000000 >>]", deflate(t, "x")), helvetica, "", ErrEmpty},
		{"flate", stream("/Filter /FlateDecode", deflate(t, strings.Repeat("\x00", maxStreamBytes+1))), helvetica, "", ErrEmpty},
		{"operands", stream("/Filter /FlateDecode", deflate(t, "["+strings.Repeat("["+strings.Repeat("1 ", 60000)+"]", 5)+"] TJ")), helvetica, "", ErrEmpty},
		{"characters", text, composite, stream("", "beginbfrange <0000> <ffff> <"+strings.Repeat("0041", 1<<12)+">"), ErrEmpty},
		{"text", stream("/Filter /FlateDecode", deflate(t, "BT /F1 1 Tf ("+strings.Repeat("aa", 2<<20)+") Tj")), composite,
			stream("", "beginbfchar <6161> <"+strings.Repeat("4e2d", 16)+">"), ErrTooLarge},
		{"depth", text, strings.Repeat("<< /A ", 5000), "", ErrEmpty},
	}
	for _, tt := range tests {
		data := pdfOf("/Root 1 0 R", "<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
			"<< /Type /Page /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>", tt.contents, tt.font, tt.more)
		if doc, err := Extract(t.Context(), Input{Name: "x.pdf", Data: []byte(data)}); !errors.Is(err, tt.want) {
			t.Errorf("%s: text of %d bytes, error %v, want %v", tt.name, len(doc.Text), err, tt.want)
		}
	}
}

func TestUnpredict(t *testing.T) {
	rows := []byte{
		0, 1, 2, 3, // none: 1 2 3
		1, 1, 1, 1, // left: 1 2 3
		2, 1, 1, 1, // above: 2 3 4
		3, 1, 1, 1, // mean: 2 3 4
		4, 1, 1, 1, // Paeth: 3 4 5
	}
	want := []byte{1, 2, 3, 1, 2, 3, 2, 3, 4, 2, 3, 4, 3, 4, 5}
	if diff := cmp.Diff(want, unpredict(rows, 3)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestMapStrings(t *testing.T) {
	got := string(mapStrings([]byte("<</A(x\\)(y))/B<48>%(\n/C[/D 1 0 R(z)]>>"), bytes.ToUpper))
	if want := "<</A<5829285929>/B<48> /C[/D 1 0 R<5a>]>>"; got != want {
		t.Errorf("source %q, want %q", got, want)
	}
}

func TestPDFRefused(t *testing.T) {
	good := buildPDF(show("text"))
	id := "/ID [<00><00>] /Encrypt << /Filter /Standard"
	ou := fmt.Sprintf(" /O (%s) /U (%s) /P -4", strings.Repeat("o", 32), strings.Repeat("u", 32))
	tests := []struct {
		name, data string
		want       error
		say        string
	}{
		{"password", strings.Replace(good, "/Root 1 0 R", "/Root 1 0 R "+id+" /V 2 /R 3 /Length 128"+ou+" >>", 1), ErrEncrypted, "password"},
		{"AES-256", strings.Replace(good, "/Root 1 0 R", "/Root 1 0 R "+id+" /V 5 /R 6 /Length 256"+ou+" >>", 1), ErrEncrypted, "encrypt"},
		{"no text", buildPDF("0 0 m 10 10 l S", ""), ErrEmpty, "OCR"},
		{"no pages", pdfOf("/Root 1 0 R", "<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [] /Count 0 >>"), ErrMalformed, "no pages"},
		{"no catalogue", pdfOf("", "<< >>"), ErrMalformed, "catalogue"},
		{"truncated", good[:len(good)/2], ErrMalformed, "page tree"},
		{"header only", "%PDF-1.4\n", ErrMalformed, "open"},
		{"cyclic page tree", pdfOf("/Root 1 0 R", "<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 >>"), ErrMalformed, "cyclic"},
	}
	for _, tt := range tests {
		_, err := Extract(t.Context(), Input{Name: "x.pdf", Data: []byte(tt.data)})
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.say) || !strings.HasPrefix(err.Error(), "extract x.pdf: ") {
			t.Errorf("%s: error %v, want %v that mentions %q", tt.name, err, tt.want, tt.say)
		}
	}
}

func TestPDFKeepsOtherPages(t *testing.T) {
	// The second page has a filter that nobody knows.
	data := strings.Replace(buildPDF(show("one"), show("two"), show("three")), fmt.Sprintf("/Length %d >>\nstream\n%s", len(show("two")), show("two")),
		fmt.Sprintf("/Length %d/Filter/X>>\nstream\n%s", len(show("two")), show("two")[:len(show("two"))-8]), 1)
	doc := extractString(t, "x.pdf", data)
	if doc.Text != "one\n\nthree" || doc.Pages != 3 || len(doc.Warnings) != 1 || !strings.HasPrefix(doc.Warnings[0], "page 2: ") {
		t.Errorf("text %q, pages %d, warnings %q, want pages 1 and 3 and a warning about page 2", doc.Text, doc.Pages, doc.Warnings)
	}
}

// TestPDFFormsHaveAnEnd gives forms that draw each other: without a bound the
// eight levels would be ten to the power of eight forms.
func TestPDFFormsHaveAnEnd(t *testing.T) {
	content := strings.Repeat("/Fm Do ", 10)
	data := pdfOf("/Root 1 0 R", "<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 /Resources << /Font << /F1 5 0 R >> /XObject << /Fm 6 0 R >> >> >>",
		"<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(show("text")+content), show("text")+content),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
		fmt.Sprintf("<< /Type /XObject /Subtype /Form /Length %d >>\nstream\n%s\nendstream", len(content), content))
	doc := extractString(t, "x.pdf", data)
	if doc.Text != "text" || len(doc.Warnings) != 1 {
		t.Errorf("text %q, warnings %q, want the text and one warning", doc.Text, doc.Warnings)
	}
}

func TestParsePDFNumber(t *testing.T) {
	for s, want := range map[string]float64{"1": 1, "-2.5": -2.5, "+.5": 0.5, "4.": 4, "--3": -3, "1.2.3": 1.2, "5-3": 5, "0.0001": 0.0001} {
		if got, ok := parsePDFNumber([]byte(s)); !ok || got != want {
			t.Errorf("parsePDFNumber(%s) = %v, %v, want %v", s, got, ok, want)
		}
	}
	for _, s := range []string{"", "-", "+-", "x"} {
		if got, ok := parsePDFNumber([]byte(s)); ok {
			t.Errorf("parsePDFNumber(%q) = %v, want no number", s, got)
		}
	}
}

func TestGlyphText(t *testing.T) {
	tests := []struct {
		name, decoded string
		code          int
		want          string
	}{
		{"eacute", "é", 1, "é"}, {"uni20AC", "\x01", 1, "€"}, {"u1F600", "\x01", 1, "😀"}, {"f_f_i", "\x01", 1, "ffi"}, {"a.sc", "\x01", 1, ""},
		{"ffi", "\x01", 1, "ffi"}, {".notdef", "A", 65, ""}, {"A", "A", 65, "A"}, {"uniD800", "\x01", 1, "\uFFFD"}, {"g12", "\x01", 1, ""}, {"fi", "ﬁ", 2, "fi"},
	}
	for _, tt := range tests {
		if got := glyphText(tt.name, tt.decoded, tt.code); got != tt.want {
			t.Errorf("glyphText(%s, %q, %d) = %q, want %q", tt.name, tt.decoded, tt.code, got, tt.want)
		}
	}
}

// FuzzPDF fuzzes whole files.
func FuzzPDF(f *testing.F) {
	f.Add([]byte(buildPDF(show("one"), show("two"))))
	f.Add([]byte(xrefStream(map[int]string{1: "<< /Type /Catalog /Pages 2 0 R >>", 6: "<< /Type /ObjStm /N 1 /First 4 /Length 9 >>\nstream\n2 0 << >>\nendstream"}, map[int]int{2: 6})))
	if data, err := os.ReadFile("testdata/handbook.pdf"); err == nil {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		fuzzExtract(t, "x.pdf", "application/pdf", string(data))
	})
}

// FuzzPDFContent fuzzes what a page draws.
func FuzzPDFContent(f *testing.F) {
	f.Add([]byte("q 1 0 0 1 0 0 cm BT /F1 12 Tf [(a) -200 (b)] TJ T* (c) ' ET Q"))
	f.Add([]byte("BI ID \x00 EI << /A [1 (x\\051) <3c>] >> BDC /F1 9 Tf 1 1 (d) \" 50 Tz 3 Ts 2 Tr"))
	f.Fuzz(func(t *testing.T, content []byte) {
		data := buildPDF(string(content), show("x"))
		fuzzExtract(t, "x.pdf", "application/pdf", data)
		// Here, where the objects are good, the library has nothing to panic
		// about, and a panic while a page is drawn is ours.
		doc, _ := extract(t.Context(), Input{Name: "x.pdf", Data: []byte(data)})
		for _, w := range doc.Warnings {
			if strings.Contains(w, "runtime error") {
				t.Errorf("panic: %s", w)
			}
		}
	})
}

// FuzzToUnicode fuzzes the mapping of codes.
func FuzzToUnicode(f *testing.F) {
	f.Add([]byte("beginbfrange <00> <ff> <0041> <0000> <ffff> [<0061> <00620063>] endbfrange beginbfchar <1> <d800> endbfchar"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if m := parseToUnicode(data); len(m) > 1<<16 {
			t.Errorf("%d entries", len(m))
		}
	})
}

// TestPDFEncodings shows the same codes in fonts that give them other meanings.
func TestPDFEncodings(t *testing.T) {
	tests := []struct{ name, font, content, want string }{
		{"standard", "/Subtype /Type1 /BaseFont /Times-Roman", `(a\047\140\256 \(A\))`, "a’‘fi (A)"},
		{"WinAnsi", "/Subtype /TrueType /Encoding /WinAnsiEncoding", `(\200 \351\r\225)`, "€ é •"},
		{"MacRoman", "/Subtype /Type1 /Encoding /MacRomanEncoding", `(caf\216)`, "café"},
		{"symbol", "/Subtype /Type1 /BaseFont /Symbol", `(\267 x)`, "• x"},
		{"Differences", "/Subtype /Type1 /Encoding << /BaseEncoding /WinAnsiEncoding /Differences [1 /eacute /f_i /uni20AC 5 /a /nobody 300 /b] >>", `(\1\2\3\5\6z)`, "éfi€az"},
		{"name with escapes", "/Subtype /Type1 /Encoding << /Differences [1 /e#61cute] >>", `(\1)`, "é"},
		{"TeX T1 bitmaps", "/Subtype /Type3 /FontMatrix [.01 0 0 .01 0 0] /FirstChar 0 /Widths [50] /Encoding << /Differences [16 /a16 /a17 27 /a27 /a28 65 /a65] >>", `(\20A\33\34\21)`, "“Afffi”"},
		{"TeX OT1 bitmaps", "/Subtype /Type3 /FontMatrix [.01 0 0 .01 0 0] /Encoding << /Differences [11 /a11 /a12 25 /a25 65 /a65 92 /a92] >>", `(\134A\13\31)`, "“Affß"},
		{"wide without map", "/Subtype /Type0 /Encoding /UniGB-UCS2-H /DescendantFonts [<< /W [0 65535 500] >>]", "<4E2D6587>", "中文"},
		{"damaged map", "/Subtype /Type1 /ToUnicode 1 0 R", "(plain)", "plain"},
	}
	for _, tt := range tests {
		data := pdfOf("/Root 1 0 R", "<< /Type /Catalog /Pages 2 0 R >>",
			"<< /Type /Pages /Kids [3 0 R] /Count 1 /Resources << /Font << /F#31 5 0 R >> >> >>",
			"<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>",
			fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(tt.content)+37, "BT /F#31 10 Tf 1 Tr 72 700 Td "+tt.content+" Tj ET "),
			"<< /Type /Font "+tt.font+" >>")
		if doc := extractString(t, "x.pdf", data); doc.Text != tt.want {
			t.Errorf("%s: text %q, want %q", tt.name, doc.Text, tt.want)
		}
	}
}

func TestBuiltinEncoding(t *testing.T) {
	program := "%!PS\n/Encoding 256 array\ndup 65/alpha put dup 66 /ffi put dup 999 /x put\nreadonly def currentfile eexec dup 68 /beta put"
	if diff := cmp.Diff(map[int]string{65: "alpha", 66: "ffi"}, builtinEncoding([]byte(program))); diff != "" {
		t.Errorf("encoding (-want +got):\n%s", diff)
	}
}
