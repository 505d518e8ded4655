package server

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/internal/away"
	"github.com/ragloop/ragloop/internal/index"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve"
)

// TestAway: searches that wait for another machine keep no others out, up to as many
// as there may be in flight.
func TestAway(t *testing.T) {
	for _, elsewhere := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := fake{search: func(ctx context.Context, _ string, _ retrieve.Params) (retrieve.Result, error) {
				if elsewhere {
					defer away.Begin(ctx)()
				}
				time.Sleep(time.Second) // of the fake clock
				return retrieve.Result{}, nil
			}}
			c, _ := serveCounted(t, f.collection(), func(c *Config) { c.MaxConcurrent, c.Cores = 100, 1 })
			var calls sync.WaitGroup
			var refused atomic.Int32
			for range 60 {
				calls.Go(func() {
					_, err := c.Search(t.Context(), &ragloopv1.SearchRequest{Query: "q"})
					switch status.Code(err) {
					case codes.OK:
					case codes.ResourceExhausted:
						refused.Add(1)
					default:
						t.Errorf("Search = %v", err)
					}
				})
				synctest.Wait()
			}
			calls.Wait()
			if n := refused.Load(); (n == 0) != elsewhere {
				t.Errorf("%d of 60 refused where they wait for another machine: %v", n, elsewhere)
			}
		})
	}
}

// TestExpired: a call that its client ends at its deadline is one that was not finished
// in time; one that somebody gives up is not.
func TestExpired(t *testing.T) {
	for name, tt := range map[string]struct {
		left   time.Duration // 0: there is no deadline
		cancel bool
		want   codes.Code
	}{
		"deadline":               {-time.Second, false, codes.DeadlineExceeded},
		"ended by the client":    {2 * time.Millisecond, true, codes.DeadlineExceeded},
		"given up":               {time.Hour, true, codes.Canceled},
		"given up, any time":     {0, true, codes.Canceled},
		"has an hour, and fails": {time.Hour, false, codes.NotFound},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		if tt.left != 0 {
			ctx, cancel = context.WithDeadline(t.Context(), time.Now().Add(tt.left))
		}
		if tt.cancel {
			cancel()
		}
		if got := statusOf(ctx, index.ErrNoDocument).Code(); got != tt.want || expired(ctx) != (tt.want == codes.DeadlineExceeded) {
			t.Errorf("%s: expired = %v, status %v, want %v", name, expired(ctx), got, tt.want)
		}
		cancel()
	}
}

// TestNoRetry: what failed behind the server, which had its own attempts at it, is not
// asked for again by clients that have our service config.
func TestNoRetry(t *testing.T) {
	for _, err := range []error{retrieve.ErrLeg, ErrUnavailable, status.Error(codes.DeadlineExceeded, "slow"), context.Canceled} {
		var asked atomic.Int32
		f := fake{search: func(context.Context, string, retrieve.Params) (retrieve.Result, error) {
			asked.Add(1)
			return retrieve.Result{}, err
		}}
		c, _ := serveCounted(t, f.collection(), nil)
		_, got := c.Search(t.Context(), &ragloopv1.SearchRequest{Query: "q"})
		if n := asked.Load(); status.Code(got) != codes.Unavailable || n != 1 {
			t.Errorf("Search = %v after %d attempts, want Unavailable after one", got, n)
		}
	}
}
