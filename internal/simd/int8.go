package simd

import "math"

// minQuantised is the number of rows that the buffer of quantised activations
// always has room for: the rows of the largest tile.
const minQuantised = 12

func mulInt8Portable(dst []float32, q []uint8, n int, w *Matrix, _ *Scratch) {
	for p := range w.rows / PanelWidth {
		panel := w.panel(p)
		for i := range n {
			row := q[i*w.cols : (i+1)*w.cols]
			sums := [PanelWidth]int32(w.offsets[p*PanelWidth:])
			for c := 0; c < w.cols; c += groupCols {
				x0, x1, x2, x3 := int32(row[c]), int32(row[c+1]), int32(row[c+2]), int32(row[c+3])
				words := panel[c/groupCols*PanelWidth:][:PanelWidth]
				for j, v := range words {
					sums[j] += x0*int32(int8(v)) + x1*int32(int8(v>>8)) + x2*int32(int8(v>>16)) + x3*int32(int8(v>>24))
				}
			}
			for j, v := range sums {
				dst[i*w.rows+p*PanelWidth+j] = float32(v)
			}
		}
	}
}

func quantisePortable(q []uint8, x []float32) (scale, centre float32) {
	centre, half := middle(extentPortable(x))
	if half < quantiseMin {
		for i := range q {
			q[i] = 128
		}
		return 0, 0
	}
	inverse := 127 / half
	for i, v := range x {
		q[i] = quantum(v-centre, inverse)
	}
	return half / 127, centre
}

// extentPortable returns the least and the largest element of x and 0. If an
// element is no number, at least one of the two is none, and so are the centre
// and the half width.
func extentPortable(x []float32) (least, largest float32) {
	for _, v := range x {
		least, largest = min(least, v), max(largest, v)
	}
	return least, largest
}

// middle returns the centre of a range and half its width. It holds 0, so that
// the centre is no farther from 0 than half the width, and what is rounded when
// it is subtracted from an element is small beside a step.
func middle(least, largest float32) (centre, half float32) {
	return float32(largest/2) + float32(least/2), float32(largest/2) - float32(least/2)
}

// magnitude returns the larger magnitude of the ends of a range that holds 0.
func magnitude(least, largest float32) float32 { return max(-least, largest) }

// quantiseWidePortable writes len(x) upper halves, then as many lower ones.
func quantiseWidePortable(q []uint8, x []float32) float32 {
	upper, lower := q[:len(x)], q[len(x):]
	largest := magnitude(extentPortable(x))
	if largest < quantiseMin {
		for i := range q {
			q[i] = 128
		}
		return 0
	}
	inverse := wideSteps / largest
	for i, v := range x {
		upper[i], lower[i] = wideQuantum(v, inverse)
	}
	return largest / wideSteps
}

// wideSteps is the number of steps on either side of zero in two halves.
const wideSteps = 127 * 128

func wideQuantum(v, inverse float32) (upper, lower uint8) {
	step := int32(math.RoundToEven(float64(float32(v * inverse))))
	u := (step + 64) >> 7
	return uint8(u + 128), uint8(step - u<<7 + 128)
}

func joinPortable(y, upper, lower []float32) {
	for i := range y {
		y[i] = float32(upper[i]*128) + lower[i]
	}
}

// quantiseMin is the half width or magnitude below which a row counts as zero, so
// that its inverse is finite.
const quantiseMin = 1e-30

func quantum(v, inverse float32) uint8 {
	return uint8(math.RoundToEven(float64(float32(v*inverse))) + 128)
}

func scaleBiasPortable(y []float32, row float32, col, bias []float32) {
	for j := range y {
		y[j] = float32(float32(y[j]*row)*col[j]) + bias[j]
	}
}
