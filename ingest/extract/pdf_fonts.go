package extract

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"

	"github.com/ledongthuc/pdf"
)

// maxCachedEntries bounds the entries of the fonts that are kept.
const maxCachedEntries = 1 << 22

// pdfFonts keeps the fonts of a document, which most pages share.
type pdfFonts struct {
	src     *pdfSource
	byKey   map[string]*pdfFont
	entries int
}

// find returns a font of a font dictionary, nil where it cannot be read, and
// what finding it counts for in bytes of work.
func (c *pdfFonts) find(fonts pdf.Value, name string) (f *pdfFont, cost int, err error) {
	source := fonts.String()
	if err := c.src.charge(len(source)); err != nil {
		return nil, 0, err
	}
	key := fontKey(source, name)
	f, ok := c.byKey[key]
	if ok {
		return f, len(source), nil
	}
	if v := fonts.Key(name); v.Kind() == pdf.Dict {
		f = tryLoadPDFFont(c.src, v)
		if c.entries += f.entries(); c.entries > maxCachedEntries {
			clear(c.byKey)
			c.entries = f.entries()
		}
	}
	c.byKey[key] = f
	return f, len(source), nil
}

// fontKey returns what tells a font apart from the others of the document: the
// number of its object or, where it has none, the dictionary it is in. Names
// do not: each page may give them to other fonts.
func fontKey(fonts, name string) string {
	refs := regexp.MustCompile(`/`+regexp.QuoteMeta(name)+` (\d+ \d+ R)`).FindAllStringSubmatch(fonts, 2)
	if len(refs) == 1 {
		return refs[0][1]
	}
	sum := sha256.Sum256([]byte(name + " " + fonts))
	return hex.EncodeToString(sum[:])
}

func tryLoadPDFFont(src *pdfSource, v pdf.Value) (f *pdfFont) {
	defer func() {
		if recover() != nil { // the library, on an object it cannot read
			// Without the font its text is lost, the rest of the page is not.
			f = &pdfFont{wide: v.Key("Subtype").Name() == "Type0", dflt: 500}
		}
	}()
	return loadPDFFont(src, v)
}
