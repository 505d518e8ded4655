package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// started is a command that runs in the background of a test.
type started struct {
	addr string
	stop func() int // interrupts it and returns its exit code
}

// start runs a serving command until the test stops it and returns the address
// that it announces.
func start(t *testing.T, args ...string) started {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan int, 1)
	go func() {
		code := run(ctx, args, streams{strings.NewReader(""), io.Discard, w}, nil)
		w.Close()
		done <- code
	}()
	var seen bytes.Buffer
	announced := regexp.MustCompile(` on (127\.0\.0\.1:\d+)`)
	for buf := make([]byte, 1024); ; {
		n, err := r.Read(buf)
		seen.Write(buf[:n])
		if m := announced.FindSubmatch(seen.Bytes()); m != nil {
			go io.Copy(io.Discard, r)
			var code int
			stopped := false
			stop := func() int {
				if !stopped {
					cancel()
					code, stopped = <-done, true
				}
				return code
			}
			t.Cleanup(func() { stop() })
			return started{string(m[1]), stop}
		}
		if err != nil {
			t.Fatalf("%q announces no address: %s", args, seen.String())
		}
	}
}

// command runs a command line to its end.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, streams{strings.NewReader(""), &out, &errs}, nil)
	return code, out.String(), errs.String()
}

// mustRun runs a command line that has to succeed and returns its output.
func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := command(t, args...)
	if code != exitOK {
		t.Fatalf("ragloop %q = %d: %s", args, code, stderr)
	}
	return stdout
}

func writeDocs(t *testing.T, dir string, docs map[string]string) {
	t.Helper()
	for name, body := range docs {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestServe pushes a document into an empty service, finds it, and stops.
func TestServe(t *testing.T) {
	data := t.TempDir()
	s := start(t, "serve", "--data", data, "--listen", "127.0.0.1:0")
	mustRun(t, "doctor", "--addr", s.addr)

	a := &app{}
	conn, done, err := a.connect(t.Context(), s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	put, err := ragloopv1.NewIngestionClient(conn).PutDocument(t.Context(), &ragloopv1.PutDocumentRequest{
		Document: &ragloopv1.NewDocument{Id: "valve.md", Content: []byte("# Valve\n\nThe valve closes in 6 seconds.\n")},
	})
	if err != nil || put.Outcome != ragloopv1.PutOutcome_PUT_OUTCOME_INDEXED {
		t.Fatalf("PutDocument = %v, %v", put, err)
	}
	if out := mustRun(t, "query", "--addr", s.addr, "how fast is the valve?"); !strings.Contains(out, "closes in 6 seconds") {
		t.Errorf("query --addr prints %q", out)
	}
	out := mustRun(t, "query", "--addr", s.addr, "--template", "xml", "--order", "ends", "--diversity", "0.2", "--neighbours", "1", "--explain", "how fast is the valve?")
	if !strings.Contains(out, `<source id="1"`) || !strings.Contains(out, "labels and separators") {
		t.Errorf("query --addr with options of the context prints %q", out)
	}
	if code, _, stderr := command(t, "query", "--addr", s.addr, "--template", "none.tmpl", "valve"); code == exitOK || !strings.Contains(stderr, "pack.template") {
		t.Errorf("query --addr with a template file = %d, %s", code, stderr)
	}

	// The directory has one owner; everybody else is told so.
	if code, _, stderr := command(t, "query", "--data", data, "valve"); code != exitUsage || !strings.Contains(stderr, "in use") {
		t.Errorf("query on a directory in use = %d, %s", code, stderr)
	}
	if code := s.stop(); code != exitOK {
		t.Errorf("serve stopped by an interrupt = %d, want %d", code, exitOK)
	}
	if code, stdout, _ := command(t, "doctor", "--addr", s.addr); code != exitFailed || !strings.Contains(stdout, "FAIL") {
		t.Errorf("doctor on a stopped service = %d, %s", code, stdout)
	}
	// What was acknowledged is there after the stop.
	if out := mustRun(t, "docs", "ls", "--data", data); !strings.Contains(out, "valve.md") {
		t.Errorf("docs ls after serve prints %q", out)
	}
}

// TestLocaldb: the same commands against --qdrant and against the directory
// give the same answers.
func TestLocaldb(t *testing.T) {
	docs := t.TempDir()
	writeDocs(t, docs, map[string]string{
		"valve.md": "# Valve\n\nThe valve closes in 6 seconds.\n", "notes.txt": "Call the plumber before noon.\n",
	})
	server, client := t.TempDir(), t.TempDir()
	s := start(t, "localdb", "--data", server, "--listen", "127.0.0.1:0")
	remote := []string{"--qdrant", s.addr, "--data", client}
	mustRun(t, append([]string{"ingest", docs}, remote...)...)
	got := mustRun(t, append([]string{"query", "--explain", "when does the valve close?"}, remote...)...)
	if _, err := os.Stat(filepath.Join(client, "index")); err == nil {
		t.Error("--qdrant made a local index")
	}
	if code := s.stop(); code != exitOK {
		t.Errorf("localdb stopped by an interrupt = %d, want %d", code, exitOK)
	}
	if want := mustRun(t, "query", "--explain", "when does the valve close?", "--data", server); got != want {
		t.Errorf("over TCP:\n%s\nin process:\n%s", got, want)
	}
}
