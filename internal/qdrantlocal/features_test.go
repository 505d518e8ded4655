package qdrantlocal

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ragloop/ragloop/internal/lexical"
)

func TestTextIndex(t *testing.T) {
	text := func(id uint64, s any) *qdrant.PointStruct {
		return point(id, vectors{}, map[string]any{"t": s})
	}
	points := []*qdrant.PointStruct{text(1, "The quick brown Foxes"), text(2, "brown and quick"), text(3, []any{"a quick one", "brown two"}), text(4, int64(5)), text(5, "foxtrot")}
	match := func(m *qdrant.Match) *qdrant.Filter {
		return &qdrant.Filter{Must: []*qdrant.Condition{{ConditionOneOf: &qdrant.Condition_Field{Field: &qdrant.FieldCondition{Key: "t", Match: m}}}}}
	}
	all := func(s string) *qdrant.Filter { return match(&qdrant.Match{MatchValue: &qdrant.Match_Text{Text: s}}) }
	anyOf := func(s string) *qdrant.Filter {
		return match(&qdrant.Match{MatchValue: &qdrant.Match_TextAny{TextAny: s}})
	}
	phrase := func(s string) *qdrant.Filter {
		return match(&qdrant.Match{MatchValue: &qdrant.Match_Phrase{Phrase: s}})
	}
	english := &qdrant.TextIndexParams{
		Tokenizer: qdrant.TokenizerType_Word, PhraseMatching: proto.Bool(true), Stopwords: &qdrant.StopwordsSet{Languages: []string{"english"}, Custom: []string{"One"}},
		Stemmer: &qdrant.StemmingAlgorithm{StemmingParams: &qdrant.StemmingAlgorithm_Snowball{Snowball: &qdrant.SnowballParams{Language: "en"}}},
	}
	for _, tt := range []struct {
		name   string
		params *qdrant.TextIndexParams
		f      *qdrant.Filter
		want   []uint64
	}{
		{"all words, in any value", nil, all("BROWN quick"), []uint64{1, 2, 3}},
		{"whole words only", nil, all("fox"), []uint64{}},
		{"nothing asked", nil, all(" "), []uint64{}},
		{"any word", nil, anyOf("foxtrot two"), []uint64{3, 5}},
		{"phrase without support", nil, phrase("quick brown"), []uint64{}},
		{"stemmed", english, all("fox"), []uint64{1}},
		{"stop words are not asked for", english, all("the one fox"), []uint64{1}},
		{"phrase", english, phrase("quick brown"), []uint64{1}},
		{"phrase over stop words", english, phrase("brown quick"), []uint64{2}},
		{"case", &qdrant.TextIndexParams{Tokenizer: qdrant.TokenizerType_Whitespace, Lowercase: proto.Bool(false)}, all("Foxes"), []uint64{1}},
		{"other case", &qdrant.TextIndexParams{Tokenizer: qdrant.TokenizerType_Whitespace, Lowercase: proto.Bool(false)}, all("foxes"), []uint64{}},
		{"prefix", &qdrant.TextIndexParams{Tokenizer: qdrant.TokenizerType_Prefix, MinTokenLen: proto.Uint64(2), MaxTokenLen: proto.Uint64(4)}, all("foxtrots"), []uint64{5}},
		{"short prefix", &qdrant.TextIndexParams{Tokenizer: qdrant.TokenizerType_Prefix}, all("fox br"), []uint64{1}},
		{"long words dropped", &qdrant.TextIndexParams{Tokenizer: qdrant.TokenizerType_Word, MaxTokenLen: proto.Uint64(5)}, all("foxtrot"), []uint64{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := small(t, points...)
			var params *qdrant.PayloadIndexParams
			if tt.params != nil {
				params = &qdrant.PayloadIndexParams{IndexParams: &qdrant.PayloadIndexParams_TextIndexParams{TextIndexParams: tt.params}}
			}
			c.index("t", qdrant.FieldType_FieldTypeText, params)
			expect(t, "found", c.matching(tt.f), tt.want)
			c.index("unrelated", qdrant.FieldType_FieldTypeKeyword, nil)
			_, err := c.OverwritePayload(t.Context(), &qdrant.SetPayloadPoints{CollectionName: "c", PointsSelector: qdrant.NewPointsSelectorFilter(&qdrant.Filter{}), Payload: qdrant.NewValueMap(map[string]any{"t": "gone"})})
			c.ok(err)
			expect(t, "found after all texts changed", c.matching(tt.f), []uint64{})
		})
	}
	c := small(t, points...)
	expect(t, "part of a text, without an index", c.matching(all("fox")), []uint64{5})
	expect(t, "parts of a text, without an index", c.matching(anyOf("Fox two")), []uint64{1, 3})
	for name, tt := range map[string]struct {
		params *qdrant.TextIndexParams
		want   codes.Code
	}{
		"no tokenizer":     {&qdrant.TextIndexParams{}, codes.InvalidArgument},
		"unknown language": {&qdrant.TextIndexParams{Tokenizer: qdrant.TokenizerType_Word, Stopwords: &qdrant.StopwordsSet{Languages: []string{"klingon"}}}, codes.InvalidArgument},
		"other language":   {&qdrant.TextIndexParams{Tokenizer: qdrant.TokenizerType_Word, Stopwords: &qdrant.StopwordsSet{Languages: []string{"greek"}}}, codes.Unimplemented},
		"multilingual":     {&qdrant.TextIndexParams{Tokenizer: qdrant.TokenizerType_Multilingual}, codes.Unimplemented},
		"folding":          {&qdrant.TextIndexParams{Tokenizer: qdrant.TokenizerType_Word, AsciiFolding: proto.Bool(true)}, codes.Unimplemented},
	} {
		_, err := c.CreateFieldIndex(t.Context(), &qdrant.CreateFieldIndexCollection{
			CollectionName: "c", FieldName: "t", FieldType: qdrant.FieldType_FieldTypeText.Enum(),
			FieldIndexParams: &qdrant.PayloadIndexParams{IndexParams: &qdrant.PayloadIndexParams_TextIndexParams{TextIndexParams: tt.params}},
		})
		expectCode(t, name, err, tt.want)
	}
}

