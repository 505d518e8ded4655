package extract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"github.com/ledongthuc/pdf"
)

// openPDF opens a file, after some repairs that readers usually make. The
// error wraps ErrMalformed, or ErrUnsupported where a password is needed.
func openPDF(data []byte) (*pdf.Reader, error) {
	data = repairPDF(data)
	if err := checkXrefs(data); err != nil {
		return nil, err
	}
	r, err := pdf.NewReaderEncrypted(bytes.NewReader(data), int64(len(data)), nil)
	switch {
	case err == nil:
		return r, nil
	case errors.Is(err, pdf.ErrInvalidPassword):
		return nil, fmt.Errorf("%w: the file is encrypted and needs a password; remove the password first", ErrUnsupported)
	case bytes.Contains(data, []byte("/Encrypt")):
		return nil, fmt.Errorf("%w: the file is encrypted in a way that cannot be read (%w); remove the encryption first", ErrUnsupported, err)
	}
	return nil, fmt.Errorf("%w: open PDF: %w", ErrMalformed, err)
}

// repairPDF returns data as the library insists on it: beginning with the
// header of a version before 2, which it takes no other notice of, and ending
// with the end marker. Offsets in the file count from the header.
func repairPDF(data []byte) []byte {
	const eof = "%%EOF"
	start := bytes.Index(data[:min(len(data), 1024)], []byte("%PDF-"))
	if start < 0 {
		return data
	}
	data = data[start:]
	if end := bytes.LastIndex(data, []byte(eof)); end >= 0 {
		data = data[:end+len(eof)]
	} else if bytes.Contains(data[max(0, len(data)-100):], []byte("startxref")) {
		data = append(bytes.Clone(data), "\n"+eof...)
	}
	const version, versionEnd = 5, 8 // of "%PDF-1.7"
	if len(data) > versionEnd {
		known := bytes.HasPrefix(data[version:], []byte("1.")) && data[version+2] >= '0' && data[version+2] <= '7'
		if !known || data[versionEnd] != '\n' && data[versionEnd] != '\r' {
			data = bytes.Clone(data)
			copy(data[version:], "1.7\n")
		}
	}
	return data
}

// maxPDFObjects is the number of indirect objects that the implementation
// limits of ISO 32000-1, annex C, allow.
const maxPDFObjects = 8_388_607

var (
	xrefSize    = regexp.MustCompile(`/Size\s+(\d+)`)
	xrefPrev    = regexp.MustCompile(`/Prev\s+(\d+)`)
	xrefWidths  = regexp.MustCompile(`/W\s*\[([^\]]*)\]`)
	xrefIndex   = regexp.MustCompile(`/Index\s*\[([^\]]*)\]`)
	xrefColumns = regexp.MustCompile(`/Columns\s+(\d+)`)
)

// checkXrefs follows the cross-reference sections of a file and refuses what
// the library would loop on or run out of memory with: a chain of sections that
// is a cycle, and tables larger than a file can have. Whatever else is wrong is
// left to the library.
func checkXrefs(data []byte) error {
	const keyword = "startxref"
	i := bytes.LastIndex(data, []byte(keyword))
	if i < 0 {
		return nil
	}
	field, _ := nextField(data[i+len(keyword):])
	at, err := strconv.Atoi(string(field))
	seen := map[int]bool{}
	for err == nil && at >= 0 && at < len(data) {
		if seen[at] {
			return fmt.Errorf("%w: its cross-reference sections form a cycle", ErrMalformed)
		}
		seen[at] = true
		section := bytes.TrimLeft(data[at:], "\x00\t\n\f\r ")
		var dict []byte
		if rest, ok := bytes.CutPrefix(section, []byte("xref")); ok {
			if dict, err = checkXrefTable(rest); err != nil {
				return err
			}
		} else {
			dict, _, _ = bytes.Cut(section[:min(len(section), 64<<10)], []byte("stream"))
		}
		if err := checkXrefDict(dict); err != nil {
			return err
		}
		m := xrefPrev.FindSubmatch(dict)
		if m == nil {
			return nil
		}
		at, err = strconv.Atoi(string(m[1]))
	}
	return nil
}

