package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// limits is around every call: it bounds time and number, turns errors and
// panics into statuses, and logs.
type limits struct {
	log       *slog.Logger
	now       func() time.Time
	slots     chan struct{}
	maxCalls  int
	maxSearch time.Duration
	stopping  <-chan struct{} // closed when a stop begins
}

func newLimits(c Config, stopping <-chan struct{}) *limits {
	return &limits{
		log: c.Log, now: c.Now, slots: make(chan struct{}, c.MaxConcurrent), maxCalls: c.MaxConcurrent,
		maxSearch: c.MaxSearchTime, stopping: stopping,
	}
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
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	default:
		return statusOf(ctx, fmt.Errorf("%w: this server handles %d, try again later", errBusy, l.maxCalls)).Err()
	}
	if searches(method) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.maxSearch)
		defer cancel()
	}
	if err := l.recovered(ctx, method, call); err != nil {
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
	return searches(method) || strings.HasPrefix(method, "/"+ragloopv1.Ingestion_ServiceDesc.ServiceName+"/")
}

// searches reports whether a method belongs to the service Retrieval.
func searches(method string) bool {
	return strings.HasPrefix(method, "/"+ragloopv1.Retrieval_ServiceDesc.ServiceName+"/")
}
