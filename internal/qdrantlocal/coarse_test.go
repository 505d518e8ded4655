package qdrantlocal

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/simd"
)

// clustered returns vectors of which many are nearly alike, as those of texts are.
func clustered(r *rand.Rand, n, dim int) [][]float32 {
	centres := make([][]float32, 7)
	for i := range centres {
		centres[i] = randomVector(r, dim)
	}
	out := make([][]float32, n)
	for i := range out {
		out[i] = randomVector(r, dim)
		spread := float32(math.Pow(10, -4*r.Float64()))
		for k, x := range centres[r.IntN(len(centres))] {
			out[i][k] = x + spread*out[i][k]
		}
	}
	return out
}

func coarseSpace(t testing.TB, dim int, distance qdrant.Distance) *denseSpace {
	d := &denseSpace{dim: dim, distance: distance, coarse: newCoarse(dim)}
	if d.coarse == nil && simd.Kernel() != "portable" {
		t.Fatalf("no copies of %d dimensions", dim)
	}
	return d
}

// TestCoarseBounds: no product is larger than its bound.
func TestCoarseBounds(t *testing.T) {
	if simd.Kernel() == "portable" {
		t.Skip("there are no copies with the portable kernels")
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, dim := range []int{64, 100, 384, 4096} {
		for _, scale := range []float32{1, 1e-12, 1e12} {
			vectors := clustered(r, coarseRows, dim)
			data := make([]float32, 0, coarseRows*dim)
			for i, v := range vectors {
				if i%50 == 0 {
					clear(v)
				}
				if i%60 == 0 {
					v[i%dim] = 1e6 // all else rounds to nothing
				}
				for _, x := range v {
					data = append(data, x*scale)
				}
			}
			b, c := newCoarseCopy(data, dim), newCoarse(dim)
			c.changed(0)
			tight := 0
			for k := range 20 {
				q := vectors[r.IntN(len(vectors))]
				if k == 0 {
					q = make([]float32, dim)
				}
				query := c.query(q)
				for i, bound := range query.bounds(0, b) {
					got := simd.Dot(q, data[i*dim:(i+1)*dim])
					least := bound - 2*(query.length*b.distances[i]+query.error*b.lengths[i])
					if got > bound || got < least {
						t.Fatalf("%d dimensions times %v: product %v of vector %d is not within %v and %v", dim, scale, got, i, least, bound)
					}
					if bound-got <= 0.03*query.length*b.lengths[i] {
						tight++
					}
				}
				c.memory.Put(query.memory)
			}
			if tight < 20*coarseRows/2 {
				t.Errorf("%d dimensions times %v: %d of %d bounds are close", dim, scale, tight, 20*coarseRows)
			}
		}
	}
	odd := make([]float32, coarseRows*64)
	odd[3], odd[64], odd[128] = float32(math.NaN()), float32(math.Inf(1)), math.MaxFloat32
	c := newCoarse(64)
	c.changed(0)
	query := c.query(randomVector(r, 64))
	for i, bound := range query.bounds(0, newCoarseCopy(odd, 64))[:3] {
		if v := simd.Dot(query.q, odd[i*64:(i+1)*64]); bound < v {
			t.Errorf("the bound of vector %d is %v, its product %v", i, bound, v)
		}
	}
}

// TestCoarseScan compares searches with and without copies, while vectors change.
func TestCoarseScan(t *testing.T) {
	if simd.Kernel() == "portable" {
		t.Skip("there are no copies with the portable kernels")
	}
	const dim, n = 96, 3*coarseRows + 300
	r := rand.New(rand.NewPCG(3, 4))
	vectors := clustered(r, n, dim)
	c := &collection{ids: map[pointID]slot{}, versions: make([]uint64, n)}
	with, without := coarseSpace(t, dim, qdrant.Distance_Cosine), &denseSpace{dim: dim, distance: qdrant.Distance_Cosine}
	put := func(s slot, v []float32) {
		with.put(s, with.prepare(v))
		without.put(s, without.prepare(v))
	}
	var all, some bitset
	for i, v := range vectors {
		id := pointID{lo: uint64(r.Uint32())}
		c.ids[id] = slot(i)
		c.points = append(c.points, id)
		put(slot(i), v)
		all.set(slot(i))
		if i%3 == 0 || i < coarseRows/8 {
			some.set(slot(i))
		}
	}
	x := execution{ctx: t.Context(), c: c}
	threshold := float32(0.5)
	for range 60 {
		q := with.prepare(vectors[r.IntN(n)])
		for _, within := range []bitset{all, some, all[:20], nil} {
			for _, at := range []*float32{nil, &threshold} {
				for _, limit := range []int{1, 100, n} {
					scan := func(d *denseSpace) []hit {
						hits, err := x.scanPlain(&ranker{c: c, limit: limit}, d, q, within, at)
						if err != nil {
							t.Fatal(err)
						}
						return hits
					}
					if diff := cmp.Diff(scan(without), scan(with), cmp.AllowUnexported(hit{})); diff != "" {
						t.Fatalf("limit %d (-without +with copies):\n%s", limit, diff)
					}
				}
			}
		}
		for range r.IntN(3) {
			s := slot(r.IntN(n))
			put(s, vectors[r.IntN(n)])
		}
		if r.IntN(4) == 0 {
			s := slot(r.IntN(n))
			with.remove(s)
			without.remove(s)
		}
	}
	for i, b := range with.coarse.blocks {
		for range 2 * coarseAfter {
			if _, err := x.scanPlain(&ranker{c: c, limit: 1}, with, with.prepare(vectors[0]), all, nil); err != nil {
				t.Fatal(err)
			}
		}
		if b.made.Load() == nil {
			t.Errorf("block %d has no copy although nothing changes", i)
		}
	}
}

// TestCoarseScanExtremes: nor do copies change what is found where products
// overflow or underflow.
func TestCoarseScanExtremes(t *testing.T) {
	if simd.Kernel() == "portable" {
		t.Skip("there are no copies with the portable kernels")
	}
	const dim, n = 64, coarseRows
	scales := []float32{1e-44, 1e-38, 1e-30, 1e-24, 1e-15, 1e-6, 1, 1e9, 1e17, 1e19, 1e30, 1e38}
	r := rand.New(rand.NewPCG(5, 6))
	c := &collection{ids: map[pointID]slot{}, versions: make([]uint64, n)}
	var all bitset
	for i := range n {
		id := pointID{lo: uint64(r.Uint32())}
		c.ids[id] = slot(i)
		c.points = append(c.points, id)
		all.set(slot(i))
	}
	x := execution{ctx: t.Context(), c: c}
	for _, scale := range append(scales, 0) { // 0: all of them
		with, without := coarseSpace(t, dim, qdrant.Distance_Dot), &denseSpace{dim: dim, distance: qdrant.Distance_Dot}
		for i, v := range clustered(r, n, dim) {
			times := scale
			if times == 0 {
				times = scales[r.IntN(len(scales))]
			}
			for k := range v {
				v[k] *= times
			}
			with.put(slot(i), v)
			without.put(slot(i), v)
		}
		for range coarseAfter {
			with.coarse.block(with, 0, new(bool))
		}
		if with.coarse.blocks[0].made.Load() == nil {
			t.Fatal("there is no copy")
		}
		for _, times := range scales {
			q := randomVector(r, dim)
			for k := range q {
				q[k] *= times
			}
			for _, limit := range []int{1, 10, 300} {
				scan := func(d *denseSpace) []hit {
					hits, err := x.scanPlain(&ranker{c: c, limit: limit}, d, q, all, nil)
					if err != nil {
						t.Fatal(err)
					}
					return hits
				}
				if diff := cmp.Diff(scan(without), scan(with), cmp.AllowUnexported(hit{}), cmpopts.EquateNaNs()); diff != "" {
					t.Fatalf("vectors times %v, query times %v, limit %d (-without +with copies):\n%s", scale, times, limit, diff)
				}
			}
		}
	}
}
