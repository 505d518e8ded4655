package qdrantlocal

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// small is a store with a collection "c": a dense vector "dot" of 2 dimensions,
// "euc" the same with Euclid, a plain sparse "s" and a sparse "idf".
func small(t testing.TB, points ...*qdrant.PointStruct) calls {
	t.Helper()
	c := callsTo(t, OpenMemory())
	_, err := c.Create(t.Context(), &qdrant.CreateCollection{
		CollectionName: "c",
		VectorsConfig: qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{
			"dot": {Size: 2, Distance: qdrant.Distance_Dot}, "euc": {Size: 2, Distance: qdrant.Distance_Euclid},
		}),
		SparseVectorsConfig: qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{
			"s": {}, "idf": {Modifier: qdrant.Modifier_Idf.Enum()},
		}),
	})
	c.ok(err)
	if len(points) > 0 {
		_, err = c.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "c", Wait: proto.Bool(true), Points: points})
		c.ok(err)
	}
	return c
}

type vectors = map[string]*qdrant.Vector

func point(id uint64, vs vectors, payload map[string]any) *qdrant.PointStruct {
	return &qdrant.PointStruct{Id: qdrant.NewIDNum(id), Vectors: qdrant.NewVectorsMap(vs), Payload: qdrant.NewValueMap(payload)}
}

func dotPoint(id uint64, x, y float32) *qdrant.PointStruct {
	return point(id, vectors{"dot": qdrant.NewVector(x, y), "euc": qdrant.NewVector(x, y)}, nil)
}

// found runs a query and returns "id:score" in order.
func (c calls) found(q *qdrant.QueryPoints) []string {
	c.t.Helper()
	q.CollectionName = "c"
	res, err := c.Query(context.Background(), q)
	c.ok(err)
	return scored(res.GetResult())
}

func scored(ps []*qdrant.ScoredPoint) []string {
	out := []string{}
	for _, p := range ps {
		id := pointID{lo: p.GetId().GetNum()}
		if p.GetId().GetUuid() != "" {
			id, _ = parseUUID(p.GetId().GetUuid())
		}
		name := fmt.Sprint(id.lo)
		if id.isUUID {
			name = p.GetId().GetUuid()
		}
		out = append(out, fmt.Sprintf("%s:%.4g", name, p.GetScore()))
	}
	return out
}

// matching returns the ids that a filter selects, in order.
func (c calls) matching(f *qdrant.Filter) []uint64 {
	c.t.Helper()
	res, err := c.Scroll(context.Background(), &qdrant.ScrollPoints{CollectionName: "c", Filter: f, Limit: proto.Uint32(1000)})
	c.ok(err)
	ids := []uint64{}
	for _, p := range res.GetResult() {
		ids = append(ids, p.GetId().GetNum())
	}
	return ids
}

