package qdrantlocal

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

func (c calls) index(field string, kind qdrant.FieldType, params *qdrant.PayloadIndexParams) {
	c.t.Helper()
	_, err := c.CreateFieldIndex(context.Background(), &qdrant.CreateFieldIndexCollection{
		CollectionName: "c", FieldName: field, FieldType: &kind, FieldIndexParams: params,
	})
	c.ok(err)
}

// ids returns the ids of a query's results, in order.
func (c calls) ids(q *qdrant.QueryPoints) []uint64 {
	c.t.Helper()
	q.CollectionName = "c"
	res, err := c.Query(context.Background(), q)
	c.ok(err)
	out := []uint64{}
	for _, p := range res.GetResult() {
		out = append(out, p.GetId().GetNum())
	}
	return out
}

func TestDBSF(t *testing.T) {
	c := small(t, dotPoint(1, 3, 0), dotPoint(2, 2, 5), dotPoint(3, 1, 0))
	q := &qdrant.QueryPoints{
		Prefetch: []*qdrant.PrefetchQuery{
			// Scores 3, 2, 1: mean 2, σ 1, so -1 becomes 0 and 5 becomes 1.
			{Query: qdrant.NewQuery(1, 0), Using: proto.String("dot")},
			// A list of one counts 0.5.
			{Query: qdrant.NewQuery(0, 1), Using: proto.String("dot"), ScoreThreshold: proto.Float32(1)},
		},
		Query: qdrant.NewQueryFusion(qdrant.Fusion_DBSF),
	}
	expect(t, "fused", c.found(q), []string{"2:1", "1:0.6667", "3:0.3333"})
}

func TestFusionErrors(t *testing.T) {
	c := small(t)
	leg := []*qdrant.PrefetchQuery{{Query: qdrant.NewQuery(1, 0), Using: proto.String("dot")}}
	rrf := func(k *uint32, w ...float32) *qdrant.Query {
		return &qdrant.Query{Variant: &qdrant.Query_Rrf{Rrf: &qdrant.Rrf{K: k, Weights: w}}}
	}
	for name, q := range map[string]*qdrant.QueryPoints{
		"without prefetch": {Query: qdrant.NewQueryFusion(qdrant.Fusion_RRF)},
		"with using":       {Query: qdrant.NewQueryFusion(qdrant.Fusion_RRF), Prefetch: leg, Using: proto.String("dot")},
		"k of 0":           {Query: rrf(proto.Uint32(0)), Prefetch: leg},
		"too many weights": {Query: rrf(nil, 1, 2), Prefetch: leg},
		"limit 0":          {Query: rrf(nil), Prefetch: leg, Limit: proto.Uint64(0)},
		"no query":         {Prefetch: leg},
		"threshold alone":  {ScoreThreshold: proto.Float32(1)},
		"empty query":      {Query: &qdrant.Query{}},
	} {
		q.CollectionName = "c"
		_, err := c.Query(t.Context(), q)
		expectCode(t, name, err, codes.InvalidArgument)
	}
}

func TestMMR(t *testing.T) {
	c := small(t, dotPoint(1, 1, 0), dotPoint(2, 0.99, 0.01), dotPoint(3, 0.6, 0.8), dotPoint(4, -1, 0))
	mmr := func(diversity float32, candidates *uint32, limit, offset uint64) []uint64 {
		return c.ids(&qdrant.QueryPoints{
			Query: &qdrant.Query{Variant: &qdrant.Query_NearestWithMmr{NearestWithMmr: &qdrant.NearestInputWithMmr{
				Nearest: qdrant.NewVectorInput(1, 0), Mmr: &qdrant.Mmr{Diversity: &diversity, CandidatesLimit: candidates},
			}}},
			Using: proto.String("dot"), Limit: &limit, Offset: &offset,
		})
	}
	expect(t, "no diversity", mmr(0, nil, 4, 0), []uint64{1, 2, 3, 4})
	// 0.5·0.99 - 0.5·0.99 = 0 for 2, 0.5·0.6 - 0.5·0.6 = 0 for 3: the nearer one wins.
	expect(t, "half and half", mmr(0.5, proto.Uint32(3), 3, 0), []uint64{1, 2, 3})
	expect(t, "diverse", mmr(0.8, proto.Uint32(3), 2, 0), []uint64{1, 3})
	expect(t, "the offset cuts what was selected", mmr(0.8, proto.Uint32(3), 2, 1), []uint64{3})
	expect(t, "no candidates", mmr(0.5, proto.Uint32(0), 2, 0), []uint64{})
	_, err := c.Query(t.Context(), &qdrant.QueryPoints{CollectionName: "c", Using: proto.String("dot"), Query: &qdrant.Query{Variant: &qdrant.Query_NearestWithMmr{
		NearestWithMmr: &qdrant.NearestInputWithMmr{Nearest: qdrant.NewVectorInput(1, 0), Mmr: &qdrant.Mmr{Diversity: proto.Float32(1.5)}},
	}}})
	expectCode(t, "diversity 1.5", err, codes.InvalidArgument)
}

