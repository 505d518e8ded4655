// Package load drives a service at a given rate and measures how long its
// answers take.
//
// The loop is open: a call begins when it is due, whatever became of the calls
// before it, and its latency counts from when it was due, not from when it was
// sent. A closed loop, which waits for an answer before it asks again, slows down
// with the service and leaves out exactly the calls that would have waited
// (coordinated omission: Gil Tene, "How NOT to Measure Latency", 2013).
//
// The package knows nothing about what is called, and prints nothing.
package load

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

// Outcome is what became of a call.
type Outcome uint8

const (
	Answered Outcome = iota // in time, and complete
	Degraded                // in time, but a part of the answer is missing
	Rejected                // refused at once, because there is too much to do
	Expired                 // its deadline passed, or was too near
	Failed                  // anything else
	outcomes = iota
)

var outcomeNames = [outcomes]string{"answered", "degraded", "rejected", "expired", "failed"}

// String returns "answered", "degraded", "rejected", "expired" or "failed".
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// Stage is the time that one step of an answered call took, as the service says.
type Stage struct {
	Name    string
	Elapsed time.Duration
}

// Reply is what a call came back with.
type Reply struct {
	Outcome Outcome
	Stages  []Stage // of an answer; empty where the service tells none
	Err     error   // what a call that failed says
}

// Call makes the n-th call, from 0, and returns when it is sent: the next one is not
// sent before. When it has its reply, which is when ctx ends at the latest, done is
// called, once. ctx ends when the call has taken Plan.Timeout from when it was due, and
// when it is done.
type Call func(ctx context.Context, n int, done func(Reply))

// Waiting returns a Call that has a goroutine of its own wait for call to return the
// reply.
func Waiting(call func(ctx context.Context, n int) Reply) Call {
	return func(ctx context.Context, n int, done func(Reply)) {
		go func() { done(call(ctx, n)) }()
	}
}

// Arrivals say how far apart calls are due.
type Arrivals string

const (
	Constant Arrivals = "constant" // all equally far
	Poisson  Arrivals = "poisson"  // exponentially distributed: independent clients
)

// ArrivalKinds lists them.
func ArrivalKinds() []Arrivals { return []Arrivals{Constant, Poisson} }

// Plan of a run.
type Plan struct {
	Rate     float64       // calls due per second, above 0
	Warmup   time.Duration // calls due before its end are made and not counted; 0: none
	Duration time.Duration // how long calls are due after the warm-up, above 0
	Arrivals Arrivals      // empty: Constant
	Seed     uint64        // of Poisson
	Timeout  time.Duration // of one call, from when it is due; above 0

	// Exact waits for when a call is due in the operating system where that knows
	// how, and keeps a thread for it. Go's timers are up to a millisecond late, which
	// counts as latency.
	Exact bool
}

func (p Plan) check() error {
	switch {
	case !(p.Rate > 0) || math.IsInf(p.Rate, 0):
		return fmt.Errorf("the rate is %v calls per second, it must be above 0", p.Rate)
	case p.Duration <= 0:
		return fmt.Errorf("the duration is %v, it must be above 0", p.Duration)
	case p.Timeout <= 0:
		return fmt.Errorf("the timeout is %v, it must be above 0", p.Timeout)
	case p.Warmup < 0:
		return fmt.Errorf("the warm-up is %v, allowed are 0 and more", p.Warmup)
	case !slices.Contains(append(ArrivalKinds(), ""), p.Arrivals):
		return fmt.Errorf("the arrivals are %q, allowed are %q", p.Arrivals, ArrivalKinds())
	}
	return nil
}

// due returns when each call is due, from the beginning on.
func (p Plan) due() (times []time.Duration, counted int) {
	end := (p.Warmup + p.Duration).Seconds()
	random := rand.New(rand.NewPCG(p.Seed, 1))
	for at, n := 0.0, 1; ; n++ {
		if p.Arrivals == Poisson {
			at += random.ExpFloat64() / p.Rate
		} else {
			at = float64(n) / p.Rate // no sum, which would drift
		}
		if at >= end {
			return times, counted
		}
		d := time.Duration(at * float64(time.Second))
		if d >= p.Warmup {
			counted++
		}
		times = append(times, d)
	}
}

