package extract

import (
	"context"
	"errors"
	"fmt"
)

// PDFBackend names what reads PDF files.
type PDFBackend string

const (
	// PDFBuiltin is the program's own interpreter: fast, and good for what
	// common programs write.
	PDFBuiltin PDFBackend = "builtin"
	// PDFium is Google's library, compiled to WebAssembly: several times
	// slower, and it reads nearly everything.
	PDFium PDFBackend = "pdfium"
	// PDFAuto reads with PDFBuiltin and, where that fails or gives what does not
	// look like text, the file or its pages in question with PDFium.
	PDFAuto PDFBackend = "auto"
)

// PDFBackends returns all backends.
func PDFBackends() []PDFBackend { return []PDFBackend{PDFAuto, PDFBuiltin, PDFium} }

// PDFOptions says how PDF files are read. The zero value stands for
// PDFBuiltin. See [PDFExtractor], which chooses.
type PDFOptions struct {
	Backend PDFBackend // "": PDFBuiltin
	// CacheDir is a directory that keeps PDFium as compiled for this machine, 21
	// MB, so that only the first use of it takes seconds and 300 MB of memory. It
	// is made where it is missing, and may be shared by processes. "": compile
	// on each use. It has no influence on what is read.
	CacheDir string
}

// readPDF reads a file with the backend that in asks for.
func readPDF(ctx context.Context, in Input) (*pdfContent, error) {
	switch in.PDF.Backend {
	case "", PDFBuiltin:
		return readBuiltin(ctx, in)
	case PDFium:
		return readPDFium(ctx, in)
	case PDFAuto:
	default:
		return nil, fmt.Errorf("read PDF: unknown backend %q, allowed are %q", in.PDF.Backend, PDFBackends())
	}
	file, err := readBuiltin(ctx, in)
	switch {
	case ctx.Err() != nil, errors.Is(err, ErrEncrypted), errors.Is(err, ErrTooLarge):
		return nil, err
	case err == nil && !file.suspect():
		return file, nil
	}
	second, secondErr := readSuspects(ctx, in, file)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err == nil && secondErr != nil:
		file.notes = append(file.notes, secondReadingFailed(secondErr))
		return file, nil
	case err != nil && secondErr != nil:
		return nil, err
	}
	return second, nil
}

// suspect reports whether a second reading may give more or better text.
func (f *pdfContent) suspect() bool {
	empty := true
	for _, p := range f.pages {
		if p.smell() >= smellLimit {
			return true
		}
		empty = empty && len(p.lines) == 0 && !p.isScanned()
	}
	return empty
}

// readSuspects reads with PDFium the pages of first that are suspect, or the
// whole file where first is nil or has other pages.
func readSuspects(ctx context.Context, in Input, first *pdfContent) (*pdfContent, error) {
	f, err := openPDFium(ctx, in.Data, in.PDF.CacheDir)
	if err != nil {
		return nil, err
	}
	defer f.close()
	if first == nil || len(first.pages) != f.pages {
		second, err := f.read(ctx)
		if err != nil || first == nil || second.letters() > first.letters() {
			return second, err
		}
		return first, nil
	}
	size := pdfSize{}
	empty := first.letters() == 0
	for i, p := range first.pages {
		if empty || p.smell() >= smellLimit {
			first.pages[i] = better(p, f.page(ctx, i))
		}
		if err := size.add(first.pages[i]); err != nil {
			return nil, err
		}
	}
	return first, ctx.Err()
}

// readPDFium reads a file with PDFium.
func readPDFium(ctx context.Context, in Input) (*pdfContent, error) {
	f, err := openPDFium(ctx, in.Data, in.PDF.CacheDir)
	if err != nil {
		return nil, err
	}
	defer f.close()
	return f.read(ctx)
}

// read reads all pages.
func (f *pdfiumFile) read(ctx context.Context) (*pdfContent, error) {
	if f.pages == 0 {
		return nil, fmt.Errorf("%w: no pages", ErrMalformed)
	}
	out := &pdfContent{title: pdfInfoTitle(f.info("Title")), labels: f.labels(), meta: pdfInfo(f.info).metadata()}
	size := pdfSize{}
	for i := range f.pages {
		page := f.page(ctx, i)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		out.pages = append(out.pages, page)
		if err := size.add(page); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// letters returns the number of letters and digits of a file.
func (f *pdfContent) letters() int {
	n := 0
	for _, p := range f.pages {
		n += p.letters()
	}
	return n
}
