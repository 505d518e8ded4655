package extract

import (
	"errors"
	"strings"
	"testing"
)

func TestDetect(t *testing.T) {
	zipFile := string(buildZip(t, map[string]string{"a.txt": "text"}))
	docx := string(buildDOCX(t, map[string]string{"word/document.xml": docxBody(`<w:p><w:r><w:t>x</w:t></w:r></w:p>`)}))
	page := "<!-- saved -->\n<!DOCTYPE html><title>t</title><p>text"
	tests := []struct {
		name, declared, data string
		want                 string
		err                  error
	}{
		{"notes.md", "", "# Title", "text/markdown", nil},
		{"NOTES.MARKDOWN", "", "text", "text/markdown", nil},
		{"readme.md", "", "<h1 align=center>Title</h1>\n\ntext", "text/markdown", nil},
		{"saved.md", "", page, "text/html", nil},
		{"saved", "", page, "text/html", nil},
		{"https://example.org/a.html?x=1.pdf#y.csv", "", "<p>text</p>", "text/html", nil},
		{"notes.txt", "", "a,b\nc,d\ne,f\n", "text/plain", nil},
		{"notes.txt", "", `{"a": 1}`, "text/plain", nil},
		{"NOTES", "", "plain text", "text/plain", nil},
		{"main.go", "", "package main", "text/plain", nil},
		{"bell.txt", "", "ding \x07 dong", "text/plain", nil},
		{"table.csv", "", "a;b\n1;2\n", "text/csv", nil},
		{"table.tsv", "", "a\tb\n1\t2\n", "text/tab-separated-values", nil},
		{"rows.jsonl", "", `{"a": 1}`, "application/x-ndjson", nil},
		{"rows.ndjson", "", `[1]`, "application/x-ndjson", nil},
		{"x.bin", "", buildPDF("BT /F1 12 Tf 72 700 Td (text) Tj ET"), "application/pdf", nil},
		{"x.txt", "text/plain", buildPDF("BT /F1 12 Tf 72 700 Td (text) Tj ET"), "application/pdf", nil},
		{"x.pdf", "", "junk \x00\x01 " + buildPDF("BT /F1 12 Tf 72 700 Td (text) Tj ET"), "application/pdf", nil},
		{"x", "", docx, docxType, nil},
		{"upload", "text/markdown; charset=utf-8", "# Title", "text/markdown", nil},
		{"upload", "application/jsonl", `{"a": 1}`, "application/x-ndjson", nil},
		{"page.md", "text/html", "<p>text", "text/html", nil},
		{"page.md", "application/octet-stream", "text", "text/markdown", nil},
		{"page.md", "not a media type;;", "text", "text/markdown", nil},

		{"x.zip", "", zipFile, "", ErrUnsupported},
		{"x.docx", "", zipFile, "", ErrMalformed}, // a package without a document
		{"x.png", "", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "", ErrUnsupported},
		{"x.pdf", "", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "", ErrMalformed},
		{"x.pdf", "", "<p>not found</p>", "", ErrMalformed},
		{"x.docx", "", "plain text", "", ErrMalformed},
		{"x.json", "", `{"a": 1}`, "", ErrUnsupported},
		{"x.xml", "", `<?xml version="1.0"?><a/>`, "", ErrUnsupported},
		{"x.rtf", "", `{\rtf1 text}`, "", ErrUnsupported},
		{"x.bin", "", "\x00\x01\x02", "", ErrUnsupported},
		{"x.txt", "", "a\x00b", "", ErrUnsupported},
		{"x.txt", "", strings.Repeat("text ", 2000) + "\x00", "", ErrUnsupported},
		{"x.md", "", "", "", ErrEmpty},
		{"x.md", "", " \n\t\u00a0\n", "", ErrEmpty},
		{"x.csv", "", "\ufeff\n", "", ErrEmpty},
		{"x.html", "", "<html><title>only a title</title><script>1</script></html>", "", ErrEmpty},
	}
	for _, tt := range tests {
		doc, err := Extract(t.Context(), Input{Name: tt.name, MediaType: tt.declared, Data: []byte(tt.data)})
		if !errors.Is(err, tt.err) || doc.MediaType != tt.want {
			t.Errorf("Extract(%s declared %q, %.20q) = %q, %v, want %q, %v", tt.name, tt.declared, tt.data, doc.MediaType, err, tt.want, tt.err)
			continue
		}
		if err != nil {
			if !strings.Contains(err.Error(), tt.name) {
				t.Errorf("error %q does not name %s", err, tt.name)
			}
			continue
		}
		checkDocument(t, doc)
	}
}

func TestUnsupportedErrorHelps(t *testing.T) {
	_, err := Extract(t.Context(), Input{Name: "photo.png", Data: []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")})
	for _, want := range []string{"photo.png", "image/png", "Markdown (.md)", "PDF (.pdf)", "JSON Lines (.jsonl)"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not mention %s", err, want)
		}
	}
}