func expr(v any) *qdrant.Expression {
	switch v := v.(type) {
	case string:
		return &qdrant.Expression{Variant: &qdrant.Expression_Variable{Variable: v}}
	case float64:
		return &qdrant.Expression{Variant: &qdrant.Expression_Constant{Constant: float32(v)}}
	case *qdrant.Condition:
		return &qdrant.Expression{Variant: &qdrant.Expression_Condition{Condition: v}}
	}
	return v.(*qdrant.Expression)
}

func exprs(vs ...any) []*qdrant.Expression {
	out := make([]*qdrant.Expression, len(vs))
	for i, v := range vs {
		out[i] = expr(v)
	}
	return out
}

func sumOf(vs ...any) *qdrant.Expression {
	return &qdrant.Expression{Variant: &qdrant.Expression_Sum{Sum: &qdrant.SumExpression{Sum: exprs(vs...)}}}
}

func productOf(vs ...any) *qdrant.Expression {
	return &qdrant.Expression{Variant: &qdrant.Expression_Mult{Mult: &qdrant.MultExpression{Mult: exprs(vs...)}}}
}

func TestFormula(t *testing.T) {
	c := small(t, point(1, vectors{"dot": qdrant.NewVector(0.5, 0)}, map[string]any{
		"n": int64(4), "f": []any{2.25}, "zero": int64(0), "k": "x", "t": "1970-01-01T00:01:40Z", "here": map[string]any{"lon": 0.0, "lat": 0.0},
	}))
	run := func(e *qdrant.Expression) (float32, error) {
		res, err := c.Query(t.Context(), &qdrant.QueryPoints{
			CollectionName: "c",
			Prefetch:       []*qdrant.PrefetchQuery{{Query: qdrant.NewQuery(1, 0), Using: proto.String("dot")}},
			Query: &qdrant.Query{Variant: &qdrant.Query_Formula{Formula: &qdrant.Formula{
				Expression: e, Defaults: qdrant.NewValueMap(map[string]any{"absent": 7.0, "$score[1]": int64(-2)}),
			}}},
		})
		if err != nil {
			return 0, err
		}
		return res.GetResult()[0].GetScore(), nil
	}
	decay := func(x, target any, scale, midpoint float32) *qdrant.DecayParamsExpression {
		return &qdrant.DecayParamsExpression{X: expr(x), Target: expr(target), Scale: &scale, Midpoint: &midpoint}
	}
	div := func(l, r any, byZero *float32) *qdrant.Expression {
		return &qdrant.Expression{Variant: &qdrant.Expression_Div{Div: &qdrant.DivExpression{Left: expr(l), Right: expr(r), ByZeroDefault: byZero}}}
	}
	for _, tt := range []struct {
		name string
		e    *qdrant.Expression
		want float64
	}{
		{"score", expr("$score"), 0.5},
		{"score of a missing prefetch", expr("$score[5]"), 0},
		{"default score", expr("$score[1]"), -2},
		{"payload", expr("n"), 4},
		{"list of one", expr("f"), 2.25},
		{"default", expr("absent"), 7},
		{"sum", sumOf("$score[0]", "n", 1.5), 6},
		{"empty sum", sumOf(), 0},
		{"product", productOf("n", 0.5, "f"), 4.5},
		{"product stops at 0", productOf("zero", "missing"), 0},
		{"division", div("n", 8.0, nil), 0.5},
		{"division by zero", div("n", "zero", proto.Float32(9)), 9},
		{"condition", productOf(3.0, qdrant.NewMatch("k", "x")), 3},
		{"condition not met", expr(qdrant.NewMatch("k", "y")), 0},
		{"neg", &qdrant.Expression{Variant: &qdrant.Expression_Neg{Neg: expr("n")}}, -4},
		{"abs", &qdrant.Expression{Variant: &qdrant.Expression_Abs{Abs: expr(-2.0)}}, 2},
		{"sqrt", &qdrant.Expression{Variant: &qdrant.Expression_Sqrt{Sqrt: expr("n")}}, 2},
		{"pow", &qdrant.Expression{Variant: &qdrant.Expression_Pow{Pow: &qdrant.PowExpression{Base: expr("n"), Exponent: expr(1.5)}}}, 8},
		{"exp", &qdrant.Expression{Variant: &qdrant.Expression_Exp{Exp: expr(1.0)}}, math.E},
		{"ln", &qdrant.Expression{Variant: &qdrant.Expression_Ln{Ln: expr("n")}}, math.Log(4)},
		{"log10", &qdrant.Expression{Variant: &qdrant.Expression_Log10{Log10: expr(1000.0)}}, 3},
		{"exp decay", &qdrant.Expression{Variant: &qdrant.Expression_ExpDecay{ExpDecay: decay("n", 1.0, 3, 0.25)}}, 0.25},
		{"gauss decay", &qdrant.Expression{Variant: &qdrant.Expression_GaussDecay{GaussDecay: decay("n", 2.0, 4, 0.5)}}, math.Pow(0.5, 0.25)},
		{"linear decay", &qdrant.Expression{Variant: &qdrant.Expression_LinDecay{LinDecay: decay("n", 0.0, 8, 0.5)}}, 0.75},
		{"linear decay ends at 0", &qdrant.Expression{Variant: &qdrant.Expression_LinDecay{LinDecay: decay("n", 100.0, 8, 0.5)}}, 0},
		{"date", sumOf(&qdrant.Expression{Variant: &qdrant.Expression_DatetimeKey{DatetimeKey: "t"}},
			&qdrant.Expression{Variant: &qdrant.Expression_Datetime{Datetime: "1970-01-01T00:00:01.5Z"}}), 101.5},
		{"distance", &qdrant.Expression{Variant: &qdrant.Expression_GeoDistance{GeoDistance: &qdrant.GeoDistance{Origin: &qdrant.GeoPoint{Lon: 180}, To: "here"}}}, math.Pi * earthRadius},
	} {
		got, err := run(tt.e)
		if err != nil || !closeFloat(float64(got), float64(float32(tt.want))) {
			t.Errorf("%s is %v (%v), want %v", tt.name, got, err, tt.want)
		}
	}
	for name, e := range map[string]*qdrant.Expression{
		"no variant": {}, "missing payload": expr("missing"), "string": expr("k"), "reserved": expr("$score[x]"), "other reserved": expr("$x"),
		"division by zero": div("n", "zero", nil), "sqrt of -1": {Variant: &qdrant.Expression_Sqrt{Sqrt: expr(-1.0)}},
		"overflow":      {Variant: &qdrant.Expression_Exp{Exp: expr(1000.0)}},
		"decay scale":   {Variant: &qdrant.Expression_ExpDecay{ExpDecay: decay("n", 0.0, 0, 0.5)}},
		"decay mid":     {Variant: &qdrant.Expression_ExpDecay{ExpDecay: decay("n", 0.0, 1, 1)}},
		"bad date":      {Variant: &qdrant.Expression_Datetime{Datetime: "yesterday"}},
		"no date":       {Variant: &qdrant.Expression_DatetimeKey{DatetimeKey: "k"}},
		"no place":      {Variant: &qdrant.Expression_GeoDistance{GeoDistance: &qdrant.GeoDistance{Origin: &qdrant.GeoPoint{}, To: "k"}}},
		"no origin":     {Variant: &qdrant.Expression_GeoDistance{GeoDistance: &qdrant.GeoDistance{To: "here"}}},
		"no condition":  expr(&qdrant.Condition{}),
		"deep inside":   sumOf(productOf(div("n", sumOf("missing"), nil))),
		"bad path":      expr("a["),
		"bad condition": expr(qdrant.NewMatch("a[", "x")),
	} {
		_, err := run(e)
		expectCode(t, name, err, codes.InvalidArgument)
	}
}

