package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/text"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// leftovers returns the names of the files in dir.
func leftovers(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// What can be read only once is kept while it is needed, and no longer.
func TestFeedOnce(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	const line = `{"id":"a","text":"x"}` + "\n"
	sources := map[string]func(a *app) string{
		"standard input": func(a *app) string { a.in = strings.NewReader(line); return "-" },
	}
	if runtime.GOOS == "linux" {
		sources["a pipe"] = func(*app) string {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close() })
			if _, err := w.WriteString(line); err != nil || w.Close() != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("/proc/self/fd/%d", r.Fd())
		}
	}
	for what, source := range sources {
		a := &app{streams: streams{err: io.Discard}}
		src, done, err := a.feed(t.Context(), feedFlags{file: source(a)})
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		for range 2 {
			var ids []text.DocID
			for item, err := range src.Items(t.Context()) {
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
				ids = append(ids, item.ID)
			}
			if d := cmp.Diff([]text.DocID{"a"}, ids); d != "" {
				t.Errorf("%s: documents (-want +got):\n%s", what, d)
			}
		}
		done()
		if names := leftovers(t, tmp); names != nil {
			t.Errorf("%s: left behind %q", what, names)
		}
	}
	a := &app{streams: streams{in: strings.NewReader("{"), err: io.Discard}}
	if _, _, err := a.feed(t.Context(), feedFlags{file: "-"}); !errors.Is(err, ingest.ErrFeed) {
		t.Errorf("a wrong line: %v", err)
	}
	// A read of standard input cannot be interrupted, but it keeps nobody.
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	defer w.Close()
	a.in = r
	time.AfterFunc(0, cancel)
	if _, _, err := a.feed(ctx, feedFlags{file: "-"}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if names := leftovers(t, tmp); names != nil {
		t.Errorf("left behind %q", names)
	}
}

// The same documents, fed and pushed, end as the same records.
func TestFeedEqualsPut(t *testing.T) {
	encrypted := "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + strings.Join(strings.Split("EncryptedPackage", ""), "\x00") + "\x00"
	type document struct {
		id, text, file string
		typ, title     string
		tags, acl      []string
		deleted        bool
	}
	const outcome = ragloopv1.PutOutcome_PUT_OUTCOME_INDEXED
	docs := []struct {
		document
		outcome ragloopv1.PutOutcome
		problem string // field and reason of a document that is refused
	}{
		{document{id: "a.md", file: "# A\n\nThe aardvark.\n", tags: []string{"x"}, acl: []string{"g"}}, outcome, ""},
		{document{id: "b", text: "The bee.", title: "Bees"}, outcome, ""},
		{document{id: "c", text: "<p>The cat.</p>", typ: "text/html"}, outcome, ""},
		{document{id: "d.docx", file: encrypted}, 0, "document.content encrypted"},
		{document{id: "e.pdf", file: "%PDF-1.4\nno more"}, 0, "document.content damaged"},
		{document{id: "f.exe", file: "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00"}, 0, "document.content unsupported"},
		{document{id: "g.gif", file: "GIF89a\x00\x01\x02", typ: "image/gif"}, 0, "document.media_type unsupported"},
		{document{id: "old", deleted: true}, ragloopv1.PutOutcome_PUT_OUTCOME_REMOVED, ""},
		{document{id: "never", deleted: true}, ragloopv1.PutOutcome_PUT_OUTCOME_UNCHANGED, ""},
	}
	modified := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	old := &ragloopv1.NewDocument{Id: "old", Content: []byte("An old document.")}

	fed, pushed, dir := t.TempDir(), t.TempDir(), t.TempDir()
	var lines strings.Builder
	s := start(t, "serve", "--data", pushed, "--listen", "127.0.0.1:0")
	conn, done, err := (&app{}).connect(t.Context(), s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	stream, err := ragloopv1.NewIngestionClient(conn).PutDocuments(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&ragloopv1.PutDocumentsRequest{Document: old}); err != nil {
		t.Fatal(err)
	}
	for _, d := range docs {
		line := map[string]any{"id": d.id}
		put := &ragloopv1.NewDocument{Id: d.id, Title: d.title, Tags: d.tags, Acl: d.acl, MediaType: d.typ, Deleted: d.deleted}
		if d.title != "" {
			line["title"] = d.title
		}
		if d.typ != "" {
			line["media_type"] = d.typ
		}
		if d.tags != nil {
			line["tags"], line["acl"] = d.tags, d.acl
		}
		if !d.deleted { // else that of a file is its own
			line["modified"], put.Modified = modified, timestamppb.New(modified)
		}
		switch {
		case d.deleted:
			line["deleted"] = true
		case d.file != "":
			writeDocs(t, dir, map[string]string{d.id: d.file})
			line["path"], line["uri"] = d.id, d.id
			put.Content, put.Uri = []byte(d.file), d.id
		default: // what a feed says about a text
			line["text"], put.Content = d.text, []byte(d.text)
			put.MediaType = map[string]string{"": "text/plain"}[d.typ] + d.typ + "; charset=utf-8"
		}
		j, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "%s\n", j)
		if err := stream.Send(&ragloopv1.PutDocumentsRequest{Document: put}); err != nil {
			t.Fatal(err)
		}
	}
	out, err := stream.CloseAndRecv()
	if err != nil || len(out.Results) != len(docs)+1 {
		t.Fatalf("%d results, %v", len(out.GetResults()), err)
	}
	for i, r := range out.Results[1:] {
		problem := ""
		if e := r.GetError(); e != nil {
			problem = e.FieldViolations[0].Field + " " + e.Reason
		}
		if got := r.GetResponse().GetOutcome(); r.Id != docs[i].id || got != docs[i].outcome || problem != docs[i].problem {
			t.Errorf("%s was put as %v, want %s %s", docs[i].id, r, docs[i].outcome, docs[i].problem)
		}
	}
	if code := s.stop(); code != exitOK {
		t.Fatalf("serve stopped with %d", code)
	}

	writeDocs(t, dir, map[string]string{"old.jsonl": `{"id":"old","text":"An old document."}`, "feed.jsonl": lines.String()})
	mustRun(t, "ingest", "--data", fed, "--feed", filepath.Join(dir, "old.jsonl"))
	if code, _, stderr := command(t, "ingest", "--data", fed, "--feed", filepath.Join(dir, "feed.jsonl")); code != exitFailed {
		t.Fatalf("ingest --feed = %d, %s", code, stderr)
	}
	stored := func(data string) string {
		return regexp.MustCompile(`"ingested_at":"[^"]*",?`).ReplaceAllString(mustRun(t, "docs", "ls", "--json", "--data", data), "")
	}
	want := stored(pushed)
	if d := cmp.Diff(want, stored(fed)); d != "" || strings.Count(want, "\n") != len(docs)-2 {
		t.Errorf("%d documents stored (-pushed +fed):\n%s", strings.Count(want, "\n"), d)
	}
}
