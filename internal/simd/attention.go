package simd

import (
	"fmt"
	"math"
)

const (
	// attendRows is the number of queries that are computed together: the rows
	// of the largest tile.
	attendRows = 12
	// attendKeys is the number of keys of a block. Their scores with attendRows
	// queries fit into the first level cache.
	attendKeys = 512
	// attendWidth divides the sizes of tiles.
	attendWidth = 2 * PanelWidth
)

// attentionScratch is the working memory of [Attend], all of one head.
type attentionScratch struct {
	keys    []float32 // panels of 16 keys, padded with zeros to whole pairs
	values  []float32 // panels of 16 components, padded likewise
	edge    []float32 // the last keys, padded with zeros
	queries []float32 // of one tile, then zeros
	scores  []float32 // of one tile and one block of keys
	sums    []float32 // Σ weight·value of one tile
	streams streams
}

// streams is the state of a softmax for each row of a tile, whose scores come in
// blocks.
type streams struct {
	largest [attendRows]float32 // of the scores so far, finite
	sums    [attendRows]float32 // of exp2(scale·(score-largest))
	factors [attendRows]float32 // by which the last block shrank older sums
}

// Attend writes the part of one head of self-attention, softmax(q·kᵀ/√width)·v,
// for the first rows of n tokens. qkv has n rows of queries, keys and values,
// each of heads·width elements, head after head; dst has rows of heads·width, of
// which the columns of the head are written. It copies the keys and values of
// the head and never has more scores than those of 12 queries and 512 keys. It
// panics if a length does not fit.
//
// Scores sum over the components of a head in order. The softmax is that of
// Milakov and Gimelshein, "Online normalizer calculation for softmax" (2018),
// over blocks of 512 keys: when a block has a larger score than those before,
// what was summed up is scaled down. The sums over keys are divided at the end.
// exp(x) is exp2(x·log₂e); keys that are outweighed by 2¹²⁵ count nothing.
func Attend(dst, qkv []float32, rows, n, heads, width, head int, s *Scratch) {
	h := heads * width
	if rows > n || width < 1 || head < 0 || head >= heads || len(qkv) < n*3*h || len(dst) < rows*h {
		panic(fmt.Sprintf("simd.Attend: %d of %d rows, head %d of %d×%d, with lengths qkv %d, dst %d", rows, n, head, heads, width, len(qkv), len(dst)))
	}
	if rows == 0 {
		return
	}
	a := &s.attention
	queries, keys, values := qkv[head*width:], qkv[h+head*width:], qkv[2*h+head*width:]
	a.packKeys(keys, 3*h, n, width)
	a.packValues(values, 3*h, n, width)
	block := min(attendKeys, roundUp(n, attendWidth))
	padded := roundUp(width, attendWidth)
	a.queries = resize(a.queries, attendRows*width)
	a.scores = resize(a.scores, attendRows*block)
	a.sums = resize(a.sums, attendRows*padded)
	scale := float32(log2e / math.Sqrt(float64(width)))
	st := &a.streams
	for i := 0; i < rows; i += attendRows {
		m := min(attendRows, rows-i)
		active.copyRows(a.queries, width, queries[i*3*h:], 3*h, m, width)
		clear(a.queries[m*width:])
		clear(a.sums)
		for r := range m {
			st.largest[r], st.sums[r] = -math.MaxFloat32, 0
		}
		for j := 0; j < n; j += block {
			count := min(block, n-j)
			active.gemmPanels(a.scores, block, a.queries, width, a.keys[j*width:], PanelWidth*width, m, roundUp(count, attendWidth), width, false)
			active.expRows(a.scores, block, m, count, scale, st)
			if j > 0 {
				active.scaleRows(a.sums, padded, a.sums, padded, m, padded, st.factors[:])
			}
			active.gemmPanels(a.sums, padded, a.scores, block, a.values[j*PanelWidth:], PanelWidth*n, m, padded, count, true)
		}
		for r := range m {
			st.factors[r] = 1 / st.sums[r]
		}
		active.scaleRows(dst[i*h+head*width:], h, a.sums, padded, m, width, st.factors[:])
	}
}