func expect[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func expectCode(t testing.TB, what string, err error, want codes.Code) {
	t.Helper()
	if status.Code(err) != want {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func TestThresholdIsStrict(t *testing.T) {
	c := small(t, dotPoint(1, 1, 0), dotPoint(2, 2, 0), dotPoint(3, 3, 0))
	dot := func(th float32) *qdrant.QueryPoints {
		return &qdrant.QueryPoints{Query: qdrant.NewQuery(1, 0), Using: proto.String("dot"), ScoreThreshold: &th}
	}
	expect(t, "dot above 2", c.found(dot(2)), []string{"3:3"})
	euc := &qdrant.QueryPoints{Query: qdrant.NewQuery(0, 0), Using: proto.String("euc"), ScoreThreshold: proto.Float32(2)}
	expect(t, "euclid below 2", c.found(euc), []string{"1:1"})
	fused := &qdrant.QueryPoints{
		Prefetch: []*qdrant.PrefetchQuery{{Query: qdrant.NewQuery(1, 0), Using: proto.String("dot")}},
		Query:    qdrant.NewQueryFusion(qdrant.Fusion_RRF), ScoreThreshold: proto.Float32(1.0 / 3),
	}
	expect(t, "fusion from 1/3", c.found(fused), []string{"3:0.5", "2:0.3333"})
}

func TestTiesComeByID(t *testing.T) {
	points := []*qdrant.PointStruct{dotPoint(9, 1, 0), dotPoint(2, 1, 0), dotPoint(5, 1, 0)}
	for _, u := range []string{"ffffffff-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000000"} {
		p := dotPoint(0, 1, 0)
		p.Id = qdrant.NewID(u)
		points = append(points, p)
	}
	c := small(t, points...)
	want := []string{"2:1", "5:1", "9:1", "00000000-0000-4000-8000-000000000000:1", "ffffffff-0000-4000-8000-000000000000:1"}
	q := func(limit uint64) *qdrant.QueryPoints {
		return &qdrant.QueryPoints{Query: qdrant.NewQuery(1, 0), Using: proto.String("dot"), Limit: &limit}
	}
	expect(t, "all", c.found(q(10)), want)
	expect(t, "the first three", c.found(q(3)), want[:3])
	paged := q(2)
	paged.Offset = proto.Uint64(2)
	expect(t, "the second page of two", c.found(paged), want[2:4])
}

func sparse(pairs ...float32) *qdrant.Vector {
	var indices []uint32
	var values []float32
	for i := 0; i < len(pairs); i += 2 {
		indices, values = append(indices, uint32(pairs[i])), append(values, pairs[i+1])
	}
	return qdrant.NewVectorSparse(indices, values)
}

func TestSparseAndIDF(t *testing.T) {
	c := small(t,
		point(1, vectors{"s": sparse(1, 1, 2, 1), "idf": sparse(1, 1)}, nil),
		point(2, vectors{"s": sparse(2, -1, 1, 1), "idf": sparse(1, 2, 7, 1)}, nil),
		point(3, vectors{"s": sparse(9, 4), "idf": sparse(7, 1)}, nil),
		point(4, vectors{"idf": sparse()}, nil),
	)
	query := func(using string, v *qdrant.Vector) *qdrant.QueryPoints {
		sv := v.GetSparse()
		return &qdrant.QueryPoints{Query: qdrant.NewQuerySparse(sv.GetIndices(), sv.GetValues()), Using: &using}
	}
	// Point 2 scores 0 and is dropped, point 3 shares no dimension.
	expect(t, "plain", c.found(query("s", sparse(1, 1, 2, 1))), []string{"1:2"})
	// Scored one by one, which a filter causes, 0 is kept.
	filtered := query("s", sparse(1, 1, 2, 1))
	filtered.Filter = &qdrant.Filter{MustNot: []*qdrant.Condition{qdrant.NewHasID(qdrant.NewIDNum(3))}}
	expect(t, "filtered", c.found(filtered), []string{"1:2", "2:0"})

	// N = 3: the empty vector does not count. df(1) = 2.
	w := math.Log((3-2+0.5)/(2+0.5) + 1)
	expect(t, "idf", c.found(query("idf", sparse(1, 1))),
		[]string{fmt.Sprintf("2:%.4g", 2*w), fmt.Sprintf("1:%.4g", w)})
	// Deleted points leave the statistics at once.
	_, err := c.pointsServer.Delete(t.Context(), &qdrant.DeletePoints{CollectionName: "c", Points: selectIDs(2)})
	c.ok(err)
	w = math.Log((2-1+0.5)/(1+0.5) + 1)
	expect(t, "idf after a deletion", c.found(query("idf", sparse(1, 1))), []string{fmt.Sprintf("1:%.4g", w)})

	for _, bad := range []*qdrant.Vector{sparse(1, 1, 1, 2), qdrant.NewVectorSparse([]uint32{1, 2}, []float32{1})} {
		_, err := c.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "c", Points: []*qdrant.PointStruct{point(8, vectors{"s": bad}, nil)}})
		expectCode(t, fmt.Sprint("sparse vector ", bad), err, codes.InvalidArgument)
	}
}

func TestEmptyFilterSelectsAll(t *testing.T) {
	c := small(t, dotPoint(1, 1, 0), dotPoint(2, 1, 0))
	for name, f := range map[string]*qdrant.Filter{
		"nil": nil, "empty": {}, "unset condition": {Must: []*qdrant.Condition{{}}}, "min_should of nothing": {MinShould: &qdrant.MinShould{MinCount: 3}},
	} {
		expect(t, name, c.matching(f), []uint64{1, 2})
	}
	_, err := c.pointsServer.Delete(t.Context(), &qdrant.DeletePoints{CollectionName: "c", Points: qdrant.NewPointsSelectorFilter(&qdrant.Filter{})})
	c.ok(err)
	expect(t, "after deleting by an empty filter", c.matching(nil), []uint64{})
	_, err = c.pointsServer.Delete(t.Context(), &qdrant.DeletePoints{CollectionName: "c", Points: selectIDs()})
	expectCode(t, "deleting no ids", err, codes.InvalidArgument)
}

func TestFilters(t *testing.T) {
	payloads := []map[string]any{
		1: {"doc": "a", "n": int64(1), "when": "2026-03-01T00:00:00Z", "list": []any{map[string]any{"k": "x", "q": int64(1)}, map[string]any{"k": "y", "q": int64(2)}}},
		2: {"doc": "b", "n": int64(2), "when": "2026-03-02", "tags": []any{"red", "blue"}, "gone": nil},
		3: {"doc": []any{"a", "b"}, "n": 2.0, "tags": []any{}, "list": []any{map[string]any{"k": "x", "q": int64(2)}}},
		4: {"n": "2", "tags": "red", "a.b": int64(7)},
	}
	var points []*qdrant.PointStruct
	for id, p := range payloads[1:] {
		points = append(points, point(uint64(id+1), vectors{"dot": qdrant.NewVector(1, 1)}, p))
	}
	c := small(t, points...)
	must := func(cs ...*qdrant.Condition) *qdrant.Filter { return &qdrant.Filter{Must: cs} }
	not := func(cs ...*qdrant.Condition) *qdrant.Filter { return &qdrant.Filter{MustNot: cs} }
	field := func(f *qdrant.FieldCondition) *qdrant.Condition {
		return &qdrant.Condition{ConditionOneOf: &qdrant.Condition_Field{Field: f}}
	}
	tests := []struct {
		name string
		f    *qdrant.Filter
		want []uint64
	}{
		{"keyword", must(qdrant.NewMatch("doc", "a")), []uint64{1, 3}},
		{"any", must(qdrant.NewMatchKeywords("doc", "b", "z")), []uint64{2, 3}},
		{"except", must(qdrant.NewMatchExcept("tags", "red")), []uint64{2}},
		{"not", not(qdrant.NewMatch("doc", "a")), []uint64{2, 4}},
		{"range", must(qdrant.NewRange("n", &qdrant.Range{Gte: proto.Float64(2)})), []uint64{2, 3}},
		{"has id", must(qdrant.NewHasID(qdrant.NewIDNum(4), qdrant.NewIDNum(99))), []uint64{4}},
		{"is empty", must(qdrant.NewIsEmpty("tags")), []uint64{1, 3}},
		{"is null", must(qdrant.NewIsNull("gone")), []uint64{2}},
		{"quoted key", must(qdrant.NewMatchInt(`"a.b"`, 7)), []uint64{4}},
		{"elements", must(qdrant.NewMatch("list[].k", "x"), qdrant.NewMatchInt("list[].q", 2)), []uint64{1, 3}},
		{"nested", must(qdrant.NewNestedFilter("list", must(qdrant.NewMatch("k", "x"), qdrant.NewMatchInt("q", 2)))), []uint64{3}},
		{"position", must(qdrant.NewMatch("list[1].k", "y")), []uint64{1}},
		{"should", &qdrant.Filter{Should: []*qdrant.Condition{qdrant.NewMatch("doc", "a"), qdrant.NewMatch("tags", "red")}}, []uint64{1, 2, 3, 4}},
		{"should and must", &qdrant.Filter{
			Must:   []*qdrant.Condition{qdrant.NewMatch("tags", "red")},
			Should: []*qdrant.Condition{qdrant.NewMatch("doc", "a"), qdrant.NewMatch("doc", "b")},
		}, []uint64{2}},
		{"min should", &qdrant.Filter{MinShould: &qdrant.MinShould{MinCount: 2, Conditions: []*qdrant.Condition{
			qdrant.NewMatch("doc", "a"), qdrant.NewMatch("doc", "b"), qdrant.NewMatchInt("n", 2),
		}}}, []uint64{2, 3}},
		{"filter in filter", must(qdrant.NewFilterAsCondition(not(qdrant.NewMatch("doc", "a"))), qdrant.NewMatch("tags", "red")), []uint64{2, 4}},
		{"values count", must(field(&qdrant.FieldCondition{Key: "tags", ValuesCount: &qdrant.ValuesCount{Gte: proto.Uint64(2)}})), []uint64{2}},
		{"has vector", must(qdrant.NewHasVector("dot")), []uint64{1, 2, 3, 4}},
		{"has other vector", must(qdrant.NewHasVector("euc")), []uint64{}},
	}
	for _, tt := range tests {
		expect(t, tt.name, c.matching(tt.f), tt.want)
	}
	for name, f := range map[string]*qdrant.Filter{
		"no predicate": must(field(&qdrant.FieldCondition{Key: "doc"})), "bad path": must(qdrant.NewMatch("a[", "x")),
		"empty match": must(field(&qdrant.FieldCondition{Key: "doc", Match: &qdrant.Match{}})),
		"bad id":      must(qdrant.NewHasID(qdrant.NewID("nope"))),
	} {
		_, err := c.Count(t.Context(), &qdrant.CountPoints{CollectionName: "c", Filter: f})
		expectCode(t, name, err, codes.InvalidArgument)
	}

	for key, kind := range map[string]qdrant.FieldType{
		"doc": qdrant.FieldType_FieldTypeKeyword, "tags": qdrant.FieldType_FieldTypeKeyword, "list[].k": qdrant.FieldType_FieldTypeKeyword,
	} {
		_, err := c.CreateFieldIndex(t.Context(), &qdrant.CreateFieldIndexCollection{CollectionName: "c", FieldName: key, FieldType: &kind})
		c.ok(err)
	}
	for _, tt := range tests {
		expect(t, tt.name+", indexed", c.matching(tt.f), tt.want)
	}
	// An integer index takes 2.0 for 2.
	_, err := c.CreateFieldIndex(t.Context(), &qdrant.CreateFieldIndexCollection{CollectionName: "c", FieldName: "n", FieldType: qdrant.FieldType_FieldTypeInteger.Enum()})
	c.ok(err)
	expect(t, "2.0 in an integer index", c.matching(must(qdrant.NewMatchInt("n", 2))), []uint64{2, 3})
}

func TestAliases(t *testing.T) {
	ctx := t.Context()
	c := callsTo(t, OpenMemory())
	c.createHybrid("x__g1")
	c.createHybrid("x__g2")
	c.upsert("x__g1", 1)
	change := func(as ...*qdrant.AliasOperations) error {
		_, err := c.UpdateAliases(ctx, &qdrant.ChangeAliases{Actions: as})
		return err
	}
	served := func() string {
		res, err := c.ListAliases(ctx, &qdrant.ListAliasesRequest{})
		c.ok(err)
		out := ""
		for _, a := range res.GetAliases() {
			out += a.GetAliasName() + "=" + a.GetCollectionName() + " "
		}
		return out
	}
	c.ok(change(qdrant.NewAliasCreate("x", "x__g1")))
	n, err := c.Count(ctx, &qdrant.CountPoints{CollectionName: "x"})
	c.ok(err)
	expect(t, "points behind the alias", n.GetResult().GetCount(), uint64(1))
	c.ok(change(qdrant.NewAliasCreate("x", "x__g2")))
	expect(t, "after pointing it elsewhere", served(), "x=x__g2 ")

	expectCode(t, "alias named like a collection", change(qdrant.NewAliasCreate("x__g1", "x__g2")), codes.AlreadyExists)
	expectCode(t, "alias of nothing", change(qdrant.NewAliasCreate("y", "nothing")), codes.NotFound)
	expectCode(t, "renaming a missing alias", change(qdrant.NewAliasRename("nope", "y")), codes.NotFound)
	expectCode(t, "an action without content", change(&qdrant.AliasOperations{}), codes.InvalidArgument)
	c.ok(change(qdrant.NewAliasDelete("never there")))
	_, err = c.Create(ctx, &qdrant.CreateCollection{CollectionName: "x"})
	expectCode(t, "collection named like an alias", err, codes.InvalidArgument)

	// The actions before one that fails stay.
	expectCode(t, "second action fails", change(qdrant.NewAliasCreate("z", "x__g1"), qdrant.NewAliasCreate("z", "nothing")), codes.NotFound)
	expect(t, "after a failing action", served(), "x=x__g2 z=x__g1 ")
	one, err := c.ListCollectionAliases(ctx, &qdrant.ListCollectionAliasesRequest{CollectionName: "x__g1"})
	c.ok(err)
	expect(t, "aliases of one collection", len(one.GetAliases()), 1)

	del, err := c.collectionsServer.Delete(ctx, &qdrant.DeleteCollection{CollectionName: "x"})
	c.ok(err)
	expect(t, "deleting through an alias", del.GetResult(), false)
	del, err = c.collectionsServer.Delete(ctx, &qdrant.DeleteCollection{CollectionName: "x__g2"})
	c.ok(err)
	expect(t, "deleting the collection", del.GetResult(), true)
	expect(t, "its aliases", served(), "z=x__g1 ")
}

func TestCollectionNames(t *testing.T) {
	c := callsTo(t, OpenMemory())
	for name, want := range map[string]codes.Code{
		"plain": codes.OK, "with space": codes.OK, "é%#'": codes.OK,
		"": codes.InvalidArgument, ".": codes.InvalidArgument, "..": codes.InvalidArgument, "a/b": codes.InvalidArgument, "a\x00b": codes.InvalidArgument,
	} {
		_, err := c.Create(t.Context(), &qdrant.CreateCollection{CollectionName: name})
		expectCode(t, fmt.Sprintf("collection %q", name), err, want)
	}
	_, err := c.Create(t.Context(), &qdrant.CreateCollection{CollectionName: "plain"})
	expectCode(t, "collection that exists", err, codes.AlreadyExists)
	_, err = c.pointsServer.Get(t.Context(), &qdrant.GetPoints{CollectionName: "missing"})
	expectCode(t, "missing collection", err, codes.NotFound)
}

func TestMetadata(t *testing.T) {
	c := callsTo(t, OpenMemory())
	_, err := c.Create(t.Context(), &qdrant.CreateCollection{CollectionName: "c", Metadata: qdrant.NewValueMap(map[string]any{"keep": int64(1), "drop": true, "change": "a"})})
	c.ok(err)
	_, err = c.Update(t.Context(), &qdrant.UpdateCollection{CollectionName: "c", Metadata: qdrant.NewValueMap(map[string]any{"drop": nil, "change": "b", "new": 0.5})})
	c.ok(err)
	info, err := c.collectionsServer.Get(t.Context(), &qdrant.GetCollectionInfoRequest{CollectionName: "c"})
	c.ok(err)
	got := map[string]string{}
	for k, v := range info.GetResult().GetConfig().GetMetadata() {
		got[k] = v.String()
	}
	expect(t, "metadata", got, map[string]string{"keep": "integer_value:1", "change": `string_value:"b"`, "new": "double_value:0.5"})
}

func TestWait(t *testing.T) {
	c := small(t)
	for wait, want := range map[*bool]qdrant.UpdateStatus{
		proto.Bool(true): qdrant.UpdateStatus_Completed, proto.Bool(false): qdrant.UpdateStatus_Acknowledged, nil: qdrant.UpdateStatus_Acknowledged,
	} {
		res, err := c.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "c", Wait: wait, Points: []*qdrant.PointStruct{dotPoint(1, 1, 1)}})
		c.ok(err)
		expect(t, "status", res.GetResult().GetStatus(), want)
	}
}

