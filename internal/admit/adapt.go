package admit

import (
	"slices"
	"time"
)

const (
	windowLength = 100 * time.Millisecond
	windowCalls  = 20
	kindCalls    = 5   // of a kind that say something
	kindSamples  = 256 // that are kept

	tolerance   = 1.5
	smoothing   = 0.5
	decrease    = 0.9
	expiredMost = 0.1
)

// kind is what is known of the calls of one kind.
type kind struct {
	noLoad  time.Duration   // 0: not known
	inside  int             // calls in flight or waiting
	samples []time.Duration // of this window
	seen    int             // calls of this window; samples are the first of them
}

// window is what was seen since begin.
type window struct {
	begin     time.Time
	came, let int
	most      int // at work at once
	flight    int // at work or away at once

	calls   int           // ended, in time or not
	expired int           // of them, not in time
	latency time.Duration // of all of them
	waited  bool          // one of them has been away
	stuck   int           // calls beside, not finished in time, and not for their time at work
}

// peak remembers the most calls at once of the window. l.mu is held.
func (l *Limiter) peak() {
	l.window.most = max(l.window.most, l.running)
	l.window.flight = max(l.window.flight, l.running+l.away)
}

// count takes a call that ended into the window. l.mu is held.
func (l *Limiter) count(t *Ticket, how Ended, latency time.Duration) {
	w := &l.window
	usual := t.kind.noLoad == 0 || float64(latency) <= tolerance*float64(t.kind.noLoad)
	switch {
	case how == Other:
		return
	case how == Expired && t.away > 0 && usual: // it was not for its time at work
		if t.begin.After(l.lowered) { // otherwise it was beside more than now may be
			w.stuck++
		}
		return
	case how == Expired:
		w.expired++
	default:
		t.kind.seen++
		if len(t.kind.samples) < kindSamples {
			t.kind.samples = append(t.kind.samples, latency)
		}
	}
	w.calls++
	w.latency += latency
	w.waited = w.waited || t.away > 0
}

// adapt ends the window once it is long enough. l.mu is held.
func (l *Limiter) adapt(now time.Time) {
	w := l.window
	if l.c.Fixed || w.calls+w.stuck < windowCalls || now.Sub(w.begin) < windowLength {
		return
	}
	full := w.most >= l.allowed()
	if full && w.calls > 0 {
		l.rate = float64(w.calls) / now.Sub(w.begin).Seconds()
		if w.waited { // what is away gets nothing done, nor takes a place: Little's law
			l.rate = float64(l.allowed()*w.calls) / max(w.latency, time.Nanosecond).Seconds()
		}
	}
	l.step(w, l.learn(float64(w.most) <= l.least), full)
	l.fit(w, now)
	l.pushed = float64(max(w.came, 1)) / float64(max(w.let, 1))
	l.window = window{begin: now}
	l.peak()
}

// step moves the limit after a window in which calls took slow times as long as
// without load; 0: not known. full says that there were as many as may be.
func (l *Limiter) step(w window, slow float64, full bool) {
	if float64(w.expired) > expiredMost*float64(w.calls) {
		l.limit *= decrease
	} else if slow > 0 {
		if aim := tolerance/slow*l.limit + 1; full || aim < l.limit {
			l.limit += smoothing * (aim - l.limit)
		}
	}
	l.limit = min(max(l.limit, l.least), l.most)
}

// fit moves the bound of calls in flight after a window.
func (l *Limiter) fit(w window, now time.Time) {
	switch {
	case float64(w.stuck) > expiredMost*float64(w.calls+w.stuck):
		l.bound = max(min(l.bound, w.flight)/2, int(l.least))
		l.lowered = now
	case w.flight >= l.bound:
		l.bound = min(l.bound+1, l.c.Max)
	}
}

// learn takes the samples of a window in, of all kinds, and returns how many
// times as long as without load calls took; 0: not known. few says that no more
// calls than cores were at work at once.
func (l *Limiter) learn(few bool) (slow float64) {
	total, weight := 0.0, 0
	for _, k := range l.kinds {
		if len(k.samples) >= kindCalls {
			slices.Sort(k.samples)
			median := max(k.samples[len(k.samples)/2], time.Nanosecond)
			switch {
			case k.noLoad == 0 || median < k.noLoad:
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
