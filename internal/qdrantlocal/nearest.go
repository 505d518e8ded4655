package qdrantlocal

import (
	"math/rand/v2"
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// smallerIsBetter reports the direction of the scores of p's results.
func (x execution) smallerIsBetter(p *qdrant.PrefetchQuery) bool {
	switch q := p.GetQuery().GetVariant().(type) {
	case *qdrant.Query_Nearest, *qdrant.Query_NearestWithMmr:
	case *qdrant.Query_Recommend:
		if q.Recommend.GetStrategy() != qdrant.RecommendStrategy_AverageVector {
			return false
		}
	default:
		return false
	}
	return x.c.smallerIsNearer(p.GetUsing())
}

// smallerIsNearer reports the direction of the named vector's distance.
func (c *collection) smallerIsNearer(name string) bool {
	if m := c.multi[name]; m != nil {
		return smallerIsNearer(m.row.distance)
	}
	d := c.dense[name]
	return d != nil && smallerIsNearer(d.distance)
}

// sample returns random points in random order.
func (x execution) sample(set bitset, limit int) []hit {
	all := slices.Clone(x.c.inOrderOf(set))
	r := rand.New(rand.NewPCG(x.c.samples.Add(1), 0))
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	hits := make([]hit, min(limit, len(all)))
	for i := range hits {
		hits[i] = hit{slot: all[i], score: 1}
	}
	return hits
}

// input checks a query vector and brings it into the form that is compared.
func (x execution) input(in *qdrant.VectorInput, using string) (vector, error) {
	if !x.c.hasVectorName(using) {
		return vector{}, x.c.noVectorName(using)
	}
	switch o := in.GetVariant().(type) {
	case *qdrant.VectorInput_Id:
		if v, ok := x.lookups.vectors[in]; ok {
			return x.c.foreign(v, using)
		}
		return x.c.vectorOf(o.Id, using)
	case *qdrant.VectorInput_Dense:
		return x.c.denseInput(o.Dense.GetData(), using)
	case *qdrant.VectorInput_Sparse:
		if x.c.sparse[using] == nil {
			return vector{}, invalid("Conversion between sparse and regular vectors failed")
		}
		v, err := newSparse(o.Sparse.GetIndices(), o.Sparse.GetValues())
		return vector{sparse: &v}, err
	case *qdrant.VectorInput_MultiDense:
		m := x.c.multi[using]
		if m == nil {
			return vector{}, invalid("Conversion between multi and regular vectors failed")
		}
		rows, err := multiRows(o.MultiDense.GetVectors(), m.row.dim)
		if err != nil {
			return vector{}, err
		}
		return vector{multi: m.prepare(rows)}, nil
	case *qdrant.VectorInput_Document, *qdrant.VectorInput_Image, *qdrant.VectorInput_Object:
		return vector{}, errNoInference // unreachable: inferQuery replaced or refused it
	}
	return vector{}, status.Error(codes.InvalidArgument, "query vector has no variant set")
}

// denseInput prepares a dense query; for multivectors it is one row.
func (c *collection) denseInput(v []float32, using string) (vector, error) {
	d := c.dense[using]
	if m := c.multi[using]; m != nil {
		d = &m.row
	}
	switch {
	case d == nil:
		return vector{}, invalid("Conversion between regular and sparse vectors failed")
	case len(v) != d.dim:
		return vector{}, wrongDimension(d.dim, len(v))
	case c.multi[using] != nil:
		return vector{multi: [][]float32{d.prepare(v)}}, nil
	}
	return vector{dense: d.prepare(v)}, nil
}

// foreign prepares a vector of another collection.
func (c *collection) foreign(v vector, using string) (vector, error) {
	switch {
	case v.sparse != nil && c.sparse[using] != nil:
		return v, nil
	case v.dense != nil:
		return c.denseInput(v.dense, using)
	case v.multi != nil && c.multi[using] != nil:
		m := c.multi[using]
		if len(v.multi[0]) != m.row.dim {
			return vector{}, wrongDimension(m.row.dim, len(v.multi[0]))
		}
		return vector{multi: m.prepare(v.multi)}, nil
	}
	return vector{}, invalid("the vector found by lookup_from is of another kind (dense, multi, sparse) than %q", using)
}

// nearest scores the candidates that have the vector. The threshold is strict.
func (x execution) nearest(q vector, using string, from candidates, threshold *float32, limit int) ([]hit, error) {
	r := ranker{c: x.c, limit: limit, hits: x.memory.noHits(min(limit, len(x.c.ids)))}
	if q.sparse != nil {
		x.nearestSparse(&r, *q.sparse, x.c.sparse[using], from, threshold)
		return r.sorted(), nil
	}
	var score func(slot) float32
	if m := x.c.multi[using]; m != nil {
		r.smaller = smallerIsNearer(m.row.distance)
		score = func(s slot) float32 { return m.similarity(q.multi, m.rows[s]) }
	} else {
		d := x.c.dense[using]
		r.smaller = smallerIsNearer(d.distance)
		if d.plain() {
			return x.scanPlain(&r, d, q.dense, from.set, threshold)
		}
		score = func(s slot) float32 { return d.score(q.dense, s) }
	}
	return x.scan(&r, from.set, using, threshold, score)
}

// scan ranks the points of set that have the named vector by score.
func (x execution) scan(r *ranker, set bitset, using string, threshold *float32, score func(slot) float32) ([]hit, error) {
	set = x.memory.clone(set)
	set.and(x.c.present(using))
	visits := 0
	var err error
	set.each(func(s slot) bool {
		if visits++; visits%checkEvery == 0 {
			if err = contextError(x.ctx); err != nil {
				return false
			}
		}
		v := score(s)
		if r.hopeless(v) {
			return true
		}
		if threshold == nil || r.smaller && v < *threshold || !r.smaller && v > *threshold {
			r.add(hit{slot: s, score: v, version: x.c.versions[s]})
		}
		return true
	})
	return r.sorted(), err
}

// nearestSparse finds the points that share a dimension with q. The server
// drops scores of 0 (and NaN) when it searches its index, and keeps them when a
// filter leaves so few points that it scores them one by one.
func (x execution) nearestSparse(r *ranker, q sparseVector, sp *sparseSpace, from candidates, threshold *float32) {
	oneByOne := from.filtered && from.set.count() < sp.fullScan
	sp.search(sp.weigh(q), from.set, func(s slot, score float32) {
		if !oneByOne && (score == 0 || score != score) || r.hopeless(score) {
			return
		}
		if threshold == nil || score > *threshold {
			r.add(hit{slot: s, score: score, version: x.c.versions[s]})
		}
	})
}
