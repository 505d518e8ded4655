package qdrantlocal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/internal/failpoint"
)

// Options say where and how a Store keeps its data.
type Options struct {
	Dir    string       // data directory, created if missing
	Logger *slog.Logger // nil: no messages
}

// Store holds all collections of a data directory in memory and in its log.
// Safe for concurrent use.
type Store struct {
	logger *slog.Logger
	disk   *disk // nil: memory only

	// gate is held shared by every update from its check to its application
	// and exclusively by a checkpoint. Readers never take it.
	// Lock order: gate, mu, collection.mu, log.
	gate sync.RWMutex

	mu          sync.RWMutex // guards the following
	collections map[string]*collection
	aliases     map[string]string // to physical names
	closed      bool

	serving sync.WaitGroup // local servers started by Connect
	stop    []func()       // guarded by mu
}

func newStore(logger *slog.Logger) *Store {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Store{logger: logger, collections: map[string]*collection{}, aliases: map[string]string{}}
}

// OpenMemory returns an empty Store that keeps nothing on disk, for tests and scratch work.
func OpenMemory() *Store { return newStore(nil) }

// Open opens the data directory o.Dir, creating it if needed, and replays what
// it holds. The error wraps ErrLocked when the directory is open elsewhere and
// is a *DamageError when stored bytes are damaged; nothing is repaired then.
// Only one record may be incomplete: the last one of the log, which cannot have
// been acknowledged and is cut off.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Dir == "" {
		return nil, errors.New("open local store: no data directory given")
	}
	s := newStore(o.Logger)
	d, err := openDisk(ctx, o.Dir, s)
	if err != nil {
		return nil, fmt.Errorf("open local store %s: %w", o.Dir, err)
	}
	s.disk = d
	return s, nil
}

// Close stops the servers that Connect started, makes everything durable and
// releases the directory. Updates after it fail with ErrClosed. Servers made
// by NewServer must be stopped before.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	stop := s.stop
	s.stop = nil
	s.mu.Unlock()
	for _, f := range stop {
		f()
	}
	s.serving.Wait()
	if s.disk == nil {
		return nil
	}
	return s.disk.close()
}

// append hands a record to the log. Its position is for waitFor.
func (s *Store) append(r record) (position, error) {
	if s.disk == nil {
		return 0, nil
	}
	pos, err := s.disk.append(r)
	return pos, writeError(err)
}

// waitFor returns once the record at pos is in the file and, if durable, on the disk.
func (s *Store) waitFor(pos position, durable bool) error {
	if s.disk == nil {
		return nil
	}
	err := s.disk.waitFor(pos, durable)
	if err == nil {
		s.disk.maybeCheckpoint(s)
	}
	return writeError(err)
}

func writeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrClosed):
		return status.Error(codes.Unavailable, err.Error())
	}
	return status.Error(codes.FailedPrecondition, err.Error())
}

// commit performs an update of one collection: p runs under its lock and
// returns the record to log and the change to apply. A nil change does nothing.
// The order of records is the order of changes.
func (s *Store) commit(ctx context.Context, c *collection, wait bool, p plan) (*qdrant.UpdateResult, error) {
	pos, ops, applied, err := s.logAndApply(ctx, c, p)
	if err != nil {
		return nil, err
	}
	if err := s.waitFor(pos, wait); err != nil {
		return nil, err
	}
	if applied != nil {
		return nil, applied
	}
	st := qdrant.UpdateStatus_Acknowledged
	if wait {
		st = qdrant.UpdateStatus_Completed
	}
	return &qdrant.UpdateResult{OperationId: &ops, Status: st}, nil
}

func (s *Store) logAndApply(ctx context.Context, c *collection, p plan) (pos position, ops uint64, applied, err error) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped {
		return 0, 0, nil, noCollection(c.name)
	}
	rec, ch, err := p(ctx)
	if err != nil || ch == nil {
		return 0, c.ops, nil, err
	}
	if pos, err = s.append(rec); err != nil {
		return 0, 0, nil, err
	}
	applied = c.apply(ch)
	failpoint.Hit(failpoint.UpdateApplied)
	return pos, c.ops, applied, nil
}

// apply is the part of an update that requests and replay share.
func (c *collection) apply(ch change) error {
	c.ops++
	c.yellow = false
	return ch.apply(c)
}

// commitCatalog performs an update of collections or aliases: build checks it
// under s.mu and returns the record, or one without a message to do nothing.
func (s *Store) commitCatalog(build func() (record, error)) error {
	pos, err := s.logAndApplyCatalog(build)
	if err != nil {
		return err
	}
	return s.waitFor(pos, true)
}

func (s *Store) logAndApplyCatalog(build func() (record, error)) (position, error) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	rec, err := build()
	if err != nil || rec.msg == nil {
		return 0, err
	}
	pos, err := s.append(rec)
	if err != nil {
		return 0, err
	}
	return pos, s.applyCatalog(rec)
}

// applyCatalog performs a checked change of the catalog; s.mu is held.
func (s *Store) applyCatalog(rec record) error {
	switch m := rec.msg.(type) {
	case *qdrant.CollectionConfig:
		s.collections[rec.collection] = newCollection(rec.collection, m)
	case *qdrant.DeleteCollection:
		c := s.collections[rec.collection]
		c.mu.Lock()
		c.dropped = true
		c.mu.Unlock()
		delete(s.collections, rec.collection)
		for alias, target := range s.aliases {
			if target == rec.collection {
				delete(s.aliases, alias)
			}
		}
	case *qdrant.UpdateCollection:
		c := s.collections[rec.collection]
		c.mu.Lock()
		defer c.mu.Unlock()
		cfg, err := updatedConfig(c.config, m)
		if err != nil {
			return err
		}
		c.applyConfig(cfg, m)
	case *qdrant.ChangeAliases:
		for _, a := range m.GetActions() {
			applyAlias(s.aliases, a)
		}
	}
	return nil
}
