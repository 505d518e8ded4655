package embed

import (
	"runtime"
	"syscall"
)

// leastPriority is the nice value of a thread that gives way to all others.
const leastPriority = 19

// behind runs f on a thread that computes what other threads leave of the cores: Go's
// scheduler knows no priorities, but the kernel's does. A thread may not raise its
// priority again, so this one ends with f; to start it takes some 50 µs.
func behind(f func()) {
	done := make(chan struct{})
	var failure any
	go func() {
		defer close(done)
		defer func() { failure = recover() }()
		runtime.LockOSThread()                                          // and never unlocked: the thread ends with this goroutine
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, leastPriority) // of this thread; where it can't be, f runs as ever
		f()
	}()
	<-done
	if failure != nil {
		panic(failure) // where the caller's caller expects it
	}
}
