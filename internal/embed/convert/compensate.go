package convert

import (
	"cmp"
	"math"
	"slices"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
	"github.com/ragloop/ragloop/internal/simd"
)

// statistics sum up the inputs x of a linear map. The constant 1, which the bias
// is multiplied by, counts as one more column at the end.
type statistics struct {
	cols, rows int
	// products is the lower triangle of Σ x·xᵀ, in rows of cols+1.
	products []float64
	// fourth has the sums of fourth powers: the measure that weighs rare extremes,
	// which spoil a row's scale, and frequent large values alike.
	fourth []float64

	block  []float32 // rows not yet in products, one column after the other
	filled int
}

// blockRows is the number of rows whose products are summed in float32.
const blockRows = 256

// statisticsSize returns the bytes of statistics of so many columns.
func statisticsSize(cols int) int { return (cols + 1) * (8*(cols+1) + 4*blockRows) }

func newStatistics(cols int) *statistics {
	n := cols + 1
	s := &statistics{cols: cols, products: make([]float64, n*n), fourth: make([]float64, cols), block: make([]float32, n*blockRows)}
	for i := range blockRows {
		s.block[cols*blockRows+i] = 1
	}
	return s
}

// add takes whole rows.
func (s *statistics) add(rows []float32) {
	for ; len(rows) > 0; rows = rows[s.cols:] {
		for c, v := range rows[:s.cols] {
			s.block[c*blockRows+s.filled] = v
			square := float64(v) * float64(v)
			s.fourth[c] += float64(square * square)
		}
		s.rows++
		if s.filled++; s.filled == blockRows {
			s.flush()
		}
	}
}

// flush brings products up to date.
func (s *statistics) flush() {
	n, k := s.cols+1, s.filled
	spread(n, func(i int) {
		x := s.block[i*blockRows:][:k]
		for j := range i + 1 {
			s.products[i*n+j] += float64(simd.Dot(x, s.block[j*blockRows:][:k]))
		}
	})
	s.filled = 0
}

// factor says how rounding one weight of a linear map is made up for by others.
type factor struct {
	exact []int
	// order has the columns as they are rounded: those with the largest inputs
	// first. The exact ones and the bias, which are not rounded, are the last.
	order []int
	// triangle is the lower triangle of T, in rows of len(order), with TᵀT the
	// products of the inputs in this order.
	triangle   []float64
	importance []float64 // mean square of each column
}

const (
	// leastRows is how many inputs for each column are enough to tell how columns
	// go together.
	leastRows = 2
	// ridge is the part of each mean square that is thought to be its own, with
	// nothing to do with other columns. With less, what only the calibrating texts
	// have in common counts too much.
	ridge = 0.05
)

// factor returns nil if too little is known of the inputs: that is so in the
// last layer, of which only the first token is computed.
func (s *statistics) factor(exact []int) *factor {
	n := s.cols + 1
	f := &factor{exact: exact, triangle: make([]float64, n*n), importance: make([]float64, s.cols)}
	var total float64
	for c := range s.cols {
		f.importance[c] = s.products[c*n+c]
		total += f.importance[c]
		if !slices.Contains(exact, c) {
			f.order = append(f.order, c)
		}
	}
	if s.rows < leastRows*s.cols || total == 0 {
		return nil
	}
	slices.SortStableFunc(f.order, func(a, b int) int { return cmp.Compare(f.importance[b], f.importance[a]) })
	f.order = append(append(f.order, exact...), s.cols)
	for i, a := range f.order {
		for j, b := range f.order[:i+1] {
			f.triangle[i*n+j] = s.products[max(a, b)*n+min(a, b)]
		}
		// The second part is for inputs that are always 0.
		f.triangle[i*n+i] += float64(ridge*f.triangle[i*n+i]) + float64(1e-6*total)/float64(s.cols)
	}
	decompose(f.triangle, n)
	return f
}

// decompose replaces the lower triangle of a symmetric, positive definite matrix
// A by that of T with TᵀT = A: Cholesky's method from the last row up.
func decompose(a []float64, n int) {
	for k := n - 1; k >= 0; k-- {
		last := a[k*n : k*n+k+1]
		pivot := math.Sqrt(last[k])
		for i := range last {
			last[i] /= pivot
		}
		for i, x := range last[:k] {
			row := a[i*n : i*n+i+1]
			for j := range row {
				row[j] -= float64(x * last[j])
			}
		}
	}
}

// round rounds the weights of a linear map. A weight is not rounded to its
// nearest step, but to that at which the outputs for the calibrating inputs come
// nearest to what they were, given the weights of the row that are rounded
// already; the exact columns and the bias take up what is left in the end.
//
// Source: Frantar et al., "GPTQ: Accurate Post-Training Quantization for
// Generative Pre-trained Transformers" (2022), in the form of Babai's nearest
// plane: the squared error of the outputs is |T·d|² for the differences d of a
// row, and d[k] decides element k of T·d, given those before.
func (f *factor) round(weights, bias []float32) rounded {
	n := len(f.order)
	rows, cols, kept := len(bias), n-1, len(f.exact)
	m := modelfile.Matrix{
		Rows: rows, Cols: cols, Values: make([]byte, rows*cols), Scales: make([]float32, rows),
		ExactColumns: f.exact, Exact: make([]float32, rows*kept),
	}
	out := rounded{weights: m, bias: make([]float32, rows)}
	squaredErrs, squares := make([]float64, rows), make([]float64, rows)
	spread(rows, func(r int) {
		w := weights[r*cols : (r+1)*cols]
		row := slices.Clone(w)
		for _, c := range f.exact {
			row[c] = 0
		}
		m.Scales[r], _ = bestScale(row, f.importance)
		d := make([]float64, n) // original minus rounded
		for k, c := range f.order {
			t := f.triangle[k*n : k*n+k+1]
			var before float64
			for i, v := range d[:k] {
				before += float64(v * t[i])
			}
			shift := before / t[k]
			switch {
			case c == cols:
				out.bias[r] = float32(float64(bias[r]) + shift)
			case k >= cols-kept:
				v := float32(float64(w[c]) + shift)
				m.Exact[r*kept+k-(cols-kept)] = v
				d[k] = float64(w[c]) - float64(v)
			default:
				q := quantum(float32(float64(w[c])+shift), m.Scales[r])
				m.Values[r*cols+c] = byte(q)
				d[k] = float64(w[c]) - float64(float64(q)*float64(m.Scales[r]))
				squaredErrs[r] += float64(d[k] * d[k])
				squares[r] += float64(w[c]) * float64(w[c])
			}
		}
	})
	var squaredErr, square float64
	for r := range rows {
		squaredErr, square = squaredErr+squaredErrs[r], square+squares[r]
	}
	if square > 0 {
		out.relative = math.Sqrt(squaredErr / square)
	}
	return out
}
