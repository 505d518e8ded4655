package unary

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const method = "/test.Test/Call"

type handler func(context.Context, string) (string, error)

// serve starts grpc-go's server, whose every method takes and gives text.
func serve(t *testing.T, handle handler, options ...grpc.ServerOption) (*grpc.Server, *Client) {
	t.Helper()
	s := grpc.NewServer(append(options, grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var in wrapperspb.StringValue
		if err := stream.RecvMsg(&in); err != nil {
			return err
		}
		out, err := handle(stream.Context(), in.Value)
		if err != nil {
			return err
		}
		return stream.SendMsg(wrapperspb.String(out))
	}))...)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(lis) }()
	t.Cleanup(s.Stop)
	c := New(lis.Addr().String(), method)
	t.Cleanup(func() { _ = c.Close() })
	return s, c
}

// wait makes a call and waits for its end.
func wait(ctx context.Context, c *Client, request []byte) (reply Reply, err error) {
	done := make(chan struct{})
	c.Start(ctx, request, func(r Reply, e error) {
		reply, err = r, e
		close(done) // a second time it panics
	})
	<-done
	return reply, err
}

// ask makes a call that ends well.
func ask(ctx context.Context, c *Client, text string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := proto.Marshal(wrapperspb.String(text))
	if err != nil {
		return "", err
	}
	r, err := wait(ctx, c, request)
	if err != nil {
		return "", err
	}
	if r.Code != 0 {
		return "", fmt.Errorf("code %d: %s", r.Code, r.Message)
	}
	var out wrapperspb.StringValue
	err = proto.Unmarshal(r.Body, &out)
	return out.Value, err
}

func repeat(_ context.Context, s string) (string, error) { return s + s, nil }

// TestCall: texts of many lengths, from none to more than any window, all at once.
func TestCall(t *testing.T) {
	_, c := serve(t, func(_ context.Context, s string) (string, error) { return strings.Repeat(s, 10), nil })
	var calls sync.WaitGroup
	for n := range 100 {
		calls.Go(func() {
			text := strings.Repeat(string(rune('a'+n%26)), 7*n*n%30_000)
			if out, err := ask(t.Context(), c, text); err != nil || out != strings.Repeat(text, 10) {
				t.Errorf("text of %d bytes: %d bytes, %v", len(text), len(out), err)
			}
		})
	}
	calls.Wait()
}

// TestWindow: a server that says only now and then that it takes more never keeps a
// call waiting that it could take.
func TestWindow(t *testing.T) {
	_, c := serve(t, repeat, grpc.InitialConnWindowSize(initialWindow))
	for n := MaxRequestBytes / 2; n < MaxRequestBytes-8; n += 97 {
		if _, err := ask(t.Context(), c, strings.Repeat("x", n)); err != nil {
			t.Fatalf("text of %d bytes: %v", n, err)
		}
	}
}

