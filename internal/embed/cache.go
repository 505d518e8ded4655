package embed

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"github.com/ragloop/ragloop/internal/boltfile"
)

// Cache remembers the vectors of another embedder in a file, so that no text is
// embedded twice, across runs and across indexes. It is safe for concurrent
// use: readers do not wait for each other, writers take turns. One process at a
// time can have the file open.
//
// # Stored layout
//
// A bbolt file with one bucket, "vectors.v1". Key: SHA-256 of the length of the
// embedder's fingerprint (uint32), the fingerprint, the task (one byte) and the
// text. Value: the vector as float32, then the CRC-32C of these bytes; all
// little endian. A value that does not check is a miss and is written anew. A file
// that is damaged otherwise, or no cache, is renamed to NAME.damaged. It may be
// deleted whenever no process has it open.
type Cache struct {
	file  *cacheFile
	inner Embedder
	info  Info
}

var _ Embedder = (*Cache)(nil)

// cacheFile is shared by the caches of several embedders.
type cacheFile struct {
	*boltfile.File
	hits, misses, damaged atomic.Int64
}

// CacheStats counts texts since the file was opened.
type CacheStats struct {
	Hits    int64 // answered from the file or by an equal text of the same call
	Misses  int64 // passed on to the embedder
	Damaged int64 // found, but unreadable, and so a miss
}

const (
	cacheBucket = "vectors.v1"
	// cacheBatch is the number of new vectors after which they are written: one
	// fsync for many, yet little is lost when the process is killed.
	cacheBatch = 128
	// unitTolerance is how far from 1 the squared length of a vector may be.
	unitTolerance = 1e-3
)

// ErrCacheLocked is wrapped by the error of [OpenCache] and [OpenPassageStore] when
// another process has the file open.
var ErrCacheLocked = boltfile.ErrLocked

// OpenCache opens or creates the file at path and puts it in front of e. Close
// the cache after use. warn is told of damage, which costs what was kept and nothing
// else; nil: nobody is. Errors: [ErrCacheLocked], and those of the file system.
func OpenCache(path string, e Embedder, warn func(error)) (*Cache, error) {
	f, err := boltfile.Open(path, warn, cacheBucket)
	if err != nil {
		return nil, fmt.Errorf("open embedding cache %s: %w", path, err)
	}
	c := &Cache{file: &cacheFile{File: f}}
	return c.With(e), nil
}

// With returns a cache in the same file in front of another embedder. Closing
// either closes both.
func (c *Cache) With(e Embedder) *Cache {
	return &Cache{file: c.file, inner: e, info: e.Info()}
}

// Close closes the file. Calls of Embed after it fail.
func (c *Cache) Close() error {
	if err := c.file.Close(); err != nil {
		return fmt.Errorf("close embedding cache %s: %w", c.file.Path(), err)
	}
	return nil
}

// Info implements [Embedder]: it is that of the embedder behind the cache.
func (c *Cache) Info() Info { return c.info }

// CountTokens implements [Embedder].
func (c *Cache) CountTokens(s string) int { return c.inner.CountTokens(s) }

// Stats returns the counts of all caches in the file.
func (c *Cache) Stats() CacheStats {
	return CacheStats{Hits: c.file.hits.Load(), Misses: c.file.misses.Load(), Damaged: c.file.damaged.Load()}
}

type cacheKey [sha256.Size]byte

func (c *Cache) key(task Task, text string) cacheKey {
	h := sha256.New()
	var size [4]byte
	binary.LittleEndian.PutUint32(size[:], uint32(len(c.info.Fingerprint)))
	h.Write(size[:])
	h.Write([]byte(c.info.Fingerprint))
	h.Write([]byte{byte(task)})
	h.Write([]byte(text))
	return cacheKey(h.Sum(nil))
}