func groupsOf(res *qdrant.QueryGroupsResponse) []string {
	out := []string{}
	for _, g := range res.GetResult().GetGroups() {
		name := g.GetId().GetStringValue()
		switch k := g.GetId().GetKind().(type) {
		case *qdrant.GroupId_UnsignedValue:
			name = fmt.Sprint(k.UnsignedValue)
		case *qdrant.GroupId_IntegerValue:
			name = fmt.Sprint(k.IntegerValue)
		}
		out = append(out, fmt.Sprint(name, scored(g.GetHits())))
	}
	return out
}

func TestGroups(t *testing.T) {
	doc := func(id uint64, x float32, by any) *qdrant.PointStruct {
		return point(id, vectors{"dot": qdrant.NewVector(x, 1)}, map[string]any{"by": by})
	}
	c := small(t, doc(1, 9, "a"), doc(2, 8, "a"), doc(3, 7, "a"), doc(4, 6, []any{"b", int64(-3)}), doc(5, 5, int64(2)), doc(6, 4, true), doc(7, 3, []any{"b", 0.5}))
	groups := func(q *qdrant.QueryPointGroups) []string {
		t.Helper()
		q.CollectionName, q.GroupBy = "c", "by"
		res, err := c.QueryGroups(t.Context(), q)
		c.ok(err)
		return groupsOf(res)
	}
	nearest := qdrant.NewQuery(1, 0)
	expect(t, "groups of two", groups(&qdrant.QueryPointGroups{Query: nearest, Using: proto.String("dot"), GroupSize: proto.Uint64(2)}),
		[]string{"a[1:9 2:8]", "b[4:6]", "-3[4:6]", "2[5:5]"})
	expect(t, "two groups", groups(&qdrant.QueryPointGroups{Query: nearest, Using: proto.String("dot"), GroupSize: proto.Uint64(1), Limit: proto.Uint64(2)}),
		[]string{"a[1:9]", "b[4:6]"})
	// The prefetch yields only points of group a at first; later rounds go on without them.
	expect(t, "over a prefetch", groups(&qdrant.QueryPointGroups{
		Prefetch: []*qdrant.PrefetchQuery{{Query: nearest, Using: proto.String("dot"), Limit: proto.Uint64(1)}},
		Query:    nearest, Using: proto.String("dot"), GroupSize: proto.Uint64(1), Limit: proto.Uint64(3),
	}), []string{"a[1:9]", "b[4:6]", "-3[4:6]"})

	_, err := c.Create(t.Context(), &qdrant.CreateCollection{CollectionName: "other"})
	c.ok(err)
	_, err = c.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "other", Points: []*qdrant.PointStruct{point(2, vectors{}, map[string]any{"title": "two"})}})
	c.ok(err)
	res, err := c.QueryGroups(t.Context(), &qdrant.QueryPointGroups{CollectionName: "c", GroupBy: "by", Query: nearest, Using: proto.String("dot"), WithLookup: &qdrant.WithLookup{Collection: "other"}})
	c.ok(err)
	for _, g := range res.GetResult().GetGroups() {
		if want := g.GetId().GetUnsignedValue() == 2; (g.GetLookup().GetPayload()["title"].GetStringValue() == "two") != want {
			t.Errorf("group %v has the lookup %v", g.GetId(), g.GetLookup())
		}
	}
	for name, q := range map[string]*qdrant.QueryPointGroups{
		"no key": {}, "bad key": {GroupBy: "a["}, "no groups": {GroupBy: "by", Limit: proto.Uint64(0)}, "no size": {GroupBy: "by", GroupSize: proto.Uint64(0)},
	} {
		q.CollectionName = "c"
		_, err := c.QueryGroups(t.Context(), q)
		expectCode(t, name, err, codes.InvalidArgument)
	}
	_, err = c.QueryGroups(t.Context(), &qdrant.QueryPointGroups{CollectionName: "c", GroupBy: "by", WithLookup: &qdrant.WithLookup{Collection: "missing"}})
	expectCode(t, "missing lookup collection", err, codes.NotFound)
}

