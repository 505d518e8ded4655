package extract

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode"

	"github.com/klippa-app/go-pdfium"
	"github.com/klippa-app/go-pdfium/enums"
	pdfiumerrors "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// maxPDFiumPages is the memory that PDFium may take, in pages of 64 KiB: 256
// MiB. It holds the file as well.
const maxPDFiumPages = 256 << 20 >> 16

// maxPDFiumRow bounds the glyphs that go to the lines together.
const maxPDFiumRow = 1 << 14

// pdfiumStart is how long the start of an instance may take once the module is
// compiled, which takes milliseconds.
const pdfiumStart = time.Minute

// pdfiumFile is PDFium, with or without an open file. It is compiled to
// WebAssembly and runs without access to files, network or environment. It is
// not safe for concurrent use.
type pdfiumFile struct {
	closers  []func() error
	instance pdfium.Pdfium
	document references.FPDF_DOCUMENT
	pages    int
}

// startPDFium starts PDFium. Compiling it takes seconds and 300 MB of memory
// where cacheDir does not have it yet, or is empty. Call close in the end.
func startPDFium(ctx context.Context, cacheDir string) (_ *pdfiumFile, err error) {
	f := &pdfiumFile{}
	defer func() {
		if err != nil {
			f.close()
			err = fmt.Errorf("start PDFium: %w", err)
		}
	}()
	config := wazero.NewRuntimeConfig().
		WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesExceptionHandling).
		WithMemoryLimitPages(maxPDFiumPages).
		WithCloseOnContextDone(true)
	if cacheDir != "" {
		cache, err := wazero.NewCompilationCacheWithDir(cacheDir)
		if err != nil {
			return nil, fmt.Errorf("open the cache of compiled code: %w", err)
		}
		f.closers = append(f.closers, func() error { return cache.Close(context.WithoutCancel(ctx)) })
		config = config.WithCompilationCache(cache)
	}
	pool, err := webassembly.Init(webassembly.Config{
		Context: ctx, MinIdle: 1, MaxIdle: 1, MaxTotal: 1, RuntimeConfig: config,
		FSConfig: wazero.NewFSConfig(), Stdout: io.Discard, Stderr: io.Discard, RandomSource: zeros{},
	})
	if err != nil {
		return nil, err
	}
	f.closers = append(f.closers, pool.Close)
	if f.instance, err = pool.GetInstance(pdfiumStart); err != nil {
		return nil, err
	}
	f.closers = append(f.closers, f.instance.Close)
	return f, nil
}

// openPDFium starts PDFium and opens a file. The error wraps ErrMalformed, or
// ErrEncrypted where a password is needed, unless PDFium does not run. Call
// close in the end.
func openPDFium(ctx context.Context, data []byte, cacheDir string) (*pdfiumFile, error) {
	f, err := startPDFium(ctx, cacheDir)
	if err != nil {
		return nil, err
	}
	if err := f.open(data); err != nil {
		f.close()
		return nil, fmt.Errorf("open PDF with PDFium: %w", err)
	}
	return f, nil
}

// open opens a file.
func (f *pdfiumFile) open(data []byte) error {
	document, err := f.instance.FPDF_LoadMemDocument(&requests.FPDF_LoadMemDocument{Data: &data})
	switch {
	case errors.Is(err, pdfiumerrors.ErrPassword):
		return fmt.Errorf("%w: it needs a password; remove the password first", ErrEncrypted)
	case errors.Is(err, pdfiumerrors.ErrSecurity):
		return fmt.Errorf("%w in a way that cannot be read; remove the encryption first", ErrEncrypted)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	f.document = document.Document
	count, err := f.instance.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: f.document})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if f.pages = count.PageCount; f.pages > maxPDFPages {
		return fmt.Errorf("%w: more than %d pages", ErrTooLarge, maxPDFPages)
	}
	return nil
}

// close ends PDFium, the last thing that was started first.
func (f *pdfiumFile) close() {
	for i := len(f.closers) - 1; i >= 0; i-- {
		// Nothing of what is closed is needed or kept.
		_ = f.closers[i]()
	}
}

// zeros is a source of bytes that are the same each time.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// info returns an entry of the document information, "" where there is none.
func (f *pdfiumFile) info(key string) string {
	r, err := f.instance.FPDF_GetMetaText(&requests.FPDF_GetMetaText{Document: f.document, Tag: key})
	if err != nil {
		return ""
	}
	return r.Value
}

// labels returns what the document calls its pages, nil where that is their
// number.
func (f *pdfiumFile) labels() []string {
	labels, plain := make([]string, f.pages), true
	for i := range labels {
		labels[i] = strconv.Itoa(i + 1)
		r, err := f.instance.FPDF_GetPageLabel(&requests.FPDF_GetPageLabel{Document: f.document, Page: i})
		if err == nil && oneLineLabel(cleanText(r.Label)) != "" {
			plain = plain && r.Label == labels[i]
			labels[i] = oneLineLabel(cleanText(r.Label))
		}
	}
	if plain {
		return nil
	}
	return labels
}

