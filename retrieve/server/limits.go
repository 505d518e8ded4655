package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"github.com/ragloop/ragloop/internal/admit"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// limits is around every call: it bounds time and number, turns errors and
// panics into statuses, and logs.
//
// The two services are admitted apart, so that ingestion takes no place of a
// search: searches up to a limit that follows their latency, ingestion, whose
// latency is that of the documents, up to a fixed one. See package admit.
type limits struct {
	log       *slog.Logger
	now       func() time.Time
	searches  *admit.Limiter
	ingestion *admit.Limiter
	maxSearch time.Duration
	stopping  <-chan struct{} // closed when a stop begins
}

func newLimits(c Config, stopping <-chan struct{}) *limits {
	return &limits{
		log: c.Log, now: c.Now, maxSearch: c.MaxSearchTime, stopping: stopping,
		searches:  admit.New(admit.Config{Max: c.MaxConcurrent, Min: runtime.GOMAXPROCS(0)}),
		ingestion: admit.New(admit.Config{Max: c.MaxConcurrent, Fixed: true}),
	}
}

// limiter returns what admits the calls of one of our methods.
func (l *limits) limiter(method string) *admit.Limiter {
	if searches(method) {
		return l.searches
	}
	return l.ingestion
}

// tap refuses calls for which there is no place before they are read and get a
// goroutine: what is refused must cost next to nothing. The place itself is taken
// later, in bounded.
func (l *limits) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	if !own(info.FullMethodName) {
		return ctx, nil
	}
	if err := l.limiter(info.FullMethodName).Peek(); err != nil {
		return nil, statusOf(ctx, err).Err()
	}
	return ctx, nil
}

func (l *limits) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	err = l.around(ctx, info.FullMethod, func(ctx context.Context) (err error) {
		resp, err = handler(ctx, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

func (l *limits) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if info.FullMethod == healthv1.Health_Watch_FullMethodName {
		ctx, cancel := context.WithCancel(ss.Context())
		defer cancel()
		ss = &watch{ss, ctx, cancel, l.stopping}
	}
	return l.around(ss.Context(), info.FullMethod, func(context.Context) error { return handler(srv, ss) })
}

// watch is a stream of Health.Watch that ends once it has told that the server
// stops. Otherwise every watcher would hold up a stop for the whole drain
// timeout.
type watch struct {
	grpc.ServerStream
	ctx      context.Context
	cancel   context.CancelFunc
	stopping <-chan struct{}
}

func (w *watch) Context() context.Context { return w.ctx }

func (w *watch) SendMsg(m any) error {
	err := w.ServerStream.SendMsg(m)
	select {
	case <-w.stopping:
		w.cancel()
	default:
	}
	return err
}

// around runs one call. Its error is a status.
func (l *limits) around(ctx context.Context, method string, call func(context.Context) error) error {
	if !own(method) { // health checks must be answered even when the server is busy
		return call(ctx)
	}
	begin := l.now()
	err := l.bounded(ctx, method, call)
	l.report(ctx, method, l.now().Sub(begin), err)
	return err
}

func (l *limits) bounded(ctx context.Context, method string, call func(context.Context) error) error {
	if searches(method) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.maxSearch)
		defer cancel()
	}
	place, err := l.limiter(method).Enter(ctx, method)
	if err != nil {
		return statusOf(ctx, err).Err()
	}
	ended := admit.Other
	defer func() { place.Leave(ended) }()
	err = l.recovered(ctx, method, call)
	switch {
	case err == nil:
		ended = admit.Done
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		ended = admit.Expired
	}
	if err != nil {
		if errors.Is(err, errPanic) {
			return status.Error(codes.Internal, "internal error")
		}
		return statusOf(ctx, err).Err()
	}
	return nil
}

var errPanic = errors.New("panic")

// recovered turns a panic of call into errPanic.
func (l *limits) recovered(ctx context.Context, method string, call func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			l.log.ErrorContext(ctx, "panic", "method", method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errPanic
		}
	}()
	return call(ctx)
}

func (l *limits) report(ctx context.Context, method string, elapsed time.Duration, err error) {
	code := status.Code(err)
	level := slog.LevelInfo
	switch code {
	case codes.Internal, codes.Unknown, codes.DataLoss:
		level = slog.LevelError
	case codes.Unavailable:
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("method", method), slog.String("code", code.String()), slog.Duration("elapsed", elapsed)}
	if err != nil {
		attrs = append(attrs, slog.String("error", status.Convert(err).Message()))
	}
	l.log.LogAttrs(ctx, level, "call", attrs...)
}

// own reports whether a method belongs to ragloop rather than to health or
// reflection.
func own(method string) bool {
	return searches(method) || strings.HasPrefix(method, "/"+ragloopv1.Ingestion_ServiceDesc.ServiceName+"/") ||
		strings.HasPrefix(method, "/"+ragloopv1.Feedback_ServiceDesc.ServiceName+"/")
}

// searches reports whether a method belongs to the service Retrieval.
func searches(method string) bool {
	return strings.HasPrefix(method, "/"+ragloopv1.Retrieval_ServiceDesc.ServiceName+"/")
}
