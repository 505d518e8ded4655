package simd

import "fmt"

// Dot returns the inner product of a and b. It panics if their lengths differ.
//
// The result has the same bits on every machine. With n the largest multiple of
// 32 that is at most len(a), partial sum l (0..31) adds the products of
// elements l, l+32, l+64, … below n in that order; the partial sums are added in
// halves, l to l+16, l to l+8 and so on down to one; the products from n on are
// added last, in order. Products and sums are each rounded to float32.
func Dot(a, b []float32) float32 {
	if len(a) != len(b) {
		panic(fmt.Sprintf("simd.Dot: lengths %d and %d differ", len(a), len(b)))
	}
	return active.dot(a, b)
}

const dotLanes = 32

func dotPortable(a, b []float32) float32 {
	var sums [dotLanes]float32
	n := len(a) / dotLanes * dotLanes
	for i := 0; i < n; i += dotLanes {
		x, y := a[i:i+dotLanes], b[i:i+dotLanes]
		for l := range sums {
			sums[l] += float32(x[l] * y[l])
		}
	}
	for half := dotLanes / 2; half > 0; half /= 2 {
		for l := range half {
			sums[l] += sums[l+half]
		}
	}
	return dotTail(sums[0], a[n:], b[n:])
}

// dotTail adds the products of the elements after the last full group.
func dotTail(sum float32, a, b []float32) float32 {
	for i, x := range a {
		sum += float32(x * b[i])
	}
	return sum
}
