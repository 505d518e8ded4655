package embed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ragloop/ragloop/internal/embed/bert"
)

// queue is slots with named turns, asked for and granted without goroutines.
type queue struct {
	t     *testing.T
	slots slots
	turns map[string]*turn
	held  map[string]held
}

// held is a slot that was granted.
type held struct {
	w *bert.Workspace
	p priority
}

func newQueue(t *testing.T, limit *int) *queue {
	return &queue{t: t, slots: slots{limit: func() int { return *limit }}, turns: map[string]*turn{}, held: map[string]held{}}
}

func (q *queue) ask(p priority, names ...string) {
	for _, name := range names {
		t := newTurn()
		t.priority = p
		q.turns[name] = t
		q.slots.enqueue(t)
	}
}

// expect checks who was granted a slot since the last call.
func (q *queue) expect(names ...string) {
	q.t.Helper()
	var got []string
	for name, t := range q.turns {
		select {
		case w := <-t.granted:
			q.held[name] = held{w, t.priority}
			got = append(got, name)
			delete(q.turns, name)
		default:
		}
	}
	slices.Sort(got)
	slices.Sort(names)
	if !slices.Equal(got, names) {
		q.t.Fatalf("granted to %v, want %v", got, names)
	}
}

func (q *queue) release(name string) {
	q.slots.release(q.held[name].w, q.held[name].p)
	delete(q.held, name)
}

func TestSlotsQueriesFirst(t *testing.T) {
	limit := 2
	q := newQueue(t, &limit)
	q.ask(bulk, "a1", "a2", "b1", "b2", "a3")
	q.expect("a1", "a2")
	q.ask(interactive, "q1", "q2")
	q.expect()
	q.release("a2")
	q.expect("q1")
	q.release("q1")
	q.expect("q2")
	q.release("a1")
	q.expect("b1")
	q.release("q2")
	q.expect("b2")
	q.release("b2")
	q.release("b1")
	q.expect("a3")
}

// TestSlotsBulkGoesOn checks that queries without end do not stop bulk work.
func TestSlotsBulkGoesOn(t *testing.T) {
	limit := 1
	q := newQueue(t, &limit)
	q.slots.yield(1)
	q.ask(interactive, "running")
	q.expect("running")
	q.ask(bulk, "document", "another")
	last := "running"
	forget := func(name string) { // who does not wait any longer
		q.slots.leave(q.turns[name])
		delete(q.turns, name)
	}
	for _, document := range []string{"document", "another"} {
		for range maxOvertaken {
			q.ask(interactive, "query", "behind")
			q.release(last)
			q.expect("query")
			last = "query"
			forget("behind")
		}
		q.ask(interactive, "late")
		q.release(last)
		q.expect(document)
		last = document
		forget("late")
	}
}

func TestSlotsFollowTheLimit(t *testing.T) {
	limit := 1
	q := newQueue(t, &limit)
	q.ask(bulk, "a", "b", "c", "d", "e")
	q.expect("a")
	limit = 3
	q.release("a")
	q.expect("b", "c", "d")
	limit = 1
	q.release("b")
	q.release("c")
	q.expect()
	q.release("d")
	q.expect("e")
	q.release("e")
	if n := len(q.slots.idle); n != 1 {
		t.Errorf("%d idle workspaces are kept, want 1, the limit", n)
	}
}

// TestSlotsYield: for a second after a yield bulk texts leave a slot free, which
// interactive texts take; nobody starves, and a single slot is not given up.
func TestSlotsYield(t *testing.T) {
	limit, now := 2, time.Unix(100, 0)
	q := newQueue(t, &limit)
	q.slots.now = func() time.Time { return now }
	q.ask(bulk, "a", "b", "c", "d", "e", "f")
	q.expect("a", "b")
	q.slots.yield(1)
	q.release("a")
	q.expect()
	if q.slots.idleSlot(bulk) != nil {
		t.Error("a bulk text is helped with the slot that is left to others")
	}
	q.slots.yield(2)
	if q.slots.idleSlot(interactive) != nil {
		t.Error("a query is helped where others compute beside it")
	}
	q.ask(interactive, "query")
	q.expect("query")
	q.release("b")
	q.expect() // the query's slot is not theirs either
	q.release("query")
	q.expect("c")
	now = now.Add(yieldFor)
	q.release("c")
	q.expect("d", "e")

	limit = 1
	q.slots.yield(1)
	q.release("d")
	q.expect()
	q.release("e")
	q.expect("f")
}

