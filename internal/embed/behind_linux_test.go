package embed

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/embed/bert"
)

// nice returns the nice value of this thread.
func nice(t *testing.T) int {
	n, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		t.Error(err)
	}
	return 20 - n // the system call returns no negative numbers
}

// TestBehind: while somebody yields bulk texts, and only those, give way to other
// threads; where one hardly gets on, those behind it don't.
func TestBehind(t *testing.T) {
	now := time.Unix(100, 0)
	s := limited(1)
	s.slots.now = func() time.Time { return now }
	var took time.Duration
	run := func(p priority, items int) (values []int) {
		if _, err := s.run(t.Context(), work{
			priority: p, items: items,
			tokenise: func(ids []int32, _ int) ([]int32, int) { return append(ids, 1), 1 },
			compute: func(int, []int32, int, *bert.Workspace) error {
				values = append(values, nice(t))
				now = now.Add(took)
				return nil
			},
		}); err != nil {
			t.Error(err)
		}
		return values
	}
	want := func(what string, got []int, want ...int) {
		t.Helper()
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: nice values (-want +got):\n%s", what, d)
		}
	}
	usual := nice(t)
	want("nobody yields", run(bulk, 2), usual, usual)
	s.slots.yield(false)
	want("somebody yields", run(bulk, 2), leastPriority, leastPriority)
	want("a query", run(interactive, 1), usual)
	took = longBehind + 1
	s.slots.yield(false)
	want("slow", run(bulk, 1), leastPriority)
	took = 0
	s.slots.yield(false)
	want("starved", run(bulk, 2), usual, usual)
	now = now.Add(yieldFor)
	s.slots.yield(false)
	want("somebody yields again", run(bulk, 1), leastPriority)
	if n := nice(t); n != usual {
		t.Errorf("nice value of this thread = %d, want %d as before", n, usual)
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
	e := newBuiltin(t)
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