func TestBatchIsCheckedBeforeItIsStored(t *testing.T) {
	c := small(t)
	good := dotPoint(1, 1, 1)
	for name, bad := range map[string]*qdrant.PointStruct{
		"dimension": point(2, vectors{"dot": qdrant.NewVector(1, 2, 3)}, nil),
		"name":      point(2, vectors{"nope": qdrant.NewVector(1, 2)}, nil),
		"kind":      point(2, vectors{"dot": sparse(1, 1)}, nil),
		"NaN":       point(2, vectors{"dot": qdrant.NewVector(1, 2)}, map[string]any{"x": math.NaN()}),
		"no id":     {Vectors: good.Vectors},
		"no vector": {Id: qdrant.NewIDNum(2)},
		"bad uuid":  {Id: qdrant.NewID("{00000000-0000-4000-8000-000000000000"), Vectors: good.Vectors},
	} {
		_, err := c.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "c", Points: []*qdrant.PointStruct{good, bad}})
		expectCode(t, name, err, codes.InvalidArgument)
		expect(t, "stored of a batch with a bad "+name, c.matching(nil), []uint64{})
	}
	// A point without vectors is fine if it says so.
	_, err := c.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "c", Points: []*qdrant.PointStruct{point(2, vectors{}, nil)}})
	c.ok(err)
}

