package extract

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSmell(t *testing.T) {
	page := func(glyphs, unmapped int, lines ...string) pdfPageText {
		p := pdfPageText{glyphs: glyphs, unmapped: unmapped}
		for _, s := range lines {
			p.lines = append(p.lines, pdfLine{text: s})
		}
		return p
	}
	repeat := func(s string) string { return strings.Repeat(s, 30) }
	tests := []struct {
		name  string
		page  pdfPageText
		smell bool
	}{
		{"text", page(900, 0, repeat("The wheel turns for four hours. ")), false},
		{"German", page(900, 0, repeat("Die Bundesgartenschau öffnet im Frühjahr. ")), false},
		{"Chinese", page(900, 0, repeat("潮汐磨坊在满潮时蓄水，落潮时转动水轮。")), false},
		{"Russian", page(900, 0, repeat("Мельница стоит у моря. ")), false},
		{"numbers", page(900, 0, repeat("1,234 (56) 7.8 % ")), false},
		{"few glyphs", page(10, 10), false},
		{"nothing", page(0, 0), false},
		{"an error", pdfPageText{err: errPDFLimit}, true},
		{"unmapped glyphs", page(100, 6, "Some text"), true},
		{"replacement characters", page(100, 0, repeat("a\uFFFD b c\uFFFD word ")), true},
		{"private use", page(100, 0, repeat("\ue001\ue002 word ")), true},
		{"no spaces", page(900, 0, repeat("Thewheelturnsforfourhoursandmore. ")), true},
		{"spaced letters", page(900, 0, repeat("T h e w h e e l ")), true},
		{"shifted letters", page(900, 0, repeat("Wkh pdqdjhphqw frpplwwhh phhwv lq wkh hdvwhuq zlqj. ")), true},
	}
	for _, tt := range tests {
		if got := tt.page.smell(); (got >= smellLimit) != tt.smell || got < 0 || got > 1 {
			t.Errorf("%s: smell %.2f, want it suspect: %v", tt.name, got, tt.smell)
		}
	}
}

func TestBetter(t *testing.T) {
	good := pdfPageText{glyphs: 50, lines: []pdfLine{{text: "fifty glyphs of text"}}}
	half := pdfPageText{glyphs: 50, unmapped: 25, lines: []pdfLine{{text: "ten glyphs"}}}
	longer := pdfPageText{glyphs: 90, lines: []pdfLine{{text: "ninety glyphs of text, or thereabouts"}}}
	short := pdfPageText{glyphs: 50, lines: []pdfLine{{text: "few"}}}
	for _, tt := range []struct{ a, b, want pdfPageText }{
		{half, good, good}, {good, half, good}, {good, longer, longer}, {longer, good, longer}, {good, pdfPageText{}, good}, {half, short, half},
		{pdfPageText{}, good, good}, {good, good, good},
	} {
		if got := better(tt.a, tt.b); got.text() != tt.want.text() {
			t.Errorf("better(%q, %q) = %q, want %q", tt.a.text(), tt.b.text(), got.text(), tt.want.text())
		}
	}
}

func (p pdfPageText) text() string {
	var b strings.Builder
	for _, line := range p.lines {
		b.WriteString(line.text + "\n")
	}
	return b.String()
}

// pdfiumCache is where the tests of this process keep PDFium.
var pdfiumCache = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "ragloop-pdfium")
	if err != nil {
		panic(err)
	}
	return dir
})

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(pdfiumCache())
	os.Exit(code)
}

