package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/internal/config"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// lister is a service whose index answers with err.
type lister struct {
	ragloopv1.UnimplementedIngestionServer
	err error
}

func (l lister) ListDocuments(context.Context, *ragloopv1.ListDocumentsRequest) (*ragloopv1.ListDocumentsResponse, error) {
	return &ragloopv1.ListDocumentsResponse{}, l.err
}

// A service may be in the best of health while the index behind it is not.
func TestDoctorAsksTheIndex(t *testing.T) {
	for _, tc := range []struct {
		err  error
		code int
		want string
	}{
		{nil, exitOK, "ok    index of the service: answers, empty\n"},
		{status.Error(codes.FailedPrecondition, "no key"), exitFailed, "FAIL  index of the service: no key (FailedPrecondition)\n"},
		{status.Error(codes.ResourceExhausted, "busy"), exitOK, "ok    index of the service: not asked, the service has as many calls of ingestion as it takes\n"},
	} {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv := grpc.NewServer()
		healthpb.RegisterHealthServer(srv, health.NewServer())
		ragloopv1.RegisterIngestionServer(srv, lister{err: tc.err})
		served := make(chan error, 1)
		go func() { served <- srv.Serve(lis) }()
		addr := lis.Addr().String()
		code, stdout, _ := command(t, "doctor", "--addr", addr)
		if want := "ok    service at " + addr + ": SERVING\n" + tc.want; code != tc.code || stdout != want {
			t.Errorf("index says %v: doctor = %d, %q, want %d, %q", tc.err, code, stdout, tc.code, want)
		}
		srv.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}

// An interrupt is no verdict on what was being checked, and nothing more is checked.
func TestDoctorInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	model := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // so that the server sees the client go
		interrupt()
		<-r.Context().Done()
	}))
	defer model.Close()
	var out, errs bytes.Buffer
	code := run(ctx, []string{"doctor"}, streams{strings.NewReader(""), &out, &errs}, []string{
		"RAGLOOP_EMBEDDER_KIND=openai", "RAGLOOP_EMBEDDER_BASE_URL=" + model.URL, "RAGLOOP_EMBEDDER_MODEL=m", "RAGLOOP_EMBEDDER_DIMENSION=8", "RAGLOOP_EMBEDDER_MAX_TOKENS=512",
	})
	if code != exitInterrupted || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("doctor = %d, %s%s; want %d after one check", code, out.String(), errs.String(), exitInterrupted)
	}
}

// The commands that demo suggests find what it made.
func TestCommandKeepsTheIndex(t *testing.T) {
	a := &app{config: "my ragloop.yaml", flags: map[string]string{"qdrant.addr": "localhost:6334", "data_dir": "d", "collection": "other"}}
	if got, want := a.command(), " --config 'my ragloop.yaml' --data d --qdrant localhost:6334"; !strings.HasSuffix(got, want) {
		t.Errorf("command() = %s, want the flags%s", got, want)
	}
	if got := (&app{}).command(); strings.Contains(got, "--") {
		t.Errorf("command() without flags = %s", got)
	}
}

func TestKeyInTheClear(t *testing.T) {
	for _, tls := range []bool{false, true} {
		var log bytes.Buffer
		a := &app{log: slog.New(slog.NewTextHandler(&log, nil)), cfg: &config.Loaded{
			Config: config.Config{Qdrant: config.Qdrant{Addr: "qdrant:6334", APIKey: "secret", TLS: tls}},
		}}
		a.indexOptions()
		if warned := strings.Count(log.String(), "qdrant.tls"); (warned == 1) == tls || strings.Contains(log.String(), "secret") {
			t.Errorf("TLS %v: the log has %q", tls, log.String())
		}
	}
}
