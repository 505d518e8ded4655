package convert

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
)

// entry is a stored array.
type entry struct {
	DType   string    `json:"dtype"`
	Shape   []int     `json:"shape"`
	Offsets [2]uint64 `json:"data_offsets"`

	file string
	raw  []byte
}

// parseSafetensors reads the entries of a file in the safetensors format: a
// uint64 header length, a JSON header, the arrays one after the other. The
// arrays alias data.
func parseSafetensors(data []byte) (map[string]entry, error) {
	if len(data) < 8 {
		return nil, errors.New("the file is shorter than its 8 byte prelude")
	}
	n := binary.LittleEndian.Uint64(data)
	if n > uint64(len(data)-8) {
		return nil, fmt.Errorf("header of %d bytes in a file of %d", n, len(data))
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(data[8:8+n], &header); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if name, twice := repeatedKey(data[8 : 8+n]); twice {
		return nil, fmt.Errorf("header: %q is listed twice", name)
	}
	delete(header, "__metadata__")
	payload := data[8+n:]
	out := make(map[string]entry, len(header))
	for _, name := range slices.Sorted(maps.Keys(header)) {
		var e entry
		if err := json.Unmarshal(header[name], &e); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		if e.Offsets[0] > e.Offsets[1] || e.Offsets[1] > uint64(len(payload)) {
			return nil, fmt.Errorf("tensor %q: bytes %d to %d of a payload of %d", name, e.Offsets[0], e.Offsets[1], len(payload))
		}
		e.raw = payload[e.Offsets[0]:e.Offsets[1]]
		out[name] = e
	}
	return out, checkPayload(out, uint64(len(payload)))
}

// checkPayload makes sure that the arrays follow one another without overlap,
// gap or rest, as the format demands: anything else is a damaged file.
func checkPayload(entries map[string]entry, size uint64) error {
	order := slices.SortedFunc(maps.Keys(entries), func(x, y string) int {
		a, b := entries[x].Offsets, entries[y].Offsets
		return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]), strings.Compare(x, y))
	})
	var end uint64
	var before string
	for _, name := range order {
		switch start := entries[name].Offsets[0]; {
		case start < end:
			return fmt.Errorf("tensors %q and %q share bytes", before, name)
		case start > end:
			return fmt.Errorf("bytes %d to %d of the payload, before tensor %q, belong to no tensor", end, start, name)
		}
		before, end = name, entries[name].Offsets[1]
	}
	if end < size {
		return fmt.Errorf("%d bytes after the last tensor belong to none", size-end)
	}
	return nil
}

// repeatedKey returns a key that a valid JSON object has twice: package json
// silently takes the last one.
func repeatedKey(object []byte) (string, bool) {
	d := json.NewDecoder(bytes.NewReader(object))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return "", false // null, which has no keys
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return "", false // unreachable: the object is valid
		}
		if seen[key] {
			return key, true
		}
		seen[key] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return "", false // unreachable: the object is valid
		}
	}
	return "", false
}

// decode returns the values of an array of type F16, BF16 or F32.
func (e entry) decode() ([]float32, error) {
	var size int
	var value func(b []byte) float32
	switch e.DType {
	case "F16":
		size, value = 2, func(b []byte) float32 { return modelfile.HalfToFloat(binary.LittleEndian.Uint16(b)) }
	case "BF16": // the upper half of a float32
		size, value = 2, func(b []byte) float32 { return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16) }
	case "F32":
		size, value = 4, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }
	default:
		return nil, fmt.Errorf("dtype is %q, supported are F32, F16 and BF16", e.DType)
	}
	elements := 1
	for _, d := range e.Shape {
		elements *= d
	}
	if elements*size != len(e.raw) {
		return nil, fmt.Errorf("shape %v of %s and %d bytes", e.Shape, e.DType, len(e.raw))
	}
	out := make([]float32, elements)
	for i := range out {
		if out[i] = value(e.raw[i*size:]); math.IsNaN(float64(out[i])) || math.IsInf(float64(out[i]), 0) {
			return nil, fmt.Errorf("element %d is %v", i, out[i])
		}
	}
	return out, nil
}
