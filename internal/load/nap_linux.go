package load

import (
	"syscall"
	"time"
	"unsafe"
)

// nap sleeps for d in the operating system, which wakes within a tenth of a
// millisecond. It keeps a thread of those that run Go code, and a stop of the world
// waits for it: d must be short. Go's scheduler is not told, which would look after a
// thread that sleeps every twenty microseconds and so take more of a core than the
// sleeper leaves.
func nap(d time.Duration) {
	left := syscall.NsecToTimespec(int64(d))
	at := uintptr(unsafe.Pointer(&left))
	for {
		if _, _, err := syscall.RawSyscall(syscall.SYS_NANOSLEEP, at, at, 0); err != syscall.EINTR {
			return
		}
	}
}
