package main

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
)

// tensor is one decoded array of a safetensors file, row major.
type tensor struct {
	name   string
	shape  []int
	values []float32
}

// parseSafetensors decodes a file in the safetensors format: a uint64 header
// length, a JSON header, the arrays. The result is sorted by name. Element
// types other than F16 and F32 are an error.
func parseSafetensors(data []byte) ([]tensor, error) {
	if len(data) < 8 {
		return nil, errors.New("the file is shorter than its 8 byte prelude")
	}
	n := binary.LittleEndian.Uint64(data)
	if n > uint64(len(data)-8) {
		return nil, fmt.Errorf("header of %d bytes in a file of %d", n, len(data))
	}
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(data[8:8+n], &entries); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	delete(entries, "__metadata__")
	payload := data[8+n:]
	var out []tensor
	for name, raw := range entries {
		var e struct {
			DType   string    `json:"dtype"`
			Shape   []int     `json:"shape"`
			Offsets [2]uint64 `json:"data_offsets"`
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		if e.Offsets[0] > e.Offsets[1] || e.Offsets[1] > uint64(len(payload)) {
			return nil, fmt.Errorf("tensor %q: bytes %d to %d of a payload of %d", name, e.Offsets[0], e.Offsets[1], len(payload))
		}
		values, err := decode(e.DType, payload[e.Offsets[0]:e.Offsets[1]])
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		elements := 1
		for _, d := range e.Shape {
			elements *= d
		}
		if elements != len(values) {
			return nil, fmt.Errorf("tensor %q: shape %v and %d values", name, e.Shape, len(values))
		}
		out = append(out, tensor{name, e.Shape, values})
	}
	slices.SortFunc(out, func(a, b tensor) int { return cmp.Compare(a.name, b.name) })
	return out, nil
}

func decode(dtype string, raw []byte) ([]float32, error) {
	switch dtype {
	case "F16":
		out := make([]float32, len(raw)/2)
		for i := range out {
			out[i] = modelfile.HalfToFloat(binary.LittleEndian.Uint16(raw[2*i:]))
		}
		return out, nil
	case "F32":
		out := make([]float32, len(raw)/4)
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		return out, nil
	}
	return nil, fmt.Errorf("dtype %q, want F16 or F32", dtype)
}
