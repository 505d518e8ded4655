package extract

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ledongthuc/pdf"
)

// pdfPage is one page with what it inherits.
type pdfPage struct {
	contents  pdf.Value
	resources pdf.Value
	// base takes the page to where it is displayed: upright, its lower left
	// corner at the origin.
	base          matrix
	width, height float64 // as displayed, in points
}

// pdfCatalogue is what a file says about itself and its pages.
type pdfCatalogue struct {
	pages  []pdfPage
	labels []string
	title  string
	meta   *metadata
}

// pdfInherited is what the nodes of the page tree hand down.
type pdfInherited struct {
	resources, mediaBox, cropBox, rotate pdf.Value
}

func (in pdfInherited) with(node pdf.Value) pdfInherited {
	for _, e := range []struct {
		key string
		to  *pdf.Value
	}{{"Resources", &in.resources}, {"MediaBox", &in.mediaBox}, {"CropBox", &in.cropBox}, {"Rotate", &in.rotate}} {
		if own := node.Key(e.key); !own.IsNull() {
			*e.to = own
		}
	}
	return in
}

// readCatalogue reads the page tree, the labels of the pages and metadata. The
// tree is walked here because the library loops on a cyclic one.
func readCatalogue(ctx context.Context, src *pdfSource, r *pdf.Reader) (c pdfCatalogue, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("%w: read page tree: %w", ErrMalformed, libraryError(x))
		}
	}()
	nodes := 0
	var walk func(node pdf.Value, inherited pdfInherited, depth int) error
	walk = func(node pdf.Value, inherited pdfInherited, depth int) error {
		if nodes++; nodes > maxPDFNodes || depth > maxPDFDepth {
			return fmt.Errorf("%w: the page tree is cyclic or has more than %d nodes", ErrMalformed, maxPDFNodes)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		inherited = inherited.with(node)
		kids := node.Key("Kids")
		if kids.Kind() != pdf.Array {
			if node.Kind() == pdf.Dict {
				c.pages = append(c.pages, newPDFPage(node, inherited))
			}
			if len(c.pages) > maxPDFPages {
				return fmt.Errorf("%w: more than %d pages", ErrTooLarge, maxPDFPages)
			}
			return nil
		}
		for i := range kids.Len() {
			if err := walk(kids.Index(i), inherited, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	root := r.Trailer().Key("Root")
	if err := walk(root.Key("Pages"), pdfInherited{}, 0); err != nil {
		return pdfCatalogue{}, err
	}
	if len(c.pages) == 0 {
		return pdfCatalogue{}, fmt.Errorf("%w: no pages", ErrMalformed)
	}
	c.labels = pageLabels(root.Key("PageLabels"), len(c.pages))
	info := r.Trailer().Key("Info")
	c.meta = pdfInfo(func(key string) string { return info.Key(key).Text() }).metadata()
	if c.title = pdfInfoTitle(info.Key("Title").Text()); c.title == "" {
		// A damaged stream has no title.
		data, _ := src.streamBytes(root.Key("Metadata"))
		c.title = pdfInfoTitle(xmpTitle(data))
	}
	return c, nil
}

// Sizes of pages, in points.
const (
	letterWidth, letterHeight = 612, 792
	minPageSide, maxPageSide  = 1, 1e6
)

// newPDFPage reads a page. A box that is no box stands for a letter page.
func newPDFPage(node pdf.Value, inherited pdfInherited) pdfPage {
	x0, y0, x1, y1, ok := pdfBox(inherited.cropBox)
	if !ok {
		x0, y0, x1, y1, ok = pdfBox(inherited.mediaBox)
	}
	if !ok {
		x0, y0, x1, y1 = 0, 0, letterWidth, letterHeight
	}
	p := pdfPage{contents: node.Key("Contents"), resources: inherited.resources}
	p.base, p.width, p.height = displayed(x0, y0, x1, y1, int((inherited.rotate.Int64()%360+360)%360/90))
	return p
}

// displayed returns the transformation that takes a page, the part of it with
// the corners given, to where it is displayed, and its size there. It is turned
// clockwise by quarters.
func displayed(x0, y0, x1, y1 float64, quarters int) (base matrix, width, height float64) {
	width, height = x1-x0, y1-y0
	base = translation(-x0, -y0)
	switch quarters {
	case 1:
		return base.mul(matrix{0, -1, 1, 0, 0, width}), height, width
	case 2:
		return base.mul(matrix{-1, 0, 0, -1, width, height}), width, height
	case 3:
		return base.mul(matrix{0, 1, -1, 0, height, 0}), height, width
	}
	return base, width, height
}

// pdfBox reads a rectangle.
func pdfBox(v pdf.Value) (x0, y0, x1, y1 float64, ok bool) {
	if v.Len() != 4 {
		return 0, 0, 0, 0, false
	}
	n := func(i int) float64 { return finite(v.Index(i).Float64()) }
	x0, x1 = math.Min(n(0), n(2)), math.Max(n(0), n(2))
	y0, y1 = math.Min(n(1), n(3)), math.Max(n(1), n(3))
	side := func(d float64) bool { return d >= minPageSide && d <= maxPageSide }
	return x0, y0, x1, y1, side(x1-x0) && side(y1-y0)
}

// maxLabelRunes bounds a page label; "A-103" is a usual one.
const maxLabelRunes = 32

// pageLabels reads the number tree of the labels of n pages (ISO 32000-1,
// 12.4.2). It returns nil where every label is the number of its page.
func pageLabels(tree pdf.Value, n int) []string {
	ranges := map[int]pdf.Value{}
	nodes := 0
	var walk func(node pdf.Value, depth int)
	walk = func(node pdf.Value, depth int) {
		if nodes++; nodes > maxPDFNodes || depth > maxPDFDepth {
			return
		}
		nums := node.Key("Nums")
		for i := 0; i+1 < nums.Len() && len(ranges) < maxPDFPages; i += 2 {
			if first := nums.Index(i).Int64(); first >= 0 && first < int64(n) {
				ranges[int(first)] = nums.Index(i + 1)
			}
		}
		for i := range node.Key("Kids").Len() {
			walk(node.Key("Kids").Index(i), depth+1)
		}
	}
	walk(tree, 0)
	if len(ranges) == 0 {
		return nil
	}
	labels, plain := make([]string, n), true
	var style, prefix string
	number := int64(1)
	for i := range labels {
		if r, ok := ranges[i]; ok {
			style, prefix, number = r.Key("S").Name(), cleanText(r.Key("P").Text()), 1
			if start := r.Key("St").Int64(); start > 0 && start < maxPDFNodes {
				number = start
			}
		} else if i == 0 {
			style = "D" // a tree must begin with the first page
		}
		label := oneLineLabel(prefix + pageNumber(style, number))
		if label == "" {
			label = strconv.Itoa(i + 1)
		}
		labels[i] = label
		plain = plain && label == strconv.Itoa(i+1)
		number++
	}
	if plain {
		return nil
	}
	return labels
}

func oneLineLabel(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > maxLabelRunes {
		s = string(r[:maxLabelRunes])
	}
	return s
}

// pageNumber writes n in a style of numbering.
func pageNumber(style string, n int64) string {
	switch style {
	case "D":
		return strconv.FormatInt(n, 10)
	case "R":
		return roman(int(n))
	case "r":
		return strings.ToLower(roman(int(n)))
	case "A", "a":
		// a to z, aa to zz, and so on
		letter := string(rune(style[0]) + rune((n-1)%26))
		return strings.Repeat(letter, int(min((n-1)/26+1, maxLabelRunes)))
	}
	return ""
}
