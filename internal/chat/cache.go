package chat

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Cache remembers the answers of another model in a file, so that the same
// question is not paid for twice, across runs. It is safe for concurrent use;
// equal requests at the same time make one call. One process at a time can have
// the file open.
//
// Refusals and answers that were cut are answers, and remembered; errors are not.
//
// # Stored layout
//
// A bbolt file with one bucket, "answers.v1". Key: SHA-256 of the model's
// fingerprint and the request, as keyOf writes them. Value: the response as JSON,
// then the CRC-32C of these bytes, little endian. A value that does not check is
// a miss and is written anew. The file may be deleted whenever no process has it
// open.
type Cache struct {
	path  string
	db    *bbolt.DB
	inner Model
	info  Info

	hits, misses, damaged atomic.Int64

	mu      sync.Mutex
	running map[requestKey]chan struct{} // closed when the call for a key is over
}

var _ Model = (*Cache)(nil)

// CacheStats counts requests since the file was opened.
type CacheStats struct {
	Hits    int64 // answered from the file
	Misses  int64 // passed on to the model
	Damaged int64 // found, but unreadable, and so a miss
}

// ErrCacheLocked is wrapped by the error of [OpenCache] when another process
// has the file open.
var ErrCacheLocked = errors.New("another process has it open")

const (
	cacheBucket = "answers.v1"
	// lockTimeout is how long OpenCache waits for another process to close the file.
	lockTimeout = time.Second
)

// OpenCache opens or creates the file at path and puts it in front of m. Close
// the cache after use.
func OpenCache(path string, m Model) (*Cache, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("open answer cache %s: %w", path, ErrCacheLocked)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, fmt.Errorf("open answer cache %s: %w; it is not a cache or is damaged, and a cache can be deleted, at the price of asking again", path, err)
	case err != nil:
		return nil, fmt.Errorf("open answer cache %s: %w", path, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists([]byte(cacheBucket))
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare answer cache %s: %w", path, err), db.Close())
	}
	return &Cache{path: path, db: db, inner: m, info: m.Info(), running: map[requestKey]chan struct{}{}}, nil
}

// Close closes the file. Calls of Complete after it fail.
func (c *Cache) Close() error {
	if err := c.db.Close(); err != nil {
		return fmt.Errorf("close answer cache %s: %w", c.path, err)
	}
	return nil
}

// Info implements [Model]: it is that of the model behind the cache.
func (c *Cache) Info() Info { return c.info }

// Stats returns the counts.
func (c *Cache) Stats() CacheStats {
	return CacheStats{Hits: c.hits.Load(), Misses: c.misses.Load(), Damaged: c.damaged.Load()}
}

// Has reports whether r would be answered from the file.
func (c *Cache) Has(r Request) (bool, error) {
	_, found, err := c.read(keyOf(c.info.Fingerprint, r))
	return found, err
}

// Complete implements [Model]. When the file cannot be written the answer comes
// with the error.
func (c *Cache) Complete(ctx context.Context, r Request) (Response, error) {
	if err := r.check(); err != nil {
		return Response{}, err
	}
	key := keyOf(c.info.Fingerprint, r)
	for {
		done, mine := c.claim(key)
		if mine {
			break
		}
		select { // then try again: the other call may have failed
		case <-done:
		case <-ctx.Done():
			return Response{}, ctx.Err()
		}
	}
	defer c.release(key)
	response, found, err := c.read(key)
	switch {
	case err != nil:
		return Response{}, err
	case found:
		c.hits.Add(1)
		return response, nil
	}
	c.misses.Add(1)
	if response, err = c.inner.Complete(ctx, r); err != nil {
		return Response{}, err
	}
	return response, c.write(key, response)
}

// claim returns whether key is the caller's until it is released, or else what
// to wait for.
func (c *Cache) claim(key requestKey) (done <-chan struct{}, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if running, ok := c.running[key]; ok {
		return running, false
	}
	c.running[key] = make(chan struct{})
	return nil, true
}

func (c *Cache) release(key requestKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.running[key])
	delete(c.running, key)
}

type requestKey [sha256.Size]byte

// keyOf returns the key of a request to the model with a fingerprint. JSON keeps
// the parts apart whatever they contain.
func keyOf(fingerprint string, r Request) requestKey {
	key, err := json.Marshal(struct {
		Fingerprint string
		Request     Request
	}{fingerprint, r})
	if err != nil { // the schema, which check refuses to have broken
		key = fmt.Appendf(nil, "%q %#v", fingerprint, r) // unreachable: callers check
	}
	return sha256.Sum256(key)
}

// stored is a response as it is in the file.
type stored struct {
	Text    string `json:"text"`
	Refusal string `json:"refusal,omitempty"`
	Finish  string `json:"finish,omitempty"`
	Model   string `json:"model,omitempty"`
	Usage   Usage  `json:"usage"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (c *Cache) read(key requestKey) (response Response, found bool, err error) {
	err = c.db.View(func(tx *bbolt.Tx) error {
		raw := tx.Bucket([]byte(cacheBucket)).Get(key[:])
		if raw == nil {
			return nil
		}
		var s stored
		size := len(raw) - crc32.Size
		if size < 0 || binary.LittleEndian.Uint32(raw[size:]) != crc32.Checksum(raw[:size], castagnoli) || json.Unmarshal(raw[:size], &s) != nil {
			c.damaged.Add(1)
			return nil
		}
		response, found = Response{s.Text, s.Refusal, s.Finish, s.Model, s.Usage, true}, true
		return nil
	})
	if err != nil {
		return Response{}, false, fmt.Errorf("read answer cache %s: %w", c.path, err)
	}
	return response, found, nil
}

// write stores one answer, durably: a call may have taken a minute and cost money,
// beside which a transaction is nothing.
func (c *Cache) write(key requestKey, r Response) error {
	raw, err := json.Marshal(stored{r.Text, r.Refusal, r.Finish, r.Model, r.Usage})
	if err == nil {
		raw = binary.LittleEndian.AppendUint32(raw, crc32.Checksum(raw, castagnoli))
		// Batch: calls that end together share a transaction.
		err = c.db.Batch(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(cacheBucket)).Put(key[:], raw) })
	}
	if err != nil {
		return fmt.Errorf("write answer cache %s: %w", c.path, err)
	}
	return nil
}
