package convert

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestQuantise(t *testing.T) {
	row := make([]float32, 400)
	r := rand.New(rand.NewPCG(5, 6))
	for i := range row {
		row[i] = float32(r.NormFloat64())
	}
	row[7] = 4.5
	plain, clipped := squaredError(row, 4.5/127), 0.0
	m, relative := quantise(row, 1, len(row), nil)
	clipped = squaredError(row, m.Scales[0])
	if clipped > plain {
		t.Errorf("squared error with the chosen scale = %v, without clipping %v", clipped, plain)
	}
	if relative <= 0 || relative > 0.02 {
		t.Errorf("relative error = %v, want between 0 and 0.02", relative)
	}
	zero, relative := quantise(make([]float32, 8), 2, 4, []int{1})
	if relative != 0 || zero.Scales[0] != 0 || !bytes.Equal(zero.Values, make([]byte, 8)) {
		t.Errorf("quantise of zeros = %+v, %v", zero, relative)
	}
}

func squaredError(row []float32, scale float32) float64 {
	var e float64
	for _, v := range row {
		d := float64(v) - float64(quantum(v, scale))*float64(scale)
		e += d * d
	}
	return e
}
