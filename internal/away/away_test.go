package away

import (
	"context"
	"sync/atomic"
	"testing"
)

// watched returns a context and how many waits of its call there are now.
func watched(ctx context.Context) (context.Context, *atomic.Int32) {
	n := new(atomic.Int32)
	return Watch(ctx, func() (end func()) {
		n.Add(1)
		return func() { n.Add(-1) }
	}), n
}

func want(t *testing.T, when string, n *atomic.Int32, want int32) {
	t.Helper()
	if got := n.Load(); got != want {
		t.Errorf("%s: %d waits, want %d", when, got, want)
	}
}

func TestBegin(t *testing.T) {
	Begin(t.Context())() // nobody watches
	outer, above := watched(t.Context())
	ctx, n := watched(outer)
	first, second := Begin(ctx), Begin(ctx)
	want(t, "two at once", n, 2)
	first()
	want(t, "one of them", n, 1)
	second()
	want(t, "none", n, 0)
	want(t, "another one watches above", above, 0)
}

// TestShared: calls are away from the first wait of the work that they share on, until
// they leave.
func TestShared(t *testing.T) {
	var s Shared
	one, first := watched(t.Context())
	two, second := watched(t.Context())
	three, third := watched(t.Context())
	work := s.Watch(one)
	leaveFirst, leaveThird := s.Join(one), s.Join(three)
	leaveThird()
	want(t, "the work is here", first, 0)

	a, b := Begin(work), Begin(work)
	leaveSecond := s.Join(two)
	a()
	b()
	want(t, "the first", first, 1)
	want(t, "one that joined meanwhile", second, 1)
	want(t, "one that left before", third, 0)
	leaveFirst()
	leaveSecond()
	want(t, "the first has left", first, 0)
	want(t, "the second has left", second, 0)
}
