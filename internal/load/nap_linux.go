package load

import (
	"syscall"
	"time"
)

// nap sleeps for d in the operating system, which wakes within a tenth of a
// millisecond. It keeps a thread.
func nap(d time.Duration) {
	left := syscall.NsecToTimespec(int64(d))
	for syscall.Nanosleep(&left, &left) == syscall.EINTR {
	}
}
