//go:build failpoint

package failpoint

import "testing"

func TestArm(t *testing.T) {
	if got, want := arm("log-synced:3"), (trigger{LogSynced, 3}); got != want {
		t.Errorf("arm(log-synced:3) = %v, want %v", got, want)
	}
	if got := arm(""); got.n != 0 {
		t.Errorf("arm() = %v, want nothing", got)
	}
	for _, bad := range []string{"log-synced", "log-synced:0", "log-synced:x", "no-such-step:1"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("arm(%s) did not panic", bad)
				}
			}()
			arm(bad)
		}()
	}
}

func TestWatch(t *testing.T) {
	var seen []Point
	Watch(func(p Point) { seen = append(seen, p) })
	before := Hits(LogSynced)
	Hit(LogSynced)
	Watch(nil)
	Hit(LogSynced)
	if len(seen) != 1 || seen[0] != LogSynced || Hits(LogSynced) != before+2 {
		t.Errorf("seen %v, %d hits", seen, Hits(LogSynced)-before)
	}
}
