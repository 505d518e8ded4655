package extract

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
)

// PDFExtractor extracts with PDFium what needs it: all PDF files, or those that
// the built-in interpreter cannot read well, as Options say. Other files are
// extracted as they would be without it.
//
// With PDFAuto each file is run with the built-in interpreter first, so that
// nothing of PDFium is compiled or started where all files are good. And a file
// of which the second run fails, by taking too much time for instance, keeps
// what the first has read.
//
// Safe for concurrent use; don't change its fields then.
type PDFExtractor struct {
	Options PDFOptions
	Run     func(context.Context, Input) (Document, error) // [Extract], or a call of it in another process
}

// Extract extracts in with the backend of Options, whatever in.PDF says. The
// result is that of [Extract].
func (e *PDFExtractor) Extract(ctx context.Context, in Input) (Document, error) {
	in.PDF = e.Options
	if in.PDF.Backend != PDFAuto {
		return e.Run(ctx, in)
	}
	in.PDF.Backend = PDFBuiltin
	doc, err := e.Run(ctx, in)
	if ctx.Err() != nil || !wantsPDFium(in, doc, err) {
		return doc, err
	}
	in.PDF.Backend = PDFAuto
	second, secondErr := e.Run(ctx, in)
	switch {
	case secondErr == nil:
		return second, nil
	case ctx.Err() != nil:
		return Document{}, ctx.Err()
	case err == nil:
		doc.Warnings = append(doc.Warnings, secondReadingFailed(secondErr))
	}
	return doc, err
}

// Settings names the backend for a PDF file, where it is not PDFAuto, the usual
// one: what reads the file decides what its text is.
func (e *PDFExtractor) Settings(data []byte) string {
	if e.Options.Backend == PDFAuto || !looksPDF(data) {
		return ""
	}
	return "pdf." + string(cmp.Or(e.Options.Backend, PDFBuiltin))
}

// wantsPDFium reports whether PDFium may do better than the built-in
// interpreter with in, of which that made doc or err.
func wantsPDFium(in Input, doc Document, err error) bool {
	if err == nil {
		return doc.Doubtful
	}
	switch ReasonOf(err) {
	case ReasonDamaged, ReasonEmpty, ReasonNeedsOCR, ReasonCrash, ReasonTimeout, ReasonMemory:
		return looksPDF(in.Data)
	}
	return false
}

// looksPDF reports whether a file may be a PDF file.
func looksPDF(data []byte) bool { return bytes.Contains(data[:min(len(data), 1024)], []byte("%PDF-")) }

func secondReadingFailed(err error) string {
	return fmt.Sprintf("parts of the text may be unreadable, and reading them with PDFium failed: %v", libraryError(err))
}
