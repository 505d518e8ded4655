package load

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func plan(rate float64, d time.Duration) Plan {
	return Plan{Rate: rate, Duration: d, Timeout: time.Second}
}

// TestRunIsOpen: a service that takes one call at a time and stalls once. The
// calls that were due meanwhile have waited, and their latencies say so.
func TestRunIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := make(chan struct{}, 1) // a mutex would stop the clock of the bubble
		r, err := Run(t.Context(), plan(100, 2*time.Second), Waiting(func(_ context.Context, n int) Reply {
			service <- struct{}{}
			defer func() { <-service }()
			if n == 50 {
				time.Sleep(500 * time.Millisecond)
			}
			time.Sleep(time.Millisecond)
			return Reply{Stages: []Stage{{"work", time.Millisecond}}}
		}))
		if err != nil {
			t.Fatal(err)
		}
		if r.Calls != 199 || r.Outcomes[Answered] != 199 {
			t.Errorf("%d calls, %v", r.Calls, r.Outcomes)
		}
		// 51 calls were due while the 50th was in the way, the first waited nearly 0.5 s.
		l := r.Of(Answered)
		if p50, p90 := l.Quantile(0.5), l.Quantile(0.9); p50 > 2*time.Millisecond || p90 < 300*time.Millisecond {
			t.Errorf("p50 %v, p90 %v: the stall is not in the latencies", p50, p90)
		}
		if r.Lag.Max() != 0 {
			t.Errorf("calls were sent up to %v late", r.Lag.Max())
		}
		if len(r.Stages) != 1 || r.Stages[0].Name != "work" || r.Stages[0].Latency.Count() != 199 || r.Stages[0].Latency.Mean() != time.Millisecond {
			t.Errorf("stages = %v", r.Stages)
		}
		if g := r.Goodput(); g < 99 || g > 101 {
			t.Errorf("goodput = %v", g)
		}
	})
}

func TestRunCountsOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan(100, time.Second)
		p.Warmup = 500 * time.Millisecond
		broken := errors.New("broken")
		r, err := Run(t.Context(), p, Waiting(func(ctx context.Context, n int) Reply {
			deadline, _ := ctx.Deadline()
			if left := time.Until(deadline); left != time.Second {
				t.Errorf("call %d has %v left", n, left)
			}
			switch n % 5 {
			case 1:
				return Reply{Outcome: Rejected}
			case 2:
				return Reply{Outcome: Failed, Err: broken}
			case 3:
				<-ctx.Done()
				return Reply{Outcome: Expired}
			case 4:
				return Reply{Outcome: Degraded}
			}
			return Reply{}
		}))
		if err != nil {
			t.Fatal(err)
		}
		if r.Calls != 100 {
			t.Errorf("%d calls were counted", r.Calls)
		}
		for o := range Outcome(outcomes) {
			if r.Outcomes[o] != 20 || r.Of(o).Count() != 20 || r.Share(o) != 0.2 {
				t.Errorf("%v: %d, %d latencies", o, r.Outcomes[o], r.Of(o).Count())
			}
		}
		if !errors.Is(r.FirstErr, broken) {
			t.Errorf("first error = %v", r.FirstErr)
		}
		if got := r.Of(Expired).Quantile(0.5); got.Round(10*time.Millisecond) != time.Second {
			t.Errorf("expired after %v", got)
		}
	})
}

// TestArrivals: both kinds keep the rate; the gaps of one are equal, those of the
// other vary as much as their mean. The same seed gives the same times.
func TestArrivals(t *testing.T) {
	for _, tt := range []struct {
		kind Arrivals
		cv   float64 // coefficient of variation
	}{{Constant, 0}, {Poisson, 1}} {
		p := plan(1000, 20*time.Second)
		p.Arrivals, p.Seed = tt.kind, 7
		times, n := p.due()
		if len(times) != n || n < 19_500 || n > 20_500 {
			t.Errorf("%s: %d calls in 20 s", tt.kind, n)
		}
		var sum, squares float64
		last := time.Duration(0)
		for _, at := range times {
			gap := (at - last).Seconds()
			last = at
			sum += gap
			squares += gap * gap
		}
		mean := sum / float64(n)
		if cv2 := squares/float64(n)/mean/mean - 1; cv2 < tt.cv-0.1 || cv2 > tt.cv+0.1 {
			t.Errorf("%s: squared coefficient of variation %v, want %v", tt.kind, cv2, tt.cv)
		}
		again, _ := p.due()
		if again[n-1] != times[n-1] {
			t.Errorf("%s: the same seed gives other times", tt.kind)
		}
	}
}

