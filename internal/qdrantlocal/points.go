package qdrantlocal

import (
	"context"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// pointsServer implements the service qdrant.Points.
type pointsServer struct {
	qdrant.UnimplementedPointsServer
	s *Store
}

// plan is a checked update that still has to look at the collection: it runs
// under the collection's lock and returns what to log and what to change.
type plan func(ctx context.Context) (record, change, error)

// update performs one update. check must not depend on the collection's points.
func (ps *pointsServer) update(ctx context.Context, name string, wait bool, timeout *uint64, check func(c *collection) (plan, error)) (*qdrant.PointsOperationResponse, error) {
	start := time.Now()
	c, err := ps.s.resolve(name)
	if err != nil {
		return nil, err
	}
	p, err := check(c)
	if err != nil {
		return nil, err
	}
	if err := c.checkUpdateTimeout(timeout); err != nil {
		return nil, err
	}
	res, err := ps.s.commit(ctx, c, wait, p)
	if err != nil {
		return nil, err
	}
	return &qdrant.PointsOperationResponse{Result: res, Time: since(start)}, nil
}

// checkUpdateTimeout checks the timeout of an update against strict mode. It
// has no other effect: an update is answered once it is complete.
func (c *collection) checkUpdateTimeout(seconds *uint64) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.checkStrictTimeout(seconds)
}

// checkShards refuses shard keys, which only custom sharding has.
func checkShards(sel *qdrant.ShardKeySelector) error {
	if len(sel.GetShardKeys()) > 0 {
		return invalid("Shard key %v not found", sel.GetShardKeys()[0])
	}
	if sel.GetFallback() != nil {
		return invalid("Shard key %v not found", sel.GetFallback())
	}
	return nil
}

var errEmptyUpdate = badRequest("Empty update request")

func (ps *pointsServer) Upsert(ctx context.Context, r *qdrant.UpsertPoints) (*qdrant.PointsOperationResponse, error) {
	return ps.upsert(ctx, &upsertRequest{UpsertPoints: r})
}

func (ps *pointsServer) Delete(ctx context.Context, r *qdrant.DeletePoints) (*qdrant.PointsOperationResponse, error) {
	return ps.update(ctx, r.GetCollectionName(), r.GetWait(), r.Timeout, func(c *collection) (plan, error) { return c.planDelete(r) })
}

func (ps *pointsServer) SetPayload(ctx context.Context, r *qdrant.SetPayloadPoints) (*qdrant.PointsOperationResponse, error) {
	return ps.update(ctx, r.GetCollectionName(), r.GetWait(), r.Timeout, func(c *collection) (plan, error) { return c.planSetPayload(r) })
}

func (ps *pointsServer) OverwritePayload(ctx context.Context, r *qdrant.SetPayloadPoints) (*qdrant.PointsOperationResponse, error) {
	return ps.update(ctx, r.GetCollectionName(), r.GetWait(), r.Timeout, func(c *collection) (plan, error) { return c.planOverwritePayload(r) })
}

func (ps *pointsServer) DeletePayload(ctx context.Context, r *qdrant.DeletePayloadPoints) (*qdrant.PointsOperationResponse, error) {
	return ps.update(ctx, r.GetCollectionName(), r.GetWait(), r.Timeout, func(c *collection) (plan, error) { return c.planDeletePayload(r) })
}

func (ps *pointsServer) ClearPayload(ctx context.Context, r *qdrant.ClearPayloadPoints) (*qdrant.PointsOperationResponse, error) {
	return ps.update(ctx, r.GetCollectionName(), r.GetWait(), r.Timeout, func(c *collection) (plan, error) { return c.planClearPayload(r) })
}

func (ps *pointsServer) UpdateVectors(ctx context.Context, r *qdrant.UpdatePointVectors) (*qdrant.PointsOperationResponse, error) {
	return ps.update(ctx, r.GetCollectionName(), r.GetWait(), r.Timeout, func(c *collection) (plan, error) { return c.planUpdateVectors(r) })
}

func (ps *pointsServer) DeleteVectors(ctx context.Context, r *qdrant.DeletePointVectors) (*qdrant.PointsOperationResponse, error) {
	return ps.update(ctx, r.GetCollectionName(), r.GetWait(), r.Timeout, func(c *collection) (plan, error) { return c.planDeleteVectors(r) })
}

func (ps *pointsServer) CreateFieldIndex(ctx context.Context, r *qdrant.CreateFieldIndexCollection) (*qdrant.PointsOperationResponse, error) {
	return ps.update(ctx, r.GetCollectionName(), r.GetWait(), r.Timeout, func(c *collection) (plan, error) { return c.planCreateIndex(r) })
}

