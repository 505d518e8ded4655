//go:build failpoint

package ingest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/ragloop/ragloop/internal/failpoint"
)

func tellHits(out *tell) {
	for _, p := range failpoint.Points() {
		out.line("hits", p, failpoint.Hits(p))
	}
}

// TestKillAtFailpoints kills an ingesting process at every named step, at one of
// its occurrences; with -kills 300 and more also at the first and near the last.
// A step that is never reached fails.
func TestKillAtFailpoints(t *testing.T) {
	u := uninterrupted(t)
	// Steps that only a process comes to that follows a killed one.
	first := map[failpoint.Point]failpoint.Point{
		failpoint.StaleDeleted: failpoint.ChunksStored,
		failpoint.TornCut:      failpoint.LogWritten,
	}
	sum := newTally()
	rnd := rand.New(rand.NewPCG(7, uint64(*kills)))
	for _, p := range failpoint.Points() {
		before, second := first[p]
		reached := u.hits[p.String()]
		if second {
			reached = u.hits[before.String()]
		}
		if reached == 0 {
			t.Errorf("nobody comes to %s", p)
			continue
		}
		// How often varies a little from one life to the next.
		reached = max(reached*95/100, 1)
		occurrences := []int{1 + rnd.IntN(reached)}
		if *kills >= 300 {
			occurrences = append(occurrences, 1, reached)
		}
		for _, n := range occurrences {
			dir := t.TempDir()
			round, embedded, killed := 0, 0, 0
			die := func(p failpoint.Point, n int) (ok bool) {
				l := live(t, dir, round, 0, 0, fmt.Sprintf("%s=%s:%d", failpoint.Env, p, n))
				if round, embedded = l.round, embedded+l.embedded; !l.killed {
					return false
				}
				killed++
				sum.kill(l)
				if p == failpoint.LogWritten {
					loseUnsynced(t, dir, 1+rnd.IntN(12))
				}
				u.check(t, readStored(t, dir), l)
				return true
			}
			if second && !die(before, n) || !second && !die(p, n) && (n == 1 || !die(p, 1)) || second && !die(p, 1) {
				t.Errorf("nobody comes to %s, the %d. time", p, n)
			}
			u.finish(t, dir, round, killed, embedded, &sum)
			if t.Failed() {
				t.Fatalf("%s, the %d. time", p, n)
			}
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Log(sum)
}

// loseUnsynced cuts so many bytes off the log, as a power cut may that comes
// before its fsync. A record has at least twelve.
func loseUnsynced(t *testing.T, dir string, bytes int) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "index", "log-*"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("logs %q, %v", logs, err)
	}
	last := logs[len(logs)-1]
	info, err := os.Stat(last)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(last, info.Size()-int64(bytes)); err != nil {
		t.Fatal(err)
	}
}