func TestBM25Documents(t *testing.T) {
	document := func(text, model string, options map[string]any) *qdrant.Document {
		return &qdrant.Document{Text: text, Model: model, Options: qdrant.NewValueMap(options)}
	}
	put := func(c calls, d *qdrant.Document) error {
		_, err := c.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "c", Points: []*qdrant.PointStruct{
			point(1, vectors{"s": {Vector: &qdrant.Vector_Document{Document: d}}}, nil),
		}})
		return err
	}
	c := small(t)
	c.ok(put(c, document("Running foxes", "Qdrant/BM25", map[string]any{"avg_len": int64(8), "language": "english"})))
	p := lexical.Default()
	p.AvgLen = 8
	a, err := lexical.New(p)
	if err != nil {
		t.Fatal(err)
	}
	want := a.Document("Running foxes")
	got, err := c.pointsServer.Get(t.Context(), &qdrant.GetPoints{CollectionName: "c", Ids: []*qdrant.PointId{qdrant.NewIDNum(1)}, WithVectors: qdrant.NewWithVectors(true)})
	c.ok(err)
	stored := got.GetResult()[0].GetVectors().GetVectors().GetVectors()["s"].GetSparse()
	expect(t, "stored indices", stored.GetIndices(), want.Indices)
	expect(t, "stored values", stored.GetValues(), want.Values)
	res := c.ids(&qdrant.QueryPoints{Using: proto.String("s"), Query: qdrant.NewQueryDocument(document("fox", "bm25", nil))})
	expect(t, "found by a document", res, []uint64{1})

	for name, tt := range map[string]struct {
		d             *qdrant.Document
		upsert, query codes.Code
	}{
		"model":    {document("x", "no/such", nil), codes.Internal, codes.Internal},
		"option":   {document("x", "bm25", map[string]any{"k": "x"}), codes.InvalidArgument, codes.Internal},
		"range":    {document("x", "bm25", map[string]any{"b": 2.0}), codes.InvalidArgument, codes.Internal},
		"language": {document("x", "bm25", map[string]any{"language": "greek"}), codes.Unimplemented, codes.Unimplemented},
		"stemmer":  {document("x", "bm25", map[string]any{"stemmer": "x"}), codes.Unimplemented, codes.Unimplemented},
	} {
		expectCode(t, "upsert with a bad "+name, put(c, tt.d), tt.upsert)
		_, err := c.Query(t.Context(), &qdrant.QueryPoints{CollectionName: "c", Using: proto.String("s"), Query: qdrant.NewQueryDocument(tt.d)})
		expectCode(t, "query with a bad "+name, err, tt.query)
	}
}

