package simd

import (
	"fmt"
	"testing"
)

// The sizes are those of a passage of 256 tokens in bge-small-en-v1.5.

func BenchmarkDot(b *testing.B) {
	for _, k := range available {
		b.Run(k.name, func(b *testing.B) {
			use(b, k)
			x, y := random(384, 1, 1), random(384, 1, 2)
			b.SetBytes(2 * 4 * 384)
			b.ReportAllocs()
			for b.Loop() {
				Dot(x, y)
			}
		})
	}
}

func BenchmarkMatrix(b *testing.B) {
	const n = 256
	for _, shape := range [][2]int{{1152, 384}, {1536, 384}, {384, 1536}} {
		rows, cols := shape[0], shape[1]
		m, _ := matrix(b, rows, cols, []int{1, 2, 3, 5, 7, 11, 13, 17}, 3)
		x, bias, dst := random(n*cols, 1, 4), random(rows, 1, 5), make([]float32, n*rows)
		for _, k := range available {
			for _, c := range []struct {
				name string
				mul  mulFunc
			}{{"int16", (*Matrix).MulInt16}, {"int8", (*Matrix).MulInt8}} {
				b.Run(fmt.Sprintf("%s/%dx%d/%s", c.name, cols, rows, k.name), func(b *testing.B) {
					use(b, k)
					var s Scratch
					b.ReportAllocs()
					for b.Loop() {
						c.mul(m, dst, x, bias, n, &s)
					}
					b.ReportMetric(2*float64(n*rows*cols)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gop/s")
				})
			}
		}
	}
}

func BenchmarkRows(b *testing.B) {
	for _, k := range available {
		for _, c := range []struct {
			name string
			f    func([]float32)
		}{
			{"gelu", Gelu},
			{"addNorm", func(x []float32) { AddNorm(x, x, x, x, 1e-12) }},
		} {
			b.Run(c.name+"/"+k.name, func(b *testing.B) {
				use(b, k)
				source, x := random(384, 1, 6), make([]float32, 384)
				b.SetBytes(4 * 384)
				b.ReportAllocs()
				for b.Loop() {
					copy(x, source)
					c.f(x)
				}
			})
		}
	}
}