// checkXrefTable checks the subsections of a table and returns what follows
// it: the trailer dictionary.
func checkXrefTable(rest []byte) (dict []byte, err error) {
	for {
		var first, second []byte
		first, rest = nextField(rest)
		if len(first) == 0 || string(first) == "trailer" || bytes.HasPrefix(first, []byte("trailer<<")) {
			dict, _, _ = bytes.Cut(rest, []byte("startxref"))
			return append(bytes.Clone(first), dict[:min(len(dict), 64<<10)]...), nil
		}
		second, rest = nextField(rest)
		start, err1 := strconv.Atoi(string(first))
		n, err2 := strconv.Atoi(string(second))
		if err1 != nil || err2 != nil {
			return nil, nil
		}
		if err := checkObjects(start, n); err != nil {
			return nil, err
		}
		for range n * 3 {
			if first, rest = nextField(rest); len(first) == 0 {
				return nil, nil
			}
		}
	}
}

func checkXrefDict(dict []byte) error {
	if m := xrefSize.FindSubmatch(dict); m != nil {
		n, err := strconv.Atoi(string(m[1]))
		if err != nil {
			n = maxPDFObjects + 1
		}
		if err := checkObjects(0, n); err != nil {
			return err
		}
	}
	if m := xrefIndex.FindSubmatch(dict); m != nil {
		pairs := bytes.Fields(m[1])
		for i := 0; i+1 < len(pairs); i += 2 {
			start, err1 := strconv.Atoi(string(pairs[i]))
			n, err2 := strconv.Atoi(string(pairs[i+1]))
			if err1 != nil || err2 != nil {
				start = maxPDFObjects + 1
			}
			if err := checkObjects(start, n); err != nil {
				return err
			}
		}
	}
	if m := xrefWidths.FindSubmatch(dict); m != nil {
		for _, w := range bytes.Fields(m[1]) {
			if n, err := strconv.Atoi(string(w)); err != nil || n < 0 || n > 8 {
				return fmt.Errorf("%w: a cross-reference field of %s bytes", ErrMalformed, w)
			}
		}
	}
	if m := xrefColumns.FindSubmatch(dict); m != nil {
		if n, err := strconv.Atoi(string(m[1])); err != nil || n > 1<<16 {
			return fmt.Errorf("%w: cross-reference rows of %s bytes", ErrMalformed, m[1])
		}
	}
	return nil
}

func checkObjects(start, n int) error {
	if start < 0 || n < 0 || start > maxPDFObjects || n > maxPDFObjects-start+1 {
		return fmt.Errorf("%w: a cross-reference section for objects %d to %d+%d, the limit is %d", ErrMalformed, start, start, n, maxPDFObjects)
	}
	return nil
}

// nextField returns the first run of bytes that are not white space, and what
// follows it.
func nextField(b []byte) (field, rest []byte) {
	const space = "\x00\t\n\f\r "
	b = bytes.TrimLeft(b, space)
	if i := bytes.IndexAny(b[:min(len(b), 64)], space); i >= 0 {
		return b[:i], b[i:]
	}
	return b[:min(len(b), 64)], b[min(len(b), 64):]
}

// streamBytes returns the unpacked content of a stream, or of the streams in
// an array, which the specification separates by white space. What was read
// before an error comes with it.
func streamBytes(v pdf.Value) (data []byte, err error) {
	if v.Kind() == pdf.Array {
		for i := range v.Len() {
			part, partErr := streamBytes(v.Index(i))
			data = append(append(data, part...), '\n')
			if err == nil {
				err = partErr
			}
			if len(data) > maxStreamBytes {
				return data[:maxStreamBytes], errPDFLimit
			}
		}
		return data, err
	}
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("read stream: %v", x)
		}
	}()
	if v.Kind() != pdf.Stream {
		return nil, nil
	}
	if n := v.Key("DecodeParms").Key("Columns").Int64(); n > maxStreamBytes {
		return nil, fmt.Errorf("read stream: rows of %d bytes", n)
	}
	data, err = io.ReadAll(io.LimitReader(v.Reader(), maxStreamBytes+1))
	if len(data) > maxStreamBytes {
		return data[:maxStreamBytes], errPDFLimit
	}
	if err != nil {
		return data, fmt.Errorf("read stream: %w", err)
	}
	return data, nil
}