func TestGeo(t *testing.T) {
	at := func(lon, lat float64) map[string]any { return map[string]any{"lon": lon, "lat": lat} }
	c := small(t,
		point(1, vectors{}, map[string]any{"g": at(13.4, 52.5)}), point(2, vectors{}, map[string]any{"g": at(2.35, 48.86)}),
		point(3, vectors{}, map[string]any{"g": []any{at(179.9, 0), at(0, 0)}}), point(4, vectors{}, map[string]any{"g": at(500, 0)}),
	)
	field := func(f *qdrant.FieldCondition) *qdrant.Filter {
		f.Key = "g"
		return &qdrant.Filter{Must: []*qdrant.Condition{{ConditionOneOf: &qdrant.Condition_Field{Field: f}}}}
	}
	ring := func(ps ...float64) *qdrant.GeoLineString {
		var l qdrant.GeoLineString
		for i := 0; i < len(ps); i += 2 {
			l.Points = append(l.Points, &qdrant.GeoPoint{Lon: ps[i], Lat: ps[i+1]})
		}
		return &l
	}
	for range 2 {
		expect(t, "radius", c.matching(field(&qdrant.FieldCondition{GeoRadius: &qdrant.GeoRadius{Center: &qdrant.GeoPoint{Lon: 13, Lat: 52}, Radius: 100_000}})), []uint64{1})
		expect(t, "box", c.matching(field(&qdrant.FieldCondition{GeoBoundingBox: &qdrant.GeoBoundingBox{TopLeft: &qdrant.GeoPoint{Lon: 0, Lat: 60}, BottomRight: &qdrant.GeoPoint{Lon: 20, Lat: 40}}})), []uint64{1, 2})
		expect(t, "box over the antimeridian", c.matching(field(&qdrant.FieldCondition{GeoBoundingBox: &qdrant.GeoBoundingBox{TopLeft: &qdrant.GeoPoint{Lon: 170, Lat: 1}, BottomRight: &qdrant.GeoPoint{Lon: -170, Lat: -1}}})), []uint64{3})
		expect(t, "polygon with a hole", c.matching(field(&qdrant.FieldCondition{GeoPolygon: &qdrant.GeoPolygon{
			Exterior: ring(-5, 40, -5, 60, 20, 60, 20, 40), Interiors: []*qdrant.GeoLineString{ring(10, 50, 10, 55, 15, 55, 15, 50)},
		}})), []uint64{2})
		c.index("g", qdrant.FieldType_FieldTypeGeo, nil)
	}
}

func TestDatetimes(t *testing.T) {
	for s, want := range map[string]string{
		"2026-03-01T00:00:00Z": "2026-03-01T00:00:00Z", "2026-03-01t02:00:00.5+02:00": "2026-03-01T00:00:00.5Z", "2026-03-01 02:00:00+0200": "2026-03-01T00:00:00Z",
		"2026-03-01T02:00:00+02": "2026-03-01T00:00:00Z", "2026-03-01 10:20": "2026-03-01T10:20:00Z", "2026-3-1": "2026-03-01T00:00:00Z", " 26-03-01": "0026-03-01T00:00:00Z",
		"2026-03-01T00:00Z": "", "20260301T000000Z": "", "2026-02-30": "", "2026-03": "", "": "", "1709251200": "", "2026-03-01T24:00:00Z": "",
	} {
		got := ""
		if at, ok := parseDatetime(s); ok {
			got = at.UTC().Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("date %q is %q, want %q", s, got, want)
		}
	}
	c := small(t, point(1, vectors{}, map[string]any{"t": "2026-03-01T00:00:00.0000005Z"}), point(2, vectors{}, map[string]any{"t": "2026-03-02"}))
	after := &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewDatetimeRange("t", &qdrant.DatetimeRange{Gt: timestamppb.New(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))})}}
	expect(t, "after, to the nanosecond", c.matching(after), []uint64{1, 2})
	c.index("t", qdrant.FieldType_FieldTypeDatetime, nil)
	expect(t, "after, to the microsecond of the index", c.matching(after), []uint64{2})
}

