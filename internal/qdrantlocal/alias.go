package qdrantlocal

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// UpdateAliases applies actions in order. Like the server it keeps the actions
// before one that fails; all of them become visible at once.
func (cs *collectionsServer) UpdateAliases(_ context.Context, r *qdrant.ChangeAliases) (*qdrant.CollectionOperationResponse, error) {
	start := time.Now()
	for _, a := range r.GetActions() {
		if a.GetAction() == nil {
			return nil, malformed("AliasOperation type")
		}
	}
	var failed error
	err := cs.s.commitCatalog(func() (record, error) {
		next := maps.Clone(cs.s.aliases)
		var done []*qdrant.AliasOperations
		for _, a := range r.GetActions() {
			if failed = cs.s.checkAlias(next, a); failed != nil {
				break
			}
			applyAlias(next, a)
			done = append(done, a)
		}
		if len(done) == 0 {
			return record{}, failed
		}
		return record{op: opChangeAliases, msg: &qdrant.ChangeAliases{Actions: done}}, nil
	})
	if err == nil {
		err = failed
	}
	return operation(start, err == nil, err)
}

func (s *Store) checkAlias(aliases map[string]string, a *qdrant.AliasOperations) error {
	switch a := a.GetAction().(type) {
	case *qdrant.AliasOperations_CreateAlias:
		if _, ok := s.collections[a.CreateAlias.GetCollectionName()]; !ok {
			return noCollection(a.CreateAlias.GetCollectionName())
		}
		if name := a.CreateAlias.GetAliasName(); s.collections[name] != nil {
			return status.Errorf(codes.AlreadyExists, "Wrong input: Collection `%s` already exists!", name)
		}
	case *qdrant.AliasOperations_RenameAlias:
		// The server accepts a collection's name as the new name; the collection hides the alias.
		if _, ok := aliases[a.RenameAlias.GetOldAliasName()]; !ok {
			return status.Errorf(codes.NotFound, "Not found: Alias %s does not exists!", a.RenameAlias.GetOldAliasName())
		}
	}
	return nil
}

// applyAlias performs a checked action.
func applyAlias(aliases map[string]string, a *qdrant.AliasOperations) {
	switch a := a.GetAction().(type) {
	case *qdrant.AliasOperations_CreateAlias:
		aliases[a.CreateAlias.GetAliasName()] = a.CreateAlias.GetCollectionName()
	case *qdrant.AliasOperations_RenameAlias:
		target := aliases[a.RenameAlias.GetOldAliasName()]
		delete(aliases, a.RenameAlias.GetOldAliasName())
		aliases[a.RenameAlias.GetNewAliasName()] = target
	case *qdrant.AliasOperations_DeleteAlias:
		delete(aliases, a.DeleteAlias.GetAliasName())
	}
}

func (cs *collectionsServer) ListAliases(context.Context, *qdrant.ListAliasesRequest) (*qdrant.ListAliasesResponse, error) {
	return cs.listAliases(func(string) bool { return true }), nil
}

func (cs *collectionsServer) ListCollectionAliases(_ context.Context, r *qdrant.ListCollectionAliasesRequest) (*qdrant.ListAliasesResponse, error) {
	if err := checkNameLength(r.GetCollectionName()); err != nil {
		return nil, err
	}
	return cs.listAliases(func(collection string) bool { return collection == r.GetCollectionName() }), nil
}

// listAliases returns the aliases of the collections that are wanted, by name.
func (cs *collectionsServer) listAliases(wanted func(collection string) bool) *qdrant.ListAliasesResponse {
	start := time.Now()
	cs.s.mu.RLock()
	defer cs.s.mu.RUnlock()
	out := &qdrant.ListAliasesResponse{}
	for _, name := range slices.Sorted(maps.Keys(cs.s.aliases)) {
		if target := cs.s.aliases[name]; wanted(target) {
			out.Aliases = append(out.Aliases, &qdrant.AliasDescription{AliasName: name, CollectionName: target})
		}
	}
	out.Time = since(start)
	return out
}
