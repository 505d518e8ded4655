// Package querycache keeps the vectors of recent queries in memory, in front of
// an embedder: what many people ask is embedded once. Passages and raw texts pass
// through; vectors that outlive the process are the business of embed.Cache.
package querycache

import (
	"container/list"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/ragloop/ragloop/internal/away"
	"github.com/ragloop/ragloop/internal/embed"
)

// Cache is an [embed.Embedder] that embeds equal queries once: of those that come
// at the same time one goes to the embedder and the others wait for it, and its
// vector is kept until the space is needed for queries that were asked later.
// Errors are not kept. Safe for concurrent use.
type Cache struct {
	inner embed.Embedder
	limit int64

	mu      sync.Mutex
	entries map[string]*list.Element // of *entry
	recent  *list.List               // the one that was asked last in front
	flights map[string]*flight
	stats   Stats
}

var _ embed.Embedder = (*Cache)(nil)

type entry struct {
	query  string
	vector []float32
}

// overhead is about what an entry takes beside its query and vector: a list
// element, the entry, a place in the map.
const overhead = 200

func (e *entry) bytes() int64 { return int64(len(e.query)+4*len(e.vector)) + overhead }

// flight is a query that is being embedded.
type flight struct {
	work    away.Shared
	done    chan struct{}
	vector  []float32 // these three are set before done is closed
	err     error
	panic   string             // what the embedder panicked with, and where; empty: it did not
	waiting int                // who wants it
	cancel  context.CancelFunc // ends the work; called when nobody does
}

// Stats count queries since the cache was made.
type Stats struct {
	Hits   int64 // known
	Shared int64 // embedded for another caller at the time
	Misses int64 // passed on to the embedder
	Bytes  int64 // taken now, about
	Kept   int   // vectors kept now
}

// New returns a cache of at most limit bytes in front of e; with a limit of 0 it
// keeps nothing, and equal queries at the same time still are embedded once.
func New(e embed.Embedder, limit int64) *Cache {
	return &Cache{inner: e, limit: limit, entries: map[string]*list.Element{}, recent: list.New(), flights: map[string]*flight{}}
}

// Info implements [embed.Embedder]: it is that of the embedder behind the cache.
func (c *Cache) Info() embed.Info { return c.inner.Info() }

// CountTokens implements [embed.Embedder].
func (c *Cache) CountTokens(s string) int { return c.inner.CountTokens(s) }

// Stats returns the counts so far.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Kept = len(c.entries)
	return s
}

// Embed implements [embed.Embedder]. The caller owns the vectors. A caller that
// gives up leaves the work to the others who wait for it; without others it ends.
func (c *Cache) Embed(ctx context.Context, task embed.Task, texts []string) ([][]float32, error) {
	if task != embed.Query {
		return c.inner.Embed(ctx, task, texts)
	}
	out := make([][]float32, 0, len(texts))
	for _, q := range texts {
		v, err := c.query(ctx, q)
		if err != nil {
			return out, err
		}
		out = append(out, slices.Clone(v))
	}
	return out, nil
}

// query returns the vector of a query, which nobody may change.
func (c *Cache) query(ctx context.Context, q string) ([]float32, error) {
	c.mu.Lock()
	if at, ok := c.entries[q]; ok {
		c.stats.Hits++
		c.recent.MoveToFront(at)
		c.mu.Unlock()
		return at.Value.(*entry).vector, nil
	}
	f, ok := c.flights[q]
	if ok {
		c.stats.Shared++
	} else {
		c.stats.Misses++
		f = c.begin(ctx, q)
	}
	f.waiting++
	c.mu.Unlock()
	defer f.work.Join(ctx)()

	select {
	case <-f.done:
		if f.panic != "" {
			panic(f.panic)
		}
		return f.vector, f.err
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.cancel()
		c.land(q, f)
	}
	return nil, ctx.Err()
}

// begin embeds q for whoever wants it. The values of ctx count, its end does not:
// others may wait longer. c.mu is held.
func (c *Cache) begin(ctx context.Context, q string) *flight {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &flight{done: make(chan struct{}), cancel: cancel}
	c.flights[q] = f
	go func() {
		defer cancel()
		vectors, err := c.embed(f.work.Watch(ctx), q, f)
		c.mu.Lock()
		defer c.mu.Unlock()
		// A broken contract is for the caller to find: it is not kept.
		if len(vectors) > 0 {
			f.vector = vectors[0]
		}
		f.err = err
		if err == nil && len(vectors) == 1 {
			c.keep(&entry{q, f.vector})
		}
		c.land(q, f)
		close(f.done)
	}()
	return f
}

// embed asks the embedder. A panic becomes one of those who wait: they may know
// what to do about it, and here it would end the process.
func (c *Cache) embed(ctx context.Context, q string, f *flight) ([][]float32, error) {
	defer func() {
		if p := recover(); p != nil {
			f.panic = fmt.Sprintf("%v\n\n%s", p, debug.Stack())
		}
	}()
	return c.inner.Embed(ctx, embed.Query, []string{q})
}

// land lets the next caller of q begin anew. c.mu is held.
func (c *Cache) land(q string, f *flight) {
	if c.flights[q] == f {
		delete(c.flights, q)
	}
}

// keep makes room for e. c.mu is held.
func (c *Cache) keep(e *entry) {
	if e.bytes() > c.limit {
		return
	}
	if old, ok := c.entries[e.query]; ok { // of a flight that everybody had left
		c.drop(old)
	}
	c.entries[e.query] = c.recent.PushFront(e)
	c.stats.Bytes += e.bytes()
	for c.stats.Bytes > c.limit {
		c.drop(c.recent.Back())
	}
}

func (c *Cache) drop(at *list.Element) {
	e := c.recent.Remove(at).(*entry)
	delete(c.entries, e.query)
	c.stats.Bytes -= e.bytes()
}
