package qdrantwire

import (
	"math"
	"slices"
	"unicode/utf8"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Field numbers of the messages.
const (
	requestCollection = 1
	requestWait       = 2
	requestPoints     = 3

	pointID      = 1
	pointPayload = 3
	pointVectors = 4

	idNum  = 1
	idUUID = 2

	vectorsNamed = 2 // of Vectors
	namedEntry   = 1 // of NamedVectors

	vectorDense  = 101
	vectorSparse = 102

	denseData     = 1
	sparseValues  = 1
	sparseIndices = 2

	mapKey   = 1
	mapValue = 2

	valueNull    = 1
	valueDouble  = 2
	valueInteger = 3
	valueString  = 4
	valueBool    = 5
	valueStruct  = 6
	valueList    = 7

	structEntry = 1
	listElement = 1
)

// Append appends r in its encoded form to b. ok is false, and nothing is
// appended, where r is not of the plain form or cannot be encoded.
func Append(b []byte, r *qdrant.UpsertPoints) (_ []byte, ok bool) {
	size, ok := requestSize(r)
	if !ok {
		return b, false
	}
	return appendRequest(slices.Grow(b, size), r), true
}

// PointSize returns the number of bytes of an encoded point.
func PointSize(p *qdrant.PointStruct) int {
	if n, ok := pointSize(p); ok {
		return n
	}
	return proto.Size(p)
}

// AppendPoints appends the encoded points of a request, such as [Decode]
// returns, as those of an encoded UpsertPoints.
func AppendPoints(b []byte, points [][]byte) []byte {
	for _, p := range points {
		b = appendBytes(b, requestPoints, p)
	}
	return b
}

// The sizes say at the same time whether a message is of the plain form; what
// is appended needs no check any more.

// bytesSize is the size of a field of n bytes: a string or a message.
func bytesSize(field protowire.Number, n int) int {
	return protowire.SizeTag(field) + protowire.SizeBytes(n)
}

func requestSize(r *qdrant.UpsertPoints) (n int, ok bool) {
	if r == nil || r.Ordering != nil || r.ShardKeySelector != nil || r.UpdateFilter != nil || r.Timeout != nil || r.UpdateMode != nil ||
		!utf8.ValidString(r.CollectionName) || len(r.ProtoReflect().GetUnknown()) > 0 {
		return 0, false
	}
	if r.CollectionName != "" {
		n += bytesSize(requestCollection, len(r.CollectionName))
	}
	if r.Wait != nil {
		n += protowire.SizeTag(requestWait) + 1
	}
	for _, p := range r.Points {
		size, ok := pointSize(p)
		if !ok {
			return 0, false
		}
		n += bytesSize(requestPoints, size)
	}
	return n, true
}

func pointSize(p *qdrant.PointStruct) (n int, ok bool) {
	named, plain := p.GetVectors().GetVectorsOptions().(*qdrant.Vectors_Vectors)
	if !plain || named.Vectors == nil || p.Id == nil || len(p.ProtoReflect().GetUnknown()) > 0 || len(p.Vectors.ProtoReflect().GetUnknown()) > 0 ||
		len(p.Id.ProtoReflect().GetUnknown()) > 0 || len(named.Vectors.ProtoReflect().GetUnknown()) > 0 {
		return 0, false
	}
	size, ok := idSize(p.Id)
	if !ok {
		return 0, false
	}
	n = bytesSize(pointID, size)
	fields, ok := fieldsSize(pointPayload, p.Payload, 0)
	if !ok {
		return 0, false
	}
	n += fields
	size = 0
	for name, v := range named.Vectors.Vectors {
		one, ok := vectorSize(v)
		if !ok || !utf8.ValidString(name) {
			return 0, false
		}
		size += bytesSize(namedEntry, bytesSize(mapKey, len(name))+bytesSize(mapValue, one))
	}
	return n + bytesSize(pointVectors, bytesSize(vectorsNamed, size)), true
}

func idSize(id *qdrant.PointId) (n int, ok bool) {
	switch o := id.GetPointIdOptions().(type) {
	case *qdrant.PointId_Num:
		return protowire.SizeTag(idNum) + protowire.SizeVarint(o.Num), true
	case *qdrant.PointId_Uuid:
		return bytesSize(idUUID, len(o.Uuid)), utf8.ValidString(o.Uuid)
	}
	return 0, false
}

func vectorSize(v *qdrant.Vector) (n int, ok bool) {
	if v == nil || v.Data != nil || v.Indices != nil || v.VectorsCount != nil || len(v.ProtoReflect().GetUnknown()) > 0 { // deprecated
		return 0, false
	}
	switch o := v.GetVector().(type) {
	case *qdrant.Vector_Dense:
		if o.Dense == nil || len(o.Dense.ProtoReflect().GetUnknown()) > 0 {
			return 0, false
		}
		return bytesSize(vectorDense, floatsSize(denseData, o.Dense.Data)), true
	case *qdrant.Vector_Sparse:
		if o.Sparse == nil || len(o.Sparse.ProtoReflect().GetUnknown()) > 0 {
			return 0, false
		}
		return bytesSize(vectorSparse, sparseSize(o.Sparse)), true
	}
	return 0, false
}

func floatsSize(field protowire.Number, data []float32) int {
	if len(data) == 0 {
		return 0
	}
	return bytesSize(field, 4*len(data))
}

func sparseSize(v *qdrant.SparseVector) int {
	n := floatsSize(sparseValues, v.Values)
	if len(v.Indices) > 0 {
		n += bytesSize(sparseIndices, indicesSize(v.Indices))
	}
	return n
}

func indicesSize(indices []uint32) (n int) {
	for _, i := range indices {
		n += protowire.SizeVarint(uint64(i))
	}
	return n
}

// maxDepth bounds how deep values may be nested in each other here.
const maxDepth = 16

// fieldsSize is the size of a map of values whose entries have the number given.
func fieldsSize(entry protowire.Number, fields map[string]*qdrant.Value, depth int) (n int, ok bool) {
	for key, v := range fields {
		size, ok := valueSize(v, depth)
		if !ok || !utf8.ValidString(key) {
			return 0, false
		}
		n += bytesSize(entry, bytesSize(mapKey, len(key))+bytesSize(mapValue, size))
	}
	return n, true
}

func listSize(l *qdrant.ListValue, depth int) (n int, ok bool) {
	for _, e := range l.GetValues() {
		size, ok := valueSize(e, depth)
		if !ok {
			return 0, false
		}
		n += bytesSize(listElement, size)
	}
	return n, true
}

func valueSize(v *qdrant.Value, depth int) (n int, ok bool) {
	if v == nil || depth > maxDepth || len(v.ProtoReflect().GetUnknown()) > 0 {
		return 0, false
	}
	switch k := v.GetKind().(type) {
	case *qdrant.Value_NullValue:
		return protowire.SizeTag(valueNull) + protowire.SizeVarint(uint64(k.NullValue)), true
	case *qdrant.Value_DoubleValue:
		return protowire.SizeTag(valueDouble) + 8, true
	case *qdrant.Value_IntegerValue:
		return protowire.SizeTag(valueInteger) + protowire.SizeVarint(uint64(k.IntegerValue)), true
	case *qdrant.Value_StringValue:
		return bytesSize(valueString, len(k.StringValue)), utf8.ValidString(k.StringValue)
	case *qdrant.Value_BoolValue:
		return protowire.SizeTag(valueBool) + 1, true
	case *qdrant.Value_StructValue:
		if k.StructValue == nil || len(k.StructValue.ProtoReflect().GetUnknown()) > 0 {
			return 0, false
		}
		n, ok = fieldsSize(structEntry, k.StructValue.Fields, depth+1)
		return bytesSize(valueStruct, n), ok
	case *qdrant.Value_ListValue:
		if k.ListValue == nil || len(k.ListValue.ProtoReflect().GetUnknown()) > 0 {
			return 0, false
		}
		n, ok = listSize(k.ListValue, depth+1)
		return bytesSize(valueList, n), ok
	}
	return 0, false // no kind, or a nil one
}

func appendHead(b []byte, field protowire.Number, n int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.BytesType), uint64(n))
}

