package qdrantlocal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"

	"github.com/ragloop/ragloop/internal/failpoint"
	"github.com/ragloop/ragloop/internal/qdrantwire"
)

// A checkpoint is a file of records like a log: per collection its
// configuration, its indexes and its points as stored, then the aliases, then
// opEnd. It replaces all earlier files.

// checkpointBatch is the number of points in one record.
const checkpointBatch = 256

// maybeCheckpoint asks for a checkpoint when it is worth one.
func (d *disk) maybeCheckpoint(s *Store) {
	if d.overgrown(s) {
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
}

// overgrown reports whether less than half of the stored bytes is live.
func (d *disk) overgrown(s *Store) bool {
	n := d.log.bytes()
	return n >= checkpointSlack && n+d.checkpointBytes() > 2*s.liveBytes()+checkpointSlack
}

func (s *Store) liveBytes() (n int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, c := range s.collections {
		n += c.liveSize.Load()
	}
	return n
}

// checkpoint writes the current state to a new file and drops the logs before
// it. Updates pause while the state is written to the page cache; readers and
// the fsync do not hold each other up.
func (d *disk) checkpoint(s *Store) error {
	d.checkpointing.Lock()
	defer d.checkpointing.Unlock()
	number := d.number + 1
	name := filepath.Join(d.dir, checkpointName(number))
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	failpoint.Hit(failpoint.CheckpointMade)
	size, err := d.freeze(s, f, number)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncDir(d.dir)
		failpoint.Hit(failpoint.CheckpointSynced)
	}
	if err != nil {
		// Half a checkpoint would only take the space that the disk may lack.
		return errors.Join(err, os.Remove(name))
	}
	m := manifest{Version: formatVersion, Checkpoint: number, CheckpointBytes: size, FirstLog: number}
	if err := writeManifest(d.dir, m); err != nil {
		return err // the manifest on disk may be either one
	}
	d.manifest = m
	d.removeStale()
	return nil
}

// freeze holds updates back, writes the state to f and starts the log number.
func (d *disk) freeze(s *Store, f *os.File, number uint64) (size int64, err error) {
	s.gate.Lock()
	defer s.gate.Unlock()
	w := newCheckpointWriter(f)
	w.bytes(newFileHeader(number))
	s.dump(w)
	if err := w.flush(); err != nil {
		return 0, err
	}
	failpoint.Hit(failpoint.CheckpointWritten)
	err = d.log.rotate(func() (file, int64, error) {
		f, size, err := d.newLogFile(number)
		if err == nil {
			d.number = number // even if the old log cannot be closed
		}
		return f, size, err
	})
	return w.size, err
}

func (d *disk) checkpointBytes() int64 {
	if !d.checkpointing.TryLock() {
		return 0 // one is being written
	}
	defer d.checkpointing.Unlock()
	return d.manifest.CheckpointBytes
}

// checkpointWriter frames records and remembers the first error.
type checkpointWriter struct {
	w    *bufio.Writer
	buf  []byte
	size int64
	err  error
}

func newCheckpointWriter(w io.Writer) *checkpointWriter {
	return &checkpointWriter{w: bufio.NewWriterSize(w, 1<<20)}
}

func (w *checkpointWriter) flush() error {
	if err := w.w.Flush(); w.err == nil {
		w.err = err
	}
	return w.err
}

func (w *checkpointWriter) bytes(b []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(b)
		w.size += int64(len(b))
	}
}

func (w *checkpointWriter) record(r record) {
	if w.err != nil {
		return
	}
	w.buf, w.err = appendRecord(w.buf[:0], r)
	w.bytes(w.buf)
}