// TestFewAtOnce: more calls than the server takes at once wait for each other.
func TestFewAtOnce(t *testing.T) {
	var now, most atomic.Int32
	_, c := serve(t, func(_ context.Context, s string) (string, error) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		return s, nil
	}, grpc.MaxConcurrentStreams(3))
	var calls sync.WaitGroup
	for range 100 {
		calls.Go(func() {
			if _, err := ask(t.Context(), c, "x"); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if n := most.Load(); n > 3 {
		t.Errorf("%d calls at once, the server takes 3", n)
	}
}

// TestStatus: code, message and details of a call that is refused arrive.
func TestStatus(t *testing.T) {
	st, err := status.New(codes.ResourceExhausted, "100 % busy – später").WithDetails(
		&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	_, c := serve(t, func(context.Context, string) (string, error) { return "", st.Err() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := wait(ctx, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Code != uint32(codes.ResourceExhausted) || r.Message != st.Message() || r.Body != nil {
		t.Errorf("reply = %+v", r)
	}
	var got statuspb.Status
	if err := proto.Unmarshal(r.Details, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(st.Proto(), &got, protocmp.Transform()); d != "" {
		t.Errorf("details (-want +got):\n%s", d)
	}
}

// TestEndOfContext: the server learns the deadline, and that a call was taken back;
// the connection goes on.
func TestEndOfContext(t *testing.T) {
	began, ended := make(chan time.Time, 1), make(chan error, 1)
	_, c := serve(t, func(ctx context.Context, s string) (string, error) {
		if s != "wait" {
			return s, nil
		}
		deadline, _ := ctx.Deadline()
		began <- deadline
		<-ctx.Done()
		ended <- ctx.Err()
		return "", ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if left := time.Until(<-began); left <= 0 || left > time.Minute {
			t.Errorf("the server has %v, want up to a minute", left)
		}
		cancel()
	}()
	if _, err := ask(ctx, c, "wait"); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that is taken back = %v", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("on the server it ended with %v", err)
	}
	if out, err := ask(t.Context(), c, "x"); out != "x" || err != nil {
		t.Errorf("the next one = %q, %v", out, err)
	}
	late, cancelLate := context.WithTimeout(t.Context(), -time.Second)
	defer cancelLate()
	if _, err := wait(late, c, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call after its deadline = %v", err)
	}
}

// TestNoRoom: a call for which the server never has room ends with its context.
func TestNoRoom(t *testing.T) {
	began := make(chan struct{})
	_, c := serve(t, func(ctx context.Context, s string) (string, error) {
		close(began)
		<-ctx.Done()
		return s, nil
	}, grpc.MaxConcurrentStreams(1))
	first, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = ask(first, c, "x")
	}()
	<-began
	ctx, cancelSecond := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancelSecond()
	if _, err := wait(ctx, c, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("call = %v", err)
	}
	cancel()
	<-done
}

// TestGoingAway: where a server closes a connection calls go on over the next one,
// and none is lost.
func TestGoingAway(t *testing.T) {
	_, c := serve(t, repeat, grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 5 * time.Millisecond}))
	connections := map[*conn]bool{}
	for len(connections) < 3 {
		if out, err := ask(t.Context(), c, "x"); out != "xx" || err != nil {
			t.Fatalf("%q, %v", out, err)
		}
		c.mu.Lock()
		connections[c.conn] = true
		c.mu.Unlock()
	}
}

// TestServerEnds: calls without reply fail, and so do later ones.
func TestServerEnds(t *testing.T) {
	began := make(chan struct{})
	s, c := serve(t, func(ctx context.Context, s string) (string, error) {
		close(began)
		<-ctx.Done()
		return s, nil
	})
	go func() {
		<-began
		s.Stop()
	}()
	if _, err := ask(t.Context(), c, "x"); !errors.Is(err, ErrConnection) {
		t.Errorf("a call whose server ends = %v", err)
	}
	if _, err := ask(t.Context(), c, "x"); !errors.Is(err, ErrConnection) {
		t.Errorf("a call without server = %v", err)
	}
}

func TestRefuses(t *testing.T) {
	_, c := serve(t, repeat)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := wait(ctx, c, make([]byte, MaxRequestBytes+1)); err == nil || !strings.Contains(err.Error(), "allowed are up to 32762") {
		t.Errorf("a request that is too long = %v", err)
	}
	if _, err := wait(t.Context(), c, nil); err == nil || !strings.Contains(err.Error(), "no deadline") {
		t.Errorf("a call without deadline = %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := wait(ctx, c, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("a call of a closed client = %v", err)
	}
}

// BenchmarkCall is what a call takes of both sides.
func BenchmarkCall(b *testing.B) {
	s := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		return status.Error(codes.ResourceExhausted, "busy")
	}))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = s.Serve(lis) }()
	defer s.Stop()
	c := New(lis.Addr().String(), method)
	defer c.Close()
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := wait(ctx, c, make([]byte, 100)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
