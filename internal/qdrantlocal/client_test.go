package qdrantlocal

import (
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// TestClient reaches a store through an unmodified go-client.
func TestClient(t *testing.T) {
	s := openStore(t, t.TempDir())
	client, err := qdrant.NewClient(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx := t.Context()
	health, err := client.HealthCheck(ctx)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "version", health.GetVersion(), version)
	if err := client.CreateCollection(ctx, &qdrant.CreateCollection{
		CollectionName: "c", VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{Size: 2, Distance: qdrant.Distance_Cosine}),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: "c", Wait: proto.Bool(true), Points: []*qdrant.PointStruct{
		{Id: qdrant.NewIDNum(1), Vectors: qdrant.NewVectors(3, 4), Payload: qdrant.NewValueMap(map[string]any{"k": "a"})},
		{Id: qdrant.NewIDNum(2), Vectors: qdrant.NewVectors(1, 0)},
	}}); err != nil {
		t.Fatal(err)
	}
	res, err := client.Query(ctx, &qdrant.QueryPoints{CollectionName: "c", Query: qdrant.NewQuery(0, 2), Limit: proto.Uint64(1), WithPayload: qdrant.NewWithPayload(true), WithVectors: qdrant.NewWithVectors(true)})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "nearest", scored(res), []string{"1:0.8"})
	expect(t, "payload", res[0].GetPayload()["k"].GetStringValue(), "a")
	expect(t, "normalised vector", res[0].GetVectors().GetVector().GetDense().GetData(), []float32{0.6, 0.8})
}

func TestConnectAfterClose(t *testing.T) {
	s := OpenMemory()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	client, err := qdrant.NewClient(s.Connect())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, err = client.HealthCheck(t.Context())
	expectCode(t, "call of a closed store", err, codes.Unavailable)
}

// TestNothingIsIgnored asks for what local mode does not have.
func TestNothingIsIgnored(t *testing.T) {
	cc := dialStore(t, OpenMemory())
	newer := &qdrant.QueryPoints{CollectionName: "c", Params: &qdrant.SearchParams{}}
	newer.Params.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1))
	inList := &qdrant.QueryPoints{CollectionName: "c", Prefetch: []*qdrant.PrefetchQuery{{Filter: &qdrant.Filter{}}}}
	inList.Prefetch[0].Filter.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1))
	for _, tt := range []struct {
		name, method string
		req          proto.Message
	}{
		{"legacy search", "/qdrant.Points/Search", &qdrant.SearchPoints{CollectionName: "c"}},
		{"matrix", "/qdrant.Points/SearchMatrixPairs", &qdrant.SearchMatrixPoints{CollectionName: "c"}},
		{"snapshots", "/qdrant.Snapshots/Create", &qdrant.CreateSnapshotRequest{CollectionName: "c"}},
		{"shard keys", "/qdrant.Collections/CreateShardKey", &qdrant.CreateShardKeyRequest{CollectionName: "c"}},
		{"custom sharding", "/qdrant.Collections/Create", &qdrant.CreateCollection{CollectionName: "c", ShardingMethod: qdrant.ShardingMethod_Custom.Enum()}},
		{"rate limits", "/qdrant.Collections/Create", &qdrant.CreateCollection{
			CollectionName: "c", StrictModeConfig: &qdrant.StrictModeConfig{Enabled: proto.Bool(true), ReadRateLimit: proto.Uint32(1)},
		}},
		{"a field of a newer protocol", "/qdrant.Points/Query", newer},
		{"a field of a newer protocol, inside lists", "/qdrant.Points/Query", inList},
	} {
		err := cc.Invoke(t.Context(), tt.method, tt.req, &qdrant.CollectionOperationResponse{})
		expectCode(t, tt.name, err, codes.Unimplemented)
	}
}

func TestHealth(t *testing.T) {
	h := healthpb.NewHealthClient(dialStore(t, OpenMemory()))
	res, err := h.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "qdrant.Points"})
	if err != nil || res.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health is %v, %v; want SERVING", res, err)
	}
}
