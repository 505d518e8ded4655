package embed

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// behind runs f on a thread that computes what all other threads leave of the cores:
// Go's scheduler knows no priorities, but the kernel's does, and counts a core with
// nothing but such a thread as one that has nothing to do. A thread may not raise its
// priority again, so this one ends with f; to start it takes some 50 µs.
func behind(f func()) {
	done := make(chan struct{})
	var failure any
	go func() {
		defer close(done)
		defer func() { failure = recover() }()
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		// Of this thread. Where it may not, f runs as ever.
		_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0)
		f()
	}()
	<-done
	if failure != nil {
		panic(failure) // where the caller's caller expects it
	}
}
