package qdrantwire

import (
	"bytes"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/encoding/protowire"
)

// Decode decodes an encoded UpsertPoints. points are the encoded points in
// order, parts of b. ok is false where b is not of the plain form: it may be
// wrong, hold fields that are unknown here, or only be unusual.
//
// Nothing of r lies in b. The strings of a point's payload lie in one piece of
// memory, and so do its values: each keeps the others as long as it is used. What
// a point's payload has in common with that of the point before, as chunks of one
// document have, they share. Nobody may change values in place.
func Decode(b []byte) (r *qdrant.UpsertPoints, points [][]byte, ok bool) {
	d := newDecoder(b)
	n := d.count(requestPoints)
	r = &qdrant.UpsertPoints{Points: make([]*qdrant.PointStruct, 0, n)}
	points = make([][]byte, 0, n)
	var s sharing
	for d.next() {
		switch {
		case d.is(requestCollection, protowire.BytesType):
			r.CollectionName = d.string()
		case d.is(requestWait, protowire.VarintType):
			wait := d.varint() != 0
			r.Wait = &wait
		case d.is(requestPoints, protowire.BytesType):
			raw := d.bytes()
			r.Points, points = append(r.Points, d.point(raw, &s)), append(points, raw)
		default:
			d.failed = true
		}
	}
	if d.failed {
		return nil, nil, false
	}
	return r, points, true
}

// point decodes a point, or fails d.
func (d *decoder) point(b []byte, s *sharing) *qdrant.PointStruct {
	p := &qdrant.PointStruct{}
	in := newDecoder(b)
	first, last, entries := 0, 0, 0 // of the payload
	for in.next() {
		switch {
		case in.is(pointID, protowire.BytesType) && p.Id == nil:
			p.Id = in.id()
		case in.is(pointPayload, protowire.BytesType):
			if entries == 0 {
				first = in.from
			}
			in.bytes()
			last = in.at
			entries++
		case in.is(pointVectors, protowire.BytesType) && p.Vectors == nil:
			p.Vectors = in.vectors()
		default:
			in.failed = true
		}
	}
	if entries > 0 && !in.failed {
		p.Payload = in.payload(b[first:last], entries, s)
	}
	if in.failed || p.Id == nil || p.Vectors == nil {
		d.failed = true
	}
	return p
}

func (d *decoder) id() *qdrant.PointId {
	in := d.message()
	id := &qdrant.PointId{}
	for in.next() {
		switch {
		case id.PointIdOptions != nil:
			in.failed = true
		case in.is(idNum, protowire.VarintType):
			id.PointIdOptions = &qdrant.PointId_Num{Num: in.varint()}
		case in.is(idUUID, protowire.BytesType):
			id.PointIdOptions = &qdrant.PointId_Uuid{Uuid: in.string()}
		default:
			in.failed = true
		}
	}
	d.failed = d.failed || in.failed || id.PointIdOptions == nil
	return id
}

func (d *decoder) vectors() *qdrant.Vectors {
	in := d.message()
	if !in.next() || !in.is(vectorsNamed, protowire.BytesType) {
		d.failed = true
		return nil
	}
	list := in.message()
	named := make(map[string]*qdrant.Vector, list.count(namedEntry))
	for list.next() {
		entry := list.entry(namedEntry)
		name := entry.string()
		if entry.value() {
			named[name] = entry.vector()
		}
		list.failed = list.failed || entry.failed
	}
	d.failed = d.failed || list.failed || in.next() || in.failed
	return &qdrant.Vectors{VectorsOptions: &qdrant.Vectors_Vectors{Vectors: &qdrant.NamedVectors{Vectors: named}}}
}

func (d *decoder) vector() *qdrant.Vector {
	in := d.message()
	v := &qdrant.Vector{}
	for in.next() {
		switch {
		case v.Vector != nil:
			in.failed = true
		case in.is(vectorDense, protowire.BytesType):
			v.Vector = &qdrant.Vector_Dense{Dense: in.dense()}
		case in.is(vectorSparse, protowire.BytesType):
			v.Vector = &qdrant.Vector_Sparse{Sparse: in.sparse()}
		default:
			in.failed = true
		}
	}
	d.failed = d.failed || in.failed || v.Vector == nil || d.next()
	return v
}

func (d *decoder) dense() *qdrant.DenseVector {
	in := d.message()
	v := &qdrant.DenseVector{}
	for in.next() {
		if !in.is(denseData, protowire.BytesType) || v.Data != nil {
			in.failed = true
			break
		}
		v.Data = in.floats()
	}
	d.failed = d.failed || in.failed
	return v
}

func (d *decoder) sparse() *qdrant.SparseVector {
	in := d.message()
	v := &qdrant.SparseVector{}
	for in.next() {
		switch {
		case in.is(sparseValues, protowire.BytesType) && v.Values == nil:
			v.Values = in.floats()
		case in.is(sparseIndices, protowire.BytesType) && v.Indices == nil:
			v.Indices = in.indices()
		default:
			in.failed = true
		}
	}
	d.failed = d.failed || in.failed
	return v
}

