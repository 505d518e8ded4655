package qdrantlocal

import (
	"context"
	"sort"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// facet is a payload value with the points that have it.
type facet struct {
	value *qdrant.FacetValue
	slots []slot
}

// Facet counts points per value. Order: count descending, then value
// ascending. An exact facet without filter also lists values that no point has
// any more, with 0, as the server does; they are forgotten in time.
func (ps *pointsServer) Facet(ctx context.Context, r *qdrant.FacetCounts) (*qdrant.FacetResponse, error) {
	start := time.Now()
	if err := firstError(checkConsistency(r.GetReadConsistency()), checkShards(r.GetShardKeySelector())); err != nil {
		return nil, err
	}
	if r.GetKey() == "" {
		return nil, status.Error(codes.InvalidArgument, "key: must not be empty")
	}
	path, err := parsePath(r.GetKey())
	if err != nil {
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
	limit := orDefault(r.Limit, defaultLimit)
	if err := c.checkStrictRead(strictRead{limit: limit, filter: r.GetFilter(), timeout: r.Timeout, exact: r.GetExact()}); err != nil {
		return nil, err
	}
	m := takeMemory()
	defer m.giveBack()
	hits, err := c.countFacets(ctx, path, r.Filter, r.GetExact(), m)
	if err != nil {
		return nil, err
	}
	return &qdrant.FacetResponse{Hits: hits[:min(limit, uint64(len(hits)))], Time: since(start)}, nil
}

func (c *collection) countFacets(ctx context.Context, path jsonPath, f *qdrant.Filter, exact bool, m *memory) ([]*qdrant.FacetHit, error) {
	ix := c.indexes[path.String()]
	var values []facet
	if ix != nil {
		values = ix.values.facets()
	}
	if values == nil {
		return nil, invalid("No appropriate index for faceting: `%v`. Please create a keyword, integer, bool or uuid index", path)
	}
	within, err := c.selectFiltered(ctx, f, m)
	if err != nil {
		return nil, err
	}
	var hits []*qdrant.FacetHit
	for _, v := range values {
		n := uint64(0)
		for _, s := range v.slots {
			if within.has(s) {
				n++
			}
		}
		if n > 0 || exact && f == nil {
			hits = append(hits, &qdrant.FacetHit{Value: v.value, Count: n})
		}
	}
	sort.SliceStable(hits, func(i, j int) bool { return hits[i].Count > hits[j].Count })
	return hits, nil
}