// TestPDFiumReadsTheSame has both backends read the same files: what they hand
// to the layout is the same to a hair.
func TestPDFiumReadsTheSame(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles PDFium")
	}
	for _, name := range []string{"filters.pdf", "handbook.pdf", "tide-mill.pdf", "reading-room.pdf", "encrypted/aes-256-objects.pdf"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		in := Input{Name: name, Data: data}
		want, err := Extract(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		in.PDF = PDFOptions{Backend: PDFium, CacheDir: pdfiumCache()}
		got, err := Extract(t.Context(), in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkDocument(t, got)
		if diff := cmp.Diff(describe(want), describe(got)); diff != "" {
			t.Errorf("%s (-builtin +PDFium):\n%s", name, diff)
		}
	}
}

// TestPDFium reads files that only one of the backends can read, or none.
func TestPDFium(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles PDFium")
	}
	const noMap = "<< /Type /Font /Subtype /Type0 /BaseFont /Odd /Encoding /Identity-H /DescendantFonts [<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Odd /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /DW 500 >>] >>"
	labels := "/PageLabels << /Nums [0 << /S /r >> 1 << /S /D /P (B-) >>] >>"
	lost := strings.ReplaceAll(buildPDFWith(labels, "", prose(1), "BT /F2 12 Tf 72 700 Td <00410042004300440045004600470048> Tj <00410042004300440045004600470048> Tj <00410042004300440045004600470048> Tj ET"), helveticaBold, noMap)
	tests := []struct {
		name    string
		backend PDFBackend
		data    string
		want    string // part of the text
		err     error
		warning string
	}{
		{"a good file", PDFAuto, buildPDF2(prose(1)), "grows there.", nil, ""},
		{"a page with glyphs that mean nothing", PDFAuto, lost, "grows there.", nil, "glyphs are left out"},
		{"the same with PDFium alone", PDFium, lost, "grows there.", nil, ""},
		{"no PDF file at all", PDFAuto, "%PDF-1.4\nnothing", "", ErrMalformed, ""},
		{"no PDF file at all, with PDFium", PDFium, "%PDF-1.4\nnothing", "", ErrMalformed, ""},
		{"no text", PDFAuto, buildPDF2("", ""), "", ErrEmpty, ""},
		{"unknown", "ghostscript", buildPDF2(prose(1)), "", ErrMalformed, ""},
	}
	for _, tt := range tests {
		in := Input{Name: "x.pdf", Data: []byte(tt.data), PDF: PDFOptions{Backend: tt.backend, CacheDir: pdfiumCache()}}
		doc, err := Extract(t.Context(), in)
		if !errors.Is(err, tt.err) || !strings.Contains(doc.Text, tt.want) || !strings.Contains(strings.Join(doc.Warnings, "\n"), tt.warning) {
			t.Errorf("%s: text %q, warnings %q, error %v", tt.name, doc.Text, doc.Warnings, err)
		}
		if tt.data == lost {
			if diff := cmp.Diff([]string{"i", "B-1"}, doc.PageLabels); diff != "" {
				t.Errorf("%s: labels (-want +got):\n%s", tt.name, diff)
			}
		}
	}
	for _, name := range []string{"password.pdf", "password-old.pdf"} {
		data, err := os.ReadFile("testdata/encrypted/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Extract(t.Context(), Input{Name: name, Data: data, PDF: PDFOptions{Backend: PDFium, CacheDir: pdfiumCache()}}); !errors.Is(err, ErrEncrypted) {
			t.Errorf("%s: error %v, want ErrEncrypted", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := readPDFium(ctx, Input{Data: []byte(lost), PDF: PDFOptions{CacheDir: pdfiumCache()}}); err == nil {
		t.Error("no error after the context ended")
	}
	notADirectory := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(notADirectory, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	doc, err := Extract(t.Context(), Input{Name: "x.pdf", Data: []byte(lost), PDF: PDFOptions{Backend: PDFAuto, CacheDir: notADirectory}})
	if err != nil || !strings.Contains(strings.Join(doc.Warnings, "\n"), "with PDFium failed") {
		t.Errorf("without a cache: error %v, warnings %q, want a warning", err, doc.Warnings)
	}
}

// TestPDFExtractor counts what runs for which file.
func TestPDFExtractor(t *testing.T) {
	doubtful := Document{Text: "first", Doubtful: true}
	damaged := fmt.Errorf("%w: odd", ErrMalformed)
	pdf := []byte("%PDF-1.4\n")
	tests := []struct {
		name    string
		backend PDFBackend
		data    []byte
		first   Document
		err     error // of the first run
		second  error // of the second run
		runs    []PDFBackend
		text    string
	}{
		{"built in", PDFBuiltin, pdf, doubtful, nil, nil, []PDFBackend{PDFBuiltin}, "first"},
		{"default", "", pdf, doubtful, nil, nil, []PDFBackend{""}, "first"},
		{"not needed", PDFAuto, pdf, Document{Text: "first"}, nil, nil, []PDFBackend{PDFBuiltin}, "first"},
		{"doubtful", PDFAuto, pdf, doubtful, nil, nil, []PDFBackend{PDFBuiltin, PDFAuto}, "second"},
		{"doubtful and too slow", PDFAuto, pdf, doubtful, nil, ErrTimeout, []PDFBackend{PDFBuiltin, PDFAuto}, "first"},
		{"damaged", PDFAuto, pdf, Document{}, damaged, nil, []PDFBackend{PDFBuiltin, PDFAuto}, "second"},
		{"damaged for both", PDFAuto, pdf, Document{}, damaged, ErrCrashed, []PDFBackend{PDFBuiltin, PDFAuto}, ""},
		{"encrypted", PDFAuto, pdf, Document{}, ErrEncrypted, nil, []PDFBackend{PDFBuiltin}, ""},
		{"another format", PDFAuto, []byte("PK\x03\x04"), Document{}, damaged, nil, []PDFBackend{PDFBuiltin}, ""},
	}
	for _, tt := range tests {
		var runs []PDFBackend
		e := &PDFExtractor{
			Options: PDFOptions{Backend: tt.backend},
			Run: func(_ context.Context, in Input) (Document, error) {
				if runs = append(runs, in.PDF.Backend); len(runs) == 1 {
					return tt.first, tt.err
				}
				return Document{Text: "second"}, tt.second
			},
		}
		doc, err := e.Extract(t.Context(), Input{Name: "x", Data: tt.data, PDF: PDFOptions{Backend: "ignored"}})
		if diff := cmp.Diff(tt.runs, runs); diff != "" || doc.Text != tt.text || (err == nil) != (tt.text != "") {
			t.Errorf("%s: text %q, error %v, runs (-want +got):\n%s", tt.name, doc.Text, err, diff)
		}
		if err != nil && !errors.Is(err, tt.err) {
			t.Errorf("%s: error %v, want the first", tt.name, err)
		}
		if tt.second != nil && err == nil && len(doc.Warnings) != 1 {
			t.Errorf("%s: warnings %q, want one", tt.name, doc.Warnings)
		}
	}
}
