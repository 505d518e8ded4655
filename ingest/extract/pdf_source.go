package extract

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ledongthuc/pdf"
)

// Limits of what is unpacked of a PDF file.
const (
	maxStreamBytes = 64 << 20  // of one stream
	maxPageBytes   = 256 << 20 // of what is interpreted for one page, forms included
	maxFileBytes   = 2 << 30   // of the whole file
	maxFilters     = 8         // of one stream, one behind the other

	// streamCost is what a stream counts for beside its bytes, so that many
	// short ones have an end as well.
	streamCost = 1 << 10
)

// pdfSource unpacks streams of one file, within the limits of the file and
// until its context ends.
type pdfSource struct {
	ctx   context.Context
	bytes int // unpacked so far
}

// charge counts n bytes of work. The error is errPDFLimit or that of the
// context.
func (src *pdfSource) charge(n int) error {
	if src.bytes += n; src.bytes > maxFileBytes {
		return errPDFLimit
	}
	return src.ctx.Err()
}

// streamBytes returns the unpacked content of a stream, or of the streams in
// an array, which the specification separates by white space. What was read
// before an error comes with it.
func (src *pdfSource) streamBytes(v pdf.Value) (data []byte, err error) {
	if v.Kind() != pdf.Array {
		return src.stream(v)
	}
	for i := range v.Len() {
		part, partErr := src.stream(v.Index(i))
		data = append(append(data, part...), '\n')
		if err == nil {
			err = partErr
		}
		if len(data) > maxStreamBytes {
			return data[:maxStreamBytes], errPDFLimit
		}
		if errors.Is(partErr, errPDFLimit) || src.ctx.Err() != nil {
			return data, partErr
		}
	}
	return data, err
}

// stream returns the unpacked content of one stream, nothing where v is none.
func (src *pdfSource) stream(v pdf.Value) (data []byte, err error) {
	defer func() {
		if x := recover(); x != nil { // the library, on what it does not know
			err = fmt.Errorf("read stream: %w", libraryError(x))
		}
	}()
	if err := src.charge(streamCost); err != nil {
		return nil, err
	}
	if v.Kind() != pdf.Stream {
		return nil, nil
	}
	if n := v.Key("Filter").Len(); n > maxFilters {
		return nil, fmt.Errorf("read stream: %d filters, the limit is %d", n, maxFilters)
	}
	params := v.Key("DecodeParms")
	for i := range max(1, min(params.Len(), maxFilters)) {
		p := params
		if params.Kind() == pdf.Array {
			p = params.Index(i)
		}
		if n := p.Key("Columns").Int64(); n < 0 || n > maxStreamBytes {
			return nil, fmt.Errorf("read stream: rows of %d bytes", n)
		}
	}
	data, err = io.ReadAll(io.LimitReader(v.Reader(), maxStreamBytes+1))
	if limit := src.charge(len(data)); limit != nil {
		return nil, limit
	}
	if len(data) > maxStreamBytes {
		return data[:maxStreamBytes], errPDFLimit
	}
	if err != nil {
		return data, fmt.Errorf("read stream: %w", err)
	}
	return data, nil
}
