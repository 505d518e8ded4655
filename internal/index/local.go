package index

import (
	"context"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/qdrantlocal"
)

// dialLocal opens a local store and points cfg at it, in process; the
// connection options that cfg holds already come last and win. close releases
// the store; the client goes first.
func dialLocal(ctx context.Context, o Options, cfg *qdrant.Config) (close func() error, err error) {
	var store *qdrantlocal.Store
	if o.InMemory {
		store = qdrantlocal.OpenMemory()
	} else if store, err = qdrantlocal.Open(ctx, qdrantlocal.Options{Dir: o.DataDir}); err != nil {
		return nil, err
	}
	local := store.Connect()
	cfg.Host, cfg.Port, cfg.PoolSize = local.Host, local.Port, local.PoolSize
	cfg.GrpcOptions = append(local.GrpcOptions, cfg.GrpcOptions...)
	cfg.GrpcOptions = append(cfg.GrpcOptions, store.Direct()) // behind every other interceptor
	return store.Close, nil
}

// release gives the answer to a batch back, which is not read any more: local mode
// has use for its points, but not for what they refer to, ids, payloads and vectors,
// which stay valid. Nobody has to.
func (c *Client) release(results []*qdrant.BatchResult) {
	if c.info.Local {
		qdrantlocal.Release(results)
	}
}

// releasePoints is release for points that were read by id.
func (c *Client) releasePoints(points []*qdrant.RetrievedPoint) {
	if c.info.Local {
		qdrantlocal.ReleasePoints(points)
	}
}
