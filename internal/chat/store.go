package chat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Store is a file that keeps what remote models answered, by the hash of what they
// were asked. It is safe for concurrent use. One process at a time can have the file
// open.
//
// # Stored layout
//
// A bbolt file with a bucket for each kind of answer. Value: the answer, then the
// CRC-32C of its bytes, little endian. A value that does not check is a miss and is
// written anew. The file may be deleted whenever no process has it open.
type Store struct {
	path string
	db   *bbolt.DB
}

// ErrCacheLocked is wrapped by the error of [OpenStore] when another process has
// the file open.
var ErrCacheLocked = errors.New("another process has it open")

// lockTimeout is how long OpenStore waits for another process to close the file.
const lockTimeout = time.Second

// OpenStore opens or creates the file at path. Close the store after use.
func OpenStore(path string) (*Store, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("open answer cache %s: %w", path, ErrCacheLocked)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, fmt.Errorf("open answer cache %s: %w; it is not a cache or is damaged, and a cache can be deleted, at the price of asking again", path, err)
	case err != nil:
		return nil, fmt.Errorf("open answer cache %s: %w", path, err)
	}
	return &Store{path: path, db: db}, nil
}

// Close closes the file. Calls after it fail.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close answer cache %s: %w", s.path, err)
	}
	return nil
}

// Get returns the answer that a bucket has under a key; false: none, or one that is
// damaged.
func (s *Store) Get(bucket string, key [32]byte) (value []byte, found bool, err error) {
	value, found, _, err = s.get(bucket, key)
	return value, found, err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (s *Store) get(bucket string, key [32]byte) (value []byte, found, damaged bool, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return nil
		}
		raw := b.Get(key[:])
		if raw == nil {
			return nil
		}
		size := len(raw) - crc32.Size
		if size < 0 || binary.LittleEndian.Uint32(raw[size:]) != crc32.Checksum(raw[:size], castagnoli) {
			damaged = true
			return nil
		}
		value, found = append([]byte{}, raw[:size]...), true // raw ends with the transaction
		return nil
	})
	if err != nil {
		return nil, false, false, fmt.Errorf("read answer cache %s: %w", s.path, err)
	}
	return value, found, damaged, nil
}

// Put stores an answer, durably: a call may have taken a minute and cost money,
// beside which a transaction is nothing.
func (s *Store) Put(bucket string, key [32]byte, value []byte) error {
	raw := binary.LittleEndian.AppendUint32(append([]byte{}, value...), crc32.Checksum(value, castagnoli))
	// Batch: calls that end together share a transaction.
	err := s.db.Batch(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(bucket))
		if err != nil {
			return err
		}
		return b.Put(key[:], raw)
	})
	if err != nil {
		return fmt.Errorf("write answer cache %s: %w", s.path, err)
	}
	return nil
}