func TestUpsertReplacesThePoint(t *testing.T) {
	c := small(t, point(1, vectors{"dot": qdrant.NewVector(1, 1), "s": sparse(1, 1)}, map[string]any{"a": int64(1)}))
	_, err := c.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "c", Points: []*qdrant.PointStruct{
		point(1, vectors{"dot": qdrant.NewVector(2, 2)}, map[string]any{"b": int64(2)}), point(1, vectors{"dot": qdrant.NewVector(3, 3)}, map[string]any{"b": int64(3)}),
	}})
	c.ok(err)
	res, err := c.pointsServer.Get(t.Context(), &qdrant.GetPoints{
		CollectionName: "c", Ids: []*qdrant.PointId{qdrant.NewIDNum(1), qdrant.NewIDNum(1), qdrant.NewIDNum(7)},
		WithPayload: qdrant.NewWithPayload(true), WithVectors: qdrant.NewWithVectors(true),
	})
	c.ok(err)
	want := &qdrant.RetrievedPoint{Id: qdrant.NewIDNum(1), Payload: qdrant.NewValueMap(map[string]any{"b": int64(3)}), Vectors: &qdrant.VectorsOutput{
		VectorsOptions: &qdrant.VectorsOutput_Vectors{Vectors: &qdrant.NamedVectorsOutput{Vectors: map[string]*qdrant.VectorOutput{
			"dot": {Vector: &qdrant.VectorOutput_Dense{Dense: &qdrant.DenseVector{Data: []float32{3, 3}}}},
		}}},
	}}
	if len(res.GetResult()) != 1 || !proto.Equal(res.GetResult()[0], want) {
		t.Errorf("point after two upserts is %v, want %v", res.GetResult(), want)
	}
}

