// Package away tells whoever watches a call when it waits for another machine, so
// that time in which no core of this one was at work is not taken for load.
//
// Clients of something remote say so with [Begin], in the context that they are
// given; whoever judges calls by the time they take watches them with [Watch].
// Neither needs to know the other, and the package measures nothing itself.
package away

import (
	"context"
	"slices"
	"sync"
)

// key is the key of a func() (end func()) in contexts.
type key struct{}

// Watch returns ctx for a call whose waits for other machines are told to begin: it
// is called when one begins, and what it returns when that ends. Waits of parts of a
// call that run beside each other may overlap. Both are called concurrently, the
// latter perhaps after the call, and it may take its time.
//
// Only begin is told what happens under the returned context, not who watches ctx.
func Watch(ctx context.Context, begin func() (end func())) context.Context {
	return context.WithValue(ctx, key{}, begin)
}

// Begin says that the call of ctx waits for another machine from now on, until end
// is called, which must be once, and returns when the call may go on. Nothing that
// others wait for should be held over it. Where nobody watches, both do nothing.
func Begin(ctx context.Context) (end func()) {
	if begin, ok := ctx.Value(key{}).(func() (end func())); ok {
		return begin()
	}
	return func() {}
}

// Shared is work that several calls wait for, such as the only one of several equal
// requests: from its first wait for another machine on they are away, until they get
// on. The zero value is ready to use. Safe for concurrent use.
type Shared struct {
	mu    sync.Mutex
	away  bool
	calls []*sharer
}

// sharer is a call that waits for shared work.
type sharer struct {
	ctx context.Context
	end func() // nil: it is not away
}

// Watch returns ctx for the work. Whoever watches ctx is not told of its waits: the
// call that began the work must join it like the others.
func (s *Shared) Watch(ctx context.Context) context.Context {
	return Watch(ctx, func() (end func()) {
		s.begin()
		return func() {} // the calls come back one by one
	})
}

// begin sends the calls away.
func (s *Shared) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = true
	for _, c := range s.calls {
		if c.end == nil {
			c.end = Begin(c.ctx)
		}
	}
}

// Join says that the call of ctx waits for the work, until leave is called, which
// must be once.
func (s *Shared) Join(ctx context.Context) (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &sharer{ctx: ctx}
	if s.away {
		c.end = Begin(ctx)
	}
	s.calls = append(s.calls, c)
	return func() {
		s.mu.Lock()
		s.calls = slices.DeleteFunc(s.calls, func(o *sharer) bool { return o == c })
		end := c.end
		s.mu.Unlock()
		if end != nil {
			end() // which may take a while
		}
	}
}
