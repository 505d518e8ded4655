package extract

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPageLabels(t *testing.T) {
	tests := []struct {
		name, tree string
		want       []string
	}{
		{"front matter", "/Nums [0 << /S /r >> 2 << /S /D >> 4 << /S /D /P (A-) /St 3 >>]", []string{"i", "ii", "1", "2", "A-3"}},
		{"letters", "/Nums [0 << /S /A /St 26 >> 3 << /P (Cover) >>]", []string{"Z", "AA", "BB", "Cover", "Cover"}},
		{"capitals", "/Nums [0 << /S /R /St 1990 >>]", []string{"MCMXC", "MCMXCI", "MCMXCII", "MCMXCIII", "MCMXCIV"}},
		{"in a tree", "/Kids [<< /Nums [0 << /S /r >>] >> << /Kids [<< /Nums [3 << /S /D >>] >>] >>]", []string{"i", "ii", "iii", "1", "2"}},
		{"plain", "/Nums [0 << /S /D >>]", nil},
		{"late", "/Nums [2 << /S /r >>]", []string{"1", "2", "i", "ii", "iii"}},
		{"empty", "", nil},
		{"without style", "/Nums [0 << >>]", nil},
		{"hostile", "/Nums [-1 << /S /r >> 99999999999 << /S /r >> 0 << /S /A /St 9000000000000000000 /P (" + strings.Repeat("x", 500) + ") >>]",
			[]string{strings.Repeat("x", 32), strings.Repeat("x", 32), strings.Repeat("x", 32), strings.Repeat("x", 32), strings.Repeat("x", 32)}},
	}
	for _, tt := range tests {
		doc := extractString(t, "x.pdf", buildPDFWith("/PageLabels << "+tt.tree+" >>", "", show("a"), show("b"), show("c"), show("d"), show("e")))
		if diff := cmp.Diff(tt.want, doc.PageLabels); diff != "" {
			t.Errorf("%s: labels (-want +got):\n%s", tt.name, diff)
		}
	}
	doc := extractString(t, "x.pdf", buildPDFWith("/PageLabels << /Nums [0 << /S /r >>] >>", "", show("\351 a di-")+" BT /F1 12 Tf 72 686 Td (vided word) Tj ET"))
	got, err := json.Marshal(doc)
	if want := `"warnings":[],"page_labels":["i"],"joined":[6]}`; err != nil || !strings.HasSuffix(string(got), want) {
		t.Errorf("JSON %s, error %v, want it to end with %s", got, err, want)
	}
	cyclic := buildPDFWith("/PageLabels 1 0 R /Kids [1 0 R 1 0 R]", "", show("a"))
	if doc := extractString(t, "x.pdf", cyclic); doc.PageLabels != nil {
		t.Errorf("labels %q of a cyclic tree, want none", doc.PageLabels)
	}
}

// TestRotatedPages turns a page of which the text is drawn so that it is upright
// when the page is turned. The foot is recognised where it is displayed.
func TestRotatedPages(t *testing.T) {
	for rotation, matrix := range map[string]string{"90": "0 1 -1 0 612 0", "180": "-1 0 0 -1 612 792", "-90": "0 -1 1 0 0 792", "0": "1 0 0 1 0 0"} {
		var pages []string
		for _, p := range pagesOf(3, func(p int) string { return line(300, 20, 9, "F1", "- "+string(rune('0'+p))+" -") }) {
			pages = append(pages, "q "+matrix+" cm "+p+" Q")
		}
		doc := extractString(t, "x.pdf", buildPDFWith("", "/Rotate "+rotation, pages...))
		if doc.RunningLines != 3 || strings.Contains(doc.Text, "- 1 -") || len(doc.Blocks) != 3 {
			t.Errorf("turned by %s: %d running lines, %d blocks, want 3 and 3", rotation, doc.RunningLines, len(doc.Blocks))
		}
	}
}