func TestConditionalUpsert(t *testing.T) {
	c := small(t, point(1, vectors{}, map[string]any{"rev": int64(2)}))
	upsert := func(mode qdrant.UpdateMode, f *qdrant.Filter, revs map[uint64]int64) {
		r := &qdrant.UpsertPoints{CollectionName: "c", UpdateMode: &mode, UpdateFilter: f}
		for id, rev := range revs {
			r.Points = append(r.Points, point(id, vectors{}, map[string]any{"rev": rev}))
		}
		_, err := c.Upsert(t.Context(), r)
		c.ok(err)
	}
	with := func(rev int64) []uint64 {
		return c.matching(&qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchInt("rev", rev)}})
	}
	older := &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewRange("rev", &qdrant.Range{Lt: proto.Float64(1)})}}
	upsert(qdrant.UpdateMode_Upsert, older, map[uint64]int64{1: 1, 2: 1})
	expect(t, "an old revision came late", with(1), []uint64{2})
	upsert(qdrant.UpdateMode_InsertOnly, nil, map[uint64]int64{1: 3, 3: 3})
	expect(t, "insert only", with(3), []uint64{3})
	upsert(qdrant.UpdateMode_UpdateOnly, nil, map[uint64]int64{1: 4, 4: 4})
	expect(t, "update only", with(4), []uint64{1})
}

