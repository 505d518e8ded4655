package qdrantlocal

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
)

// randomPayload uses few keys and values, so that conditions meet often.
func randomPayload(r *rand.Rand) payload {
	value := func() any {
		switch r.IntN(8) {
		case 0:
			return nil
		case 1:
			return r.IntN(2) == 0
		case 2:
			return float64(r.IntN(6)) / 2
		case 3, 4:
			return int64(r.IntN(3))
		}
		return string(rune('a' + r.IntN(3)))
	}
	m := map[string]any{}
	for _, k := range []string{"a", "b", "c"} {
		switch r.IntN(4) {
		case 0:
		case 1:
			var l []any
			for range r.IntN(3) {
				l = append(l, value())
			}
			m[k] = l
		case 2:
			m[k] = map[string]any{"a": value()}
		default:
			m[k] = value()
		}
	}
	return qdrant.NewValueMap(m)
}

func randomFilter(r *rand.Rand, depth int) *qdrant.Filter {
	f := &qdrant.Filter{}
	for range r.IntN(3) {
		c := randomCondition(r, depth)
		switch r.IntN(4) {
		case 0:
			f.Must = append(f.Must, c)
		case 1:
			f.Should = append(f.Should, c)
		case 2:
			f.MustNot = append(f.MustNot, c)
		default:
			if f.MinShould == nil {
				f.MinShould = &qdrant.MinShould{MinCount: uint64(r.IntN(3))}
			}
			f.MinShould.Conditions = append(f.MinShould.Conditions, c)
		}
	}
	return f
}

func randomCondition(r *rand.Rand, depth int) *qdrant.Condition {
	key := []string{"a", "b", "c", "b.a", "c[]", "a[0]"}[r.IntN(6)]
	word := string(rune('a' + r.IntN(3)))
	switch n := r.IntN(12); {
	case n == 0 && depth > 0:
		return qdrant.NewFilterAsCondition(randomFilter(r, depth-1))
	case n == 1:
		return qdrant.NewHasID(qdrant.NewIDNum(uint64(r.IntN(40))), qdrant.NewIDNum(uint64(r.IntN(40))))
	case n == 2:
		return qdrant.NewIsEmpty(key)
	case n == 3:
		return qdrant.NewIsNull(key)
	case n == 4:
		return qdrant.NewMatchKeywords(key, word, "a")
	case n == 5:
		return qdrant.NewMatchExcept(key, word)
	case n == 6:
		return qdrant.NewMatchBool(key, r.IntN(2) == 0)
	case n == 7:
		return qdrant.NewRange(key, &qdrant.Range{Gt: proto.Float64(float64(r.IntN(3))), Lte: proto.Float64(float64(r.IntN(5)))})
	case n == 8:
		return qdrant.NewMatchInt(key, int64(r.IntN(3)))
	case n == 9:
		return qdrant.NewHasVector("dot")
	}
	return qdrant.NewMatch(key, word)
}