// A distance is better the smaller it is: of groups, too.
func TestGroupsByDistance(t *testing.T) {
	at := func(id uint64, x float32, by string) *qdrant.PointStruct {
		return point(id, vectors{"euc": qdrant.NewVector(x, 0)}, map[string]any{"by": by})
	}
	c := small(t, at(1, 9, "far"), at(2, 1, "near"), at(3, 4, "near"), at(4, 3, "middle"))
	nearest := qdrant.NewQuery(0, 0)
	for _, q := range []*qdrant.QueryPointGroups{
		{}, {Prefetch: []*qdrant.PrefetchQuery{{Query: nearest, Using: proto.String("euc"), Limit: proto.Uint64(1)}}},
	} {
		q.CollectionName, q.GroupBy, q.Query, q.Using, q.GroupSize = "c", "by", nearest, proto.String("euc"), proto.Uint64(2)
		res, err := c.QueryGroups(t.Context(), q)
		c.ok(err)
		expect(t, fmt.Sprintf("groups over %d prefetches", len(q.Prefetch)), groupsOf(res), []string{"near[2:1 3:4]", "middle[4:3]", "far[1:9]"})
	}
}

func TestFacet(t *testing.T) {
	p := func(id uint64, tags ...any) *qdrant.PointStruct {
		return point(id, vectors{}, map[string]any{"tag": tags, "u": "550E8400-e29b-41d4-a716-446655440000", "b": id == 1})
	}
	c := small(t, p(1, "x", "y"), p(2, "y", "y"), p(3, "w"), p(4, "z", int64(3)))
	facet := func(r *qdrant.FacetCounts) ([]string, error) {
		r.CollectionName = "c"
		res, err := c.Facet(t.Context(), r)
		out := []string{}
		for _, h := range res.GetHits() {
			name := h.GetValue().GetStringValue()
			if b, ok := h.GetValue().GetVariant().(*qdrant.FacetValue_BoolValue); ok {
				name = fmt.Sprint(b.BoolValue)
			}
			out = append(out, fmt.Sprint(name, ":", h.GetCount()))
		}
		return out, err
	}
	_, err := facet(&qdrant.FacetCounts{Key: "tag"})
	expectCode(t, "facet without index", err, codes.InvalidArgument)
	c.index("tag", qdrant.FieldType_FieldTypeKeyword, nil)
	c.index("u", qdrant.FieldType_FieldTypeUuid, nil)
	c.index("b", qdrant.FieldType_FieldTypeBool, nil)
	for _, tt := range []struct {
		name string
		r    *qdrant.FacetCounts
		want []string
	}{
		{"all", &qdrant.FacetCounts{Key: "tag"}, []string{"y:2", "w:1", "x:1", "z:1"}},
		{"limited", &qdrant.FacetCounts{Key: "tag", Limit: proto.Uint64(2)}, []string{"y:2", "w:1"}},
		{"none", &qdrant.FacetCounts{Key: "tag", Limit: proto.Uint64(0)}, []string{}},
		{"filtered", &qdrant.FacetCounts{Key: "tag", Filter: &qdrant.Filter{MustNot: []*qdrant.Condition{qdrant.NewMatch("tag", "x")}}}, []string{"w:1", "y:1", "z:1"}},
		{"uuid", &qdrant.FacetCounts{Key: "u"}, []string{"550e8400-e29b-41d4-a716-446655440000:4"}},
		{"bool", &qdrant.FacetCounts{Key: "b"}, []string{"false:3", "true:1"}},
	} {
		got, err := facet(tt.r)
		c.ok(err)
		expect(t, tt.name, got, tt.want)
	}
	expect(t, "uuid in another spelling", c.matching(&qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("u", "550e8400e29b41d4a716446655440000")}}), []uint64{1, 2, 3, 4})
	_, err = c.pointsServer.Delete(t.Context(), &qdrant.DeletePoints{CollectionName: "c", Points: selectIDs(4)})
	c.ok(err)
	got, err := facet(&qdrant.FacetCounts{Key: "tag", Exact: proto.Bool(true)})
	c.ok(err)
	expect(t, "exact after a deletion", got, []string{"y:2", "w:1", "x:1", "z:0"})
}

