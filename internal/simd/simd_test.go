package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// use makes k the active kernels for the rest of the test.
func use(t testing.TB, k kernels) {
	previous := active
	active = k
	t.Cleanup(func() { active = previous })
}

// onEach runs f once per set of kernels that this machine can run, the
// portable one included.
func onEach(t *testing.T, f func(t *testing.T)) {
	for _, k := range available {
		t.Run(k.name, func(t *testing.T) {
			use(t, k)
			f(t)
		})
	}
}

// onPortable returns what f returns on the portable kernels.
func onPortable[T any](f func() T) T {
	previous := active
	active = portable
	defer func() { active = previous }()
	return f()
}

func random(n int, scale float32, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64()) * scale
	}
	return x
}

// wantBits fails unless got and want have the same bits.
func wantBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s[%d] = %v (%08x), want %v (%08x)", what, i,
				got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}

func TestKernel(t *testing.T) {
	if got := available[len(available)-1].name; got != "portable" {
		t.Errorf("last available kernel = %q, want portable", got)
	}
	if Kernel() != available[0].name {
		t.Errorf("Kernel() = %q, want the best available, %q", Kernel(), available[0].name)
	}
	t.Logf("kernels: %s", Kernel())
}

func TestDot(t *testing.T) {
	onEach(t, func(t *testing.T) {
		for n := range 200 {
			a, b := random(n, 1, 1), random(n, 1, 2)
			want := onPortable(func() float32 { return Dot(a, b) })
			wantBits(t, fmt.Sprintf("Dot of %d", n), []float32{Dot(a, b)}, []float32{want})
			var exact, size float64
			for i := range a {
				exact += float64(a[i]) * float64(b[i])
				size += math.Abs(float64(a[i]) * float64(b[i]))
			}
			if math.Abs(float64(want)-exact) > 1e-6*size {
				t.Errorf("Dot of %d = %v, want %v", n, want, exact)
			}
		}
	})
}

func TestDotLengths(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Dot of different lengths did not panic")
		}
	}()
	Dot(make([]float32, 3), make([]float32, 4))
}

// fma returns x·y+z rounded once to float32. The float64 sum is rounded to odd
// so that the second rounding cannot be misled by the first (Boldo and
// Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
func fma(x, y, z float32) float32 {
	p, c := float64(x)*float64(y), float64(z)
	s := p + c
	// The exact error of the sum (Knuth's TwoSum).
	cc := s - p
	err := (p - (s - cc)) + (c - cc)
	if bits := math.Float64bits(s); err != 0 && bits&1 == 0 {
		if (err > 0) == (s > 0) {
			bits++
		} else {
			bits--
		}
		s = math.Float64frombits(bits)
	}
	return float32(s)
}

// matrix returns random weights and the matrix as float64.
func matrix(t testing.TB, rows, cols int, exactColumns []int, seed uint64) (*Matrix, [][]float64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	values, scales := make([]byte, rows*cols), random(rows, 0.01, seed)
	exact := Exact{Columns: exactColumns, Weights: random(rows*len(exactColumns), 0.5, seed+1)}
	dense := make([][]float64, rows)
	for i := range rows {
		dense[i] = make([]float64, cols)
		for j := range cols {
			v := int8(r.IntN(256) - 128)
			values[i*cols+j] = byte(v)
			dense[i][j] = float64(v) * float64(scales[i])
		}
		for j, c := range exactColumns {
			values[i*cols+c] = 0
			dense[i][c] = float64(exact.Weights[i*len(exactColumns)+j])
		}
	}
	m, err := NewMatrix(values, scales, rows, cols, exact)
	if err != nil {
		t.Fatal(err)
	}
	return m, dense
}

type mulFunc = func(m *Matrix, dst, x, bias []float32, n int, s *Scratch)

// product returns the result of one of the two products on the active kernels.
func product(mul mulFunc, m *Matrix, x, bias []float32, n int) []float32 {
	dst := make([]float32, n*m.Rows())
	mul(m, dst, x, bias, n, new(Scratch))
	return dst
}

// wantNear fails unless got is near want, given the sizes of what was added up.
func wantNear(t *testing.T, what string, got []float32, want, size []float64, tolerance float64) {
	t.Helper()
	for i, v := range got {
		if !(math.Abs(float64(v)-want[i]) <= tolerance*size[i]) {
			t.Fatalf("%s[%d] = %v, want %v", what, i, v, want[i])
		}
	}
}

