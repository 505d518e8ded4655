package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// files returns the hash of every file below dir, except for the lock, which
// holds a process id.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "LOCK" {
			return err
		}
		data, err := os.ReadFile(name)
		out[name] = fmt.Sprintf("%x", sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDryRunWritesNothing(t *testing.T) {
	dir := t.TempDir()
	docs, data := filepath.Join(dir, "docs"), filepath.Join(dir, "data")
	writeDocs(t, docs, map[string]string{"a.md": "# A\n\nThe first.\n", "b.md": "# B\n\nThe second.\n"})
	mustRun(t, "ingest", "--dry-run", "--data", data, docs)
	if _, err := os.Stat(data); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a dry run made a data directory: %v", err)
	}
	mustRun(t, "ingest", "--data", data, docs)
	before := files(t, data)
	writeDocs(t, docs, map[string]string{"a.md": "# A\n\nChanged.\n", "c.md": "# C\n\nThe third.\n"})
	for _, args := range [][]string{{}, {"--prune"}, {"--rebuild"}, {"--rebuild", "--size", "64"}} {
		mustRun(t, append([]string{"ingest", "--dry-run", "--data", data, docs}, args...)...)
		if d := cmp.Diff(before, files(t, data)); d != "" {
			t.Errorf("a dry run with %q changed (-before +after):\n%s", args, d)
		}
	}
}

// embedServer is an embeddings endpoint; on is called with the number of each request.
func embedServer(t *testing.T, dimension int, on func(request int) (status int)) string {
	requests := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Input []string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		requests++
		if status := on(requests); status != http.StatusOK {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(status)
			return
		}
		type item struct {
			Index     int       `json:"index"`
			Embedding []float64 `json:"embedding"`
		}
		var reply struct {
			Data []item `json:"data"`
		}
		for i := range body.Input {
			v := make([]float64, dimension)
			v[i%dimension] = 1
			reply.Data = append(reply.Data, item{i, v})
		}
		if err := json.NewEncoder(w).Encode(reply); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// An interrupt lets the documents in hand be finished; the same command goes on.
// On the way, an endpoint that is too busy for a while costs no document.
func TestIngestInterrupted(t *testing.T) {
	dir := t.TempDir()
	docs := map[string]string{}
	for i := range 40 {
		var b strings.Builder
		for j := range 40 {
			fmt.Fprintf(&b, "Paragraph %d of document %d says little more than that.\n\n", j, i)
		}
		docs[fmt.Sprintf("d%02d.txt", i)] = b.String()
	}
	writeDocs(t, filepath.Join(dir, "docs"), docs)
	ctx, interrupt := context.WithCancel(t.Context())
	url := embedServer(t, 8, func(request int) int {
		switch request {
		case 2, 3:
			return http.StatusTooManyRequests
		case 6:
			interrupt()
		}
		return http.StatusOK
	})
	config := filepath.Join(dir, "ragloop.yaml")
	text := fmt.Sprintf("data_dir: %s\nembedder: {kind: openai, base_url: %q, model: m, dimension: 8, max_tokens: 512}\n", filepath.Join(dir, "data"), url)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"ingest", "--config", config, "--size", "64", filepath.Join(dir, "docs")}
	var out, errs bytes.Buffer
	if code := run(ctx, args, streams{strings.NewReader(""), &out, &errs}, nil); code != exitInterrupted {
		t.Fatalf("ingest = %d: %s", code, errs.String())
	}
	for _, want := range []string{
		`(?m)^stopping when the documents in hand are finished; another interrupt ends this at once$`,
		`(?m)^default__g1 is not complete and not served; the next build with the same recipe, \w+, goes on with it$`,
		`(?m)^ragloop: ingest interrupted: \d+ documents done; the same command goes on from there$`,
	} {
		if !regexp.MustCompile(want).MatchString(errs.String()) {
			t.Errorf("ingest printed %q, want %s", errs.String(), want)
		}
	}
	if code, _, stderr := command(t, "docs", "ls", "--config", config); code != exitUsage {
		t.Errorf("what is not complete can be read: %d, %s", code, stderr)
	}
	var sum summaryJSON
	if err := json.Unmarshal([]byte(mustRun(t, append(args, "--json")...)), &sum); err != nil {
		t.Fatal(err)
	}
	if sum.Documents != 40 || sum.Unchanged == 0 || sum.Indexed != 40-sum.Unchanged || !sum.Served || sum.Interrupted {
		t.Errorf("afterwards: %+v", sum)
	}
}

// ticking is a clock that a test moves.
type ticking struct{ at time.Time }

func (c *ticking) now() time.Time          { return c.at }
func (c *ticking) advance(d time.Duration) { c.at = c.at.Add(d) }
func newProgress(live bool) (*progress, *bytes.Buffer, *ticking) {
	var b bytes.Buffer
	c := &ticking{time.Unix(0, 0)}
	return &progress{w: &b, live: live, now: c.now, last: c.at, samples: []sample{{at: c.at}}}, &b, c
}

