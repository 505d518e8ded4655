package simd

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

func TestExp2(t *testing.T) {
	for x := float32(-130); x <= 20; x += 0.0137 {
		got, want := float64(exp2(x)), math.Exp2(float64(x))
		if x < exp2Min {
			want = 0
		}
		if math.Abs(got-want) > 2e-7*want {
			t.Fatalf("exp2(%v) = %v, want %v", x, got, want)
		}
	}
	if exp2(0) != 1 {
		t.Errorf("exp2(0) = %v, want 1", exp2(0))
	}
}

func TestGelu(t *testing.T) {
	var x []float32
	for v := float32(-20); v <= 20; v += 0.0031 {
		x = append(x, v)
	}
	x = append(x, 0, float32(math.Copysign(0, -1)), 1e-40, -1e-40, 1e30, -1e30, 3)
	onEach(t, func(t *testing.T) {
		got, want := slices.Clone(x), slices.Clone(x)
		Gelu(got)
		geluPortable(want)
		wantBits(t, "Gelu", got, want)
		for i, v := range x {
			exact := float64(v) * 0.5 * math.Erfc(-float64(v)/math.Sqrt2)
			if d := math.Abs(float64(got[i]) - exact); d > 1e-6+2e-7*math.Abs(exact) {
				t.Fatalf("Gelu(%v) = %v, want %v", v, got[i], exact)
			}
		}
	})
}

func TestAddNorm(t *testing.T) {
	onEach(t, func(t *testing.T) {
		for _, n := range []int{1, 7, 8, 9, 31, 32, 384} {
			x, y, gain, bias := random(n, 1, 18), random(n, 2, 19), random(n, 1, 20), random(n, 1, 21)
			got, want := slices.Clone(x), slices.Clone(x)
			AddNorm(got, y, gain, bias, 1e-12)
			addNormPortable(want, y, gain, bias, 1e-12)
			wantBits(t, fmt.Sprintf("AddNorm of %d", n), got, want)
			if n < 2 {
				continue
			}
			var mean, squares float64
			for i := range x {
				mean += float64(x[i]) + float64(y[i])
			}
			mean /= float64(n)
			for i := range x {
				d := float64(x[i]) + float64(y[i]) - mean
				squares += d * d
			}
			for i := range x {
				d := float64(x[i]) + float64(y[i]) - mean
				exact := d/math.Sqrt(squares/float64(n)+1e-12)*float64(gain[i]) + float64(bias[i])
				if math.Abs(float64(got[i])-exact) > 1e-5 {
					t.Fatalf("AddNorm of %d: [%d] = %v, want %v", n, i, got[i], exact)
				}
			}
		}
	})
}

func TestAddNormConstantRow(t *testing.T) {
	onEach(t, func(t *testing.T) {
		x := slices.Repeat([]float32{3}, 32)
		bias := random(32, 1, 22)
		AddNorm(x, make([]float32, 32), random(32, 1, 23), bias, 1e-12)
		wantBits(t, "AddNorm of a constant row", x, bias)
	})
}
