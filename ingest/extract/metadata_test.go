package extract

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wantMeta reports where the metadata of doc are not those given, as "key kind
// value" in the order of the keys.
func wantMeta(t testing.TB, doc Document, want ...string) {
	t.Helper()
	var got []string
	for _, key := range doc.Meta.Keys() {
		got = append(got, fmt.Sprintf("%s %s %q", key, doc.Meta[key].Kind, doc.Meta[key].Text()))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

func TestFrontMatter(t *testing.T) {
	doc := mustExtract(t, "x.md", []byte("---\ntitle: The *title*\ndate: 2025-03-01\nat: 2025-03-01T10:00:00+01:00\nweight: 7\nhex: 0x10\nratio: 0.5\nbad: .nan\ndraft: true\n"+
		"author: Ana\ntags: [a, 2, true]\nnothing: ~\nquoted: \"7\"\nparams:\n  deep: {er: x}\n  list:\n    - {a: b}\ntenant: evil\nPages: 3\nlong: \""+strings.Repeat("x", 5000)+"\"\n---\ntext\n"))
	wantMeta(t, doc, `at time "2025-03-01T09:00:00Z"`, `author strings "Ana"`, `bad string ".nan"`, `date time "2025-03-01T00:00:00Z"`, `draft bool "true"`, `hex integer "16"`,
		`keywords strings "a, 2, true"`, `params.deep.er string "x"`, `quoted string "7"`, `ratio float "0.5"`, `weight integer "7"`)
	if doc.Title != "The *title*" {
		t.Errorf("title %q, want that of the front matter", doc.Title)
	}
	if got := strings.Join(doc.Warnings, "\n"); len(doc.Warnings) != 4 || !strings.Contains(got, `"tenant" is left out`) || !strings.Contains(got, "reserved") || !strings.Contains(got, `"params.list"`) {
		t.Errorf("warnings %q, want four that name what is left out", doc.Warnings)
	}

	doc = mustExtract(t, "x.md", []byte("+++\ntitle = 'T'\ndate = 2025-03-01\nn = 7 \ns = \"7\"\nlist = [1]\n# c = 1\n[table]\nx = 1\n+++\ntext\n"))
	wantMeta(t, doc, `date time "2025-03-01T00:00:00Z"`, `n integer "7"`, `s string "7"`)

	doc = mustExtract(t, "x.md", []byte("---\ntitle: Kept\nx: [\n---\ntext\n"))
	if doc.Title != "Kept" || doc.Meta != nil || len(doc.Warnings) != 1 {
		t.Errorf("title %q, metadata %v, warnings %q, want the title and a warning", doc.Title, doc.Meta, doc.Warnings)
	}
	var many strings.Builder
	for i := range 200 {
		fmt.Fprintf(&many, "k%03d: %d\n", i, i)
	}
	doc = mustExtract(t, "x.md", []byte("---\n"+many.String()+"---\ntext\n"))
	if len(doc.Meta) != 128 || len(doc.Warnings) != 6 {
		t.Errorf("%d fields, warnings %q, want 128 and six", len(doc.Meta), doc.Warnings)
	}
}

func TestHTMLMeta(t *testing.T) {
	doc := mustExtract(t, "x.html", []byte(`<html lang="nb"><head><meta name="Author" content="Ana"><meta property="article:author" content="Ola"><meta name=keywords content="a, b;c">`+
		`<meta name=description content=" one `+"\n"+` two "><meta property="og:description" content=three><meta property="article:published_time" content="2025-03-01T10:00:00Z">`+
		`<meta name=viewport content=x></head><body><meta name=author content=Eve><p>text</p></body></html>`))
	wantMeta(t, doc, `author strings "Ana, Ola"`, `description string "one two"`, `keywords strings "a, b, c"`, `language string "nb"`, `published time "2025-03-01T10:00:00Z"`)
}

func TestOfficeProperties(t *testing.T) {
	parts := map[string]string{
		"word/document.xml": docxBody(para("", "", 0, run("text"))),
		"docProps/core.xml": `<cp:coreProperties xmlns:cp="c" xmlns:dc="d" xmlns:t="t"><dc:title>T</dc:title><dc:creator>Ana</dc:creator><dc:subject>s</dc:subject><cp:keywords>a; b</cp:keywords>` +
			`<t:created>2025-03-01T08:30:00Z</t:created><t:modified>yesterday</t:modified><cp:lastModifiedBy>Ola</cp:lastModifiedBy><cp:category/></cp:coreProperties>`,
		"docProps/custom.xml": `<Properties xmlns:vt="vt"><property name="Client"><vt:lpwstr>Acme</vt:lpwstr></property><property name="Pages"><vt:i4>3</vt:i4></property>` +
			`<property name="Approved"><vt:bool>true</vt:bool></property><property name="Due"><vt:filetime>2025-04-01T00:00:00Z</vt:filetime></property><property name="Cost"><vt:r8>1.5</vt:r8></property></Properties>`,
	}
	doc := mustExtract(t, "x.docx", buildDOCX(t, parts))
	wantMeta(t, doc, `Approved bool "true"`, `Client string "Acme"`, `Cost float "1.5"`, `Due time "2025-04-01T00:00:00Z"`, `author strings "Ana"`, `created time "2025-03-01T08:30:00Z"`,
		`keywords strings "a, b"`, `modified_by string "Ola"`, `subject string "s"`)
	if doc.Title != "T" || len(doc.Warnings) != 1 {
		t.Errorf("title %q, warnings %q, want T and one of the reserved name", doc.Title, doc.Warnings)
	}
}

func FuzzFrontMatter(f *testing.F) {
	f.Add("a: 1\nb: [x, 2025-01-01]\nc: {d: !!binary aGk=}\n", false)
	f.Add("a = 'x'\n[b]\n", true)
	f.Fuzz(func(t *testing.T, s string, toml bool) {
		fence := map[bool]string{true: "+++", false: "---"}[toml]
		fuzzExtract(t, "x.md", "text/markdown", fence+"\n"+s+"\n"+fence+"\ntext")
	})
}
