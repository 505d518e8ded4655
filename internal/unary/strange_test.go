package unary

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestNoAnswer: a server that does not take a connection keeps no call longer than its
// context.
func TestNoAnswer(t *testing.T) {
	_, c := serve(t, repeat)
	began := make(chan struct{}, 1)
	c.dialer.ControlContext = func(ctx context.Context, _, _ string, _ syscall.RawConn) error {
		began <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-began
		cancel()
	}()
	if _, err := ask(ctx, c, "x"); !errors.Is(err, context.Canceled) || errors.Is(err, ErrConnection) {
		t.Errorf("call = %v", err)
	}
}

// TestDropped: a server hears that nobody waits for the rest of what is no gRPC.
func TestDropped(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	dropped := make(chan struct{})
	go func() {
		conn, err := lis.Accept()
		if err != nil {
			return
		}
		(&http2.Server{}).ServeConn(conn, &http2.ServeConnOpts{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			close(dropped)
		})})
	}()
	c := New(lis.Addr().String(), method)
	defer c.Close()
	if _, err := ask(t.Context(), c, "x"); !errors.Is(err, ErrConnection) || !strings.Contains(err.Error(), `"502"`) {
		t.Errorf("call = %v", err)
	}
	<-dropped
}

// TestNoGRPC: what is no gRPC is an error, whatever it is.
func TestNoGRPC(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	go func() {
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		}
	}()
	c := New(lis.Addr().String(), method)
	defer c.Close()
	if _, err := ask(t.Context(), c, "x"); !errors.Is(err, ErrConnection) {
		t.Errorf("call = %v", err)
	}
}

// TestServerGivesUp: a server whose clock is a little ahead ends a call that has no
// time left before this side does.
func TestServerGivesUp(t *testing.T) {
	for _, c := range []struct {
		code http2.ErrCode
		left time.Duration
		want error
	}{
		{http2.ErrCodeCancel, 0, context.DeadlineExceeded},
		{http2.ErrCodeCancel, time.Hour, ErrConnection},
		{http2.ErrCodeInternal, 0, ErrConnection},
	} {
		var got error
		conn := conn{calls: map[uint32]*call{1: {
			until: time.Now().Add(c.left), stop: func() bool { return true }, ended: func(_ Reply, err error) { got = err },
		}}}
		conn.take(&http2.RSTStreamFrame{FrameHeader: http2.FrameHeader{StreamID: 1}, ErrCode: c.code})
		if !errors.Is(got, c.want) || len(conn.calls) > 0 {
			t.Errorf("%v with %v left: %v, want %v", c.code, c.left, got, c.want)
		}
	}
}
