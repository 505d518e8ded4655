package extract

import (
	"fmt"
	"strings"
)

const (
	helvetica     = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
	helveticaBold = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>"
)

// pdfStreamOf returns a stream object.
func pdfStreamOf(dict, content string) string {
	return fmt.Sprintf("<< %s /Length %d >>\nstream\n%s\nendstream", dict, len(content), content)
}

// buildPDF2 is buildPDF with a second font, F2, which is bold.
func buildPDF2(pages ...string) string { return buildPDFWith("", "", pages...) }

// buildPDFWith returns a file with entries in its catalogue and in the node
// above its pages. Objects from 5 on are pages, each followed by its content.
func buildPDFWith(catalogue, node string, pages ...string) string {
	objects := []string{"<< /Type /Catalog /Pages 2 0 R " + catalogue + " >>", "", helvetica, helveticaBold}
	var kids []string
	for _, content := range pages {
		n := len(objects) + 1
		kids = append(kids, fmt.Sprintf("%d 0 R", n))
		objects = append(objects, fmt.Sprintf("<< /Type /Page /Parent 2 0 R /Contents %d 0 R >>", n+1), pdfStreamOf("", content))
	}
	objects[1] = fmt.Sprintf("<< /Type /Pages /Kids [%s] /Count %d /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> %s >>",
		strings.Join(kids, " "), len(kids), node)
	return pdfOf("/Root 1 0 R", objects...)
}
