package index

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/internal/away"
)

// TestAway: who asks a server is away all the time, the pause before another attempt
// included; who asks local mode is not.
func TestAway(t *testing.T) {
	for _, local := range []bool{false, true} {
		waits, want := 0, 1
		if local {
			want = 0
		}
		ctx := away.Watch(t.Context(), func() (end func()) {
			waits++
			return func() { waits-- }
		})
		check := func(when string) {
			t.Helper()
			if waits != want {
				t.Errorf("local %v, %s: %d waits, want %d", local, when, waits, want)
			}
		}
		c := &Client{info: Info{Local: local}, retry: retrier{
			jitter: func() float64 { return 0 },
			wait:   func(context.Context, time.Duration) error { check("between attempts"); return nil },
		}}
		attempts := 0
		_, err := call(ctx, c, true, "ask", func(context.Context) (int, error) {
			check("asked")
			if attempts++; attempts == 1 {
				return 0, status.Error(codes.Unavailable, "not now")
			}
			return 1, nil
		})
		if err != nil || attempts != 2 || waits != 0 {
			t.Errorf("local %v: %v after %d attempts, %d waits left", local, err, attempts, waits)
		}
	}
}
