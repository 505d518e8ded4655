package simd

import (
	"encoding/binary"
	"fmt"
)

// Matrix is a matrix of int8 weights with one scale per row (output), in which
// a few columns may be exact. It is packed for the kernels: panels of 16 rows,
// in each panel groups of 4 columns, in each group a word for each of the 16
// rows, which holds its 4 columns, the first in the low byte. It is immutable
// and safe for concurrent use.
type Matrix struct {
	rows, cols int
	packed     []uint32
	scales     []float32
	// offsets[r] is -128 × the sum of row r: it takes back the 128 that makes
	// quantised activations unsigned.
	offsets []int32

	exactColumns []int
	// exact has panels of k×16 weights: those of the exact columns and, last, the
	// sums of the others, which are what the centre of a row is multiplied by.
	exact []float32
	// quantised has a bit for each column, 0 in the exact ones.
	quantised []uint16
}

// Exact holds the columns of a matrix that are not quantised: those whose
// inputs are so much larger than the others that rounding their weights, or
// fitting their activations into the same 8 bits as the rest, would cost
// precision everywhere (Dettmers et al., "LLM.int8()", 2022). The zero value
// has none.
type Exact struct {
	Columns []int     // ascending
	Weights []float32 // row major, a row of len(Columns) for each row of the matrix
}

const (
	// MatrixRows divides the number of rows of every [Matrix].
	MatrixRows = 2 * PanelWidth

	groupCols = 4
	maxCols   = 1 << 16 // keeps sums of products of bytes within int32
)

// NewMatrix packs row-major int8 values (as bytes): element (r, c) stands for
// scales[r] × values[r·cols+c], except in the exact columns, whose values must
// be 0. rows must be a multiple of [MatrixRows] and cols of 4, at most 65,536.
// values is copied, scales is kept.
func NewMatrix(values []byte, scales []float32, rows, cols int, exact Exact) (*Matrix, error) {
	if rows <= 0 || rows%MatrixRows != 0 || cols <= 0 || cols%groupCols != 0 || cols > maxCols {
		return nil, fmt.Errorf("pack matrix of %d×%d: rows must be a multiple of %d, columns a multiple of %d up to %d", rows, cols, MatrixRows, groupCols, maxCols)
	}
	if len(values) != rows*cols || len(scales) != rows || len(exact.Weights) != rows*len(exact.Columns) {
		return nil, fmt.Errorf("pack matrix of %d×%d: got %d values, %d scales and %d exact weights in %d columns",
			rows, cols, len(values), len(scales), len(exact.Weights), len(exact.Columns))
	}
	for i, c := range exact.Columns {
		if c < 0 || c >= cols || i > 0 && c <= exact.Columns[i-1] {
			return nil, fmt.Errorf("pack matrix of %d×%d: exact columns %v are not ascending and below %d", rows, cols, exact.Columns, cols)
		}
		for r := range rows {
			if values[r*cols+c] != 0 {
				return nil, fmt.Errorf("pack matrix of %d×%d: exact column %d has another value at row %d", rows, cols, c, r)
			}
		}
	}
	m := &Matrix{
		rows: rows, cols: cols, packed: make([]uint32, rows*cols/groupCols), scales: scales, offsets: make([]int32, rows),
		exactColumns: exact.Columns, exact: make([]float32, rows*(len(exact.Columns)+1)), quantised: make([]uint16, (cols+15)/16),
	}
	for c := range cols {
		m.quantised[c/16] |= 1 << (c % 16)
	}
	for _, c := range exact.Columns {
		m.quantised[c/16] &^= 1 << (c % 16)
	}
	for r := range rows {
		row := values[r*cols : (r+1)*cols]
		dst := m.panel(r / PanelWidth)[r%PanelWidth:]
		var sum int32
		for c := 0; c < cols; c += groupCols {
			word := binary.LittleEndian.Uint32(row[c:])
			dst[c/groupCols*PanelWidth] = word
			sum += int32(int8(word)) + int32(int8(word>>8)) + int32(int8(word>>16)) + int32(int8(word>>24))
		}
		m.offsets[r] = -128 * sum
		k := len(exact.Columns)
		weights := m.exact[r/PanelWidth*PanelWidth*(k+1)+r%PanelWidth:]
		for i, v := range exact.Weights[r*k : (r+1)*k] {
			weights[i*PanelWidth] = v
		}
		weights[k*PanelWidth] = float32(float64(sum) * float64(scales[r]))
	}
	return m, nil
}

// Rows returns the number of outputs.
func (m *Matrix) Rows() int { return m.rows }

// Cols returns the number of inputs.
func (m *Matrix) Cols() int { return m.cols }

// exactWidth is the number of products that are added to those of integers.
func (m *Matrix) exactWidth() int { return len(m.exactColumns) + 1 }

// panel returns the packed weights of outputs 16p to 16p+15.
func (m *Matrix) panel(p int) []uint32 {
	size := PanelWidth * m.cols / groupCols
	return m.packed[p*size : (p+1)*size]
}

