package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

func TestDescribe(t *testing.T) {
	for said, want := range map[string]string{
		"too many calls at once": "too many calls at once (Unavailable)",
		"max retries exhausted: failed after 4 attempts: rpc error: code = Unavailable desc = connection refused": "connection refused (Unavailable, tried several times)",
		// of what is behind the service
		"read chunks of x: rpc error: code = Unavailable desc = connection refused": "read chunks of x: rpc error: code = Unavailable desc = connection refused (Unavailable)",
	} {
		if got := describe(status.Error(codes.Unavailable, said)).Error(); got != want {
			t.Errorf("describe(%q) = %q, want %q", said, got, want)
		}
	}
}

// retrieval is a service that answers every question with what f returns.
type retrieval struct {
	ragloopv1.UnimplementedRetrievalServer
	f func(context.Context) error
}

func (r retrieval) Retrieve(ctx context.Context, _ *ragloopv1.RetrieveRequest) (*ragloopv1.RetrieveResponse, error) {
	return nil, r.f(ctx)
}

// An interrupt has its own exit code; a service that calls the request off by itself
// is an error like others.
func TestQueryInterrupted(t *testing.T) {
	for name, c := range map[string]struct {
		interrupt bool
		code      int
		want      string
	}{
		"interrupt":                {true, exitInterrupted, "ragloop: interrupted; what was stored before stays\n"},
		"called off by the server": {false, exitUsage, "ragloop: query: not today (Canceled)\n"},
	} {
		ctx, interrupt := context.WithCancel(t.Context())
		srv := grpc.NewServer()
		ragloopv1.RegisterRetrievalServer(srv, retrieval{f: func(ctx context.Context) error {
			if c.interrupt {
				interrupt()
				<-ctx.Done()
				return ctx.Err()
			}
			return status.Error(codes.Canceled, "not today")
		}})
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(lis) }()
		var out, errs bytes.Buffer
		code := run(ctx, []string{"query", "--addr", lis.Addr().String(), "why?"}, streams{strings.NewReader(""), &out, &errs}, nil)
		if code != c.code || errs.String() != c.want {
			t.Errorf("%s: query = %d, %q, want %d, %q", name, code, errs.String(), c.code, c.want)
		}
		interrupt()
		srv.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}

// A device is not replaced by a file.
func TestCheckOut(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]string{
		"": "", filepath.Join(dir, "new"): "", dir: "is a directory", os.DevNull: "is no regular file", filepath.Join(dir, "none", "x"): "no such file",
	} {
		if err := checkOut("--out", name); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("checkOut(%q) = %v, want an error with %q", name, err, want)
		}
	}
}
