package qdrantlocal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
)

// What the calls of a differential are made of.

func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

func (d *differential) dense(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(d.rand.NormFloat64())
	}
	return v
}

func (d *differential) sparse() (indices []uint32, values []float32) {
	for dim := range uint32(14) {
		if d.rand.IntN(3) == 0 {
			indices, values = append(indices, dim), append(values, float32(d.rand.Float64()+0.05))
		}
	}
	return indices, values
}

func (d *differential) date() string {
	return fmt.Sprintf("20%02d-0%d-1%dT0%d:00:00Z", d.rand.IntN(30), 1+d.rand.IntN(9), d.rand.IntN(9), d.rand.IntN(9))
}

func (d *differential) payload() payload {
	p := randomPayload(d.rand)
	var text []string
	for range 1 + d.rand.IntN(6) {
		text = append(text, pick(d.rand, "the", "quick", "Brown", "fox", "jumps", "über", "lazy-dog", "X-100", "running"))
	}
	var items []any
	for range d.rand.IntN(4) {
		item := map[string]any{"q": int64(d.rand.IntN(4)), "n": pick(d.rand, "a", "b", "c")}
		if d.rand.IntN(5) == 0 {
			delete(item, "q")
		}
		items = append(items, item)
	}
	for key, value := range qdrant.NewValueMap(map[string]any{
		"num": int64(d.rand.IntN(50)), "fl": d.rand.NormFloat64(), "date": d.date(), "txt": strings.Join(text, " "), "items": items,
		"geo": map[string]any{"lon": d.rand.Float64()*360 - 180, "lat": d.rand.Float64()*170 - 85},
	}) {
		p[key] = value
	}
	for _, key := range []string{"num", "fl", "date", "txt", "items", "geo"} {
		if d.rand.IntN(3) == 0 {
			delete(p, key)
		}
	}
	return p
}

// point returns a point with some of the vectors; it always has one for the idf, which
// counts the points that have one.
func (d *differential) point(id uint64) *qdrant.PointStruct {
	vs := vectors{}
	for _, name := range []string{"dot", "cos", "euc"} {
		if d.rand.IntN(6) > 0 {
			vs[name] = qdrant.NewVectorDense(d.dense(3))
		}
	}
	if d.rand.IntN(4) > 0 {
		var several [][]float32
		for range 1 + d.rand.IntN(3) {
			several = append(several, d.dense(2))
		}
		vs["mul"] = qdrant.NewVectorMulti(several)
	}
	indices, values := d.sparse()
	if d.rand.IntN(5) > 0 {
		vs["s"] = qdrant.NewVectorSparse(indices, values)
	}
	vs["idf"] = qdrant.NewVectorSparse(indices, values)
	p := point(id, vs, nil)
	p.Payload = d.payload()
	return p
}

func (d *differential) condition() *qdrant.Condition {
	field := func(f *qdrant.FieldCondition) *qdrant.Condition {
		return &qdrant.Condition{ConditionOneOf: &qdrant.Condition_Field{Field: f}}
	}
	r := d.rand
	q := int64(r.IntN(4))
	switch r.IntN(14) {
	case 0:
		return qdrant.NewRange("num", &qdrant.Range{Gte: proto.Float64(float64(r.IntN(30))), Lt: proto.Float64(float64(20 + r.IntN(30)))})
	case 1:
		return qdrant.NewRange("fl", &qdrant.Range{Gt: proto.Float64(r.NormFloat64())})
	case 2:
		return qdrant.NewMatchText("txt", pick(r, "quick", "fox quick", "brown", "Brown", "lazy", "dog", "x 100", "run", ""))
	case 3:
		return qdrant.NewMatchTextAny("txt", pick(r, "quick", "fox quick", "brown zebra", "lazy dog"))
	case 4:
		return qdrant.NewMatchPhrase("txt", pick(r, "quick Brown", "the quick", "lazy dog", "fox"))
	case 5:
		return qdrant.NewGeoRadius("geo", r.Float64()*170-85, r.Float64()*360-180, float32(r.Float64()*5e6))
	case 6:
		return qdrant.NewGeoBoundingBox("geo", 10+r.Float64()*70, -100+r.Float64()*50, -60+r.Float64()*60, r.Float64()*150)
	case 7:
		return qdrant.NewNestedFilter("items", &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchInt("q", q), qdrant.NewMatch("n", pick(r, "a", "b", "c"))}})
	case 8:
		return qdrant.NewNestedFilter("items", &qdrant.Filter{MustNot: []*qdrant.Condition{qdrant.NewMatchInt("q", q)}})
	case 9:
		return qdrant.NewMatchInts("items[].q", q, q+1) // in order: [2, 1] is [1, 2] twice
	case 10:
		return field(&qdrant.FieldCondition{Key: pick(r, "a", "b", "items", "items[].q", "none"), ValuesCount: &qdrant.ValuesCount{Gt: proto.Uint64(uint64(r.IntN(3)))}})
	case 11:
		return field(&qdrant.FieldCondition{Key: pick(r, "a", "b", "items", "items[].q", "none", "date"), IsEmpty: proto.Bool(r.IntN(2) == 0)})
	case 12:
		return field(&qdrant.FieldCondition{Key: pick(r, "a", "b", "c", "b.a", "none"), IsNull: proto.Bool(r.IntN(2) == 0)})
	}
	return randomCondition(r, 0)
}