func TestOrderBy(t *testing.T) {
	p := func(id uint64, n, when any) *qdrant.PointStruct {
		return point(id, vectors{}, map[string]any{"n": n, "f": n, "when": when})
	}
	c := small(t, p(1, int64(5), "2026-01-03"), p(2, []any{int64(2), int64(7)}, "2026-01-01"), p(3, int64(2), "2026-01-02T00:00:00Z"), p(4, "no", nil))
	order := func(o *qdrant.OrderBy) []string {
		t.Helper()
		res, err := c.Scroll(t.Context(), &qdrant.ScrollPoints{CollectionName: "c", OrderBy: o})
		c.ok(err)
		out := []string{}
		for _, p := range res.GetResult() {
			out = append(out, fmt.Sprint(p.GetId().GetNum(), ":", p.GetOrderValue().GetInt()))
		}
		return out
	}
	_, err := c.Scroll(t.Context(), &qdrant.ScrollPoints{CollectionName: "c", OrderBy: &qdrant.OrderBy{Key: "n"}})
	expectCode(t, "order by an unindexed key", err, codes.InvalidArgument)
	c.index("n", qdrant.FieldType_FieldTypeInteger, nil)
	c.index("f", qdrant.FieldType_FieldTypeFloat, nil)
	c.index("when", qdrant.FieldType_FieldTypeDatetime, nil)
	desc := qdrant.Direction_Desc.Enum()
	expect(t, "ascending", order(&qdrant.OrderBy{Key: "n"}), []string{"2:2", "3:2", "1:5", "2:7"})
	expect(t, "descending", order(&qdrant.OrderBy{Key: "n", Direction: desc}), []string{"2:7", "1:5", "2:2", "3:2"})
	expect(t, "from 4.5", order(&qdrant.OrderBy{Key: "n", StartFrom: qdrant.NewStartFromFloat(4.5)}), []string{"1:5", "2:7"})
	expect(t, "down from 5", order(&qdrant.OrderBy{Key: "n", Direction: desc, StartFrom: qdrant.NewStartFromInt(5)}), []string{"1:5", "2:2", "3:2"})
	day := func(d int) int64 { return time.Date(2026, 1, d, 0, 0, 0, 0, time.UTC).UnixMicro() }
	expect(t, "from a date", order(&qdrant.OrderBy{Key: "when", StartFrom: qdrant.NewStartFromDatetime("2026-01-02")}),
		[]string{fmt.Sprint("3:", day(2)), fmt.Sprint("1:", day(3))})
	expect(t, "from a timestamp", order(&qdrant.OrderBy{Key: "when", StartFrom: qdrant.NewStartFromTimestamp(3, 0)}),
		[]string{fmt.Sprint("2:", day(1)), fmt.Sprint("3:", day(2)), fmt.Sprint("1:", day(3))})
	expect(t, "as a query, by float", c.found(&qdrant.QueryPoints{Query: qdrant.NewQueryOrderBy(&qdrant.OrderBy{Key: "f"}), Limit: proto.Uint64(2)}), []string{"2:1", "3:1"})
	for name, r := range map[string]*qdrant.ScrollPoints{
		"with an offset": {OrderBy: &qdrant.OrderBy{Key: "n"}, Offset: qdrant.NewIDNum(1)}, "no key": {OrderBy: &qdrant.OrderBy{}},
		"bad start": {OrderBy: &qdrant.OrderBy{Key: "when", StartFrom: qdrant.NewStartFromDatetime("soon")}}, "limit 0": {Limit: proto.Uint32(0)},
	} {
		r.CollectionName = "c"
		_, err := c.Scroll(t.Context(), r)
		expectCode(t, name, err, codes.InvalidArgument)
	}
}

