package index

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/ragloop/ragloop/internal/text"
)

// turns keeps the writers of a client apart where they write to the same
// documents. The zero value is ready. Safe for concurrent use.
type turns struct {
	mu           sync.Mutex
	byCollection map[string]*occupancy // of chunk collections
}

// occupancy says which documents of a collection somebody writes to.
type occupancy struct {
	docs  map[text.DocID]bool
	all   bool          // somebody writes to whatever there is
	ahead int           // how many wait for that; documents are not given away before them
	freed chan struct{} // closed, and replaced, when something becomes free
}

// turn waits until no other writer of this client is at work on any of docs, on
// the whole chunk collection where none is named; the caller must call done.
func (c *Client) turn(ctx context.Context, collection string, docs ...text.DocID) (done func(), err error) {
	t := &c.turns
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.byCollection[collection]
	if o == nil {
		if t.byCollection == nil {
			t.byCollection = make(map[string]*occupancy)
		}
		o = &occupancy{docs: make(map[text.DocID]bool), freed: make(chan struct{})}
		t.byCollection[collection] = o
	}
	if len(docs) == 0 {
		o.ahead++
		defer func() { o.ahead-- }()
	}
	for !o.take(docs) {
		freed := o.freed
		t.mu.Unlock()
		select {
		case <-freed:
			t.mu.Lock()
		case <-ctx.Done():
			t.mu.Lock()
			o.wake() // those that waited behind this one
			return nil, fmt.Errorf("wait for another writer of %s: %w", collection, ctx.Err())
		}
	}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		o.release(docs)
	}, nil
}

// take occupies docs, or all where there are none. It reports whether they were free.
func (o *occupancy) take(docs []text.DocID) bool {
	if o.all {
		return false
	}
	if len(docs) == 0 {
		o.all = len(o.docs) == 0
		return o.all
	}
	if o.ahead > 0 || slices.ContainsFunc(docs, func(d text.DocID) bool { return o.docs[d] }) {
		return false
	}
	for _, d := range docs {
		o.docs[d] = true
	}
	return true
}

func (o *occupancy) release(docs []text.DocID) {
	if len(docs) == 0 {
		o.all = false
	}
	for _, d := range docs {
		delete(o.docs, d)
	}
	o.wake()
}

// wake lets everybody who waits try again.
func (o *occupancy) wake() {
	close(o.freed)
	o.freed = make(chan struct{})
}
