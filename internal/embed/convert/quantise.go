package convert

import (
	"math"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
)

// clipSteps is the number of clipping thresholds tried per row, from the
// largest magnitude down in steps of 1 %.
const clipSteps = 30

// quantise rounds each row to scale × [-127, 127], except in the exact columns
// (ascending), every weight to the nearest. It also returns the relative error
// of the rounded part, sqrt(Σ(w-q)² / Σw²).
func quantise(values []float32, rows, cols int, exact []int) (modelfile.Matrix, float64) {
	m := modelfile.Matrix{
		Rows: rows, Cols: cols, Values: make([]byte, rows*cols), Scales: make([]float32, rows), ExactColumns: exact,
	}
	row := make([]float32, cols)
	var sumErr, sumSq float64
	for r := range rows {
		copy(row, values[r*cols:])
		for _, c := range exact {
			m.Exact = append(m.Exact, row[c])
			row[c] = 0
		}
		scale, rowErr := bestScale(row, nil)
		m.Scales[r] = scale
		sumErr += rowErr
		for c, v := range row {
			sumSq += float64(v) * float64(v)
			m.Values[r*cols+c] = byte(quantum(v, scale))
		}
	}
	if sumSq == 0 {
		return m, 0
	}
	return m, math.Sqrt(sumErr / sumSq)
}

// bestScale returns the one of clipSteps scales with the least squared error, in
// which weight c counts importance[c] times, or once if importance is nil:
// giving up the one largest weight of a row often makes all the others finer.
func bestScale(row []float32, importance []float64) (scale float32, squaredErr float64) {
	var largest float32
	for _, v := range row {
		largest = max(largest, float32(math.Abs(float64(v))))
	}
	if largest == 0 {
		return 0, 0
	}
	squaredErr = math.Inf(1)
	for step := range clipSteps {
		s := largest * (1 - float32(step)/100) / 127
		var e float64
		for c, v := range row {
			// The conversions forbid fused multiply-adds, which would make the
			// choice, and so the file, depend on the machine.
			d := float64(v) - float64(float64(quantum(v, s))*float64(s))
			d = float64(d * d)
			if importance != nil {
				d = float64(d * importance[c])
			}
			e += d
		}
		if e < squaredErr {
			scale, squaredErr = s, e
		}
	}
	return scale, squaredErr
}

// quantum returns v/scale rounded to the nearest integer within ±127.
func quantum(v, scale float32) int8 {
	if scale == 0 {
		return 0
	}
	return int8(max(-127, min(127, math.RoundToEven(float64(v)/float64(scale)))))
}
