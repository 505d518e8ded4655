package bert

import (
	"runtime"
	"sync/atomic"
)

// Team lets several cores compute one text, for its latency: the steps of each
// layer are cut into parts that do not depend on each other, and who is free
// takes the next. The result has the same bits, whoever helps. Throughput is
// lost, because each core reads all weights for a few rows. The zero value is
// ready for one text.
type Team struct {
	// ticket says what there is to take. From its upper bits down: the number of
	// the step, how many parts that has, and the part to be taken next.
	ticket atomic.Uint64
	step   step
	pass   *pass
	done   atomic.Int64 // parts of this step
}

const (
	partBits = 16
	partMask = 1<<partBits - 1
	// closed is the ticket after the last step.
	closed = ^uint64(0)
	// spins is how often a member looks for something to do before it lets
	// other goroutines run. A step takes microseconds, too short to sleep.
	spins = 200
	// teamRows is the number of rows of a part, unless half the text has fewer.
	// Measured for texts of 8 to 128 tokens and two cores: fewer rows read the
	// weights more often, more leave a core without work.
	teamRows = 16
)

// Help takes parts until the text is finished. Any number of goroutines may
// help, each with a workspace of its own, and come at any time, even too late.
func (t *Team) Help(w *Workspace) {
	for idle := 1; ; idle++ {
		switch ticket := t.ticket.Load(); {
		case ticket == closed:
			return
		case t.take(ticket, w):
			idle = 0
		case idle%spins == 0:
			runtime.Gosched()
		}
	}
}

// take computes the next part of the step of ticket, if there is one.
func (t *Team) take(ticket uint64, w *Workspace) bool {
	next, parts := ticket&partMask, ticket>>partBits&partMask
	if next == parts || !t.ticket.CompareAndSwap(ticket, ticket+1) {
		return false
	}
	// From here on the step cannot end before this part has.
	t.step(t.pass, int(next), w)
	t.done.Add(1)
	return true
}

// each computes all parts of a step, alone where t is nil. Only the goroutine
// that has the text may call it.
func (t *Team) each(s step, p *pass, parts int, w *Workspace) {
	if t == nil {
		for i := range parts {
			s(p, i, w)
		}
		return
	}
	number := t.ticket.Load()>>(2*partBits) + 1
	t.step, t.pass = s, p
	t.done.Store(0)
	t.ticket.Store(number<<(2*partBits) | uint64(parts)<<partBits)
	for t.take(t.ticket.Load(), w) || t.left() {
	}
	for idle := 1; t.done.Load() < int64(parts); idle++ {
		if idle%spins == 0 {
			runtime.Gosched()
		}
	}
}

// left reports whether some part of the step is not taken.
func (t *Team) left() bool {
	ticket := t.ticket.Load()
	return ticket&partMask != ticket>>partBits&partMask
}

// close sends the helpers away.
func (t *Team) close() {
	if t != nil {
		t.ticket.Store(closed)
	}
}

// blockRows returns how many rows of n a part has.
func (t *Team) blockRows(n int) int {
	if t == nil {
		return blockRows
	}
	return min(teamRows, ((n+1)/2+3)/4*4)
}
