package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qdrant/go-client/qdrant"
)

// A record that was altered keeps nobody from retrying the others.
func TestRetryBesideAnAlteredRecord(t *testing.T) {
	dir := t.TempDir()
	data, docs := filepath.Join(dir, "data"), filepath.Join(dir, "docs")
	if err := os.Mkdir(docs, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.gif", "b.gif"} {
		if err := os.WriteFile(filepath.Join(docs, name), []byte("GIF89a"+name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if code, _, stderr := command(t, "ingest", docs, "--data", data); code != exitFailed {
		t.Fatalf("ingest ends with %d: %s", code, stderr)
	}
	c, done := rawClient(t, filepath.Join(data, "index"))
	if _, err := c.SetPayload(t.Context(), &qdrant.SetPayloadPoints{
		CollectionName: "default__g1_docs", Wait: qdrant.PtrOf(true),
		Payload: qdrant.NewValueMap(map[string]any{"title": "not what was stored"}), PointsSelector: qdrant.NewPointsSelectorFilter(ofDoc("a.gif")),
	}); err != nil {
		t.Fatal(err)
	}
	done()
	code, _, stderr := command(t, "docs", "retry", "--all", "--data", data)
	if code != exitFailed {
		t.Errorf("docs retry ends with %d, want %d", code, exitFailed)
	}
	for _, want := range []string{
		"1 document of default__g1 will be tried again by the next ingest that lists it\n",
		"ragloop: docs retry failed: ", `the checksum of the record of "a.gif" is not that of what it holds`, `"ragloop verify --repair" marks such records`,
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("docs retry says\n%swant %q", stderr, want)
		}
	}
	if stdout := mustRun(t, "docs", "show", "b.gif", "--data", data); !strings.Contains(stdout, "the next run tries again") {
		t.Errorf("b.gif is shown as\n%s", stdout)
	}
}
