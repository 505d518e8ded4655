package load

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies is a distribution of times, each kept to 3 digits (an HDR histogram
// from 1 microsecond to 5 minutes; longer ones count as 5 minutes).
type Latencies struct{ h *hdrhistogram.Histogram }

const (
	resolution = time.Microsecond
	longest    = 5 * time.Minute
	digits     = 3
)

func newLatencies() *Latencies {
	return &Latencies{hdrhistogram.New(1, int64(longest/resolution), digits)}
}

func (l *Latencies) add(d time.Duration) {
	_ = l.h.RecordValue(int64(min(max(d, 0), longest) / resolution)) // unreachable error: the value is in range
}

// Count returns the number of times.
func (l *Latencies) Count() int { return int(l.h.TotalCount()) }

// Quantile returns the time that a share q (0..1) of them does not exceed; 0
// where there are none.
func (l *Latencies) Quantile(q float64) time.Duration {
	return time.Duration(l.h.ValueAtQuantile(100*q)) * resolution
}

// Mean returns 0 where there are none.
func (l *Latencies) Mean() time.Duration {
	if l.Count() == 0 {
		return 0
	}
	return time.Duration(l.h.Mean() * float64(resolution))
}

// Max returns the longest; 0 where there are none.
func (l *Latencies) Max() time.Duration { return time.Duration(l.h.Max()) * resolution }
