package extract

import (
	"context"
	"fmt"
	"path"
	"strings"
	"unicode"

	"github.com/ledongthuc/pdf"
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
// draw it, which keeps columns apart. Lines stay lines, hyphens at their ends
// included; paragraphs are separated by a blank line. Only the wrapped heads of
// a table's columns are joined, to one line for each row of heads. Running heads
// and page numbers stay. A block begins on Page; none goes over a page end.
//
// Text is what the fonts say it is, with Latin ligatures split into letters
// and no-break spaces made spaces; nothing else is normalised.
//
// The title is that of the document information or else the first heading of
// the highest level on the first page; see withName for what the name of the
// file adds to the latter.
//
// A page that cannot be read is a warning, and what was read of it is kept.
func extractPDF(ctx context.Context, in Input) (Document, error) {
	src := &pdfSource{ctx: ctx}
	r, repaired, err := openPDF(src, in.Data)
	if err != nil {
		return Document{}, err
	}
	pages, title, err := pdfPages(ctx, r)
	if err != nil {
		return Document{}, err
	}
	fonts := &pdfFonts{src: src, byKey: map[string]*pdfFont{}}
	var layout pdfLayout
	var warnings []string
	if repaired {
		warnings = append(warnings, "the cross-references of the file are damaged; its objects were found by searching for them")
	}
	unmapped, failed := 0, 0
	for i, p := range pages {
		if err := ctx.Err(); err != nil {
			return Document{}, err
		}
		show := &pdfInterpreter{src: src, fonts: fonts}
		if err := show.page(p); err != nil {
			if ctx.Err() != nil {
				return Document{}, ctx.Err()
			}
			if failed++; failed <= maxPageWarnings {
				warnings = append(warnings, fmt.Sprintf("page %d: %v; what was read before is kept", i+1, err))
			}
		}
		unmapped += show.unmapped
		if layout.addPage(show.finish()); layout.bytes > MaxTextBytes || layout.lines > maxPDFLines {
			return Document{}, fmt.Errorf("%w: more than %d bytes or %d lines of text on the first %d pages", ErrTooLarge, MaxTextBytes, maxPDFLines, i+1)
		}
	}
	s, marks := layout.text()
	if strings.TrimSpace(s) == "" {
		hint := "it may be scanned and need OCR (optical character recognition)"
		if unmapped > 0 {
			hint = fmt.Sprintf("its fonts do not say which characters their %d glyphs stand for; OCR (optical character recognition) may help", unmapped)
		} else if len(warnings) > 0 {
			hint = warnings[0]
		}
		return Document{}, fmt.Errorf("%w on its %d pages; %s", ErrEmpty, len(pages), hint)
	}
	if failed > maxPageWarnings {
		warnings = append(warnings, fmt.Sprintf("%d more pages could not be read completely", failed-maxPageWarnings))
	}
	if unmapped > 0 {
		warnings = append(warnings, fmt.Sprintf("%d glyphs are left out because their font does not say which characters they stand for", unmapped))
	}
	if title == "" {
		title = withName(layout.title(), in.Name)
	}
	return Document{Text: s, Title: title, Pages: len(pages), Blocks: tile(s, marks), Warnings: warnings}, nil
}

// pdfPage is one page with what it inherits.
type pdfPage struct {
	contents  pdf.Value
	resources pdf.Value
}

// pdfPages reads the page tree and the title in the document information. The
// tree is walked here because the library loops on a cyclic one.
func pdfPages(ctx context.Context, r *pdf.Reader) (pages []pdfPage, title string, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("%w: read page tree: %w", ErrMalformed, libraryError(x))
		}
	}()
	nodes := 0
	var walk func(node, resources pdf.Value, depth int) error
	walk = func(node, resources pdf.Value, depth int) error {
		if nodes++; nodes > maxPDFNodes || depth > maxPDFDepth {
			return fmt.Errorf("%w: the page tree is cyclic or has more than %d nodes", ErrMalformed, maxPDFNodes)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if own := node.Key("Resources"); !own.IsNull() {
			resources = own
		}
		kids := node.Key("Kids")
		if kids.Kind() != pdf.Array {
			if node.Kind() == pdf.Dict {
				pages = append(pages, pdfPage{contents: node.Key("Contents"), resources: resources})
			}
			if len(pages) > maxPDFPages {
				return fmt.Errorf("%w: more than %d pages", ErrTooLarge, maxPDFPages)
			}
			return nil
		}
		for i := range kids.Len() {
			if err := walk(kids.Index(i), resources, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(r.Trailer().Key("Root").Key("Pages"), pdf.Value{}, 0); err != nil {
		return nil, "", err
	}
	if len(pages) == 0 {
		return nil, "", fmt.Errorf("%w: no pages", ErrMalformed)
	}
	return pages, pdfInfoTitle(r.Trailer().Key("Info").Key("Title").Text()), nil
}

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
