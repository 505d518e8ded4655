package extract

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/ledongthuc/pdf"
)

// openPDF opens a file, after some repairs that readers usually make; repaired
// says that its cross-references were of no use. The error wraps ErrMalformed,
// ErrTooLarge, or ErrEncrypted where a password is needed.
func openPDF(src *pdfSource, data []byte) (r *pdf.Reader, repaired bool, err error) {
	data = repairHeader(data)
	x, repaired, err := readXref(data)
	if err != nil {
		return nil, false, err
	}
	if x.trailer["Encrypt"] != nil {
		if err := x.decrypt(src); err != nil {
			return nil, false, err
		}
		data = x.data
	}
	containers := x.containers()
	if r, err = x.open(data, containers); err != nil || len(containers) == 0 {
		return r, repaired, err
	}
	if data, err = x.unpack(src, r, data, containers); err != nil {
		return nil, false, err
	}
	r, err = x.open(data, nil)
	return r, repaired, err
}

// repairHeader returns data from the header on, as offsets in the file count
// from there, with a version that the library accepts; it takes no other
// notice of it. The capacity of the result is its length.
func repairHeader(data []byte) []byte {
	start := bytes.Index(data[:min(len(data), 1024)], []byte("%PDF-"))
	data = slices.Clip(data[max(start, 0):])
	const version, versionEnd = 5, 8 // of "%PDF-1.7"
	if start < 0 || len(data) <= versionEnd {
		return data
	}
	known := bytes.HasPrefix(data[version:], []byte("1.")) && data[version+2] >= '0' && data[version+2] <= '7'
	if !known || data[versionEnd] != '\n' && data[versionEnd] != '\r' {
		data = bytes.Clone(data)
		copy(data[version:], "1.7\n")
	}
	return data
}

// containers returns the object streams in use, in order.
func (x *pdfXref) containers() []int {
	used := map[int]bool{}
	for _, e := range x.entries {
		if e.container > 0 {
			used[e.container] = true
		}
	}
	return slices.Sorted(maps.Keys(used))
}

// numbers returns the numbers of all objects, in order.
func (x *pdfXref) numbers() []int { return slices.Sorted(maps.Keys(x.entries)) }

// containersKey is the entry of the trailer under which the library is asked
// for object streams.
const containersKey = "RagloopContainers"

// open opens data with a table of the objects of x that are not in object
// streams.
func (x *pdfXref) open(data []byte, containers []int) (*pdf.Reader, error) {
	var tail bytes.Buffer
	tail.WriteString("\n")
	at := len(data) + tail.Len()
	tail.WriteString("xref\n")
	size := 1
	for _, number := range x.numbers() {
		if e := x.entries[number]; e.offset > 0 {
			fmt.Fprintf(&tail, "%d 1\n%010d %05d n \n", number, e.offset, e.gen)
			size = number + 1
		}
	}
	fmt.Fprintf(&tail, "trailer\n<< /Size %d", size)
	for _, key := range []string{"Root", "Info", "ID"} {
		if value := x.trailer[key]; value != nil {
			fmt.Fprintf(&tail, " /%s %s", key, value)
		}
	}
	if len(containers) > 0 {
		fmt.Fprintf(&tail, " /%s [", containersKey)
		for _, number := range containers {
			fmt.Fprintf(&tail, " %d %d R", number, x.entries[number].gen)
		}
		tail.WriteString(" ]")
	}
	fmt.Fprintf(&tail, " >>\nstartxref\n%d\n%%%%EOF", at)
	whole := &pdfFile{data, tail.Bytes()}
	r, err := pdf.NewReader(whole, int64(len(data)+tail.Len()))
	if err != nil {
		return nil, fmt.Errorf("%w: open PDF: %w", ErrMalformed, err)
	}
	return r, nil
}

// unpack appends the objects in object streams to data and makes them objects
// like any other.
func (x *pdfXref) unpack(src *pdfSource, r *pdf.Reader, data []byte, containers []int) ([]byte, error) {
	out := data
	limit := len(data) + maxPageBytes
	for i, container := range containers {
		if err := src.ctx.Err(); err != nil {
			return nil, err
		}
		content, n, first := objectStream(src, r, i)
		if first < 0 || first > len(content) {
			continue // what it holds is missing
		}
		held := objectsIn(content[:first], n)
		for k, o := range held {
			if e := x.entries[o.number]; e.container != container || e.offset > 0 || o.offset > len(content)-first {
				continue
			}
			end := len(content)
			if k+1 < len(held) && held[k+1].offset >= o.offset {
				end = min(end, first+held[k+1].offset)
			}
			source := content[first+o.offset : end]
			x.entries[o.number] = pdfEntry{offset: len(out) + 1}
			out = fmt.Appendf(out, "\n%d 0 obj\n%s\nendobj", o.number, source)
			if len(out) > limit {
				return nil, fmt.Errorf("%w: its object streams unpack to more than %d bytes", ErrTooLarge, maxPageBytes)
			}
		}
	}
	return out, nil
}

// objectStream returns the content of the i-th container that open was asked
// for, the number of objects in it and the offset of the first.
func objectStream(src *pdfSource, r *pdf.Reader, i int) (content []byte, n, first int) {
	defer func() {
		if recover() != nil { // the library, on an object it cannot read
			content, n, first = nil, 0, -1
		}
	}()
	v := r.Trailer().Key(containersKey).Index(i)
	if v.Kind() != pdf.Stream || v.Key("Type").Name() != "ObjStm" {
		return nil, 0, -1
	}
	content, _ = src.streamBytes(v)
	return content, int(v.Key("N").Int64()), int(v.Key("First").Int64())
}

// pdfFile is a file in two parts.
type pdfFile struct{ data, tail []byte }

// ReadAt implements [io.ReaderAt].
func (f *pdfFile) ReadAt(b []byte, at int64) (n int, err error) {
	if at < 0 {
		return 0, fmt.Errorf("read at %d", at)
	}
	if at < int64(len(f.data)) {
		n = copy(b, f.data[at:])
	}
	at += int64(n) - int64(len(f.data)) // in the tail, where b goes on there
	if n < len(b) && at < int64(len(f.tail)) {
		n += copy(b[n:], f.tail[at:])
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}