func appendBytes[T string | []byte](b []byte, field protowire.Number, s T) []byte {
	return append(appendHead(b, field, len(s)), s...)
}

func appendVarint(b []byte, field protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}

func appendRequest(b []byte, r *qdrant.UpsertPoints) []byte {
	if r.CollectionName != "" {
		b = appendBytes(b, requestCollection, r.CollectionName)
	}
	if r.Wait != nil {
		b = appendVarint(b, requestWait, protowire.EncodeBool(*r.Wait))
	}
	for _, p := range r.Points {
		size, _ := pointSize(p)
		b = appendPoint(appendHead(b, requestPoints, size), p)
	}
	return b
}

func appendPoint(b []byte, p *qdrant.PointStruct) []byte {
	size, _ := idSize(p.Id)
	b = appendHead(b, pointID, size)
	switch o := p.Id.PointIdOptions.(type) {
	case *qdrant.PointId_Num:
		b = appendVarint(b, idNum, o.Num)
	case *qdrant.PointId_Uuid:
		b = appendBytes(b, idUUID, o.Uuid)
	}
	b = appendFields(b, pointPayload, p.Payload)
	return appendVectors(b, p.GetVectors().GetVectors().GetVectors())
}

func appendVectors(b []byte, named map[string]*qdrant.Vector) []byte {
	var scratch [4]string
	names := scratch[:0]
	total := 0
	for name, v := range named {
		names = append(names, name)
		size, _ := vectorSize(v)
		total += bytesSize(namedEntry, bytesSize(mapKey, len(name))+bytesSize(mapValue, size))
	}
	slices.Sort(names)
	b = appendHead(b, pointVectors, bytesSize(vectorsNamed, total))
	b = appendHead(b, vectorsNamed, total)
	for _, name := range names {
		v := named[name]
		size, _ := vectorSize(v)
		b = appendHead(b, namedEntry, bytesSize(mapKey, len(name))+bytesSize(mapValue, size))
		b = appendBytes(b, mapKey, name)
		b = appendHead(b, mapValue, size)
		switch o := v.Vector.(type) {
		case *qdrant.Vector_Dense:
			b = appendHead(b, vectorDense, floatsSize(denseData, o.Dense.Data))
			b = appendFloats(b, denseData, o.Dense.Data)
		case *qdrant.Vector_Sparse:
			b = appendHead(b, vectorSparse, sparseSize(o.Sparse))
			b = appendFloats(b, sparseValues, o.Sparse.Values)
			if len(o.Sparse.Indices) > 0 {
				b = appendHead(b, sparseIndices, indicesSize(o.Sparse.Indices))
				for _, i := range o.Sparse.Indices {
					b = protowire.AppendVarint(b, uint64(i))
				}
			}
		}
	}
	return b
}

