package convert

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// correlated returns rows of inputs that move together, with one input that is
// always 0 and one that is large and nearly constant.
func correlated(rows, cols int, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, rows*cols)
	for i := range rows {
		common := r.NormFloat64()
		for c := range cols {
			x[i*cols+c] = float32(common + 0.3*r.NormFloat64() + 0.5)
		}
		x[i*cols+3], x[i*cols+5] = 0, float32(40+r.NormFloat64())
	}
	return x
}

// outputError returns the mean squared error of the outputs of out for inputs x.
func outputError(out rounded, weights, bias, x []float32) float64 {
	var sum float64
	m := out.weights
	for from := 0; from < len(x); from += m.Cols {
		for r := range m.Rows {
			e := float64(bias[r]) - float64(out.bias[r])
			for c, v := range x[from : from+m.Cols] {
				w := float64(int8(m.Values[r*m.Cols+c])) * float64(m.Scales[r])
				if i := slices.Index(m.ExactColumns, c); i >= 0 {
					w = float64(m.Exact[r*len(m.ExactColumns)+i])
				}
				e += (float64(weights[r*m.Cols+c]) - w) * float64(v)
			}
			sum += e * e
		}
	}
	return sum / float64(len(x)/m.Cols*m.Rows)
}

// TestRound: for inputs that were not seen before, too, the outputs are nearer to
// the original ones than with each weight rounded to its nearest step.
func TestRound(t *testing.T) {
	const rows, cols = 16, 64
	r := rand.New(rand.NewPCG(7, 8))
	weights, bias := make([]float32, rows*cols), make([]float32, rows)
	for i := range weights {
		weights[i] = float32(r.NormFloat64())
	}
	exact := []int{5, 9}
	s := newStatistics(cols)
	s.add(correlated(3*blockRows/2, cols, 1))
	s.flush()
	f := s.factor(exact)
	if f == nil {
		t.Fatal("factor of enough rows = nil")
	}
	got := f.round(weights, bias)
	plain, plainRelative := quantise(weights, rows, cols, exact)
	unseen := correlated(200, cols, 2)
	before, after := outputError(rounded{weights: plain, bias: bias}, weights, bias, unseen), outputError(got, weights, bias, unseen)
	if !(after < before/4) {
		t.Errorf("mean squared error of the outputs = %v, want less than a quarter of the %v of plain rounding", after, before)
	}
	if got.relative < plainRelative || got.relative > 3*plainRelative {
		t.Errorf("relative error of the weights = %v, that of plain rounding %v", got.relative, plainRelative)
	}
	for r := range rows {
		for _, c := range exact {
			if got.weights.Values[r*cols+c] != 0 {
				t.Errorf("exact column %d has another value at row %d", c, r)
			}
		}
	}
	if again := f.round(weights, bias); !slices.Equal(again.weights.Values, got.weights.Values) || !slices.Equal(again.bias, got.bias) {
		t.Error("round gives other values the second time")
	}
}

func TestFactorOfLittle(t *testing.T) {
	const cols = 64
	s := newStatistics(cols)
	s.add(correlated(2*cols-1, cols, 1))
	s.flush()
	if s.factor(nil) != nil {
		t.Error("factor of fewer than two rows for each column is not nil")
	}
	zero := newStatistics(cols)
	zero.add(make([]float32, 4*cols*cols))
	zero.flush()
	if zero.factor(nil) != nil {
		t.Error("factor of inputs that are always 0 is not nil")
	}
}

func TestDecompose(t *testing.T) {
	const n = 7
	r := rand.New(rand.NewPCG(9, 9))
	want := make([]float64, n*n) // BᵀB + 1
	b := make([]float64, n*n)
	for i := range b {
		b[i] = r.NormFloat64()
	}
	for i := range n {
		want[i*n+i] = 1
		for j := range n {
			for k := range n {
				want[i*n+j] += b[k*n+i] * b[k*n+j]
			}
		}
	}
	got := slices.Clone(want)
	decompose(got, n)
	for i := range n {
		for j := range i + 1 {
			var sum float64 // (TᵀT)[i, j]
			for k := i; k < n; k++ {
				sum += got[k*n+i] * got[k*n+j]
			}
			if math.Abs(sum-want[i*n+j]) > 1e-12*float64(n) {
				t.Errorf("(TᵀT)[%d,%d] = %v, want %v", i, j, sum, want[i*n+j])
			}
		}
	}
}
