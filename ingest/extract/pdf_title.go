package extract

import (
	"bytes"
	"encoding/xml"
	"path"
	"strings"
	"time"
	"unicode"

	"github.com/ragloop/ragloop/internal/meta"
)

// pdfInfoTitle returns the title that the document information gives, or ""
// where it is what a program writes in place of a title: a file name or a
// number.
func pdfInfoTitle(title string) string {
	// A decrypted one may end in padding.
	title = strings.TrimFunc(cleanText(strings.TrimPrefix(title, "\xef\xbb\xbf")), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	})
	if strings.HasPrefix(title, "Microsoft Word - ") || strings.EqualFold(title, "untitled") || strings.IndexFunc(title, unicode.IsLetter) < 0 {
		return ""
	}
	switch strings.ToLower(path.Ext(title)) {
	case ".doc", ".docx", ".odt", ".rtf", ".dvi", ".tex", ".indd", ".xls", ".xlsx", ".ppt", ".pptx", ".pdf", ".txt", ".htm", ".html":
		return ""
	}
	return title
}

// pdfInfo is what the document information of a file says, by its keys.
type pdfInfo func(key string) string

// metadata returns what of it other formats have as well.
func (info pdfInfo) metadata() *metadata {
	m := &metadata{}
	if author := info("Author"); author != "" {
		m.add(metaAuthor, author)
	}
	if keywords := info("Keywords"); keywords != "" {
		m.add(metaKeywords, splitKeywords(keywords)...)
	}
	m.text(metaSubject, info("Subject"))
	for _, date := range []struct{ key, entry string }{{metaCreated, "CreationDate"}, {metaModified, "ModDate"}} {
		if t, ok := parsePDFDate(info(date.entry)); ok {
			m.set(date.key, meta.OfTime(t))
		}
	}
	return m
}

// parsePDFDate reads "D:20260228140509+01'00'", of which all behind the year may
// be missing (ISO 32000-1, 7.9.4). A time without an offset is taken for UTC.
func parsePDFDate(s string) (time.Time, bool) {
	s = strings.ReplaceAll(strings.TrimPrefix(strings.TrimSpace(s), "D:"), "'", "")
	digits, zone := s, ""
	if i := strings.IndexAny(s, "+-Z"); i >= 0 {
		digits, zone = s[:i], s[i:]
	}
	const layout = "20060102150405"
	if len(digits) < len("2006") || len(digits) > len(layout) {
		return time.Time{}, false
	}
	t, err := time.Parse(layout[:len(digits)], digits)
	if err != nil || t.Year() < 1 {
		return time.Time{}, false
	}
	if len(zone) >= len("+01") && zone[0] != 'Z' {
		offset, err := time.Parse("-0700"[:min(len(zone), len("-0700"))], zone)
		if err != nil {
			return time.Time{}, false
		}
		_, seconds := offset.Zone()
		t = t.Add(-time.Duration(seconds) * time.Second)
	}
	return t.UTC(), true
}

// maxXMPBytes bounds the metadata that is read; what is longer holds a history.
const maxXMPBytes = 1 << 20

// xmpTitle returns the title in an XMP packet: the first of the texts below
// dc:title, which is that of the default language.
func xmpTitle(packet []byte) string {
	const dublinCoreSpace = "http://purl.org/dc/elements/1.1/"
	d := xml.NewDecoder(bytes.NewReader(packet[:min(len(packet), maxXMPBytes)]))
	d.Strict = false
	depth, inside := 0, 0 // inside: the depth of dc:title
	var title strings.Builder
	for {
		// RawToken keeps no stack of elements, however deep they nest.
		tok, err := d.RawToken()
		if err != nil {
			return ""
		}
		switch t := tok.(type) {
		case xml.StartElement:
			depth++
			if inside == 0 && t.Name.Local == "title" && (t.Name.Space == "dc" || t.Name.Space == dublinCoreSpace) {
				inside = depth
			}
		case xml.EndElement:
			if s := strings.TrimSpace(title.String()); inside > 0 && (s != "" || depth <= inside) {
				return s
			}
			depth--
		case xml.CharData:
			if inside > 0 {
				title.Write(t)
			}
		}
	}
}
