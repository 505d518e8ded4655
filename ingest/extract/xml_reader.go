package extract

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/net/html/charset"
)

// Limits of an XML document.
const (
	maxXMLDepth      = 256
	maxXMLTokenBytes = 8 << 20 // of a run of text, or a tag with its attributes
	checkEachToken   = 4096    // tokens between two looks at the context
)

// xmlReader reads tokens within limits. Its errors wrap ErrMalformed, ErrTooLarge or
// the error of the context; at the end of the input it returns io.EOF. Entities
// that a document declares itself are not expanded: they are malformed.
type xmlReader struct {
	ctx    context.Context
	d      *xml.Decoder
	in     *tokenLimit
	depth  int
	tokens int
}

func newXMLReader(ctx context.Context, r io.Reader) *xmlReader {
	in := &tokenLimit{r: r}
	d := xml.NewDecoder(in)
	d.CharsetReader = charset.NewReaderLabel
	return &xmlReader{ctx: ctx, d: d, in: in}
}

// tokenLimit refuses a single token that takes too much of the input: its
// attributes alone take ten times their length in memory.
type tokenLimit struct {
	r    io.Reader
	read int // since the token began
}

func (l *tokenLimit) Read(b []byte) (int, error) {
	if l.read > maxXMLTokenBytes {
		return 0, fmt.Errorf("%w: a tag or a text of more than %d bytes", ErrTooLarge, maxXMLTokenBytes)
	}
	n, err := l.r.Read(b)
	l.read += n
	return n, err
}

func (x *xmlReader) token() (xml.Token, error) {
	if x.tokens++; x.tokens%checkEachToken == 0 {
		if err := x.ctx.Err(); err != nil {
			return nil, err
		}
	}
	x.in.read = 0
	tok, err := x.d.Token()
	switch {
	case errors.Is(err, io.EOF):
		if x.depth > 0 {
			return nil, fmt.Errorf("%w: unexpected end", ErrMalformed) // unreachable: a strict decoder says so itself
		}
		return nil, io.EOF
	case errors.Is(err, ErrTooLarge):
		return nil, err
	case err != nil:
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
	for depth := x.depth; x.depth >= depth; {
		if _, err := x.token(); err != nil {
			return err
		}
	}
	return nil
}

// text reads to the end of the element that is open and returns the text in it.
func (x *xmlReader) text() (string, error) {
	var b strings.Builder
	for depth := x.depth; x.depth >= depth; {
		tok, err := x.token()
		if err != nil {
			return "", err
		}
		if t, ok := tok.(xml.CharData); ok && b.Len() <= MaxTextBytes {
			b.Write(t)
		}
	}
	return b.String(), nil
}

func xmlAttr(e xml.StartElement, local string) string {
	for _, a := range e.Attr {
		if a.Name.Local == local {
			return a.Value
		}
	}
	return ""
}

// xmlFlag reports whether an attribute is set to true.
func xmlFlag(e xml.StartElement, local string) bool {
	v := xmlAttr(e, local)
	return v == "1" || v == "true" || v == "on"
}

func atoiOr(s string, otherwise int) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return otherwise
	}
	return n
}
