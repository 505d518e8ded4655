package chat

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/ragloop/ragloop/internal/away"
)

// Cache remembers the answers of another model in a [Store], so that the same
// question is not paid for twice, across runs. It is safe for concurrent use;
// equal requests at the same time make one call.
//
// What cannot be used is not remembered, as the endpoint may be well the next time:
// neither errors nor answers of which [Request.Usable] says so. Such an answer that an
// earlier version kept is not served, and the next one that can be used takes its
// place. Only an asker that sets no Usable has refusals and answers that were cut
// remembered.
type Cache struct {
	store *Store
	own   bool // the store is the cache's to close
	inner Model
	info  Info

	hits, misses, damaged atomic.Int64

	mu      sync.Mutex
	running map[requestKey]*call
}

// call is what everybody waits for who asks the same at the same time.
type call struct {
	over     chan struct{} // closed when it is; what follows is set before
	response Response
	answered bool // false: it failed, which need not be so for others
}

var _ Model = (*Cache)(nil)

// CacheStats counts requests since the file was opened.
type CacheStats struct {
	Hits    int64 // answered from the file, or by the call of somebody else
	Misses  int64 // passed on to the model
	Damaged int64 // found, but damaged, and so a miss
}

// cacheBucket holds the answers of language models. Key: SHA-256 of the model's
// fingerprint and the request, as keyOf writes them. Value: the response as JSON.
const cacheBucket = "answers.v1"

// NewCache returns a cache in front of m that keeps its answers in s. Several may
// share a store. Close has nothing to do.
func NewCache(s *Store, m Model) *Cache {
	return &Cache{store: s, inner: m, info: m.Info(), running: map[requestKey]*call{}}
}

// OpenCache opens or creates the store at path, as [OpenStore] does, and puts it in
// front of m. Close the cache after use.
func OpenCache(path string, m Model, warn func(error)) (*Cache, error) {
	s, err := OpenStore(path, warn)
	if err != nil {
		return nil, err
	}
	c := NewCache(s, m)
	c.own = true
	return c, nil
}

// Close closes the store that [OpenCache] opened. Calls of Complete after it fail.
func (c *Cache) Close() error {
	if !c.own {
		return nil
	}
	return c.store.Close()
}

// Info implements [Model]: it is that of the model behind the cache.
func (c *Cache) Info() Info { return c.info }

// Stats returns the counts.
func (c *Cache) Stats() CacheStats {
	return CacheStats{Hits: c.hits.Load(), Misses: c.misses.Load(), Damaged: c.damaged.Load()}
}

// Has reports whether r would be answered from the file.
func (c *Cache) Has(r Request) (bool, error) {
	_, found, err := c.read(keyOf(c.info.Fingerprint, r), r)
	return found, err
}

// Complete implements [Model]. When the file cannot be written the answer comes
// with the error.
func (c *Cache) Complete(ctx context.Context, r Request) (Response, error) {
	if err := r.check(); err != nil {
		return Response{}, err
	}
	key := keyOf(c.info.Fingerprint, r)
	var own *call
	for {
		running, mine := c.claim(key)
		if mine {
			own = running
			break
		}
		if err := wait(ctx, running.over); err != nil {
			return Response{}, err
		}
		if running.answered {
			c.hits.Add(1)
			response := running.response
			response.Cached = true
			return response, nil
		}
	}
	back := func() {}
	defer func() { back() }() // last: others wait for key
	defer c.release(key, own)
	response, found, err := c.read(key, r)
	switch {
	case err != nil:
		return Response{}, err
	case found:
		c.hits.Add(1)
		own.response, own.answered = response, true
		return response, nil
	}
	c.misses.Add(1)
	back = away.Begin(ctx)
	if response, err = c.inner.Complete(ctx, r); err != nil {
		return Response{}, err
	}
	own.response, own.answered = response, true
	if !r.usable(response) {
		return response, nil
	}
	return response, c.write(key, response)
}

// wait waits for the call of somebody else to the model, which is as far away for who
// waits.
func wait(ctx context.Context, done <-chan struct{}) error {
	defer away.Begin(ctx)()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// claim returns the call for key: a new one of the caller's own, to be released, or
// that of somebody else.
func (c *Cache) claim(key requestKey) (running *call, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if running, ok := c.running[key]; ok {
		return running, false
	}
	running = &call{over: make(chan struct{})}
	c.running[key] = running
	return running, true
}

func (c *Cache) release(key requestKey, own *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(own.over)
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

// read returns the response that the file has under key, if r can use it.
func (c *Cache) read(key requestKey, r Request) (response Response, found bool, err error) {
	raw, found, damaged, err := c.store.get(cacheBucket, key)
	var s stored
	if found && json.Unmarshal(raw, &s) != nil {
		found, damaged = false, true
	}
	if damaged {
		c.damaged.Add(1)
	}
	if err != nil || !found {
		return Response{}, false, err
	}
	response = Response{s.Text, s.Refusal, s.Finish, s.Model, s.Usage, true}
	if !r.usable(response) {
		return Response{}, false, nil
	}
	return response, true, nil
}

func (c *Cache) write(key requestKey, r Response) error {
	raw, err := json.Marshal(stored{r.Text, r.Refusal, r.Finish, r.Model, r.Usage})
	if err != nil {
		return fmt.Errorf("write answer cache %s: %w", c.store.file.Path(), err) // unreachable: strings and numbers always marshal
	}
	return c.store.Put(cacheBucket, key, raw)
}