// A file or a pipe gets a line every ten seconds.
func TestProgressLines(t *testing.T) {
	p, out, clock := newProgress(false)
	p.total = 1000
	for i := 1; i <= 100; i++ {
		clock.advance(time.Second)
		p.event(ingest.Event{Doc: "d", Outcome: ingest.Indexed, Documents: 5 * i, ChunksFound: 60 * i, ChunksEmbedded: 50 * i, TokensEmbedded: 5000 * i})
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if want := "50 of 1000 documents, 500 of 600 chunks so far, 5.0 documents/s, 50.0 chunks/s, 5000 tokens/s, about 3m10s left"; len(lines) != 10 || lines[0] != want {
		t.Errorf("%d lines, the first %q, want 10 and %q", len(lines), lines[0], want)
	}
	if want := "about 1m40s left"; !strings.HasSuffix(lines[9], want) {
		t.Errorf("the last line is %q, want the end %q", lines[9], want)
	}
}

// A terminal gets one line, which a message does not break.
func TestProgressLive(t *testing.T) {
	p, out, clock := newProgress(true)
	p.list(t.Context(), ingest.Documents([]ingest.Item{{ID: "a"}, {ID: "b"}}), nil)
	clock.advance(time.Second)
	p.list(t.Context(), ingest.Documents([]ingest.Item{{ID: "a"}, {ID: "b"}}), nil)
	p.event(ingest.Event{Outage: errors.New("embedder unavailable"), Wait: 2 * time.Second})
	clock.advance(time.Second)
	p.event(ingest.Event{Documents: 1, ChunksFound: 3, ChunksEmbedded: 3, TokensEmbedded: 300})
	p.event(ingest.Event{Documents: 1, ChunksFound: 3, ChunksEmbedded: 3, TokensEmbedded: 300})
	p.done()
	const clear = "\r\x1b[K"
	want := clear + "listing… 1 documents so far" +
		clear + "embedder unavailable; trying again in 2s\n" +
		clear + "1 of 2 documents, 3 of 3 chunks so far, 1.0 documents/s, 3.0 chunks/s, 300 tokens/s" + clear
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// Rates are of the last half minute: what was unchanged and took no time says
// nothing about what is left.
func TestProgressRates(t *testing.T) {
	p, _, clock := newProgress(false)
	p.total = 2000
	clock.advance(time.Second)
	done := 1000
	p.event(ingest.Event{Documents: done})
	for range 60 {
		clock.advance(time.Second)
		done++
		p.event(ingest.Event{Documents: done})
	}
	line := p.ingested(ingest.Event{Documents: done})
	if !strings.Contains(line, "1.0 documents/s") || !strings.HasSuffix(line, "about 15m40s left") {
		t.Errorf("line %q", line)
	}
	if n := len(p.samples); n > 40 {
		t.Errorf("%d samples kept", n)
	}
}

func TestScope(t *testing.T) {
	dir := t.TempDir()
	writeDocs(t, dir, map[string]string{"docs/a.md": "A", "docs/sub/b.md": "B"})
	t.Chdir(dir)
	type stored struct {
		doc text.DocID
		uri string
	}
	for _, tt := range []struct {
		paths            []string
		include, exclude []string
		in, not          []stored
	}{
		{
			paths: []string{"docs"},
			in:    []stored{{"a.md", "docs/a.md"}, {"gone/x.md", "docs/gone/x.md"}},
			not: []stored{
				{"a.md", "docs2/a.md"}, {"a.md", "a.md"}, {"a.md", ""}, {"a.md", "https://e/docs/a.md"},
				{"manual", "docs/a.md"},   // of a feed with a path
				{"b.md", "docs/sub/b.md"}, // of "ingest docs/sub"
			},
		},
		{
			paths: []string{"./docs/a.md"},
			in:    []stored{{"a.md", "docs/a.md"}},
			not:   []stored{{"a.md.old", "docs/a.md.old"}, {"b.md", "docs/sub/b.md"}, {"docs/a.md", "docs/a.md"}},
		},
		{
			paths: []string{"."},
			in:    []stored{{"docs/a.md", "docs/a.md"}, {"x.md", "x.md"}},
			not:   []stored{{"x.md", ""}, {"/etc/x.md", "/etc/x.md"}, {"../x.md", "../x.md"}, {"https://e/x.md", "https://e/x.md"}},
		},
		{
			paths: []string{"docs/sub", "docs/a.md"},
			in:    []stored{{"b.md", "docs/sub/b.md"}, {"a.md", "docs/a.md"}},
			not:   []stored{{"c.md", "docs/c.md"}},
		},
		{
			paths:   []string{"docs"},
			include: []string{"*.md"}, exclude: []string{"sub"},
			in:  []stored{{"a.md", "docs/a.md"}, {"gone/x.md", "docs/gone/x.md"}},
			not: []stored{{"sub/b.md", "docs/sub/b.md"}, {"x.txt", "docs/x.txt"}},
		},
		{
			paths:   []string{"docs/a.md"}, // which a glob for directories does not mean
			exclude: []string{"*.md"},
			in:      []stored{{"a.md", "docs/a.md"}},
		},
	} {
		selection, err := ingest.Select(tt.include, tt.exclude)
		if err != nil {
			t.Fatal(err)
		}
		f := scope(tt.paths, selection)
		for _, s := range tt.in {
			if !f(index.Record{Doc: s.doc, URI: s.uri}) {
				t.Errorf("%q: %q is out of scope", tt.paths, s)
			}
		}
		for _, s := range tt.not {
			if f(index.Record{Doc: s.doc, URI: s.uri}) {
				t.Errorf("%q: %q is in scope", tt.paths, s)
			}
		}
	}
}

func TestAdvised(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{index.ErrRecipe, "ingest --rebuild PATH…"},
		{ingest.ErrElsewhere, "every PATH…, or --prune"},
		{index.ErrDamaged, "ragloop verify --repair"},
	} {
		wrapped := fmt.Errorf("build: %w", tt.err)
		if err := advised(wrapped); !errors.Is(err, tt.err) || !strings.HasPrefix(err.Error(), wrapped.Error()) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("advised(%v) = %v, want something about %s", wrapped, err, tt.want)
		}
	}
	if err := advised(errors.New("the disk is full")); err != nil {
		t.Errorf("advice where there is none: %v", err)
	}
}