func appendFloats(b []byte, field protowire.Number, data []float32) []byte {
	if len(data) == 0 {
		return b
	}
	b = appendHead(b, field, 4*len(data))
	for _, x := range data {
		b = protowire.AppendFixed32(b, math.Float32bits(x))
	}
	return b
}

func appendFields(b []byte, entry protowire.Number, fields map[string]*qdrant.Value) []byte {
	var scratch [24]string
	keys := scratch[:0]
	for key := range fields {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		v := fields[key]
		size, _ := valueSize(v, 0)
		b = appendHead(b, entry, bytesSize(mapKey, len(key))+bytesSize(mapValue, size))
		b = appendBytes(b, mapKey, key)
		b = appendValue(appendHead(b, mapValue, size), v)
	}
	return b
}

func appendValue(b []byte, v *qdrant.Value) []byte {
	switch k := v.Kind.(type) {
	case *qdrant.Value_NullValue:
		b = appendVarint(b, valueNull, uint64(k.NullValue))
	case *qdrant.Value_DoubleValue:
		b = protowire.AppendTag(b, valueDouble, protowire.Fixed64Type)
		b = protowire.AppendFixed64(b, math.Float64bits(k.DoubleValue))
	case *qdrant.Value_IntegerValue:
		b = appendVarint(b, valueInteger, uint64(k.IntegerValue))
	case *qdrant.Value_StringValue:
		b = appendBytes(b, valueString, k.StringValue)
	case *qdrant.Value_BoolValue:
		b = appendVarint(b, valueBool, protowire.EncodeBool(k.BoolValue))
	case *qdrant.Value_StructValue:
		size, _ := fieldsSize(structEntry, k.StructValue.Fields, 0)
		b = appendFields(appendHead(b, valueStruct, size), structEntry, k.StructValue.Fields)
	case *qdrant.Value_ListValue:
		size, _ := listSize(k.ListValue, 0)
		b = appendHead(b, valueList, size)
		for _, e := range k.ListValue.Values {
			size, _ := valueSize(e, 0)
			b = appendValue(appendHead(b, listElement, size), e)
		}
	}
	return b
}
