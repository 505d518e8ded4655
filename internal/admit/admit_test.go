package admit

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// clock is a time that a test moves.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func fixed(jitter float64) func() float64 { return func() float64 { return jitter } }

// enter lets a call in that does not wait.
func enter(t *testing.T, l *Limiter) *Ticket {
	t.Helper()
	ticket, err := l.Enter(t.Context(), "a")
	if err != nil {
		t.Fatalf("Enter = %v", err)
	}
	return ticket
}

func TestFixed(t *testing.T) {
	l := New(Config{Max: 2, Fixed: true, Jitter: fixed(0.5)})
	first, second := enter(t, l), enter(t, l)
	_, err := l.Enter(t.Context(), "a")
	var refused *Refusal
	if !errors.As(err, &refused) || !errors.Is(err, ErrBusy) || refused.RetryAfter != 100*time.Millisecond ||
		err.Error() != "too many calls at once: this server handles 2, try again later" {
		t.Errorf("third call = %v, %+v", err, refused)
	}
	if _, err := l.Announce(); !errors.Is(err, ErrBusy) {
		t.Errorf("Announce = %v", err)
	}
	if got, want := l.State(), (State{Limit: 2, Running: 2, Busy: 2}); got != want {
		t.Errorf("State = %+v, want %+v", got, want)
	}
	first.Leave(Done)
	arrived, err := l.Announce()
	if err != nil {
		t.Errorf("Announce with a free place = %v", err)
	}
	if _, err := l.Announce(); !errors.Is(err, ErrBusy) {
		t.Errorf("Announce beside one on its way = %v", err)
	}
	arrived()
	enter(t, l).Leave(Other)
	second.Leave(Expired)
	if got, want := l.State(), (State{Limit: 2, Busy: 3}); got != want {
		t.Errorf("State at the end = %+v, want %+v", got, want)
	}
}

// TestQueue: calls that wait are let in in order; those that give up leave their
// place to the others.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{Max: 2, Cores: 2})
		first, second := enter(t, l), enter(t, l)
		came := make(chan string, 3)
		leave := make(chan struct{})
		wait := func(name string, ctx context.Context) {
			go func() {
				ticket, err := l.Enter(ctx, "a")
				if err != nil {
					came <- name + ": " + err.Error()
					return
				}
				came <- name
				<-leave
				ticket.Leave(Done)
			}()
			synctest.Wait()
		}
		gone, cancel := context.WithCancel(t.Context())
		wait("third", gone)
		wait("fourth", t.Context())
		if _, err := l.Enter(t.Context(), "a"); !errors.Is(err, ErrBusy) {
			t.Errorf("fifth call = %v", err)
		}
		cancel()
		if got := <-came; got != "third: context canceled" {
			t.Errorf("came %q", got)
		}
		wait("sixth", t.Context())
		first.Leave(Done)
		if got := <-came; got != "fourth" {
			t.Errorf("came %q, want the fourth", got)
		}
		second.Leave(Done)
		if got := <-came; got != "sixth" {
			t.Errorf("came %q, want the sixth", got)
		}
		close(leave)
		synctest.Wait()
		if got, want := l.State(), (State{Limit: 2, Busy: 1}); got != want {
			t.Errorf("State at the end = %+v, want %+v", got, want)
		}
	})
}

// TestGrantedToTheGone: a place that is handed to a call whose context has just
// ended goes on to the next.
func TestGrantedToTheGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 100 { // which of the two channels is seen first is left to chance
			l := New(Config{Max: 2, Cores: 2})
			first, second := enter(t, l), enter(t, l)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() {
				_, err := l.Enter(ctx, "a")
				done <- err
			}()
			synctest.Wait()
			next := make(chan *Ticket)
			go func() {
				ticket, _ := l.Enter(t.Context(), "a")
				next <- ticket
			}()
			synctest.Wait()
			cancel()
			first.Leave(Done)
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Fatalf("Enter = %v", err)
			}
			(<-next).Leave(Done)
			second.Leave(Done)
			if got, want := l.State(), (State{Limit: 2}); got != want {
				t.Fatalf("State = %+v, want %+v", got, want)
			}
		}
	})
}

// measured returns a limiter that has seen calls of 10 ms.
func measured(c *clock, cores int) *Limiter {
	l := New(Config{Max: 100, Cores: cores, Now: c.now, Jitter: fixed(0)})
	for range windowCalls {
		ticket, _ := l.Enter(context.Background(), "a")
		c.t = c.t.Add(10 * time.Millisecond)
		ticket.Leave(Done)
	}
	return l
}

// TestLate: a call with less time than one takes is refused, and where there is a
// queue, one with less than it will have to wait.
func TestLate(t *testing.T) {
	c := &clock{time.Now().Add(time.Hour)}
	l := measured(c, 2)
	try := func(kind string, left time.Duration) error {
		ctx, cancel := context.WithDeadline(t.Context(), c.t.Add(left))
		defer cancel()
		ticket, err := l.Enter(ctx, kind)
		if err == nil {
			ticket.Leave(Other)
		}
		return err
	}
	if err := try("a", 9*time.Millisecond); err != nil {
		t.Errorf("call with 9 ms and none at work = %v", err)
	}
	other := enter(t, l)
	if err := try("a", 10*time.Millisecond); err != nil {
		t.Errorf("call with 10 ms = %v", err)
	}
	err := try("a", 9*time.Millisecond)
	if !errors.Is(err, ErrLate) || err.Error() != "too little time is left: 9ms, at least 10ms is needed" {
		t.Errorf("call with 9 ms = %v", err)
	}
	if err := try("b", time.Millisecond); err != nil {
		t.Errorf("call of a kind that nothing is known of = %v", err)
	}
	other.Leave(Other)
	for range l.State().Limit {
		enter(t, l)
	}
	if err := try("a", 10*time.Millisecond); !errors.Is(err, ErrLate) {
		t.Errorf("call with 10 ms behind others = %v", err)
	}
	if got := l.State(); got.Late != 2 || got.Busy != 0 {
		t.Errorf("State = %+v, want 2 calls late", got)
	}
}

