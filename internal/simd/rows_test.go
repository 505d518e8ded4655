package simd

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"
)

func TestExp(t *testing.T) {
	for x := float32(-90); x <= 20; x += 0.0137 {
		got, want := float64(exp(x)), math.Exp(float64(x))
		if x < expMin {
			want = 0
		}
		if math.Abs(got-want) > 3e-7*want {
			t.Fatalf("exp(%v) = %v, want %v", x, got, want)
		}
	}
}

func TestSoftmax(t *testing.T) {
	onEach(t, func(t *testing.T) {
		for n := range 70 {
			for _, scale := range []float32{0, 0.18, 1, 40} {
				x := random(n, 3, 16)
				got, want := slices.Clone(x), slices.Clone(x)
				Softmax(got, scale)
				if n > 0 {
					softmaxPortable(want, scale)
				}
				wantBits(t, fmt.Sprintf("Softmax of %d", n), got, want)
				var sum, sumExp float64
				for _, v := range x {
					sumExp += math.Exp(float64(scale) * float64(v))
				}
				for i, v := range got {
					sum += float64(v)
					if d := math.Abs(float64(v) - math.Exp(float64(scale)*float64(x[i]))/sumExp); d > 1e-5 {
						t.Fatalf("Softmax of %d: [%d] = %v, off by %v", n, i, v, d)
					}
				}
				if n > 0 && math.Abs(sum-1) > 1e-5 {
					t.Errorf("Softmax of %d sums to %v", n, sum)
				}
			}
		}
	})
}

// TestSoftmaxMasked checks that elements set far below the others vanish
// exactly and change nothing else, which is how callers pad rows.
func TestSoftmaxMasked(t *testing.T) {
	onEach(t, func(t *testing.T) {
		row := random(16, 1, 17)
		short := slices.Clone(row[:8])
		for i := 8; i < 16; i++ {
			row[i] = -math.MaxFloat32
		}
		Softmax(row, 0.25)
		Softmax(short, 0.25)
		wantBits(t, "masked Softmax", row, append(short, make([]float32, 8)...))
	})
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

// FuzzKernels holds every vector kernel against its portable twin on arbitrary
// finite values and lengths.
func FuzzKernels(f *testing.F) {
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz"), uint8(1))
	f.Add(make([]byte, 4*67), uint8(33))
	f.Fuzz(func(t *testing.T, raw []byte, split uint8) {
		x := make([]float32, len(raw)/4)
		for i := range x {
			v := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
			if !(math.Abs(float64(v)) < 1e15) { // squares and sums must stay finite
				v = float32(i)
			}
			x[i] = v
		}
		// Start anywhere, so that vectors are not aligned.
		x = x[min(int(split%8), len(x)):]
		y := slices.Clone(x)
		slices.Reverse(y)
		for _, k := range available[:len(available)-1] {
			wantBits(t, k.name+" dot", []float32{k.dot(x, y)}, []float32{dotPortable(x, y)})
			for _, op := range []struct {
				name      string
				got, want func([]float32)
			}{
				{"softmax", func(r []float32) { k.softmax(r, 0.5) }, func(r []float32) { softmaxPortable(r, 0.5) }},
				{"gelu", k.gelu, geluPortable},
				{"addNorm", func(r []float32) { k.addNorm(r, y, y, y, 1e-12) }, func(r []float32) { addNormPortable(r, y, y, y, 1e-12) }},
			} {
				if len(x) == 0 {
					continue
				}
				got, want := slices.Clone(x), slices.Clone(x)
				op.got(got)
				op.want(want)
				wantBits(t, k.name+" "+op.name, got, want)
			}
			got, want := make([]uint8, len(x)), make([]uint8, len(x))
			gotScale, wantScale := k.quantise(got, x), quantisePortable(want, x)
			if gotScale != wantScale || !slices.Equal(got, want) {
				t.Fatalf("%s quantise of %v = %v × %v, want %v × %v", k.name, x, gotScale, got, wantScale, want)
			}
		}
	})
}
