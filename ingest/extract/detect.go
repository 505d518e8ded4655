package extract

import (
	"bytes"
	"context"
	"fmt"
	"io"
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
	packed     bool     // not text: the content alone tells what it is
	extract    func(context.Context, Input) (Document, error)
}

const docxType = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

// formats returns the supported media types in the order error messages list
// them.
func formats() []format {
	return []format{
		{"text/markdown", "Markdown", []string{".md", ".markdown", ".mdx", ".mkd"}, false, extractMarkdown},
		{"text/html", "HTML", []string{".html", ".htm", ".xhtml"}, false, extractHTML},
		{"application/pdf", "PDF", []string{".pdf"}, true, extractPDF},
		{docxType, "Word", []string{".docx", ".docm", ".dotx", ".dotm"}, true, extractDOCX},
		{pptxType, "PowerPoint", []string{".pptx", ".pptm", ".ppsx", ".ppsm", ".potx", ".potm"}, true, extractPPTX},
		{xlsxType, "Excel", []string{".xlsx", ".xlsm", ".xltx", ".xltm"}, true, extractXLSX},
		{odtType, "OpenDocument text", []string{".odt", ".ott"}, true, extractODF},
		{odsType, "OpenDocument spreadsheet", []string{".ods", ".ots"}, true, extractODF},
		{odpType, "OpenDocument presentation", []string{".odp", ".otp"}, true, extractODF},
		{epubType, "EPUB", []string{".epub"}, true, extractEPUB},
		{rtfType, "RTF", []string{".rtf"}, false, extractRTF},
		{emlType, "e-mail", []string{".eml", ".mht", ".mhtml"}, false, extractEML},
		{"text/plain", "plain text", []string{".txt", ".text", ".log", ".tex", ".rst", ".adoc"}, false, extractPlain},
		{"text/csv", "CSV", []string{".csv"}, false, extractCSV},
		{"text/tab-separated-values", "TSV", []string{".tsv", ".tab"}, false, extractCSV},
		{"application/json", "JSON", []string{".json", ".geojson"}, false, extractJSON},
		{"application/x-ndjson", "JSON Lines", []string{".jsonl", ".ndjson"}, false, extractJSONLines},
		{goType, "Go", []string{".go"}, false, extractGo},
		{codeType, "other source code", codeExtensions, false, extractCode},
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
	"text/rtf":              rtfType,
	"text/json":             "application/json",
	"application/geo+json":  "application/json",
	"text/x-golang":         goType,

	"application/vnd.oasis.opendocument.text-template":                        odtType,
	"application/vnd.oasis.opendocument.spreadsheet-template":                 odsType,
	"application/vnd.oasis.opendocument.presentation-template":                odpType,
	"application/vnd.ms-word.document.macroenabled.12":                        docxType,
	"application/vnd.ms-powerpoint.presentation.macroenabled.12":              pptxType,
	"application/vnd.ms-excel.sheet.macroenabled.12":                          xlsxType,
	"application/vnd.openxmlformats-officedocument.wordprocessingml.template": docxType,
	"application/vnd.openxmlformats-officedocument.presentationml.slideshow":  pptxType,
	"application/vnd.openxmlformats-officedocument.presentationml.template":   pptxType,
	"application/vnd.openxmlformats-officedocument.spreadsheetml.template":    xlsxType,

	"text/javascript": codeType, "application/javascript": codeType, "text/css": codeType, "text/x-python": codeType, "text/x-c": codeType,
	"text/x-java": codeType, "text/x-rust": codeType, "text/x-ruby": codeType, "text/x-perl": codeType, "text/x-lua": codeType,
	"text/x-php": codeType, "text/x-shellscript": codeType, "application/x-sh": codeType, "application/sql": codeType,
	"text/xml": codeType, "application/xml": codeType, "application/yaml": codeType, "application/x-yaml": codeType, "text/yaml": codeType, "application/toml": codeType,
}

// SupportedTypes returns the kinds of file that Extract accepts, each with its
// usual extension, as error messages list them.
func SupportedTypes() string {
	var b strings.Builder
	for i, f := range formats() {
		if i > 0 {
			b.WriteString(", ")
		}
		if f.mediaType == codeType {
			b.WriteString("other source code (.py, .js, .xml, …)")
			continue
		}
		fmt.Fprintf(&b, "%s (%s)", f.name, f.extensions[0])
	}
	b.WriteString(", and text compressed by gzip (.gz)")
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
func (f format) isText() bool { return !f.packed }

// IsText reports whether mediaType, without parameters, is one of text: what has
// it can be read as plain text, too.
func IsText(mediaType string) bool {
	f, ok := formatOf(mediaType)
	return ok && f.isText()
}

// isPackage reports whether the source of f is a zip archive.
func (f format) isPackage() bool { return f.packed && f.mediaType != "application/pdf" }

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
	if found == "application/zip" {
		byContent, contentOK = packageFormat(in.Data)
	}
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
	case found == "application/zip" && hint.isPackage():
		return hint, nil // it says what is wrong with the package
	case bytes.HasPrefix(in.Data, []byte(oleMagic)):
		return format{}, olderOffice(in)
	case !contentOK && !isA(content, "text/plain") && !(hintOK && hint.isText() && looksText(in.Data)):
		if hintOK && !hint.isText() {
			return format{}, mismatch(hint, found)
		}
		return format{}, unsupported(found, in.Name)
	case isRTF(in.Data):
		return formatFor(rtfType), nil
	case hintOK && (!hint.isText() || hint.mediaType == rtfType):
		return format{}, mismatch(hint, found)
	case declared:
		return hint, nil
	case startsAsHTML(in.Data):
		return formatFor("text/html"), nil
	case hintOK:
		return hint, nil
	case isMail(in.Data):
		return formatFor(emlType), nil
	case contentOK:
		return byContent, nil
	case isA(content, "application/json"):
		return formatFor("application/json"), nil
	case isA(content, "text/xml"):
		return formatFor(codeType), nil
	}
	return formatFor("text/plain"), nil
}

