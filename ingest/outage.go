package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ragloop/ragloop/ingest/situate"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
)

// Waits of a run for an embedder, an index or a language model that cannot be reached.
// They come on top of what those do themselves, which is about some seconds: these outlast
// a restart of a server with much to load. The waits double.
const (
	firstWait = time.Second
	longWait  = 30 * time.Second
	patience  = 3 * time.Minute // all waits for one call together
)

// attempt calls do, once or more often.
type attempt func(ctx context.Context, do func() error) error

// once is the attempt of a caller who can try again himself.
func once(_ context.Context, do func() error) error { return do() }

func (r *run) outlast(ctx context.Context, do func() error) error {
	return outlast(ctx, r.w.o, &r.progress, do)
}

// inTurn is outlast for documents that are prepared beside each other: when what they
// need cannot be reached one of them at a time repeats and says so, and the others wait
// for it, to the end of the run where it gives up.
func (r *run) inTurn(ctx context.Context, do func() error) error {
	err := do()
	if !passing(err) {
		return err
	}
	select {
	case r.repeats <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err = r.outlast(ctx, do); !passing(err) {
		<-r.repeats
	}
	return err
}

// outlast repeats do, which must be idempotent, while what it needs cannot be
// reached. Any other error is final. A stop ends the waiting, with
// ErrInterrupted beside the last error.
func outlast(ctx context.Context, o Options, p *progress, do func() error) error {
	waiting, done := stopping(ctx, o.Stop)
	defer done()
	var waited time.Duration
	for wait := firstWait; ; wait = min(2*wait, longWait) {
		err := do()
		if !passing(err) || ctx.Err() != nil || waited+wait > patience {
			return err
		}
		if waiting.Err() == nil {
			p.report(func(e *Event) { e.Outage, e.Wait = err, wait })
			if o.wait(waiting, wait) == nil {
				waited += wait
				continue
			}
		}
		return fmt.Errorf("%w: %w", interruption(ctx, waiting, waiting.Err()), err)
	}
}

// passing reports whether err is of something that cannot be reached now.
func passing(err error) bool {
	return errors.Is(err, index.ErrUnavailable) || errors.Is(err, embed.ErrUnavailable) || errors.Is(err, situate.ErrUnavailable)
}

// stopping returns a context that ends with ctx or when stop is closed; the
// caller must call cancel.
func stopping(ctx context.Context, stop <-chan struct{}) (_ context.Context, cancel context.CancelFunc) {
	ctx, cancel = context.WithCancel(ctx)
	switch {
	case stopped(stop):
		cancel()
	case stop != nil:
		go func() {
			select {
			case <-stop:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return ctx, cancel
}

// interruption returns ErrInterrupted instead of err where stoppable, made by
// stopping, has ended before ctx.
func interruption(ctx, stoppable context.Context, err error) error {
	if stoppable.Err() != nil && ctx.Err() == nil {
		return ErrInterrupted
	}
	return err
}

func stopped(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
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
