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
// which calls take turns on, and waits for wait beside them.
type service struct {
	cores      chan struct{}
	work, wait time.Duration
}

const timeSlice = 250 * time.Microsecond

func (s *service) handle() {
	time.Sleep(s.wait)
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
	r, err := load.Run(t.Context(), p, func(ctx context.Context, _ int) load.Reply {
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
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSimulated: the limit finds what a service can do, whether cores or waiting
// bound it, and follows when that changes.
func TestSimulated(t *testing.T) {
	const ms = time.Millisecond
	t.Run("half load", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, l := &service{cores: make(chan struct{}, 2), work: 2 * ms}, New(Config{Max: 256, Min: 2})
			if r := s.run(t, l, 500, 20*time.Second); r.Outcomes[load.Answered] != r.Calls || r.Of(load.Answered).Quantile(0.99) > 12*ms {
				t.Errorf("%v, 99 %% within %v; want every call answered within 12 ms", r.Outcomes, r.Of(load.Answered).Quantile(0.99))
			}
		})
	})
	t.Run("four times too much", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, l := &service{cores: make(chan struct{}, 2), work: 2 * ms}, New(Config{Max: 256, Min: 2})
			r := s.run(t, l, 4000, 40*time.Second) // longer than until the next probe
			if g := r.Goodput(); g < 950 {
				t.Errorf("goodput %.0f, want at least 950 of 1000", g)
			}
			if p99, limit := r.Of(load.Answered).Quantile(0.99), l.State().Limit; p99 > 40*ms || limit < 3 || limit > 6 {
				t.Errorf("99 %% of answers within %v, limit %d; want 40 ms, 3 to 6", p99, limit)
			}
			if worst := r.Of(load.Rejected).Max(); worst > 0 {
				t.Errorf("a call was refused after %v, want at once", worst)
			}
		})
	})
	t.Run("four times too much from the start on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, l := &service{cores: make(chan struct{}, 2), work: 2 * ms}, New(Config{Max: 256, Min: 2})
			r := s.run(t, l, 4000, time.Second)
			if g := r.Goodput(); g < 900 {
				t.Errorf("goodput %.0f, want at least 900 of 1000", g)
			}
			if slowest := r.Of(load.Answered).Max(); slowest > 60*ms {
				t.Errorf("an answer took %v, want 60 ms at most", slowest)
			}
		})
	})
	t.Run("waits for others from the start on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, l := &service{cores: make(chan struct{}, 2), work: 200 * time.Microsecond, wait: 100 * ms}, New(Config{Max: 256, Min: 2})
			r := s.run(t, l, 500, 10*time.Second)
			if r.Share(load.Answered) < 0.8 || l.State().Limit < 50 {
				t.Errorf("%v, limit %d; want 80 %% answered and room for 50 at once", r.Outcomes, l.State().Limit)
			}
		})
	})
	t.Run("waits for others", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			// A remote embedder: 100 calls are at work at a time, and 10 % of the cores.
			s, l := &service{cores: make(chan struct{}, 2), work: 200 * time.Microsecond, wait: 100 * ms}, New(Config{Max: 256, Min: 2})
			s.run(t, l, 1000, 10*time.Second)
			if r := s.run(t, l, 1000, 20*time.Second); r.Share(load.Answered) < 0.98 {
				t.Errorf("%v, want 98 %% answered; limit %d", r.Outcomes, l.State().Limit)
			}
		})
	})
	t.Run("becomes slower", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, l := &service{cores: make(chan struct{}, 2), work: 2 * ms}, New(Config{Max: 256, Min: 2})
			s.run(t, l, 2000, 5*time.Second)
			s.work = 10 * ms
			s.run(t, l, 800, 35*time.Second)
			if r := s.run(t, l, 800, 10*time.Second); r.Goodput() < 190 || r.Of(load.Answered).Quantile(0.99) > 200*ms {
				t.Errorf("goodput %.0f of 200, 99 %% within %v", r.Goodput(), r.Of(load.Answered).Quantile(0.99))
			}
		})
	})
	t.Run("bounded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, l := &service{cores: make(chan struct{}, 64), work: 10 * ms}, New(Config{Max: 8, Min: 2})
			if r := s.run(t, l, 2000, 5*time.Second); r.Goodput() > 801 || l.State().Limit != 8 {
				t.Errorf("goodput %.0f, limit %d: more than 8 calls were at work", r.Goodput(), l.State().Limit)
			}
		})
	})
}
