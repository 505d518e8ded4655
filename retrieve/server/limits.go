package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"github.com/ragloop/ragloop/internal/admit"
	"github.com/ragloop/ragloop/internal/away"
	"github.com/ragloop/ragloop/internal/telemetry"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// limits is around every call: it bounds time and number, turns errors and
// panics into statuses, and logs.
//
// The two services are admitted apart, so that ingestion takes no place of a
// search: searches up to a limit that follows their latency, ingestion, whose
// latency is that of the documents, up to a fixed one. A call that waits for another
// machine, as package away tells, takes no place of a search meanwhile. See package
// admit.
type limits struct {
	log       *slog.Logger
	now       func() time.Time
	searches  *admit.Limiter
	ingestion *admit.Limiter
	maxSearch time.Duration
	telling   sync.Mutex
	searching func(n int) // called with telling held
	cores     int
	metrics   *telemetry.Metrics
	traces    *telemetry.Traces
	stopping  <-chan struct{} // closed when a stop begins
}

func newLimits(c Config, stopping <-chan struct{}) *limits {
	return &limits{
		log: c.Log, now: c.Now, maxSearch: c.MaxSearchTime, searching: c.Searching, cores: c.Cores, metrics: c.Metrics, traces: c.Traces, stopping: stopping,
		searches:  admit.New(admit.Config{Max: c.MaxConcurrent, Cores: c.Cores}),
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
// later, in bounded, which a call does not reach whose message cannot be read. One
// whose message does not come is not waited for any longer after a while, or clients
// that stand still would keep others out.
func (l *limits) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	if !own(info.FullMethodName) {
		return ctx, nil
	}
	arrived, err := l.limiter(info.FullMethodName).Announce()
	if err != nil {
		st := statusOf(ctx, err)
		l.metrics.Refused(path.Base(info.FullMethodName), st.Code())
		return nil, st.Err()
	}
	coming, cancel := context.WithTimeout(ctx, arrivesWithin)
	stop := context.AfterFunc(coming, arrived)
	return context.WithValue(ctx, announced{}, func() {
		if stop() {
			arrived()
		}
		cancel()
	}), nil
}

// arrivesWithin is how long the message of a call may take before the call is let go
// of as one that is on its way. It may come later all the same.
const arrivesWithin = time.Second

// announced is the key of the function that a call calls on arrival, in its context.
type announced struct{}

func (l *limits) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	err = l.around(ctx, info.FullMethod, func(ctx context.Context) (err error) {
		resp, err = handler(ctx, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	l.giveWay() // before the response is encoded
	return resp, nil
}

// giveWay lets others have this core first where searches are at work on all of
// them. It is for a call between two parts of its work: whoever has something
// short to do, such as to refuse a call, to send an answer or, beside this
// process, to read one, need not wait for a time slice to end. Without it, with two
// cores and four times the peak, refusals took up to a quarter of a second; a third
// place, when a call begins, took more from the answered than it gave the refused.
func (l *limits) giveWay() {
	if l.searches.State().Running >= l.cores {
		yieldCore()
	}
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
	admitted, err := l.bounded(ctx, method, call)
	elapsed, traceID := l.now().Sub(begin), l.traces.ID(ctx)
	if admitted {
		l.metrics.Call(path.Base(method), status.Code(err), elapsed, traceID)
	} else {
		l.metrics.Refused(path.Base(method), status.Code(err))
	}
	l.report(ctx, method, elapsed, traceID, err)
	if status.Code(err) == codes.Unavailable {
		_ = grpc.SetTrailer(ctx, noRetry) // unreachable error: it is a call of this server, before its end
	}
	return err
}

// noRetry tells gRPC's clients not to repeat a call by themselves, as they do by
// ServiceConfig after UNAVAILABLE (gRFC A6, "pushback"). Where this server could not be
// reached that is right. But where it says so itself, something behind it has failed
// that was asked again several times already, and the attempts would multiply.
var noRetry = metadata.Pairs("grpc-retry-pushback-ms", "-1")

// bounded runs one call, if it is let in.
func (l *limits) bounded(ctx context.Context, method string, call func(context.Context) error) (admitted bool, err error) {
	if searches(method) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.maxSearch)
		defer cancel()
	}
	if arrived, ok := ctx.Value(announced{}).(func()); ok {
		arrived()
	}
	place, err := l.limiter(method).Enter(ctx, method)
	if err != nil {
		return false, statusOf(ctx, err).Err()
	}
	ended := admit.Other
	defer func() {
		place.Leave(ended)
		l.tell(method)
	}()
	l.tell(method)
	err = l.recovered(away.Watch(ctx, func() func() {
		back := place.Away(ctx)
		l.tell(method)
		return func() {
			back()
			l.tell(method)
		}
	}), method, call)
	switch {
	case err == nil:
		ended = admit.Done
	case expired(ctx):
		ended = admit.Expired
	}
	if err != nil {
		if errors.Is(err, errPanic) {
			return true, status.Error(codes.Internal, "internal error")
		}
		return true, statusOf(ctx, err).Err()
	}
	return true, nil
}

// tell tells how many searches compute, after a call of a method has begun or ceased
// to. One at a time: what is told last is how it is.
func (l *limits) tell(method string) {
	if searches(method) {
		l.telling.Lock()
		defer l.telling.Unlock()
		l.searching(l.searches.State().Running)
	}
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

func (l *limits) report(ctx context.Context, method string, elapsed time.Duration, traceID string, err error) {
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
	if traceID != "" {
		attrs = append(attrs, slog.String("trace_id", traceID))
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
