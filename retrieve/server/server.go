// Package server offers a ragloop over gRPC: the services Retrieval, Ingestion
// and Feedback of proto/ragloop/v1, with health, reflection and graceful stop.
//
// It translates between wire and domain and does nothing else: what a call
// means is decided by what is behind [Collection]. Protobuf types stop here.
//
// # Behaviour of every call
//
// Errors carry a code from the one table in errors.go and google.rpc details:
// BadRequest names each offending field, ResourceInfo what was not found. A
// panic is logged with its stack and answered with INTERNAL. More searches at
// once than the server keeps up with, which it finds out, are answered at once with
// RESOURCE_EXHAUSTED, and RetryInfo says when to ask again; a search that has less
// time left than one takes, with DEADLINE_EXCEEDED. Health checks are always
// answered. For refusals to be answered at once while searches compute on all
// cores, GOMAXPROCS must be above one and a half times of Config.Cores; three or
// four times are well. Texts of queries and documents are never logged, and they are in no
// metric and no trace.
package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/ragloop/ragloop/internal/telemetry"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// Config of a [Server].
type Config struct {
	Collections Collections  // required
	Defaults    Defaults     // start from Shipped
	Feedback    FeedbackSink // nil: feedback is refused
	Rewriter    Rewriter     // nil: requests with a history are refused

	Metrics *telemetry.Metrics // made for the names of Methods; of one server alone; nil: none
	Traces  *telemetry.Traces  // nil: none

	Log              *slog.Logger  // nil: nothing is logged
	MaxConcurrent    int           // most calls of a service handled at once, over all connections; 0: 256
	Cores            int           // of the machine, for searches to compute on: so many are always let in; 0: GOMAXPROCS
	MaxRequestBytes  int           // of one message, in which a document comes as a whole; 0: 32 MiB
	MaxResponseBytes int           // of one message, of 1,000 chunks with their parents at most; 0: 64 MiB
	MaxSearchTime    time.Duration // of a Retrieval call whose client sets no earlier deadline; 0: 30 s
	DrainTimeout     time.Duration // how long a stop waits for calls in flight; 0: 10 s

	// Searching is told how many searches compute, whenever that has changed, by one
	// goroutine at a time; a call that waits for another machine does not compute. Nil:
	// nobody needs to know.
	Searching func(n int)

	// Both are called concurrently.
	NewID func() string    // makes retrieval ids; nil: random
	Now   func() time.Time // measures stages and calls; nil: time.Now
}

// Defaults stand for what a request leaves unset.
type Defaults struct {
	Search    retrieve.Params // its Filter must be empty
	Pack      pack.Options
	Tokenizer string
}

// Shipped returns the defaults that the wire documentation names.
func Shipped() Defaults {
	return Defaults{
		Search:    retrieve.DefaultParams(),
		Pack:      pack.Options{BudgetTokens: 2048, Order: pack.ByRank},
		Tokenizer: "o200k_base",
	}
}

// Server serves ragloop's gRPC services once.
type Server struct {
	grpc     *grpc.Server
	health   *health.Server
	log      *slog.Logger
	drain    time.Duration
	stopping chan struct{} // closed when a stop begins
}

// New returns a server that is ready to serve. It fails when c is incomplete or
// its defaults are not what a request may ask for.
func New(c Config) (*Server, error) {
	if c.Collections == nil {
		return nil, errors.New("make the gRPC server: no collections given")
	}
	if err := c.Defaults.check(); err != nil {
		return nil, fmt.Errorf("make the gRPC server: defaults: %w", err)
	}
	if min(c.MaxConcurrent, c.Cores, c.MaxRequestBytes, c.MaxResponseBytes, int(c.MaxSearchTime), int(c.DrainTimeout)) < 0 {
		return nil, errors.New("make the gRPC server: a limit is negative, allowed are 0 (for the default) and more")
	}
	c = c.complete()
	s := &Server{health: health.NewServer(), log: c.Log, drain: c.DrainTimeout, stopping: make(chan struct{})}
	limits := newLimits(c, s.stopping)
	if err := limits.watch(); err != nil {
		return nil, fmt.Errorf("make the gRPC server: %w", err)
	}
	options := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(limits.unary),
		grpc.ChainStreamInterceptor(limits.stream),
		grpc.MaxRecvMsgSize(c.MaxRequestBytes),
		grpc.MaxSendMsgSize(c.MaxResponseBytes),
		grpc.InTapHandle(limits.tap),
		// So many that calls which are too many are refused instead of waiting,
		// unseen, in their client.
		grpc.MaxConcurrentStreams(4*uint32(c.MaxConcurrent) + 64),
		grpc.MaxHeaderListSize(16 << 10),
		grpc.ConnectionTimeout(5 * time.Second),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: time.Minute, Timeout: 10 * time.Second,
			MaxConnectionIdle: 10 * time.Minute, MaxConnectionAge: 30 * time.Minute,
		}),
		// Once Serve has returned nothing may still use what is behind it.
		grpc.WaitForHandlers(true),
	}
	if h := c.Traces.Handler(own); h != nil {
		options = append(options, grpc.StatsHandler(h))
	}
	s.grpc = grpc.NewServer(options...)
	ragloopv1.RegisterRetrievalServer(s.grpc, &retrieval{config: c, giveWay: limits.giveWay, counts: pack.NewCounts()})
	ragloopv1.RegisterIngestionServer(s.grpc, &ingestion{config: c})
	ragloopv1.RegisterFeedbackServer(s.grpc, &feedback{config: c})
	healthv1.RegisterHealthServer(s.grpc, s.health)
	for _, name := range []string{ragloopv1.Retrieval_ServiceDesc.ServiceName, ragloopv1.Ingestion_ServiceDesc.ServiceName, ragloopv1.Feedback_ServiceDesc.ServiceName} {
		s.health.SetServingStatus(name, healthv1.HealthCheckResponse_SERVING)
	}
	reflection.Register(s.grpc)
	return s, nil
}

// complete fills in what c leaves at zero.
func (c Config) complete() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MaxConcurrent == 0 {
		c.MaxConcurrent = 256
	}
	if c.Cores == 0 {
		c.Cores = runtime.GOMAXPROCS(0)
	}
	if c.MaxRequestBytes == 0 {
		c.MaxRequestBytes = 32 << 20
	}
	if c.MaxResponseBytes == 0 {
		c.MaxResponseBytes = 64 << 20
	}
	if c.MaxSearchTime == 0 {
		c.MaxSearchTime = 30 * time.Second
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = 10 * time.Second
	}
	if c.Searching == nil {
		c.Searching = func(int) {}
	}
	if c.NewID == nil {
		c.NewID = rand.Text
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Serve accepts connections on lis until ctx is done, and closes lis. It then
// reports itself as not serving, takes no new calls, lets those in flight
// finish for the drain timeout and cancels the rest. A stop is not an error.
// A server serves once.
func (s *Server) Serve(ctx context.Context, lis net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- s.grpc.Serve(lis) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve gRPC on %s: %w", lis.Addr(), err)
	case <-ctx.Done():
	}
	close(s.stopping)
	s.health.Shutdown()
	drained := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(drained)
	}()
	timeout := time.NewTimer(s.drain)
	defer timeout.Stop()
	select {
	case <-drained:
	case <-timeout.C:
		s.log.Warn("stop: cancelling the calls that are still in flight", "waited", s.drain)
		s.grpc.Stop()
		<-drained
	}
	// A server that was stopped before it began says so; that is no failure.
	if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve gRPC on %s: %w", lis.Addr(), err)
	}
	return nil
}
