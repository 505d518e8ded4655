package extract

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPDFLayout(t *testing.T) {
	line := func(x, y, size float64, s string) string {
		return fmt.Sprintf("BT /F1 %g Tf %g %g Td (%s) Tj ET ", size, x, y, s)
	}
	content := line(72, 760, 20, "Main heading") + line(72, 730, 14, "Lesser heading") +
		line(72, 710, 10, "Body text that is long enough to set the size of the body of this page,") + line(72, 698, 10, "on two lines.") +
		line(80, 680, 10, "\x95 item one") + line(80, 668, 10, "\x95 item two that") + line(88, 656, 10, "goes on") +
		line(72, 630, 10, "Part") + line(200, 630, 10, "Price") + line(300, 630, 10, "Unit") +
		line(72, 610, 10, "Lid") + line(200, 610, 10, "3.20") + line(300, 610, 10, "m") +
		line(72, 590, 10, "Seals:") +
		line(72, 570, 10, "S-1") + line(200, 570, 10, "0.90") + line(300, 570, 10, "m") +
		line(72, 540, 10, "Closing text.")
	doc := extractString(t, "x.pdf", buildPDF(content))
	want := []string{
		`heading 1 "Main heading\n\n"`, `heading 2 "Lesser heading\n\n"`,
		`paragraph 0 "Body text that is long enough to set the size of the body of this page,\non two lines.\n\n"`,
		`list_item 1 "• item one\n"`, `list_item 1 "• item two that\ngoes on\n\n"`,
		`table 0 "Part Price Unit\nLid 3.20 m\nSeals:\nS-1 0.90 m\n\n"`,
		`paragraph 0 "Closing text."`,
	}
	if diff := cmp.Diff(want, kinds(doc)); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
	if doc.Title != "Main heading" {
		t.Errorf("title %q, want the heading", doc.Title)
	}
}

// line draws text at a place, in bold where font is F2.
func line(x, y, size float64, font, s string) string {
	return fmt.Sprintf("BT /%s %g Tf %g %g Td (%s) Tj ET ", font, size, x, y, s)
}

// statement returns a page of a report: a heading in capitals, one in bold, and
// a table of which the heads of the columns are wrapped,
// in bold and smaller than the rows, and no heading is larger than the body.
func statement() string {
	page := ""
	for y := 500.0; y > 400; y -= 12 {
		page += line(72, y, 10, "F1", "Text that is there so that most of this page has the smaller font.")
	}
	return line(72, 740, 10, "F2", "Part One") + line(250, 740, 10, "F2", "draft") +
		line(72, 720, 10, "F1", "NOTE FIVE") + line(72, 700, 10, "F2", "Debt") +
		line(72, 680, 10, "F1", "The company has borrowed, as this sentence explains at a length that makes it running text.") +
		line(222, 650, 10, "F2", "Statement of income") + line(235, 638, 10, "F1", "\\(in thousands\\)") +
		line(330, 620, 9, "F2", "Three months ended") +
		line(330, 608, 9, "F2", "March 31,") + line(335, 599, 9, "F2", "2023") +
		line(430, 608, 9, "F2", "March 31,") + line(435, 599, 9, "F2", "2022") +
		line(72, 580, 10, "F1", "Sales") + line(340, 580, 10, "F1", "1,200") + line(440, 580, 10, "F1", "1,100") +
		line(72, 568, 10, "F1", "Costs") + line(340, 568, 10, "F1", "900") + line(440, 568, 10, "F1", "950") + page
}

func TestPDFColumnHeadsAndBoldHeadings(t *testing.T) {
	body := ""
	for y := 740.0; y > 500; y -= 14 {
		body += line(72, y, 12, "F1", "An exhibit in a larger font, with most of the text of the document on this page.")
	}
	stream := func(s string) string { return fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(s), s) }
	doc := extractString(t, "x.pdf", pdfOf("/Root 1 0 R", "<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R 4 0 R] /Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>",
		"<< /Type /Page /Contents 7 0 R >>", "<< /Type /Page /Contents 8 0 R >>",
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
		stream(statement()), stream(body)))
	got := kinds(doc)
	want := []string{
		`paragraph 0 "Part One draft\n\n"`,
		`heading 1 "NOTE FIVE\n\n"`, `heading 2 "Debt\n\n"`,
		`paragraph 0 "The company has borrowed, as this sentence explains at a length that makes it running text.\n\n"`,
		`heading 2 "Statement of income\n\n"`, `paragraph 0 "(in thousands)\n\n"`,
		`table 0 "Three months ended March 31, 2023 March 31, 2022\nSales 1,200 1,100\nCosts 900 950\n\n"`,
	}
	if diff := cmp.Diff(want, got[:min(len(got), len(want))]); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
}