// Report of a run, without its warm-up.
type Report struct {
	Rate     float64       // calls per second that were due
	Elapsed  time.Duration // from the first counted call to the last reply
	Calls    int
	Outcomes map[Outcome]int
	Latency  map[Outcome]*Latencies // of every outcome that occurred
	Stages   []StageLatencies       // of answers, in the order in which they were first seen
	Lag      *Latencies             // how late calls were sent: what the generator itself adds
	FirstErr error                  // of the failed call that was due first; nil: none
}

// StageLatencies are the times of one stage.
type StageLatencies struct {
	Name    string
	Latency *Latencies
}

// Goodput returns complete answers per second. Calls are spread over Plan.Duration,
// replies over a little more.
func (r Report) Goodput() float64 {
	return float64(r.Outcomes[Answered]) / r.Elapsed.Seconds()
}

// Share returns how many of the calls had an outcome, 0 to 1.
func (r Report) Share(o Outcome) float64 {
	if r.Calls == 0 {
		return 0
	}
	return float64(r.Outcomes[o]) / float64(r.Calls)
}

// Of returns the latencies of an outcome, empty ones where it did not occur.
func (r Report) Of(o Outcome) *Latencies {
	if l := r.Latency[o]; l != nil {
		return l
	}
	return newLatencies()
}

// Run makes the calls of a plan. It returns when all have their reply, or when ctx
// ends, which is an error.
func Run(ctx context.Context, p Plan, call Call) (Report, error) {
	if err := p.check(); err != nil {
		return Report{}, fmt.Errorf("generate load: %w", err)
	}
	due, counted := p.due()
	if counted == 0 {
		return Report{}, fmt.Errorf("generate load: at %v calls per second none is due within %v", p.Rate, p.Duration)
	}
	rec := recorder{report: Report{
		Rate: float64(counted) / p.Duration.Seconds(), Calls: counted, Lag: newLatencies(),
		Outcomes: map[Outcome]int{}, Latency: map[Outcome]*Latencies{},
	}, firstErr: math.MaxInt}
	var calls sync.WaitGroup
	begin := time.Now()
	for n, at := range due {
		if err := sleepUntil(ctx, begin.Add(at), p.Exact); err != nil {
			return Report{}, fmt.Errorf("generate load: %w", err)
		}
		should := begin.Add(at)
		lag := time.Since(should)
		calls.Add(1)
		ctx, cancel := context.WithDeadline(ctx, should.Add(p.Timeout))
		call(ctx, n, func(reply Reply) {
			cancel()
			if at >= p.Warmup {
				rec.add(n, reply, time.Since(should), lag)
			}
			calls.Done()
		})
	}
	replied := make(chan struct{})
	go func() {
		calls.Wait()
		close(replied)
	}()
	select {
	case <-replied:
	case <-ctx.Done():
		return Report{}, fmt.Errorf("generate load: %w", ctx.Err())
	}
	rec.report.Elapsed = max(time.Since(begin)-p.Warmup, p.Duration)
	return rec.report, nil
}

// coarse is how late a timer may be: it waits in whole milliseconds.
const coarse = 2 * time.Millisecond

// sleepUntil returns at once where t has passed.
func sleepUntil(ctx context.Context, t time.Time, exact bool) error {
	wait := time.Until(t)
	if exact {
		wait -= coarse
	}
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if rest := time.Until(t); exact && rest > 0 && ctx.Err() == nil {
		nap(rest)
	}
	return ctx.Err()
}

// recorder collects replies.
type recorder struct {
	mu       sync.Mutex
	report   Report
	firstErr int // number of the call that report.FirstErr is of
}

func (r *recorder) add(n int, reply Reply, latency, lag time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := &r.report
	out.Outcomes[reply.Outcome]++
	if out.Latency[reply.Outcome] == nil {
		out.Latency[reply.Outcome] = newLatencies()
	}
	out.Latency[reply.Outcome].add(latency)
	out.Lag.add(lag)
	for _, s := range reply.Stages {
		out.stage(s.Name).add(s.Elapsed)
	}
	if reply.Outcome == Failed && n < r.firstErr {
		r.firstErr, out.FirstErr = n, reply.Err
		if reply.Err == nil {
			out.FirstErr = errors.New("a call failed without saying why")
		}
	}
}

func (r *Report) stage(name string) *Latencies {
	for _, s := range r.Stages {
		if s.Name == name {
			return s.Latency
		}
	}
	l := newLatencies()
	r.Stages = append(r.Stages, StageLatencies{name, l})
	return l
}
