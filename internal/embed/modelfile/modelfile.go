// Package modelfile reads and writes the one-file format of an embedding model:
// architecture, vocabulary and weights behind one checksum. It knows nothing of
// how a model computes.
//
// # Stored layout
//
// All integers and floats are little endian.
//
//	offset  size  content
//	0       8     magic "RAGLOOPM"
//	8       4     format version, uint32
//	12      4     length H of the header in bytes, uint32, a multiple of 64
//	16      32    SHA-256 of everything from offset 64 to the end of the file
//	48      16    zero
//	64      H     header: the JSON form of [Header], padded with spaces
//	64+H          payload: the tensors, each at a multiple of 64 bytes, gaps zero
//
// A tensor's offset counts from the start of the payload. Matrices are row
// major. A matrix M of dtype i8 has a companion "M.scale" with one scale per
// row, 0 or more: a value is scale × integer. It may have columns that are not rounded to
// 8 bits: "M.exact_columns" (i32) lists them in ascending order, "M.exact" has
// their values, a row for each row of M, and the integers in their place are 0.
// Because every offset is a multiple of 64 the file can be memory mapped, and
// i8 and u8 tensors are used where they lie.
package modelfile

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
)

// Version is the format version this package writes and the only one it reads.
const Version = 1

// Magic is what every model file begins with.
const Magic = "RAGLOOPM"

const (
	preludeSize = 64
	alignment   = 64
	maxHeader   = 16 << 20
)

// ErrCorrupt is wrapped by errors about files whose bytes are not what was written.
var ErrCorrupt = errors.New("model file is damaged")

// ErrUnsupported is wrapped by errors about files that are intact but that this version cannot use.
var ErrUnsupported = errors.New("model file is not supported")

// DType is the type of a tensor's elements.
type DType string

const (
	Int8    DType = "i8"
	Int32   DType = "i32"
	Float16 DType = "f16" // IEEE 754 binary16
	Float32 DType = "f32"
	Bytes   DType = "u8" // opaque, such as the vocabulary
)

var dtypes = []DType{Int8, Int32, Float16, Float32, Bytes}

func (t DType) size() int {
	switch t {
	case Float32, Int32:
		return 4
	case Float16:
		return 2
	case Int8, Bytes:
		return 1
	}
	return 0
}

// Architecture is everything about a model that is not a weight. Fields marked
// optional are left out of the file where they have their zero value; files
// written before there were such fields keep their meaning.
type Architecture struct {
	Type          string  `json:"type"` // "bert"
	Layers        int     `json:"layers"`
	Hidden        int     `json:"hidden"` // also the dimension of the vectors
	Heads         int     `json:"heads"`
	Intermediate  int     `json:"intermediate"`
	MaxTokens     int     `json:"max_tokens"` // special tokens included
	LayerNormEps  float64 `json:"layer_norm_eps"`
	Activation    string  `json:"activation"`     // "gelu_erf"
	Pooling       string  `json:"pooling"`        // "cls": the first token; "mean": of all tokens, special ones included
	Normalization string  `json:"normalization"`  // "l2"; "none" with the head cross_encoder
	Tokenizer     string  `json:"tokenizer"`      // "wordpiece_uncased", or "wordpiece" with WordPiece
	QueryPrefix   string  `json:"query_prefix"`   // put in front of queries
	PassagePrefix string  `json:"passage_prefix"` // put in front of passages

	// Head is what becomes of the hidden states. Optional: "" pools them into a
	// vector; "cross_encoder" makes one logit of the first one, for a pair of
	// texts: the larger, the more relevant.
	Head string `json:"head,omitempty"`
	// WordPiece says how texts are normalised. Optional: nil with every
	// tokenizer but "wordpiece", which needs it.
	WordPiece *WordPiece `json:"wordpiece,omitempty"`
}

// CrossEncoder is the [Architecture] Head that scores pairs of texts.
const CrossEncoder = "cross_encoder"

// Tokenizers of an [Architecture].
const (
	WordPieceUncased = "wordpiece_uncased" // all fields of [WordPiece] true
	WordPieceCustom  = "wordpiece"         // the fields of Architecture.WordPiece
)

// WordPiece is how BERT's tokenizer treats a text before it cuts words into
// pieces.
type WordPiece struct {
	Lowercase          bool `json:"lowercase"`
	StripAccents       bool `json:"strip_accents"`
	HandleChineseChars bool `json:"handle_chinese_chars"` // each CJK ideograph is a word
}

// Tensor describes one stored array.
type Tensor struct {
	Name   string `json:"name"`
	DType  DType  `json:"dtype"`
	Shape  []int  `json:"shape"`  // outermost first; 1 or 2 entries
	Offset int64  `json:"offset"` // from the start of the payload, a multiple of 64
}

func (t Tensor) elements() int64 {
	n := int64(1)
	for _, d := range t.Shape {
		n *= int64(d)
	}
	return n
}

// size returns the length in bytes.
func (t Tensor) size() int64 { return t.elements() * int64(t.DType.size()) }

