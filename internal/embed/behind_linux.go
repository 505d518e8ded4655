package embed

import (
	"errors"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// behind runs f on a thread that computes what all other threads leave of the cores:
// Go's scheduler knows no priorities, but the kernel's does, and counts a core with
// nothing but such a thread as one that has nothing to do. A thread may not raise its
// priority again, so those that gave theirs up do nothing else. They wait for the next
// f, and are as many as there ever were at the same time: a thread that ended would
// take the parsers with it that were started on it before, which the kernel ends
// together with it (see package isolate).
func behind(f func()) {
	c := &call{f: f, done: make(chan struct{})}
	modestThreads.get() <- c
	<-c.done
	if c.failure != nil {
		panic(c.failure) // where the caller's caller expects it
	}
}

// call is something that a thread is to run.
type call struct {
	f       func()
	failure any // of a panic
	done    chan struct{}
}

// modestThreads are those that wait. They are the process's, as all threads are.
var modestThreads threads

type threads struct {
	mu   sync.Mutex
	idle []chan *call // of capacity 1; the last one was used last
}

// get returns where a thread that has nothing to do takes a call from.
func (t *threads) get() chan<- *call {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.idle); n > 0 {
		calls := t.idle[n-1]
		t.idle = t.idle[:n-1]
		return calls
	}
	calls := make(chan *call, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked
		// Of this thread. Where it may not, f runs as ever.
		_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0)
		for c := range calls {
			t.run(c, calls)
		}
	}()
	return calls
}

var errExit = errors.New("runtime.Goexit was called in place of a return")

// run runs what c asks for. Whoever waits for it finds the thread idle afterwards.
func (t *threads) run(c *call, calls chan *call) {
	defer close(c.done)
	c.failure = errExit
	defer func() {
		if p := recover(); p != nil {
			c.failure = p
		}
		if c.failure != errExit { // which ends the thread
			t.mu.Lock()
			t.idle = append(t.idle, calls)
			t.mu.Unlock()
		}
	}()
	c.f()
	c.failure = nil
}
