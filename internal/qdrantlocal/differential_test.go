package qdrantlocal

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

var differentialSeeds = flag.Uint64("seeds", 3, "how many random sequences of calls TestDifferential makes")

// TestDifferential makes the same random calls to a server and to local mode: they
// answer alike. It needs the server that RAGLOOP_QDRANT names.
func TestDifferential(t *testing.T) {
	addr := os.Getenv("RAGLOOP_QDRANT")
	if addr == "" {
		t.Skip("RAGLOOP_QDRANT names no server")
	}
	server, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageBytes)))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	calls := 0
	for seed := range *differentialSeeds {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			d := &differential{t: t, rand: rand.New(rand.NewPCG(seed, 99)), local: dialStore(t, OpenMemory()), server: server, name: fmt.Sprint("ragloop_differential_", seed)}
			defer func() { calls += d.calls }()
			drop := func(ctx context.Context) {
				if err := server.Invoke(ctx, "/qdrant.Collections/Delete", &qdrant.DeleteCollection{CollectionName: d.name}, &qdrant.CollectionOperationResponse{}); err != nil {
					t.Error(err)
				}
			}
			drop(t.Context()) // left over from an interrupted run
			defer drop(context.WithoutCancel(t.Context()))
			d.create(seed)
			// A server counts deleted points in an IDF for a while: compared is one
			// only where nothing is deleted.
			d.change(seed%3 != 0)
			d.read(seed%3 == 0)
		})
	}
	t.Logf("%d calls", calls)
}

// differential is one sequence of random calls about one collection.
type differential struct {
	t             *testing.T
	rand          *rand.Rand
	local, server *grpc.ClientConn
	name          string
	calls         int
}

// call makes one call to both and compares codes and answers.
func (d *differential) call(method string, req proto.Message) {
	d.t.Helper()
	_, want := newMessages(d.t, method)
	got := want.ProtoReflect().New().Interface()
	wantErr := d.server.Invoke(d.t.Context(), method, req, want)
	gotErr := d.local.Invoke(d.t.Context(), method, req, got)
	d.calls++
	if status.Code(wantErr) == codes.Internal && strings.Contains(wantErr.Error(), "panicked") {
		d.t.Skipf("the server panicked: %v", wantErr) // what it holds now nobody knows
	}
	difference := ""
	if status.Code(gotErr) != status.Code(wantErr) {
		difference = fmt.Sprintf("local mode says %v, the server %v", gotErr, wantErr)
	} else if wantErr == nil {
		c := comparison{ties: true}
		c.limit, c.offset = window(req)
		difference = c.diff(want, got)
	}
	if difference != "" {
		d.t.Fatalf("%s: %s\nrequest %s\nserver  %s\nlocal   %s", method, difference,
			clip([]byte(protojson.Format(req))), clip([]byte(protojson.Format(want))), clip([]byte(protojson.Format(got))))
	}
}

