package admit

import (
	"math"
	"slices"
	"time"
)

// adapt ends a window. l.mu is held.
func (l *Limiter) adapt(now time.Time) {
	w := l.window
	few := w.most <= l.c.Min || l.probing
	if few {
		l.quiet = now
	}
	slow := l.learn(few)
	if !l.probing {
		l.step(w, slow)
	}
	l.probing = !l.probing && now.Sub(l.quiet) >= probeAfter
	l.pushed = float64(max(w.came, 1)) / float64(max(w.let, 1))
	l.window = window{begin: now, most: l.running}
}

// step moves the limit after a window in which calls took slow times as long as
// without load; 0: not known.
func (l *Limiter) step(w window, slow float64) {
	if float64(w.expired) > expiredMost*float64(w.calls) {
		l.limit *= decrease
	} else if slow > 0 {
		gradient := min(max(tolerance/slow, 0.5), 1)
		next := (1-smoothing)*l.limit + smoothing*(gradient*l.limit+math.Sqrt(l.limit))
		if next < l.limit || float64(w.most) >= l.limit/2 {
			l.limit = next
		}
	}
	l.limit = min(max(l.limit, float64(l.c.Min)), float64(l.c.Max))
}

// learn takes the samples of a window in, of all kinds, and returns how many
// times as long as without load calls took; 0: not known. What was measured while
// few calls were at work is what they take without load: a little of it where
// that is more than was known, so that one slow window is not believed.
func (l *Limiter) learn(few bool) (slow float64) {
	total, weight := 0.0, 0
	for _, k := range l.kinds {
		if len(k.samples) >= kindCalls {
			slices.Sort(k.samples)
			median := max(k.samples[len(k.samples)/2], time.Nanosecond)
			switch {
			case k.noLoad == 0:
				k.noLoad = median
				if !few {
					l.quiet = time.Time{}
				}
			case median < k.noLoad:
				k.noLoad = median
			case few:
				k.noLoad += (median - k.noLoad) / 4
			}
			// Whole numbers as weights: the order of kinds does not matter but for
			// the last digits of the sum.
			total += float64(k.seen) * (float64(median) / float64(k.noLoad))
			weight += k.seen
		}
		k.samples, k.seen = k.samples[:0], 0
	}
	if weight == 0 {
		return 0
	}
	return total / float64(weight)
}
