//go:build unix

package isolate

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// restrict gives up what a parser does not need. An error says that it could not.
func restrict() error {
	// The runtime opens its poller with the first timer: before it cannot.
	timer := time.NewTimer(time.Nanosecond)
	<-timer.C
	limitData(startData)
	return errors.Join(
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}),
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: openFiles, Max: openFiles}),
	)
}

// startData is for what a process does before its first document.
const startData = 64 << 20

// orphaned reports whether this process's parent has changed.
func orphaned(parent int) bool { return os.Getppid() != parent }

// processorTime returns what all threads of this process have used.
func processorTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