func TestMatrix(t *testing.T) {
	onEach(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 2, 5, 6, 7, 11, 12, 13, 25} {
			for _, c := range []struct {
				rows, cols int
				exact      []int
			}{{32, 4, nil}, {64, 36, []int{0, 35}}, {32, 36, []int{2, 3, 5, 7, 11}}, {32, 2056, []int{1030}}} {
				m, dense := matrix(t, c.rows, c.cols, c.exact, 8)
				x, bias := random(n*c.cols, 1, 9), random(c.rows, 1, 10)
				for i := range n {
					if i%3 == 1 { // far from the middle of its range
						for j := range c.cols {
							x[i*c.cols+j] += float32(4 - i%2*8)
						}
					}
					for _, e := range c.exact {
						x[i*c.cols+e] *= 50 // what exact columns are for
					}
				}
				for _, p := range []struct {
					name  string
					mul   mulFunc
					steps float32
				}{{"MulInt8", (*Matrix).MulInt8, 127}, {"MulInt16", (*Matrix).MulInt16, wideSteps}} {
					var want, size []float64
					for i := range n {
						row := rounding(x[i*c.cols:(i+1)*c.cols], c.exact, p.steps)
						for r := range c.rows {
							sum, sumSize := float64(bias[r]), 1.0
							for j, v := range row {
								sum += v * dense[r][j]
								sumSize += math.Abs(v * dense[r][j])
							}
							want, size = append(want, sum), append(size, sumSize)
						}
					}
					what := fmt.Sprintf("%s %+v, %d rows", p.name, c, n)
					wantNear(t, what, product(p.mul, m, x, bias, n), want, size, 1e-6)
				}
			}
		}
	})
}

// rounding returns row as a product with that many steps sees it.
func rounding(row []float32, exact []int, steps float32) []float64 {
	var least, largest float32
	for j, v := range row {
		if !slices.Contains(exact, j) {
			least, largest = min(least, v), max(largest, v)
		}
	}
	centre, half := float32(0), max(-least, largest)
	if steps == 127 {
		centre, half = largest/2+least/2, largest/2-least/2
	}
	out := make([]float64, len(row))
	for j, v := range row {
		out[j] = float64(v)
		if !slices.Contains(exact, j) {
			out[j] = math.RoundToEven(float64((v-centre)*(steps/half)))*float64(half/steps) + float64(centre)
		}
	}
	return out
}

// TestMatrixSameBits checks that vector kernels agree with each other.
func TestMatrixSameBits(t *testing.T) {
	vector := available[:len(available)-1]
	for _, cols := range []int{36, 1536, 2056} {
		m, _ := matrix(t, 64, cols, []int{1, 9, 30}, 24)
		for _, n := range []int{1, 7, 12, 29} {
			x, bias := random(n*cols, 1, 25), random(64, 1, 26)
			for name, mul := range map[string]mulFunc{"MulInt16": (*Matrix).MulInt16, "MulInt8": (*Matrix).MulInt8} {
				var first []float32
				for _, k := range vector {
					use(t, k)
					got := product(mul, m, x, bias, n)
					if first == nil {
						first = got
					}
					wantBits(t, fmt.Sprintf("%s with %s", name, k.name), got, first)
				}
			}
		}
	}
}

// TestMatrixRowsIndependent checks that a row's product does not depend on how
// many rows are multiplied with it.
func TestMatrixRowsIndependent(t *testing.T) {
	onEach(t, func(t *testing.T) {
		const n, rows, cols = 31, 64, 64
		m, _ := matrix(t, rows, cols, []int{3, 4}, 11)
		x, bias := random(n*cols, 1, 12), random(rows, 1, 13)
		for name, mul := range map[string]mulFunc{"MulInt16": (*Matrix).MulInt16, "MulInt8": (*Matrix).MulInt8} {
			all := product(mul, m, x, bias, n)
			for i := range n {
				one := product(mul, m, x[i*cols:], bias, 1)
				wantBits(t, fmt.Sprintf("%s row %d", name, i), one, all[i*rows:(i+1)*rows])
			}
		}
	})
}

// TestMatrixExtremes drives the integer sums to their limits: a saturating
// kernel would fail here.
func TestMatrixExtremes(t *testing.T) {
	onEach(t, func(t *testing.T) {
		const rows, cols = 32, 1536
		for _, weight := range []int8{127, -127, -128} {
			values, scales := make([]byte, rows*cols), make([]float32, rows)
			for i := range values {
				values[i] = byte(weight)
			}
			for i := range scales {
				scales[i] = 1
			}
			m, err := NewMatrix(values, scales, rows, cols, Exact{})
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range []float32{127, -127} { // its own scale is 1
				x := make([]float32, cols)
				for i := range x {
					x[i] = v
				}
				want := float32(cols) * v * float32(weight)
				for name, mul := range map[string]mulFunc{"MulInt16": (*Matrix).MulInt16, "MulInt8": (*Matrix).MulInt8} {
					got := product(mul, m, x, make([]float32, rows), 1)
					if got[0] != want || got[rows-1] != want {
						t.Errorf("%s: %d products of %v and %d = %v, want %v", name, cols, v, weight, got[0], want)
					}
				}
			}
		}
	})
}

