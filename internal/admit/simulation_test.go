package admit

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ragloop/ragloop/internal/load"
)

// service is a simulated one: a call computes for work on one of the cores,
// which calls take turns on.
type service struct {
	cores chan struct{}
	work  time.Duration
}

const timeSlice = 250 * time.Microsecond

func (s *service) handle() {
	for left := s.work; left > 0; left -= timeSlice {
		s.cores <- struct{}{}
		time.Sleep(min(left, timeSlice))
		<-s.cores
	}
}

// run offers load to a service behind a limiter.
func (s *service) run(t *testing.T, l *Limiter, rate float64, d time.Duration) load.Report {
	t.Helper()
	p := load.Plan{Rate: rate, Duration: d, Timeout: time.Second, Arrivals: load.Poisson, Seed: 1}
	r, err := load.Run(t.Context(), p, load.Waiting(func(ctx context.Context, _ int) load.Reply {
		ticket, err := l.Enter(ctx, "a")
		switch {
		case errors.Is(err, ErrBusy):
			return load.Reply{Outcome: load.Rejected}
		case err != nil:
			return load.Reply{Outcome: load.Expired}
		}
		s.handle()
		ticket.Leave(Done)
		return load.Reply{}
	}))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSimulated: the limit finds what a service can do, and follows when that changes.
func TestSimulated(t *testing.T) {
	const ms = time.Millisecond
	t.Run("half load", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, l := &service{cores: make(chan struct{}, 2), work: 2 * ms}, New(Config{Max: 256, Cores: 2})
			if r := s.run(t, l, 500, 10*time.Second); r.Outcomes[load.Answered] != r.Calls || r.Of(load.Answered).Quantile(0.99) > 12*ms {
				t.Errorf("%v, 99 %% within %v; want every call answered within 12 ms", r.Outcomes, r.Of(load.Answered).Quantile(0.99))
			}
		})
	})
	t.Run("four times too much", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, l := &service{cores: make(chan struct{}, 2), work: 2 * ms}, New(Config{Max: 256, Cores: 2})
			r := s.run(t, l, 4000, 10*time.Second)
			if g := r.Goodput(); g < 950 {
				t.Errorf("goodput %.0f, want at least 950 of 1000", g)
			}
			if p99, limit := r.Of(load.Answered).Quantile(0.99), l.State().Limit; p99 > 40*ms || limit > 4 {
				t.Errorf("99 %% of answers within %v, limit %d; want 40 ms, 4 at most", p99, limit)
			}
			if worst := r.Of(load.Rejected).Max(); worst > 0 {
				t.Errorf("a call was refused after %v, want at once", worst)
			}
		})
	})
	t.Run("four times too much from the start on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, l := &service{cores: make(chan struct{}, 2), work: 2 * ms}, New(Config{Max: 256, Cores: 2})
			r := s.run(t, l, 4000, time.Second)
			if g := r.Goodput(); g < 900 {
				t.Errorf("goodput %.0f, want at least 900 of 1000", g)
			}
			if slowest := r.Of(load.Answered).Max(); slowest > 60*ms {
				t.Errorf("an answer took %v, want 60 ms at most", slowest)
			}
		})
	})
	t.Run("becomes slower", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, l := &service{cores: make(chan struct{}, 2), work: 2 * ms}, New(Config{Max: 256, Cores: 2})
			s.run(t, l, 2000, 2*time.Second)
			s.work = 10 * ms
			s.run(t, l, 800, 5*time.Second)
			if r := s.run(t, l, 800, 5*time.Second); r.Goodput() < 190 || r.Of(load.Answered).Quantile(0.99) > 200*ms {
				t.Errorf("goodput %.0f of 200, 99 %% within %v", r.Goodput(), r.Of(load.Answered).Quantile(0.99))
			}
		})
	})
	t.Run("bounded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, l := &service{cores: make(chan struct{}, 64), work: 10 * ms}, New(Config{Max: 8, Cores: 64})
			if r := s.run(t, l, 2000, 2*time.Second); r.Goodput() > 801 || l.window.most > 8 {
				t.Errorf("goodput %.0f, %d at once: more than 8 calls were at work", r.Goodput(), l.window.most)
			}
		})
	})
}
