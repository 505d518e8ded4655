package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qdrant/go-client/qdrant"
)

// Records that were altered, or cannot be read at all, keep nobody from retrying the
// others, or from seeing them.
func TestRetryBesideDamagedRecords(t *testing.T) {
	dir := t.TempDir()
	data, docs := filepath.Join(dir, "data"), filepath.Join(dir, "docs")
	if err := os.Mkdir(docs, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.gif", "b.gif", "c.gif"} {
		if err := os.WriteFile(filepath.Join(docs, name), []byte("GIF89a"+name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if code, _, stderr := command(t, "ingest", docs, "--data", data); code != exitFailed {
		t.Fatalf("ingest ends with %d: %s", code, stderr)
	}
	c, done := rawClient(t, filepath.Join(data, "index"))
	for doc, title := range map[string]any{"a.gif": "not what was stored", "c.gif": 5} {
		if _, err := c.SetPayload(t.Context(), &qdrant.SetPayloadPoints{
			CollectionName: "default__g1_docs", Wait: qdrant.PtrOf(true),
			Payload: qdrant.NewValueMap(map[string]any{"title": title}), PointsSelector: qdrant.NewPointsSelectorFilter(ofDoc(doc)),
		}); err != nil {
			t.Fatal(err)
		}
	}
	done()
	code, stdout, stderr := command(t, "docs", "ls", "--data", data)
	if code != exitFailed || !strings.Contains(stdout, "a.gif") || !strings.Contains(stdout, "b.gif") || !strings.Contains(stderr, "payload key title holds no string") {
		t.Errorf("docs ls ends with %d:\n%s%s", code, stdout, stderr)
	}
	code, _, stderr = command(t, "docs", "retry", "c.gif", "absent.gif", "--data", data)
	if code != exitFailed || !strings.Contains(stderr, "0 documents of") || !strings.Contains(stderr, "no such document in default__g1: absent.gif") {
		t.Errorf("docs retry of two that cannot be ends with %d: %s", code, stderr)
	}
	code, _, stderr = command(t, "docs", "retry", "--all", "--data", data)
	if code != exitFailed {
		t.Errorf("docs retry ends with %d, want %d", code, exitFailed)
	}
	for _, want := range []string{
		"1 document of default__g1 will be tried again by the next ingest that lists it\n",
		"ragloop: docs retry failed: ", `the checksum of the record of "a.gif" is not that of what it holds`, `"ragloop verify --repair" marks or removes such records`,
		`of "c.gif": stored data is damaged: payload key title holds no string`,
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("docs retry says\n%swant %q", stderr, want)
		}
	}
	if stdout = mustRun(t, "docs", "show", "b.gif", "--data", data); !strings.Contains(stdout, "the next run tries again") {
		t.Errorf("b.gif is shown as\n%s", stdout)
	}
}