// page reads a page, from 0.
func (f *pdfiumFile) page(ctx context.Context, i int) (out pdfPageText) {
	in := &pdfiumPage{instance: f.instance}
	defer func() {
		out.lines, out.glyphs, out.unmapped, out.pictures = in.finish(), in.glyphs, in.unmapped, finite(in.pictures/(out.width*out.height))
	}()
	out.width, out.height = letterWidth, letterHeight
	page, err := f.instance.FPDF_LoadPage(&requests.FPDF_LoadPage{Document: f.document, Index: i})
	if err != nil {
		out.err = fmt.Errorf("load page: %w", err)
		return out
	}
	defer f.instance.FPDF_ClosePage(&requests.FPDF_ClosePage{Page: page.Page})
	in.page.ByReference = &page.Page
	box, err := f.instance.FPDF_GetPageBoundingBox(&requests.FPDF_GetPageBoundingBox{Page: in.page})
	if err != nil {
		out.err = fmt.Errorf("read the size of the page: %w", err)
		return out
	}
	rotation, err := f.instance.FPDFPage_GetRotation(&requests.FPDFPage_GetRotation{Page: in.page})
	if err != nil {
		out.err = fmt.Errorf("read the rotation of the page: %w", err)
		return out
	}
	r := box.Rect
	in.base, out.width, out.height = displayed(float64(r.Left), float64(r.Bottom), float64(r.Right), float64(r.Top), int(rotation.PageRotation))
	if out.err = in.text(ctx); out.err == nil {
		out.err = in.images(ctx)
	}
	return out
}

// pdfiumPage hands the glyphs of one page to lines.
type pdfiumPage struct {
	pdfLines
	instance pdfium.Pdfium
	page     requests.Page
	chars    references.FPDF_TEXTPAGE
	base     matrix
	glyphs   int
	unmapped int
	pictures float64 // area of the images, in square points
	row      []pdfiumGlyph

	// Of the character before.
	height    float32 // of its box; 0 between words
	transform matrix  // of its font, without its place
	weight    pdfWeight
}

func (in *pdfiumPage) text(ctx context.Context) error {
	text, err := in.instance.FPDFText_LoadPage(&requests.FPDFText_LoadPage{Page: in.page})
	if err != nil {
		return fmt.Errorf("load the text of the page: %w", err)
	}
	in.chars = text.TextPage
	defer in.instance.FPDFText_ClosePage(&requests.FPDFText_ClosePage{TextPage: in.chars})
	count, err := in.instance.FPDFText_CountChars(&requests.FPDFText_CountChars{TextPage: in.chars})
	if err != nil {
		return fmt.Errorf("count the characters of the page: %w", err)
	}
	for i := range count.Count {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := in.char(i); err != nil {
			return fmt.Errorf("read character %d: %w", i, err)
		}
		if in.full() {
			return errPDFLimit
		}
	}
	in.flushRow()
	return nil
}

// char hands on one character. Those that PDFium makes up, spaces and line
// ends, are left out: lines find their own.
func (in *pdfiumPage) char(i int) error {
	code, err := in.instance.FPDFText_GetUnicode(&requests.FPDFText_GetUnicode{TextPage: in.chars, Index: i})
	if err != nil {
		return err
	}
	if r := rune(min(code.Unicode, unicode.MaxRune)); unicode.IsSpace(r) {
		generated, err := in.instance.FPDFText_IsGenerated(&requests.FPDFText_IsGenerated{TextPage: in.chars, Index: i})
		if err != nil {
			return err
		}
		if in.height = 0; generated.IsGenerated {
			return nil
		}
	}
	origin, err := in.instance.FPDFText_GetCharOrigin(&requests.FPDFText_GetCharOrigin{TextPage: in.chars, Index: i})
	if err != nil {
		return err
	}
	box, err := in.instance.FPDFText_GetLooseCharBox(&requests.FPDFText_GetLooseCharBox{TextPage: in.chars, Index: i})
	if err != nil {
		return err
	}
	failed, err := in.instance.FPDFText_HasUnicodeMapError(&requests.FPDFText_HasUnicodeMapError{TextPage: in.chars, Index: i})
	if err != nil {
		return err
	}
	r := box.Rect
	// The box of a character is as high as its font: where that changes, and at
	// the start of a word, the font is looked at again.
	if height := r.Top - r.Bottom; height != in.height {
		if err := in.font(i); err != nil {
			return err
		}
		in.height = height
	}
	in.glyphs++
	s := ""
	const hyphenMark = 2 // at the end of a line
	switch {
	case code.Unicode == hyphenMark:
		s = "-"
	case failed.HasUnicodeMapError, code.Unicode == 0, code.Unicode == 0xfffe, code.Unicode > unicode.MaxRune:
		in.unmapped++
	default:
		s = pdfText(string(rune(code.Unicode)))
	}
	m := in.transform
	m[4], m[5] = origin.X, origin.Y
	along := math.Hypot(m[0], m[1])
	if along == 0 {
		return nil // it cannot be seen
	}
	// A glyph reaches to the far side of its box. The letters of a ligature share
	// an origin and divide its box.
	x, y := float64(r.Right), float64(r.Top)
	if m[0] < 0 {
		x = float64(r.Left)
	}
	if m[1] < 0 {
		y = float64(r.Bottom)
	}
	extent := max(((x-origin.X)*m[0]+(y-origin.Y)*m[1])/along, 0)
	in.add(pdfiumGlyph{s, m.mul(in.base), extent / along, in.weight})
	return nil
}

