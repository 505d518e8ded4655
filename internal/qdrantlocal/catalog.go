package qdrantlocal

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// collectionsServer implements the service qdrant.Collections.
type collectionsServer struct {
	qdrant.UnimplementedCollectionsServer
	s *Store
}

// checkName applies the server's rules for collection names, and refuses "."
// and "..", which the server takes for folders of its storage.
func checkName(name string) error {
	if err := checkNameLength(name); err != nil {
		return err
	}
	if i := strings.IndexAny(name, "<>:\"/\\|?*\x00\x1f"); i >= 0 {
		return status.Errorf(codes.InvalidArgument, "collection_name: collection name cannot contain %q", name[i])
	}
	if name == "." || name == ".." {
		return status.Errorf(codes.InvalidArgument, "collection_name: %q is not allowed", name)
	}
	return nil
}

func checkNameLength(name string) error {
	if n := utf8.RuneCountInString(name); n < 1 || n > 255 {
		return status.Errorf(codes.InvalidArgument, "collection_name: %q has %d characters, must be from 1 to 255", name, n)
	}
	return nil
}

// resolve returns the collection that name, possibly an alias, stands for.
func (s *Store) resolve(name string) (*collection, error) {
	if err := checkNameLength(name); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if c, ok := s.lookup(name); ok {
		return c, nil
	}
	return nil, noCollection(name)
}

// lookup is resolve for holders of s.mu. A collection goes before an alias of the same name.
func (s *Store) lookup(name string) (*collection, bool) {
	if c, ok := s.collections[name]; ok {
		return c, true
	}
	c, ok := s.collections[s.aliases[name]]
	return c, ok
}

func (cs *collectionsServer) Create(_ context.Context, r *qdrant.CreateCollection) (*qdrant.CollectionOperationResponse, error) {
	start := time.Now()
	if err := checkName(r.GetCollectionName()); err != nil {
		return nil, err
	}
	cfg, err := newConfig(r)
	if err != nil {
		return nil, err
	}
	err = cs.s.commitCatalog(func() (record, error) {
		name := r.GetCollectionName()
		if _, ok := cs.s.collections[name]; ok {
			return record{}, status.Errorf(codes.AlreadyExists, "Wrong input: Collection `%s` already exists!", name)
		}
		if _, ok := cs.s.aliases[name]; ok {
			return record{}, invalid("Can't create collection with name %s. Alias with the same name already exists", name)
		}
		return record{op: opCreateCollection, collection: name, msg: cfg}, nil
	})
	return operation(start, err == nil, err)
}

// operation is the common answer of the collection methods.
func operation(start time.Time, changed bool, err error) (*qdrant.CollectionOperationResponse, error) {
	if err != nil {
		return nil, err
	}
	return &qdrant.CollectionOperationResponse{Result: changed, Time: since(start)}, nil
}

func since(t time.Time) float64 { return time.Since(t).Seconds() }

func (cs *collectionsServer) Update(_ context.Context, r *qdrant.UpdateCollection) (*qdrant.CollectionOperationResponse, error) {
	start := time.Now()
	if err := checkUpdate(r); err != nil {
		return nil, err
	}
	err := cs.s.commitCatalog(func() (record, error) {
		c, ok := cs.s.lookup(r.GetCollectionName())
		if !ok {
			return record{}, noCollection(r.GetCollectionName())
		}
		if _, err := updatedConfig(c.config, r); err != nil {
			return record{}, err
		}
		return record{op: opUpdateCollection, collection: c.name, msg: r}, nil
	})
	return operation(start, err == nil, err)
}

func (cs *collectionsServer) Delete(_ context.Context, r *qdrant.DeleteCollection) (*qdrant.CollectionOperationResponse, error) {
	start := time.Now()
	name := r.GetCollectionName()
	if i := strings.IndexAny(name, "/\\\x00"); i >= 0 || name == "" {
		if err := checkName(name); err != nil {
			return nil, err
		}
	}
	existed := false
	err := cs.s.commitCatalog(func() (record, error) {
		// The server deletes nothing through an alias and says so by its result.
		if _, existed = cs.s.collections[name]; !existed {
			return record{}, nil
		}
		return record{op: opDeleteCollection, collection: name, msg: &qdrant.DeleteCollection{CollectionName: name}}, nil
	})
	return operation(start, existed, err)
}

func (cs *collectionsServer) List(context.Context, *qdrant.ListCollectionsRequest) (*qdrant.ListCollectionsResponse, error) {
	start := time.Now()
	cs.s.mu.RLock()
	names := slices.Sorted(maps.Keys(cs.s.collections))
	cs.s.mu.RUnlock()
	out := &qdrant.ListCollectionsResponse{}
	for _, n := range names {
		out.Collections = append(out.Collections, &qdrant.CollectionDescription{Name: n})
	}
	out.Time = since(start)
	return out, nil
}

func (cs *collectionsServer) CollectionExists(_ context.Context, r *qdrant.CollectionExistsRequest) (*qdrant.CollectionExistsResponse, error) {
	start := time.Now()
	if err := checkNameLength(r.GetCollectionName()); err != nil {
		return nil, err
	}
	cs.s.mu.RLock()
	_, ok := cs.s.lookup(r.GetCollectionName())
	cs.s.mu.RUnlock()
	return &qdrant.CollectionExistsResponse{Result: &qdrant.CollectionExists{Exists: ok}, Time: since(start)}, nil
}

func (cs *collectionsServer) Get(_ context.Context, r *qdrant.GetCollectionInfoRequest) (*qdrant.GetCollectionInfoResponse, error) {
	start := time.Now()
	c, err := cs.s.resolve(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	// Like the server: sparse vectors are always indexed and those of deleted
	// points are still counted; dense vectors are not indexed.
	points, indexedVectors := uint64(len(c.ids)), uint64(0)
	for _, sp := range c.sparse {
		indexedVectors += uint64(sp.indexed + sp.stale)
	}
	info := &qdrant.CollectionInfo{
		Status:          qdrant.CollectionStatus_Green,
		OptimizerStatus: &qdrant.OptimizerStatus{Ok: true},
		SegmentsCount:   1,
		Config:          proto.CloneOf(c.config),
		PayloadSchema:   c.schemaInfo(),
		PointsCount:     &points, IndexedVectorsCount: &indexedVectors,
		UpdateQueue: &qdrant.UpdateQueueInfo{},
	}
	if c.yellow {
		info.Status = qdrant.CollectionStatus_Yellow
	}
	return &qdrant.GetCollectionInfoResponse{Result: info, Time: since(start)}, nil
}

func (cs *collectionsServer) CollectionClusterInfo(_ context.Context, r *qdrant.CollectionClusterInfoRequest) (*qdrant.CollectionClusterInfoResponse, error) {
	c, err := cs.s.resolve(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if n := c.config.GetParams().GetShardNumber(); n > 1 {
		return nil, unsupported("cluster info of collections with several shards: local mode stores all points in one")
	}
	return &qdrant.CollectionClusterInfoResponse{
		PeerId: 1, ShardCount: 1,
		LocalShards: []*qdrant.LocalShardInfo{{PointsCount: uint64(len(c.ids)), State: qdrant.ReplicaState_Active}},
	}, nil
}