// TestFilterEvaluation: whole sets, which use indexes, select exactly the
// points that pass one by one; and so they do after random changes.
func TestFilterEvaluation(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		c := small(t)
		col, err := c.pointsServer.s.resolve("c")
		c.ok(err)
		for i, kind := range []qdrant.FieldType{
			qdrant.FieldType_FieldTypeKeyword, qdrant.FieldType_FieldTypeInteger, qdrant.FieldType_FieldTypeFloat, qdrant.FieldType_FieldTypeBool,
		} {
			if r.IntN(2) == 0 {
				_, err := c.CreateFieldIndex(t.Context(), &qdrant.CreateFieldIndexCollection{
					CollectionName: "c", FieldName: []string{"a", "b", "c", "b.a"}[i], FieldType: &kind,
				})
				c.ok(err)
			}
		}
		for range 60 {
			id := uint64(r.IntN(40))
			if r.IntN(4) == 0 {
				_, err := c.pointsServer.Delete(t.Context(), &qdrant.DeletePoints{CollectionName: "c", Points: selectIDs(id)})
				c.ok(err)
				continue
			}
			p := point(id, vectors{}, nil)
			if r.IntN(2) == 0 {
				p = dotPoint(id, 1, 1)
			}
			p.Payload = randomPayload(r)
			_, err := c.Upsert(t.Context(), &qdrant.UpsertPoints{CollectionName: "c", Points: []*qdrant.PointStruct{p}})
			c.ok(err)
		}
		m := &memory{}
		for range 40 {
			f := randomFilter(r, 2)
			m.reset()
			got, err := col.selectFiltered(t.Context(), f, m)
			c.ok(err)
			scribble := m.words[len(m.words):cap(m.words)] // what is left of m is nobody's
			for i := range scribble {
				scribble[i] = r.Uint64()
			}
			cl, err := compileFilter(f, col, nil)
			c.ok(err)
			var want bitset
			col.live.each(func(s slot) bool {
				if cl.match(s, col.payloads[s]) {
					want.set(s)
				}
				return true
			})
			if diff := cmp.Diff(col.idsOf(want), col.idsOf(got)); diff != "" {
				t.Fatalf("seed %d, filter %v (-one by one +as sets):\n%s", seed, f, diff)
			}
		}
		checkIndexes(t, col)
	}
}

func (c *collection) idsOf(set bitset) []string {
	ids := []string{}
	for _, s := range c.inOrderOf(set) {
		ids = append(ids, c.points[s].String())
	}
	return ids
}

// checkIndexes compares every index with one built afresh.
func checkIndexes(t *testing.T, c *collection) {
	t.Helper()
	for key, ix := range c.indexes {
		fresh, err := newFieldIndex(ix.path, ix.schema, ix.params)
		if err != nil {
			t.Fatal(err)
		}
		c.live.each(func(s slot) bool {
			fresh.add(s, c.payloads[s])
			return true
		})
		if fresh.points != ix.points {
			t.Errorf("index %s counts %d points, has %d", key, ix.points, fresh.points)
		}
		for _, f := range []*qdrant.FieldCondition{
			{Key: key, Match: &qdrant.Match{MatchValue: &qdrant.Match_ExceptKeywords{ExceptKeywords: &qdrant.RepeatedStrings{}}}},
			{Key: key, Range: &qdrant.Range{}}, {Key: key, Match: &qdrant.Match{MatchValue: &qdrant.Match_Boolean{Boolean: true}}},
		} {
			want, ok := fresh.values.predicate(f)
			if !ok {
				continue
			}
			got, _ := ix.values.predicate(f)
			if diff := cmp.Diff(c.idsOf(want.slots()), c.idsOf(got.slots())); diff != "" {
				t.Errorf("index %s (-afresh +kept):\n%s", key, diff)
			}
		}
	}
}

// TestSparseSearch compares the inverted index with products of all vectors.
func TestSparseSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	sp := &sparseSpace{inverted: map[uint32]*posting{}}
	stored := map[slot]sparseVector{}
	random := func() sparseVector {
		var v sparseVector
		for dim := range uint32(12) {
			if r.IntN(3) == 0 {
				v.indices, v.values = append(v.indices, dim), append(v.values, float32(r.IntN(9)-4))
			}
		}
		return v
	}
	for range 400 {
		s := slot(r.IntN(50))
		if r.IntN(3) == 0 {
			sp.remove(s)
			delete(stored, s)
		} else {
			stored[s] = random()
			sp.put(s, stored[s])
		}
	}
	for range 50 {
		q := random()
		want, got := map[slot]float32{}, map[slot]float32{}
		for s, v := range stored {
			if score, shared := dotSparse(q, v); shared {
				want[s] = score
			}
		}
		sp.search(q, sp.present, func(s slot, score float32) { got[s] = score })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("query %v (-products +search):\n%s", q, diff)
		}
	}
	live := 0
	for _, v := range stored {
		if len(v.indices) > 0 {
			live++
		}
	}
	if sp.indexed != live {
		t.Errorf("%d vectors counted, %d are there", sp.indexed, live)
	}
}

