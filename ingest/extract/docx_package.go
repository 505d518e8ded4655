package extract

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/net/html/charset"
)

// Limits of an Office package, far above what an office suite writes.
const (
	maxZipEntries  = 10_000
	maxZipBytes    = 256 << 20 // unpacked, of all parts that are read
	maxZipRatio    = 200       // unpacked to packed, of a part over freeZipBytes
	freeZipBytes   = 1 << 20
	maxXMLDepth    = 256
	checkEachToken = 4096 // tokens between two looks at the context
)

// zipPackage is an Office Open XML package.
type zipPackage struct {
	parts map[string]*zip.File
	read  int64 // bytes unpacked so far
}

// openPackage reads the directory of a package. The error wraps ErrMalformed
// or ErrTooLarge.
func openPackage(data []byte) (*zipPackage, error) {
	// Counted before the directory is read, which costs memory for each entry.
	if n := bytes.Count(data, []byte("PK\x01\x02")); n > maxZipEntries {
		return nil, fmt.Errorf("%w: a package of %d entries, the limit is %d", ErrTooLarge, n, maxZipEntries)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("%w: open package: %w", ErrMalformed, err)
	}
	p := &zipPackage{parts: make(map[string]*zip.File, len(z.File))}
	for _, f := range z.File {
		if _, ok := p.parts[f.Name]; ok {
			return nil, fmt.Errorf("%w: the package has two parts %q", ErrMalformed, f.Name)
		}
		p.parts[f.Name] = f
	}
	return p, nil
}

// part returns the content of a part, nil where there is none.
func (p *zipPackage) part(name string) ([]byte, error) {
	f := p.parts[name]
	if f == nil {
		return nil, nil
	}
	limit := int64(maxZipBytes) - p.read
	if packed := int64(f.CompressedSize64); packed >= 0 && packed < (limit-freeZipBytes)/maxZipRatio {
		limit = min(limit, packed*maxZipRatio+freeZipBytes)
	}
	rc, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: open %s: %w", ErrMalformed, name, err)
	}
	defer rc.Close()
	data, err := io.ReadAll(io.LimitReader(rc, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%w: unpack %s: %w", ErrMalformed, name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: %s unpacks to more than %d bytes", ErrTooLarge, name, limit)
	}
	p.read += int64(len(data))
	return data, nil
}

// xml returns a reader of a part, nil where there is none.
func (p *zipPackage) xml(ctx context.Context, name string) (*xmlReader, error) {
	data, err := p.part(name)
	if err != nil || data == nil {
		return nil, err
	}
	d := xml.NewDecoder(bytes.NewReader(data))
	d.CharsetReader = charset.NewReaderLabel
	return &xmlReader{ctx: ctx, d: d}, nil
}

// mainPart returns the name of the main document part.
func (p *zipPackage) mainPart() (string, error) {
	const relationships, usual = "_rels/.rels", "word/document.xml"
	data, err := p.part(relationships)
	if err != nil {
		return "", err
	}
	var rels struct {
		Relationship []struct {
			Type   string `xml:",attr"`
			Target string `xml:",attr"`
		}
	}
	if data != nil {
		if err := xml.Unmarshal(data, &rels); err != nil {
			return "", fmt.Errorf("%w: read %s: %w", ErrMalformed, relationships, err)
		}
	}
	for _, r := range rels.Relationship {
		target := strings.TrimPrefix(r.Target, "/")
		if strings.HasSuffix(r.Type, "/officeDocument") && p.parts[target] != nil {
			return target, nil
		}
	}
	if p.parts[usual] == nil {
		return "", fmt.Errorf("%w: the package has no Word document", ErrMalformed)
	}
	return usual, nil
}

// xmlReader reads tokens within limits. Its errors wrap ErrMalformed, ErrTooLarge or
// the error of the context; at the end of the input it returns io.EOF.
type xmlReader struct {
	ctx    context.Context
	d      *xml.Decoder
	depth  int
	tokens int
}

func (x *xmlReader) token() (xml.Token, error) {
	if x.tokens++; x.tokens%checkEachToken == 0 {
		if err := x.ctx.Err(); err != nil {
			return nil, err
		}
	}
	tok, err := x.d.Token()
	if errors.Is(err, io.EOF) {
		if x.depth > 0 {
			return nil, fmt.Errorf("%w: unexpected end", ErrMalformed) // unreachable: a strict decoder says so itself
		}
		return nil, io.EOF
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	switch tok.(type) {
	case xml.StartElement:
		if x.depth++; x.depth > maxXMLDepth {
			return nil, fmt.Errorf("%w: elements nested deeper than %d", ErrTooLarge, maxXMLDepth)
		}
	case xml.EndElement:
		x.depth--
	}
	return tok, nil
}

// skip reads to the end of the element that is open.
func (x *xmlReader) skip() error {
	for depth := 1; depth > 0; {
		tok, err := x.token()
		if err != nil {
			return err
		}
		switch tok.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
	return nil
}
