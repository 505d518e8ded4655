//go:build !unix

package isolate

import (
	"os"
	"runtime/metrics"
	"syscall"
	"time"
)

// No limits of the system here: the parser's own watch and the pool do it alone.

func self() (string, error)            { return os.Executable() }
func attributes() *syscall.SysProcAttr { return nil }
func sealDescriptors()                 {}
func residentBytes(int) int            { return 0 }
func limitData(int)                    {}
func restrict() error                  { return nil }
func orphaned(int) bool                { return false }

// processorTime returns what the Go code of this process has used. The runtime
// updates it with each garbage collection only: the time limit of the pool
// decides where nothing is collected.
func processorTime() time.Duration {
	sample := []metrics.Sample{{Name: "/cpu/classes/total:cpu-seconds"}, {Name: "/cpu/classes/idle:cpu-seconds"}}
	metrics.Read(sample)
	return time.Duration((sample[0].Value.Float64() - sample[1].Value.Float64()) * float64(time.Second))
}