func TestPayloadPaths(t *testing.T) {
	whole := map[string]any{
		"a": int64(1), "m": map[string]any{"x": int64(1), "y": map[string]any{"z": int64(2)}},
		"l": []any{map[string]any{"k": int64(1), "j": "p"}, map[string]any{"k": int64(2)}},
	}
	get := func(c calls, sel *qdrant.WithPayloadSelector) payload {
		t.Helper()
		res, err := c.pointsServer.Get(t.Context(), &qdrant.GetPoints{CollectionName: "c", Ids: []*qdrant.PointId{qdrant.NewIDNum(1)}, WithPayload: sel})
		c.ok(err)
		return res.GetResult()[0].GetPayload()
	}
	same := func(what string, got payload, want map[string]any) {
		t.Helper()
		if diff := cmp.Diff(&qdrant.Struct{Fields: qdrant.NewValueMap(want)}, &qdrant.Struct{Fields: got}, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	type m = map[string]any
	for _, tt := range []struct {
		name string
		do   func(c calls) error
		want m
	}{
		{"set merges", set("", m{"a": int64(2), "b": true}), m{"a": int64(2), "b": true, "m": whole["m"], "l": whole["l"]}},
		{"set null removes", set("", m{"a": nil}), m{"m": whole["m"], "l": whole["l"]}},
		{"set at a path", set("m.y", m{"w": int64(3)}), m{"a": int64(1), "l": whole["l"], "m": m{"x": int64(1), "y": m{"z": int64(2), "w": int64(3)}}}},
		{"set makes the path", set("n.o", m{"w": int64(3)}), m{"a": int64(1), "l": whole["l"], "m": whole["m"], "n": m{"o": m{"w": int64(3)}}}},
		{"set replaces what is in the way", set("a", m{"w": int64(3)}), m{"a": m{"w": int64(3)}, "l": whole["l"], "m": whole["m"]}},
		{"set at a position", set("l[1]", m{"k": int64(9)}), m{"a": int64(1), "m": whole["m"], "l": []any{m{"k": int64(1), "j": "p"}, m{"k": int64(9)}}}},
		{"set at all positions", set("l[]", m{"k": nil}), m{"a": int64(1), "m": whole["m"], "l": []any{m{"j": "p"}, m{}}}},
		{"set beyond a list", set("l[7]", m{"k": nil}), whole},
		{"delete keys", remove("a", "m.y.z", "zz"), m{"l": whole["l"], "m": m{"x": int64(1), "y": m{}}}},
		{"delete in elements", remove("l[].k"), m{"a": int64(1), "m": whole["m"], "l": []any{m{"j": "p"}, m{}}}},
		{"delete all elements", remove("l[]"), m{"a": int64(1), "m": whole["m"], "l": []any{}}},
		{"delete a position does nothing", remove("l[0]", "a.b"), whole},
	} {
		c := small(t, point(1, vectors{}, whole))
		before := proto.CloneOf(&qdrant.Struct{Fields: get(c, qdrant.NewWithPayload(true))})
		held := get(c, qdrant.NewWithPayload(true))
		c.ok(tt.do(c))
		same(tt.name, get(c, qdrant.NewWithPayload(true)), tt.want)
		if diff := cmp.Diff(before, &qdrant.Struct{Fields: held}, protocmp.Transform()); diff != "" {
			t.Errorf("%s changed a payload that was handed out:\n%s", tt.name, diff)
		}
	}
	c := small(t, point(1, vectors{}, whole))
	for _, tt := range []struct {
		name string
		sel  *qdrant.WithPayloadSelector
		want m
	}{
		{"include", qdrant.NewWithPayloadInclude("a", "m.x"), m{"a": int64(1), "m": m{"x": int64(1)}}},
		{"include in elements", qdrant.NewWithPayloadInclude("l[].j"), m{"l": []any{m{"j": "p"}, m{}}}},
		{"include a position", qdrant.NewWithPayloadInclude("l[0]"), m{"l": []any{}}},
		{"include nothing", qdrant.NewWithPayloadInclude("zz"), m{}},
		{"exclude", qdrant.NewWithPayloadExclude("l", "m.y"), m{"a": int64(1), "m": m{"x": int64(1)}}},
		{"exclude in elements", qdrant.NewWithPayloadExclude("l[].k", "a", "m"), m{"l": []any{m{"j": "p"}, m{}}}},
		{"off", qdrant.NewWithPayload(false), m{}},
	} {
		same(tt.name, get(c, tt.sel), tt.want)
	}
	for name, sel := range map[string]*qdrant.WithPayloadSelector{"bad path": qdrant.NewWithPayloadInclude("a["), "nothing set": {}} {
		_, err := c.pointsServer.Get(t.Context(), &qdrant.GetPoints{CollectionName: "c", WithPayload: sel})
		expectCode(t, name, err, codes.InvalidArgument)
	}
}

func set(key string, values map[string]any) func(calls) error {
	return func(c calls) error {
		r := &qdrant.SetPayloadPoints{CollectionName: "c", PointsSelector: selectIDs(1), Payload: qdrant.NewValueMap(values)}
		if key != "" {
			r.Key = &key
		}
		_, err := c.SetPayload(context.Background(), r)
		return err
	}
}

func remove(keys ...string) func(calls) error {
	return func(c calls) error {
		_, err := c.DeletePayload(context.Background(), &qdrant.DeletePayloadPoints{CollectionName: "c", PointsSelector: selectIDs(1), Keys: keys})
		return err
	}
}

func TestStrictMode(t *testing.T) {
	c := callsTo(t, OpenMemory())
	_, err := c.Create(t.Context(), &qdrant.CreateCollection{
		CollectionName: "c", VectorsConfig: qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{"dot": {Size: 2, Distance: qdrant.Distance_Dot}}),
		StrictModeConfig: &qdrant.StrictModeConfig{
			Enabled: proto.Bool(true), MaxQueryLimit: proto.Uint32(3), MaxTimeout: proto.Uint32(10), UnindexedFilteringRetrieve: proto.Bool(false),
			UnindexedFilteringUpdate: proto.Bool(false), SearchMaxHnswEf: proto.Uint32(64), SearchAllowExact: proto.Bool(false), SearchMaxOversampling: proto.Float32(2),
			UpsertMaxBatchsize: proto.Uint64(2), FilterMaxConditions: proto.Uint64(2), ConditionMaxSize: proto.Uint64(2), MaxPayloadIndexCount: proto.Uint64(1),
		},
	})
	c.ok(err)
	c.index("k", qdrant.FieldType_FieldTypeKeyword, nil)
	dot := func(id uint64) *qdrant.PointStruct {
		return point(id, vectors{"dot": qdrant.NewVector(1, 1)}, map[string]any{"k": "a"})
	}
	upsert := func(ps ...*qdrant.PointStruct) error {
		_, err := c.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "c", Points: ps})
		return err
	}
	c.ok(upsert(dot(1), dot(2)))
	expectCode(t, "batch of three", upsert(dot(1), dot(2), dot(3)), codes.InvalidArgument)
	indexed := qdrant.NewMatch("k", "a")
	q := func(r *qdrant.QueryPoints) *qdrant.QueryPoints {
		r.CollectionName, r.Query, r.Using = "c", qdrant.NewQuery(1, 1), proto.String("dot")
		if r.Limit == nil {
			r.Limit = proto.Uint64(2)
		}
		return r
	}
	for name, tt := range map[string]struct {
		r    *qdrant.QueryPoints
		want codes.Code
	}{
		"indexed":      {q(&qdrant.QueryPoints{Filter: &qdrant.Filter{Must: []*qdrant.Condition{indexed, indexed}}}), codes.OK},
		"limit":        {q(&qdrant.QueryPoints{Limit: proto.Uint64(4)}), codes.InvalidArgument},
		"timeout":      {q(&qdrant.QueryPoints{Timeout: proto.Uint64(11)}), codes.InvalidArgument},
		"exact":        {q(&qdrant.QueryPoints{Params: &qdrant.SearchParams{Exact: proto.Bool(true)}}), codes.InvalidArgument},
		"ef":           {q(&qdrant.QueryPoints{Params: &qdrant.SearchParams{HnswEf: proto.Uint64(65)}}), codes.InvalidArgument},
		"oversampling": {q(&qdrant.QueryPoints{Params: &qdrant.SearchParams{Quantization: &qdrant.QuantizationSearchParams{Oversampling: proto.Float64(3)}}}), codes.InvalidArgument},
		"unindexed":    {q(&qdrant.QueryPoints{Filter: &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("u", "a")}}}), codes.InvalidArgument},
		"wrong index":  {q(&qdrant.QueryPoints{Filter: &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchInt("k", 1)}}}), codes.InvalidArgument},
		"conditions":   {q(&qdrant.QueryPoints{Filter: &qdrant.Filter{Must: []*qdrant.Condition{indexed, indexed, indexed}}}), codes.InvalidArgument},
		"nested unindexed": {q(&qdrant.QueryPoints{Filter: &qdrant.Filter{Must: []*qdrant.Condition{
			qdrant.NewNestedFilter("l", &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("k", "a")}}),
		}}}), codes.InvalidArgument},
		"condition size": {q(&qdrant.QueryPoints{Filter: &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchKeywords("k", "a", "b", "c")}}}), codes.InvalidArgument},
		"prefetch": {&qdrant.QueryPoints{
			CollectionName: "c", Prefetch: []*qdrant.PrefetchQuery{{Query: qdrant.NewQuery(1, 1), Using: proto.String("dot"), Limit: proto.Uint64(4)}},
			Query: qdrant.NewQueryFusion(qdrant.Fusion_RRF), Limit: proto.Uint64(2),
		}, codes.InvalidArgument},
	} {
		_, err := c.Query(t.Context(), tt.r)
		expectCode(t, name, err, tt.want)
	}
	_, err = c.pointsServer.Delete(t.Context(), &qdrant.DeletePoints{CollectionName: "c", Points: qdrant.NewPointsSelectorFilter(&qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewRange("n", &qdrant.Range{})}})})
	expectCode(t, "delete by an unindexed field", err, codes.InvalidArgument)
	_, err = c.CreateFieldIndex(t.Context(), &qdrant.CreateFieldIndexCollection{CollectionName: "c", FieldName: "u", FieldType: qdrant.FieldType_FieldTypeKeyword.Enum()})
	expectCode(t, "second index", err, codes.InvalidArgument)
	_, err = c.Update(t.Context(), &qdrant.UpdateCollection{CollectionName: "c", StrictModeConfig: &qdrant.StrictModeConfig{Enabled: proto.Bool(false)}})
	c.ok(err)
	c.ok(upsert(dot(1), dot(2), dot(3)))
}

