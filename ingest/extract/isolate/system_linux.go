package isolate

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// self returns a path of this program: the file that runs, even where another
// version was installed over it.
func self() (string, error) {
	const running = "/proc/self/exe"
	path, err := os.Executable()
	now, nowErr := os.Stat(running)
	if nowErr != nil {
		return path, err // no /proc
	}
	if there, thereErr := os.Stat(path); err == nil && thereErr == nil && os.SameFile(now, there) {
		return path, nil // a name that people know from process lists
	}
	return running, nil
}

func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// sealDescriptors keeps what this process inherited itself from its parsers:
// what Go opens is never passed on.
var sealDescriptors = sync.OnceFunc(func() {
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) // Linux 5.11; best effort before
})

// residentBytes returns the memory that a process holds, 0 where it is unknown.
func residentBytes(pid int) int {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := bytes.Fields(statm)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0
	}
	return pages * os.Getpagesize()
}

// baseData is what the runtime had mapped before the first document: limits on
// data come on top. It may be large and mostly untouched (the race detector's).
var baseData = sync.OnceValue(func() uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		if value, ok := bytes.CutPrefix(line, []byte("VmData:")); ok {
			kib, err := strconv.ParseUint(string(bytes.TrimSuffix(bytes.TrimSpace(value), []byte(" kB"))), 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
})

// limitData has the system refuse more data than memory bytes beyond the base.
func limitData(memory int) {
	if baseData() == 0 {
		return
	}
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_DATA, &l); err != nil {
		return
	}
	l.Cur = min(baseData()+uint64(memory), l.Max)
	_ = unix.Setrlimit(unix.RLIMIT_DATA, &l) // the other limits stay
}