// TestLateRecovers: calls that got faster are not refused for ever for what they
// took before.
func TestLateRecovers(t *testing.T) {
	c := &clock{t: time.Unix(1000, 0)}
	l := measured(c, 2) // 10 ms
	refused := 0
	for range 10 * windowCalls {
		ctx, cancel := context.WithDeadline(t.Context(), c.t.Add(5*time.Millisecond))
		ticket, err := l.Enter(ctx, "a")
		c.t = c.t.Add(20 * time.Millisecond)
		cancel()
		if err != nil {
			refused++
			continue
		}
		ticket.begin = c.t.Add(-2 * time.Millisecond)
		ticket.Leave(Done)
	}
	if refused > 0 {
		t.Errorf("%d of %d calls that take 2 ms and have 5 were refused, one at a time", refused, 10*windowCalls)
	}
	enter(t, l)
	ctx, cancel := context.WithDeadline(t.Context(), c.t.Add(5*time.Millisecond))
	defer cancel()
	if _, err := l.Enter(ctx, "a"); err != nil {
		t.Errorf("beside another = %v", err)
	}
}

// TestLateRecoversBesideOthers: nor are they where calls of another kind are at
// work all the time.
func TestLateRecoversBesideOthers(t *testing.T) {
	c := &clock{time.Unix(100, 0)}
	l := New(Config{Max: 100, Cores: 4, Now: c.now, Jitter: fixed(0)})
	for range 2 * windowCalls { // a slow start
		ticket, err := l.Enter(t.Context(), "slow at first")
		if err != nil {
			t.Fatal(err)
		}
		c.t = c.t.Add(time.Second)
		ticket.Leave(Done)
	}
	if _, err := l.Enter(t.Context(), "other"); err != nil { // and stays
		t.Fatal(err)
	}
	refused := 0
	for range 10 * windowCalls {
		ctx, cancel := context.WithDeadline(t.Context(), c.t.Add(500*time.Millisecond))
		first, err := l.Enter(ctx, "slow at first")
		if err != nil {
			t.Fatal(err)
		}
		second, err := l.Enter(ctx, "slow at first")
		if errors.Is(err, ErrLate) {
			refused++
		}
		c.t = c.t.Add(10 * time.Millisecond)
		first.Leave(Done)
		if second != nil {
			second.Leave(Done)
		}
		cancel()
	}
	if refused == 0 || refused > 2*windowCalls {
		t.Errorf("%d calls were refused, want some at first", refused)
	}
}

// TestExpired: calls that are not finished in time lower the limit.
func TestExpired(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	l := measured(c, 2)
	l.limit = l.most
	for _, want := range []int{4, 3, 3, 3, 2, 2, 2, 2} {
		for range windowCalls {
			ticket := enter(t, l)
			c.t = c.t.Add(10 * time.Millisecond)
			ticket.Leave(Expired)
		}
		if got := l.State().Limit; got != want {
			t.Errorf("limit %d after another window in which everything expired, want %d", got, want)
		}
	}
}

// TestLimitFollows: the limit falls to the number of cores where calls become slower,
// rises again when that is what they take, and does not leave its bounds.
func TestLimitFollows(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	l := New(Config{Max: 100, Cores: 4, Now: c.now})
	windows := func(n int, latency time.Duration) (least, last int) {
		least = l.State().Limit
		for range n {
			for ended := 0; ended < windowCalls; {
				var in []*Ticket
				for range l.State().Limit {
					in = append(in, enter(t, l))
				}
				c.t = c.t.Add(latency)
				for _, ticket := range in {
					ticket.Leave(Done)
					ended++
				}
			}
			least = min(least, l.State().Limit)
		}
		return least, l.State().Limit
	}
	for _, want := range []struct {
		latency     time.Duration
		least, last int
	}{{25 * time.Millisecond, 4, 7}, {100 * time.Millisecond, 4, 7}, {25 * time.Millisecond, 7, 7}} {
		if least, last := windows(20, want.latency); least != want.least || last != want.last {
			t.Errorf("with calls of %v the limit falls to %d and ends at %d, want %d and %d", want.latency, least, last, want.least, want.last)
		}
	}
	if got := New(Config{Max: 3, Cores: 4}).State().Limit; got != 3 {
		t.Errorf("limit %d for four cores, want no more than the 3 that may be in flight", got)
	}
}

// TestRetryAfter grows with how many come for each that is let in.
func TestRetryAfter(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	l := measured(c, windowCalls)
	var in []*Ticket
	for range l.State().Limit {
		in = append(in, enter(t, l))
	}
	full := func() *Refusal {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.refuse().(*Refusal)
	}
	if got := full().RetryAfter; got != 50*time.Millisecond {
		t.Errorf("asked to come back after %v, want 50ms", got)
	}
	for range 9*len(in) - 1 {
		full()
	}
	c.t = c.t.Add(time.Second)
	for _, ticket := range in {
		ticket.Leave(Done)
	}
	if got := full().RetryAfter; got != 500*time.Millisecond {
		t.Errorf("asked to come back after %v where ten came for each, want 500ms", got)
	}
	if text := full().Error(); !strings.Contains(text, "try again later") {
		t.Error(text)
	}
}
