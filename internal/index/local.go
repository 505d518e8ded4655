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
