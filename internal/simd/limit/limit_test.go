package limit

import "testing"

func benchmark(b *testing.B, f func() (float64, string)) {
	var best float64
	for b.Loop() {
		gops, name := f()
		if gops == 0 {
			b.Skip("no probe for this processor")
		}
		best = max(best, gops)
		b.ReportMetric(best, name+"-Gop/s")
	}
}

func BenchmarkInt8Limit(b *testing.B) { benchmark(b, Int8) }

func BenchmarkFloat32Limit(b *testing.B) { benchmark(b, Float32) }

func TestProbes(t *testing.T) {
	for _, p := range []probe{int8Probe(), float32Probe()} {
		if p.run != nil {
			p.run(3) // an instruction the processor lacks would end the program
		}
	}
}