// filter returns a filter that has no condition twice: where one is excluded and
// asked for, a server of 1.19 with an index of it forgets that it is excluded.
func (d *differential) filter(depth int) *qdrant.Filter {
	f := &qdrant.Filter{}
	var all []*qdrant.Condition
	for range 1 + d.rand.IntN(3) {
		c := d.condition()
		if depth > 0 && d.rand.IntN(5) == 0 {
			c = qdrant.NewFilterAsCondition(d.filter(depth - 1))
		}
		if slices.ContainsFunc(all, func(other *qdrant.Condition) bool { return proto.Equal(c, other) }) {
			continue
		}
		all = append(all, c)
		switch d.rand.IntN(4) {
		case 0:
			f.Should = append(f.Should, c)
		case 1:
			f.MustNot = append(f.MustNot, c)
		default:
			f.Must = append(f.Must, c)
		}
	}
	return f
}

// query returns a query of one vector and its name.
func (d *differential) query(idf bool) (*qdrant.Query, *string) {
	indices, values := d.sparse()
	if len(indices) == 0 {
		indices, values = []uint32{1}, []float32{1}
	}
	switch n := d.rand.IntN(6); {
	case n == 0:
		name := pick(d.rand, "dot", "cos", "euc")
		return qdrant.NewQueryDense(d.dense(3)), &name
	case n == 1:
		return qdrant.NewQueryMulti([][]float32{d.dense(2), d.dense(2)}), proto.String("mul")
	case n == 2:
		return qdrant.NewQuerySparse(indices, values), proto.String("s")
	case n == 3 && idf:
		return qdrant.NewQuerySparse(indices, values), proto.String("idf")
	case n == 4:
		return qdrant.NewQueryRecommend(&qdrant.RecommendInput{
			Strategy: qdrant.RecommendStrategy(d.rand.IntN(3)).Enum(),
			Positive: []*qdrant.VectorInput{qdrant.NewVectorInputDense(d.dense(3)), qdrant.NewVectorInputDense(d.dense(3))},
			Negative: []*qdrant.VectorInput{qdrant.NewVectorInputDense(d.dense(3))},
		}), proto.String("dot")
	}
	name := pick(d.rand, "dot", "cos", "s")
	return qdrant.NewQueryID(qdrant.NewIDNum(uint64(d.rand.IntN(60)))), &name
}

func (d *differential) prefetches(n int, idf bool) []*qdrant.PrefetchQuery {
	out := make([]*qdrant.PrefetchQuery, n)
	for i := range out {
		query, using := d.query(idf)
		out[i] = &qdrant.PrefetchQuery{Query: query, Using: using, Filter: d.maybe(), Limit: proto.Uint64(uint64(1 + d.rand.IntN(30)))}
	}
	return out
}

func (d *differential) formula() *qdrant.Formula {
	return &qdrant.Formula{
		Defaults: qdrant.NewValueMap(map[string]any{"fl": 0.5, "num": 3}),
		Expression: qdrant.NewExpressionSum(&qdrant.SumExpression{Sum: []*qdrant.Expression{
			qdrant.NewExpressionVariable("$score"),
			qdrant.NewExpressionMult(&qdrant.MultExpression{Mult: []*qdrant.Expression{qdrant.NewExpressionConstant(0.3), qdrant.NewExpressionVariable("fl")}}),
			qdrant.NewExpressionCondition(d.condition()),
			qdrant.NewExpressionExpDecay(&qdrant.DecayParamsExpression{X: qdrant.NewExpressionVariable("num"), Scale: proto.Float32(5), Target: qdrant.NewExpressionConstant(10)}),
		}}),
	}
}
