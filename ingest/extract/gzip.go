package extract

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// gzipMagic begins what gzip compressed.
const gzipMagic = "\x1f\x8b\x08"

// gunzip returns in unpacked, its name without the extension of the compression.
// The error wraps ErrMalformed or
// ErrArchiveBomb.
func gunzip(ctx context.Context, in Input) (Input, error) {
	z, err := gzip.NewReader(bytes.NewReader(in.Data))
	if err != nil {
		return Input{}, fmt.Errorf("%w: unpack: %w", ErrMalformed, err)
	}
	limit := min(int64(MaxBytes), int64(len(in.Data))*maxZipRatio+freeZipBytes)
	data, err := io.ReadAll(io.LimitReader(contextReader{ctx, z}, limit+1))
	switch {
	case ctx.Err() != nil:
		return Input{}, ctx.Err()
	case int64(len(data)) > limit:
		return Input{}, fmt.Errorf("%w: it unpacks to more than %d bytes", ErrArchiveBomb, limit)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return Input{}, fmt.Errorf("%w: the compressed data end too early", ErrMalformed)
	case err != nil:
		return Input{}, fmt.Errorf("%w: unpack: %w", ErrMalformed, err)
	case len(data) == 0:
		return Input{}, fmt.Errorf("%w: it unpacks to nothing", ErrEmpty)
	}
	return Input{Name: gunzippedName(in.Name), MediaType: in.MediaType, Data: data}, nil
}

// gunzippedName returns a name without the extension of the compression.
func gunzippedName(name string) string {
	if ext := extension(name); ext == ".gz" || ext == ".gzip" {
		// A query may follow the extension of a URI; it goes as well.
		return name[:strings.LastIndex(strings.ToLower(name), ext)]
	}
	return name
}

// contextReader ends with the error of a context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}
