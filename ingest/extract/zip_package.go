package extract

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Limits of a zip package, far above what an office suite writes.
const (
	maxZipEntries = 10_000
	maxZipBytes   = 160 << 20 // unpacked, of all parts that are read
	maxZipRatio   = 200       // unpacked to packed, of a part over freeZipBytes
	freeZipBytes  = 1 << 20
)

// zipPackage is a zip archive of parts that make one document: an Office Open
// XML package, an OpenDocument file, an EPUB.
type zipPackage struct {
	parts map[string]*zip.File
	read  int64 // bytes unpacked so far
}

// openPackage reads the directory of a package. The error wraps ErrMalformed,
// ErrTooLarge or ErrEncrypted.
func openPackage(data []byte) (*zipPackage, error) {
	// Counted before the directory is read, which costs memory for each entry.
	if n := bytes.Count(data, []byte("PK\x01\x02")); n > maxZipEntries {
		return nil, fmt.Errorf("%w: a package of %d entries, the limit is %d", ErrArchiveBomb, n, maxZipEntries)
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

// open returns the content of a part, nil where there is none. A reader holds
// nothing that must be released. Its errors wrap ErrMalformed, or ErrArchiveBomb
// where the part unpacks to more than it may.
func (p *zipPackage) open(name string) (io.Reader, error) {
	f := p.parts[name]
	if f == nil {
		return nil, nil
	}
	const encrypted = 1 << 0 // of the general purpose flags
	if f.Flags&encrypted != 0 {
		return nil, fmt.Errorf("%w: %s needs a password; remove the password first", ErrEncrypted, name)
	}
	rc, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: open %s: %w", ErrMalformed, name, err)
	}
	limit := int64(maxZipBytes)
	if packed := int64(f.CompressedSize64); packed >= 0 && packed < (limit-freeZipBytes)/maxZipRatio {
		limit = packed*maxZipRatio + freeZipBytes
	}
	if f.UncompressedSize64 > uint64(limit) { // as it says; one that lies is found out while it is read
		return nil, fmt.Errorf("%w: %s unpacks to more than %d bytes", ErrArchiveBomb, name, limit)
	}
	return &partReader{pkg: p, name: name, r: rc, limit: limit, left: limit}, nil
}

// partReader unpacks one part within its own limit and that of the package.
type partReader struct {
	pkg         *zipPackage
	name        string
	r           io.Reader
	limit, left int64
}

func (r *partReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	r.left -= int64(n)
	r.pkg.read += int64(n)
	switch {
	case r.left < 0:
		return 0, fmt.Errorf("%w: %s unpacks to more than %d bytes", ErrArchiveBomb, r.name, r.limit)
	case r.pkg.read > maxZipBytes:
		return 0, fmt.Errorf("%w: the package unpacks to more than %d bytes", ErrArchiveBomb, int64(maxZipBytes))
	case err != nil && !errors.Is(err, io.EOF):
		return n, fmt.Errorf("%w: unpack %s: %w", ErrMalformed, r.name, err)
	}
	return n, err
}

// part returns the content of a part, nil where there is none.
func (p *zipPackage) part(name string) ([]byte, error) {
	r, err := p.open(name)
	if err != nil || r == nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// xml returns a reader of a part, nil where there is none.
func (p *zipPackage) xml(ctx context.Context, name string) (*xmlReader, error) {
	r, err := p.open(name)
	if err != nil || r == nil {
		return nil, err
	}
	return newXMLReader(ctx, r), nil
}

// relationship leads from one part of an Office Open XML package to another.
type relationship struct {
	id     string
	kind   string // the last segment of its type: "officeDocument", "slide", ...
	target string // a part name
}

// relationships returns those of a part, "" for the package, in the order of
// the file; none where there are none. Links out of the package are left out.
func (p *zipPackage) relationships(ctx context.Context, source string) ([]relationship, error) {
	dir, base := path.Split(source)
	name := dir + "_rels/" + base + ".rels"
	var rels []relationship
	err := p.eachElement(ctx, name, func(t xml.StartElement) {
		target := xmlAttr(t, "Target")
		if t.Name.Local != "Relationship" || xmlAttr(t, "TargetMode") == "External" || target == "" {
			return
		}
		if !strings.HasPrefix(target, "/") {
			target = "/" + dir + target
		}
		kind := xmlAttr(t, "Type")
		rels = append(rels, relationship{
			id:     xmlAttr(t, "Id"),
			kind:   kind[strings.LastIndexByte(kind, '/')+1:],
			target: strings.TrimPrefix(path.Clean(target), "/"),
		})
	})
	return rels, err
}

// mainPart returns the name of the main document part: the one that the
// package names, or else the usual one. what says which document is missing.
func (p *zipPackage) mainPart(ctx context.Context, usual, what string) (string, error) {
	rels, err := p.relationships(ctx, "")
	if err != nil {
		return "", err
	}
	for _, r := range rels {
		if r.kind == "officeDocument" && p.parts[r.target] != nil {
			return r.target, nil
		}
	}
	if p.parts[usual] == nil {
		return "", fmt.Errorf("%w: the package has no %s", ErrMalformed, what)
	}
	return usual, nil
}

// eachElement calls visit for the start of every element of a part, which may
// be missing.
func (p *zipPackage) eachElement(ctx context.Context, name string, visit func(xml.StartElement)) error {
	x, err := p.xml(ctx, name)
	if err != nil || x == nil {
		return err
	}
	for {
		tok, err := x.token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if t, ok := tok.(xml.StartElement); ok {
			visit(t)
		}
	}
}
