package embed

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/ragloop/ragloop/internal/embed/bert"
)

// policy returns how the kernel schedules this thread.
func policy(t *testing.T) uint32 {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Error(err)
		return 0
	}
	return attr.Policy
}

// TestBehind: while somebody yields bulk texts, and only those, give way to other
// threads; where one hardly gets on, those behind it don't.
func TestBehind(t *testing.T) {
	now := time.Unix(100, 0)
	s := limited(1)
	s.slots.now = func() time.Time { return now }
	var took time.Duration
	run := func(p priority, items int) (policies []uint32) {
		if _, err := s.run(t.Context(), work{
			priority: p, items: items,
			tokenise: func(ids []int32, _ int) ([]int32, int) { return append(ids, 1), 1 },
			compute: func(_ int, _ []int32, _ int, w *bert.Workspace) error {
				policies = append(policies, policy(t))
				if rests := w.Rest != nil; rests != (policies[0] == unix.SCHED_IDLE) {
					t.Errorf("rests: %t, on a thread of policy %d", rests, policies[0])
				}
				now = now.Add(took)
				return nil
			},
		}); err != nil {
			t.Error(err)
		}
		return policies
	}
	want := func(what string, got []uint32, want ...uint32) {
		t.Helper()
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: policies (-want +got):\n%s", what, d)
		}
	}
	usual, least := policy(t), uint32(unix.SCHED_IDLE)
	want("nobody yields", run(bulk, 2), usual, usual)
	s.slots.yield(1)
	want("somebody yields", run(bulk, 2), least, least)
	want("a query", run(interactive, 1), usual)
	took = longBehind + 1
	s.slots.yield(1)
	want("slow", run(bulk, 1), least)
	took = 0
	s.slots.yield(1)
	want("starved", run(bulk, 2), usual, usual)
	now = now.Add(yieldFor)
	s.slots.yield(1)
	want("somebody yields again", run(bulk, 1), least)
	if p := policy(t); p != usual {
		t.Errorf("policy of this thread = %d, want %d as before", p, usual)
	}
}

// TestBehindPanics: a panic comes to whoever called, with its value.
func TestBehindPanics(t *testing.T) {
	value := errors.New("value")
	defer func() {
		if got := recover(); got != value {
			t.Errorf("recovered %v, want %v", got, value)
		}
	}()
	behind(func() { panic(value) })
}

// TestBehindSame: what gives way is the same to the bit.
func TestBehindSame(t *testing.T) {
	e, err := NewBuiltin() // of its own: others are not to give way
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{"the pump stops", "valve", "how long is the warranty on a heat meter?"}
	want, err := e.Embed(context.Background(), Passage, texts)
	if err != nil {
		t.Fatal(err)
	}
	e.Yield(1)
	got, err := e.Embed(context.Background(), Passage, texts)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Error("other vectors")
	}
}