func TestLookupFrom(t *testing.T) {
	c := small(t, dotPoint(1, 1, 0), dotPoint(2, 0, 1))
	_, err := c.Create(t.Context(), &qdrant.CreateCollection{CollectionName: "other", VectorsConfig: qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{
		"w": {Size: 2, Distance: qdrant.Distance_Dot}, "wide": {Size: 3, Distance: qdrant.Distance_Dot},
	})})
	c.ok(err)
	_, err = c.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "other", Points: []*qdrant.PointStruct{
		point(1, vectors{"w": qdrant.NewVector(0, 5), "wide": qdrant.NewVector(1, 2, 3)}, nil),
	}})
	c.ok(err)
	from := func(collection, vector string) *qdrant.QueryPoints {
		return &qdrant.QueryPoints{
			CollectionName: "c", Query: qdrant.NewQueryID(qdrant.NewIDNum(1)), Using: proto.String("dot"),
			LookupFrom: &qdrant.LookupLocation{CollectionName: collection, VectorName: &vector},
		}
	}
	// The id is one of another collection, so the point of that id is found.
	expect(t, "other collection", c.found(from("other", "w")), []string{"2:5", "1:0"})
	expect(t, "same collection", c.found(from("c", "euc")), []string{"2:0"})
	for name, tt := range map[string]struct {
		q    *qdrant.QueryPoints
		want codes.Code
	}{
		"dimension": {from("other", "wide"), codes.InvalidArgument}, "name": {from("other", "no"), codes.InvalidArgument}, "collection": {from("no", "w"), codes.NotFound},
	} {
		_, err := c.Query(t.Context(), tt.q)
		expectCode(t, name, err, tt.want)
	}
}

