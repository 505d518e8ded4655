package index

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// While a server is away, a connection is tried every few seconds however long that takes.
func TestReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var tried []time.Time
		conn, err := grpc.NewClient("passthrough:///away", append(Options{}.dialOptions(),
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
				mu.Lock()
				defer mu.Unlock()
				tried = append(tried, time.Now())
				return nil, errors.New("nobody is there")
			}))...)
		if err != nil {
			t.Fatal(err)
		}
		conn.Connect()
		time.Sleep(10 * time.Minute) // of the fake clock
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		var longest time.Duration
		for i := range tried[1:] {
			longest = max(longest, tried[i+1].Sub(tried[i]))
		}
		if most := maxReconnect * 6 / 5; longest > most || len(tried) < 200 {
			t.Errorf("%d attempts in 10 minutes, the longest pause %v; want at most %v", len(tried), longest, most)
		}
	})
}

// qdrantStub answers the handshake and remembers the API keys it gets.
type qdrantStub struct {
	qdrant.UnimplementedQdrantServer
	mu   sync.Mutex
	keys []string
}

func (s *qdrantStub) HealthCheck(ctx context.Context, _ *qdrant.HealthCheckRequest) (*qdrant.HealthCheckReply, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, strings.Join(md.Get("api-key"), ","))
	return &qdrant.HealthCheckReply{Title: "stub", Version: "1.18.3"}, nil
}

// The key goes with every call, once, and nobody writes to the global logger.
func TestAPIKey(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)

	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stub, srv := &qdrantStub{}, grpc.NewServer()
	qdrant.RegisterQdrantServer(srv, stub)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	defer func() {
		srv.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	for _, key := range []string{"secret", ""} {
		c, err := Dial(t.Context(), Options{Addr: lis.Addr().String(), APIKey: key})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if want := []string{"secret", ""}; !slices.Equal(stub.keys, want) {
		t.Errorf("the server got the keys %q, want %q", stub.keys, want)
	}
	if log.Len() > 0 {
		t.Errorf("the global logger got %q", log.String())
	}
}

// A server that speaks TLS, asked in the clear: the error names the key.
func TestTLSHint(t *testing.T) {
	srv := httptest.NewUnstartedServer(nil)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	once := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		defer cancel() // no second attempt
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	c, err := Dial(ctx, Options{Addr: srv.Listener.Addr().String(), Interceptors: []grpc.UnaryClientInterceptor{once}})
	if err == nil {
		t.Fatal(c.Close())
	}
	if !strings.Contains(err.Error(), "qdrant.tls") {
		t.Errorf("Dial = %v, want the hint at qdrant.tls", err)
	}
}
