package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// written returns an open file with the given content.
func written(t testing.TB, content string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "feed.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteString(content); err != nil {
		t.Fatal(err)
	}
	return f
}

func feed(t testing.TB, o FeedOptions, lines ...string) *Feed {
	t.Helper()
	o.Name = "feed.jsonl"
	f, err := NewFeed(t.Context(), written(t, strings.Join(lines, "\n")), o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFeed(t *testing.T) {
	files := fstest.MapFS{"docs/a.md": {Data: []byte("# A\n")}, "docs": {Mode: os.ModeDir | 0o755}}
	f := feed(t, FeedOptions{Files: files, URIPrefix: "kb/"},
		"\ufeff"+`{"id":"one","text":"first"}`+"\r",
		`{"id":"two","text":"Two.","title":"T","uri":"https://x/2","tags":["x"],"acl":["g"],"media_type":"text/markdown"}`,
		"",
		" \t\r",
		`{"id":"file","path":"docs/a.md"}`,
		`{"id":"one","text":"second","media_type":"text/markdown"}`,
		`{"id":"gone","text":"was here"}`,
		`{"id":"missing","path":"docs/b.md","uri":"u"}`,
		`{"id":"dir","path":"docs"}`,
		`{"id":"gone","deleted":true}`,
		`{"id":"one","text":"third"}`,
	)
	if f.Documents() != 6 || f.Superseded() != 3 {
		t.Errorf("%d documents, %d lines superseded, want 6 and 3", f.Documents(), f.Superseded())
	}
	type got struct {
		Item Item
		Text string
		Err  string
	}
	const plain = "text/plain; charset=utf-8"
	want := []got{
		{Item: Item{ID: "two", URI: "https://x/2", Title: "T", MediaType: "text/markdown; charset=utf-8", Tags: []string{"x"}, ACL: []string{"g"}}, Text: "Two."},
		{Item: Item{ID: "file", URI: "kb/docs/a.md", Name: "docs/a.md"}, Text: "# A\n"},
		{Item: Item{ID: "missing", URI: "u", Name: "docs/b.md"}, Err: "open docs/b.md: file does not exist"},
		{Item: Item{ID: "dir", URI: "kb/docs", Name: "docs"}, Err: "docs is not a regular file"},
		{Item: Item{ID: "gone", Deleted: true}},
		{Item: Item{ID: "one", MediaType: plain}, Text: "third"},
	}
	for range 2 { // a source is listed more than once
		var all []got
		for item, err := range f.Items(t.Context()) {
			g := got{Item: item}
			if err != nil {
				g.Err = err.Error()
			} else if item.Open != nil {
				r, err := item.Open()
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(r)
				if err != nil || r.Close() != nil {
					t.Fatal(err)
				}
				g.Text = string(b)
			}
			g.Item.Open, g.Item.Info = nil, nil
			all = append(all, g)
		}
		if d := cmp.Diff(want, all, cmpopts.IgnoreUnexported(Item{})); d != "" {
			t.Errorf("items (-want +got):\n%s", d)
		}
	}
	for range f.Items(t.Context()) {
		break // the source must not go on
	}
	if got := list(t, feed(t, FeedOptions{})); got != nil {
		t.Errorf("an empty feed lists %q", got)
	}
}

// All of a feed is checked, and nothing of one with a wrong line is listed.
func TestFeedRefuses(t *testing.T) {
	var lines []string
	for i := range 30 {
		lines = append(lines, fmt.Sprintf(`{"id":"%d","text":"x"}`, i), fmt.Sprintf(`{"id":"%d"}`, i))
	}
	_, err := NewFeed(t.Context(), written(t, strings.Join(lines, "\n")), FeedOptions{Name: "f"})
	const problem = ` "text" is missing, and so is "path"; a document that is not deleted has one of them`
	var want strings.Builder
	want.WriteString("check the feed: ")
	for i := range 20 {
		fmt.Fprintf(&want, "f:%d:%s\n", 2*i+2, problem)
	}
	want.WriteString("and 10 more lines")
	if !errors.Is(err, ErrFeed) || err.Error() != want.String() {
		t.Errorf("error %v, want %s", err, want.String())
	}
	var one *FeedError
	if !errors.As(err, &one) || one.Line != 2 || one.Field != "text" {
		t.Errorf("first fault %+v", one)
	}
	_, err = NewFeed(t.Context(), written(t, `{"id":"a","path":"b"}`), FeedOptions{Name: "-"})
	if err == nil || err.Error() != `check the feed: -:1: "path" names a file, but no root of the feed is given to find it in` {
		t.Errorf("a path without a root: %v", err)
	}
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if _, err := NewFeed(t.Context(), dir, FeedOptions{Name: "d"}); err == nil || err.Error() != "check the feed: d is not a regular file" {
		t.Errorf("a directory: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewFeed(ctx, written(t, lines[0]), FeedOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for _, err := range feed(t, FeedOptions{}, lines[0]).Items(ctx) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
}

func TestFeedLineLength(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long under the race detector, which has nothing to find here")
	}
	const frame = len(`{"id":"a","text":""}`)
	line := func(n int) string { return `{"id":"a","text":"` + strings.Repeat("x", n-frame) + `"}` }
	for _, content := range []string{line(MaxFeedLineBytes), "\ufeff" + line(MaxFeedLineBytes) + "\r\n"} {
		f, err := NewFeed(t.Context(), written(t, content), FeedOptions{Name: "f"})
		if err != nil || f.Documents() != 1 {
			t.Errorf("a line of the length allowed: %v", err)
		}
	}
	for _, n := range []int{MaxFeedLineBytes + 1, 2*MaxFeedLineBytes + 1} {
		_, err := NewFeed(t.Context(), written(t, line(n)+"\n{\n"), FeedOptions{Name: "f"})
		want := "check the feed: f:1: the line is longer than 33554432 bytes; give a text of that length by \"path\"\n" +
			"f:2: the line is not valid JSON: the line ends inside the object"
		if err == nil || err.Error() != want {
			t.Errorf("a line of %d bytes: %v", n, err)
		}
	}
}

// A path stays in the root, whatever links say.
func TestFeedStaysInItsRoot(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	for name, data := range map[string]string{filepath.Join(outside, "secret.txt"): "secret", filepath.Join(dir, "ok.txt"): "fine"} {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"file.txt": filepath.Join(outside, "secret.txt"), "dir": outside, "inside.txt": "ok.txt"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f := feed(t, FeedOptions{Files: RootFS(root)},
		`{"id":"1","path":"file.txt"}`, `{"id":"2","path":"dir/secret.txt"}`, `{"id":"3","path":"ok.txt"}`, `{"id":"4","path":"inside.txt"}`)
	if got := list(t, f); !slices.Equal(got, []string{"1!", "2!", "3", "4"}) {
		t.Errorf("ids %q: a link leads out of the root", got)
	}
}

// A feed that changes after it was checked ends the list, however it changed.
func TestFeedChanges(t *testing.T) {
	line := func(i int, s string) string { return fmt.Sprintf(`{"id":"%04d","text":"%s"}`+"\n", i, s) }
	var content strings.Builder
	for i := range 10_000 { // more than a reader keeps in memory
		content.WriteString(line(i, "some text"))
	}
	size := len(line(0, "some text"))
	for name, change := range map[string]func(f *os.File) error{
		"grown":   func(f *os.File) error { _, err := f.WriteString(line(0, "more")); return err },
		"cut":     func(f *os.File) error { return f.Truncate(int64(size)) },
		"touched": func(f *os.File) error { return os.Chtimes(f.Name(), time.Time{}, time.Unix(1, 0)) },
		"same size and time": func(f *os.File) error {
			info, err := f.Stat()
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte(line(0, "any  text")), 0)
			return errors.Join(err, os.Chtimes(f.Name(), time.Time{}, info.ModTime()))
		},
		"no JSON, same size and time": func(f *os.File) error {
			info, err := f.Stat()
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte("["), 0)
			return errors.Join(err, os.Chtimes(f.Name(), time.Time{}, info.ModTime()))
		},
	} {
		for _, after := range []int{0, 1} { // documents that are listed before the change
			file := written(t, content.String())
			f, err := NewFeed(t.Context(), file, FeedOptions{Name: "f"})
			if err != nil {
				t.Fatal(err)
			}
			apply := func() {
				if err := change(file); err != nil {
					t.Fatal(err)
				}
			}
			if after == 0 {
				apply()
			}
			n, last := 0, error(nil)
			for item, err := range f.Items(t.Context()) {
				if last != nil {
					t.Errorf("%s: the list goes on with %q after an error", name, item.ID)
				}
				if last = err; err != nil {
					continue
				}
				if n++; n == after {
					apply()
				}
			}
			switch want := "read the feed: f changed while it was being read; ingest it again once it is complete"; {
			case after == 1 && strings.Contains(name, "same size"): // what was changed had been read before
			case last == nil || last.Error() != want:
				t.Errorf("%s after %d documents: %v", name, after, last)
			}
		}
	}
}

// Nothing about a line is kept once it has passed.
func TestFeedMemory(t *testing.T) {
	const documents = 50_000
	file := written(t, "")
	var b bytes.Buffer
	for i := range documents {
		fmt.Fprintf(&b, `{"id":"https://intranet.example.com/articles/%08d","text":"The text of article %d."}`+"\n", i, i)
	}
	if _, err := file.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	b = bytes.Buffer{}
	live := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := live()
	f, err := NewFeed(t.Context(), file, FeedOptions{Name: "f"})
	if err != nil {
		t.Fatal(err)
	}
	checked, halfway, n := live(), int64(0), 0
	for _, err := range f.Items(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == documents/2 {
			halfway = live()
		}
	}
	const most = 512 << 10 // half of it is a buffer; an index of the lines would take more
	if n != documents || checked-before > most || halfway-before > most {
		t.Errorf("%d documents; %d bytes kept after the check, %d in the middle of the list", n, checked-before, halfway-before)
	}
}

// A feed that holds the files of a directory makes the same index as the
// directory, whether it has their text or names them.
func TestFeedEqualsDirectory(t *testing.T) {
	fsys := fstest.MapFS{
		"a.md":          {Data: []byte("---\ntitle: Alpha\n---\n# Erstes\n\nÜber die Brücke.\r\n\r\n## Zweites\n\n" + para("Straßen", 6))},
		"b/plain.txt":   {Data: []byte("\ttabs \"quotes\" \\ backslashes\u2028 and </script> \U0001F642\n\n" + para("plain", 3))},
		"b/page.html":   {Data: []byte("<html><head><meta charset=\"iso-8859-1\"><title>Page</title></head><body><h1>Überschrift</h1><p>Text.</p></body></html>")},
		"c/table.csv":   {Data: []byte("part,price\nA-1,3\n\"B, 2\",4\n")},
		"c/data.json":   {Data: []byte(`{"name":"valve","sizes":[1,2,3]}`)},
		"c/lines.jsonl": {Data: []byte("{\"a\":1}\n{\"a\":2}\n")},
		"d/main.go":     {Data: []byte("package main\n\nfunc main() {\n\tprintln(\"x\")\n}\n")},
		"empty.txt":     {},
	}
	o := FSOptions{URIPrefix: "file:///kb/"}
	build := func(src Source) (*index.Generation, Summary) {
		t.Helper()
		c := dial(t, index.Options{InMemory: true})
		e := &hashed{}
		g := generation(t, c, e)
		s, err := worker(t, g, Options{Embedder: e, Extractor: InProcess{}}).Run(t.Context(), src)
		if err != nil {
			t.Fatal(err)
		}
		return g, s
	}
	errorText := cmp.Comparer(func(a, b error) bool { return a.Error() == b.Error() })
	wantIndex, wantSummary := build(FS(fsys, o))
	want := dump(t, wantIndex)

	var byPath, byText []string
	for r, err := range wantIndex.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		l := feedLine{ID: r.Doc, Path: string(r.Doc)}
		byPath = append(byPath, string(l.json(t)))
		l = feedLine{ID: r.Doc, URI: r.URI, Text: string(fsys[string(r.Doc)].Data), MediaType: r.MediaType}
		byText = append(byText, string(l.json(t)))
	}
	slices.Sort(byPath)
	slices.Sort(byText)

	g, s := build(feed(t, FeedOptions{Files: fsys, URIPrefix: o.URIPrefix}, byPath...))
	if d := cmp.Diff(want, dump(t, g)); d != "" {
		t.Errorf("a feed of paths (-directory +feed):\n%s", d)
	}
	if d := cmp.Diff(wantSummary, s, errorText); d != "" {
		t.Errorf("summary of a feed of paths (-directory +feed):\n%s", d)
	}

	g, s = build(feed(t, FeedOptions{}, byText...))
	if d := cmp.Diff(wantSummary, s, errorText); d != "" {
		t.Errorf("summary of a feed of texts (-directory +feed):\n%s", d)
	}
	for want, err := range wantIndex.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got, err := g.Record(t.Context(), want.Doc)
		if err != nil {
			t.Fatal(err)
		}
		// That the media type was declared is an input, but it changes nothing.
		ignore := cmpopts.IgnoreFields(index.Record{}, "InputSHA256", "FailedSHA256", "IngestedAt")
		if want.State != index.Indexed {
			ignore = cmpopts.IgnoreFields(index.Record{}, "InputSHA256", "FailedSHA256", "IngestedAt", "MediaType")
		}
		if d := cmp.Diff(want, got, ignore); d != "" {
			t.Errorf("record of a text (-directory +feed):\n%s", d)
		}
		wantChunks, err := wantIndex.Chunks(t.Context(), want.Doc)
		if err != nil {
			t.Fatal(err)
		}
		chunks, err := g.Chunks(t.Context(), want.Doc)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(wantChunks, chunks); d != "" {
			t.Errorf("chunks of %s (-directory +feed):\n%s", want.Doc, d)
		}
	}
}

