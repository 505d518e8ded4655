package embed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/embed/bert"
)

// stepper is a model that computes an item when it is told to, and remembers
// who came when.
type stepper struct {
	step chan struct{}

	mu      sync.Mutex
	started []string
	running int
}

func newStepper() *stepper { return &stepper{step: make(chan struct{})} }

func (s *stepper) work(name string, p priority, lengths ...int) work {
	return work{
		priority: p,
		items:    len(lengths),
		tokenise: func(ids []int32, i int) ([]int32, int) {
			ids = append(ids, make([]int32, lengths[i])...)
			return ids, len(ids)
		},
		compute: func(i int, ids []int32, second int, _ *bert.Workspace) error {
			if len(ids) != lengths[i] || second != len(ids) {
				return fmt.Errorf("item %d came with %d ids, second segment at %d, want %d", i, len(ids), second, lengths[i])
			}
			s.mu.Lock()
			s.started = append(s.started, name)
			s.running++
			s.mu.Unlock()
			<-s.step
			s.mu.Lock()
			s.running--
			s.mu.Unlock()
			return nil
		},
	}
}

func limited(n int) *scheduler {
	return &scheduler{slots: slots{limit: func() int { return n }}}
}

// start runs work in a goroutine and returns once everybody waits.
func start(t *testing.T, s *scheduler, w work) {
	t.Helper()
	go func() {
		if n, err := s.run(context.Background(), w); n != w.items || err != nil {
			t.Errorf("run of %d items = %d, %v", w.items, n, err)
		}
	}()
	synctest.Wait()
}

// TestQueryOvertakesBulk is the promise of a low latency while ingesting: a
// query is next, behind nothing but what runs already.
func TestQueryOvertakesBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := limited(2), newStepper()
		start(t, s, m.work("bulk", bulk, slices.Repeat([]int{9}, 3*windowTexts)...))
		start(t, s, m.work("query", interactive, 9))
		if want := []string{"bulk", "bulk"}; !cmp.Equal(m.started, want) {
			t.Errorf("started %v, want %v", m.started, want)
		}
		m.step <- struct{}{}
		synctest.Wait()
		if want := []string{"bulk", "bulk", "query"}; !cmp.Equal(m.started, want) {
			t.Errorf("started %v, want %v", m.started, want)
		}
		close(m.step)
	})
}

func TestCallsShareCores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := limited(1), newStepper()
		start(t, s, m.work("a", bulk, 1, 1, 1, 1, 1, 1))
		start(t, s, m.work("b", bulk, 1, 1, 1))
		close(m.step)
		synctest.Wait()
		if got, want := strings.Join(m.started, ""), "abababaaa"; got != want {
			t.Errorf("started %s, want %s", got, want)
		}
	})
}

// TestCores checks that the calls use all cores and no more.
func TestCores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := limited(3), newStepper()
		start(t, s, m.work("a", bulk, 1, 1))
		if m.running != 2 {
			t.Errorf("%d of 2 items run on 3 cores", m.running)
		}
		start(t, s, m.work("b", bulk, 1, 1, 1, 1, 1))
		start(t, s, m.work("q", interactive, 1))
		for range 5 {
			if m.running != 3 {
				t.Errorf("%d items run on 3 cores", m.running)
			}
			m.step <- struct{}{}
			synctest.Wait()
		}
		close(m.step)
	})
}

func TestLongestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := limited(1), newStepper()
		close(m.step)
		w := m.work("", bulk, 3, 1, 4, 1, 5)
		compute := w.compute
		var order []int
		w.compute = func(i int, ids []int32, second int, space *bert.Workspace) error {
			order = append(order, i)
			return compute(i, ids, second, space)
		}
		start(t, s, w)
		if want := []int{4, 2, 0, 1, 3}; !cmp.Equal(order, want) {
			t.Errorf("computed in order %v, want %v", order, want)
		}
	})
}

// TestCancelWhileWaiting checks that a call that waits for a core ends with its
// context and leaves the queue.
func TestCancelWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := limited(1), newStepper()
		start(t, s, m.work("bulk", bulk, 1))
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			if n, err := s.run(ctx, m.work("query", interactive, 1)); n != 0 || !errors.Is(err, context.Canceled) {
				t.Errorf("run = %d, %v, want 0 and %v", n, err, context.Canceled)
			}
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(m.step)
		synctest.Wait()
		if want := []string{"bulk"}; !cmp.Equal(m.started, want) || s.slots.busy() != 0 {
			t.Errorf("started %v and %d run, want %v and none", m.started, s.slots.busy(), want)
		}
	})
}

// TestWindows checks that a call of any size keeps a bounded number of texts
// tokenised, and that what stands before the first error is done.
func TestWindows(t *testing.T) {
	s := limited(2)
	const items = 5 * windowTexts
	var mu sync.Mutex
	done := make([]bool, items)
	held, most := 0, 0
	failures := map[int]bool{}
	w := work{
		items: items,
		tokenise: func(ids []int32, i int) ([]int32, int) {
			mu.Lock()
			defer mu.Unlock()
			held++
			most = max(most, held)
			return append(ids, int32(i)), len(ids)
		},
		compute: func(i int, ids []int32, _ int, _ *bert.Workspace) error {
			mu.Lock()
			defer mu.Unlock()
			held--
			if failures[i] {
				return fmt.Errorf("item %d", i)
			}
			done[i] = len(ids) == 1 && int(ids[0]) == i
			return nil
		},
	}
	if n, err := s.run(t.Context(), w); n != items || err != nil || slices.Contains(done, false) {
		t.Errorf("run = %d, %v, want %d, all done", n, err, items)
	}
	if most != 2*windowTexts {
		t.Errorf("%d texts were tokenised at the same time, want %d", most, 2*windowTexts)
	}
	clear(done)
	failures[901], failures[900] = true, true
	n, err := s.run(t.Context(), w)
	if n != 900 || err == nil || err.Error() != "item 900" || slices.Contains(done[:900], false) {
		t.Errorf("run = %d, %v, want 900, item 900, all before done", n, err)
	}
	if slices.Contains(done[4*windowTexts:], true) {
		t.Error("it went on to the next window after an error")
	}
}

// TestAllocations checks that the number of allocations of a call does not
// depend on the number of texts.
func TestAllocations(t *testing.T) {
	b, err := NewBuiltin()
	if err != nil {
		t.Fatal(err)
	}
	b.scheduler.slots.limit = func() int { return 1 } // each thread has memory of its own, and which one takes a text is chance
	texts := slices.Repeat([]string{"the valve opens", "pump", ""}, 5)
	for _, task := range []Task{Passage, Query} {
		allocations := func(texts []string) float64 {
			return testing.AllocsPerRun(3, func() {
				if _, err := b.Embed(context.Background(), task, texts); err != nil {
					t.Fatal(err)
				}
			})
		}
		allocations(texts) // makes room for the most
		few, many := allocations(texts[:3]), allocations(texts)
		if few != many || many > 16 {
			t.Errorf("%s: %v allocations for 3 texts, %v for 15, want equally few", task, few, many)
		}
	}
}
