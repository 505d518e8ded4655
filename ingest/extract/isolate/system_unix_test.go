//go:build unix

package isolate

import (
	"os"
	"runtime"
	"syscall"
)

// peakBytes returns the most memory that a process that has ended held.
func peakBytes(s *os.ProcessState) int {
	u, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int(u.Maxrss)
	}
	return int(u.Maxrss) << 10
}
