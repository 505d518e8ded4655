package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// Limit says which rates a service keeps up with: nearly all calls are answered
// completely, and in time.
type Limit struct {
	Answered float64       // share of calls, 0..1
	P99      time.Duration // of answers
}

// Holds reports whether r keeps to l.
func (l Limit) Holds(r Report) bool {
	return r.Share(Answered) >= l.Answered && r.Of(Answered).Quantile(0.99) <= l.P99
}

const (
	// precision is how close the rate that holds and the one that does not are in
	// the end, as a ratio.
	precision = 1.04
	// The search gives up outside these rates.
	lowestRate, highestRate = 0.1, 1e6
)

// ErrNoPeak: no rate keeps to the limit, or every one does.
var ErrNoPeak = errors.New("no peak rate")

// Peak looks for the highest rate that keeps to a limit, step by step: from
// p.Rate on twice as high until one does not hold, or half as high until one
// does, then the geometric mean of the two. A rate that does not hold is tried once
// more: a moment in which the machine did something else is no verdict, and the search
// never comes back. progress, which may be nil, is told every step. The steps have seeds
// of their own.
func Peak(ctx context.Context, p Plan, l Limit, call Call, progress func(r Report, holds bool)) (Report, error) {
	var peak Report
	low, high := 0.0, math.Inf(1) // the highest rate that holds, the lowest that does not
	again := false                // this rate did not hold once
	for {
		r, err := Run(ctx, p, call)
		if err != nil {
			return Report{}, fmt.Errorf("find the peak rate: %w", err)
		}
		holds := l.Holds(r)
		if progress != nil {
			progress(r, holds)
		}
		p.Seed++
		if again = !holds && !again; again {
			continue
		}
		if holds {
			low, peak = p.Rate, r
		} else {
			high = p.Rate
		}
		switch {
		case high <= lowestRate:
			return Report{}, fmt.Errorf("find the peak rate: %w: %.3g calls per second are too many: %.1f %% answered, 99 %% within %v",
				ErrNoPeak, high, 100*r.Share(Answered), r.Of(Answered).Quantile(0.99))
		case low >= highestRate:
			return Report{}, fmt.Errorf("find the peak rate: %w: %.3g calls per second are not too many", ErrNoPeak, low)
		case low > 0 && high/low <= precision:
			return peak, nil
		case math.IsInf(high, 1):
			p.Rate = 2 * low
		case low == 0:
			p.Rate = high / 2
		default:
			p.Rate = math.Sqrt(low * high)
		}
	}
}