// Scratch holds the working memory of the products and of attention, which grows
// to what was needed most. The zero value is ready; it must not be shared by
// goroutines.
type Scratch struct {
	row       []float32 // one row of activations
	exact     []float32 // activations of the exact columns, then the centre, of each row
	quantised []uint8   // a row, or two rows of halves, for each row of activations
	signed    []uint8   // quantised activations as the bytes of signed ones
	rowScales []float32
	product   []float32 // a column of partial products
	halves    []float32 // products of halves

	attention attentionScratch
}

// resize returns s with length n, keeping its memory when that is enough. The
// contents are unspecified.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// MulInt8 computes dst = x·mᵀ + bias for n rows of x, with each row of x first
// rounded to 254 steps from its least element to its largest, or to 0 if that is
// outside; the exact columns are neither rounded nor counted in that range.
// Products and sums of steps are exact: an element is the middle of the range,
// the centre, plus -127 to 127 steps, and the product of the centre and the sum
// of the weights is added in the end. A row with an infinity or what is no
// number has no finite outputs. It panics if a length does not fit.
func (m *Matrix) MulInt8(dst, x, bias []float32, n int, s *Scratch) {
	m.multiply(dst, x, bias, n, false, s)
}

// MulInt16 is [Matrix.MulInt8] with 16,256 steps on either side of zero, the
// largest magnitude being the last one, which takes twice the time. A step is
// 128 times an upper half of -127 to 127 and a lower half of -64 to 63, so that
// the products are those of MulInt8, and exact. The sums of both halves
// are rounded to float32 before they are joined.
func (m *Matrix) MulInt16(dst, x, bias []float32, n int, s *Scratch) {
	m.multiply(dst, x, bias, n, true, s)
}

func (m *Matrix) multiply(dst, x, bias []float32, n int, wide bool, s *Scratch) {
	if len(x) < n*m.cols || len(dst) < n*m.rows || len(bias) != m.rows {
		panic(fmt.Sprintf("simd.Matrix: %d rows times %d×%d with lengths x %d, dst %d, bias %d", n, m.cols, m.rows, len(x), len(dst), len(bias)))
	}
	if n == 0 {
		return
	}
	bytesPerElement := 1
	if wide {
		bytesPerElement = 2
	}
	// Tiles read whole fours of rows, or all that they have where n is less.
	s.quantised = resize(s.quantised, max(roundUp(n*bytesPerElement, 4), minQuantised)*m.cols)
	s.rowScales = resize(s.rowScales, roundUp(n, 4))
	s.exact = resize(s.exact, roundUp(n, 4)*m.exactWidth())
	active.quantiseRows(m, x, n, wide, s)
	active.linear(dst, bias, m, n, wide, s)
}

// composeQuantiseRows returns the composition of the quantising kernels of k. It fills
// the scratch: with wide, the row of upper halves comes before that of lower.
func (k kernels) composeQuantiseRows() rowsQuantiser {
	return func(m *Matrix, x []float32, n int, wide bool, s *Scratch) {
		s.row = resize(s.row, m.cols)
		for i := range n {
			copy(s.row, x[i*m.cols:])
			exact := s.exact[i*m.exactWidth():][:m.exactWidth()]
			for j, c := range m.exactColumns {
				exact[j] = s.row[c]
				s.row[c] = 0
			}
			centre := &exact[len(m.exactColumns)]
			if wide {
				s.rowScales[i], *centre = k.quantiseWide(s.quantised[2*i*m.cols:2*(i+1)*m.cols], s.row), 0
			} else {
				s.rowScales[i], *centre = k.quantise(s.quantised[i*m.cols:(i+1)*m.cols], s.row)
			}
		}
	}
}

// composeLinear returns the composition of the multiplying kernels of k. It
// computes dst from what quantiseRows left in the scratch: the sums as floats,
// times the scale of the row, times that of the output, plus the bias, plus the
// products of the exact columns and of the centre in order.
func (k kernels) composeLinear() func(dst, bias []float32, m *Matrix, n int, wide bool, s *Scratch) {
	return func(dst, bias []float32, m *Matrix, n int, wide bool, s *Scratch) {
		if wide {
			s.halves = resize(s.halves, 2*n*m.rows)
			k.mulInt8(s.halves, s.quantised, 2*n, m, s)
		} else {
			k.mulInt8(dst, s.quantised, n, m, s)
		}
		for i := range n {
			row := dst[i*m.rows : (i+1)*m.rows]
			if wide {
				k.join(row, s.halves[2*i*m.rows:][:m.rows], s.halves[(2*i+1)*m.rows:][:m.rows])
			}
			k.scaleBias(row, s.rowScales[i], m.scales, bias)
		}
		exact := m.exactWidth()
		for p := range m.rows / PanelWidth {
			k.gemm(dst[p*PanelWidth:], m.rows, s.exact, exact, m.exact[p*PanelWidth*exact:(p+1)*PanelWidth*exact], n, exact, true)
		}
	}
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }
