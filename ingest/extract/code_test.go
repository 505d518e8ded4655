package extract

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGo(t *testing.T) {
	source := "// Package a is a.\npackage a\n\nimport \"fmt\"\n\nimport (\n\t\"os\"\n)\n\n// X is x.\nconst X = 1 // one\n\n/* detached */\n\nvar (\n\ta = 1\n\n\tb = 2\n)\nvar c = 3\n\n// F does\n// nothing.\nfunc F() {\n\n\tfmt.Println(os.Args)\n}\nfunc g() {}; func h() {}\n"
	doc := mustExtract(t, "x.go", []byte(source))
	want := []string{
		"// Package a is a.\npackage a\n\nimport \"fmt\"\n\nimport (\n\t\"os\"\n)\n\n",
		"// X is x.\nconst X = 1 // one\n\n/* detached */\n\n",
		"var (\n\ta = 1\n\n\tb = 2\n)\n",
		"var c = 3\n\n",
		"// F does\n// nothing.\nfunc F() {\n\n\tfmt.Println(os.Args)\n}\n",
		"func g() {}; func h() {}\n",
	}
	var got []string
	for _, b := range doc.Blocks {
		if b.Kind != Code {
			t.Errorf("a block of kind %s, want code", b.Kind)
		}
		got = append(got, doc.Text[b.Span.Start:b.Span.End])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
	wantMeta(t, doc, `programming_language string "Go"`)

	// What is not Go is divided at blank lines, with a warning.
	for _, s := range []string{"package a\n\nfunc {\n\nx", "package a\n\nvar x = " + strings.Repeat("(", 1_000_000), "package a\n\nvar x = 1" + strings.Repeat("+1", maxGoBytes/2)} {
		doc := mustExtract(t, "x.go", []byte(s))
		if doc.Text != s || len(doc.Warnings) != 1 || len(doc.Blocks) < 2 {
			t.Errorf("%.20q: %d blocks, warnings %q, want the blocks between blank lines and a warning", s, len(doc.Blocks), doc.Warnings)
		}
	}
}

func TestCode(t *testing.T) {
	doc := mustExtract(t, "x.RS", []byte("// a\nfn a() {\n\n\tb\n}\n\n\n\nfn c() {}\n"))
	want := []string{`code 0 p0 "// a\nfn a() {"`, `code 0 p0 "\tb\n}"`, `code 0 p0 "fn c() {}"`}
	if diff := cmp.Diff(want, kindsOf(doc)); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
	wantMeta(t, doc, `programming_language string "Rust"`)
	if doc := mustExtract(t, "upload", []byte("a = 1\n\nb = 2\n")); doc.Meta != nil {
		t.Errorf("metadata %v of plain text, want none", doc.Meta)
	}
}

func FuzzGo(f *testing.F) {
	f.Add("package a\n\n// b\nfunc b() {}\nvar c, d = 1, 2; type e int\n")
	f.Add("//line x:1\npackage a\r\n/* b */ import \"c\"\r\nfunc ()")
	f.Fuzz(func(t *testing.T, s string) { fuzzVerbatim(t, "x.go", goType, s) })
}

func FuzzCode(f *testing.F) {
	f.Add("a\n\n\tb\r\n\r\nc")
	f.Fuzz(func(t *testing.T, s string) { fuzzVerbatim(t, "x.py", codeType, s) })
}

func FuzzGzip(f *testing.F) {
	f.Add(gzipped(f, []byte("text")))
	f.Fuzz(func(t *testing.T, data []byte) { fuzzExtract(t, "x.txt.gz", "", gzipMagic+string(data)) })
}
