package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/ragloop/ragloop/ingest/extract"
)

// input is a document as it was read.
type input struct {
	data    []byte
	content string // hex SHA-256 of data; "" where it was not read
	digest  string // inputDigest; "" where nothing is known
}

// Configured is implemented by an Extractor whose settings decide what it makes
// of some files.
type Configured interface {
	// Settings names the settings that matter for a file, "" where they are the
	// usual ones or do not matter. A document is extracted again when they change.
	Settings(data []byte) string
}

// assess reads a document and says what becomes of it, where that is known
// without extracting it: known is false where it is not. asks: a language model can
// be asked about chunks again that have no line of it. It writes nothing.
func assess(item Item, old prior, x Extractor, retryFailed, asks bool) (in input, p prepared, known bool) {
	data, err := read(item)
	var large *oversize
	switch {
	case errors.As(err, &large):
		// Its size alone is the reason, and so stands for its bytes.
		in.digest = inputDigest(item, fmt.Sprintf("%d bytes", large.size))
	case err == nil:
		in.data, in.content = data, contentDigest(data)
		settings := ""
		if c, ok := x.(Configured); ok {
			settings = c.Settings(data)
		}
		in.digest = inputDigest(item, in.content+settings)
	}
	r := old.record
	switch {
	case err == nil && old.holds(in.digest) && !(asks && r.Unsituated > 0):
		return in, prepared{doc: item.ID, outcome: Unchanged, record: r}, true
	case in.digest != "" && old.known && !retryFailed && r.Reason != "" && r.FailedSHA256 == in.digest:
		err := &extract.Error{Reason: extract.Reason(r.Reason), Message: r.Error}
		return in, prepared{doc: item.ID, outcome: Quarantined, record: r, err: err, skipped: true}, true
	case err != nil:
		return in, failed(item, old, in.content, in.digest, err), true
	}
	return in, prepared{}, false
}

// readTries bounds how often a file that changes while it is read is read again.
const readTries = 3

var errChanged = errors.New("changed while it was read")

// oversize is the error for a file that no extractor accepts, told by its size.
type oversize struct{ size int64 }

func (o *oversize) Error() string {
	return fmt.Sprintf("%v: %d bytes, the limit is %d", extract.ErrTooLarge, o.size, int64(extract.MaxBytes))
}

func (o *oversize) Unwrap() error { return extract.ErrTooLarge }

// read returns an item's bytes. A file that changes meanwhile is read again: half
// of one version and half of another is no document. One that is too large is
// not read at all, as far as its size is known; what is longer without saying so
// is cut just behind the limit, so that extraction refuses it.
func read(item Item) (data []byte, err error) {
	for range readTries {
		if data, err = readOnce(item); !errors.Is(err, errChanged) {
			break
		}
	}
	return data, err
}

func readOnce(item Item) (data []byte, err error) {
	f, err := item.Open()
	if err != nil {
		if e, ok := err.(*fs.PathError); ok {
			err = e.Err // without the name a second time
		}
		return nil, fmt.Errorf("open %s: %w", item.name(), err)
	}
	defer f.Close()
	file, _ := f.(fs.File)
	var before fs.FileInfo
	var b bytes.Buffer
	if file != nil {
		if before, err = file.Stat(); err != nil {
			return nil, fmt.Errorf("read %s: %w", item.name(), err)
		}
		if before.Size() > extract.MaxBytes {
			return nil, fmt.Errorf("read %s: %w", item.name(), &oversize{before.Size()})
		}
		// Growing step by step would take several times the size of a large file.
		b.Grow(int(max(before.Size(), 0)) + bytes.MinRead)
	}
	if _, err := b.ReadFrom(io.LimitReader(f, extract.MaxBytes+1)); err != nil {
		return nil, fmt.Errorf("read %s: %w", item.name(), err)
	}
	if file != nil {
		after, err := file.Stat()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", item.name(), err)
		}
		if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
			return nil, fmt.Errorf("read %s: it %w, %d times in a row", item.name(), errChanged, readTries)
		}
	}
	return b.Bytes(), nil
}