func TestSample(t *testing.T) {
	c := small(t, dotPoint(1, 1, 1), dotPoint(2, 1, 1), dotPoint(3, 1, 1))
	got := c.ids(&qdrant.QueryPoints{Query: qdrant.NewQuerySample(qdrant.Sample_Random)})
	slices.Sort(got)
	expect(t, "all points", got, []uint64{1, 2, 3})
	expect(t, "a sample of two", len(c.ids(&qdrant.QueryPoints{Query: qdrant.NewQuerySample(qdrant.Sample_Random), Limit: proto.Uint64(2)})), 2)
}

func TestQueriesByExample(t *testing.T) {
	c := small(t, dotPoint(1, 1, 0), dotPoint(2, 0, 1), dotPoint(3, 1, 1), dotPoint(4, -1, 0))
	recommend := func(s qdrant.RecommendStrategy, pos, neg []*qdrant.VectorInput) []string {
		return c.found(&qdrant.QueryPoints{Using: proto.String("dot"), Query: qdrant.NewQueryRecommend(&qdrant.RecommendInput{Positive: pos, Negative: neg, Strategy: &s})})
	}
	id := func(n uint64) *qdrant.VectorInput { return qdrant.NewVectorInputID(qdrant.NewIDNum(n)) }
	// mean(+) = (1,0), mean(-) = (0,1): the query is (2,-1); 1 and 2 are left out.
	expect(t, "average", recommend(qdrant.RecommendStrategy_AverageVector, []*qdrant.VectorInput{id(1)}, []*qdrant.VectorInput{id(2)}), []string{"3:1", "4:-2"})
	half := func(x float64) string { return fmt.Sprintf("%.4g", 0.5*(x/(1+math.Abs(x))+1)) }
	expect(t, "best score", recommend(qdrant.RecommendStrategy_BestScore, []*qdrant.VectorInput{qdrant.NewVectorInput(1, 0)}, []*qdrant.VectorInput{qdrant.NewVectorInput(0, 1)}),
		[]string{"1:" + half(1), "4:-" + half(0), "2:-" + half(1), "3:-" + half(1)})
	expect(t, "sum of scores", recommend(qdrant.RecommendStrategy_SumScores, []*qdrant.VectorInput{qdrant.NewVectorInput(1, 0), qdrant.NewVectorInput(2, 0)}, []*qdrant.VectorInput{qdrant.NewVectorInput(0, 1)}),
		[]string{"1:3", "3:2", "2:-1", "4:-3"})

	pair := &qdrant.ContextInput{Pairs: []*qdrant.ContextInputPair{{Positive: qdrant.NewVectorInput(1, 0), Negative: qdrant.NewVectorInput(0, 1)}}}
	expect(t, "discover", c.found(&qdrant.QueryPoints{Using: proto.String("dot"), Query: qdrant.NewQueryDiscover(&qdrant.DiscoverInput{Target: qdrant.NewVectorInput(0, 3), Context: pair})}),
		[]string{"1:1.5", "3:0.875", "2:-0.125", "4:-0.5"})
	expect(t, "context", c.found(&qdrant.QueryPoints{Using: proto.String("dot"), Query: qdrant.NewQueryContext(pair)}),
		[]string{"1:0", "3:-1.192e-07", "2:-0.5", "4:-0.5"})
	feedback := &qdrant.RelevanceFeedbackInput{
		Target: qdrant.NewVectorInput(1, 1),
		Feedback: []*qdrant.FeedbackItem{
			{Example: qdrant.NewVectorInput(1, 0), Score: 0.75}, {Example: qdrant.NewVectorInput(0, 1), Score: 0.25},
		},
		Strategy: &qdrant.FeedbackStrategy{Variant: &qdrant.FeedbackStrategy_Naive{Naive: &qdrant.NaiveFeedbackStrategy{A: 1, B: 2, C: 4}}},
	}
	// sim(target) + 0.5²·4·(x - y)
	expect(t, "feedback", c.found(&qdrant.QueryPoints{Using: proto.String("dot"), Query: &qdrant.Query{Variant: &qdrant.Query_RelevanceFeedback{RelevanceFeedback: feedback}}}),
		[]string{"1:2", "3:2", "2:0", "4:-2"})

	for name, q := range map[string]*qdrant.Query{
		"no positive":   qdrant.NewQueryRecommend(&qdrant.RecommendInput{Negative: []*qdrant.VectorInput{id(1)}}),
		"no target":     qdrant.NewQueryDiscover(&qdrant.DiscoverInput{Context: pair}),
		"no context":    qdrant.NewQueryDiscover(&qdrant.DiscoverInput{Target: id(1)}),
		"half a pair":   qdrant.NewQueryContext(&qdrant.ContextInput{Pairs: []*qdrant.ContextInputPair{{Positive: id(1)}}}),
		"no strategy":   {Variant: &qdrant.Query_RelevanceFeedback{RelevanceFeedback: &qdrant.RelevanceFeedbackInput{Target: id(1)}}},
		"no feedback":   {Variant: &qdrant.Query_RelevanceFeedback{RelevanceFeedback: &qdrant.RelevanceFeedbackInput{}}},
		"wrong size":    qdrant.NewQuery(1, 2, 3),
		"sparse query":  qdrant.NewQuerySparse([]uint32{1}, []float32{1}),
		"multi query":   qdrant.NewQueryMulti([][]float32{{1, 2}}),
		"empty nearest": qdrant.NewQueryNearest(&qdrant.VectorInput{}),
	} {
		_, err := c.Query(t.Context(), &qdrant.QueryPoints{CollectionName: "c", Using: proto.String("dot"), Query: q})
		expectCode(t, name, err, codes.InvalidArgument)
	}
	_, err := c.Query(t.Context(), &qdrant.QueryPoints{CollectionName: "c", Using: proto.String("dot"), Query: qdrant.NewQueryID(qdrant.NewIDNum(99))})
	expectCode(t, "nearest to a missing point", err, codes.NotFound)
	_, err = c.Query(t.Context(), &qdrant.QueryPoints{CollectionName: "c", Using: proto.String("s"), Query: qdrant.NewQueryID(qdrant.NewIDNum(1))})
	expectCode(t, "nearest to a missing vector", err, codes.NotFound)
}

