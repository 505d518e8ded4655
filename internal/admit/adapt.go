package admit

import (
	"slices"
	"time"
)

// adapt ends a window. l.mu is held.
func (l *Limiter) adapt(now time.Time) {
	w := l.window
	probing := l.probe < 1
	few := w.most <= l.c.Min || probing
	if few {
		l.quiet = now
	}
	slow, fell := l.learn(few)
	full := w.most >= l.allowed()
	if full && !probing {
		l.rate = float64(w.calls) / now.Sub(w.begin).Seconds()
	}
	if !probing {
		l.step(w, slow, full)
	}
	switch {
	case !probing && l.quiet.IsZero():
		l.probe = 0 // Min: a guess under load may be any number of times too long
	case !probing && now.Sub(l.quiet) >= probeAfter:
		l.probe = probeShare
	case probing && fell && l.allowed() > l.c.Min:
		l.probe *= probeShare
	default:
		l.probe = 1
	}
	l.pushed = float64(max(w.came, 1)) / float64(max(w.let, 1))
	l.window = window{begin: now, most: l.running}
}

// step moves the limit after a window in which calls took slow times as long as
// without load; 0: not known. full says that there were as many as may be.
func (l *Limiter) step(w window, slow float64, full bool) {
	if float64(w.expired) > expiredMost*float64(w.calls) {
		l.limit *= decrease
		l.fallen = true
	} else if slow > 0 {
		next := tolerance/slow*l.limit + 1
		switch {
		case next < l.limit:
			l.limit += falling * (next - l.limit)
			l.fallen = true
		case full && l.fallen:
			l.limit += rising * (next - l.limit)
		case full:
			l.limit += risingFirst * (next - l.limit)
		}
	}
	l.limit = min(max(l.limit, float64(l.c.Min)), float64(l.c.Max))
}

// learn takes the samples of a window in, of all kinds, and returns how many
// times as long as without load calls took; 0: not known. What was measured while
// few calls were at work is what they take without load: a little of it where
// that is more than was known, so that one slow window is not believed. fell
// says that calls of some kind took clearly less than was known.
func (l *Limiter) learn(few bool) (slow float64, fell bool) {
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
				fell = fell || float64(median) < clearly*float64(k.noLoad)
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
		return 0, fell
	}
	return total / float64(weight), fell
}
