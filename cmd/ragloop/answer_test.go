package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ragloop/ragloop/evalret/answer"
)

func TestAnswer(t *testing.T) {
	dir := t.TempDir()
	docs, data := filepath.Join(dir, "docs"), filepath.Join(dir, "data")
	writeDocs(t, docs, map[string]string{"travel.md": "# Travel\n\nThe hotel limit is 140 EUR for one night.\n", "meter.md": "# Meter\n\nReplace the battery after six years.\n"})
	write := func(name, body string) string {
		writeDocs(t, dir, map[string]string{name: body})
		return filepath.Join(dir, name)
	}
	set := write("set.jsonl", `{"id":"b","query":"What is the hotel limit for one night?"}`+"\n"+`{"id":"a","query":"When is the battery replaced?"}`+"\n")
	mustRun(t, "ingest", "--data", data, docs)
	read := func(name string) []answer.Answer {
		t.Helper()
		all, err := answer.ReadFile(name)
		if err != nil || len(all) != 2 || all[0].ID != "b" || all[1].ID != "a" {
			t.Fatalf("ReadFile = %+v, %v, want two answers in the order of the set", all, err)
		}
		return all
	}

	out := filepath.Join(dir, "out.jsonl")
	mustRun(t, "answer", "--data", data, "--set", set, "-o", out)
	first, _ := os.ReadFile(out)
	for i, want := range []string{"The hotel limit is 140 EUR for one night [1].", "Replace the battery after six years [1]."} {
		if got := read(out)[i]; got.Text != want || !strings.Contains(got.Context.Texts()[0], strings.TrimSuffix(want, " [1].")) {
			t.Errorf("extractive answer %d = %+v, want %q", i, got, want)
		}
	}
	mustRun(t, "answer", "--data", data, "--set", set, "-o", out)
	if again, _ := os.ReadFile(out); string(first) != string(again) {
		t.Errorf("a second run writes\n%s\nafter\n%s", again, first)
	}

	// Answers of an application get the contexts that they lack.
	given := write("given.jsonl", `{"id":"a","answer":"After six years.","context":"mine"}`+"\n")
	mustRun(t, "answer", "--data", data, "--set", set, "--answers", given, "-o", out)
	if all := read(out); all[0].Failure == "" || all[0].Context.Text == "" || all[1].Text != "After six years." || all[1].Context.Text != "mine" {
		t.Errorf("answers taken over: %+v", all)
	}

	// A language model is asked once for each answer, and not at all to tell the cost.
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if strings.Contains(string(body), "When is the battery") {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"error":{"message":"I do not like this one"}}`)
			return
		}
		io.WriteString(w, `{"choices":[{"message":{"content":"140 EUR [1]."},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3}}`)
	}))
	defer server.Close()
	config := write("ragloop.yaml", "llm: {base_url: "+server.URL+", model: m, api_key_env: MY_KEY}\n")
	ask := func(environ []string, args ...string) (int, string, string) {
		var stdout, stderr strings.Builder
		args = append([]string{"answer", "--config", config, "--data", data, "--set", set, "--answerer", "llm"}, args...)
		code := run(t.Context(), args, streams{strings.NewReader(""), &stdout, &stderr}, environ)
		return code, stdout.String(), stderr.String()
	}
	key := []string{"MY_KEY=s3cret"}
	code, stdout, stderr := ask(key, "--dry-run", "--price-in", "2.5", "--price-out", "10")
	if code != exitOK || calls.Load() != 0 || !strings.Contains(stdout, "m (o200k_base): 2 calls (0 more need none)") || !strings.Contains(stdout, "cost: at most 0.01") {
		t.Errorf("answer --dry-run = %d after %d calls: %s%s", code, calls.Load(), stdout, stderr)
	}
	for _, want := range []int32{2, 3} { // the failure is tried again, the answer is remembered
		code, _, stderr = ask(key, "-o", out)
		all := read(out)
		if code != exitOK || calls.Load() != want || all[0].Text != "140 EUR [1]." || !strings.Contains(all[1].Failure, "I do not like this one") {
			t.Errorf("answer --answerer llm = %d after %d calls, want %d: %+v\n%s", code, calls.Load(), want, all, stderr)
		}
	}
	if code, _, stderr = ask(nil, "-o", out); code != exitUsage || !strings.Contains(stderr, "llm.api_key_env") || !strings.Contains(stderr, "MY_KEY, which is not set") {
		t.Errorf("answer without the key = %d: %s", code, stderr)
	}
	code, _, stderr = ask([]string{"MY_KEY=wr0ng"}, "--max-tokens", "100", "-o", filepath.Join(dir, "none.jsonl"))
	if _, err := os.Stat(filepath.Join(dir, "none.jsonl")); code != exitUsage || err == nil || !strings.Contains(stderr, "401 Unauthorized") || strings.Contains(stderr, "wr0ng") {
		t.Errorf("answer with a wrong key = %d, wrote a file: %v: %s", code, err == nil, stderr)
	}
}

// TestAnswererURL: an endpoint elsewhere is asked several questions at a time, gets
// no key but its own, and is not taken for another one with a model of that name.
func TestAnswererURL(t *testing.T) {
	dir := t.TempDir()
	docs, data, out := filepath.Join(dir, "docs"), filepath.Join(dir, "data"), filepath.Join(dir, "out.jsonl")
	var set strings.Builder
	files := map[string]string{}
	for i := range 4 {
		fmt.Fprintf(&set, `{"id":"q%d","query":"What does the instrument number %d measure?"}`+"\n", i, i)
		files[fmt.Sprintf("i%d.md", i)] = fmt.Sprintf("# Instrument\n\nInstrument number %d measures %d things.\n", i, 10+i)
	}
	writeDocs(t, docs, files)
	mustRun(t, "ingest", "--data", data, docs)
	writeDocs(t, dir, map[string]string{"set.jsonl": set.String(), "ragloop.yaml": "data_dir: " + data + "\nllm: {base_url: http://127.0.0.1:9/v1, model: m, api_key_env: MY_KEY, concurrency: 3}\n"})

	var mu sync.Mutex
	keys := map[string]int{}
	arrived, together := 0, make(chan struct{})
	serve := func(answer string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			mu.Lock()
			keys[r.Header.Get("Authorization")]++
			if arrived++; arrived == 3 {
				close(together)
			}
			mu.Unlock()
			<-together // the first three wait for each other
			said := answer
			if strings.Contains(string(body), "number 2 measure?") {
				said = "Nothing [9]."
			}
			fmt.Fprintf(w, `{"choices":[{"message":{"content":%q},"finish_reason":"stop"}]}`, said)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	answers := func(url string, environ []string, args ...string) (int, string) {
		t.Helper()
		var stdout, stderr strings.Builder
		args = append([]string{"answer", "--config", filepath.Join(dir, "ragloop.yaml"), "--set", filepath.Join(dir, "set.jsonl"), "--answerer", url, "-o", out}, args...)
		code := run(t.Context(), args, streams{strings.NewReader(""), &stdout, &stderr}, environ)
		return code, stderr.String()
	}
	environ := []string{"MY_KEY=s3cret", "OTHER=0ther"}
	one, two := serve("Instrument number 0 measures 10 things [1]."), serve("Other [1].")
	code, stderr := answers(one, environ)
	all, err := answer.ReadFile(out)
	if err != nil || code != exitOK || len(all) != 4 || keys[""] != 4 || len(keys) != 1 || !strings.Contains(stderr, "cite") {
		t.Fatalf("answer --answerer URL = %d: %+v, %v, keys %v\n%s", code, all, err, keys, stderr)
	}
	for i, a := range all {
		if a.ID != fmt.Sprintf("q%d", i) || a.Text == "" {
			t.Errorf("answer %d = %+v, want the order of the set", i, a)
		}
	}
	if code, stderr = answers(one, environ); code != exitOK || keys[""] != 4 {
		t.Errorf("again: %d after %d calls: %s", code, keys[""], stderr)
	}
	if code, stderr = answers(two, environ, "--answerer-key-env", "OTHER"); code != exitOK || keys["Bearer 0ther"] != 4 {
		t.Errorf("another endpoint: %d, keys %v: %s", code, keys, stderr)
	}
	if code, stderr = answers(one, environ, "--answerer-model", "m2"); code != exitOK || keys[""] != 8 {
		t.Errorf("another model: %d, keys %v: %s", code, keys, stderr)
	}
	// What evaluating them would cost is known once they are there.
	var stdout, problems strings.Builder
	evaluate := []string{"eval", "--config", filepath.Join(dir, "ragloop.yaml"), "--set", filepath.Join(dir, "set.jsonl"), "--answerer", one, "--metrics", "evidence_recall@512t", "--out", ""}
	if code := run(t.Context(), evaluate, streams{strings.NewReader(""), &stdout, &problems}, environ); code != exitOK {
		t.Fatalf("eval --answerer URL = %d: %s", code, &problems)
	}
	calls := keys[""]
	stdout.Reset()
	preview := append(slices.Clone(evaluate[:len(evaluate)-2]), "--judge", "llm", "--citations", "--dry-run")
	code = run(t.Context(), preview, streams{strings.NewReader(""), &stdout, &problems}, environ)
	if out := stdout.String(); code != exitOK || keys[""] != calls || !strings.Contains(out, "m (o200k_base): 0 calls (4 more need none)") ||
		!strings.Contains(out, "verdicts of m (prompt ") || strings.Contains(out, "0 calls (0 more") || strings.Contains(out, "not in that") {
		t.Errorf("eval --dry-run = %d after %d more calls: %s%s", code, keys[""]-calls, out, &problems)
	}
	if code, stderr = answers(two, nil, "--answerer-key-env", "OTHER"); code != exitUsage || !strings.Contains(stderr, "--answerer-key-env names the environment variable OTHER, which is not set or empty") {
		t.Errorf("without its key: %d: %s", code, stderr)
	}
}

func TestAnswerFlags(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", "answer takes --set FILE and -o FILE"},
		{"--set s", "answer takes --set FILE and -o FILE"},
		{"--set s -o o --answerer magic", `--answerer is "magic", allowed are extractive, llm`},
		{"--set s -o o --answers a --answerer llm", "takes one of --answers FILE and --answerer NAME"},
		{"--set s -o o --answerer llm --threshold 0.5", "--threshold only goes with --answerer extractive"},
		{"--set s -o o --calibrate", "--calibrate only goes with --set FILE and --answerer extractive"},
		{"--set s -o o --answerer ftp://x", `--answerer is "ftp://x"`},
		{"--set s -o o --answers a --max-tokens 20", "--max-tokens only goes with --answerer llm or URL"},
		{"--set s -o o --answerer llm --answerer-key-env K", "--answerer-key-env only goes with --answerer URL"},
		{"--set s --dry-run", "--dry-run only goes with --answerer llm or URL"},
		{"--set s -o o --price-in 2", "--price-in only goes with --dry-run"},
		{"--set s -o o --answerer llm --price-out 2", "--price-out only goes with --dry-run"},
		{"--set s --answerer llm --dry-run --price-in NaN", "--price-in is NaN, allowed are numbers from 0 up"},
		{"--set s --answerer llm --dry-run --price-out -1", "--price-out is -1, allowed are numbers from 0 up"},
		{"--set s --answerer llm --dry-run -o o", "--dry-run writes nothing; leave out -o"},
		{"--set s -o o --answerer http://me:s3cret@host/v1", "--answerer has a user name in its URL"},
		{"--set s -o o --json", "answer has no --json output"},
	} {
		code, _, stderr := command(t, append([]string{"answer"}, strings.Fields(c.args)...)...)
		if code != exitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("answer %s = %d: %s, want %q", c.args, code, stderr, c.want)
		}
	}
}
