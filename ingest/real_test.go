package ingest

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/index"
)

// Real PDF files go in and come out of the index as extraction found them.
// RAGLOOP_DATA names a directory with the data set sec10q_pdf.
func TestRealPDF(t *testing.T) {
	data := os.Getenv("RAGLOOP_DATA")
	if data == "" {
		t.Skip("RAGLOOP_DATA is not set")
	}
	root, err := os.OpenRoot(filepath.Join(data, "sec10q_pdf"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	src := FS(root.FS(), FSOptions{})
	c := dial(t, index.Options{InMemory: true})
	e := &hashed{max: 200}
	p := plan("pdf")
	p.Chunker.SizeTokens = 256
	b, err := Build(t.Context(), c, p, src, Options{Embedder: e, Extractor: InProcess{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v, average length %v", b.Summary, b.Generation.Recipe.Lexical.AvgLen)
	if b.Summary.Indexed < 20 {
		t.Errorf("%d documents indexed", b.Summary.Indexed)
	}
	for item, err := range src.Items(t.Context()) {
		if err != nil || filepath.Ext(string(item.ID)) != ".pdf" {
			continue
		}
		r, err := item.Open()
		if err != nil {
			t.Fatal(err)
		}
		bytes, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		want, err := extract.Extract(t.Context(), extract.Input{Name: item.Name, Data: bytes})
		if err != nil {
			t.Fatal(err)
		}
		got, rec, err := b.Generation.Text(t.Context(), item.ID)
		if err != nil || got != want.Text || rec.Pages != want.Pages {
			t.Errorf("%s: %d bytes of text, %d pages, %v; want %d bytes, %d pages", item.ID, len(got), rec.Pages, err, len(want.Text), want.Pages)
		}
	}
}
