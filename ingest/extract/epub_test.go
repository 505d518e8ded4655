package extract

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEPUB(t *testing.T) {
	metadata := `<dc:title>The book</dc:title><dc:creator>Ana</dc:creator><dc:creator>Ola</dc:creator><dc:subject>sea</dc:subject><dc:subject>ice</dc:subject>` +
		`<dc:date>2024</dc:date><dc:language>nb</dc:language><dc:identifier>urn:1</dc:identifier><dc:identifier>urn:2</dc:identifier><meta property="x">y</meta>`
	doc := mustExtract(t, "x.epub", buildEPUB(t, metadata,
		`<nav><p>skipped</p></nav><h1>One</h1><p>a&nbsp;b<br/>c <a id="x"/>d</p><aside><p>The note.</p></aside>`,
		`<h2>Two</h2><script/><p>e</p>`,
		`<p>broken <b>tag</p>`))
	want := []string{
		`heading 1 p0 "# One"`,
		`paragraph 0 p0 "a b\nc d"`,
		`paragraph 0 p0 "The note."`,
		`heading 2 p0 "## Two"`,
		`paragraph 0 p0 "e"`,
		`paragraph 0 p0 "broken tag"`,
	}
	if diff := cmp.Diff(want, kindsOf(doc)); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
	if doc.Title != "The book" || len(doc.Warnings) != 1 {
		t.Errorf("title %q, warnings %q, want The book and one", doc.Title, doc.Warnings)
	}
	wantMeta(t, doc, `author strings "Ana, Ola"`, `identifier string "urn:1"`, `keywords strings "sea, ice"`, `language string "nb"`, `published time "2024-01-01T00:00:00Z"`)
	if doc := mustExtract(t, "x.epub", buildEPUB(t, "", `<p>x</p>`, `<h1>Named</h1>`)); doc.Title != "Named" {
		t.Errorf("title %q, want that of the heading", doc.Title)
	}
}

func FuzzEPUB(f *testing.F) {
	f.Add(`<dc:title>a</dc:title>`, `<h1>b</h1><p>c<br/></p>`)
	f.Add(`<dc:date>2025</dc:date></metadata>`, `<p>&nbsp;&bogus;<b>`)
	f.Fuzz(func(t *testing.T, metadata, chapter string) {
		fuzzExtract(t, "x.epub", epubType, string(buildEPUB(t, metadata, chapter)))
	})
}
