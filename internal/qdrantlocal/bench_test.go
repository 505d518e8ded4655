package qdrantlocal

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
)

const benchDim = 384

// benchPoints looks like a batch of chunks: a dense and a sparse vector, some
// indexed fields and about 1 KiB of text.
func benchPoints(r *rand.Rand, from, n int) []*qdrant.PointStruct {
	ps := make([]*qdrant.PointStruct, n)
	for i := range ps {
		id := uint64(from + i)
		var indices []uint32
		var values []float32
		for dim := uint32(r.IntN(50)); len(indices) < 60; dim += 1 + uint32(r.IntN(300)) {
			indices, values = append(indices, dim), append(values, r.Float32())
		}
		ps[i] = &qdrant.PointStruct{
			Id: qdrant.NewIDNum(id),
			Vectors: qdrant.NewVectorsMap(vectors{
				"dense": qdrant.NewVectorDense(randomVector(r, benchDim)), "bm25": qdrant.NewVectorSparse(indices, values),
			}),
			Payload: qdrant.NewValueMap(map[string]any{
				"tenant": fmt.Sprint("t", id%4), "doc": fmt.Sprint("doc-", id/16), "ord": int64(id % 16), "rev": "r1",
				"start": int64(id * 900), "end": int64(id*900 + 1000), "text": strings.Repeat("lorem ipsum ", 85),
			}),
		}
	}
	return ps
}

func randomVector(r *rand.Rand, dim int) []float32 {
	v := make([]float32, dim)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

func benchCollection(b testing.TB, s *Store) calls {
	c := callsTo(b, s)
	_, err := c.Create(b.Context(), &qdrant.CreateCollection{
		CollectionName:      "c",
		VectorsConfig:       qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{"dense": {Size: benchDim, Distance: qdrant.Distance_Cosine}}),
		SparseVectorsConfig: qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{"bm25": {Modifier: qdrant.Modifier_Idf.Enum()}}),
	})
	c.ok(err)
	for _, field := range []string{"tenant", "doc", "rev"} {
		_, err := c.CreateFieldIndex(b.Context(), &qdrant.CreateFieldIndexCollection{CollectionName: "c", FieldName: field, FieldType: qdrant.FieldType_FieldTypeKeyword.Enum()})
		c.ok(err)
	}
	return c
}

func (c calls) insert(ps []*qdrant.PointStruct) {
	_, err := c.Upsert(c.t.Context(), &qdrant.UpsertPoints{CollectionName: "c", Wait: proto.Bool(true), Points: ps})
	c.ok(err)
}

// BenchmarkUpsert stores batches of 256 points, each batch durable before the
// next. One operation is one batch.
func BenchmarkUpsert(b *testing.B) {
	for _, kind := range []string{"memory", "disk"} {
		b.Run(kind, func(b *testing.B) {
			s := OpenMemory()
			if kind == "disk" {
				s = openStore(b, b.TempDir())
			}
			c := benchCollection(b, s)
			r := rand.New(rand.NewPCG(1, 1))
			batches := make([][]*qdrant.PointStruct, 16)
			for i := range batches {
				batches[i] = benchPoints(r, i*256, 256)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				c.insert(batches[i%len(batches)])
			}
			b.ReportMetric(256*float64(b.N)/b.Elapsed().Seconds(), "points/s")
		})
	}
}

// BenchmarkQuery searches 10,000 points.
func BenchmarkQuery(b *testing.B) {
	c := benchCollection(b, OpenMemory())
	r := rand.New(rand.NewPCG(2, 2))
	for i := range 10_000 / 250 {
		c.insert(benchPoints(r, i*250, 250))
	}
	dense := qdrant.NewQueryDense(randomVector(r, benchDim))
	sparse := benchPoints(r, 0, 1)[0].GetVectors().GetVectors().GetVectors()["bm25"].GetSparse()
	words := qdrant.NewQuerySparse(sparse.GetIndices()[:8], sparse.GetValues()[:8])
	tenant := &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("tenant", "t1")}}
	oneDoc := &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("tenant", "t1"), qdrant.NewMatch("doc", "doc-7")}}
	unindexed := &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchInt("ord", 1)}}
	for _, q := range []struct {
		name   string
		query  *qdrant.Query
		using  string
		filter *qdrant.Filter
	}{
		{"dense", dense, "dense", nil},
		{"dense_tenant", dense, "dense", tenant},
		{"dense_doc", dense, "dense", oneDoc},
		{"dense_unindexed", dense, "dense", unindexed},
		{"sparse", words, "bm25", nil},
		{"sparse_tenant", words, "bm25", tenant},
	} {
		b.Run(q.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				res, err := c.Query(b.Context(), &qdrant.QueryPoints{
					CollectionName: "c", Query: q.query, Using: &q.using, Filter: q.filter, Limit: proto.Uint64(100),
					WithPayload: qdrant.NewWithPayload(true),
				})
				if err != nil || len(res.GetResult()) == 0 {
					b.Fatal(len(res.GetResult()), err)
				}
			}
		})
	}
}

