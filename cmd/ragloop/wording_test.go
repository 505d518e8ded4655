package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// A language model writes a line about each chunk at ingestion, and other
// wordings at query time: what it says is found, what it says is not delivered.
func TestWording(t *testing.T) {
	dir := t.TempDir()
	docs, data := filepath.Join(dir, "docs"), filepath.Join(dir, "data")
	writeDocs(t, docs, map[string]string{"a.md": "# A\n\nIt grew by three percent.\n", "b.md": "# B\n\nNothing of note happened.\n"})
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		body, _ := io.ReadAll(r.Body)
		said := `{"queries":["zebra crossing numbers"]}`
		switch {
		case strings.Contains(string(body), "You prepare documents") && strings.Contains(string(body), "three percent"):
			said = `{"context":"About the zebra population."}`
		case strings.Contains(string(body), "You prepare documents"):
			said = `{"context":"About nothing."}`
		}
		answer, _ := json.Marshal(map[string]any{"choices": []any{map[string]any{"message": map[string]any{"content": said}, "finish_reason": "stop"}}})
		w.Write(answer)
	}))
	defer server.Close()
	environ := []string{"RAGLOOP_LLM_BASE_URL=" + server.URL, "RAGLOOP_LLM_MODEL=fake", "RAGLOOP_CHUNK_CONTEXT=llm"}
	with := func(args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, streams{strings.NewReader(""), &out, &errs}, environ); code != exitOK {
			t.Fatalf("ragloop %q = %d: %s", args, code, errs.String())
		}
		return out.String()
	}
	with("ingest", "--data", data, docs)
	asked := calls.Load()
	if asked < 2 {
		t.Errorf("ingestion asks the model %d times, want once for each of 2 chunks or more", asked)
	}
	environ = append(environ, "RAGLOOP_RETRIEVE_EXPAND=multi-query", "RAGLOOP_RETRIEVE_FUSION=lexical")
	var got ragloopv1.RetrieveResponse
	if err := protojson.Unmarshal([]byte(with("query", "--data", data, "--json", "animals on the road")), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Segments) == 0 || got.Segments[0].Document != "a.md" || strings.Contains(got.Context, "zebra") || len(got.Degraded) != 0 {
		t.Errorf("context %q of %v, degraded %v; want a.md by the line about it, which is not in the context", got.Context, got.Segments, got.Degraded)
	}
	with("ingest", "--data", data, docs)
	if n := calls.Load() - asked; n != 1 {
		t.Errorf("%d more calls, want 1 for the query and none for unchanged documents", n)
	}
	// Without the model, what is stored can be searched, and nothing be added.
	mustRun(t, "query", "--data", data, "zebra")
	writeDocs(t, docs, map[string]string{"c.md": "# C\n\nMore.\n"})
	if code, _, stderr := command(t, "ingest", "--data", data, docs); code == 0 || !strings.Contains(stderr, "recipe") {
		t.Errorf("ingesting without the model: code %d\n%s", code, stderr)
	}
}

// What a language model says that nobody can use is forgotten: once it is well, the
// same query and the same ingest get what they ask for.
func TestWordingAskedAgain(t *testing.T) {
	dir := t.TempDir()
	docs, data := filepath.Join(dir, "docs"), filepath.Join(dir, "data")
	writeDocs(t, docs, map[string]string{"a.md": "# A\n\nIt grew by three percent.\n"})
	var well atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		said := "lorem ipsum"
		switch {
		case !well.Load():
		case strings.Contains(string(body), "You prepare documents"):
			said = `{"context":"About the zebra population."}`
		default:
			said = `{"passage":"The population grew."}`
		}
		answer, _ := json.Marshal(map[string]any{"choices": []any{map[string]any{"message": map[string]any{"content": said}, "finish_reason": "stop"}}})
		w.Write(answer)
	}))
	defer server.Close()
	with := func(args ...string) (stdout, stderr string) {
		t.Helper()
		var out, errs bytes.Buffer
		code := run(t.Context(), args, streams{strings.NewReader(""), &out, &errs}, []string{
			"RAGLOOP_LLM_BASE_URL=" + server.URL, "RAGLOOP_LLM_MODEL=fake", "RAGLOOP_CHUNK_CONTEXT=llm", "RAGLOOP_DATA_DIR=" + data,
		})
		if code != exitOK {
			t.Fatalf("ragloop %q = %d: %s", args, code, errs.String())
		}
		return out.String(), errs.String()
	}
	if _, said := with("ingest", docs); !strings.Contains(said, "no usable answer for 1 of 1 chunks") {
		t.Errorf("ingest says %s", said)
	}
	if _, said := with("query", "--expand", "hyde", "what grew?"); !strings.Contains(said, "degraded answer: expand") {
		t.Errorf("query says %s", said)
	}
	well.Store(true)
	if _, said := with("query", "--expand", "hyde", "what grew?"); strings.Contains(said, "degraded") {
		t.Errorf("query of a model that is well says %s", said)
	}
	if _, said := with("docs", "show", "a.md"); !strings.Contains(said, "chunks without the language model's line:  1") {
		t.Errorf("docs show says %s", said)
	}
	if out, _ := with("ingest", "--dry-run", docs); !strings.Contains(out, "changed:\n  a.md") {
		t.Errorf("ingest --dry-run says %s", out)
	}
	if _, said := with("ingest", docs); strings.Contains(said, "no usable answer") {
		t.Errorf("ingest with a model that is well says %s", said)
	}
	if out, _ := with("query", "--fusion", "lexical", "zebra"); !strings.Contains(out, "three percent") {
		t.Errorf("the line about the chunk finds %q", out)
	}
}

// Who puts a document while the language model is away is told to come back.
func TestPutWithoutTheModel(t *testing.T) {
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the model is being loaded", http.StatusInternalServerError)
	}))
	defer model.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "c.yaml")
	if err := os.WriteFile(config, []byte("chunk: {context: llm}\nllm: {base_url: "+model.URL+", model: fake}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--config", config, "--data", filepath.Join(dir, "data"), "serve", "--listen", "127.0.0.1:0")
	conn, err := grpc.NewClient(s.addr, append(ragloopv1.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = ragloopv1.NewIngestionClient(conn).PutDocument(t.Context(), &ragloopv1.PutDocumentRequest{Document: &ragloopv1.NewDocument{Id: "a.txt", Content: []byte("A text.")}})
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "being loaded") {
		t.Errorf("PutDocument = %v, want Unavailable, and why", err)
	}
}
