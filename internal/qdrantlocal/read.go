package qdrantlocal

import (
	"context"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// checkConsistency accepts every read consistency: there is one copy of the data.
func checkConsistency(r *qdrant.ReadConsistency) error {
	if f, ok := r.GetValue().(*qdrant.ReadConsistency_Factor); ok && f.Factor == 0 {
		return status.Error(codes.InvalidArgument, "read_consistency: factor must be 1 or larger")
	}
	return nil
}

// withTimeout applies a request's timeout in seconds, if it has one.
func withTimeout(ctx context.Context, seconds *uint64) (context.Context, context.CancelFunc) {
	if seconds == nil {
		return ctx, func() {}
	}
	const longest = 10 * 365 * 24 * 3600
	return context.WithTimeout(ctx, time.Duration(min(*seconds, longest))*time.Second)
}

func (ps *pointsServer) Get(_ context.Context, r *qdrant.GetPoints) (*qdrant.GetResponse, error) {
	start := time.Now()
	if err := firstError(checkConsistency(r.GetReadConsistency()), checkShards(r.GetShardKeySelector())); err != nil {
		return nil, err
	}
	c, err := ps.s.resolve(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	m := takeMemory()
	defer m.giveBack()
	c.mu.RLock()
	defer c.mu.RUnlock()
	slots, seen := m.noSlots(len(r.GetIds())), m.empty(len(c.live))
	for _, p := range r.GetIds() {
		id, err := parseID(p)
		if err != nil {
			return nil, err
		}
		if s, ok := c.ids[id]; ok && !seen.has(s) {
			seen.set(s)
			slots = append(slots, s)
		}
	}
	o, err := c.newOutput(r.GetWithPayload(), r.GetWithVectors(), false)
	if err != nil {
		return nil, err
	}
	return &qdrant.GetResponse{Result: o.points(c, slots), Time: since(start)}, nil
}

func (ps *pointsServer) Count(ctx context.Context, r *qdrant.CountPoints) (*qdrant.CountResponse, error) {
	start := time.Now()
	if err := firstError(checkConsistency(r.GetReadConsistency()), checkShards(r.GetShardKeySelector())); err != nil {
		return nil, err
	}
	c, err := ps.s.resolve(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	ctx, cancel := withTimeout(ctx, r.Timeout)
	defer cancel()
	c.mu.RLock()
	defer c.mu.RUnlock()
	if err := c.checkStrictRead(strictRead{filter: r.GetFilter(), exact: orDefault(r.Exact, true), timeout: r.Timeout}); err != nil {
		return nil, err
	}
	m := takeMemory()
	defer m.giveBack()
	set, err := c.selectFiltered(ctx, r.GetFilter(), m)
	if err != nil {
		return nil, err
	}
	return &qdrant.CountResponse{Result: &qdrant.CountResult{Count: uint64(set.count())}, Time: since(start)}, nil
}

// defaultLimit is the number of results when a request names none.
const defaultLimit = 10

func (ps *pointsServer) Scroll(ctx context.Context, r *qdrant.ScrollPoints) (*qdrant.ScrollResponse, error) {
	start := time.Now()
	if err := firstError(checkConsistency(r.GetReadConsistency()), checkShards(r.GetShardKeySelector())); err != nil {
		return nil, err
	}
	limit := int(orDefault(r.Limit, defaultLimit))
	if limit < 1 {
		return nil, status.Error(codes.InvalidArgument, "limit: value 0 invalid, must be 1 or larger")
	}
	var from pointID
	if r.Offset != nil {
		id, err := parseID(r.Offset)
		if err != nil {
			return nil, err
		}
		from = id
	}
	c, err := ps.s.resolve(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	ctx, cancel := withTimeout(ctx, r.Timeout)
	defer cancel()
	c.mu.RLock()
	defer c.mu.RUnlock()
	o, err := c.newOutput(r.GetWithPayload(), r.GetWithVectors(), true)
	if err != nil {
		return nil, err
	}
	if err := c.checkStrictRead(strictRead{limit: uint64(limit), filter: r.GetFilter(), timeout: r.Timeout}); err != nil {
		return nil, err
	}
	m := takeMemory()
	defer m.giveBack()
	set, err := c.selectFiltered(ctx, r.GetFilter(), m)
	if err != nil {
		return nil, err
	}
	out := &qdrant.ScrollResponse{}
	if r.OrderBy != nil {
		if r.Offset != nil {
			return nil, invalid("Cannot use an `offset` when using `order_by`. The alternative for paging is to use `order_by.start_from` and a filter to exclude the IDs that were already returned")
		}
		hits, err := c.orderBy(r.OrderBy, set, limit)
		if err != nil {
			return nil, err
		}
		for _, h := range hits {
			p := o.retrieved(c, h.slot, c.points[h.slot].proto())
			p.OrderValue = h.order
			out.Result = append(out.Result, p)
		}
		out.Time = since(start)
		return out, nil
	}
	for i, s := range c.page(set, from, limit+1) {
		if i == limit {
			out.NextPageOffset = c.points[s].proto()
			break
		}
		out.Result = append(out.Result, o.retrieved(c, s, c.points[s].proto()))
	}
	out.Time = since(start)
	return out, nil
}