func TestMissingPointIsReportedAfterTheOthersChanged(t *testing.T) {
	c := small(t, dotPoint(1, 1, 1))
	_, err := c.SetPayload(t.Context(), &qdrant.SetPayloadPoints{CollectionName: "c", PointsSelector: selectIDs(9, 1), Payload: qdrant.NewValueMap(map[string]any{"x": int64(1)})})
	expectCode(t, "a missing id", err, codes.NotFound)
	expect(t, "changed", c.matching(&qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchInt("x", 1)}}), []uint64{1})
}

func TestUpdateBatchKeepsWhatWasDone(t *testing.T) {
	c := small(t, dotPoint(1, 1, 1), dotPoint(2, 1, 1))
	_, err := c.UpdateBatch(t.Context(), &qdrant.UpdateBatchPoints{CollectionName: "c", Operations: []*qdrant.PointsUpdateOperation{
		qdrant.NewPointsUpdateDeletePoints(&qdrant.PointsUpdateOperation_DeletePoints{Points: selectIDs(1)}),
		qdrant.NewPointsUpdateDeletePoints(&qdrant.PointsUpdateOperation_DeletePoints{Points: qdrant.NewPointsSelector(qdrant.NewID("nope"))}),
		qdrant.NewPointsUpdateDeletePoints(&qdrant.PointsUpdateOperation_DeletePoints{Points: selectIDs(2)}),
	}})
	expectCode(t, "a batch with a bad id", err, codes.InvalidArgument)
	expect(t, "left", c.matching(nil), []uint64{2})
}

