package qdrantlocal

import (
	"math"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ragloop/ragloop/internal/simd"
)

// A scan reads all vectors, and takes as long as memory takes to bring them. A
// quarter of that is enough to tell most of them off: beside the vectors stand
// copies in int8, by blocks, and how far each copy is from its vector. By
// Cauchy-Schwarz the product of a query with a vector is no larger than that with
// the copy and that distance times the length of the query, and no smaller than the
// one without the other. Only where this does not rule a vector out, the vector
// itself is looked at, so that results have the bits that they have without copies.
//
// A copy is made when a block has not changed for a few searches, one block per
// search, and dropped at the first change: during a bulk ingest the blocks that it
// touches are scanned as they are.

const (
	coarseRows = 1024 // of a block
	// coarseAfter is how many searches see a block unchanged before it is copied.
	coarseAfter = 3
	// coarseMin is how many vectors of a block must be asked for: for fewer it is
	// faster to look at each.
	coarseMin = coarseRows / 4
	// The dimensions that copies are made of: fewer are not worth it, of more the
	// roundings of a product are not bounded by roundings.
	coarseMinDim, coarseMaxDim = 64, 4096
)

// coarse are the copies of one named vector. A nil *coarse has none.
type coarse struct {
	blocks []*coarseBlock // of the slots from coarseRows·i on; may be fewer than there are slots
	memory sync.Pool      // of *coarseMemory
}

type coarseBlock struct {
	asked  atomic.Int32 // searches since the last change
	making atomic.Bool
	made   atomic.Pointer[coarseCopy]
}

// coarseCopy is the copy of one block; it never changes.
type coarseCopy struct {
	rows *simd.Matrix
	// distances[i] is that of vector i to its copy, lengths[i] the larger of their
	// lengths; neither is less than it truly is.
	distances, lengths []float32
}

type coarseMemory struct {
	scratch  simd.Scratch
	products []float32   // of all blocks
	bounds   [][]float32 // parts of products, by block; nil: the block has no copy
	floors   []float32   // a heap, the least first
}

// noBias is added to products.
var noBias [coarseRows]float32

// newCoarse returns nil where copies would not help.
func newCoarse(dim int) *coarse {
	if dim < coarseMinDim || dim > coarseMaxDim || dim%4 != 0 || simd.Kernel() == "portable" {
		return nil
	}
	return &coarse{}
}

// changed drops the copy of a slot's block. The collection's lock is held for
// writing.
func (c *coarse) changed(s slot) {
	if c == nil {
		return
	}
	i := int(s) / coarseRows
	for len(c.blocks) <= i {
		c.blocks = append(c.blocks, &coarseBlock{})
	}
	b := c.blocks[i]
	if b.asked.Load() != 0 {
		b.asked.Store(0)
		b.making.Store(false)
		b.made.Store(nil)
	}
}

// block returns the copy of block i of d, nil where there is none. It makes one if
// it is due and make allows, which it is told.
func (c *coarse) block(d *denseSpace, i int, made *bool) *coarseCopy {
	if i >= len(c.blocks) {
		return nil
	}
	b := c.blocks[i]
	if done := b.made.Load(); done != nil {
		return done
	}
	if b.asked.Add(1) < coarseAfter || *made || !b.making.CompareAndSwap(false, true) {
		return nil
	}
	*made = true
	done := newCoarseCopy(d.data[i*coarseRows*d.dim:min((i+1)*coarseRows*d.dim, len(d.data))], d.dim)
	b.made.Store(done)
	return done
}

// newCoarseCopy copies the vectors of a block, of which the last may have fewer.
func newCoarseCopy(data []float32, dim int) *coarseCopy {
	out := &coarseCopy{distances: make([]float32, coarseRows), lengths: make([]float32, coarseRows)}
	values := make([]byte, coarseRows*dim)
	scales := make([]float32, coarseRows)
	for r := range len(data) / dim {
		row := data[r*dim : (r+1)*dim]
		largest := float32(0)
		for _, x := range row {
			largest = max(largest, x, -x)
		}
		step := largest / 127
		if !(step > 0 && step < math.MaxFloat32) {
			step = 0 // all zero, or not finite: then the distance is not, either
		}
		scales[r] = step
		var distance, length, copied float64
		for i, x := range row {
			q := 0.0
			if step > 0 {
				q = min(max(math.RoundToEven(float64(x/step)), -127), 127)
			}
			values[r*dim+i] = byte(int8(q))
			y := q * float64(step)
			distance += (float64(x) - y) * (float64(x) - y)
			length += float64(x) * float64(x)
			copied += y * y
		}
		out.distances[r] = float32(math.Sqrt(distance)*(1+1e-6) + coarseLeast)
		if length > coarseLong*coarseLong {
			out.distances[r] = float32(math.Inf(1))
		}
		out.lengths[r] = float32(math.Sqrt(max(length, copied)) * (1 + 1e-6))
	}
	m, err := simd.NewMatrix(values, scales, coarseRows, dim, simd.Exact{})
	if err != nil {
		panic("unreachable: " + err.Error()) // newCoarse knows what fits
	}
	out.rows = m
	return out
}

