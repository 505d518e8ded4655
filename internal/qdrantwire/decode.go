package qdrantwire

import (
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/encoding/protowire"
)

// Decode decodes an encoded UpsertPoints. points are the encoded points in
// order, parts of b. ok is false where b is not of the plain form: it may be
// wrong, hold fields that are unknown here, or only be unusual.
//
// Nothing of r lies in b. The strings of a point's payload lie in one piece of
// memory, and so do its values: each keeps the others as long as it is used.
func Decode(b []byte) (r *qdrant.UpsertPoints, points [][]byte, ok bool) {
	d := newDecoder(b)
	n := d.count(requestPoints)
	r = &qdrant.UpsertPoints{Points: make([]*qdrant.PointStruct, 0, n)}
	points = make([][]byte, 0, n)
	for d.next() {
		switch {
		case d.is(requestCollection, protowire.BytesType):
			r.CollectionName = d.string()
		case d.is(requestWait, protowire.VarintType):
			wait := d.varint() != 0
			r.Wait = &wait
		case d.is(requestPoints, protowire.BytesType):
			raw := d.bytes()
			r.Points, points = append(r.Points, d.point(raw)), append(points, raw)
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
func (d *decoder) point(b []byte) *qdrant.PointStruct {
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
		p.Payload = in.payload(b[first:last], entries)
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

// payload decodes the entries of a payload in b, between which other fields may
// lie.
func (d *decoder) payload(b []byte, entries int) map[string]*qdrant.Value {
	in := newDecoder(b)
	in.text = string(b)
	fields := in.fields(pointPayload, entries, 0)
	d.failed = d.failed || in.failed
	return fields
}

// fields decodes the rest of d as a map of values whose entries have the number
// given, and skips other fields at the outermost level, which the caller knows.
func (d *decoder) fields(number protowire.Number, entries, depth int) map[string]*qdrant.Value {
	fields := make(map[string]*qdrant.Value, entries)
	memory := make([]field, entries)
	for i := 0; d.next(); {
		if d.field != number && depth == 0 {
			d.skip()
			continue
		}
		entry := d.entry(number)
		key := entry.string()
		if entry.value() {
			v := &memory[i]
			i++
			entry.into(v, depth)
			d.failed = d.failed || entry.next()
			fields[key] = &v.value
		}
		d.failed = d.failed || entry.failed
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
		s := &qdrant.Struct{Fields: object.fields(structEntry, object.count(structEntry), depth+1)}
		in.failed = in.failed || object.failed
		f.value.Kind = &qdrant.Value_StructValue{StructValue: s}
	case in.is(valueList, protowire.BytesType):
		f.value.Kind = &qdrant.Value_ListValue{ListValue: in.list(depth + 1)}
	default:
		in.failed = true
	}
	d.failed = d.failed || in.failed || in.next() || in.failed
}

func (d *decoder) list(depth int) *qdrant.ListValue {
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
	return &qdrant.ListValue{Values: values}
}
