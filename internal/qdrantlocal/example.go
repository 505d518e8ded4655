package qdrantlocal

import (
	"math"
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Queries by example: recommend, discover, context, relevance feedback. Their
// scores are computed from raw similarities and are always larger for better points.

func (x execution) inputs(ins []*qdrant.VectorInput, using string) ([]vector, error) {
	out := make([]vector, len(ins))
	for i, in := range ins {
		v, err := x.input(in, using)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// byScore ranks the candidates that have the vector by a custom score. Of
// sparse vectors only those that share a dimension with an example are scored.
func (x execution) byScore(p *qdrant.PrefetchQuery, from candidates, limit int, examples []vector, score func(vector) float32) ([]hit, error) {
	r := &ranker{c: x.c, limit: limit}
	set := from.set
	if sp := x.c.sparse[p.GetUsing()]; sp != nil {
		set = x.memory.clone(set)
		set.and(sp.sharing(examples))
	}
	hits, err := x.scan(r, set, p.GetUsing(), nil, func(s slot) float32 {
		v, _ := x.c.vector(s, p.GetUsing()) // scan visits only points that have it
		return score(v)
	})
	if t := p.ScoreThreshold; t != nil {
		// The server checks the best hits as if their scores were distances.
		smaller := x.c.smallerIsNearer(p.GetUsing())
		hits = slices.DeleteFunc(hits, func(h hit) bool { return !(smaller && h.score < *t || !smaller && h.score > *t) })
	}
	return hits, err
}

// sharing returns the points that share a dimension with one of vs.
func (sp *sparseSpace) sharing(vs []vector) bitset {
	var out bitset
	for _, v := range vs {
		for _, dim := range v.sparse.indices {
			if p := sp.inverted[dim]; p != nil {
				out.setAll(p.slots)
			}
		}
	}
	return out
}

func (x execution) recommend(p *qdrant.PrefetchQuery, in *qdrant.RecommendInput, from candidates, limit int) ([]hit, error) {
	using := p.GetUsing()
	pos, err := x.inputs(in.GetPositive(), using)
	if err != nil {
		return nil, err
	}
	neg, err := x.inputs(in.GetNegative(), using)
	if err != nil {
		return nil, err
	}
	sim := func(a, b vector) float32 { return x.c.rawSimilarity(using, a, b) }
	switch in.GetStrategy() {
	case qdrant.RecommendStrategy_AverageVector:
		if len(pos) == 0 {
			return nil, invalid("Positive vectors should not be empty with `average` strategy")
		}
		// The mean is taken of dense vectors as given, and prepared afterwards.
		keepGiven(pos, in.GetPositive())
		keepGiven(neg, in.GetNegative())
		q, err := x.c.averageQuery(using, pos, neg)
		if err != nil {
			return nil, err
		}
		return x.nearest(q, using, from, p.ScoreThreshold, limit)
	case qdrant.RecommendStrategy_BestScore:
		return x.byScore(p, from, limit, slices.Concat(pos, neg), func(v vector) float32 {
			bestPos, bestNeg := float32(math.Inf(-1)), float32(math.Inf(-1))
			for _, e := range pos {
				bestPos = max(bestPos, sim(e, v))
			}
			for _, e := range neg {
				bestNeg = max(bestNeg, sim(e, v))
			}
			if bestPos > bestNeg {
				return sigmoid(bestPos)
			}
			return -sigmoid(bestNeg)
		})
	case qdrant.RecommendStrategy_SumScores:
		return x.byScore(p, from, limit, slices.Concat(pos, neg), func(v vector) float32 {
			var sum float32
			for _, e := range pos {
				sum += sim(e, v)
			}
			for _, e := range neg {
				sum -= sim(e, v)
			}
			return sum
		})
	}
	return nil, unsupported("this recommend strategy")
}

// keepGiven undoes the preparation of dense vectors that a request spells out.
func keepGiven(vs []vector, ins []*qdrant.VectorInput) {
	for i, in := range ins {
		if d, ok := in.GetVariant().(*qdrant.VectorInput_Dense); ok && vs[i].dense != nil {
			vs[i].dense = d.Dense.GetData()
		}
	}
}

// fastSigmoid maps all numbers to (-1, 1).
func fastSigmoid(x float32) float32 { return x / (1 + float32(math.Abs(float64(x)))) }

// sigmoid maps all numbers to (0, 1).
func sigmoid(x float32) float32 { return 0.5 * (fastSigmoid(x) + 1) }

// averageQuery is the mean of the positive examples, plus how far it is from
// the mean of the negative ones if there are any. Multivectors are not averaged
// but joined, the rows of negative examples negated.
func (c *collection) averageQuery(using string, pos, neg []vector) (vector, error) {
	switch {
	case c.multi[using] != nil:
		var rows [][]float32
		for _, v := range pos {
			rows = append(rows, v.multi...)
		}
		for _, v := range neg {
			for _, row := range v.multi {
				rows = append(rows, mapFloats(row, func(x float32) float32 { return -x }))
			}
		}
		return vector{multi: c.multi[using].prepare(rows)}, nil
	case c.sparse[using] != nil:
		mean := meanSparse(pos)
		if len(neg) > 0 {
			mean = combineSparse(mean, meanSparse(neg), func(p, n float32) float32 { return p + p - n })
		}
		return vector{sparse: &mean}, nil
	}
	mean := meanDense(pos)
	if len(neg) > 0 {
		other := meanDense(neg)
		for i := range mean {
			mean[i] = mean[i] + mean[i] - other[i]
		}
	}
	return vector{dense: c.dense[using].prepare(mean)}, nil
}

func meanDense(vs []vector) []float32 {
	sum := make([]float32, len(vs[0].dense))
	for _, v := range vs {
		for i, x := range v.dense {
			sum[i] += x
		}
	}
	for i := range sum {
		sum[i] /= float32(len(vs))
	}
	return sum
}

func meanSparse(vs []vector) sparseVector {
	sum := *vs[0].sparse
	for _, v := range vs[1:] {
		sum = combineSparse(sum, *v.sparse, func(a, b float32) float32 { return a + b })
	}
	sum.values = mapFloats(sum.values, func(x float32) float32 { return x / float32(len(vs)) })
	return sum
}

// combineSparse applies f to the values of every dimension of a or b, absent ones being 0.
func combineSparse(a, b sparseVector, f func(a, b float32) float32) sparseVector {
	var out sparseVector
	add := func(dim uint32, v float32) {
		out.indices, out.values = append(out.indices, dim), append(out.values, v)
	}
	i, j := 0, 0
	for i < len(a.indices) || j < len(b.indices) {
		switch {
		case j == len(b.indices) || i < len(a.indices) && a.indices[i] < b.indices[j]:
			add(a.indices[i], f(a.values[i], 0))
			i++
		case i == len(a.indices) || a.indices[i] > b.indices[j]:
			add(b.indices[j], f(0, b.values[j]))
			j++
		default:
			add(a.indices[i], f(a.values[i], b.values[j]))
			i++
			j++
		}
	}
	return out
}

// examplePair is a positive and a negative example.
type examplePair struct{ pos, neg vector }

func (x execution) pairs(in *qdrant.ContextInput, using string) ([]examplePair, []vector, error) {
	var out []examplePair
	var all []vector
	for _, p := range in.GetPairs() {
		if p.GetPositive() == nil || p.GetNegative() == nil {
			return nil, nil, status.Error(codes.InvalidArgument, "a context pair needs a positive and a negative example")
		}
		vs, err := x.inputs([]*qdrant.VectorInput{p.GetPositive(), p.GetNegative()}, using)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, examplePair{vs[0], vs[1]})
		all = append(all, vs...)
	}
	return out, all, nil
}

// discover ranks by the number of context pairs on whose positive side a point
// lies (less the others), then by similarity to the target.
func (x execution) discover(p *qdrant.PrefetchQuery, in *qdrant.DiscoverInput, from candidates, limit int) ([]hit, error) {
	if in.GetTarget() == nil {
		return nil, status.Error(codes.InvalidArgument, "DiscoverInput target is missing")
	}
	if in.GetContext() == nil {
		return nil, status.Error(codes.InvalidArgument, "DiscoverInput context is missing")
	}
	using := p.GetUsing()
	target, err := x.input(in.GetTarget(), using)
	if err != nil {
		return nil, err
	}
	pairs, examples, err := x.pairs(in.GetContext(), using)
	if err != nil {
		return nil, err
	}
	return x.byScore(p, from, limit, append(examples, target), func(v vector) float32 {
		rank := 0
		for _, pair := range pairs {
			pos, neg := x.c.rawSimilarity(using, pair.pos, v), x.c.rawSimilarity(using, pair.neg, v)
			switch {
			case pos > neg:
				rank++
			case pos < neg:
				rank--
			}
		}
		return float32(rank) + sigmoid(x.c.rawSimilarity(using, target, v))
	})
}

// context scores 0 on the positive side of all pairs, less outside.
func (x execution) context(p *qdrant.PrefetchQuery, in *qdrant.ContextInput, from candidates, limit int) ([]hit, error) {
	const margin = 1.1920929e-07 // float32 epsilon
	using := p.GetUsing()
	pairs, examples, err := x.pairs(in, using)
	if err != nil {
		return nil, err
	}
	return x.byScore(p, from, limit, examples, func(v vector) float32 {
		var loss float32
		for _, pair := range pairs {
			d := x.c.rawSimilarity(using, pair.pos, v) - x.c.rawSimilarity(using, pair.neg, v) - margin
			loss += fastSigmoid(min(d, 0))
		}
		return loss
	})
}

// feedback scores a·sim(target) + Σ conf^b·c·(sim(better) − sim(worse)) over
// the pairs of examples with conf = score(better) − score(worse) > 0.
func (x execution) feedback(p *qdrant.PrefetchQuery, in *qdrant.RelevanceFeedbackInput, from candidates, limit int) ([]hit, error) {
	if in.GetTarget() == nil {
		return nil, status.Error(codes.InvalidArgument, "relevance feedback: target is missing")
	}
	naive := in.GetStrategy().GetNaive()
	if naive == nil {
		return nil, status.Error(codes.InvalidArgument, "relevance feedback: strategy is missing")
	}
	using := p.GetUsing()
	target, err := x.input(in.GetTarget(), using)
	if err != nil {
		return nil, err
	}
	items := in.GetFeedback()
	examples := make([]vector, len(items))
	for i, item := range items {
		if item.GetExample() == nil {
			return nil, status.Error(codes.InvalidArgument, "relevance feedback: example is missing")
		}
		if examples[i], err = x.input(item.GetExample(), using); err != nil {
			return nil, err
		}
	}
	return x.byScore(p, from, limit, append(slices.Clone(examples), target), func(v vector) float32 {
		score := naive.GetA() * x.c.rawSimilarity(using, target, v)
		sims := make([]float32, len(examples))
		for i, e := range examples {
			sims[i] = x.c.rawSimilarity(using, e, v)
		}
		for i, better := range items {
			for j, worse := range items {
				if conf := better.GetScore() - worse.GetScore(); conf > 0 {
					partial := float32(math.Pow(float64(conf), float64(naive.GetB()))) * naive.GetC()
					score += partial * (sims[i] - sims[j])
				}
			}
		}
		return score
	})
}