// Of what is not exact about a product with a copy: the query is rounded, to
// querySteps on either side of zero; and sums are rounded to float32, as are those
// that they stand for. simd.Dot rounds each of a lane's sums by 2⁻²⁴ at most, and
// there are fewer than 200 of them: altogether less than roundings.
const (
	querySteps = 16256
	roundings  = 1e-4
)

// Roundings are relative to what is rounded only as far as float32 reaches. Longer
// queries and vectors than coarseLong have products that may overflow: they are
// compared as they are, and so is a shorter query than coarseShort. With any other,
// coarseLeast times its length is more than what products lose to underflow.
const (
	coarseShort = 1e-15
	coarseLong  = 1e18
	coarseLeast = 1e-18
)

// coarseQuery bounds the products with one query.
type coarseQuery struct {
	q      []float32
	length float32 // of q
	error  float32 // of a product, per length of the vector
	memory *coarseMemory
}

func (c *coarse) query(q []float32) coarseQuery {
	var squares, largest float64
	for _, x := range q {
		squares += float64(x) * float64(x)
		largest = max(largest, math.Abs(float64(x)))
	}
	m, _ := c.memory.Get().(*coarseMemory)
	if m == nil {
		m = &coarseMemory{}
	}
	if n := len(c.blocks) * coarseRows; len(m.products) < n {
		m.products = make([]float32, n)
	}
	m.floors = m.floors[:0]
	length := math.Sqrt(squares)
	rounded := math.Sqrt(float64(len(q))) * largest / (2 * querySteps)
	return coarseQuery{q: q, length: float32(length * (1 + 1e-6)), error: float32(rounded + roundings*length), memory: m}
}

// bounds returns for each vector of block i what its product with the query is at
// most.
func (q coarseQuery) bounds(i int, b *coarseCopy) []float32 {
	out := q.memory.products[i*coarseRows : (i+1)*coarseRows]
	b.rows.MulInt16(out, q.q, noBias[:], 1, &q.memory.scratch)
	distances, lengths := b.distances[:len(out)], b.lengths[:len(out)]
	for i := range out {
		out[i] += q.length*distances[i] + q.error*lengths[i]
	}
	return out
}

// floor takes in that a product is at least v. Of n products or more it keeps the n
// best, the least of which is q.memory.floors[0].
func (q coarseQuery) floor(v float32, n int) {
	h := q.memory.floors
	if len(h) < n {
		if v == v {
			h = append(h, v)
			for i := len(h) - 1; i > 0 && h[i] < h[(i-1)/2]; i = (i - 1) / 2 {
				h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
			}
			q.memory.floors = h
		}
		return
	}
	if !(v > h[0]) {
		return
	}
	h[0] = v
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[child] < h[least] {
				least = child
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

// narrow removes from set vectors that are certainly not among the best limit.
func (q coarseQuery) narrow(d *denseSpace, set bitset, limit int) {
	const words = coarseRows / 64
	made := false
	bounds := slices.Grow(q.memory.bounds[:0], (len(set)+words-1)/words)[:(len(set)+words-1)/words]
	q.memory.bounds = bounds
	clear(bounds)
	for i := range bounds {
		within := set[i*words : min((i+1)*words, len(set))]
		if within.count() < coarseMin {
			continue
		}
		b := d.coarse.block(d, i, &made)
		if b == nil {
			continue
		}
		bounds[i] = q.bounds(i, b)
		within.each(func(s slot) bool {
			q.floor(bounds[i][s]-2*(q.length*b.distances[s]+q.error*b.lengths[s]), limit)
			return true
		})
	}
	if len(q.memory.floors) < limit {
		return
	}
	floor := q.memory.floors[0]
	for i, block := range bounds {
		if block == nil {
			continue
		}
		within := set[i*words : min((i+1)*words, len(set))]
		within.each(func(s slot) bool {
			if block[s] < floor {
				within.clear(s)
			}
			return true
		})
	}
}

// scanPlain is scan by inner products: what nearly every search is.
func (x execution) scanPlain(r *ranker, d *denseSpace, q []float32, set bitset, threshold *float32) ([]hit, error) {
	set = x.memory.clone(set)
	set.and(d.present)
	if d.coarse != nil && r.limit > 0 {
		query := d.coarse.query(q)
		if query.length >= coarseShort && query.length <= coarseLong {
			query.narrow(d, set, r.limit)
		}
		d.coarse.memory.Put(query.memory)
	}
	for i, w := range set {
		if i%(checkEvery/64) == 0 {
			if err := contextError(x.ctx); err != nil {
				return nil, err
			}
		}
		for ; w != 0; w &= w - 1 {
			s := slot(i<<6 + bits.TrailingZeros64(w))
			v := simd.Dot(q, d.at(s))
			if r.hopeless(v) || threshold != nil && !(v > *threshold) {
				continue
			}
			r.add(hit{slot: s, score: v, version: x.c.versions[s]})
		}
	}
	return r.sorted(), nil
}