// TestSlotsYieldDoesNotStarve: queries that are at work one after the other, of
// which none ever waits, do not stop bulk texts either, as those of a reranker whose
// threads ask again for one passage after the other.
func TestSlotsYieldDoesNotStarve(t *testing.T) {
	limit, now := 2, time.Unix(100, 0)
	q := newQueue(t, &limit)
	q.slots.now = func() time.Time { return now }
	q.slots.yield(2)
	q.ask(interactive, "q0")
	q.ask(interactive, "q1")
	q.expect("q0", "q1")
	q.ask(bulk, "document", "another")
	one, other := "q0", "q1"
	for i := range maxOvertaken {
		q.release(one)
		q.expect()
		one, other = other, fmt.Sprint("q", i+2)
		q.ask(interactive, other)
		q.expect(other)
	}
	q.release(one)
	q.expect("document")
	// With a document at work the other slot is for queries alone.
	one = other
	for i := range 3 * maxOvertaken {
		q.release(one)
		q.expect()
		one = fmt.Sprint("r", i)
		q.ask(interactive, one)
		q.expect(one)
	}
	q.release("document")
	q.expect("another")
}

// TestSlotsCrowdedEnds: nobody is crowded by searches that are long over.
func TestSlotsCrowdedEnds(t *testing.T) {
	limit, now := 2, time.Unix(100, 0)
	q := newQueue(t, &limit)
	q.slots.now = func() time.Time { return now }
	q.slots.yield(2)
	q.ask(bulk, "document")
	q.expect("document")
	if q.slots.idleSlot(bulk) != nil {
		t.Error("a text is helped beside searches")
	}
	now = now.Add(yieldFor)
	if q.slots.idleSlot(bulk) == nil {
		t.Error("a text is not helped with nobody beside it")
	}
}

// TestSlotsIdle checks that help is taken only from cores that nobody wants.
func TestSlotsIdle(t *testing.T) {
	limit := 2
	q := newQueue(t, &limit)
	q.ask(interactive, "query")
	q.expect("query")
	helper := q.slots.idleSlot(interactive)
	if helper == nil || q.slots.idleSlot(interactive) != nil {
		t.Error("two cores and one text do not leave exactly one helper")
	}
	q.ask(bulk, "document")
	q.expect()
	q.slots.release(helper, interactive)
	q.expect("document")
	q.ask(bulk, "next")
	limit = 4
	helper = q.slots.idleSlot(interactive)
	q.expect("next") // before any help
	if helper == nil || q.slots.idleSlot(interactive) != nil {
		t.Error("four cores and three texts do not leave exactly one helper")
	}
}

func TestSlotsLeave(t *testing.T) {
	limit := 1
	q := newQueue(t, &limit)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	q.ask(bulk, "a")
	q.expect("a")
	if _, err := q.slots.acquire(ended, newTurn()); !errors.Is(err, context.Canceled) {
		t.Errorf("acquire with an ended context = %v", err)
	}
	q.ask(bulk, "b", "c")
	q.release("a") // b has its turn
	q.slots.leave(q.turns["b"])
	delete(q.turns, "b")
	q.expect("c")
	if s := &q.slots; s.busy() != 1 || len(s.waiting[bulk])+len(s.waiting[interactive]) != 0 {
		t.Errorf("%d run and %d wait, want 1 and none", s.busy(), len(s.waiting[bulk])+len(s.waiting[interactive]))
	}
}
