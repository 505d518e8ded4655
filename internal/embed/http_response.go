package embed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// decodeEmbeddings reads the response to n texts and returns unit vectors in
// the order of the texts.
func decodeEmbeddings(raw []byte, n, dimension int) ([][]float32, error) {
	var body struct {
		Data []struct {
			Index     *int    `json:"index"`
			Embedding numbers `json:"embedding"`
		} `json:"data"`
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrContract, err)
	}
	if len(body.Data) != n {
		return nil, fmt.Errorf("%w: %d embeddings for %d texts", ErrContract, len(body.Data), n)
	}
	vectors := make([][]float32, n)
	for i, item := range body.Data {
		switch {
		case item.Index == nil:
			return nil, fmt.Errorf("%w: embedding %d has no index", ErrContract, i)
		case *item.Index < 0 || *item.Index >= n:
			return nil, fmt.Errorf("%w: index %d in the response to %d texts", ErrContract, *item.Index, n)
		case vectors[*item.Index] != nil:
			return nil, fmt.Errorf("%w: index %d occurs twice", ErrContract, *item.Index)
		case len(item.Embedding) != dimension:
			return nil, fmt.Errorf("%w: the embedding with index %d has dimension %d, want %d", ErrContract, *item.Index, len(item.Embedding), dimension)
		}
		vector, err := unit(item.Embedding)
		if err != nil {
			return nil, fmt.Errorf("%w: the embedding with index %d %w", ErrContract, *item.Index, err)
		}
		vectors[*item.Index] = vector
	}
	return vectors, nil
}

// numbers is a JSON array of numbers. Unlike a slice of floats it refuses null,
// which is what some servers write for NaN.
type numbers []float64

func (v *numbers) UnmarshalJSON(raw []byte) error {
	raw = bytes.TrimSpace(raw)
	if len(raw) < 2 || raw[0] != '[' || raw[len(raw)-1] != ']' {
		return fmt.Errorf("embedding is %.20q, want an array of numbers", raw)
	}
	raw = bytes.TrimSpace(raw[1 : len(raw)-1])
	*v = nil
	if len(raw) == 0 {
		return nil
	}
	for field := range bytes.SplitSeq(raw, []byte{','}) {
		x, err := strconv.ParseFloat(string(bytes.TrimSpace(field)), 64)
		if err != nil {
			return fmt.Errorf("embedding has the component %.20q, want a finite number", bytes.TrimSpace(field))
		}
		*v = append(*v, x)
	}
	return nil
}

// unit scales v to length 1.
func unit(v []float64) ([]float32, error) {
	// Dividing by the largest component first keeps the squares in range.
	var largest float64
	for _, x := range v {
		largest = max(largest, math.Abs(x))
	}
	if largest == 0 {
		return nil, fmt.Errorf("is zero")
	}
	var squares float64
	for _, x := range v {
		squares += float64((x / largest) * (x / largest))
	}
	length := math.Sqrt(squares)
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x / largest / length)
	}
	return out, nil
}