// packageFormat returns the format of a zip archive, whatever the order of its
// entries: that of its mimetype entry, or that of the main part of an Office
// document.
func packageFormat(data []byte) (format, bool) {
	pkg, err := openPackage(data)
	if err != nil {
		return format{}, false
	}
	if r, err := pkg.open("mimetype"); err == nil && r != nil {
		const longest = 128
		b, _ := io.ReadAll(io.LimitReader(r, longest))
		if f, ok := formatOf(strings.TrimSpace(string(b))); ok && f.isPackage() {
			return f, true
		}
	}
	for _, main := range []struct{ part, mediaType string }{
		{"word/document.xml", docxType}, {"ppt/presentation.xml", pptxType}, {"xl/workbook.xml", xlsxType},
	} {
		if pkg.parts[main.part] != nil {
			return formatOf(main.mediaType)
		}
	}
	return format{}, false
}

// oleMagic begins the files of older Office programs, and Office documents
// under a password.
const oleMagic = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

// olderOffice says why such a file cannot be read.
func olderOffice(in Input) error {
	const encrypted = "E\x00n\x00c\x00r\x00y\x00p\x00t\x00e\x00d\x00P\x00a\x00c\x00k\x00a\x00g\x00e\x00"
	if bytes.Contains(in.Data, []byte(encrypted)) {
		return fmt.Errorf("%w: an Office document that needs a password; remove the password first", ErrEncrypted)
	}
	return fmt.Errorf("%w (a file of Office 97 to 2003: save it in a format of today)", unsupported("application/x-ole-storage", in.Name))
}

func mismatch(hint format, found string) error {
	return fmt.Errorf("%w: taken for %s by its name or declaration, but its content is %s", ErrMalformed, hint.name, found)
}

// isRTF reports whether data begins as Rich Text does.
func isRTF(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data[:min(len(data), 64)], " \t\r\n"), []byte(`{\rtf`))
}

// isMail reports whether data begins with header fields of a message, one that
// says who wrote it and one that says when or how among them.
func isMail(data []byte) bool {
	const window = 16 << 10
	head := strings.ReplaceAll(string(data[:min(len(data), window)]), "\r\n", "\n")
	head, _, _ = strings.Cut(head, "\n\n")
	var from, other bool
	for line := range strings.SplitSeq(head, "\n") {
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "From ") {
			continue
		}
		name, _, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return false
		}
		switch strings.ToLower(name) {
		case "from", "return-path":
			from = true
		case "date", "message-id", "mime-version", "received":
			other = true
		}
	}
	return from && other
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
// white space, an XML declaration and comments. A Markdown file may well begin
// with another tag, and an XML file with one of HTML's names.
func startsAsHTML(data []byte) bool {
	s := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), " \t\r\n\f")
	if bytes.HasPrefix(s, []byte("<?xml")) {
		_, rest, _ := bytes.Cut(s, []byte("?>"))
		s = bytes.TrimLeft(rest, " \t\r\n\f")
	}
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