func TestDatatypes(t *testing.T) {
	c := callsTo(t, OpenMemory())
	params := func(d qdrant.Distance, dt qdrant.Datatype) *qdrant.VectorParams {
		return &qdrant.VectorParams{Size: 2, Distance: d, Datatype: &dt}
	}
	_, err := c.Create(t.Context(), &qdrant.CreateCollection{CollectionName: "c", VectorsConfig: qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{
		"u8": params(qdrant.Distance_Dot, qdrant.Datatype_Uint8), "u8c": params(qdrant.Distance_Cosine, qdrant.Datatype_Uint8),
		"f16": params(qdrant.Distance_Dot, qdrant.Datatype_Float16), "f16e": params(qdrant.Distance_Euclid, qdrant.Datatype_Float16), "f16m": params(qdrant.Distance_Manhattan, qdrant.Datatype_Float16),
		"man": params(qdrant.Distance_Manhattan, qdrant.Datatype_Float32),
	})})
	c.ok(err)
	v := func() *qdrant.Vector { return qdrant.NewVector(300, 4.9) }
	_, err = c.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "c", Points: []*qdrant.PointStruct{
		point(1, vectors{"u8": v(), "u8c": qdrant.NewVector(3, 4), "f16": v(), "f16e": v(), "f16m": v(), "man": v()}, nil),
	}})
	c.ok(err)
	near := func(using string, x, y float32) []string {
		return c.found(&qdrant.QueryPoints{Using: &using, Query: qdrant.NewQuery(x, y)})
	}
	expect(t, "bytes saturate and lose fractions", near("u8", 1, 2.9), []string{"1:263"})
	expect(t, "cosine of bytes", near("u8c", 6, 8), []string{"1:1"})
	expect(t, "halves", near("f16", 0, 1), []string{"1:4.898"})
	expect(t, "euclid of halves", near("f16e", 300, 0.8984375), []string{"1:4"})
	expect(t, "manhattan of halves", near("f16m", 299, 4.9), []string{"1:1"})
	expect(t, "manhattan", near("man", 299, 4.9), []string{"1:1"})
}