func (ps *pointsServer) DeleteFieldIndex(ctx context.Context, r *qdrant.DeleteFieldIndexCollection) (*qdrant.PointsOperationResponse, error) {
	return ps.update(ctx, r.GetCollectionName(), r.GetWait(), r.Timeout, func(c *collection) (plan, error) { return c.planDeleteIndex(r) })
}

// UpdateBatch performs the operations one after the other and stops at the
// first that fails, keeping the earlier ones, as the server does.
func (ps *pointsServer) UpdateBatch(ctx context.Context, r *qdrant.UpdateBatchPoints) (*qdrant.UpdateBatchResponse, error) {
	start := time.Now()
	if err := checkNameLength(r.GetCollectionName()); err != nil {
		return nil, err
	}
	if len(r.GetOperations()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "operations: must not be empty")
	}
	for _, op := range r.GetOperations() {
		if op.GetOperation() == nil {
			return nil, status.Error(codes.InvalidArgument, "Operation is missing")
		}
	}
	c, err := ps.s.resolve(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	if err := c.checkUpdateTimeout(r.Timeout); err != nil {
		return nil, err
	}
	out := &qdrant.UpdateBatchResponse{}
	for _, op := range r.GetOperations() {
		p, err := c.planOperation(op)
		if err != nil {
			return nil, err
		}
		res, err := ps.s.commit(ctx, c, r.GetWait(), p)
		if err != nil {
			return nil, err
		}
		out.Result = append(out.Result, res)
	}
	out.Time = since(start)
	return out, nil
}

// planOperation plans one element of a batch.
func (c *collection) planOperation(op *qdrant.PointsUpdateOperation) (plan, error) {
	switch o := op.GetOperation().(type) {
	case *qdrant.PointsUpdateOperation_Upsert:
		u := o.Upsert
		return c.planUpsert(&upsertRequest{UpsertPoints: &qdrant.UpsertPoints{
			Points: u.GetPoints(), ShardKeySelector: u.GetShardKeySelector(), UpdateFilter: u.GetUpdateFilter(), UpdateMode: u.UpdateMode,
		}})
	case *qdrant.PointsUpdateOperation_DeletePoints_:
		return c.planDelete(&qdrant.DeletePoints{Points: o.DeletePoints.GetPoints(), ShardKeySelector: o.DeletePoints.GetShardKeySelector()})
	case *qdrant.PointsUpdateOperation_DeleteDeprecated:
		return c.planDelete(&qdrant.DeletePoints{Points: o.DeleteDeprecated})
	case *qdrant.PointsUpdateOperation_SetPayload_:
		p := o.SetPayload
		return c.planSetPayload(&qdrant.SetPayloadPoints{
			Payload: p.GetPayload(), PointsSelector: p.GetPointsSelector(), ShardKeySelector: p.GetShardKeySelector(), Key: p.Key,
		})
	case *qdrant.PointsUpdateOperation_OverwritePayload_:
		p := o.OverwritePayload
		return c.planOverwritePayload(&qdrant.SetPayloadPoints{
			Payload: p.GetPayload(), PointsSelector: p.GetPointsSelector(), ShardKeySelector: p.GetShardKeySelector(), Key: p.Key,
		})
	case *qdrant.PointsUpdateOperation_DeletePayload_:
		p := o.DeletePayload
		return c.planDeletePayload(&qdrant.DeletePayloadPoints{
			Keys: p.GetKeys(), PointsSelector: p.GetPointsSelector(), ShardKeySelector: p.GetShardKeySelector(),
		})
	case *qdrant.PointsUpdateOperation_ClearPayload_:
		return c.planClearPayload(&qdrant.ClearPayloadPoints{Points: o.ClearPayload.GetPoints(), ShardKeySelector: o.ClearPayload.GetShardKeySelector()})
	case *qdrant.PointsUpdateOperation_ClearPayloadDeprecated:
		return c.planClearPayload(&qdrant.ClearPayloadPoints{Points: o.ClearPayloadDeprecated})
	case *qdrant.PointsUpdateOperation_UpdateVectors_:
		u := o.UpdateVectors
		return c.planUpdateVectors(&qdrant.UpdatePointVectors{
			Points: u.GetPoints(), ShardKeySelector: u.GetShardKeySelector(), UpdateFilter: u.GetUpdateFilter(),
		})
	case *qdrant.PointsUpdateOperation_DeleteVectors_:
		d := o.DeleteVectors
		return c.planDeleteVectors(&qdrant.DeletePointVectors{
			PointsSelector: d.GetPointsSelector(), Vectors: d.GetVectors(), ShardKeySelector: d.GetShardKeySelector(),
		})
	}
	return nil, unsupported("this kind of operation in UpdateBatch")
}