// Header is the JSON header. Tensors are sorted by name.
type Header struct {
	Name         string       `json:"name"`
	License      string       `json:"license"`
	Source       string       `json:"source"` // where the weights come from, for people
	SourceSHA256 string       `json:"source_sha256"`
	Architecture Architecture `json:"architecture"`
	Tensors      []Tensor     `json:"tensors"`
}

// File is a parsed model file. It aliases the bytes given to [Parse]; it is
// read-only and safe for concurrent use.
type File struct {
	Header   Header
	Checksum [sha256.Size]byte // as stored; verified by [Parse]

	payload []byte
	byName  map[string]Tensor
}

// Parse checks data and returns its parts without copying tensors. The errors
// wrap [ErrCorrupt] or [ErrUnsupported]. Every tensor is known to lie inside
// the file, apart from the others, and every float is known to be finite.
func Parse(data []byte) (*File, error) { return parse(data, true) }

// ParseTrusted is [Parse] for data that is as sound as the program, because it
// is part of it: neither the checksum nor the floats are checked, and no tensor
// is read, so that the pages of one that nobody uses need no memory.
func ParseTrusted(data []byte) (*File, error) { return parse(data, false) }

func parse(data []byte, verify bool) (*File, error) {
	if len(data) < preludeSize {
		return nil, fmt.Errorf("read model file: %w: %d bytes, shorter than the %d of its prelude", ErrCorrupt, len(data), preludeSize)
	}
	if string(data[:8]) != Magic {
		return nil, fmt.Errorf("read model file: %w: it begins with %q, want %q", ErrUnsupported, data[:8], Magic)
	}
	if v := binary.LittleEndian.Uint32(data[8:]); v != Version {
		return nil, fmt.Errorf("read model file: %w: format version %d, this program reads version %d", ErrUnsupported, v, Version)
	}
	headerSize := int64(binary.LittleEndian.Uint32(data[12:]))
	if headerSize > maxHeader || headerSize%alignment != 0 || preludeSize+headerSize > int64(len(data)) {
		return nil, fmt.Errorf("read model file: %w: header length %d in a file of %d bytes", ErrCorrupt, headerSize, len(data))
	}
	f := &File{Checksum: [sha256.Size]byte(data[16:])}
	if verify {
		if sum := sha256.Sum256(data[preludeSize:]); sum != f.Checksum {
			return nil, fmt.Errorf("read model file: %w: SHA-256 is %x, the file says %x", ErrCorrupt, sum, f.Checksum)
		}
	}
	dec := json.NewDecoder(bytes.NewReader(data[preludeSize : preludeSize+headerSize]))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f.Header); err != nil {
		return nil, fmt.Errorf("read model file: %w: header: %w", ErrUnsupported, err)
	}
	f.payload = data[preludeSize+headerSize:]
	f.byName = make(map[string]Tensor, len(f.Header.Tensors))
	for _, t := range f.Header.Tensors {
		err := f.check(t)
		if err == nil && verify {
			err = f.checkFloats(t)
		}
		if err != nil {
			return nil, fmt.Errorf("read model file: %w", err)
		}
		f.byName[t.Name] = t
	}
	if err := f.checkApart(); err != nil {
		return nil, fmt.Errorf("read model file: %w", err)
	}
	return f, nil
}

// checkApart makes sure that no two of the tensors that check accepts share bytes.
func (f *File) checkApart() error {
	byOffset := slices.SortedFunc(maps.Values(f.byName), func(x, y Tensor) int {
		return cmp.Or(cmp.Compare(x.Offset, y.Offset), cmp.Compare(x.Name, y.Name))
	})
	for i, t := range byOffset[min(1, len(byOffset)):] {
		if before := byOffset[i]; before.Offset+before.size() > t.Offset {
			return fmt.Errorf("%w: tensors %q and %q share bytes", ErrCorrupt, before.Name, t.Name)
		}
	}
	return nil
}

func (f *File) check(t Tensor) error {
	if _, dup := f.byName[t.Name]; dup {
		return fmt.Errorf("%w: tensor %q is listed twice", ErrCorrupt, t.Name)
	}
	if t.DType.size() == 0 {
		return fmt.Errorf("%w: tensor %q has dtype %q, want one of %q", ErrUnsupported, t.Name, t.DType, dtypes)
	}
	if len(t.Shape) < 1 || len(t.Shape) > 2 {
		return fmt.Errorf("%w: tensor %q has shape %v, want 1 or 2 dimensions", ErrUnsupported, t.Name, t.Shape)
	}
	for _, d := range t.Shape {
		// The bound keeps the products below from overflowing.
		if d < 1 || d > 1<<28 {
			return fmt.Errorf("%w: tensor %q has shape %v", ErrCorrupt, t.Name, t.Shape)
		}
	}
	size := t.size()
	if t.Offset < 0 || t.Offset%alignment != 0 || t.Offset > int64(len(f.payload)) || size > int64(len(f.payload))-t.Offset {
		return fmt.Errorf("%w: tensor %q of %d bytes at offset %d does not fit a payload of %d bytes", ErrCorrupt, t.Name, size, t.Offset, len(f.payload))
	}
	return nil
}

