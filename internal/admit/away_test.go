package admit

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestAway: a call that waits for another machine leaves its place to others, once
// however many of its parts wait.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{Max: 4, Cores: 1})
		state := func(when string, want State) {
			t.Helper()
			synctest.Wait()
			if got := l.State(); got != want {
				t.Errorf("%s: State = %+v, want %+v", when, got, want)
			}
		}
		first := enter(t, l)
		var second *Ticket
		entered := make(chan error)
		go func() {
			var err error
			second, err = l.Enter(t.Context(), "a")
			entered <- err
		}()
		state("one waits", State{Limit: 1, Running: 1, Waiting: 1})
		begun := time.Now()
		one, other := first.Away(t.Context()), first.Away(t.Context())
		if err := <-entered; err != nil {
			t.Fatal(err)
		}
		state("the first is away", State{Limit: 1, Running: 1, Away: 1})
		time.Sleep(time.Second) // of the fake clock
		one()
		state("a part of it is back", State{Limit: 1, Running: 1, Away: 1})
		go func() {
			other()
			entered <- nil
		}()
		state("it wants its place back", State{Limit: 1, Running: 1, Away: 1})
		back := second.Away(t.Context())
		<-entered
		state("it has it", State{Limit: 1, Running: 1, Away: 1})
		time.Sleep(5 * time.Millisecond)
		first.Leave(Done)
		if got := l.kinds["a"].samples; len(got) != 1 || got[0] != 5*time.Millisecond || time.Since(begun) < time.Second {
			t.Errorf("samples = %v, want the 5 ms at work", got)
		}

		second.Leave(Other)
		state("the second left while it was away", State{Limit: 1})
		back()
		second.Away(t.Context())()
		state("what it began ends later", State{Limit: 1})

		for range 4 {
			enter(t, l).Away(t.Context())
		}
		if _, err := l.Announce(); err != nil {
			t.Errorf("Announce with four calls away = %v, want that it may wait", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Enter(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Enter with four calls away = %v, want that it waits", err)
		}
	})
}

// TestBackInTurn: a call that is back goes before those that are new, and on without a
// place when it has waited long enough, or its context ends.
func TestBackInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{Max: 9, Cores: 1})
		done := make(chan string, 9)
		ended, cancel := context.WithCancel(t.Context())
		var in []*Ticket
		var back []func()
		for _, ctx := range []context.Context{t.Context(), t.Context(), ended} {
			ticket := enter(t, l)
			in, back = append(in, ticket), append(back, ticket.Away(ctx))
		}
		last := enter(t, l)
		go func() {
			enter(t, l).Leave(Done)
			done <- "new"
		}()
		synctest.Wait()
		for i, name := range []string{"first", "second", "ended"} {
			go func() {
				back[i]()
				done <- name
			}()
			synctest.Wait()
		}
		if got, want := l.State(), (State{Limit: 1, Running: 1, Away: 3, Waiting: 1}); got != want {
			t.Errorf("State = %+v, want %+v", got, want)
		}
		begun := time.Now()
		goes := func(want string, after time.Duration) {
			t.Helper()
			if got := <-done; got != want || time.Since(begun) != after {
				t.Errorf("%s goes on after %v, want %s after %v", got, time.Since(begun), want, after)
			}
		}
		last.Leave(Done)
		goes("first", 0)
		cancel()
		goes("ended", 0)
		goes("second", mostBack)
		if got, want := l.State(), (State{Limit: 1, Running: 3, Waiting: 1}); got != want {
			t.Errorf("State = %+v, want %+v", got, want)
		}
		for _, ticket := range in {
			ticket.Leave(Done)
		}
		goes("new", mostBack)
	})
}

// TestBackWaits: a call that is back waits for longer as long as others get on.
func TestBackWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{Max: 9, Cores: 1})
		first := enter(t, l)
		back := first.Away(t.Context())
		begun := time.Now()
		for i := range 4 {
			ticket := enter(t, l)
			again := ticket.Away(t.Context())
			go func() {
				time.Sleep(time.Duration(i) * time.Millisecond) // in turn
				again()
				time.Sleep(mostBack * 3 / 4)
				ticket.Leave(Done)
			}()
		}
		time.Sleep(10 * time.Millisecond)
		back()
		if got := time.Since(begun); got != 4*mostBack*3/4 {
			t.Errorf("the last of five goes on after %v, want after the others, %v", got, 4*mostBack*3/4)
		}
		first.Leave(Done)
	})
}

// TestExpiredAway: a call that is late because it waited for another machine lowers
// the bound of calls in flight, once, and not the limit.
func TestExpiredAway(t *testing.T) {
	c := &clock{time.Unix(0, 0)}
	l := measured(c, 2) // 10 ms
	l.limit = l.most
	late := func(away, work time.Duration) {
		var in []*Ticket
		for range 80 {
			ticket, err := l.Enter(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			in = append(in, ticket)
			back := ticket.Away(t.Context())
			defer back()
		}
		for _, ticket := range in {
			c.t = c.t.Add(away / 80)
			ticket.since = ticket.begin.Add(work)
			ticket.Leave(Expired)
		}
	}
	limit := l.State().Limit
	late(time.Minute, 15*time.Millisecond)
	if l.bound != 40 || l.State().Limit != limit {
		t.Errorf("bound %d, limit %d; want half of the 80 in flight, and %d as before", l.bound, l.State().Limit, limit)
	}
	l.bound = 100
	late(time.Minute, 30*time.Millisecond) // of 10
	if got := l.State().Limit; l.bound != 100 || got >= limit {
		t.Errorf("bound %d, limit %d; want 100 as before, and less than %d for what took long here", l.bound, got, limit)
	}
}