func TestMeanOfSparse(t *testing.T) {
	c := small(t,
		point(1, vectors{"s": sparse(1, 2, 3, 4)}, nil), point(2, vectors{"s": sparse(1, 4)}, nil), point(3, vectors{"s": sparse(3, 2, 5, 1)}, nil),
		point(4, vectors{"s": sparse(1, 1)}, nil), point(5, vectors{"s": sparse(3, 1)}, nil), point(6, vectors{"s": sparse(5, 1)}, nil),
	)
	id := func(n uint64) *qdrant.VectorInput { return qdrant.NewVectorInputID(qdrant.NewIDNum(n)) }
	// mean(+) = {1: 3, 3: 2}, mean(-) = {3: 2, 5: 1}: the query is {1: 6, 3: 2, 5: -1}.
	expect(t, "average", c.found(&qdrant.QueryPoints{Using: proto.String("s"), Query: qdrant.NewQueryRecommend(&qdrant.RecommendInput{
		Positive: []*qdrant.VectorInput{id(1), id(2)}, Negative: []*qdrant.VectorInput{id(3)},
	})}), []string{"4:6", "5:2", "6:-1"})
	// Only points that share a dimension with an example are scored: 6 is not.
	sum := qdrant.RecommendStrategy_SumScores
	expect(t, "sum of scores", c.found(&qdrant.QueryPoints{Using: proto.String("s"), Query: qdrant.NewQueryRecommend(&qdrant.RecommendInput{
		Positive: []*qdrant.VectorInput{id(1), id(2)}, Strategy: &sum,
	})}), []string{"3:8", "4:6", "5:4"})
}

