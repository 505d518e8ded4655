package admit

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ragloop/ragloop/internal/load"
)

// remote is a simulated other machine.
type remote struct {
	mu    sync.Mutex
	delay time.Duration // of a request that finds it idle
	down  bool          // it answers at once, with an error
	cores chan struct{} // as many requests at once as it works on, the others wait; nil: any number
}

// is changes what the machine is like from now on.
func (r *remote) is(delay time.Duration, down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delay, r.down = delay, down
}

// ask waits for the machine.
func (r *remote) ask(ctx context.Context) (ok bool) {
	r.mu.Lock()
	delay, down := r.delay, r.down
	r.mu.Unlock()
	if down {
		return false
	}
	if r.cores != nil {
		select {
		case r.cores <- struct{}{}:
			defer func() { <-r.cores }()
		case <-ctx.Done():
			return false
		}
	}
	select {
	case <-time.After(delay):
		return true
	case <-ctx.Done():
		return false
	}
}

// asking is a service whose calls compute, ask another machine and compute again.
type asking struct {
	service         // its work is done before and after, half each
	other   *remote // every every-th call needs it
	every   int     // 0: each
	degrade bool    // without it, or when three quarters of the time are over, calls are answered all the same
}

// run offers load to a service behind a limiter. Calls last a second at most.
func (s *asking) run(t *testing.T, l *Limiter, rate float64, d time.Duration) load.Report {
	t.Helper()
	p := load.Plan{Rate: rate, Duration: d, Timeout: time.Second, Arrivals: load.Poisson, Seed: 1}
	half := s.service
	half.work /= 2
	r, err := load.Run(t.Context(), p, load.Waiting(func(ctx context.Context, n int) load.Reply {
		ticket, err := l.Enter(ctx, "a")
		switch {
		case errors.Is(err, ErrBusy):
			return load.Reply{Outcome: load.Rejected}
		case err != nil:
			return load.Reply{Outcome: load.Expired}
		}
		half.handle()
		ok := true
		if s.every == 0 || n%s.every == 0 {
			limited, cancel := context.WithCancel(ctx)
			if deadline, _ := ctx.Deadline(); s.degrade {
				limited, cancel = context.WithTimeout(ctx, time.Until(deadline)*3/4)
			}
			back := ticket.Away(ctx)
			ok = s.other.ask(limited)
			back()
			cancel()
		}
		if ok || s.degrade {
			half.handle()
		}
		switch {
		case ctx.Err() != nil:
			ticket.Leave(Expired)
			return load.Reply{Outcome: load.Expired}
		case !ok && !s.degrade:
			ticket.Leave(Other)
			return load.Reply{Outcome: load.Failed}
		case !ok:
			ticket.Leave(Done)
			return load.Reply{Outcome: load.Degraded}
		}
		ticket.Leave(Done)
		return load.Reply{}
	}))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSimulatedRemote: what another machine does is not taken for load on this one,
// and load on this one is still seen.
func TestSimulatedRemote(t *testing.T) {
	const ms = time.Millisecond
	simulate := func(name string, f func(t *testing.T, s *asking, l *Limiter)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &asking{service: service{cores: make(chan struct{}, 2), work: 2 * ms}, other: &remote{delay: 200 * ms}}
				l := New(Config{Max: 256, Cores: 2})
				f(t, s, l)
				if got := l.State(); got.Running != 0 || got.Away != 0 || got.Waiting != 0 {
					t.Errorf("State at the end = %+v, want nobody in flight", got)
				}
			})
		})
	}
	all := func(t *testing.T, when string, r load.Report, want load.Outcome, most time.Duration) {
		t.Helper()
		if p99 := r.Of(want).Quantile(0.99); r.Outcomes[want] != r.Calls || p99 > most {
			t.Errorf("%s: %v, 99 %% within %v; want all %v, within %v", when, r.Outcomes, p99, want, most)
		}
	}
	simulate("slow from the start on", func(t *testing.T, s *asking, l *Limiter) {
		all(t, "half of what the cores can do", s.run(t, l, 500, 10*time.Second), load.Answered, 212*ms)
	})
	simulate("slows and recovers", func(t *testing.T, s *asking, l *Limiter) {
		for _, delay := range []time.Duration{50 * ms, 900 * ms, 50 * ms} {
			s.other.is(delay, false)
			all(t, delay.String(), s.run(t, l, 150, 10*time.Second), load.Answered, delay+12*ms)
		}
		s.other.is(1500*ms, false) // longer than anybody waits
		s.run(t, l, 150, 10*time.Second)
		s.other.is(50*ms, false)
		if r := s.run(t, l, 150, 10*time.Second); r.Share(load.Answered) < 0.9 {
			t.Errorf("after calls that nobody waited for: %v, want 90 %% answered", r.Outcomes)
		}
	})
	simulate("slower than there is time for it", func(t *testing.T, s *asking, l *Limiter) {
		s.degrade = true
		for _, delay := range []time.Duration{50 * ms, 1500 * ms, 50 * ms} {
			s.other.is(delay, false)
			want, most := load.Answered, delay+12*ms
			if delay > time.Second {
				want, most = load.Degraded, 800*ms
			}
			all(t, delay.String(), s.run(t, l, 150, 10*time.Second), want, most)
		}
	})
	simulate("down", func(t *testing.T, s *asking, l *Limiter) {
		s.degrade = true
		s.other.is(0, true)
		all(t, "half of what the cores can do", s.run(t, l, 500, 10*time.Second), load.Degraded, 12*ms)
		if r := s.run(t, l, 4000, 5*time.Second); r.Outcomes[load.Degraded] < 950*5 || r.Outcomes[load.Expired] > 0 {
			t.Errorf("four times too much: %v, want 4750 answers at least", r.Outcomes)
		}
	})
	simulate("some calls", func(t *testing.T, s *asking, l *Limiter) {
		s.every = 2
		all(t, "half of what the cores can do", s.run(t, l, 500, 10*time.Second), load.Answered, 212*ms)
		if r := s.run(t, l, 4000, 5*time.Second); r.Goodput() < 950 || l.State().Limit > 4 {
			t.Errorf("four times too much: goodput %.0f, limit %d; want at least 950 of 1000, 4 at most", r.Goodput(), l.State().Limit)
		}
	})
	simulate("four times too much", func(t *testing.T, s *asking, l *Limiter) {
		s.work = 8 * ms
		s.run(t, l, 1000, time.Second)
		r := s.run(t, l, 1000, 10*time.Second)
		if p99 := r.Of(load.Answered).Quantile(0.99); r.Goodput() < 235 || p99 > 500*ms || l.State().Limit > 4 {
			t.Errorf("goodput %.0f, 99 %% within %v, limit %d; want at least 235 of 250, 500 ms, 4 at most", r.Goodput(), p99, l.State().Limit)
		}
		if worst := r.Of(load.Rejected).Max(); worst > 0 {
			t.Errorf("a call was refused after %v, want at once", worst)
		}
	})
	simulate("does not keep up", func(t *testing.T, s *asking, l *Limiter) {
		s.other.is(10*ms, false)
		s.other.cores = make(chan struct{}, 2) // 200 calls per second
		all(t, "half of what it can do", s.run(t, l, 100, 10*time.Second), load.Answered, 40*ms)
		s.run(t, l, 800, 5*time.Second)
		if r := s.run(t, l, 800, 20*time.Second); r.Goodput() < 170 {
			t.Errorf("goodput %.0f, want at least 170 of 200", r.Goodput())
		}
		all(t, "half of what it can do, again", s.run(t, l, 100, 10*time.Second), load.Answered, 40*ms)
	})
	simulate("bounded", func(t *testing.T, s *asking, _ *Limiter) {
		l := New(Config{Max: 8, Cores: 2})
		if r := s.run(t, l, 500, 5*time.Second); r.Goodput() > 8/0.2 || l.window.flight > 8 {
			t.Errorf("goodput %.0f: more than 8 calls were in flight", r.Goodput())
		}
	})
}