func TestCollectionInfo(t *testing.T) {
	c := small(t, point(1, vectors{"dot": qdrant.NewVector(1, 1), "s": sparse(1, 1)}, map[string]any{"k": "a"}), point(2, vectors{"s": sparse()}, nil))
	c.index("k", qdrant.FieldType_FieldTypeKeyword, &qdrant.PayloadIndexParams{IndexParams: &qdrant.PayloadIndexParams_KeywordIndexParams{
		KeywordIndexParams: &qdrant.KeywordIndexParams{IsTenant: proto.Bool(true)},
	}})
	info := func() *qdrant.CollectionInfo {
		res, err := c.collectionsServer.Get(t.Context(), &qdrant.GetCollectionInfoRequest{CollectionName: "c"})
		c.ok(err)
		return res.GetResult()
	}
	got := info()
	expect(t, "points", got.GetPointsCount(), uint64(2))
	expect(t, "status", got.GetStatus(), qdrant.CollectionStatus_Green)
	expect(t, "indexed points", got.GetPayloadSchema()["k"].GetPoints(), uint64(1))
	expect(t, "index type", got.GetPayloadSchema()["k"].GetDataType(), qdrant.PayloadSchemaType_Keyword)
	expect(t, "tenant", got.GetPayloadSchema()["k"].GetParams().GetKeywordIndexParams().GetIsTenant(), true)
	expect(t, "default m", got.GetConfig().GetHnswConfig().GetM(), uint64(16))

	_, err := c.Update(t.Context(), &qdrant.UpdateCollection{
		CollectionName: "c", HnswConfig: &qdrant.HnswConfigDiff{M: proto.Uint64(8)}, OptimizersConfig: &qdrant.OptimizersConfigDiff{DeletedThreshold: proto.Float64(0.5)},
		Params: &qdrant.CollectionParamsDiff{OnDiskPayload: proto.Bool(false)},
		VectorsConfig: qdrant.NewVectorsConfigDiffMap(map[string]*qdrant.VectorParamsDiff{
			"dot": {OnDisk: proto.Bool(true), HnswConfig: &qdrant.HnswConfigDiff{M: proto.Uint64(4)}, QuantizationConfig: qdrant.NewQuantizationDiffBinary(&qdrant.BinaryQuantization{})},
		}),
		SparseVectorsConfig: qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{"s": {Modifier: qdrant.Modifier_Idf.Enum()}}),
		QuantizationConfig:  qdrant.NewQuantizationDiffScalar(&qdrant.ScalarQuantization{Type: qdrant.QuantizationType_Int8}),
	})
	c.ok(err)
	got = info()
	expect(t, "changed m", got.GetConfig().GetHnswConfig().GetM(), uint64(8))
	expect(t, "kept ef_construct", got.GetConfig().GetHnswConfig().GetEfConstruct(), uint64(100))
	expect(t, "vector m", got.GetConfig().GetParams().GetVectorsConfig().GetParamsMap().GetMap()["dot"].GetHnswConfig().GetM(), uint64(4))
	expect(t, "quantization", got.GetConfig().GetQuantizationConfig().GetScalar().GetType(), qdrant.QuantizationType_Int8)
	expect(t, "status until the next write", got.GetStatus(), qdrant.CollectionStatus_Yellow)
	w := math.Log((1-1+0.5)/(1+0.5) + 1)
	expect(t, "the new modifier counts", c.found(&qdrant.QueryPoints{Using: proto.String("s"), Query: qdrant.NewQuerySparse([]uint32{1}, []float32{1})}), []string{fmt.Sprintf("1:%.4g", w)})

	for name, r := range map[string]*qdrant.UpdateCollection{
		"vector": {VectorsConfig: qdrant.NewVectorsConfigDiffMap(map[string]*qdrant.VectorParamsDiff{"no": {}})},
		"sparse": {SparseVectorsConfig: qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{"no": {}})},
		"ef":     {HnswConfig: &qdrant.HnswConfigDiff{EfConstruct: proto.Uint64(1)}},
	} {
		r.CollectionName = "c"
		_, err := c.Update(t.Context(), r)
		expectCode(t, "update with a bad "+name, err, codes.InvalidArgument)
	}
	for name, r := range map[string]*qdrant.CreateCollection{
		"size":      {VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{Distance: qdrant.Distance_Dot})},
		"distance":  {VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{Size: 2})},
		"name":      {VectorsConfig: qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{"a/b": {Size: 2, Distance: qdrant.Distance_Dot}})},
		"sparse":    {SparseVectorsConfig: qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{"": {}})},
		"optimizer": {OptimizersConfig: &qdrant.OptimizersConfigDiff{DeletedThreshold: proto.Float64(2)}},
		"wal":       {WalConfig: &qdrant.WalConfigDiff{WalCapacityMb: proto.Uint64(0)}},
		"strict":    {StrictModeConfig: &qdrant.StrictModeConfig{MaxQueryLimit: proto.Uint32(0)}},
		"shards":    {ShardNumber: proto.Uint32(0)},
		"twice": {
			VectorsConfig:       qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{"a": {Size: 2, Distance: qdrant.Distance_Dot}}),
			SparseVectorsConfig: qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{"a": {}}),
		},
	} {
		r.CollectionName = "new"
		_, err := c.Create(t.Context(), r)
		expectCode(t, "create with a bad "+name, err, codes.InvalidArgument)
	}
	list, err := c.List(t.Context(), &qdrant.ListCollectionsRequest{})
	c.ok(err)
	expect(t, "collections", len(list.GetCollections()), 1)
	there, err := c.CollectionExists(t.Context(), &qdrant.CollectionExistsRequest{CollectionName: "new"})
	c.ok(err)
	expect(t, "new exists", there.GetResult().GetExists(), false)
}
