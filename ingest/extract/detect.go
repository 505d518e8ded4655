package extract

import (
	"bytes"
	"context"
	"fmt"
	"mime"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/gabriel-vasile/mimetype"
)

// format is one supported media type.
type format struct {
	mediaType  string
	name       string
	extensions []string // lower case; the first is the usual one
	extract    func(context.Context, Input) (Document, error)
}

const docxType = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

// formats returns the supported media types in the order error messages list
// them.
func formats() []format {
	return []format{
		{"text/markdown", "Markdown", []string{".md", ".markdown", ".mdx", ".mkd"}, extractMarkdown},
		{"text/html", "HTML", []string{".html", ".htm", ".xhtml"}, extractHTML},
		{"application/pdf", "PDF", []string{".pdf"}, extractPDF},
		{docxType, "Word", []string{".docx"}, extractDOCX},
		{"text/plain", "plain text", []string{".txt", ".text", ".log"}, extractPlain},
		{"text/csv", "CSV", []string{".csv"}, extractCSV},
		{"text/tab-separated-values", "TSV", []string{".tsv", ".tab"}, extractCSV},
		{"application/x-ndjson", "JSON Lines", []string{".jsonl", ".ndjson"}, extractJSONLines},
	}
}

// aliases are other names of supported media types.
var aliases = map[string]string{
	"text/x-markdown":       "text/markdown",
	"application/xhtml+xml": "text/html",
	"application/csv":       "text/csv",
	"application/jsonl":     "application/x-ndjson",
	"application/ndjson":    "application/x-ndjson",
	"application/x-jsonl":   "application/x-ndjson",
}

// SupportedTypes returns the media types that Extract accepts, each with its
// usual extension, as error messages list them.
func SupportedTypes() string {
	var b strings.Builder
	for i, f := range formats() {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s (%s)", f.name, f.extensions[0])
	}
	return b.String()
}

func formatOf(mediaType string) (format, bool) {
	if to, ok := aliases[mediaType]; ok {
		mediaType = to
	}
	for _, f := range formats() {
		if f.mediaType == mediaType {
			return f, true
		}
	}
	return format{}, false
}

func formatByExtension(ext string) (format, bool) {
	for _, f := range formats() {
		for _, e := range f.extensions {
			if e == ext {
				return f, true
			}
		}
	}
	return format{}, false
}

// isText reports whether the source of f is text: such formats look alike, and
// any of them may be read as plain text.
func (f format) isText() bool {
	return f.mediaType != "application/pdf" && f.mediaType != docxType
}

// extension returns the lower-case extension of a file name or URI.
func extension(name string) string {
	if strings.Contains(name, "://") {
		name, _, _ = strings.Cut(name, "#")
		name, _, _ = strings.Cut(name, "?")
	}
	return strings.ToLower(path.Ext(strings.ReplaceAll(name, `\`, "/")))
}

// detect chooses the extractor of in; see Extract for the order of evidence.
func detect(in Input) (format, error) {
	content := mimetype.Detect(in.Data)
	found, _, _ := strings.Cut(content.String(), ";")
	if bytes.Contains(in.Data[:min(len(in.Data), 1024)], []byte("%PDF-")) && !isA(content, "text/plain") {
		found = "application/pdf" // readers accept bytes before the header
	}
	byContent, contentOK := formatOf(found)
	hint, hintOK := formatByExtension(extension(in.Name))
	declared := false
	if mediaType, _, err := mime.ParseMediaType(in.MediaType); err == nil {
		if f, ok := formatOf(mediaType); ok {
			hint, hintOK, declared = f, true, true
		}
	}
	switch {
	case contentOK && !byContent.isText():
		return byContent, nil
	case found == "application/zip" && hint.mediaType == docxType:
		return hint, nil // its first entries are not those that detection knows
	case !contentOK && !isA(content, "text/plain") && !(hintOK && hint.isText() && looksText(in.Data)):
		if hintOK && !hint.isText() {
			return format{}, fmt.Errorf("%w: taken for %s by its name or declaration, but its content is %s", ErrMalformed, hint.name, found)
		}
		return format{}, unsupported(found, in.Name)
	case declared && hint.isText():
		return hint, nil
	case startsAsHTML(in.Data):
		return formatFor("text/html"), nil
	case hintOK && hint.isText():
		return hint, nil
	case hintOK:
		return format{}, fmt.Errorf("%w: taken for %s by its name or declaration, but its content is %s", ErrMalformed, hint.name, found)
	case contentOK:
		return byContent, nil
	case isA(content, "application/json"), isA(content, "text/xml"), isA(content, "text/rtf"):
		return format{}, unsupported(found, in.Name)
	}
	return formatFor("text/plain"), nil
}

// formatFor returns the format of a media type known to be supported.
func formatFor(mediaType string) format {
	f, _ := formatOf(mediaType)
	return f
}

func unsupported(found, name string) error {
	if ext := extension(name); ext != "" {
		found += ", extension " + ext
	}
	return fmt.Errorf("%w: detected %s; supported are %s", ErrUnsupported, found, SupportedTypes())
}

// isA reports whether m is mediaType or a special case of it.
func isA(m *mimetype.MIME, mediaType string) bool {
	for ; m != nil; m = m.Parent() {
		if m.Is(mediaType) {
			return true
		}
	}
	return false
}

// looksText reports whether data is UTF-8 text although detection, which gives
// up at the first control character, takes it for binary.
func looksText(data []byte) bool {
	return utf8.Valid(data) && bytes.IndexByte(data, 0) < 0
}

// startsAsHTML reports whether data opens as a whole HTML page does, after
// white space and comments. A Markdown file may well begin with another tag.
func startsAsHTML(data []byte) bool {
	s := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), " \t\r\n\f")
	for bytes.HasPrefix(s, []byte("<!--")) {
		_, rest, ok := bytes.Cut(s, []byte("-->"))
		if !ok {
			return false
		}
		s = bytes.TrimLeft(rest, " \t\r\n\f")
	}
	for _, tag := range []string{"<!doctype html", "<html"} {
		if len(s) > len(tag) && strings.EqualFold(string(s[:len(tag)]), tag) && strings.IndexByte(" \t\r\n\f>", s[len(tag)]) >= 0 {
			return true
		}
	}
	return false
}
