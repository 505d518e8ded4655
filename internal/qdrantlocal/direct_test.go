package qdrantlocal

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

func dialDirect(t testing.TB, s *Store) *grpc.ClientConn {
	t.Helper()
	cfg := s.Connect()
	cc, err := grpc.NewClient(cfg.Host, append(cfg.GrpcOptions, s.Direct(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return cc
}

// TestDirect: the short way answers as the server does, errors included, leaves
// requests as they are, and knows the end of a context and of a connection.
func TestDirect(t *testing.T) {
	s := openStore(t, t.TempDir())
	c := callsTo(t, s)
	c.createHybrid("c")
	c.upsert("c", 1, 2, 3, 4, 5, 6)
	cc := dialDirect(t, s)
	short, long := qdrant.NewPointsClient(cc), qdrant.NewPointsClient(dialStore(t, s))
	dense := &qdrant.QueryPoints{
		CollectionName: "c", Using: proto.String("d"), Query: qdrant.NewQueryDense([]float32{2, 3, 4}), Limit: proto.Uint64(4),
		WithPayload: qdrant.NewWithPayloadInclude("doc", "missing", "nested"), WithVectors: qdrant.NewWithVectors(true),
		Filter: &qdrant.Filter{MustNot: []*qdrant.Condition{qdrant.NewMatch("doc", "doc-1")}},
	}
	sparse := &qdrant.QueryPoints{
		CollectionName: "c", Using: proto.String("s"), Query: qdrant.NewQuerySparse([]uint32{4, 2, 1}, []float32{1, 2, 3}),
		WithPayload: qdrant.NewWithPayloadInclude("nested.list"),
	}
	for name, r := range map[string]*qdrant.QueryBatchPoints{
		"two legs":      {CollectionName: "c", QueryPoints: []*qdrant.QueryPoints{dense, sparse}},
		"no query":      {CollectionName: "c"},
		"no collection": {CollectionName: "none", QueryPoints: []*qdrant.QueryPoints{dense}},
		"no vector":     {CollectionName: "c", QueryPoints: []*qdrant.QueryPoints{{CollectionName: "c", Using: proto.String("x"), Query: qdrant.NewQuery(1)}}},
	} {
		before := proto.CloneOf(r)
		got, gotErr := short.QueryBatch(t.Context(), r)
		want, wantErr := long.QueryBatch(t.Context(), before)
		if diff := cmp.Diff(want.GetResult(), got.GetResult(), protocmp.Transform()); diff != "" {
			t.Errorf("%s (-server +direct):\n%s", name, diff)
		}
		if status.Convert(gotErr).String() != status.Convert(wantErr).String() {
			t.Errorf("%s: error %v, of the server %v", name, gotErr, wantErr)
		}
		if !proto.Equal(r, before) {
			t.Errorf("%s: the request is now %v, was %v", name, r, before)
		}
	}
	get := &qdrant.GetPoints{
		CollectionName: "c", Ids: []*qdrant.PointId{qdrant.NewIDNum(5), qdrant.NewIDNum(9), qdrant.NewIDNum(1), qdrant.NewIDNum(5)},
		WithPayload: qdrant.NewWithPayload(true), WithVectors: qdrant.NewWithVectorsInclude("d"),
	}
	got, err := short.Get(t.Context(), get)
	if err != nil {
		t.Fatal(err)
	}
	want, err := long.Get(t.Context(), get)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.GetResult(), got.GetResult(), protocmp.Transform()); diff != "" {
		t.Errorf("Get (-server +direct):\n%s", diff)
	}
	// Answers stay what they are when the points change: only payloads are shared.
	kept := proto.CloneOf(got)
	c.upsert("c", 15)
	_, err = c.SetPayload(t.Context(), &qdrant.SetPayloadPoints{
		CollectionName: "c", PointsSelector: selectIDs(5, 1), Key: proto.String("nested"), Payload: qdrant.NewValueMap(map[string]any{"list": "gone"}),
	})
	c.ok(err)
	_, err = c.UpdateVectors(t.Context(), &qdrant.UpdatePointVectors{CollectionName: "c", Points: []*qdrant.PointVectors{{
		Id: qdrant.NewIDNum(5), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"d": qdrant.NewVectorDense([]float32{9, 0, 0})}),
	}}})
	c.ok(err)
	if diff := cmp.Diff(kept, got, protocmp.Transform()); diff != "" {
		t.Errorf("an answer changed with the store:\n%s", diff)
	}

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = short.Get(ended, get)
	expectCode(t, "Get after the end of its context", err, codes.Canceled)
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	_, err = short.QueryBatch(late, &qdrant.QueryBatchPoints{CollectionName: "c", QueryPoints: []*qdrant.QueryPoints{dense}})
	expectCode(t, "QueryBatch after its deadline", err, codes.DeadlineExceeded)
	if err := cc.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = short.Get(t.Context(), get)
	expectCode(t, "Get by a closed connection", err, codes.Canceled)
}

// TestDirectSeesChangesThrough: a call that changes the store and has begun goes on
// when its context ends; one that reads does not.
func TestDirectSeesChangesThrough(t *testing.T) {
	s := openStore(t, t.TempDir())
	cc := dialDirect(t, s)
	calledOff := []string{ // they read, or are not implemented
		"Get", "List", "ListCollectionAliases", "ListAliases", "CollectionClusterInfo", "CollectionExists",
		"UpdateCollectionClusterSetup", "CreateShardKey", "DeleteShardKey", "ListShardKeys",
		"Search", "SearchBatch", "SearchGroups", "SearchMatrixPairs", "SearchMatrixOffsets",
		"Recommend", "RecommendBatch", "RecommendGroups", "Discover", "DiscoverBatch",
		"Query", "QueryBatch", "QueryGroups", "Scroll", "Count", "Facet",
	}
	for _, service := range []grpc.ServiceDesc{qdrant.Collections_ServiceDesc, qdrant.Points_ServiceDesc} {
		for _, m := range service.Methods {
			method := "/" + service.ServiceName + "/" + m.MethodName
			ctx, cancel := context.WithCancel(t.Context())
			call := func(end func()) error {
				return s.direct(ctx, method, nil, nil, cc, func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
					end()
					return ctx.Err()
				})
			}
			if err, want := call(cancel), slices.Contains(calledOff, m.MethodName); (err != nil) != want {
				t.Errorf("%s, its context ended under way: %v", method, err)
			}
			if err := call(func() {}); !errors.Is(err, context.Canceled) {
				t.Errorf("%s after the end of its context: %v", method, err)
			}
		}
	}
}