func TestXMPTitle(t *testing.T) {
	packet := func(s string) string {
		return `<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/">` + s
	}
	for s, want := range map[string]string{
		packet(`<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Tides &amp; mills</rdf:li><rdf:li>Other</rdf:li></rdf:Alt></dc:title>`): "Tides & mills",
		packet(`<dc:title></dc:title><dc:creator>A</dc:creator>`):                                                                       "",
		packet(`<dc:title><rdf:Alt><rdf:li>cut`):                                                                                        "",
		strings.Repeat("<a>", 10000):                                                                                                    "",
		"no xml":                                                                                                                        "",
	} {
		if got := xmpTitle([]byte(s)); got != want {
			t.Errorf("xmpTitle(%.80q) = %q, want %q", s, got, want)
		}
	}
	xmp := packet(`<dc:title><rdf:Alt><rdf:li>The tides</rdf:li></rdf:Alt></dc:title></rdf:Description></rdf:RDF></x:xmpmeta>`)
	data := pdfOf("/Root 1 0 R", "<< /Type /Catalog /Pages 2 0 R /Metadata 6 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Resources << /Font << /F1 5 0 R >> >> >>", "<< /Type /Page /Contents 4 0 R >>",
		pdfStreamOf("", show("text")), helvetica, pdfStreamOf("/Type /Metadata /Subtype /XML", xmp))
	if doc := extractString(t, "x.pdf", data); doc.Title != "The tides" {
		t.Errorf("title %q, want that of the metadata", doc.Title)
	}
}

func TestParsePDFDate(t *testing.T) {
	for s, want := range map[string]string{
		"D:20260228140509+01'00'": "2026-02-28T13:05:09Z", "D:20260228140509Z": "2026-02-28T14:05:09Z", "D:20260228140509-05'30": "2026-02-28T19:35:09Z",
		"20260228": "2026-02-28T00:00:00Z", "D:2026": "2026-01-01T00:00:00Z", "D:202602281405": "2026-02-28T14:05:00Z",
	} {
		got, ok := parsePDFDate(s)
		if !ok || got.Format(time.RFC3339) != want {
			t.Errorf("parsePDFDate(%q) = %v, %v, want %s", s, got, ok, want)
		}
	}
	for _, s := range []string{"", "D:", "D:20261", "D:20269999", "yesterday", "D:20260228140509+99'99'", "D:2026022814050999"} {
		if got, ok := parsePDFDate(s); ok {
			t.Errorf("parsePDFDate(%q) = %v, want none", s, got)
		}
	}
}

// TestScanned has pages that show pictures.
func TestScanned(t *testing.T) {
	const picture = "q 600 0 0 780 6 6 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \x00 EI Q "
	const form = "q 600 0 0 780 6 6 cm /Im Do Q "
	const objects = "/XObject << /Im << /Subtype /Image >> >>"
	tests := []struct {
		name    string
		pages   []string
		want    error
		scanned int
	}{
		{"all", []string{picture, picture}, ErrNeedsOCR, 0},
		{"with a mark of the program", []string{picture + show("Scanned by X"), picture + show("Scanned by X"), picture + show("Scanned by X")}, ErrNeedsOCR, 0},
		{"and a blank page", []string{picture, ""}, ErrNeedsOCR, 0},
		{"as an object", []string{form}, ErrNeedsOCR, 0},
		{"most", []string{prose(1), picture, picture}, nil, 2},
		{"with text", []string{picture + prose(1)}, nil, 0},
		{"a small one", []string{"q 50 0 0 50 6 6 cm BI /W 1 ID \x00 EI Q " + show("short")}, nil, 0},
		{"blank", []string{"", ""}, ErrEmpty, 0},
	}
	for _, tt := range tests {
		data := strings.ReplaceAll(buildPDFWith("", objects, tt.pages...), "/Resources << ", "/Resources << "+objects+" ")
		doc, err := Extract(t.Context(), Input{Name: "x.pdf", Data: []byte(data)})
		if !errors.Is(err, tt.want) || (tt.want == ErrEmpty) && ReasonOf(err) != ReasonEmpty || doc.ScannedPages != tt.scanned {
			t.Errorf("%s: error %v, %d scanned pages, want %v, %d", tt.name, err, doc.ScannedPages, tt.want, tt.scanned)
		}
		if tt.scanned > 0 && !strings.Contains(strings.Join(doc.Warnings, "\n"), "need OCR") {
			t.Errorf("%s: warnings %q, want one about OCR", tt.name, doc.Warnings)
		}
	}
}
