package qdrantwire

import (
	"slices"

	"github.com/qdrant/go-client/qdrant"
)

// Compactor moves payloads that the protobuf package decoded, each value in pieces
// of its own, into memory such as [Decode] uses: a sixth of the pieces for the
// garbage collector to visit as long as they are stored. The zero value is ready.
type Compactor struct {
	shared sharing
	// buf and last hold the payload at hand, encoded, and the one before.
	buf, last []byte
}

// Payload returns fields in compact memory, and fields itself where it is not of
// the plain form. Nobody may change values in place.
func (c *Compactor) Payload(fields map[string]*qdrant.Value) map[string]*qdrant.Value {
	size, ok := fieldsSize(pointPayload, fields, 0)
	if !ok || len(fields) == 0 {
		return fields
	}
	c.buf, c.last = c.last, c.buf
	c.buf = appendFields(slices.Grow(c.buf[:0], size), pointPayload, fields)
	d := newDecoder(c.buf)
	out := d.payload(c.buf, len(fields), &c.shared)
	if d.failed {
		return fields // unreachable: it was encoded here
	}
	return out
}
