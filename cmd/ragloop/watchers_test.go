package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// spanNames is a collector that keeps the names of what it is sent.
type spanNames struct {
	collector.UnimplementedTraceServiceServer
	mu    sync.Mutex
	names []string
}

func (s *spanNames) Export(_ context.Context, in *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range in.ResourceSpans {
		for _, scope := range r.ScopeSpans {
			for _, span := range scope.Spans {
				s.names = append(s.names, span.Name)
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// freeAddr returns an address that nobody listens on now.
func freeAddr(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	return lis.Addr().String()
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

// TestServeWatched: a served document and a query are in the metrics and in the
// traces, which are handed over before the end.
func TestServeWatched(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sent := &spanNames{}
	otel := grpc.NewServer()
	collector.RegisterTraceServiceServer(otel, sent)
	ended := make(chan error, 1)
	go func() { ended <- otel.Serve(lis) }()
	t.Cleanup(func() { otel.Stop(); <-ended })
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+lis.Addr().String())

	addr := freeAddr(t)
	s := start(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--metrics-listen", addr, "--traces", "otlp")
	a := &app{}
	conn, done, err := a.connect(t.Context(), s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	client := ragloopv1.NewIngestionClient(conn)
	for _, body := range []string{"# Valve\n\nThe valve closes in 6 seconds.\n", "# Valve\n\nThe valve closes in 7 seconds.\n"} {
		if _, err := client.PutDocument(t.Context(), &ragloopv1.PutDocumentRequest{
			Document: &ragloopv1.NewDocument{Id: "valve.md", Content: []byte(body)},
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.PutDocument(t.Context(), &ragloopv1.PutDocumentRequest{
		Document: &ragloopv1.NewDocument{Id: "broken.pdf", Content: []byte("%PDF-1.4\nnothing of a PDF follows")},
	}); err == nil {
		t.Error("a broken document was taken")
	}
	if _, err := client.DeleteDocument(t.Context(), &ragloopv1.DeleteDocumentRequest{Id: "valve.md"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := ragloopv1.NewRetrievalClient(conn).Retrieve(t.Context(), &ragloopv1.RetrieveRequest{Query: "valve"}); err != nil {
			t.Fatal(err)
		}
	}
	if code, body := get(t, "http://"+addr+"/healthz"); code != http.StatusOK {
		t.Errorf("GET /healthz = %d %s", code, body)
	}
	_, text := get(t, "http://"+addr+"/metrics")
	for _, want := range []string{
		`ragloop_requests_total{code="OK",method="Retrieve"} 2`,
		`ragloop_requests_total{code="INVALID_ARGUMENT",method="PutDocument"} 1`,
		`ragloop_ingest_documents_total{outcome="indexed"} 1`,
		`ragloop_ingest_documents_total{outcome="replaced"} 1`,
		`ragloop_ingest_documents_total{outcome="removed"} 1`,
		`ragloop_ingest_documents_total{outcome="quarantined"} 1`,
		`ragloop_ingest_chunks_total 2`,
		`ragloop_query_cache_lookups_total{result="miss"} 1`,
		`ragloop_query_cache_lookups_total{result="hit"} 1`,
		`ragloop_query_cache_vectors 1`,
		`ragloop_embedded_texts_total{task="query"} 1`,
		`ragloop_embedded_texts_total{task="passage"} 2`,
		`ragloop_index_chunks{collection="default"} 0`,
		`ragloop_index_generation{collection="default"} 1`,
		`ragloop_stage_duration_seconds_count{stage="embed"} 2`,
		`ragloop_empty_answers_total 2`,
		`ragloop_admission_limit{class="ingestion"} 256`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			name, _, _ := strings.Cut(want, "{")
			t.Errorf("the metrics have no %s, but\n%s", want, strings.Join(regexp.MustCompile(`(?m)^`+name+`.*`).FindAllString(text, -1), "\n"))
		}
	}
	if code, stdout, stderr := command(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--metrics-listen", addr); code != exitUsage ||
		!strings.Contains(stderr, "serve: serve.metrics_listen: listen tcp "+addr) {
		t.Errorf("serve with metrics on an address in use = %d, %s%s", code, stdout, stderr)
	}
	if code := s.stop(); code != exitOK {
		t.Errorf("serve stopped by an interrupt = %d, want %d", code, exitOK)
	}
	if _, err := http.Get("http://" + addr + "/healthz"); err == nil {
		t.Error("metrics are served after the end")
	}
	sent.mu.Lock()
	defer sent.mu.Unlock()
	counts := map[string]int{}
	for _, name := range sent.names {
		counts[name]++
	}
	if counts["ragloop.v1.Retrieval/Retrieve"] != 2 || counts["ragloop.v1.Ingestion/PutDocument"] != 3 || counts["ragloop.pack"] != 2 {
		t.Errorf("spans = %v", counts)
	}
}

// TestServeBadTraces: what cannot be honoured is said at the start.
func TestServeBadTraces(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")
	addr := freeAddr(t)
	code, _, stderr := command(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--traces", "otlp", "--metrics-listen", addr)
	if code != exitUsage || !strings.Contains(stderr, `OTEL_EXPORTER_OTLP_ENDPOINT is "collector:4317", allowed are URLs`) {
		t.Errorf("serve = %d, %s", code, stderr)
	}
	lis, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("the address of the metrics is still taken: %v", err)
	}
	lis.Close()
}

// TestServedWhileTheIndexHangs: who waits for somebody else's look at the index
// waits as long as the call has time, and a scrape does without.
func TestServedWhileTheIndexHangs(t *testing.T) {
	data := t.TempDir()
	earlier(t, data, "manuals")
	client, err := index.Dial(t.Context(), index.Options{DataDir: filepath.Join(data, "index")})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	e, err := embed.NewBuiltin()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(100, 0)
	s := newServed(client, e, ingest.InProcess{}, "manuals")
	s.now = func() time.Time { return now }
	if _, err := s.Collection(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	s.turn <- struct{}{} // somebody asks, and gets no answer
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Collection(gone, ""); err != nil {
		t.Errorf("a collection that was looked up just now = %v", err)
	}
	now = now.Add(servedFor)
	if _, err := s.Collection(gone, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("Collection = %v, want %v", err, context.Canceled)
	}
	if got := s.collections(gone); len(got) != 1 || got[0].Name != "manuals" || got[0].Generation != 1 {
		t.Errorf("a scrape sees %+v, want the collection that is known", got)
	}
	<-s.turn
	if _, err := s.Collection(gone, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("Collection = %v, want %v", err, context.Canceled)
	}
	if got := s.collections(t.Context()); len(got) != 1 || got[0].Chunks != 1 {
		t.Errorf("in the end a scrape sees %+v, want one chunk", got)
	}
}
