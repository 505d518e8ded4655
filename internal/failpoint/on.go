//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// Enabled reports whether this program was built with failpoints.
const Enabled = true

var (
	hits    [points]atomic.Int64
	armed   = arm(os.Getenv(Env))
	watcher atomic.Pointer[func(Point)]
)

type trigger struct {
	point Point
	n     int64 // 0: never
}

// arm panics where the variable names no point: a test that kills nobody proves
// nothing.
func arm(v string) trigger {
	if v == "" {
		return trigger{}
	}
	name, count, _ := strings.Cut(v, ":")
	n, err := strconv.ParseInt(count, 10, 64)
	for _, p := range Points() {
		if p.String() == name && err == nil && n > 0 {
			return trigger{p, n}
		}
	}
	panic(fmt.Sprintf("%s=%q: want the name of a point and which of its hits, such as %s:1", Env, v, ChunksNext))
}

// Hit counts that the process has come to p, and kills it where this was asked
// for.
func Hit(p Point) {
	n := hits[p].Add(1)
	if f := watcher.Load(); f != nil {
		(*f)(p)
	}
	if armed.n == n && armed.point == p {
		die()
	}
}

// Watch makes every later hit call f, in the goroutine that comes to the point;
// nil ends that.
func Watch(f func(Point)) {
	if f == nil {
		watcher.Store(nil)
		return
	}
	watcher.Store(&f)
}

// Hits returns how often the process has come to p.
func Hits(p Point) int64 { return hits[p].Load() }

func die() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(fmt.Sprintf("failpoint: kill this process: %v", err))
	}
	select {} // the signal may arrive on another thread
}
