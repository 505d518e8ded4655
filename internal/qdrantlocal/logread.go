package qdrantlocal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// errTorn: the rest of the file is an incomplete record, as a crash leaves it.
var errTorn = errors.New("incomplete record at the end")

// logReader reads the records of one file.
type logReader struct {
	name   string
	r      *bufio.Reader
	size   int64
	offset int64 // of the next record
	body   []byte
}

// openLogReader checks the file header. A file too short for one is torn, and so
// is one that holds nothing but a header whose page was not written: a header is
// synced before anything follows it.
func openLogReader(name string, f io.Reader, size int64, number uint64) (*logReader, error) {
	lr := &logReader{name: name, r: bufio.NewReaderSize(f, int(min(max(size, 16), 1<<20))), size: size}
	h := make([]byte, fileHeader)
	switch _, err := io.ReadFull(lr.r, h); {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return lr, errTorn
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if size == int64(fileHeader) && bytes.Equal(h, make([]byte, fileHeader)) {
		return lr, errTorn
	}
	if string(h[:len(logMagic)]) != logMagic {
		return nil, lr.damaged("the file does not start with %q", logMagic)
	}
	if n := binary.LittleEndian.Uint64(h[len(logMagic):]); n != number {
		return nil, lr.damaged("the file is numbered %d inside, want %d", n, number)
	}
	lr.offset = int64(fileHeader)
	return lr, nil
}

func (lr *logReader) damaged(format string, a ...any) error {
	return &DamageError{File: lr.name, Offset: lr.offset, Reason: fmt.Sprintf(format, a...)}
}

// next returns the next record, io.EOF after the last one, errTorn if what is
// left is an incomplete record, and a *DamageError if it is anything else.
// After an error, offset is where the good records end.
func (lr *logReader) next() (record, error) {
	left := lr.size - lr.offset
	switch {
	case left == 0:
		return record{}, io.EOF
	case left < recordHeader:
		return record{}, errTorn
	}
	h, err := lr.r.Peek(recordHeader)
	if err != nil {
		return record{}, fmt.Errorf("read %s: %w", lr.name, err)
	}
	length := int64(binary.LittleEndian.Uint32(h))
	sum := binary.LittleEndian.Uint32(h[4:])
	if crc32.Checksum(h[:8], castagnoli) != binary.LittleEndian.Uint32(h[8:]) {
		if n := toPage(lr.offset); n < recordHeader { // its first part may have been written
			_, _ = lr.r.Discard(int(n)) // just peeked
		}
		return record{}, lr.tornIf(true, "the checksum of a record header is wrong")
	}
	if length > left-recordHeader {
		return record{}, errTorn
	}
	_, _ = lr.r.Discard(recordHeader) // just peeked
	if int64(cap(lr.body)) < length {
		lr.body = make([]byte, length)
	}
	lr.body = lr.body[:length]
	if _, err := io.ReadFull(lr.r, lr.body); err != nil {
		return record{}, fmt.Errorf("read %s: %w", lr.name, err)
	}
	if crc32.Checksum(lr.body, castagnoli) != sum {
		return record{}, lr.tornIf(hasUnwrittenPage(lr.body, lr.offset+recordHeader), "the checksum of a record is wrong")
	}
	rec, err := decodeRecord(lr.body)
	if err != nil {
		return record{}, lr.damaged("%v", err)
	}
	lr.offset += recordHeader + length
	return rec, nil
}

// A power cut can leave a file with its new size but without some of its new
// pages, which read as zeros. Only what was never synced can lack a page, so
// such a record is torn if nothing was written behind it.

const pageSize = 4096

// toPage returns the number of bytes from offset to the next start of a page.
func toPage(offset int64) int64 { return (pageSize - offset%pageSize) % pageSize }

// hasUnwrittenPage reports whether b, which lies at offset in its file, holds a
// page of zeros, or ends in the beginning of one.
func hasUnwrittenPage(b []byte, offset int64) bool {
	zeros := make([]byte, pageSize)
	for b = b[min(toPage(offset), int64(len(b))):]; len(b) > 0; b = b[min(pageSize, len(b)):] {
		if n := min(pageSize, len(b)); bytes.Equal(b[:n], zeros[:n]) {
			return true
		}
	}
	return false
}

// tornIf consumes the rest of the file. It returns errTorn if unwritten is true
// and all that is left are zeros, otherwise a *DamageError.
func (lr *logReader) tornIf(unwritten bool, reason string) error {
	if unwritten {
		zero, err := lr.zeroToEnd()
		if err != nil {
			return err
		}
		if zero {
			return errTorn
		}
	}
	return lr.damaged("%s", reason)
}

// zeroToEnd consumes the rest of the file and reports whether it is all zero bytes.
func (lr *logReader) zeroToEnd() (bool, error) {
	for {
		b, err := lr.r.ReadByte()
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("read %s: %w", lr.name, err)
		}
		if b != 0 {
			return false, nil
		}
	}
}

// readFile calls f for every record of a file and returns the offset at which
// the good records end. torn reports whether an incomplete record follows.
func readFile(name string, number uint64, f func(record) error) (end int64, torn bool, err error) {
	file, err := os.Open(name)
	if err != nil {
		return 0, false, err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return 0, false, err
	}
	lr, err := openLogReader(name, file, st.Size(), number)
	if err != nil {
		if err == errTorn {
			return 0, true, nil
		}
		return 0, false, err
	}
	for {
		rec, err := lr.next()
		switch {
		case err == io.EOF:
			return lr.offset, false, nil
		case err == errTorn:
			return lr.offset, true, nil
		case err != nil:
			return 0, false, err
		}
		if err := f(rec); err != nil {
			return 0, false, lr.damaged("record cannot be applied: %v", err)
		}
	}
}
