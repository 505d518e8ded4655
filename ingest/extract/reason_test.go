package extract

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// Every reason is the reason of its own sentinel, of what wraps it, and of the
// error that was made of it again.
func TestReasons(t *testing.T) {
	seen := map[Reason]bool{}
	for _, r := range reasons {
		if seen[r.reason] {
			t.Errorf("reason %s is in the table twice", r.reason)
		}
		seen[r.reason] = true
		err := fmt.Errorf("extract x: %w: at offset 3", r.err)
		if got := ReasonOf(err); got != r.reason {
			t.Errorf("ReasonOf(%v) = %q, want %q", err, got, r.reason)
		}
		again := &Error{Reason: r.reason, Message: err.Error()}
		if !errors.Is(again, r.err) || again.Error() != err.Error() || ReasonOf(fmt.Errorf("again: %w", again)) != r.reason {
			t.Errorf("%#v is not %v", again, r.err)
		}
	}
	for _, err := range []error{nil, errors.New("disk full"), context.Canceled, context.DeadlineExceeded, &Error{Reason: "melted"}} {
		if got := ReasonOf(err); got != "" {
			t.Errorf("ReasonOf(%v) = %q, want none", err, got)
		}
	}
	for _, tt := range []struct{ fine, coarse error }{
		{ErrEncrypted, ErrUnsupported}, {ErrNeedsOCR, ErrEmpty}, {ErrArchiveBomb, ErrTooLarge}, {ErrOutputTooLarge, ErrTooLarge}, {ErrCrashed, ErrMalformed},
	} {
		if !errors.Is(tt.fine, tt.coarse) {
			t.Errorf("%v is not %v", tt.fine, tt.coarse)
		}
	}
}