// Embed implements [Embedder]. What the embedder behind the cache returned is
// kept even if it failed later; a vector that is not of unit length or of another
// dimension is an error. When the file cannot be written the vectors come with
// the error.
func (c *Cache) Embed(ctx context.Context, task Task, texts []string) ([][]float32, error) {
	keys := make([]cacheKey, len(texts))
	for i, text := range texts {
		keys[i] = c.key(task, text)
	}
	vectors, err := c.read(keys)
	if err != nil {
		return nil, err
	}
	// Equal texts share a place in missing, in order of first occurrence.
	var missing []string
	var missingKeys []cacheKey
	place := make(map[cacheKey]int)
	for i, v := range vectors {
		if v != nil {
			continue
		}
		if _, seen := place[keys[i]]; !seen {
			place[keys[i]] = len(missing)
			missing = append(missing, texts[i])
			missingKeys = append(missingKeys, keys[i])
		}
	}
	c.file.misses.Add(int64(len(missing)))
	c.file.hits.Add(int64(len(texts) - len(missing)))

	var fresh [][]float32
	for len(fresh) < len(missing) && err == nil {
		from := len(fresh)
		to := min(from+cacheBatch, len(missing))
		var got [][]float32
		got, err = c.inner.Embed(ctx, task, missing[from:to])
		got, err = c.check(got, err, to-from)
		if unkept := c.write(missingKeys[from:from+len(got)], got); unkept != nil {
			err = instead(err, unkept)
		}
		fresh = append(fresh, got...)
	}
	used := make([]bool, len(fresh))
	for i, v := range vectors {
		if v != nil {
			continue
		}
		p := place[keys[i]]
		if p >= len(fresh) {
			return vectors[:i], err
		}
		vectors[i] = fresh[p]
		if used[p] {
			vectors[i] = slices.Clone(fresh[p]) // callers may change what they got
		}
		used[p] = true
	}
	return vectors, err
}

// check returns the part of an embedder's answer to n texts that can be kept,
// and an error if the answer breaks the contract of [Embedder].
func (c *Cache) check(vectors [][]float32, err error, n int) ([][]float32, error) {
	if len(vectors) > n || err == nil && len(vectors) < n {
		err = instead(err, fmt.Errorf("embed %d texts with %s: got %d vectors", n, c.info.Name, len(vectors)))
		vectors = vectors[:min(len(vectors), n)]
	}
	for i, v := range vectors {
		if !isUnit(v, c.info.Dimension) {
			return vectors[:i], instead(err, fmt.Errorf("embed %d texts with %s: vector %d is not a unit vector of dimension %d", n, c.info.Name, i, c.info.Dimension))
		}
	}
	return vectors, err
}

// instead returns worse, which tells err but does not wrap it: callers wait for an
// embedder that is away and go on behind a text that it refuses. They may do neither
// where something is wrong besides.
func instead(err, worse error) error {
	if err == nil {
		return worse
	}
	return fmt.Errorf("%w; before that: %v", worse, err)
}

// read returns the stored vectors, nil where there is none.
func (c *Cache) read(keys []cacheKey) ([][]float32, error) {
	vectors := make([][]float32, len(keys))
	sound, err := c.file.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(cacheBucket))
		for i := range keys {
			raw := bucket.Get(keys[i][:])
			if raw == nil {
				continue
			}
			if vectors[i] = decodeVector(raw, c.info.Dimension); vectors[i] == nil {
				c.file.damaged.Add(1)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read embedding cache %s: %w", c.file.Path(), err)
	}
	if !sound {
		clear(vectors)
	}
	return vectors, nil
}

// write stores vectors in one transaction, none in a damaged file.
func (c *Cache) write(keys []cacheKey, vectors [][]float32) error {
	if len(vectors) == 0 {
		return nil
	}
	err := c.file.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(cacheBucket))
		for i, v := range vectors {
			if err := bucket.Put(keys[i][:], encodeVector(v)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write embedding cache %s: %w", c.file.Path(), err)
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encodeVector(v []float32) []byte {
	out := make([]byte, 0, 4*len(v)+4)
	for _, x := range v {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
	}
	return binary.LittleEndian.AppendUint32(out, crc32.Checksum(out, castagnoli))
}

// decodeVector returns nil unless raw is a unit vector of the given dimension
// as encodeVector writes it.
func decodeVector(raw []byte, dimension int) []float32 {
	size := 4 * dimension
	if len(raw) != size+4 || binary.LittleEndian.Uint32(raw[size:]) != crc32.Checksum(raw[:size], castagnoli) {
		return nil
	}
	v := make([]float32, dimension)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	if !isUnit(v, dimension) {
		return nil
	}
	return v
}

// isUnit reports whether v is a vector of the given dimension and length 1,
// which one with a component that is no finite number is not.
func isUnit(v []float32, dimension int) bool {
	var squares float64
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	return len(v) == dimension && math.Abs(squares-1) < unitTolerance
}