// field is memory for a value of the usual kinds.
type field struct {
	value   qdrant.Value
	text    qdrant.Value_StringValue
	integer qdrant.Value_IntegerValue
}

// sharing holds the entries of the payload before, and of the one being decoded.
// Of what is stored most is payloads, and what they share the garbage collector
// need not go through again: chunks take it little more than half as long.
type sharing struct {
	last, next []shared
}

// shared is an entry of a payload.
type shared struct {
	encoded []byte
	key     string
	value   *qdrant.Value // nil: not decoded yet
}

// maxAhead is how many entries are looked at, from where an equal one is expected:
// points have them in the same order, but not all have the same.
const maxAhead = 4

// payload decodes the entries of a payload in b, between which other fields may
// lie.
func (d *decoder) payload(b []byte, entries int, s *sharing) map[string]*qdrant.Value {
	s.last, s.next = s.next, s.last[:0]
	fresh, at := 0, 0
	in := newDecoder(b)
	for in.next() {
		if in.field != pointPayload {
			in.skip()
			continue
		}
		e := shared{encoded: in.bytes()}
		for i, other := range s.last[at:min(at+maxAhead, len(s.last))] {
			if bytes.Equal(e.encoded, other.encoded) {
				e.key, e.value = other.key, other.value // but not encoded: a Compactor writes over that of other
				at += i + 1
				break
			}
		}
		if e.value == nil {
			fresh++
		}
		s.next = append(s.next, e)
	}
	in = newDecoder(b)
	in.text = string(b)
	fields := make(map[string]*qdrant.Value, entries)
	memory := make([]field, fresh)
	for i := 0; in.next(); {
		if in.field != pointPayload {
			in.skip()
			continue
		}
		e := &s.next[i]
		i++
		if e.value != nil {
			in.skip()
		} else {
			e.key, e.value = in.mapped(pointPayload, &memory[len(memory)-fresh], 0)
			fresh--
		}
		fields[e.key] = e.value
	}
	d.failed = d.failed || in.failed
	return fields
}

// mapped decodes the entry of a map of values at which d stands.
func (d *decoder) mapped(number protowire.Number, memory *field, depth int) (key string, _ *qdrant.Value) {
	entry := d.entry(number)
	key = entry.string()
	if entry.value() {
		entry.into(memory, depth)
		d.failed = d.failed || entry.next()
	}
	d.failed = d.failed || entry.failed
	return key, &memory.value
}

// fields decodes the rest of d as a map of values whose entries have the number
// given.
func (d *decoder) fields(number protowire.Number, depth int) map[string]*qdrant.Value {
	entries := d.count(number)
	fields := make(map[string]*qdrant.Value, entries)
	memory := make([]field, entries)
	for i := 0; d.next(); i++ {
		if d.field != number {
			d.failed = true
			break
		}
		key, v := d.mapped(number, &memory[i], depth)
		fields[key] = v
	}
	return fields
}

// into decodes a message Value.
func (d *decoder) into(f *field, depth int) {
	in := d.message()
	if depth > maxDepth || !in.next() {
		d.failed = true // a value without a kind, too
		return
	}
	switch {
	case in.is(valueString, protowire.BytesType):
		f.text.StringValue = in.string()
		f.value.Kind = &f.text
	case in.is(valueInteger, protowire.VarintType):
		f.integer.IntegerValue = int64(in.varint())
		f.value.Kind = &f.integer
	case in.is(valueNull, protowire.VarintType):
		f.value.Kind = &qdrant.Value_NullValue{NullValue: qdrant.NullValue(in.varint())}
	case in.is(valueDouble, protowire.Fixed64Type):
		f.value.Kind = &qdrant.Value_DoubleValue{DoubleValue: in.double()}
	case in.is(valueBool, protowire.VarintType):
		f.value.Kind = &qdrant.Value_BoolValue{BoolValue: in.varint() != 0}
	case in.is(valueStruct, protowire.BytesType):
		object := in.message()
		s := &qdrant.Struct{Fields: object.fields(structEntry, depth+1)}
		in.failed = in.failed || object.failed
		f.value.Kind = &qdrant.Value_StructValue{StructValue: s}
	case in.is(valueList, protowire.BytesType):
		f.value.Kind = in.list(depth + 1)
	default:
		in.failed = true
	}
	d.failed = d.failed || in.failed || in.next() || in.failed
}

func (d *decoder) list(depth int) *qdrant.Value_ListValue {
	in := d.message()
	n := in.count(listElement)
	memory := make([]field, n)
	values := make([]*qdrant.Value, 0, n)
	for in.next() {
		if !in.is(listElement, protowire.BytesType) {
			in.failed = true
			break
		}
		f := &memory[len(values)]
		in.into(f, depth)
		values = append(values, &f.value)
	}
	d.failed = d.failed || in.failed
	l := &struct { // one piece of memory
		kind qdrant.Value_ListValue
		list qdrant.ListValue
	}{}
	l.list.Values = values
	l.kind.ListValue = &l.list
	return &l.kind
}