// TestExact: calls are never early, and all are made. How late they are the
// machine decides.
func TestExact(t *testing.T) {
	p := plan(500, 40*time.Millisecond)
	p.Exact = true
	r, err := Run(t.Context(), p, Waiting(func(ctx context.Context, n int) Reply {
		deadline, _ := ctx.Deadline()
		if left := time.Until(deadline); left > p.Timeout {
			t.Errorf("call %d has %v left: it is early", n, left)
		}
		return Reply{}
	}))
	if err != nil || r.Calls != 19 || r.Outcomes[Answered] != 19 {
		t.Errorf("Run = %+v, %v", r, err)
	}
}

// TestPeak: two workers of 2 ms each answer 1,000 calls per second.
func TestPeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		workers := make(chan struct{}, 2)
		p := plan(50, time.Second)
		p.Timeout = 100 * time.Millisecond
		steps := 0
		r, err := Peak(t.Context(), p, Limit{Answered: 0.99, P99: 20 * time.Millisecond}, Waiting(func(ctx context.Context, _ int) Reply {
			select {
			case workers <- struct{}{}:
				time.Sleep(2 * time.Millisecond)
				<-workers
				return Reply{}
			case <-ctx.Done():
				return Reply{Outcome: Expired}
			}
		}), func(Report, bool) { steps++ })
		if err != nil || r.Rate < 960 || r.Rate > 1040 || steps > 15 {
			t.Errorf("peak = %v after %d steps, %v; want about 1000", r.Rate, steps, err)
		}
	})
}

// TestPeakAfterBadMoment: a machine that does something else for a while in the middle
// of the search has no lower peak by that.
func TestPeakAfterBadMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs, rates := 0, []float64{}
		r, err := Peak(t.Context(), plan(100, time.Second), Limit{Answered: 0.99, P99: time.Second}, func(_ context.Context, n int, done func(Reply)) {
			if n == 0 {
				runs++
			}
			reply := Reply{}
			if runs == 2 || runs > 5 { // once at 200 calls per second; at 1,600 and more
				reply.Outcome = Expired
			}
			done(reply)
		}, func(r Report, _ bool) { rates = append(rates, math.Round(r.Rate/100)*100) })
		if err != nil || r.Rate < 750 || r.Rate > 850 {
			t.Errorf("peak = %v, %v; want about 800", r.Rate, err)
		}
		if d := cmp.Diff([]float64{100, 200, 200, 400, 800, 1600, 1600}, rates[:min(7, len(rates))]); d != "" {
			t.Errorf("rates (-want +got):\n%s", d)
		}
	})
}

func TestNoPeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan(1, 20*time.Second)
		_, err := Peak(t.Context(), p, Limit{Answered: 1, P99: time.Second}, Waiting(func(context.Context, int) Reply { return Reply{Outcome: Rejected} }), nil)
		if !errors.Is(err, ErrNoPeak) || !strings.Contains(err.Error(), "0.0 % answered") {
			t.Errorf("Peak of a service that rejects all = %v", err)
		}
	})
}

func TestBadPlans(t *testing.T) {
	for want, p := range map[string]Plan{
		"the rate is 0":              {Duration: 1, Timeout: 1},
		"the duration is 0s":         {Rate: 1, Timeout: 1},
		"the timeout is 0s":          {Rate: 1, Duration: 1},
		"the warm-up is -1ns":        {Rate: 1, Duration: 1, Timeout: 1, Warmup: -1},
		`the arrivals are "regular"`: {Rate: 1, Duration: 1, Timeout: 1, Arrivals: "regular"},
		"none is due within 1s":      {Rate: 0.5, Duration: time.Second, Timeout: 1},
	} {
		if _, err := Run(t.Context(), p, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Run(%+v) = %v, want %q", p, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, plan(10, time.Second), Waiting(func(context.Context, int) Reply { return Reply{} })); !errors.Is(err, context.Canceled) {
		t.Errorf("Run that is cancelled = %v", err)
	}
}
