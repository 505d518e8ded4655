package modelfile

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// Builder collects tensors for a model file. The zero value is empty and ready to use.
type Builder struct {
	tensors []built
}

type built struct {
	Tensor
	data []byte
}

// AddFloats adds an f32 tensor.
func (b *Builder) AddFloats(name string, values []float32, shape ...int) {
	data := make([]byte, 4*len(values))
	for i, v := range values {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(v))
	}
	b.add(name, Float32, data, shape)
}

// AddCompact adds an f16 tensor if that loses nothing, else an f32 tensor.
func (b *Builder) AddCompact(name string, values []float32, shape ...int) {
	data := make([]byte, 2*len(values))
	for i, v := range values {
		h, exact := FloatToHalf(v)
		if !exact {
			b.AddFloats(name, values, shape...)
			return
		}
		binary.LittleEndian.PutUint16(data[2*i:], h)
	}
	b.add(name, Float16, data, shape)
}

// AddMatrix adds an i8 matrix and its companions.
func (b *Builder) AddMatrix(name string, m Matrix) {
	b.add(name, Int8, m.Values, []int{m.Rows, m.Cols})
	b.AddFloats(name+scaleSuffix, m.Scales, m.Rows)
	k := len(m.ExactColumns)
	if k == 0 {
		return
	}
	columns := make([]byte, 4*k)
	for i, c := range m.ExactColumns {
		binary.LittleEndian.PutUint32(columns[4*i:], uint32(c))
	}
	b.add(name+columnsSuffix, Int32, columns, []int{k})
	b.AddCompact(name+exactSuffix, m.Exact, m.Rows, k)
}

// AddBlob adds opaque bytes.
func (b *Builder) AddBlob(name string, data []byte) {
	b.add(name, Bytes, data, []int{len(data)})
}

func (b *Builder) add(name string, dtype DType, data []byte, shape []int) {
	b.tensors = append(b.tensors, built{Tensor{Name: name, DType: dtype, Shape: shape}, data})
}

// Bytes returns the finished file. The same tensors in any order give the same
// bytes. The result has passed [Parse]; h.Tensors is ignored.
func (b *Builder) Bytes(h Header) ([]byte, error) {
	sorted := slices.Clone(b.tensors)
	slices.SortFunc(sorted, func(x, y built) int { return cmp.Compare(x.Name, y.Name) })
	h.Tensors = nil
	var payload []byte
	for _, t := range sorted {
		payload = pad(payload, 0)
		t.Offset = int64(len(payload))
		payload = append(payload, t.data...)
		h.Tensors = append(h.Tensors, t.Tensor)
	}
	header, err := marshal(h)
	if err != nil {
		return nil, fmt.Errorf("write model file: header: %w", err)
	}
	out := make([]byte, preludeSize, preludeSize+len(header)+len(payload))
	copy(out, Magic)
	binary.LittleEndian.PutUint32(out[8:], Version)
	binary.LittleEndian.PutUint32(out[12:], uint32(len(header)))
	out = append(append(out, header...), payload...)
	sum := sha256.Sum256(out[preludeSize:])
	copy(out[16:], sum[:])
	if _, err := Parse(out); err != nil {
		return nil, fmt.Errorf("write model file: what was built cannot be read: %w", err)
	}
	return out, nil
}

func marshal(h Header) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(h); err != nil {
		return nil, err
	}
	return pad(buf.Bytes(), ' '), nil
}

// pad appends fill up to the next multiple of the alignment.
func pad(b []byte, fill byte) []byte {
	for len(b)%alignment != 0 {
		b = append(b, fill)
	}
	return b
}
