package main

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// A collection of garbage takes all cores for some tens of milliseconds, as it
// counts on as many of them as there are threads, and calls at that time wait.
// While a service is at work the heap may grow more between two collections than
// Go lets it, by its own size: up to garbageBytes, but no more than mostPercent of
// what is in use. A service that uses more than garbageBytes is collected as ever.
// So is one in a container that has no room for it: Go is told of the container's
// limit, less what is not Go's there, files in memory and processes that parse.
const (
	garbageBytes = 512 << 20
	leastPercent = 100 // Go's default
	mostPercent  = 400
	garbageCheck = time.Second
	heapShare    = 0.75 // of a container's memory
)

// garbagePercent returns how much garbage there may be beside so many bytes in
// use, in percent of these.
func garbagePercent(inUse uint64) int {
	return int(min(max(garbageBytes*100/max(inUse, 1), leastPercent), mostPercent))
}

// collectSeldom follows garbagePercent until stop is called, within container, which
// returns the memory that the process may use, or an error where there is no such
// limit. Where GOGC or GOMEMLIMIT say something else than Go's defaults, they hold.
func collectSeldom(container memlimit.Provider) (stop func()) {
	if gcMetric("/gc/gogc:percent") != leastPercent || gcMetric("/gc/gomemlimit:bytes") != math.MaxInt64 {
		return func() {}
	}
	if limit, err := memlimit.ApplyRatio(container, heapShare)(); err == nil {
		debug.SetMemoryLimit(int64(min(limit, math.MaxInt64)))
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer debug.SetMemoryLimit(math.MaxInt64)
		defer debug.SetGCPercent(leastPercent)
		check := time.NewTicker(garbageCheck)
		defer check.Stop()
		for now := leastPercent; ; {
			if next := garbagePercent(gcMetric("/gc/heap/live:bytes")); next != now {
				debug.SetGCPercent(next)
				now = next
			}
			select {
			case <-check.C:
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// gcMetric returns one of the runtime's figures, 0 where it has no such.
func gcMetric(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
