package main

import (
	"math"
	"runtime/debug"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

func TestGarbagePercent(t *testing.T) {
	for inUse, want := range map[uint64]int{
		0: 400, 1 << 20: 400, 128 << 20: 400, 256 << 20: 200, 400 << 20: 128, 512 << 20: 100, 64 << 30: 100,
	} {
		if got := garbagePercent(inUse); got != want {
			t.Errorf("garbagePercent(%d MiB) = %d, want %d", inUse>>20, got, want)
		}
	}
}

// TestCollectSeldom: what the user set holds, a container's limit is kept to, and
// what was changed is put back.
func TestCollectSeldom(t *testing.T) {
	settings := func() [2]uint64 { return [2]uint64{gcMetric("/gc/gogc:percent"), gcMetric("/gc/gomemlimit:bytes")} }
	if settings()[0] == 0 {
		t.Fatal("the runtime tells no /gc/gogc:percent")
	}
	small, none := memlimit.Limit(4<<30), func() (uint64, error) { return 0, memlimit.ErrNoLimit }
	for name, c := range map[string]struct {
		percent   int
		limit     int64
		container memlimit.Provider
		want      uint64 // limit while it is followed
	}{
		"GOGC":         {70, math.MaxInt64, small, math.MaxInt64},
		"GOMEMLIMIT":   {100, 9 << 30, small, 9 << 30},
		"container":    {100, math.MaxInt64, small, 3 << 30},
		"no container": {100, math.MaxInt64, none, math.MaxInt64},
	} {
		percent, limit := debug.SetGCPercent(c.percent), debug.SetMemoryLimit(c.limit)
		before := settings()
		stop := collectSeldom(c.container)
		if n := settings()[1]; n != c.want {
			t.Errorf("%s: the memory limit is %d, want %d", name, n, c.want)
		}
		stop()
		if after := settings(); after != before {
			t.Errorf("%s: GOGC and the limit are %d after a stop, want %d", name, after, before)
		}
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}
