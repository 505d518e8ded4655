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
	xlsx := string(buildXLSX(t, nil, inlineRow(1, "a")))
	odt := string(buildODF(t, odtType, "text", "<text:p>a</text:p>", nil))
	mail := "Received: x\nFrom: a@b.c\nDate: Sat, 1 Mar 2025 08:30:00 +0100\nSubject: s\n\ntext"
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
		{"main.go", "", "package main", "text/x-go", nil},
		{"bell.txt", "", "ding \x07 dong", "text/plain", nil},
		{"table.csv", "", "a;b\n1;2\n", "text/csv", nil},
		{"table.tsv", "", "a\tb\n1\t2\n", "text/tab-separated-values", nil},
		{"rows.jsonl", "", `{"a": 1}`, "application/x-ndjson", nil},
		{"rows.ndjson", "", `[1]`, "application/x-ndjson", nil},
		{"x.bin", "", buildPDF("BT /F1 12 Tf 72 700 Td (text) Tj ET"), "application/pdf", nil},
		{"x.txt", "text/plain", buildPDF("BT /F1 12 Tf 72 700 Td (text) Tj ET"), "application/pdf", nil},
		{"x.pdf", "", "junk \x00\x01 " + buildPDF("BT /F1 12 Tf 72 700 Td (text) Tj ET"), "application/pdf", nil},
		{"x", "", docx, docxType, nil},
		{"x.docx", "", xlsx, xlsxType, nil},
		{"x.txt", "", xlsx, xlsxType, nil},
		{"x.xlsm", "", xlsx, xlsxType, nil},
		{"x", "", string(buildPPTX(t, nil, shape("", slideText("", "a")))), pptxType, nil},
		{"x.zip", "", odt, odtType, nil},
		{"x.ods", "", odt, odtType, nil},
		{"x", "", string(buildODF(t, odpType, "presentation", "<draw:page><text:p>a</text:p></draw:page>", nil)), odpType, nil},
		{"x", "", string(buildEPUB(t, "", "<p>a</p>")), epubType, nil},
		{"x.json", "", `{"a": 1}`, "application/json", nil},
		{"x", "", `{"a": 1}`, "application/json", nil},
		{"x.geojson", "", `{"type": "Feature", "geometry": 1}`, "application/json", nil},
		{"x.rtf", "", `{\rtf1 text}`, rtfType, nil},
		{"x.doc", "", `{\rtf1 text}`, rtfType, nil},
		{"x.txt", "", `{\rtf1 text}`, rtfType, nil},
		{"x.eml", "", "Subject: s\n\ntext", emlType, nil},
		{"x", "", mail, emlType, nil},
		{"x.txt", "", mail, "text/plain", nil},
		{"x", "", "Note: From: here\n\ntext", "text/plain", nil},
		{"x.py", "", "#!/usr/bin/python\nx = 1", codeType, nil},
		{"x.ts", "", "let x: number = 1", codeType, nil},
		{"script", "", "#!/usr/bin/env python\nx = 1", codeType, nil},
		{"x.yaml", "", "a: 1\n", codeType, nil},
		{"x.xml", "", `<?xml version="1.0"?><a/>`, codeType, nil},
		{"x.xml", "", "<table><row>1</row></table>", codeType, nil}, // not that of HTML
		{"x.xml", "", "<!-- c --><doc><title>x</title></doc>", codeType, nil},
		{"x.xml", "", `<?xml version="1.0"?><rss version="2.0"><channel/></rss>`, codeType, nil},
		{"x.xml", "", `<?xml version="1.0"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><body>a</body></html>`, "text/html", nil},
		{"x", "", `<?xml version="1.0"?><a/>`, codeType, nil},
		{"x.rss", "", `<?xml version="1.0"?><rss version="2.0"><channel/></rss>`, codeType, nil},
		{"upload", "application/xml", "<a/>", codeType, nil},
		{"x.tex", "", "\\title{T}", "text/plain", nil},
		{"x.txt.gz", "", string(gzipped(t, []byte("text"))), "text/plain", nil},
		{"x.md.GZ", "application/gzip", string(gzipped(t, []byte("# text"))), "text/markdown", nil},
		{"https://example.org/x.csv.gz?y=1", "", string(gzipped(t, []byte("a,b\n1,2\n"))), "text/csv", nil},
		{"upload", "text/csv", string(gzipped(t, []byte("a,b\n1,2\n"))), "text/csv", nil},
		{"x.json", "", string(gzipped(t, []byte(`{"a": 1}`))), "application/json", nil},
		{"upload", "text/x-python", "x = 1", codeType, nil},
		{"upload", "text/rtf", `{\rtf1 text}`, rtfType, nil},
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
		{"x.bin", "", "\x00\x01\x02", "", ErrUnsupported},
		{"x.txt", "", zipFile, "", ErrUnsupported},
		{"x.xlsx", "", zipFile, "", ErrMalformed},
		{"x.epub", "", zipFile, "", ErrMalformed},
		{"x.odt", "", zipFile, "", ErrMalformed},
		{"x.xlsx", "", "a,b\n", "", ErrMalformed},
		{"x.rtf", "", "text", "", ErrMalformed},
		{"x.py", "", "\x00\x01\x02", "", ErrUnsupported},
		{"x.tar.gz", "", string(gzipped(t, []byte("a.txt"+strings.Repeat("\x00", 252)+"ustar\x0000"+strings.Repeat("\x00", 300)))), "", ErrUnsupported},
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
	for _, want := range []string{"photo.png", "image/png", "Markdown (.md)", "PDF (.pdf)", "JSON Lines (.jsonl)", "EPUB (.epub)", "gzip (.gz)"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not mention %s", err, want)
		}
	}
}
