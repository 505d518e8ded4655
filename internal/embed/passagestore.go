package embed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"github.com/ragloop/ragloop/internal/boltfile"
)

// PassageStore keeps in a file what [Late] made of passages, so that they need
// not be read again after a restart. It holds so many bytes, and then forgets
// what it got first. It is safe for concurrent use; one process at a time can
// have the file open.
//
// It is not part of the file of [Cache]: a service has it open for as long as it
// runs and must not keep others from ingesting, and its size is of another order,
// [Late] says which.
//
// # Stored layout
//
// A bbolt file with two buckets. "passages.v1": key: SHA-256 of the length of the
// fingerprint of the Late (uint32, little endian), the fingerprint and the
// passage; value: for each token the scale (float32, little endian) and the steps
// (int8, one for each component), then the CRC-32C of these bytes. The bucket's
// sequence is the sum of the lengths of its values. "order.v1": key: a number that
// grows by one with each passage (uint64, big endian); value: the passage's key. A
// value that does not check is computed and written anew. A file that is damaged
// otherwise, or no store, is renamed to NAME.damaged. It may be deleted whenever no
// process has it open; it does not shrink, but what is free in it is used again.
type PassageStore struct {
	file    *boltfile.File
	limit   int64
	warn    func(error)
	damaged atomic.Int64

	mu      sync.Mutex
	idle    sync.Cond // broadcast when writing becomes false
	pending []storedPassage
	size    int  // bytes of pending
	writing bool // by a goroutine, which ends when nothing is pending
	closed  bool
	err     error // of the first write that failed: there is no other
}

type storedPassage struct {
	key    passageKey
	tokens rounded
}

const (
	passageBucket = "passages.v1"
	orderBucket   = "order.v1"
	// maxPending is what may wait to be written: what comes on top is not kept,
	// and so read again one day.
	maxPending = 32 << 20
)

// OpenPassageStore opens or creates the file at path, for values of at most limit
// bytes together; with pages that are free or partly filled the file takes up to
// one and a half times that. Passages are written in the background. When that fails,
// warn is told, once, and from then on nothing is written; it is told of damage, too.
// Nil: only Close tells. Errors as of [OpenCache].
func OpenPassageStore(path string, limit int64, warn func(error)) (*PassageStore, error) {
	if limit < 1 {
		return nil, fmt.Errorf("open passage store %s: the limit is %d bytes, want 1 or more", path, limit)
	}
	if warn == nil {
		warn = func(error) {}
	}
	f, err := boltfile.Open(path, warn, passageBucket, orderBucket)
	if err != nil {
		return nil, fmt.Errorf("open passage store %s: %w", path, err)
	}
	s := &PassageStore{file: f, limit: limit, warn: warn}
	s.idle.L = &s.mu
	return s, nil
}

// Close writes what is still to be written and closes the file. Its error is also
// that of a write before: passages that could not be kept cost time, nothing else.
func (s *PassageStore) Close() error {
	s.mu.Lock()
	s.closed = true
	for s.writing {
		s.idle.Wait()
	}
	err := s.err
	s.mu.Unlock()
	if closing := s.file.Close(); closing != nil {
		err = errors.Join(err, fmt.Errorf("close passage store %s: %w", s.file.Path(), closing))
	}
	return err
}

// Damaged returns how many values did not check since the file was opened.
func (s *PassageStore) Damaged() int64 { return s.damaged.Load() }

// get returns the stored passages, nil where there is none.
func (s *PassageStore) get(keys []passageKey, dimension int) ([]rounded, error) {
	out := make([]rounded, len(keys))
	sound, err := s.file.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(passageBucket))
		for i := range keys {
			raw := bucket.Get(keys[i][:])
			if raw == nil {
				continue
			}
			if out[i] = decodePassage(raw, dimension); out[i] == nil {
				s.damaged.Add(1)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read passage store %s: %w", s.file.Path(), err)
	}
	if !sound {
		clear(out)
	}
	return out, nil
}

// put takes passages to be written soon. It does not wait for that.
func (s *PassageStore) put(passages []storedPassage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.err != nil {
		return
	}
	for _, p := range passages {
		if s.size+len(p.tokens) > maxPending {
			break
		}
		s.pending, s.size = append(s.pending, p), s.size+len(p.tokens)
	}
	if !s.writing && len(s.pending) > 0 {
		s.writing = true
		go s.writePending()
	}
}

// writePending writes until nothing is pending.
func (s *PassageStore) writePending() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.pending) > 0 {
		batch := s.pending
		s.pending, s.size = nil, 0
		s.mu.Unlock()
		err := s.write(batch)
		s.mu.Lock()
		if err != nil {
			err = fmt.Errorf("write passage store %s: %w; nothing is kept there from now on", s.file.Path(), err)
			s.err, s.pending, s.size = err, nil, 0
			s.mu.Unlock()
			s.warn(err)
			s.mu.Lock()
		}
	}
	s.writing = false
	s.idle.Broadcast()
}

// write stores passages in one transaction, and forgets what there is no room for.
func (s *PassageStore) write(batch []storedPassage) error {
	err := s.file.Update(func(tx *bbolt.Tx) error {
		values, order := tx.Bucket([]byte(passageBucket)), tx.Bucket([]byte(orderBucket))
		size := int64(values.Sequence())
		for _, p := range batch {
			value := encodePassage(p.tokens)
			old := values.Get(p.key[:])
			if bytes.Equal(old, value) {
				continue // another call had it, too
			}
			size += int64(len(value) - len(old))
			if err := values.Put(p.key[:], value); err != nil {
				return err
			}
			if old != nil {
				continue // damaged until now: it has its place in the order
			}
			n, err := order.NextSequence()
			if err != nil {
				return err
			}
			if err := order.Put(binary.BigEndian.AppendUint64(nil, n), p.key[:]); err != nil {
				return err
			}
		}
		for size > s.limit {
			place, key := order.Cursor().First()
			if place == nil {
				break
			}
			place, key = bytes.Clone(place), bytes.Clone(key) // a change of the bucket may move them
			size -= int64(len(values.Get(key)))
			if err := errors.Join(values.Delete(key), order.Delete(place)); err != nil {
				return err
			}
		}
		return values.SetSequence(uint64(max(size, 0)))
	})
	return err
}

func encodePassage(p rounded) []byte {
	return binary.LittleEndian.AppendUint32(slices.Clone([]byte(p)), crc32.Checksum(p, castagnoli))
}

// maxScale is the scale of a vector of length 1 all of which is in one component,
// and a little more.
const maxScale = (1 + 1e-3) / 127

// decodePassage returns a copy of what encodePassage wrote for vectors of the
// given dimension, or nil if raw is nothing of the kind.
func decodePassage(raw []byte, dimension int) rounded {
	size := len(raw) - 4
	if size < 0 || size%(scaleBytes+dimension) != 0 || binary.LittleEndian.Uint32(raw[size:]) != crc32.Checksum(raw[:size], castagnoli) {
		return nil
	}
	for at := 0; at < size; at += scaleBytes + dimension {
		scale := math.Float32frombits(binary.LittleEndian.Uint32(raw[at:]))
		if !(scale > 0 && scale <= maxScale) {
			return nil
		}
	}
	return append(rounded{}, raw[:size]...)
}
