package main

import (
	"runtime/debug"
	"testing"
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

// TestCollectSeldom: what the user set holds, and what was changed is put back.
func TestCollectSeldom(t *testing.T) {
	percent := func() int { return int(gcMetric("/gc/gogc:percent")) }
	if n := percent(); n == 0 {
		t.Fatal("the runtime tells no /gc/gogc:percent")
	}
	was := debug.SetGCPercent(70)
	defer debug.SetGCPercent(was)
	stop := collectSeldom()
	stop()
	if n := percent(); n != 70 {
		t.Errorf("GOGC is %d, want the user's 70", n)
	}
	debug.SetGCPercent(100)
	collectSeldom()()
	if n := percent(); n != 100 {
		t.Errorf("GOGC is %d after a stop, want Go's 100", n)
	}
}