// create makes a collection of every kind of vector, with indexes on some keys.
func (d *differential) create(seed uint64) {
	d.call("/qdrant.Collections/Create", &qdrant.CreateCollection{
		CollectionName: d.name,
		VectorsConfig: qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{
			"dot": {Size: 3, Distance: qdrant.Distance_Dot}, "cos": {Size: 3, Distance: qdrant.Distance_Cosine}, "euc": {Size: 3, Distance: qdrant.Distance_Euclid},
			"mul": {Size: 2, Distance: qdrant.Distance_Dot, MultivectorConfig: &qdrant.MultiVectorConfig{Comparator: qdrant.MultiVectorComparator_MaxSim}},
		}),
		SparseVectorsConfig: qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{"s": {}, "idf": {Modifier: qdrant.Modifier_Idf.Enum()}}),
	})
	for i, ix := range []struct {
		key  string
		kind qdrant.FieldType
	}{
		{"a", qdrant.FieldType_FieldTypeKeyword}, {"num", qdrant.FieldType_FieldTypeInteger}, {"date", qdrant.FieldType_FieldTypeDatetime}, // facets and orders need them
		{"b", qdrant.FieldType_FieldTypeInteger}, {"c", qdrant.FieldType_FieldTypeBool}, {"fl", qdrant.FieldType_FieldTypeFloat}, {"geo", qdrant.FieldType_FieldTypeGeo},
		{"txt", qdrant.FieldType_FieldTypeText}, {"items[].q", qdrant.FieldType_FieldTypeInteger}, {"b.a", qdrant.FieldType_FieldTypeKeyword},
	} {
		if i > 2 && d.rand.IntN(2) == 0 {
			continue
		}
		req := &qdrant.CreateFieldIndexCollection{CollectionName: d.name, FieldName: ix.key, FieldType: &ix.kind, Wait: proto.Bool(true)}
		if ix.key == "txt" && seed%2 == 0 {
			req.FieldIndexParams = qdrant.NewPayloadIndexParamsText(&qdrant.TextIndexParams{Tokenizer: qdrant.TokenizerType_Word, Lowercase: proto.Bool(true), PhraseMatching: proto.Bool(true)})
		}
		d.call("/qdrant.Points/CreateFieldIndex", req)
	}
}

// change stores points and changes them; what is stored then is compared.
func (d *differential) change(deletes bool) {
	wait := proto.Bool(true)
	id := func() uint64 { return uint64(d.rand.IntN(60)) }
	var all []*qdrant.PointStruct
	for n := range uint64(60) {
		all = append(all, d.point(n))
	}
	d.call("/qdrant.Points/Upsert", &qdrant.UpsertPoints{CollectionName: d.name, Wait: wait, Points: all})
	for range 40 {
		some := selectIDs(id(), id())
		switch n := d.rand.IntN(9); {
		case n == 0 && deletes:
			d.call("/qdrant.Points/Upsert", &qdrant.UpsertPoints{CollectionName: d.name, Wait: wait, Points: []*qdrant.PointStruct{d.point(id() + 10)}})
		case n == 1 && deletes:
			d.call("/qdrant.Points/Delete", &qdrant.DeletePoints{CollectionName: d.name, Wait: wait, Points: selectIDs(id())})
		case n == 2 || n == 3:
			req := &qdrant.SetPayloadPoints{CollectionName: d.name, Wait: wait, Payload: randomPayload(d.rand), PointsSelector: some}
			if d.rand.IntN(2) == 0 {
				req.PointsSelector = qdrant.NewPointsSelectorFilter(d.filter(2))
			}
			if d.rand.IntN(2) == 0 {
				req.Key = proto.String(pick(d.rand, "a", "b", "b.x", "items2", "new.deep", "items[]"))
			}
			d.call("/qdrant.Points/SetPayload", req)
		case n == 4 && d.rand.IntN(3) == 0:
			d.call("/qdrant.Points/OverwritePayload", &qdrant.SetPayloadPoints{CollectionName: d.name, Wait: wait, Payload: d.payload(), PointsSelector: some})
		case n == 5: // no "c[]", which the index of c does not notice on a server of 1.19
			d.call("/qdrant.Points/DeletePayload", &qdrant.DeletePayloadPoints{CollectionName: d.name, Wait: wait, Keys: []string{pick(d.rand, "a", "b.a", "fl", "items[].n", "zz")}, PointsSelector: some})
		case n == 6:
			d.call("/qdrant.Points/ClearPayload", &qdrant.ClearPayloadPoints{CollectionName: d.name, Wait: wait, Points: selectIDs(id())})
		case n == 7:
			d.call("/qdrant.Points/UpdateVectors", &qdrant.UpdatePointVectors{CollectionName: d.name, Wait: wait, Points: []*qdrant.PointVectors{
				{Id: qdrant.NewIDNum(id()), Vectors: qdrant.NewVectorsMap(vectors{"dot": qdrant.NewVectorDense(d.dense(3))})},
			}})
		case n == 8:
			d.call("/qdrant.Points/DeleteVectors", &qdrant.DeletePointVectors{CollectionName: d.name, Wait: wait, PointsSelector: some, Vectors: &qdrant.VectorsSelector{Names: []string{"euc"}}})
		}
	}
	d.call("/qdrant.Points/Scroll", &qdrant.ScrollPoints{CollectionName: d.name, Limit: proto.Uint32(1000), WithVectors: qdrant.NewWithVectors(true)})
}

