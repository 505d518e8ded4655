package qdrantlocal

import (
	"context"
	"sync"
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// TestReadersAndWriters runs every kind of access at once; it is for the race
// detector. A batch is seen as a whole or not at all.
func TestReadersAndWriters(t *testing.T) {
	s := openStore(t, t.TempDir())
	c := callsTo(t, s)
	c.createHybrid("c")
	ctx := t.Context()
	const batch, rounds = 8, 12
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for w := range uint64(3) {
		writers.Go(func() {
			for i := range uint64(rounds) {
				var ids []uint64
				for k := range uint64(batch) {
					ids = append(ids, w*1000+i*batch+k)
				}
				if err := c.tryUpsert("c", ids...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Go(func() {
		for range rounds {
			if err := s.disk.checkpoint(s); err != nil {
				t.Error(err)
			}
			_, err := c.SetPayload(ctx, &qdrant.SetPayloadPoints{
				CollectionName: "c", PointsSelector: selectDoc("doc-1"), Payload: qdrant.NewValueMap(map[string]any{"seen": true}),
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	read := func(f func() error) {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := f(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	read(func() error {
		n, err := c.Count(ctx, &qdrant.CountPoints{CollectionName: "c"})
		if n.GetResult().GetCount()%batch != 0 {
			t.Errorf("%d points are visible, want a multiple of %d", n.GetResult().GetCount(), batch)
		}
		return err
	})
	read(func() error {
		_, err := c.Scroll(ctx, &qdrant.ScrollPoints{CollectionName: "c", Limit: proto.Uint32(500), WithVectors: qdrant.NewWithVectors(true)})
		return err
	})
	read(func() error {
		_, err := c.QueryBatch(ctx, &qdrant.QueryBatchPoints{CollectionName: "c", QueryPoints: []*qdrant.QueryPoints{
			{CollectionName: "c", Query: qdrant.NewQueryDense([]float32{1, 2, 3}), Using: proto.String("d"), WithPayload: qdrant.NewWithPayload(true)},
			{CollectionName: "c", Query: qdrant.NewQuerySparse([]uint32{1, 2}, []float32{1, 1}), Using: proto.String("s")},
		}})
		return err
	})
	writers.Wait()
	close(done)
	readers.Wait()
}

func TestDroppedCollectionRefusesLateUpdates(t *testing.T) {
	s := OpenMemory()
	c := callsTo(t, s)
	c.createHybrid("c")
	held, err := s.resolve("c")
	c.ok(err)
	_, err = c.collectionsServer.Delete(t.Context(), &qdrant.DeleteCollection{CollectionName: "c"})
	c.ok(err)
	p, err := held.planDelete(&qdrant.DeletePoints{Points: selectIDs(1)})
	c.ok(err)
	if _, err := s.commit(t.Context(), held, true, p); status.Code(err) != codes.NotFound {
		t.Errorf("update of a dropped collection: %v, want NotFound", err)
	}
}

// TestCancelledRead checks that scans look at their context.
func TestCancelledRead(t *testing.T) {
	s := OpenMemory()
	c := callsTo(t, s)
	c.createHybrid("c")
	var ns []uint64
	for n := range uint64(checkEvery + 1) {
		ns = append(ns, n)
	}
	c.upsert("c", ns...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	unindexed := &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("doc", "doc-1")}}
	for name, read := range map[string]func() error{
		"dense": func() error {
			_, err := c.Query(ctx, &qdrant.QueryPoints{CollectionName: "c", Query: qdrant.NewQueryDense([]float32{1, 2, 3}), Using: proto.String("d")})
			return err
		},
		"filter": func() error {
			_, err := c.Count(ctx, &qdrant.CountPoints{CollectionName: "c", Filter: unindexed})
			return err
		},
		"delete by filter": func() error {
			_, err := c.pointsServer.Delete(ctx, &qdrant.DeletePoints{CollectionName: "c", Points: qdrant.NewPointsSelectorFilter(unindexed)})
			return err
		},
	} {
		if err := read(); status.Code(err) != codes.Canceled {
			t.Errorf("%s with a cancelled context: %v, want Canceled", name, err)
		}
	}
}
