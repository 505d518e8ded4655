package qdrantlocal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// TestRelease: a batch answers as its queries do one by one, whether answers before
// were released or not, from several goroutines, and what answers refer to outlives
// them.
func TestRelease(t *testing.T) {
	s := OpenMemory()
	c := callsTo(t, s)
	c.createHybrid("c")
	var numbers []uint64
	for n := range uint64(300) {
		numbers = append(numbers, n)
	}
	c.upsert("c", numbers...)
	_, err := c.CreateFieldIndex(t.Context(), &qdrant.CreateFieldIndexCollection{CollectionName: "c", FieldName: "doc", FieldType: qdrant.FieldType_FieldTypeKeyword.Enum()})
	c.ok(err)
	client := qdrant.NewPointsClient(dialDirect(t, s))

	var batches []*qdrant.QueryBatchPoints
	var gets []*qdrant.GetPoints
	r := rand.New(rand.NewPCG(5, 5))
	for range 12 {
		var ids []*qdrant.PointId
		for range r.IntN(40) {
			ids = append(ids, qdrant.NewIDNum(uint64(r.IntN(320))))
		}
		gets = append(gets, &qdrant.GetPoints{CollectionName: "c", Ids: ids, WithPayload: qdrant.NewWithPayload(true), WithVectors: qdrant.NewWithVectors(r.IntN(2) == 0)})
		b := &qdrant.QueryBatchPoints{CollectionName: "c"}
		for range r.IntN(4) {
			q := &qdrant.QueryPoints{
				CollectionName: "c", Limit: proto.Uint64(1 + uint64(r.IntN(250))), WithPayload: qdrant.NewWithPayload(r.IntN(2) == 0),
				Query: qdrant.NewQueryDense([]float32{r.Float32(), r.Float32(), r.Float32()}), Using: proto.String("d"),
				Filter: &qdrant.Filter{
					Should:  []*qdrant.Condition{qdrant.NewMatch("doc", "doc-1"), qdrant.NewMatchKeywords("doc", "doc-0", "doc-2"), qdrant.NewHasID(ids...)},
					MustNot: []*qdrant.Condition{qdrant.NewMatch("doc", "doc-1"), qdrant.NewHasID(ids[:len(ids)/2]...)},
				},
			}
			switch r.IntN(4) {
			case 0:
				q.Query, q.Using = qdrant.NewQuerySparse([]uint32{1, 2, 4}, []float32{1, 2, r.Float32()}), proto.String("s")
			case 1:
				q.Query, q.Using = qdrant.NewQueryRRF(&qdrant.Rrf{}), nil
				q.Prefetch = []*qdrant.PrefetchQuery{
					{Query: qdrant.NewQueryDense([]float32{1, 0, r.Float32()}), Using: proto.String("d"), Limit: proto.Uint64(50)},
					{Query: qdrant.NewQuerySparse([]uint32{2, 3}, []float32{1, 2}), Using: proto.String("s"), Limit: proto.Uint64(50)},
				}
			}
			if n := len(b.QueryPoints); n > 0 && r.IntN(2) == 0 {
				q.Filter = b.QueryPoints[n-1].Filter // as the legs of a search have
			}
			b.QueryPoints = append(b.QueryPoints, q)
		}
		batches = append(batches, b)
	}

	// Of a store that nothing was given back to yet.
	var wantBatches []*qdrant.QueryBatchResponse
	var wantGets []*qdrant.GetResponse
	for i := range batches {
		found := &qdrant.QueryBatchResponse{}
		for _, q := range batches[i].QueryPoints {
			one, err := c.Query(t.Context(), q)
			c.ok(err)
			found.Result = append(found.Result, &qdrant.BatchResult{Result: one.GetResult()})
		}
		got, err := c.pointsServer.Get(t.Context(), gets[i])
		c.ok(err)
		wantBatches, wantGets = append(wantBatches, proto.CloneOf(found)), append(wantGets, proto.CloneOf(got))
	}
	var kept, wantKept [4][]*qdrant.ScoredPoint // ids and payloads of what was released
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			for i := range 2 * len(batches) {
				i := (i*(w+1) + w) % len(batches)
				found, err := client.QueryBatch(t.Context(), batches[i])
				if err != nil {
					t.Error(err)
					return
				}
				if !same(wantBatches[i].GetResult(), found.GetResult()) {
					t.Errorf("batch %d, once answers were released (-want +got):\n%s", i, cmp.Diff(wantBatches[i].GetResult(), found.GetResult(), protocmp.Transform()))
					return
				}
				for _, b := range found.GetResult() {
					for _, p := range b.GetResult() {
						kept[w] = append(kept[w], &qdrant.ScoredPoint{Id: p.GetId(), Payload: p.GetPayload()})
						wantKept[w] = append(wantKept[w], proto.CloneOf(kept[w][len(kept[w])-1]))
					}
					slices.Reverse(b.GetResult())
				}
				Release(found.GetResult())
				got, err := client.Get(t.Context(), gets[i])
				if err != nil {
					t.Error(err)
					return
				}
				if !same(wantGets[i].GetResult(), got.GetResult()) {
					t.Errorf("Get %d, once answers were released (-want +got):\n%s", i, cmp.Diff(wantGets[i].GetResult(), got.GetResult(), protocmp.Transform()))
					return
				}
				if w%2 == 0 {
					ReleasePoints(got.GetResult())
				}
			}
		})
	}
	workers.Wait()
	for w := range kept {
		if len(kept[w]) == 0 {
			t.Error("nothing was found")
		}
		if !same(wantKept[w], kept[w]) {
			t.Errorf("released answers referred to something else (-before +after):\n%s", cmp.Diff(wantKept[w], kept[w], protocmp.Transform()))
		}
	}
}

// same is what cmp.Diff finds equal, sooner.
func same[M proto.Message](a, b []M) bool {
	return slices.EqualFunc(a, b, func(a, b M) bool { return proto.Equal(a, b) })
}

// TestSpare: a list is blank, as long as asked, and of messages that no other
// list has, whatever was given back.
func TestSpare(t *testing.T) {
	var s spare[qdrant.ScoredPoint, *qdrant.ScoredPoint]
	r := rand.New(rand.NewPCG(6, 6))
	used := map[*qdrant.ScoredPoint]int{}
	var lists [][]*qdrant.ScoredPoint
	for i := range 300 {
		n := r.IntN(30)
		list := s.take(n)
		if len(list) != n {
			t.Fatalf("take(%d) returns %d messages", n, len(list))
		}
		for _, p := range list {
			if by, twice := used[p]; twice {
				t.Fatalf("lists %d and %d share a message", by, i)
			}
			used[p] = i
			if !proto.Equal(p, &qdrant.ScoredPoint{}) {
				t.Fatalf("take returns the message %v", p)
			}
			p.Id, p.Score, p.Version = qdrant.NewIDNum(1), 1, 1
			p.Payload = qdrant.NewValueMap(map[string]any{"list": fmt.Sprint(i)})
			p.ProtoReflect().SetUnknown([]byte{8, 1})
		}
		lists = append(lists, list)
		for len(lists) > r.IntN(6) {
			back := r.IntN(len(lists))
			list := lists[back]
			lists = slices.Delete(lists, back, back+1)
			for _, p := range list {
				delete(used, p)
			}
			if r.IntN(4) == 0 { // of a server
				list = append(make([]*qdrant.ScoredPoint, 0, 8), &qdrant.ScoredPoint{Score: 2})
			}
			s.give(list)
		}
	}
}
