// Package admit decides how many calls a service works on at once, so that with
// too many of them it answers as many as it can instead of all of them late.
//
// A [Limiter] lets calls in up to a limit that it finds out by itself, keeps a
// few more waiting, and refuses the rest at once. It knows nothing of the wire:
// what a refused caller is told is up to its user.
//
// Nouns: a kind is a sort of call, such as a method, whose calls take about as
// long as each other; its no-load latency is what a call of the kind takes while
// few are at work.
package admit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Config of a [Limiter].
type Config struct {
	Max int // most calls at work at once, above 0
	Min int // the limit does not fall below, as far as Max allows; 0: 1. The number of cores is a good one.

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
// It is found by a gradient: the ratio of the no-load latency to the present
// one. Where a service has free capacity calls take as long as without load, and
// the limit grows; where they get in each other's way they take longer, and it
// shrinks:
//
//	aim    = tolerance × noLoad / median × limit + 1
//	limit += 0.5 × (aim - limit) where that is below it, 0.1 × above
//
// once per window of at least 100 ms and 20 calls, for the calls of all kinds
// together, each in terms of its own kind. With a tolerance of 1.5 calls that
// only compute settle at one and a half per core and one more: enough that no
// core is ever without, and so few that what must be done at once beside them,
// such as to refuse the others, finds one soon. Calls that wait for somebody else
// take no longer the more they are, and the limit grows to what is asked. It grows
// only where it was reached, and falls by a tenth where a tenth of the calls were
// not finished in time (multiplicative decrease). This is "Gradient2" of Netflix's
// concurrency-limits (T. Wilson, E. Muino: "Performance Under Load", 2018) with
// less tolerance and without its allowance of √limit, which is for a queue that
// here waits outside, and with another baseline: not the long-term average, which
// follows an overload that lasts, but as Envoy's adaptive concurrency filter has
// it, a latency that is measured while little is at work. A window with no more
// than Min calls at once is such a measurement; where a kind is new the limit is
// Min for one window, and where there was none for 30 seconds a quarter, and a
// quarter of that for another window as long as calls become faster by it.
//
// A limiter begins with such a window, and then with twice Min: a service that has
// just started and is overrun must not find out by too many at once that they are
// too many. Until the limit falls for the first time it grows as far as the aim.
//
// # The queue
//
// Calls wait for their turn, first come first served, so that a burst is no
// overload: as many as get it within 25 ms at the rate of the last window that was
// full, and no fewer than the limit; 20 where there was no such window yet. They are
// never refused later, unless their time runs out.
type Limiter struct {
	c Config

	mu      sync.Mutex
	limit   float64
	fallen  bool // it has been lowered
	running int
	coming  int // announced, and on their way
	waiting []*waiter
	kinds   map[string]*kind
	window  window
	quiet   time.Time // end of the last window with few calls at work; zero: a no-load latency is a guess
	probe   float64   // share of the limit that this window allows; below 1 to have few calls at work
	rate    float64   // calls per second that ended in the last window with as many as may be; 0: there was none
	pushed  float64   // calls that came for each that was let in, in the last window

	busy, tooLate int64 // calls refused so far
}

// waiter is a call that waits for its turn.
type waiter struct {
	granted chan struct{} // closed by whoever ends and hands over its place
	gone    bool          // it was handed the place, or has left
}

// kind is what is known of the calls of one kind.
type kind struct {
	noLoad  time.Duration   // 0: not known
	inside  int             // calls at work or waiting
	samples []time.Duration // of this window
	seen    int             // calls of this window; samples are the first of them
}

// window is what was seen since begin.
type window struct {
	begin     time.Time
	calls     int // finished, in time or not
	expired   int // of them, not in time
	came, let int
	most      int // at work at once
}

const (
	windowLength = 100 * time.Millisecond
	windowCalls  = 20
	kindCalls    = 5   // of a kind that say something
	kindSamples  = 256 // that are kept

	tolerance   = 1.5
	rising      = 0.1
	risingFirst = 1 // until the limit falls for the first time
	falling     = 0.5
	firstRoom   = 20
	decrease    = 0.9
	expiredMost = 0.1

	probeAfter = 30 * time.Second
	probeShare = 1.0 / 4
	clearly    = 0.8

	mostWait = 25 * time.Millisecond

	retryUnit = 100 * time.Millisecond
	retryMost = 5 * time.Second
)

// New returns a limiter. A Max below 1 counts as 1.
func New(c Config) *Limiter {
	c.Max = max(c.Max, 1)
	c.Min = min(max(c.Min, 1), c.Max)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	l := &Limiter{c: c, limit: float64(min(2*c.Min, c.Max)), kinds: map[string]*kind{}, pushed: 1}
	if c.Fixed {
		l.limit, l.probe = float64(c.Max), 1
	}
	l.window.begin = c.Now()
	return l
}

// State is what a limiter is at.
type State struct {
	Limit   int // calls that may be at work at once
	Running int // that are
	Waiting int

	Busy, Late int64 // calls refused so far with ErrBusy and ErrLate
}

// State returns the present state.
func (l *Limiter) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return State{l.allowed(), l.running, len(l.waiting), l.busy, l.tooLate}
}

