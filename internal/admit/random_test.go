package admit

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// check reports where the counts of l do not fit each other; returned is how many
// calls in flight may have gone on without a place.
func (l *Limiter) check(t *testing.T, returned int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	inside := 0
	for _, k := range l.kinds {
		inside += k.inside
	}
	switch flight := l.running + l.away; {
	case l.running < 0 || l.away < 0 || l.coming < 0:
		t.Errorf("%d are at work, %d away and %d on their way", l.running, l.away, l.coming)
	case flight > l.c.Max || l.running > int(l.most)+returned:
		t.Errorf("%d are at work and %d in flight; allowed are %v and %d returns, and %d", l.running, flight, l.most, returned, l.c.Max)
	case inside != flight+len(l.waiting):
		t.Errorf("%d are in flight and %d wait, but of all kinds there are %d", flight, len(l.waiting), inside)
	case len(l.back) > l.away || len(l.back) > 0 && l.running < l.allowed():
		t.Errorf("%d are back and wait, with %d away and %d of %d at work", len(l.back), l.away, l.running, l.allowed())
	case len(l.waiting) > 0 && l.free() > 0:
		t.Errorf("%d wait with %d places free", len(l.waiting), l.free())
	case l.limit < l.least || l.limit > l.most || l.bound < int(l.least) || l.bound > l.c.Max:
		t.Errorf("limit %v of %v to %v, bound %d of %d", l.limit, l.least, l.most, l.bound, l.c.Max)
	}
}

// client makes calls of all sorts to a limiter.
type client struct {
	l         *Limiter
	impatient bool         // contexts end
	returned  atomic.Int32 // calls in flight that came back and may have no place
	parts     sync.WaitGroup
}

func (c *client) check(t *testing.T) { c.l.check(t, int(c.returned.Load())) }

// call makes one call.
func (c *client) call(t *testing.T, random *rand.Rand) {
	// Whole milliseconds: much happens at the same time.
	upTo := func(ms int) time.Duration { return time.Duration(random.IntN(ms+1)) * time.Millisecond }
	time.Sleep(upTo(1000))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	switch {
	case !c.impatient:
	case random.IntN(2) == 0:
		ctx, cancel = context.WithTimeout(ctx, upTo(400))
		defer cancel()
	case random.IntN(2) == 0:
		time.AfterFunc(upTo(400), cancel)
	}
	came := time.Now()
	if random.IntN(2) == 0 {
		arrived, err := c.l.Announce()
		if err != nil {
			return
		}
		time.Sleep(upTo(2))
		came = time.Now()
		arrived()
	}
	ticket, err := c.l.Enter(ctx, []string{"a", "b"}[random.IntN(2)])
	c.check(t)
	switch {
	case err == nil:
	case errors.Is(err, ErrBusy) || errors.Is(err, ErrLate):
		if waited := time.Since(came); waited > 0 {
			t.Errorf("Enter = %v after %v, want at once", err, waited)
		}
		return
	case ctx.Err() == nil:
		t.Errorf("Enter = %v", err)
		return
	default:
		return
	}
	var once sync.Once
	for range random.IntN(4) {
		time.Sleep(upTo(10))
		var group sync.WaitGroup
		for range 1 + random.IntN(3) {
			begins, lasts, goesOn := upTo(3), upTo(50*random.IntN(2)), upTo(3)
			part := func() {
				time.Sleep(begins)
				back := ticket.Away(ctx)
				c.check(t)
				time.Sleep(lasts)
				if c.impatient {
					once.Do(func() { c.returned.Add(1) })
				}
				back()
				c.check(t)
				time.Sleep(goesOn)
			}
			if random.IntN(8) == 0 { // nobody waits for it
				c.parts.Go(part)
			} else {
				group.Go(part)
			}
		}
		group.Wait()
	}
	time.Sleep(upTo(10))
	ticket.Leave(Ended(random.IntN(3)))
	c.check(t)
	once.Do(func() { c.returned.Add(1) }) // parts that nobody waits for have no place to lose
	c.returned.Add(-1)
	c.check(t)
}

// FuzzInterleavings: whatever calls do at the same time, no place is lost or given away
// twice, and nobody waits beside a free one.
func FuzzInterleavings(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			l := New(Config{Max: 1 + random.IntN(8), Cores: 1 + random.IntN(3), Fixed: random.IntN(4) == 0})
			c := &client{l: l, impatient: random.IntN(2) == 0}
			var calls sync.WaitGroup
			for range 200 {
				own := rand.New(rand.NewPCG(random.Uint64(), 0))
				calls.Go(func() { c.call(t, own) })
			}
			calls.Wait()
			c.parts.Wait()
			c.check(t)
			got := l.State()
			if got.Running != 0 || got.Away != 0 || got.Waiting != 0 || l.coming != 0 || len(l.back) != 0 {
				t.Errorf("State at the end = %+v, %d on their way, %d back; want nobody", got, l.coming, len(l.back))
			}
			for range min(got.Limit, l.bound) {
				enter(t, l)
			}
		})
	})
}
