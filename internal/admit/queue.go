package admit

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

const (
	mostWait  = 25 * time.Millisecond
	firstRoom = 20 // as long as there was no full window

	retryUnit = 100 * time.Millisecond
	retryMost = 5 * time.Second
)

// waiter is a call that waits for its turn.
type waiter struct {
	granted chan struct{} // closed by whoever ends and hands over its place
	gone    bool          // it was handed the place
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
	if len(l.waiting)+l.coming >= l.room()+l.free() {
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
	return &Refusal{Err: ErrBusy, RetryAfter: after, detail: fmt.Sprintf("this server handles %d, try again later", l.allowed()+l.away)}
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
	if l.free() > 0 {
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
// out of date, which only calls that are let in can show. What it may wait for other
// machines does not count: whoever asks them may have an answer without, and knows
// what is too little time for that. l.mu is held.
func (l *Limiter) late(ctx context.Context, k *kind) error {
	deadline, ok := ctx.Deadline()
	if !ok || k.noLoad == 0 || k.inside == 0 {
		return nil
	}
	left := deadline.Sub(l.c.Now())
	need := k.noLoad
	if l.free() == 0 {
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
	l.peak()
	return &Ticket{l: l, kind: k, begin: l.c.Now()}
}

// grant hands free places to those who wait, first to those who were here before.
// l.mu is held.
func (l *Limiter) grant() {
	for l.running < l.allowed() && len(l.back) > 0 {
		l.back[0].resume()
	}
	for l.free() > 0 && len(l.waiting) > 0 {
		w := l.waiting[0]
		l.waiting = slices.Delete(l.waiting, 0, 1)
		w.gone = true
		l.running++
		close(w.granted)
	}
}
