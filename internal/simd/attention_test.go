package simd

import (
	"fmt"
	"math"
	"testing"
)

// attention returns the heads of Attend from its definition, in float64.
func attention(qkv []float32, rows, n, heads, width int) []float64 {
	h := heads * width
	out := make([]float64, rows*h)
	for head := range heads {
		for i := range rows {
			q := qkv[i*3*h+head*width:]
			scores, sum := make([]float64, n), 0.0
			largest := math.Inf(-1)
			for j := range n {
				k := qkv[j*3*h+h+head*width:]
				for c := range width {
					scores[j] += float64(q[c]) * float64(k[c]) / math.Sqrt(float64(width))
				}
				largest = max(largest, scores[j])
			}
			for j := range n {
				scores[j] = math.Exp(scores[j] - largest)
				sum += scores[j]
			}
			for j := range n {
				v := qkv[j*3*h+2*h+head*width:]
				for c := range width {
					out[i*h+head*width+c] += scores[j] / sum * float64(v[c])
				}
			}
		}
	}
	return out
}

func attendAll(qkv []float32, rows, n, heads, width int, s *Scratch) []float32 {
	dst := make([]float32, rows*heads*width)
	for head := range heads {
		Attend(dst, qkv, rows, n, heads, width, head, s)
	}
	return dst
}

// TestAttend covers widths that no tile divides, and more keys than a block.
func TestAttend(t *testing.T) {
	onEach(t, func(t *testing.T) {
		var s Scratch // old contents must not matter
		for _, c := range []struct{ n, heads, width int }{
			{1, 1, 32}, {2, 2, 8}, {3, 3, 26}, {11, 2, 32}, {12, 1, 64}, {13, 2, 16}, {31, 2, 32}, {32, 1, 48},
			{33, 1, 1}, {100, 2, 32}, {512, 1, 32}, {513, 1, 32}, {700, 1, 24},
		} {
			qkv := random(c.n*3*c.heads*c.width, 1.5, 28)
			want := attention(qkv, c.n, c.n, c.heads, c.width)
			got := attendAll(qkv, c.n, c.n, c.heads, c.width, &s)
			for i, v := range got {
				if !(math.Abs(float64(v)-want[i]) < 2e-6*math.Sqrt(float64(c.width))) {
					t.Fatalf("%+v: [%d] = %v, want %v", c, i, v, want[i])
				}
			}
			// A row does not depend on how many others are asked for.
			for _, rows := range []int{1, c.n/2 + 1} {
				some := attendAll(qkv, rows, c.n, c.heads, c.width, &s)
				wantBits(t, fmt.Sprintf("%+v, %d rows", c, rows), some, got[:len(some)])
			}
		}
	})
}

// TestAttendSameBits checks that vector kernels agree with each other.
func TestAttendSameBits(t *testing.T) {
	for _, c := range []struct{ n, heads, width int }{{40, 2, 32}, {13, 2, 26}, {555, 1, 64}} {
		qkv := random(c.n*3*c.heads*c.width, 1, 29)
		var first []float32
		for _, k := range vectors {
			use(t, k)
			got := attendAll(qkv, c.n, c.n, c.heads, c.width, new(Scratch))
			if first == nil {
				first = got
			}
			wantBits(t, fmt.Sprintf("%+v with %s", c, k.name), got, first)
		}
	}
}

// TestAttendExtremes has one key that outweighs all others, in either order of
// two blocks, and scores far apart.
func TestAttendExtremes(t *testing.T) {
	onEach(t, func(t *testing.T) {
		const n, width = attendKeys + 40, 32
		for _, at := range []int{0, 5, attendKeys - 1, attendKeys, n - 1} {
			for _, size := range []float32{40, 1e15} {
				qkv := random(n*3*width, 1, 30)
				for i := range n {
					qkv[i*3*width] = size // of every query
					qkv[i*3*width+width] = -size
				}
				qkv[at*3*width+width] = size
				got := attendAll(qkv, 2, n, 1, width, new(Scratch))
				for i := range 2 {
					wantBits(t, fmt.Sprintf("all weight on key %d", at), got[i*width:(i+1)*width], qkv[at*3*width+2*width:][:width])
				}
			}
		}
	})
}

func TestAttendLengths(t *testing.T) {
	for _, c := range []struct{ dst, qkv, rows, n, head int }{
		{64, 191, 2, 1, 0}, {64, 192, 2, 1, 0}, {31, 192, 1, 2, 0}, {64, 383, 2, 2, 0}, {64, 384, 2, 2, 2}, {64, 384, 2, 2, -1},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Attend with %+v did not panic", c)
				}
			}()
			Attend(make([]float32, c.dst), make([]float32, c.qkv), c.rows, c.n, 2, 32, c.head, new(Scratch))
		}()
	}
}

func BenchmarkAttend(b *testing.B) {
	const heads, width = 12, 32
	for _, k := range available {
		for _, n := range []int{16, 128, 256, 512, 2048} {
			if k.name == portable.name && n > 128 {
				continue
			}
			b.Run(fmt.Sprintf("%s/%d", k.name, n), func(b *testing.B) {
				use(b, k)
				qkv, dst := random(n*3*heads*width, 1, 31), make([]float32, n*heads*width)
				var s Scratch
				b.ReportAllocs()
				for b.Loop() {
					Attend(dst, qkv, n, n, heads, width, 3, &s)
				}
				b.ReportMetric(4*float64(n*n*width)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gop/s")
			})
		}
	}
}
