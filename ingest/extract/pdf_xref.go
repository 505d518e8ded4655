package extract

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"maps"
	"strconv"
)

// The library follows whatever cross-references a file has: it loops on a
// chain of sections that is a cycle, allocates what a section announces, and
// recurses without end into an object stream that is stored in itself. So it
// is not shown them. The sections are read here, and openPDF writes one plain
// table in their place.

const (
	// maxPDFObjects is the number of indirect objects that the implementation
	// limits of ISO 32000-1, annex C, allow.
	maxPDFObjects = 8_388_607
	// minPDFObjects is the largest object number that the shortest file may
	// have. A longer file may have one for each bit of it.
	minPDFObjects = 1 << 16
	maxXrefs      = 1 << 12 // sections of one file
)

// pdfEntry says where an indirect object is.
type pdfEntry struct {
	offset    int // of "12 0 obj", or -1
	gen       int
	container int // number of the object stream that holds it, or 0
}

// pdfXref is the sum of the cross-reference sections of a file.
type pdfXref struct {
	data    []byte
	entries map[int]pdfEntry
	trailer map[string][]byte // source of its values; the newest counts
	last    int               // largest object number allowed
	scanned int               // bytes read so far: sections may overlap
}

// readXref reads the cross-reference sections, or, where they do not lead to
// the catalogue, searches the file for objects; repaired says so.
func readXref(data []byte) (x *pdfXref, repaired bool, err error) {
	newXref := func() *pdfXref {
		return &pdfXref{
			data: data, entries: map[int]pdfEntry{}, trailer: map[string][]byte{},
			last: min(maxPDFObjects, max(minPDFObjects, 8*len(data))),
		}
	}
	x = newXref()
	x.sections()
	if x.complete() {
		return x, false, nil
	}
	x = newXref()
	x.search()
	if !x.complete() {
		return nil, false, fmt.Errorf("%w: open PDF: it has neither cross-references nor a catalogue of its pages", ErrMalformed)
	}
	return x, true, nil
}

// complete reports whether there is a catalogue where the trailer says.
// Entries that lead nowhere are removed.
func (x *pdfXref) complete() bool {
	maps.DeleteFunc(x.entries, func(number int, e pdfEntry) bool {
		if e.offset < 0 {
			return e.container == number || x.entries[e.container].offset < 0
		}
		n, gen, _ := x.header(e.offset)
		return n != number || gen != e.gen
	})
	root, ok := pdfReference(x.trailer["Root"])
	_, known := x.entries[root]
	return ok && known
}

// sections follows the chain of sections from the newest to the oldest as far
// as it can be read.
func (x *pdfXref) sections() {
	const keyword = "startxref"
	i := bytes.LastIndex(x.data, []byte(keyword))
	if i < 0 {
		return
	}
	field, _ := nextField(x.data[i+len(keyword):])
	seen := map[int]bool{}
	for next := []int{pdfInt(field, -1)}; len(next) > 0 && len(seen) < maxXrefs; {
		at := next[0]
		next = next[1:]
		if at < 0 || at >= len(x.data) || seen[at] || x.scanned > 4*len(x.data) {
			continue
		}
		seen[at] = true
		var dict map[string][]byte
		if section := bytes.TrimLeft(x.data[at:], pdfSpace); bytes.HasPrefix(section, []byte("xref")) {
			dict = x.table(len(x.data) - len(section) + len("xref"))
		} else {
			dict = x.stream(len(x.data) - len(section))
		}
		for key, value := range dict {
			if _, ok := x.trailer[key]; !ok {
				x.trailer[key] = value
			}
		}
		// What a reader of new files finds in the stream is newer than the
		// rest of the chain.
		next = append(next, pdfInt(dict["XRefStm"], -1), pdfInt(dict["Prev"], -1))
	}
}

// add records an object that no newer section has.
func (x *pdfXref) add(number int, e pdfEntry) {
	if _, ok := x.entries[number]; !ok && number > 0 && number <= x.last {
		x.entries[number] = e
	}
}