// BenchmarkSearch makes the calls of one search the direct way: two legs of 100
// among 10,000 points of a tenant, the scores of what only one of them found, and
// the records of the documents.
func BenchmarkSearch(b *testing.B) {
	s := OpenMemory()
	c := benchCollection(b, s)
	r := rand.New(rand.NewPCG(2, 2))
	for i := range 10_000 / 250 {
		points := benchPoints(r, i*250, 250)
		for _, p := range points {
			p.Id = qdrant.NewIDUUID(fmt.Sprintf("00000000-0000-0000-0000-%012d", p.GetId().GetNum()))
			p.Payload["tenant"] = qdrant.NewValueString("t")
		}
		c.insert(points)
	}
	scope := func(must ...*qdrant.Condition) *qdrant.Filter {
		return &qdrant.Filter{Must: append([]*qdrant.Condition{qdrant.NewMatch("tenant", "t")}, must...)}
	}
	ask := func(using string, q *qdrant.Query, filter *qdrant.Filter) *qdrant.QueryPoints {
		return &qdrant.QueryPoints{
			CollectionName: "c", Using: &using, Query: q, Limit: proto.Uint64(100), WithVectors: qdrant.NewWithVectors(false),
			WithPayload: qdrant.NewWithPayload(using == "dense"), Filter: filter,
		}
	}
	dense := qdrant.NewQueryDense(randomVector(r, benchDim))
	sparse := benchPoints(r, 0, 1)[0].GetVectors().GetVectors().GetVectors()["bm25"].GetSparse()
	words := qdrant.NewQuerySparse(sparse.GetIndices()[:8], sparse.GetValues()[:8])
	search := qdrant.NewPointsClient(dialDirect(b, s))
	batch := func(qs ...*qdrant.QueryPoints) []*qdrant.BatchResult {
		res, err := search.QueryBatch(b.Context(), &qdrant.QueryBatchPoints{CollectionName: "c", QueryPoints: qs})
		if err != nil {
			b.Fatal(err)
		}
		return res.GetResult()
	}
	all := scope()
	legs := []*qdrant.QueryPoints{ask("dense", dense, all), ask("bm25", words, all)}
	ids := make([][]*qdrant.PointId, len(legs))
	for i, found := range batch(legs...) {
		for _, p := range found.GetResult() {
			ids[i] = append(ids[i], p.GetId())
		}
	}
	completion := []*qdrant.QueryPoints{ask("dense", dense, scope(qdrant.NewHasID(ids[1]...))), ask("bm25", words, scope(qdrant.NewHasID(ids[0]...)))}
	records := &qdrant.GetPoints{
		CollectionName: "c", Ids: append(ids[0][:75:75], ids[1][:75]...),
		WithPayload: qdrant.NewWithPayload(true), WithVectors: qdrant.NewWithVectors(false),
	}
	for range 40 { // until there are coarse copies
		batch(legs...)
	}
	for _, release := range []bool{false, true} {
		b.Run(fmt.Sprintf("release=%v", release), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, queries := range [][]*qdrant.QueryPoints{legs, completion} {
					if results := batch(queries...); release {
						Release(results)
					}
				}
				res, err := search.Get(b.Context(), records)
				if err != nil || len(res.GetResult()) < 100 {
					b.Fatal(len(res.GetResult()), err)
				}
				if release {
					ReleasePoints(res.GetResult())
				}
			}
		})
	}
}

// BenchmarkOpen replays a log of 10,000 points.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := openStore(b, dir)
	c := benchCollection(b, s)
	r := rand.New(rand.NewPCG(3, 3))
	for i := range 10_000 / 250 {
		c.insert(benchPoints(r, i*250, 250))
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := Open(b.Context(), Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
