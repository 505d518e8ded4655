package simd

import (
	"fmt"
	"testing"
)

// BenchmarkMulInt8 measures the integer product alone, at the shapes of
// bge-small-en-v1.5: rows of a query, and of passages.
func BenchmarkMulInt8(b *testing.B) {
	for _, k := range available {
		for _, shape := range [][2]int{{384, 1152}, {384, 384}, {384, 1536}, {1536, 384}} {
			cols, rows := shape[0], shape[1]
			m, _ := matrix(b, rows, cols, nil, 40)
			for _, n := range []int{1, 16, 128, 256} {
				b.Run(fmt.Sprintf("%s/%dx%d/n=%d", k.name, cols, rows, n), func(b *testing.B) {
					q, dst := make([]uint8, max(n, minQuantised)*cols), make([]float32, n*rows)
					for i := range q {
						q[i] = uint8(i%255 + 1)
					}
					var s Scratch
					b.ReportAllocs()
					for b.Loop() {
						k.mulInt8(dst, q, n, m, &s)
					}
					b.ReportMetric(2*float64(n*rows*cols)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gop/s")
				})
			}
		}
	}
}
