package chat

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"go.etcd.io/bbolt"

	"github.com/ragloop/ragloop/internal/boltfile"
)

// Store is a file that keeps what remote models answered, by the hash of what they
// were asked. It is safe for concurrent use. One process at a time can have the file
// open.
//
// # Stored layout
//
// A bbolt file with a bucket for each kind of answer. Value: the answer, then the
// CRC-32C of its bytes, little endian. A value that does not check is a miss and is
// written anew. A file that is damaged otherwise, or no store, is renamed to
// NAME.damaged. It may be deleted whenever no process has it open.
type Store struct{ file *boltfile.File }

// ErrCacheLocked is wrapped by the error of [OpenStore] when another process has
// the file open.
var ErrCacheLocked = boltfile.ErrLocked

// OpenStore opens or creates the file at path. Close the store after use. warn is
// told of damage, which costs what was kept and nothing else; nil: nobody is. Errors:
// [ErrCacheLocked], and those of the file system.
func OpenStore(path string, warn func(error)) (*Store, error) {
	f, err := boltfile.Open(path, warn)
	if err != nil {
		return nil, fmt.Errorf("open answer cache %s: %w", path, err)
	}
	return &Store{f}, nil
}

// Close closes the file. Calls after it fail.
func (s *Store) Close() error {
	if err := s.file.Close(); err != nil {
		return fmt.Errorf("close answer cache %s: %w", s.file.Path(), err)
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
	sound, err := s.file.View(func(tx *bbolt.Tx) error {
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
		return nil, false, false, fmt.Errorf("read answer cache %s: %w", s.file.Path(), err)
	}
	if !sound {
		return nil, false, false, nil
	}
	return value, found, damaged, nil
}

// Put stores an answer, durably: a call may have taken a minute and cost money,
// beside which a transaction is nothing. In a damaged file it stores nothing.
func (s *Store) Put(bucket string, key [32]byte, value []byte) error {
	raw := binary.LittleEndian.AppendUint32(append([]byte{}, value...), crc32.Checksum(value, castagnoli))
	// Not bbolt's Batch: it may run in a goroutine in which damage would end the process.
	err := s.file.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(bucket))
		if err != nil {
			return err
		}
		return b.Put(key[:], raw)
	})
	if err != nil {
		return fmt.Errorf("write answer cache %s: %w", s.file.Path(), err)
	}
	return nil
}
