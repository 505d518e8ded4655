package qdrantlocal

import (
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

func queryAnswer() *qdrant.QueryResponse {
	return &qdrant.QueryResponse{
		Time: 0.5,
		Result: []*qdrant.ScoredPoint{
			{Id: qdrant.NewIDNum(1), Score: 0.9, Version: 7, Payload: qdrant.NewValueMap(map[string]any{"k": "a"})},
			{Id: qdrant.NewIDNum(2), Score: 0.5},
			{Id: qdrant.NewIDNum(3), Score: 0.5},
			{Id: qdrant.NewIDNum(4), Score: 0.1},
		},
	}
}

// TestComparison checks that the comparer of recorded answers sees what it
// must, and overlooks only what it may.
func TestComparison(t *testing.T) {
	swap := func(i, j int) func(*qdrant.QueryResponse) {
		return func(r *qdrant.QueryResponse) { r.Result[i], r.Result[j] = r.Result[j], r.Result[i] }
	}
	for _, tt := range []struct {
		name   string
		change func(*qdrant.QueryResponse)
		ties   bool
		limit  int
		equal  bool
	}{
		{"nothing", func(*qdrant.QueryResponse) {}, false, 10, true},
		{"time and version", func(r *qdrant.QueryResponse) { r.Time, r.Result[0].Version = 9, 1 }, false, 10, true},
		{"a score times 1.000001", func(r *qdrant.QueryResponse) { r.Result[0].Score *= 1.000001 }, false, 10, true},
		{"a score times 1.0001", func(r *qdrant.QueryResponse) { r.Result[0].Score *= 1.0001 }, false, 10, false},
		{"a score times 1.0001, ties", func(r *qdrant.QueryResponse) { r.Result[3].Score *= 1.0001 }, true, 10, false},
		{"unequal results swapped", swap(0, 1), false, 10, false},
		{"unequal results swapped, ties", swap(0, 1), true, 10, false},
		{"equal results swapped", swap(1, 2), false, 10, false},
		{"equal results swapped, ties", swap(1, 2), true, 10, true},
		{"one result less", func(r *qdrant.QueryResponse) { r.Result = r.Result[:3] }, true, 10, false},
		{"another id", func(r *qdrant.QueryResponse) { r.Result[3].Id = qdrant.NewIDNum(9) }, true, 10, false},
		{"another id among the last ties of a full page", func(r *qdrant.QueryResponse) { r.Result[3].Id = qdrant.NewIDNum(9) }, true, 4, true},
		{"another id in the middle of a full page", func(r *qdrant.QueryResponse) { r.Result[2].Id = qdrant.NewIDNum(9) }, true, 4, false},
		{"another payload", func(r *qdrant.QueryResponse) { r.Result[0].Payload = qdrant.NewValueMap(map[string]any{"k": "b"}) }, true, 10, false},
		{"no payload", func(r *qdrant.QueryResponse) { r.Result[0].Payload = nil }, false, 10, false},
		{"vectors too many", func(r *qdrant.QueryResponse) { r.Result[1].Vectors = &qdrant.VectorsOutput{} }, false, 10, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := queryAnswer()
			tt.change(got)
			d := comparison{ties: tt.ties, limit: tt.limit}.diff(queryAnswer(), got)
			if (d == "") != tt.equal {
				t.Errorf("difference %q, want equal %v", d, tt.equal)
			}
		})
	}
}

func TestJudgeCodes(t *testing.T) {
	req, want := &qdrant.QueryPoints{Limit: proto.Uint64(10)}, queryAnswer()
	for _, tt := range []struct {
		recorded string
		got      codes.Code
		right    bool
	}{
		{"OK", codes.OK, true},
		{"OK", codes.NotFound, false},
		{"NotFound", codes.NotFound, true},
		{"NotFound", codes.InvalidArgument, false},
		{"InvalidArgument", codes.OK, false},
	} {
		d, _ := recorded{Code: tt.recorded, Method: "/qdrant.Points/Query"}.judge(req, want, queryAnswer(), tt.got)
		if (d == "") != tt.right {
			t.Errorf("recorded %s, got %v: difference %q, want right %v", tt.recorded, tt.got, d, tt.right)
		}
	}
}