func TestMultivectors(t *testing.T) {
	c := callsTo(t, OpenMemory())
	multi := func(d qdrant.Distance) *qdrant.VectorParams {
		return &qdrant.VectorParams{Size: 2, Distance: d, MultivectorConfig: &qdrant.MultiVectorConfig{}}
	}
	_, err := c.Create(t.Context(), &qdrant.CreateCollection{CollectionName: "c", VectorsConfig: qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{
		"m": multi(qdrant.Distance_Dot), "e": multi(qdrant.Distance_Euclid),
	})})
	c.ok(err)
	rows := func(r ...[]float32) *qdrant.Vector { return qdrant.NewVectorMulti(r) }
	_, err = c.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "c", Points: []*qdrant.PointStruct{
		point(1, vectors{"m": rows([]float32{1, 0}, []float32{0, 2}), "e": rows([]float32{3, 0}, []float32{0, 4})}, nil),
		point(2, vectors{"m": rows([]float32{1, 1}), "e": rows([]float32{0, 0})}, nil),
		point(3, vectors{"m": {Data: []float32{5, 0, 0, 0}, VectorsCount: proto.Uint32(2)}}, nil),
	}})
	c.ok(err)
	expect(t, "MaxSim", c.found(&qdrant.QueryPoints{Using: proto.String("m"), Query: qdrant.NewQueryMulti([][]float32{{1, 0}, {0, 1}})}), []string{"3:5", "1:3", "2:2"})
	expect(t, "one row", c.found(&qdrant.QueryPoints{Using: proto.String("m"), Query: qdrant.NewQuery(0, 1)}), []string{"1:2", "2:1", "3:0"})
	// The nearest row of 1 to (0,0) is 3 away, twice: √(9+9).
	expect(t, "Euclid", c.found(&qdrant.QueryPoints{Using: proto.String("e"), Query: qdrant.NewQueryMulti([][]float32{{0, 0}, {0, 0}})}), []string{"2:0", "1:4.243"})
	expect(t, "by id", c.ids(&qdrant.QueryPoints{Using: proto.String("m"), Query: qdrant.NewQueryID(qdrant.NewIDNum(3))}), []uint64{1, 2})
	expect(t, "recommended", c.found(&qdrant.QueryPoints{Using: proto.String("m"), Query: qdrant.NewQueryRecommend(&qdrant.RecommendInput{
		Positive: []*qdrant.VectorInput{qdrant.NewVectorInput(1, 0)}, Negative: []*qdrant.VectorInput{qdrant.NewVectorInput(0, 1)},
	})}), []string{"3:5", "1:1", "2:0"})
	got, err := c.pointsServer.Get(t.Context(), &qdrant.GetPoints{CollectionName: "c", Ids: []*qdrant.PointId{qdrant.NewIDNum(3)}, WithVectors: qdrant.NewWithVectorsInclude("m")})
	c.ok(err)
	want := &qdrant.MultiDenseVector{Vectors: []*qdrant.DenseVector{{Data: []float32{5, 0}}, {Data: []float32{0, 0}}}}
	if diff := cmp.Diff(want, got.GetResult()[0].GetVectors().GetVectors().GetVectors()["m"].GetMultiDense(), protocmp.Transform()); diff != "" {
		t.Errorf("stored rows (-want +got):\n%s", diff)
	}
	for name, v := range map[string]*qdrant.Vector{
		"ragged": rows([]float32{1, 2}, []float32{1}), "no rows": rows(), "not divisible": {Data: []float32{1, 2, 3}, VectorsCount: proto.Uint32(2)},
	} {
		_, err := c.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "c", Points: []*qdrant.PointStruct{point(9, vectors{"m": v}, nil)}})
		expectCode(t, name, err, codes.InvalidArgument)
	}
}
