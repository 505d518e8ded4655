package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ragloop/ragloop/evalret/labels"
)

// writer answers requests of "labels synth" about two documents.
func writer(t *testing.T, calls *atomic.Int32) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		body, _ := io.ReadAll(r.Body)
		s := string(body)
		answer := "I would rather not."
		switch {
		case strings.Contains(s, "You check whether"):
			answer = `{"answered":false,"quote":""}`
		case strings.Contains(s, "does not answer: it asks"):
			if strings.Contains(s, "hotel") {
				answer = `{"question":"Which hotel chain has a contract with the company?"}`
			}
		case strings.Contains(s, "Answer the question between"):
			answer = "unknown"
		case strings.Contains(s, "hotel"):
			answer = `{"question":"How much may a hotel room cost on business trips?","quote":"The hotel limit is 140 €","answer":"140 €","kind":"number"}`
		case strings.Contains(s, "battery"):
			answer = `{"question":"When is this battery replaced?","quote":"Replace the battery after six years","answer":"after six years","kind":"date"}`
		}
		content, _ := json.Marshal(answer)
		io.WriteString(w, `{"choices":[{"message":{"content":`+string(content)+`},"finish_reason":"stop"}]}`)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestSynth(t *testing.T) {
	dir := t.TempDir()
	docs, data := filepath.Join(dir, "docs"), filepath.Join(dir, "data")
	writeDocs(t, docs, map[string]string{
		"travel.md": "# Travel\n\nÜber trips: rooms are booked by those who travel. The hotel limit is 140 € for one night.\n",
		"meter.md":  "# Meter\n\nMeters are read from afar, once a day. Replace the battery after six years, or when its lamp is red.\n",
		"empty.md":  "# Nothing\n",
	})
	mustRun(t, "ingest", "--data", data, docs)
	var calls atomic.Int32
	writeDocs(t, dir, map[string]string{"ragloop.yaml": "data_dir: " + data + "\nllm: {base_url: " + writer(t, &calls) + ", model: m}\n"})
	config := filepath.Join(dir, "ragloop.yaml")
	out, leftOut := filepath.Join(dir, "set.jsonl"), filepath.Join(dir, "left.jsonl")
	synth := func(args ...string) (int, string, string) {
		t.Helper()
		return command(t, append([]string{"labels", "synth", "--config", config, "--min-words", "10"}, args...)...)
	}

	code, stdout, stderr := synth("--dry-run", "--queries", "1", "--unanswerable", "1", "--closed-book", "--price-in", "1", "--price-out", "4")
	if code != exitOK || calls.Load() != 0 || !strings.Contains(stdout, "m (o200k_base), up to 2 passages: 5 calls (0 more need none)") || !strings.Contains(stdout, "cost: at most 0.0") {
		t.Errorf("synth --dry-run = %d after %d calls: %s%s", code, calls.Load(), stdout, stderr)
	}

	for _, source := range [][]string{nil, {docs}} {
		code, stdout, stderr = synth(append(source, "--out", out, "--left-out", leftOut, "--queries", "5", "--closed-book")...)
		if code != exitOK || !strings.Contains(stdout, "1 query of 2 passages, 0 of them without an answer (m, prompt ") ||
			!strings.Contains(stdout, "questions left out: 1 dependent") || !strings.Contains(stdout, "1 too short") || !strings.Contains(stderr, `"When is this battery replaced?"`) {
			t.Fatalf("synth %s = %d: %s%s", source, code, stdout, stderr)
		}
		// Two questions, of which one is tried without its passage; the files of the
		// directory are those of the index, and nothing is asked twice.
		if calls.Load() != 3 {
			t.Errorf("synth %s: %d calls, want 3", source, calls.Load())
		}
		set, err := labels.ReadFile(out)
		if err != nil || len(set.Queries) != 1 || set.Queries[0].Evidence[0].Quote != "The hotel limit is 140 €" || set.Queries[0].Tags[0] != "synthetic" {
			t.Fatalf("set = %+v, %v", set, err)
		}
		if left, _ := os.ReadFile(leftOut); !strings.Contains(string(left), `"doc":"meter.md"`) || !strings.Contains(string(left), `"reason":"dependent"`) {
			t.Errorf("left out: %s", left)
		}
		if checked := mustRun(t, "labels", "check", "--config", config, out); !strings.Contains(checked, "1 of 1 evidence spans hold\n") {
			t.Errorf("labels check: %s", checked)
		}
	}

	code, stdout, stderr = synth("--json", "--out", out, "--queries", "1", "--unanswerable", "1", "--max-passages", "9")
	var result struct {
		Queries      int            `json:"queries"`
		Unanswerable int            `json:"unanswerable"`
		Counts       map[string]int `json:"left_out_by_reason"`
		Model        string         `json:"model"`
	}
	if err := json.Unmarshal([]byte(stdout), &result); err != nil || code != exitOK || result.Queries != 1 || result.Model != "m" {
		t.Errorf("synth --json = %d: %s%s, %v", code, stdout, stderr, err)
	}
	code, stdout, stderr = synth("--out", out, "--queries", "0", "--unanswerable", "2")
	if code != exitOK || !strings.Contains(stdout, "1 query of 2 passages, 1 of them without an answer") || !strings.Contains(stdout, "1 unreadable") {
		t.Errorf("synth --unanswerable = %d: %s%s", code, stdout, stderr)
	}
	// Documents with labels in another set are left apart, and a set of no queries is
	// not written.
	writeDocs(t, dir, map[string]string{"dev.jsonl": `{"id":"a","query":"what?","docs":{"travel.md":1}}` + "\n"})
	none := filepath.Join(dir, "none.jsonl")
	code, stdout, stderr = synth("--out", none, "--against", filepath.Join(dir, "dev.jsonl"))
	if _, err := os.Stat(none); code != exitFailed || err == nil || !strings.Contains(stderr, "no query came of 1 passage;") || !strings.Contains(stdout, "documents: 3, 1 left apart") {
		t.Errorf("synth --against = %d: %s%s, %v", code, stdout, stderr, err)
	}
}