// table reads a table at an offset and returns the trailer dictionary behind
// it.
func (x *pdfXref) table(at int) map[string][]byte {
	rest := x.data[at:]
	defer func() { x.scanned += len(x.data) - at - len(rest) }()
	for {
		word := bytes.TrimLeft(rest, pdfSpace)
		if after, ok := bytes.CutPrefix(word, []byte("trailer")); ok {
			dict, n := pdfDict(after)
			rest = after[n:]
			return dict
		}
		var first, count []byte
		first, rest = nextField(rest)
		count, rest = nextField(rest)
		start, n := pdfInt(first, -1), pdfInt(count, -1)
		if start < 0 || n < 0 {
			return nil
		}
		for i := range n {
			var offset, gen, state []byte
			offset, rest = nextField(rest)
			gen, rest = nextField(rest)
			state, rest = nextField(rest)
			switch string(state) {
			case "n":
				x.add(start+i, pdfEntry{offset: pdfInt(offset, -1), gen: pdfInt(gen, 0)})
			case "f":
				x.add(start+i, pdfEntry{offset: -1})
			default:
				return nil
			}
		}
	}
}

// stream reads a cross-reference stream at an offset and returns its
// dictionary.
func (x *pdfXref) stream(at int) map[string][]byte {
	_, _, n := x.header(at)
	if n == 0 {
		return nil
	}
	dict, used := pdfDict(x.data[at+n:])
	body := at + n + used
	x.scanned += n + used
	if string(bytes.TrimSpace(dict["Type"])) != "/XRef" {
		return nil
	}
	table := plainStream(dict, x.data[body:])
	x.scanned += len(table)
	widths, index := pdfInts(dict["W"]), pdfInts(dict["Index"])
	if len(index) == 0 {
		index = []int{0, pdfInt(dict["Size"], 0)}
	}
	if len(widths) < 3 {
		return dict
	}
	row := 0
	for _, w := range widths {
		if w < 0 || w > 8 {
			return dict
		}
		row += w
	}
	for i := 0; i+1 < len(index) && row > 0; i += 2 {
		for number := index[i]; number < index[i]+index[i+1] && len(table) >= row; number++ {
			var v [3]int
			for field, rest := 0, table; field < len(v); field++ {
				for _, c := range rest[:widths[field]] {
					v[field] = v[field]<<8 | int(c)
				}
				rest = rest[widths[field]:]
			}
			table = table[row:]
			switch {
			case v[0] == 1, widths[0] == 0:
				x.add(number, pdfEntry{offset: max(v[1], -1), gen: v[2]})
			case v[0] == 2:
				x.add(number, pdfEntry{offset: -1, container: v[1]})
			default:
				x.add(number, pdfEntry{offset: -1})
			}
		}
	}
	return dict
}

// search finds objects by their headers; of several with one number the last
// counts. It takes the catalogue from the last trailer that names one, or from
// the object that says it is one.
func (x *pdfXref) search() {
	for at := 0; x.scanned <= 4*len(x.data); {
		i := bytes.Index(x.data[at:], []byte(" obj"))
		if i < 0 {
			break
		}
		at += i + len(" obj")
		start, number, gen := headerBefore(x.data, at-len(" obj"))
		if start < 0 || number == 0 || number > x.last {
			continue
		}
		x.entries[number] = pdfEntry{offset: start, gen: gen}
		dict, n := pdfDict(x.data[at:])
		x.scanned += n
		switch string(bytes.TrimSpace(dict["Type"])) {
		case "/Catalog":
			x.trailer["Root"] = fmt.Appendf(nil, "%d %d R", number, gen)
		case "/ObjStm":
			for _, held := range objectsIn(plainStream(dict, x.data[at+n:]), pdfInt(dict["N"], 0)) {
				if held.number > 0 && held.number <= x.last {
					x.entries[held.number] = pdfEntry{offset: -1, container: number}
				}
			}
		case "/XRef":
			maps.Copy(x.trailer, dict)
		}
	}
	for rest := x.data; x.scanned <= 8*len(x.data); {
		_, after, ok := bytes.Cut(rest, []byte("trailer"))
		if !ok {
			return
		}
		dict, n := pdfDict(after)
		x.scanned += n
		if dict["Root"] != nil {
			maps.Copy(x.trailer, dict)
		}
		rest = after
	}
}

