package bert

import (
	"os"
	"testing"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
	"github.com/ragloop/ragloop/internal/simd"
	"github.com/ragloop/ragloop/internal/simd/limit"
)

// benchModel is bge-small-en-v1.5: speed does not depend on the weights, but
// exact columns are part of it.
func benchModel(b *testing.B) *Model {
	b.Helper()
	data, err := os.ReadFile("../bge-small-en-v1.5.model")
	if err != nil {
		b.Fatal(err)
	}
	f, err := modelfile.Parse(data)
	if err != nil {
		b.Fatal(err)
	}
	m, err := New(f)
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// chunkMix is a real mix of lengths, in tokens: the middles of the 16ths of the
// sorted chunks of the demo's corpus, cut at 100, 200 and 400 tokens.
var chunkMix = []int{48, 64, 75, 81, 87, 92, 97, 102, 109, 115, 133, 160, 179, 200, 292, 376}

// operations counts what a text of n tokens needs: a multiply-add is two.
func (m *Model) operations(n int) (linear, attention float64) {
	h := float64(m.Hidden)
	for i := range m.layers {
		rows := n
		if i == len(m.layers)-1 {
			rows = m.pooled(n)
		}
		linear += 2 * (3*h*h*float64(n) + (h*h+2*h*float64(m.Intermediate))*float64(rows))
		attention += 2 * 2 * float64(rows) * float64(n) * h
	}
	return linear, attention
}

// BenchmarkEncode computes texts on one thread and reports the share of the
// limit: the time in which the machine could do the multiply-adds at most, int8
// ones in the linear layers and float32 ones in attention, divided by the time
// taken. Int16 activations are two int8 ones, but count once.
func BenchmarkEncode(b *testing.B) {
	m := benchModel(b)
	int8Limit, set := limit.Int8()
	floatLimit, floatSet := limit.Float32()
	b.Logf("limits: %.0f Gop/s int8 (%s), %.0f Gop/s float32 (%s); kernels %s", int8Limit, set, floatLimit, floatSet, simd.Kernel())
	for _, c := range []struct {
		name    string
		p       Precision
		lengths []int
	}{
		{"int8/mix", Int8Activations, chunkMix},
		{"int8/16", Int8Activations, []int{16}},
		{"int8/64", Int8Activations, []int{64}},
		{"int8/256", Int8Activations, []int{256}},
		{"int8/512", Int8Activations, []int{512}},
		{"int16/16", Int16Activations, []int{16}},
		{"int16/24", Int16Activations, []int{24}},
		{"int16/64", Int16Activations, []int{64}},
		{"int16/256", Int16Activations, []int{256}},
	} {
		b.Run(c.name, func(b *testing.B) {
			ids := make([]int32, 512)
			for i := range ids {
				ids[i] = int32(1000 + 37*i)
			}
			out := make([]float32, m.Hidden)
			var w Workspace
			var least float64 // seconds
			for _, n := range c.lengths {
				linear, attention := m.operations(n)
				if int8Limit > 0 {
					least += linear/int8Limit/1e9 + attention/floatLimit/1e9
				}
				if err := m.Encode(out, ids[:n], c.p, &w); err != nil { // the workspace grows here
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, n := range c.lengths {
					if err := m.Encode(out, ids[:n], c.p, &w); err != nil {
						b.Fatal(err)
					}
				}
			}
			seconds := b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(100*least/seconds, "%limit")
			b.ReportMetric(float64(len(c.lengths))/seconds, "texts/s")
		})
	}
}