// read queries what is stored in every way.
func (d *differential) read(idf bool) {
	for i := range 60 {
		q := &qdrant.QueryPoints{CollectionName: d.name, Filter: d.maybe(), Limit: proto.Uint64(uint64(1 + d.rand.IntN(20))), WithPayload: qdrant.NewWithPayload(d.rand.IntN(4) == 0)}
		if d.rand.IntN(4) == 0 {
			q.Offset = proto.Uint64(uint64(d.rand.IntN(5)))
		}
		if d.rand.IntN(5) == 0 {
			q.ScoreThreshold = proto.Float32(float32(d.rand.NormFloat64()))
		}
		switch i % 7 {
		case 0, 1:
			q.Query, q.Using = d.query(idf)
		case 2:
			q.Prefetch = d.prefetches(1+d.rand.IntN(3), idf)
			weights := make([]float32, len(q.Prefetch))
			for i := range weights {
				weights[i] = float32(d.rand.Float64() + 0.1)
			}
			q.Query = qdrant.NewQueryRRF(&qdrant.Rrf{K: proto.Uint32(uint32(1 + d.rand.IntN(60))), Weights: weights})
		case 3:
			q.Prefetch, q.Query = d.prefetches(1+d.rand.IntN(3), idf), qdrant.NewQueryFusion(qdrant.Fusion_DBSF)
		case 4:
			q.Prefetch, q.Query = d.prefetches(1, idf), qdrant.NewQueryFormula(d.formula())
		case 5:
			q.Query, q.ScoreThreshold, q.Offset = qdrant.NewQueryOrderBy(&qdrant.OrderBy{Key: pick(d.rand, "num", "date"), Direction: qdrant.Direction(d.rand.IntN(2)).Enum()}), nil, nil
		case 6:
			q.Query = qdrant.NewQueryMMR(qdrant.NewVectorInputDense(d.dense(3)), &qdrant.Mmr{Diversity: proto.Float32(float32(d.rand.Float64())), CandidatesLimit: proto.Uint32(uint32(5 + d.rand.IntN(30)))})
			q.Using, q.Offset = proto.String(pick(d.rand, "dot", "cos")), nil
		}
		d.call("/qdrant.Points/Query", q)
		d.call("/qdrant.Points/Scroll", &qdrant.ScrollPoints{CollectionName: d.name, Limit: proto.Uint32(uint32(1 + d.rand.IntN(70))), Filter: d.filter(2), WithPayload: qdrant.NewWithPayload(false)})
		d.call("/qdrant.Points/Count", &qdrant.CountPoints{CollectionName: d.name, Filter: d.filter(2), Exact: proto.Bool(true)})
		if i%6 == 0 {
			d.call("/qdrant.Points/Facet", &qdrant.FacetCounts{CollectionName: d.name, Key: "a", Filter: d.maybe(), Exact: proto.Bool(true)})
			query, using := d.query(idf)
			d.call("/qdrant.Points/QueryGroups", &qdrant.QueryPointGroups{
				CollectionName: d.name, Query: query, Using: using, GroupBy: pick(d.rand, "num", "g", "items[].q"), GroupSize: proto.Uint64(2), Limit: proto.Uint64(4), Filter: d.maybe(),
			})
		}
	}
}

func (d *differential) maybe() *qdrant.Filter {
	if d.rand.IntN(2) == 0 {
		return nil
	}
	return d.filter(2)
}
