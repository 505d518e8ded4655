package index

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Retry bounds. The waits double from retryBase, each scaled by a factor of
// 0.5 to 1 so that clients which failed together do not come back together:
// six attempts outlive a restart of a few seconds.
const (
	maxAttempts     = 6
	maxReadAttempts = 3 // for a failed read of one replica that the server reports as Internal
	retryBase       = 200 * time.Millisecond
	retryCap        = 5 * time.Second
	retryAfterCap   = 30 * time.Second
)

// retrier repeats calls that may succeed later. Every call of this package is
// idempotent (fixed ids, deletes by filter, alias re-pointing), so that an
// answer which was lost costs a repetition and nothing else.
type retrier struct {
	jitter func() float64 // in [0, 1)
	wait   func(context.Context, time.Duration) error
}

func (r retrier) do(ctx context.Context, read bool, call func() error) error {
	for attempt := 1; ; attempt++ {
		err := call()
		if err == nil || ctx.Err() != nil {
			return err
		}
		limit, after := retryable(err, read)
		if attempt >= limit {
			return err
		}
		d := min(retryBase<<(attempt-1), retryCap)
		d = d/2 + time.Duration(float64(d/2)*r.jitter())
		if r.wait(ctx, d+after) != nil {
			return err // the last failure says more than the cancelled wait
		}
	}
}

// retryable returns how often a call that failed with err may be made in all,
// and the least wait that the server asked for.
func retryable(err error, read bool) (attempts int, after time.Duration) {
	var limited *qdrant.QdrantResourceExhaustedError
	if errors.As(err, &limited) {
		return maxAttempts, min(time.Duration(limited.RetryAfterS)*time.Second, retryAfterCap)
	}
	st, ok := status.FromError(err)
	if !ok {
		return 1, 0
	}
	switch st.Code() {
	case codes.Unavailable, codes.Aborted, codes.DeadlineExceeded:
		return maxAttempts, 0
	case codes.Internal:
		// A dead replica arrives as Internal.
		m := st.Message()
		if read && (strings.Contains(m, "Unavailable") || strings.Contains(m, "read operations failed") || strings.Contains(m, "not enough active replicas")) {
			return maxReadAttempts, 0
		}
	}
	return 1, 0
}

// sleep waits for d, or returns ctx's error when that comes first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