func TestRootFilterReachesPrefetches(t *testing.T) {
	var points []*qdrant.PointStruct
	for id := range uint64(20) {
		points = append(points, point(id, vectors{"dot": qdrant.NewVector(float32(id), 0), "s": sparse(1, float32(id)+1)}, map[string]any{"tenant": fmt.Sprint(id % 2)}))
	}
	c := small(t, points...)
	q := &qdrant.QueryPoints{
		Prefetch: []*qdrant.PrefetchQuery{
			{Query: qdrant.NewQuery(1, 0), Using: proto.String("dot"), Limit: proto.Uint64(2)},
			{Query: qdrant.NewQuerySparse([]uint32{1}, []float32{1}), Using: proto.String("s"), Limit: proto.Uint64(2)},
		},
		Query:  &qdrant.Query{Variant: &qdrant.Query_Rrf{Rrf: &qdrant.Rrf{K: proto.Uint32(60), Weights: []float32{1, 0.999}}}},
		Filter: &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("tenant", "0")}},
	}
	expect(t, "tenant 0", c.found(q), []string{"18:0.03333", "16:0.03279"})
}

func TestPagesOfAScroll(t *testing.T) {
	var points []*qdrant.PointStruct
	for id := range uint64(7) {
		points = append(points, dotPoint(id*3, 1, 1))
	}
	c := small(t, points...)
	var got []uint64
	var from *qdrant.PointId
	for pages := 0; ; pages++ {
		res, err := c.Scroll(t.Context(), &qdrant.ScrollPoints{CollectionName: "c", Limit: proto.Uint32(3), Offset: from})
		c.ok(err)
		for _, p := range res.GetResult() {
			got = append(got, p.GetId().GetNum())
		}
		if from = res.GetNextPageOffset(); from == nil {
			expect(t, "pages", pages, 2)
			break
		}
	}
	expect(t, "all pages", got, []uint64{0, 3, 6, 9, 12, 15, 18})
}