// The life of a collection that is fed, feed by feed.
func TestFeedIncremental(t *testing.T) {
	wire := &cut{left: -1}
	c := dial(t, index.Options{Interceptors: []grpc.UnaryClientInterceptor{wire.intercept}})
	name := collection(t, c)
	e := &hashed{}
	step := func(what string, want Summary, writes bool, lines ...string) {
		t.Helper()
		wire.count()
		b, err := Build(t.Context(), c, plan(name), feed(t, FeedOptions{Files: fstest.MapFS{"bad.pdf": {Data: []byte("%PDF-1.4\nno more")}}}, lines...), Options{Embedder: e, Extractor: InProcess{}})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if d := cmp.Diff(want, b.Summary, cmpopts.IgnoreFields(Summary{}, "Chunks", "Tokens", "Embedded", "Failures", "Vanished")); d != "" {
			t.Errorf("%s: summary (-want +got):\n%s", what, d)
		}
		if n := wire.count(); n > 0 != writes {
			t.Errorf("%s: %d writing calls", what, n)
		}
		for _, f := range b.Summary.Failures {
			if f.Doc != "bad" || f.Reason != extract.ReasonDamaged {
				t.Errorf("%s: failure %+v", what, f)
			}
		}
	}
	first := []string{
		`{"id":"never","deleted":true}`,
		`{"id":"a","text":"The first document.","meta":{"n":1},"acl":["g"]}`,
		`{"id":"b","text":"The second document."}`,
		`{"id":"bad","path":"bad.pdf"}`,
	}
	step("first", Summary{Documents: 4, Indexed: 2, Unchanged: 1, Failed: 1, Quarantined: 1}, true, first...)
	step("again", Summary{Documents: 4, Unchanged: 3, Failed: 1, Quarantined: 1, Skipped: 1}, false, first...)
	step("a change alone", Summary{Documents: 1, Replaced: 1}, true, `{"id":"a","text":"The first document, changed.","meta":{"n":1},"acl":["g"]}`)
	step("who may see it", Summary{Documents: 1, Replaced: 1}, true, `{"id":"a","text":"The first document, changed.","meta":{"n":1},"acl":["g","h"]}`)
	step("typed metadata", Summary{Documents: 1, Replaced: 1}, true, `{"id":"a","text":"The first document, changed.","meta":{"n":"1"},"acl":["g","h"]}`)
	step("gone", Summary{Documents: 2, Removed: 2}, true, `{"id":"b","deleted":true}`, `{"id":"bad","deleted":true}`)
	step("gone twice", Summary{Documents: 2, Unchanged: 2}, false, `{"id":"b","deleted":true}`, `{"id":"bad","deleted":true}`)
	step("nothing new", Summary{}, false)
	step("back", Summary{Documents: 1, Indexed: 1}, true, `{"id":"b","deleted":true}`, `{"id":"b","text":"The second document."}`)

	g, err := c.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	var docs []text.DocID
	for r, err := range g.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, r.Doc)
	}
	slices.Sort(docs)
	if !slices.Equal(docs, []text.DocID{"a", "b"}) {
		t.Errorf("stored in the end: %q", docs)
	}
	dump(t, g)
}

// BenchmarkFeed checks and lists feeds: many short documents, and fewer of the
// length of a page. The speed is that of the feed's bytes, which are read twice.
func BenchmarkFeed(b *testing.B) {
	for _, size := range []int{100, 4000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			var content strings.Builder
			for i := 0; content.Len() < 16<<20; i++ {
				l := feedLine{ID: text.DocID(fmt.Sprintf("article-%08d", i)), Text: strings.Repeat("A line of \"text\".\n", size/20)}
				content.Write(l.json(b))
				content.WriteByte('\n')
			}
			file := written(b, content.String())
			b.SetBytes(int64(content.Len()))
			b.ReportAllocs()
			for b.Loop() {
				f, err := NewFeed(b.Context(), file, FeedOptions{Name: "f"})
				if err != nil {
					b.Fatal(err)
				}
				for _, err := range f.Items(b.Context()) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