// pdfiumGlyph is a glyph on its way to the lines.
type pdfiumGlyph struct {
	text   string
	m      matrix
	width  float64 // in em
	weight pdfWeight
}

// place returns where a glyph is along and across its direction of writing.
func (g pdfiumGlyph) place() (x, y float64) {
	ux, uy, _, _ := g.m.direction()
	return g.m[4]*ux + g.m[5]*uy, g.m[5]*ux - g.m[4]*uy
}

// add adds a glyph to those at its height, which go to the lines together.
func (in *pdfiumPage) add(g pdfiumGlyph) {
	if k := len(in.row); k > 0 {
		lastX, lastY := in.row[k-1].place()
		x, y := g.place()
		_, _, _, size := g.m.direction()
		switch {
		case k >= maxPDFiumRow, !(math.Abs(y-lastY) <= lineShift*size):
			in.flushRow()
		case x == lastX: // the letters of a ligature
			g.width = max(g.width, in.row[k-1].width)
		}
	}
	in.row = append(in.row, g)
}

// flushRow hands on the glyphs at one height. PDFium puts the letters of each
// word in Hebrew and Arabic into the order in which they are read, but not the
// words; in rows that have such letters all are put back as they are drawn,
// from left to right, which lines expect.
func (in *pdfiumPage) flushRow() {
	if slices.ContainsFunc(in.row, func(g pdfiumGlyph) bool { return isRightToLeft(g.text) }) {
		slices.SortStableFunc(in.row, func(a, b pdfiumGlyph) int {
			ax, _ := a.place()
			bx, _ := b.place()
			return cmp.Compare(ax, bx)
		})
	}
	for _, g := range in.row {
		in.glyph(g.text, g.m, g.width, 0, g.weight)
	}
	in.row = in.row[:0]
}

// font reads the size, transformation and style of the font of a character.
func (in *pdfiumPage) font(i int) error {
	size, err := in.instance.FPDFText_GetFontSize(&requests.FPDFText_GetFontSize{TextPage: in.chars, Index: i})
	if err != nil {
		return err
	}
	transform, err := in.instance.FPDFText_GetMatrix(&requests.FPDFText_GetMatrix{TextPage: in.chars, Index: i})
	if err != nil {
		return err
	}
	t := transform.Matrix
	in.transform = matrix{float64(t.A), float64(t.B), float64(t.C), float64(t.D)}
	for k := range in.transform {
		in.transform[k] *= size.FontSize
	}
	in.weight = in.fontWeight(i)
	return nil
}

// fontWeight returns the style of the font of a character.
func (in *pdfiumPage) fontWeight(i int) pdfWeight {
	info, err := in.instance.FPDFText_GetFontInfo(&requests.FPDFText_GetFontInfo{TextPage: in.chars, Index: i})
	if err != nil {
		return pdfWeight{} // the font has no name
	}
	return pdfWeight{
		bold:   info.Flags&flagForceBold != 0 || isBoldName(info.FontName),
		italic: info.Flags&flagItalic != 0 || isItalicName(info.FontName),
	}
}

// images adds up the area of the images on the page.
func (in *pdfiumPage) images(ctx context.Context) error {
	count, err := in.instance.FPDFPage_CountObjects(&requests.FPDFPage_CountObjects{Page: in.page})
	if err != nil {
		return fmt.Errorf("count the objects of the page: %w", err)
	}
	for i := range count.Count {
		if err := ctx.Err(); err != nil {
			return err
		}
		object, err := in.instance.FPDFPage_GetObject(&requests.FPDFPage_GetObject{Page: in.page, Index: i})
		if err != nil {
			return fmt.Errorf("read object %d of the page: %w", i, err)
		}
		kind, err := in.instance.FPDFPageObj_GetType(&requests.FPDFPageObj_GetType{PageObject: object.PageObject})
		if err != nil || kind.Type != enums.FPDF_PAGEOBJ_IMAGE {
			continue
		}
		b, err := in.instance.FPDFPageObj_GetBounds(&requests.FPDFPageObj_GetBounds{PageObject: object.PageObject})
		if err == nil {
			in.pictures += math.Abs(float64(b.Right-b.Left) * float64(b.Top-b.Bottom))
		}
	}
	return nil
}