// header reads "12 0 obj" at an offset; n is its length, 0 where there is
// none.
func (x *pdfXref) header(at int) (number, gen, n int) {
	if at < 0 || at >= len(x.data) {
		return 0, 0, 0
	}
	first, rest := nextField(x.data[at:])
	second, rest := nextField(rest)
	rest = bytes.TrimLeft(rest, pdfSpace)
	number, gen = pdfInt(first, -1), pdfInt(second, -1)
	if number <= 0 || gen < 0 || gen > 0xffff || !bytes.HasPrefix(rest, []byte("obj")) {
		return 0, 0, 0
	}
	return number, gen, len(x.data) - at - len(rest) + len("obj")
}

// headerBefore reads the numbers in front of " obj" at an offset; start is -1
// where there are none.
func headerBefore(data []byte, end int) (start, number, gen int) {
	digits := func(end int) int {
		for end > 0 && data[end-1] >= '0' && data[end-1] <= '9' {
			end--
		}
		return end
	}
	second := digits(end)
	if second == end || second == 0 || !isPDFSpace(data[second-1]) {
		return -1, 0, 0
	}
	start = digits(second - 1)
	number, gen = pdfInt(data[start:second-1], -1), pdfInt(data[second:end], -1)
	if number < 0 || gen < 0 || gen > 0xffff {
		return -1, 0, 0
	}
	return start, number, gen
}

// heldObject is an object in an object stream.
type heldObject struct {
	number, offset int // offset from the first object
}

// objectsIn reads the list of at most n objects at the start of an object
// stream.
func objectsIn(data []byte, n int) []heldObject {
	var out []heldObject
	for range n {
		var number, offset []byte
		number, data = nextField(data)
		offset, data = nextField(data)
		o := heldObject{pdfInt(number, -1), pdfInt(offset, -1)}
		if o.number < 0 || o.offset < 0 {
			return out
		}
		out = append(out, o)
	}
	return out
}

// plainStream returns the content of a stream that is not encrypted, whose
// dictionary ends where data begins: compressed with Flate or not at all. What
// can be read of a damaged one is good.
func plainStream(dict map[string][]byte, data []byte) []byte {
	data, ok := bytes.CutPrefix(bytes.TrimLeft(data, pdfSpace), []byte("stream"))
	if !ok {
		return nil
	}
	data = bytes.TrimPrefix(bytes.TrimPrefix(data, []byte("\r")), []byte("\n"))
	filters, _ := pdfLexerAt(dict["Filter"]).names()
	switch {
	case len(filters) == 0:
		return data[:min(max(pdfInt(dict["Length"], 0), 0), len(data))]
	case len(filters) > 1 || filters[0] != "FlateDecode":
		return nil
	}
	z, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	plain, _ := io.ReadAll(io.LimitReader(z, maxStreamBytes))
	params, _ := pdfDict(bytes.Trim(dict["DecodeParms"], "[] \r\n\t"))
	if predictor := pdfInt(params["Predictor"], 1); predictor >= 10 {
		return unpredict(plain, pdfInt(params["Columns"], 1))
	}
	return plain
}

// unpredict undoes the PNG predictors (ISO 32000-1, 7.4.4.4) of rows of bytes.
func unpredict(data []byte, columns int) []byte {
	if columns < 1 || columns > 1<<16 {
		return nil
	}
	var out []byte
	above := make([]byte, columns)
	for len(data) > columns {
		row := data[1 : columns+1]
		for i := range row {
			left, corner := 0, 0
			if i > 0 {
				left, corner = int(row[i-1]), int(above[i-1])
			}
			up := int(above[i])
			switch data[0] {
			case 1:
				row[i] += byte(left)
			case 2:
				row[i] += byte(up)
			case 3:
				row[i] += byte((left + up) / 2)
			case 4:
				row[i] += byte(paeth(left, up, corner))
			}
		}
		out = append(out, row...)
		above, data = row, data[columns+1:]
	}
	return out
}

// paeth returns whichever of the neighbours is nearest to left+up-corner.
func paeth(left, up, corner int) int {
	p := left + up - corner
	a, b, c := abs(p-left), abs(p-up), abs(p-corner)
	switch {
	case a <= b && a <= c:
		return left
	case b <= c:
		return up
	}
	return corner
}

func abs(n int) int { return max(n, -n) }

// pdfInt returns the number that b spells, or otherwise.
func pdfInt(b []byte, otherwise int) int {
	n, err := strconv.Atoi(string(b))
	if err != nil {
		return otherwise
	}
	return n
}