// allowed returns how many calls may be at work now. l.mu is held.
func (l *Limiter) allowed() int {
	return max(int(math.Round(l.probe*l.limit)), l.c.Min)
}

// room returns how many calls may wait. l.mu is held.
func (l *Limiter) room() int {
	if l.c.Fixed {
		return 0
	}
	room := max(l.limit, l.rate*mostWait.Seconds())
	if l.rate == 0 {
		room = max(room, firstRoom)
	}
	return min(int(math.Round(room)), l.c.Max)
}

// Announce says that a call is on its way to Enter. It returns the error of one for
// which there would be no place, which counts as one that came and was refused.
// Otherwise arrived must be called once, right before Enter or where the call does
// not get that far: until then it takes a place of those that wait, or else any
// number of calls could be on their way, unseen.
func (l *Limiter) Announce() (arrived func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting)+l.coming >= l.room()+max(l.allowed()-l.running, 0) {
		return nil, l.refuse()
	}
	l.coming++
	return l.arrived, nil
}

func (l *Limiter) arrived() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.coming--
}

// refuse counts a call and returns why it is refused. l.mu is held.
func (l *Limiter) refuse() error {
	l.window.came++
	l.busy++
	// Those who were refused spread over as long as their number needs, and half
	// as much around it.
	after := min(time.Duration(l.pushed*float64(retryUnit)), retryMost)
	after = time.Duration(float64(after) * (0.5 + l.c.Jitter()))
	return &Refusal{Err: ErrBusy, RetryAfter: after, detail: fmt.Sprintf("this server handles %d, try again later", l.allowed())}
}

// Enter lets a call of a kind in, at once or when it is its turn. Its work must
// end with [Ticket.Leave]. There must be few kinds: each is remembered.
//
// The error is a [*Refusal], or that of ctx where the call gave up waiting.
func (l *Limiter) Enter(ctx context.Context, name string) (*Ticket, error) {
	l.mu.Lock()
	k := l.kinds[name]
	if k == nil {
		k = &kind{}
		l.kinds[name] = k
	}
	if err := l.late(ctx, k); err != nil {
		l.window.came++
		l.tooLate++
		l.mu.Unlock()
		return nil, err
	}
	if l.running < l.allowed() {
		defer l.mu.Unlock()
		l.window.came++
		k.inside++
		return l.begin(k), nil
	}
	if len(l.waiting) >= l.room() {
		defer l.mu.Unlock()
		return nil, l.refuse()
	}
	l.window.came++
	k.inside++
	w := &waiter{granted: make(chan struct{})}
	l.waiting = append(l.waiting, w)
	l.mu.Unlock()

	select {
	case <-w.granted:
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() != nil {
		k.inside--
		if w.gone {
			l.running-- // the place was handed over already
			l.grant()
		} else {
			l.waiting = slices.DeleteFunc(l.waiting, func(o *waiter) bool { return o == w })
		}
		return nil, ctx.Err()
	}
	l.running-- // begin counts it
	return l.begin(k), nil
}

// late says whether a call that comes now has too little time: less than one of
// its kind takes without load, and those before it in the queue. As the only one of
// its kind it may try, however busy others keep this server: what is known may be
// out of date, which only calls that are let in can show. l.mu is held.
func (l *Limiter) late(ctx context.Context, k *kind) error {
	deadline, ok := ctx.Deadline()
	if !ok || k.noLoad == 0 || k.inside == 0 {
		return nil
	}
	left := deadline.Sub(l.c.Now())
	need := k.noLoad
	if l.running >= l.allowed() {
		need += time.Duration(float64(k.noLoad) * float64(len(l.waiting)+1) / float64(l.allowed()))
	}
	if left >= need {
		return nil
	}
	return &Refusal{Err: ErrLate, detail: fmt.Sprintf("%v, at least %v is needed", left.Round(time.Microsecond), need.Round(time.Microsecond))}
}

// begin starts a call. l.mu is held.
func (l *Limiter) begin(k *kind) *Ticket {
	l.running++
	l.window.let++
	l.window.most = max(l.window.most, l.running)
	return &Ticket{l: l, kind: k, begin: l.c.Now()}
}

// grant hands free places to those who wait. l.mu is held.
func (l *Limiter) grant() {
	for l.running < l.allowed() && len(l.waiting) > 0 {
		w := l.waiting[0]
		l.waiting = slices.Delete(l.waiting, 0, 1)
		w.gone = true
		l.running++
		close(w.granted)
	}
}

// Ticket is a call at work.
type Ticket struct {
	l     *Limiter
	kind  *kind
	begin time.Time
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
	l.running--
	t.kind.inside--
	now := l.c.Now()
	if l.probe < 1 && t.begin.Before(l.window.begin) {
		how = Other // it was beside more than now may be
	}
	switch how {
	case Done:
		l.window.calls++
		t.kind.seen++
		if len(t.kind.samples) < kindSamples {
			t.kind.samples = append(t.kind.samples, now.Sub(t.begin))
		}
	case Expired:
		l.window.calls++
		l.window.expired++
	}
	if !l.c.Fixed && l.window.calls >= windowCalls && now.Sub(l.window.begin) >= windowLength {
		l.adapt(now)
	}
	l.grant()
}
