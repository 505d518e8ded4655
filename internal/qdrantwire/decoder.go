package qdrantwire

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// decoder reads the fields of one message. After a failure next returns false,
// and everything else zero values.
type decoder struct {
	b    []byte
	text string // b as a string, of which strings are parts; empty where they are copied
	at   int    // position in b
	end  int    // of the message in b

	from   int // where the field begins
	field  protowire.Number
	kind   protowire.Type
	failed bool
}

func newDecoder(b []byte) decoder { return decoder{b: b, end: len(b)} }

// next reads a tag; false at the end of the message.
func (d *decoder) next() bool {
	if d.failed || d.at == d.end {
		return false
	}
	d.from = d.at
	if c := d.b[d.at]; c < 0x80 && c >= 8 { // one byte, as of most fields
		d.field, d.kind = protowire.Number(c>>3), protowire.Type(c&7)
		d.at++
		return true
	}
	var n int
	d.field, d.kind, n = protowire.ConsumeTag(d.b[d.at:d.end])
	return d.advance(n)
}

func (d *decoder) is(field protowire.Number, kind protowire.Type) bool {
	return d.field == field && d.kind == kind
}

// advance moves on by what protowire has consumed, or fails where that is an
// error.
func (d *decoder) advance(n int) bool {
	if n < 0 || d.failed {
		d.failed = true
		return false
	}
	d.at += n
	return true
}

// count returns how many fields of what is left have the number.
func (d *decoder) count(number protowire.Number) (n int) {
	for c := *d; c.next(); {
		if c.field == number {
			n++
		}
		c.skip()
	}
	return n
}

func (d *decoder) skip() {
	d.advance(protowire.ConsumeFieldValue(d.field, d.kind, d.b[d.at:d.end]))
}

func (d *decoder) varint() uint64 {
	if d.at < d.end && d.b[d.at] < 0x80 {
		d.at++
		return uint64(d.b[d.at-1])
	}
	v, n := protowire.ConsumeVarint(d.b[d.at:d.end])
	d.advance(n)
	return v
}

func (d *decoder) double() float64 {
	v, n := protowire.ConsumeFixed64(d.b[d.at:d.end])
	d.advance(n)
	return math.Float64frombits(v)
}

// length reads the length of what follows and returns where that ends.
func (d *decoder) length() (end int) {
	n := d.varint()
	if d.failed || n > uint64(d.end-d.at) {
		d.failed = true
		return d.at
	}
	return d.at + int(n)
}

func (d *decoder) bytes() []byte {
	from, end := 0, d.length()
	from, d.at = d.at, end
	return d.b[from:end]
}

// string reads a string, which must be valid UTF-8.
func (d *decoder) string() (s string) {
	end := d.length()
	if d.text != "" {
		s = d.text[d.at:end]
	} else {
		s = string(d.b[d.at:end])
	}
	d.at = end
	d.failed = d.failed || !utf8.ValidString(s)
	return s
}

// message returns a decoder of the message that comes next.
func (d *decoder) message() decoder {
	end := d.length()
	in := decoder{b: d.b, text: d.text, at: d.at, end: end, failed: d.failed}
	d.at = end
	return in
}

// entry returns a decoder of an entry of a map, which stands at its key: a
// string. Whoever has read that reads the value after a call of value.
func (d *decoder) entry(number protowire.Number) decoder {
	if !d.is(number, protowire.BytesType) {
		d.failed = true
		return decoder{failed: true}
	}
	in := d.message()
	in.failed = in.failed || !in.next() || !in.is(mapKey, protowire.BytesType)
	return in
}

// value moves on from the key of an entry to its value, a message.
func (d *decoder) value() bool {
	d.failed = d.failed || !d.next() || !d.is(mapValue, protowire.BytesType)
	return !d.failed
}

func (d *decoder) floats() []float32 {
	b := d.bytes()
	if len(b)%4 != 0 {
		d.failed = true
		return nil
	}
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

func (d *decoder) indices() []uint32 {
	in := d.message()
	n := 0
	for _, c := range in.b[in.at:in.end] {
		if c < 0x80 { // the last byte of a number
			n++
		}
	}
	v := make([]uint32, 0, n)
	for in.at < in.end && !in.failed {
		v = append(v, uint32(in.varint()))
	}
	d.failed = d.failed || in.failed
	return v
}