// checkFloats checks the elements of a tensor that check accepts.
func (f *File) checkFloats(t Tensor) error {
	if t.DType != Float32 && t.DType != Float16 {
		return nil
	}
	for i, v := range floats(t.DType, f.payload[t.Offset:t.Offset+t.size()]) {
		if math.IsInf(float64(v), 0) || v != v {
			return fmt.Errorf("%w: tensor %q has the non-finite value %v at index %d", ErrCorrupt, t.Name, v, i)
		}
	}
	return nil
}

// find returns a tensor that has one of the given types and, unless shape is
// nil, that shape.
func (f *File) find(name string, shape []int, allowed ...DType) (Tensor, []byte, error) {
	t, ok := f.byName[name]
	if !ok {
		return t, nil, fmt.Errorf("read tensor %q: %w: the file has no such tensor", name, ErrUnsupported)
	}
	if !slices.Contains(allowed, t.DType) || shape != nil && !slices.Equal(t.Shape, shape) {
		return t, nil, fmt.Errorf("read tensor %q: %w: it is %s %v, want %q %v", name, ErrUnsupported, t.DType, t.Shape, allowed, shape)
	}
	return t, f.payload[t.Offset : t.Offset+t.size()], nil
}

// Floats returns a copy of an f32 or f16 tensor, which must have the given shape.
func (f *File) Floats(name string, shape ...int) ([]float32, error) {
	t, raw, err := f.find(name, shape, Float32, Float16)
	if err != nil {
		return nil, err
	}
	out := make([]float32, 0, t.elements())
	for _, v := range floats(t.DType, raw) {
		out = append(out, v)
	}
	return out, nil
}

// floats decodes the elements of an f32 or f16 tensor one by one.
func floats(dtype DType, raw []byte) iter.Seq2[int, float32] {
	return func(yield func(int, float32) bool) {
		size := dtype.size()
		for i := range len(raw) / size {
			var v float32
			if dtype == Float16 {
				v = HalfToFloat(binary.LittleEndian.Uint16(raw[2*i:]))
			} else {
				v = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
			}
			if !yield(i, v) {
				return
			}
		}
	}
}

// Matrix is a quantised matrix: element (r, c) is
// Scales[r] × int8(Values[r*Cols+c]), except in the exact columns.
type Matrix struct {
	Rows, Cols int
	Values     []byte // two's complement int8, row major; aliases the file
	Scales     []float32

	ExactColumns []int     // ascending; nil: none
	Exact        []float32 // row major, len(ExactColumns) for each row
}

// Matrix returns an i8 tensor of the given shape with its companions.
func (f *File) Matrix(name string, rows, cols int) (Matrix, error) {
	m := Matrix{Rows: rows, Cols: cols}
	var err error
	if _, m.Values, err = f.find(name, []int{rows, cols}, Int8); err != nil {
		return Matrix{}, err
	}
	if m.Scales, err = f.Floats(name+scaleSuffix, rows); err != nil {
		return Matrix{}, err
	}
	for r, v := range m.Scales {
		if v < 0 {
			return Matrix{}, fmt.Errorf("read tensor %q: %w: the scale of row %d is %v, want 0 or more", name, ErrCorrupt, r, v)
		}
	}
	k := f.Rows(name + columnsSuffix)
	if k == 0 {
		return m, nil
	}
	_, raw, err := f.find(name+columnsSuffix, []int{k}, Int32)
	if err != nil {
		return Matrix{}, err
	}
	for i := range k {
		m.ExactColumns = append(m.ExactColumns, int(int32(binary.LittleEndian.Uint32(raw[4*i:]))))
	}
	m.Exact, err = f.Floats(name+exactSuffix, rows, k)
	return m, err
}

// Blob returns the bytes of a u8 tensor where they lie.
func (f *File) Blob(name string) ([]byte, error) {
	_, raw, err := f.find(name, nil, Bytes)
	return raw, err
}

// Rows returns the first dimension of a tensor, or 0 when there is none of that name.
func (f *File) Rows(name string) int {
	if t, ok := f.byName[name]; ok {
		return t.Shape[0]
	}
	return 0
}

// Parameters returns the number of weights of the model: the elements of its
// matrices and float tensors, without what quantisation adds.
func (f *File) Parameters() int64 {
	var n int64
	for _, t := range f.Header.Tensors {
		if t.DType == Bytes || t.DType == Int32 || strings.HasSuffix(t.Name, scaleSuffix) || strings.HasSuffix(t.Name, exactSuffix) {
			continue
		}
		n += t.elements()
	}
	return n
}

// What is appended to the name of a matrix for its companions.
const (
	scaleSuffix   = ".scale"
	exactSuffix   = ".exact"
	columnsSuffix = ".exact_columns"
)