// TestRanker compares the bounded heap with sorting everything.
func TestRanker(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	c := &collection{}
	for i := range 200 {
		c.points = append(c.points, pointID{lo: uint64(1000 - i)})
	}
	for _, smaller := range []bool{false, true} {
		for limit := range 30 {
			few, all := ranker{c: c, smaller: smaller, limit: limit}, ranker{c: c, smaller: smaller, limit: 1000}
			for s := range slot(200) {
				h := hit{slot: s, score: float32(r.IntN(5))}
				if r.IntN(50) == 0 {
					h.score = float32(math.NaN())
				}
				if !few.hopeless(h.score) {
					few.add(h)
				}
				all.add(h)
			}
			want := fmt.Sprint(all.sorted()[:limit])
			if got := fmt.Sprint(few.sorted()); got != want {
				t.Fatalf("best %d are %v, want %v", limit, got, want)
			}
		}
	}
}

// TestFusionIgnoresInputOrder: the order of points with equal ranks does not
// come from maps, and fusing twice gives the same.
func TestFusionIgnoresInputOrder(t *testing.T) {
	c := &collection{points: []pointID{{lo: 5}, {lo: 3}, {lo: 9}, {lo: 1}}}
	lists := [][]hit{{{slot: 0, score: 3}, {slot: 1, score: 2}}, {{slot: 2, score: 8}, {slot: 3, score: 7}}}
	var got []uint64
	for _, h := range rrf(c, lists, defaultRRFK, nil) {
		got = append(got, c.points[h.slot].lo)
	}
	// Equal scores: the first list goes first.
	expect(t, "fused ids", got, []uint64{5, 9, 3, 1})
	for range 20 {
		if again := fmt.Sprint(rrf(c, lists, defaultRRFK, nil)); again != fmt.Sprint(rrf(c, lists, defaultRRFK, nil)) {
			t.Fatal("fusing the same lists gives different orders")
		}
	}
}

func TestPathsRoundTrip(t *testing.T) {
	for _, s := range []string{"a", "a.b", "a[].b", "a[0][12]", `"odd key".b`, `a."q\"u\\o"[]`, "ü-_1"} {
		p, err := parsePath(s)
		if err != nil {
			t.Fatal(err)
		}
		if p.String() != s {
			t.Errorf("path %q prints as %q", s, p.String())
		}
	}
	for _, s := range []string{"", ".", "a.", "a..b", "a[", "a[x]", "a[-1]", "a b", `"a`, `"a\x"`, "[0]", "a[99999999999]"} {
		if p, err := parsePath(s); err == nil {
			t.Errorf("path %q is read as %q", s, p)
		}
	}
}

func FuzzPath(f *testing.F) {
	f.Add(`a[].b."c d"[3]`)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePath(s)
		if err != nil {
			return
		}
		again, err := parsePath(p.String())
		if err != nil || fmt.Sprint(again) != fmt.Sprint(p) {
			t.Errorf("path %q prints as %q, which is read as %v, %v", s, p, again, err)
		}
	})
}

func TestRoundFloat16(t *testing.T) {
	for in, want := range map[float32]float32{
		0: 0, 1: 1, 0.1: 0.0999755859375, 65504: 65504, 65519: 65504, 65520: float32(math.Inf(1)), -65520: float32(math.Inf(-1)),
		6e-8: 5.9604645e-08, 2e-8: 0, 1.0004883: 1, 1.0014648: 1.0019531, 2047.5: 2048,
	} {
		if got := roundFloat16(in); got != want {
			t.Errorf("%v rounds to %v, want %v", in, got, want)
		}
	}
	if got := roundFloat16(float32(math.NaN())); got == got {
		t.Errorf("NaN rounds to %v", got)
	}
}