// packKeys packs the transposed keys as panels of 16 of them.
func (a *attentionScratch) packKeys(keys []float32, ld, n, width int) {
	a.keys = resize(a.keys, roundUp(n, attendWidth)*width)
	whole := n / PanelWidth * PanelWidth
	for i := 0; i < whole; i += PanelWidth {
		active.transpose(a.keys[i*width:], keys[i*ld:], ld, PanelWidth, width)
	}
	clear(a.keys[whole*width:])
	if whole < n {
		a.edge = resize(a.edge, PanelWidth*width)
		clear(a.edge)
		active.copyRows(a.edge, width, keys[whole*ld:], ld, n-whole, width)
		active.transpose(a.keys[whole*width:], a.edge, width, PanelWidth, width)
	}
}

// packValues packs the values as panels of 16 components.
func (a *attentionScratch) packValues(values []float32, ld, n, width int) {
	padded := roundUp(width, attendWidth)
	a.values = resize(a.values, n*padded)
	for c := 0; c < padded; c += PanelWidth {
		panel := a.values[c*n:][:PanelWidth*n]
		if c+PanelWidth > width {
			clear(panel)
		}
		if c < width {
			active.copyRows(panel, PanelWidth, values[c:], ld, n, min(PanelWidth, width-c))
		}
	}
}

// transposePortable computes dst(j, i) = x(i, j) for rows×n elements; rows of x
// start every ldx elements, those of dst follow each other.
func transposePortable(dst, x []float32, ldx, rows, n int) {
	for i := range rows {
		for j, v := range x[i*ldx:][:n] {
			dst[j*rows+i] = v
		}
	}
}

// copyRowsPortable copies rows of n elements.
func copyRowsPortable(dst []float32, ldd int, x []float32, ldx, rows, n int) {
	for i := range rows {
		copy(dst[i*ldd:][:n], x[i*ldx:])
	}
}

// scaleRowsPortable copies rows of n elements, each times its factor.
func scaleRowsPortable(dst []float32, ldd int, x []float32, ldx, rows, n int, factors []float32) {
	for i := range rows {
		row := dst[i*ldd:][:n]
		for j, v := range x[i*ldx:][:n] {
			row[j] = v * factors[i]
		}
	}
}

// composeGemmPanels returns the multiplication c = a·b, or with add c += a·b,
// of m×k and k×n elements, n a multiple of 32. Panels of 16 columns start every
// stride elements. a and c have room for whole fours of rows, of which those
// from m on do not matter.
func (k kernels) composeGemmPanels() func(c []float32, ldc int, a []float32, lda int, panels []float32, stride, m, n, depth int, add bool) {
	return func(c []float32, ldc int, a []float32, lda int, panels []float32, stride, m, n, depth int, add bool) {
		for j := 0; j < n; j += PanelWidth {
			k.gemm(c[j:], ldc, a, lda, panels[j/PanelWidth*stride:][:PanelWidth*depth], m, depth, add)
		}
	}
}

// expRowsPortable is one step of the softmax of each row: n scores come in, and
// their exp2(scale·(score-largest)) goes out. Rows have room for a multiple of
// 32, which is written.
func expRowsPortable(scores []float32, ld, rows, n int, scale float32, s *streams) {
	padded := roundUp(n, attendWidth)
	for i := range rows {
		row := scores[i*ld:][:padded]
		largest := s.largest[i]
		for _, v := range row[:n] {
			largest = max(largest, v)
		}
		s.factors[i] = exp2(float32((s.largest[i] - largest) * scale))
		s.largest[i] = largest
		for j, v := range row[:n] {
			row[j] = exp2(float32((v - largest) * scale))
		}
		clear(row[n:])
		sum := laneSum(row, func(v float32) float32 { return v })
		s.sums[i] = float32(s.sums[i]*s.factors[i]) + sum
	}
}
