package admit

import (
	"context"
	"slices"
	"time"
)

// mostBack is how long a call that is back waits for a place while none becomes free.
const mostBack = time.Second

// Ticket is a call that was let in. Safe for concurrent use, but for Leave.
type Ticket struct {
	l     *Limiter
	kind  *kind
	begin time.Time

	waits   int           // that have not ended
	since   time.Time     // when it gave up its place; zero: it has one
	away    time.Duration // before since
	resumed chan struct{} // closed when it goes on; nil: it does not wait for its place
	left    bool
}

// Away says that the call waits for another machine until back is called, once. Waits
// of parts of it that run beside each other count as one, and the last back returns
// when the call has a place again, or ctx ends, which is that of the call, or no place
// has become free for a second. What ends after Leave, such as a request that nobody
// waits for any longer, does no harm.
func (t *Ticket) Away(ctx context.Context) (back func()) {
	l := t.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.left {
		return func() {}
	}
	t.waits++
	switch {
	case t.resumed != nil: // a part of it has just come back, another one leaves
		t.proceed()
	case t.since.IsZero():
		t.since = l.c.Now()
		l.running--
		l.away++
		l.moved = t.since
		l.grant()
	}
	return func() { t.back(ctx) }
}

func (t *Ticket) back(ctx context.Context) {
	l := t.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.left {
		return
	}
	if t.waits--; t.waits > 0 {
		return
	}
	resumed := make(chan struct{})
	t.resumed = resumed
	l.back = append(l.back, t)
	l.grant()
	if t.resumed == nil {
		return
	}
	for from := l.c.Now(); t.resumed == resumed && ctx.Err() == nil; {
		stands := l.c.Now().Sub(later(from, l.moved))
		if stands >= mostBack {
			break
		}
		l.mu.Unlock()
		wait(ctx, resumed, mostBack-stands)
		l.mu.Lock()
	}
	if t.resumed == resumed {
		t.resume()
	}
}

// wait waits until done is closed, ctx ends or d is over.
func wait(ctx context.Context, done <-chan struct{}, d time.Duration) {
	timeout := time.NewTimer(d)
	defer timeout.Stop()
	select {
	case <-done:
	case <-ctx.Done():
	case <-timeout.C:
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// resume gives the call a place, whether one is free or not. t.l.mu is held.
func (t *Ticket) resume() {
	l := t.l
	t.proceed()
	t.away += l.c.Now().Sub(t.since)
	t.since = time.Time{}
	l.away--
	l.running++
	l.peak()
}

// proceed ends the wait for a place. t.l.mu is held.
func (t *Ticket) proceed() {
	close(t.resumed)
	t.resumed = nil
	t.l.back = slices.DeleteFunc(t.l.back, func(o *Ticket) bool { return o == t })
}

// Ended says how a call ended, as far as it tells about the load.
type Ended uint8

const (
	Done    Ended = iota // its latency counts
	Expired              // it was not finished in time
	Other                // it failed, or was given up: nothing can be told
)

// Leave ends the call. It must be called once.
func (t *Ticket) Leave(how Ended) {
	l := t.l
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.c.Now()
	t.left = true
	if t.resumed != nil {
		t.proceed()
	}
	if t.since.IsZero() {
		l.running--
		l.moved = now
	} else {
		t.away += now.Sub(t.since)
		l.away--
	}
	t.kind.inside--
	l.count(t, how, now.Sub(t.begin)-t.away)
	l.adapt(now)
	l.grant()
}
