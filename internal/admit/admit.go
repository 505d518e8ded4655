// Package admit decides how many calls a service works on at once, so that with
// too many of them it answers as many as it can instead of all of them late.
//
// A [Limiter] lets calls in up to a limit that follows how long they take, keeps a
// few more waiting, and refuses the rest at once. It knows nothing of the wire:
// what a refused caller is told is up to its user.
//
// Nouns: a kind is a sort of call, such as a method, whose calls take about as
// long as each other; a call is away while it, or a part of it, waits for another
// machine, and at work otherwise; its latency is the time that it is at work; the
// no-load latency of a kind is what its calls take while few are at work.
//
// # Calls that are away
//
// Other machines are slow for reasons that are none of ours, and this one idles while
// it waits for them. So a call that says it is away, see [Ticket.Away], gives up its
// place until it is back, and the time counts neither as latency nor as no-load
// latency: the limit is about calls at work, and by Little's law there may be as many
// more in flight as they are away longer than at work. Back, it takes the next place
// that is free, before any call that is new, and is never refused; the wait for it is
// no latency either. When no place has become free for a second it goes on without:
// should those at work wait for something that it holds, nobody stands still for longer.
//
// What bounds calls in flight, those at work and those away, is another number. It
// is Config.Max, which is for memory, as long as they are finished in time. Where a
// tenth of all calls are not, and it was not for their time at work, the other machine
// has more of them than it gets done: the bound becomes half of what was in flight, once
// in the time that a call takes, and then grows by one for each window in which it
// was reached (AIMD: Chiu and Jain, "Analysis of the Increase and Decrease Algorithms
// for Congestion Avoidance in Computer Networks", 1989). Latency alone does not lower
// it: that of another machine does not tell whose load it is, and how long is too long
// is for the caller to say, with a deadline. The bound does not know one other machine
// from another: where it is reached because of one, calls that do not need that one
// are refused, too.
package admit

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Config of a [Limiter].
type Config struct {
	Max   int // most calls in flight, at work or away, above 0
	Cores int // that calls compute on; 0: 1. The limit is one call for each, at least, and at most one and a half and one more, but never above Max.

	// Fixed keeps the limit at Max: for calls whose latency says nothing about
	// the load.
	Fixed bool

	Now    func() time.Time // nil: time.Now
	Jitter func() float64   // spreads retries; numbers in [0, 1); called under a lock; nil: math/rand/v2
}

var (
	// ErrBusy: as many calls are at work, and as many wait, as there may. It is
	// returned at once.
	ErrBusy = errors.New("too many calls at once")
	// ErrLate: the call has less time than it needs.
	ErrLate = errors.New("too little time is left")
)

// Refusal is the error of a call that was not let in; it is ErrBusy or ErrLate.
type Refusal struct {
	Err        error
	RetryAfter time.Duration // when to ask again; 0 with ErrLate
	detail     string
}

func (r *Refusal) Error() string { return fmt.Sprintf("%v: %s", r.Err, r.detail) }
func (r *Refusal) Unwrap() error { return r.Err }

// Limiter bounds the calls at work at once. Safe for concurrent use.
//
// # The limit
//
// Calls that compute need one place per core for all of them to be in use, and a few
// more so that none is ever without; with many more, what must be done at once beside
// them, such as to refuse the others, waits for all of them. Where the limit is between
// one call per core and most, which is one and a half and one more, follows from a
// gradient: the ratio of the no-load latency to the present one. Where calls take about
// as long as without load it grows, and where they get in each other's way, or other
// programs in theirs, it shrinks:
//
//	aim    = tolerance × noLoad / median × limit + 1
//	limit += 0.5 × (aim - limit)
//
// once per window of at least 100 ms and 20 calls, for the calls of all kinds
// together, each in terms of its own kind. With a tolerance of 1.5 calls that only
// compute, on as many cores as there are, settle at most. The limit grows only where it
// was reached, and falls by a tenth where a tenth of the calls were not finished in time
// (multiplicative decrease).
//
// The no-load latency is the least median of a window; in one with no more calls at once
// than cores it follows to a longer one, too, by a quarter of the way, so that one
// slow window is not believed. Thus a limit that is low because of a latency that is out
// of date finds the new one. A latency that is too long, as a service has it that was
// overrun from the beginning, does no harm: the limit begins at one call per core, when
// calls take longest, and never rises above most.
//
// This is "Gradient2" of Netflix's concurrency-limits (T. Wilson, E. Muino:
// "Performance Under Load", 2018) with less tolerance, a limit that is bounded by the
// number of cores, and without its allowance of √limit, which is for a queue that here
// waits outside; and with another baseline: not the long-term average, which follows an
// overload that lasts, but one that is measured while little is at work, as Envoy's
// adaptive concurrency filter has it. It does not hold calls up to measure that, as
// Envoy's does: between these bounds there is too little to be gained.
//
// # The queue
//
// Calls wait for their turn, first come first served, so that a burst is no
// overload: as many as get it within 25 ms at the rate of the last window that was
// full, and no fewer than the limit; 20 where there was no such window yet. They are
// never refused later, unless their time runs out.
type Limiter struct {
	c           Config
	least, most float64 // bounds of limit

	mu      sync.Mutex
	limit   float64
	running int // at work
	away    int
	bound   int       // of calls in flight
	lowered time.Time // when bound was lowered last
	coming  int       // announced, and on their way
	back    []*Ticket // of calls that are away, have nothing more to wait for there, and wait for a place
	moved   time.Time // when a place became free last
	waiting []*waiter
	kinds   map[string]*kind
	window  window
	rate    float64 // calls per second that ended in the last window with as many as may be, or would have with none away; 0: there was none
	pushed  float64 // calls that came for each that was let in, in the last window

	busy, tooLate int64 // calls refused so far
}

// New returns a limiter. A Max below 1 counts as 1.
func New(c Config) *Limiter {
	c.Max = max(c.Max, 1)
	cores := float64(max(c.Cores, 1))
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	l := &Limiter{
		c: c, least: min(cores, float64(c.Max)), most: min(math.Floor(tolerance*cores)+1, float64(c.Max)),
		bound: c.Max, kinds: map[string]*kind{}, window: window{begin: c.Now()}, pushed: 1,
	}
	if c.Fixed {
		l.least, l.most = float64(c.Max), float64(c.Max)
	}
	l.limit = l.least
	return l
}

// State is what a limiter is at.
type State struct {
	Limit   int // calls that may be at work at once
	Running int // that are
	Away    int // that have been let in and wait for another machine
	Waiting int // for their turn

	Busy, Late int64 // calls refused so far with ErrBusy and ErrLate
}

// State returns the present state.
func (l *Limiter) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return State{l.allowed(), l.running, l.away, len(l.waiting), l.busy, l.tooLate}
}

// allowed returns how many calls may be at work now. l.mu is held.
func (l *Limiter) allowed() int { return int(math.Round(l.limit)) }

// free returns how many calls may be let in now. l.mu is held.
func (l *Limiter) free() int {
	return max(min(l.allowed()-l.running, l.bound-l.running-l.away), 0)
}
