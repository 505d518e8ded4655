package extract

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Limits of a PDF file; see pdfSource for those of what is unpacked.
const (
	maxPDFPages  = 50_000
	maxPDFNodes  = 200_000 // of the page tree
	maxPDFDepth  = 64      // of the page tree
	maxPDFLines  = 1 << 22
	maxPageLines = 1 << 18
	maxFormDepth = 8

	maxPageWarnings = 10
)

// extractPDF renders the text of a PDF file in the order in which its pages
// draw it, which keeps columns apart; where a page is drawn across its columns,
// they are put in order. Paragraphs are separated by a blank line, lines stay
// lines. What is not as the page draws it:
//
//   - Running heads and feet and page numbers are left out and counted in
//     Document.RunningLines; see pdf_running.go.
//   - A word divided at the end of a line is put together on that line, and on
//     that page; Document.Joined has the places. See pdf_hyphens.go.
//   - A row of a table is one line: the lines of a wrapped cell are joined, and
//     the wrapped heads of the columns.
//   - A footnote between the columns that a paragraph goes over comes behind it.
//
// A block begins on Page; none goes over a page end.
//
// Text is what the fonts say it is, with ligatures and presentation forms as
// letters, no-break spaces made spaces, and Hebrew and Arabic in the order in
// which they are read; nothing else is normalised.
//
// The title is that of the document information, or else of its XMP metadata,
// or else the first heading of the highest level on the first page; see
// withName for what the name of the file adds to the latter.
//
// A page that cannot be read is a warning, and what was read of it is kept. A
// file of which no page has text fails: with ErrNeedsOCR where they show
// pictures or letters that nothing says the meaning of, with ErrEmpty where
// they are blank. A page with a picture and a few letters, as programs that
// scan add them, counts as one without text.
func extractPDF(ctx context.Context, in Input) (Document, error) {
	file, err := readPDF(ctx, in)
	if err != nil {
		return Document{}, err
	}
	doubtful := (in.PDF.Backend == "" || in.PDF.Backend == PDFBuiltin) && file.suspect()
	layout := newPDFLayout(file.pages)
	s, marks := layout.text()
	if strings.TrimSpace(s) == "" || file.isScanned() {
		return Document{}, file.noText()
	}
	doc := Document{
		Text: s, Title: file.title, Pages: len(file.pages), Blocks: tile(s, marks), Warnings: file.warnings(),
		Doubtful: doubtful, PageLabels: file.labels, ScannedPages: file.scanned(), RunningLines: layout.running, Joined: layout.joined,
	}
	file.meta.apply(&doc)
	if doc.Title == "" {
		doc.Title = withName(layout.title(), in.Name)
	}
	return doc, nil
}

// pdfContent is what was read of a file.
type pdfContent struct {
	pages    []pdfPageText
	title    string
	labels   []string // of the pages; nil where they are their numbers
	meta     *metadata
	repaired bool
	notes    []string // more for a user to know
}

// pdfPageText is what a page shows.
type pdfPageText struct {
	lines         []pdfLine // in the order in which they are drawn
	width, height float64   // in points, as the page is displayed
	glyphs        int
	unmapped      int     // of them, those whose font does not say what they mean
	pictures      float64 // area of the images, as a share of that of the page; they may overlap
	err           error   // what ended the reading of the page before its end
}

// readBuiltin reads a file with the program's own interpreter.
func readBuiltin(ctx context.Context, in Input) (*pdfContent, error) {
	src := &pdfSource{ctx: ctx}
	r, repaired, err := openPDF(src, in.Data)
	if err != nil {
		return nil, err
	}
	catalogue, err := readCatalogue(ctx, src, r)
	if err != nil {
		return nil, err
	}
	file := &pdfContent{title: catalogue.title, labels: catalogue.labels, meta: catalogue.meta, repaired: repaired}
	fonts := &pdfFonts{src: src, byKey: map[string]*pdfFont{}}
	size := pdfSize{}
	for _, p := range catalogue.pages {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		show := &pdfInterpreter{src: src, fonts: fonts}
		page := show.page(p)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		file.pages = append(file.pages, page)
		if err := size.add(page); err != nil {
			return nil, err
		}
	}
	return file, nil
}

// pdfSize is how much text was read.
type pdfSize struct{ pages, lines, bytes int }

// add counts a page; the error wraps ErrTooLarge.
func (n *pdfSize) add(p pdfPageText) error {
	n.pages++
	n.lines += len(p.lines)
	for _, line := range p.lines {
		n.bytes += len(line.text)
	}
	if n.bytes > MaxTextBytes || n.lines > maxPDFLines {
		return fmt.Errorf("%w: more than %d bytes or %d lines of text on the first %d pages", ErrOutputTooLarge, MaxTextBytes, maxPDFLines, n.pages)
	}
	return nil
}

const (
	minScan        = 0.5 // share of a page from which its pictures may be a scan
	maxScanLetters = 24  // that may be on it in text: "Scanned with …"
)

// isScanned reports whether a page has no text but a picture that may show
// some.
func (p pdfPageText) isScanned() bool { return p.pictures >= minScan && p.letters() <= maxScanLetters }

// isScanned reports whether all pages that are not blank are scanned.
func (f *pdfContent) isScanned() bool {
	return f.scanned() > 0 && !slices.ContainsFunc(f.pages, func(p pdfPageText) bool { return len(p.lines) > 0 && !p.isScanned() })
}

func (f *pdfContent) scanned() int {
	n := 0
	for _, p := range f.pages {
		if p.isScanned() {
			n++
		}
	}
	return n
}

func (f *pdfContent) unmapped() int {
	n := 0
	for _, p := range f.pages {
		n += p.unmapped
	}
	return n
}

// noText returns why a file has no text.
func (f *pdfContent) noText() error {
	n := len(f.pages)
	if unmapped := f.unmapped(); unmapped > 0 && !f.isScanned() {
		return fmt.Errorf("%w: the fonts do not say which characters the %d glyphs on its %d pages stand for", ErrNeedsOCR, unmapped, n)
	}
	if scanned := f.scanned(); scanned > 0 {
		return fmt.Errorf("%w: %d of its %d pages are pictures, the others have no text", ErrNeedsOCR, scanned, n)
	}
	if warnings := f.warnings(); len(warnings) > 0 {
		return fmt.Errorf("%w on its %d pages; %s", ErrEmpty, n, warnings[0])
	}
	return fmt.Errorf("%w on its %d pages; text may be drawn as lines and need OCR (optical character recognition)", ErrEmpty, n)
}

// warnings returns what a user should know about how the file could be read.
func (f *pdfContent) warnings() []string {
	out := slices.Clone(f.notes)
	if f.repaired {
		out = append(out, "the cross-references of the file are damaged; its objects were found by searching for them")
	}
	failed := 0
	for i, p := range f.pages {
		if p.err == nil {
			continue
		}
		if failed++; failed <= maxPageWarnings {
			out = append(out, fmt.Sprintf("page %d: %v; what was read before is kept", i+1, p.err))
		}
	}
	if failed > maxPageWarnings {
		out = append(out, fmt.Sprintf("%d more pages could not be read completely", failed-maxPageWarnings))
	}
	if n := f.unmapped(); n > 0 {
		out = append(out, fmt.Sprintf("%d glyphs are left out because their font does not say which characters they stand for", n))
	}
	if n := f.scanned(); n > 0 {
		out = append(out, fmt.Sprintf("%d of %d pages are pictures without text; they need OCR (optical character recognition)", n, len(f.pages)))
	}
	return out
}

// errPDFLimit stops the interpretation of a page.
var errPDFLimit = errors.New("more content than the limits allow")