// dump writes the whole state. The gate is held, so nothing changes; the
// catalog and collection locks are not needed.
func (s *Store) dump(w *checkpointWriter) {
	for _, name := range slices.Sorted(maps.Keys(s.collections)) {
		c := s.collections[name]
		w.record(record{op: opCreateCollection, collection: name, msg: c.config})
		for _, path := range slices.Sorted(maps.Keys(c.indexes)) {
			ix := c.indexes[path]
			w.record(record{op: opCreateIndex, collection: name, msg: &qdrant.CreateFieldIndexCollection{
				FieldName: path, FieldType: fieldTypeOf(ix.schema), FieldIndexParams: ix.params,
			}})
		}
		order := c.inOrder()
		o := output{vectors: c.vectorNames()}
		if o.vectors == nil {
			o.vectors = []string{}
		}
		for batch := range slices.Chunk(order, checkpointBatch) {
			res := &qdrant.BatchResult{}
			for _, sl := range batch {
				res.Result = append(res.Result, &qdrant.ScoredPoint{
					Id: c.points[sl].proto(), Version: c.versions[sl], Payload: c.payloads[sl], Vectors: o.vectorsOf(c, sl),
				})
			}
			w.record(record{op: opRestore, collection: name, msg: res})
		}
		w.record(record{op: opCounter, collection: name, msg: &qdrant.UpdateResult{OperationId: &c.ops}})
	}
	aliases := &qdrant.ChangeAliases{}
	for _, alias := range slices.Sorted(maps.Keys(s.aliases)) {
		aliases.Actions = append(aliases.Actions, &qdrant.AliasOperations{Action: &qdrant.AliasOperations_CreateAlias{
			CreateAlias: &qdrant.CreateAlias{AliasName: alias, CollectionName: s.aliases[alias]},
		}})
	}
	w.record(record{op: opChangeAliases, msg: aliases})
	w.record(record{op: opEnd, msg: &qdrant.CountResult{}})
}

func fieldTypeOf(schema qdrant.PayloadSchemaType) *qdrant.FieldType {
	for t, s := range indexSchemas {
		if s == schema {
			return &t
		}
	}
	panic("unreachable: every index has a schema of indexSchemas")
}

// loadCheckpoint reads the manifest's checkpoint, which must be complete.
func (d *disk) loadCheckpoint(ctx context.Context, s *Store) error {
	name := filepath.Join(d.dir, checkpointName(d.manifest.Checkpoint))
	ended := false
	end, torn, err := readFile(name, d.manifest.Checkpoint, func(r record) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if ended {
			return fmt.Errorf("it follows the end mark")
		}
		if r.op == opEnd {
			ended = true
			return nil
		}
		return s.replay(r)
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case os.IsNotExist(err):
		return &DamageError{File: name, Reason: "the file is missing"}
	case err != nil:
		return err
	case torn || !ended || end != d.manifest.CheckpointBytes:
		return &DamageError{File: name, Offset: end, Reason: fmt.Sprintf("the file is incomplete, it should have %d bytes", d.manifest.CheckpointBytes)}
	}
	return nil
}

// restorePoints puts points back exactly as they were stored.
type restorePoints []restoredPoint

type restoredPoint struct {
	newPoint
	version uint64
}

func (c *collection) restored(ps []*qdrant.ScoredPoint) (change, error) {
	out := make(restorePoints, len(ps))
	var compact qdrantwire.Compactor
	for i, p := range ps {
		id, err := parseID(p.GetId())
		if err != nil {
			return nil, err
		}
		vs := map[string]vector{}
		named := p.GetVectors().GetVectors().GetVectors()
		if v := p.GetVectors().GetVector(); v != nil {
			named = map[string]*qdrant.VectorOutput{"": v}
		}
		for name, v := range named {
			if vs[name], err = c.restoredVector(name, v); err != nil {
				return nil, err
			}
		}
		out[i] = restoredPoint{newPoint{id: id, payload: compact.Payload(p.GetPayload()), vectors: vs, size: proto.Size(p)}, p.GetVersion()}
	}
	return out, nil
}

func (c *collection) restoredVector(name string, v *qdrant.VectorOutput) (vector, error) {
	if sp := v.GetSparse(); sp != nil && c.sparse[name] != nil {
		sv, err := newSparse(sp.GetIndices(), sp.GetValues())
		return vector{sparse: &sv}, err
	}
	if m := c.multi[name]; m != nil && v.GetMultiDense() != nil {
		rows, err := multiRows(v.GetMultiDense().GetVectors(), m.row.dim)
		return vector{multi: rows}, err
	}
	if d := c.dense[name]; d != nil && len(v.GetDense().GetData()) == d.dim {
		return vector{dense: v.GetDense().GetData()}, nil
	}
	return vector{}, fmt.Errorf("vector %s does not fit the collection %s", strings.TrimSpace(name), c.name)
}

func (ps restorePoints) apply(c *collection) error {
	for _, p := range ps {
		_ = upsertPoints{p.newPoint}.apply(c) // never fails
		c.versions[c.ids[p.id]] = p.version
	}
	return nil
}