func TestMatrixZeroRow(t *testing.T) {
	onEach(t, func(t *testing.T) {
		m, _ := matrix(t, 32, 64, nil, 14)
		bias := random(32, 1, 15)
		for _, v := range []float32{0, 1e-40} {
			x := make([]float32, 64)
			x[5] = v
			wantBits(t, "int8 product with a zero row", product((*Matrix).MulInt8, m, x, bias, 1), bias)
			wantBits(t, "int16 product with a zero row", product((*Matrix).MulInt16, m, x, bias, 1), bias)
		}
	})
}

// TestMatrixConstantRow: 0 is in the range of a row, so that one of equal
// elements is as good as any other.
func TestMatrixConstantRow(t *testing.T) {
	onEach(t, func(t *testing.T) {
		for _, cols := range []int{36, 64} {
			m, dense := matrix(t, MatrixRows, cols, []int{7}, 54)
			bias := random(MatrixRows, 1, 55)
			for _, v := range []float32{3, -3, 1.0 / 3, 1e-29, -1e30} {
				want, size := make([]float64, MatrixRows), make([]float64, MatrixRows)
				for r, row := range dense {
					want[r], size[r] = float64(bias[r]), math.Abs(float64(bias[r]))
					for _, w := range row {
						want[r] += w * float64(v)
						size[r] += math.Abs(w * float64(v))
					}
				}
				x := slices.Repeat([]float32{v}, cols)
				for name, mul := range map[string]mulFunc{"MulInt8": (*Matrix).MulInt8, "MulInt16": (*Matrix).MulInt16} {
					wantNear(t, fmt.Sprintf("%s of %d times %v", name, cols, v), product(mul, m, x, bias, 1), want, size, 1e-6)
				}
			}
		}
	})
}

func TestNewMatrixErrors(t *testing.T) {
	for _, c := range []struct {
		rows, cols, values, scales int
		exact                      Exact
	}{
		{16, 4, 64, 16, Exact{}}, {32, 6, 192, 32, Exact{}}, {0, 4, 0, 0, Exact{}}, {32, 0, 0, 32, Exact{}},
		{32, 4, 127, 32, Exact{}}, {32, 4, 128, 31, Exact{}}, {32, 1 << 17, 32 << 17, 32, Exact{}},
		{32, 4, 128, 32, Exact{Columns: []int{1}}},
		{32, 4, 128, 32, Exact{Columns: []int{4}, Weights: make([]float32, 32)}},
		{32, 4, 128, 32, Exact{Columns: []int{-1}, Weights: make([]float32, 32)}},
		{32, 4, 128, 32, Exact{Columns: []int{1, 1}, Weights: make([]float32, 64)}},
	} {
		if _, err := NewMatrix(make([]byte, c.values), make([]float32, c.scales), c.rows, c.cols, c.exact); err == nil {
			t.Errorf("NewMatrix of %+v did not fail", c)
		}
	}
	values := make([]byte, 128)
	values[5] = 1
	if _, err := NewMatrix(values, make([]float32, 32), 32, 4, Exact{Columns: []int{1}, Weights: make([]float32, 32)}); err == nil {
		t.Error("NewMatrix with two values for one weight did not fail")
	}
}

func TestMulLengths(t *testing.T) {
	m, _ := matrix(t, 32, 8, nil, 27)
	defer func() {
		if recover() == nil {
			t.Error("a product with short slices did not panic")
		}
	}()
	m.MulInt16(make([]float32, 63), make([]float32, 16), make([]float32, 32), 2, new(Scratch))
}

// TestMatrixNotFinite checks that a number that is none, or infinite, is not
// rounded to something finite: whoever reads the products has to see it.
func TestMatrixNotFinite(t *testing.T) {
	const n = 2
	onEach(t, func(t *testing.T) {
		for _, cols := range []int{4, 36, 64} {
			m, _ := matrix(t, MatrixRows, cols, []int{1}, 51)
			bias := random(MatrixRows, 1, 52)
			for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
				for at := range cols {
					x := random(n*cols, 1, 53)
					x[at] = bad
					for name, mul := range map[string]mulFunc{"int8": (*Matrix).MulInt8, "int16": (*Matrix).MulInt16} {
						y := product(mul, m, x, bias, n)
						for i, v := range y {
							if finite := !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0); finite != (i >= MatrixRows) {
								t.Fatalf("%s with %v in column %d of %d: row %d has output %v", name, bad, at, cols, i/MatrixRows, v)
							}
						}
					}
				}
			}
		}
	})
}
