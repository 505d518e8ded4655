package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/text"
)

// The life of a collection, run by run.
func TestIncremental(t *testing.T) {
	wire := &cut{left: -1}
	c := dial(t, index.Options{Interceptors: []grpc.UnaryClientInterceptor{wire.intercept}})
	e := &hashed{}
	g := generation(t, c, e)
	w := worker(t, g, Options{Embedder: e, Extractor: InProcess{}})
	pruning := worker(t, g, Options{Embedder: e, Extractor: InProcess{}, Prune: true})
	wire.count()

	fsys := fstest.MapFS{
		"a.md":      {Data: []byte("# Alpha\n\nThe first document is short.\n")},
		"b.txt":     {Data: []byte(para("bees", 4))},
		"sub/c.csv": {Data: []byte("part,price\nA-1,3\nB-2,4\n")},
		"bad.bin":   {Data: []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00")},
		"empty.txt": {},
	}
	src := FS(fsys, FSOptions{URIPrefix: "file:///kb/"})
	ignore := cmpopts.IgnoreFields(Summary{}, "Chunks", "Tokens", "Embedded", "Failures")
	step := func(name string, w *Worker, src Source, want Summary, writes bool) Summary {
		t.Helper()
		got, err := w.Run(t.Context(), src)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, got, ignore); d != "" {
			t.Errorf("%s: summary (-want +got):\n%s", name, d)
		}
		if n := e.embedded(); n != got.Embedded || n != got.Chunks {
			t.Errorf("%s: %d texts embedded, summary says %d of %d chunks", name, n, got.Embedded, got.Chunks)
		}
		if n := wire.count(); (n > 0) != writes {
			t.Errorf("%s: %d writing calls", name, n)
		}
		if len(got.Failures) != got.Failed || got.Documents != got.Indexed+got.Replaced+got.Unchanged+got.Failed {
			t.Errorf("%s: the counts of %+v do not add up", name, got)
		}
		return got
	}

	s := step("first", w, src, Summary{Documents: 5, Indexed: 3, Failed: 2, Quarantined: 2}, true)
	for i, want := range []struct {
		doc text.DocID
		err error
	}{{"bad.bin", extract.ErrUnsupported}, {"empty.txt", extract.ErrEmpty}} {
		if f := s.Failures[i]; f.Doc != want.doc || !errors.Is(f.Err, want.err) || f.Kept {
			t.Errorf("failure %d is %+v, want %s with %v", i, f, want.doc, want.err)
		}
	}
	if r, err := g.Record(t.Context(), "bad.bin"); err != nil || r.State != index.Quarantined || !strings.Contains(r.Error, "bad.bin") {
		t.Errorf("record of a failed document: %+v, %v", r, err)
	}
	if got, r, err := g.Text(t.Context(), "b.txt"); err != nil || got != para("bees", 4) || r.URI != "file:///kb/b.txt" || r.IngestedAt.IsZero() {
		t.Errorf("b.txt is %q, %+v, %v", got, r, err)
	}
	first := dump(t, g)

	step("again", w, src, Summary{Documents: 5, Unchanged: 3, Failed: 2, Quarantined: 2, Skipped: 2}, false)
	if d := cmp.Diff(first, dump(t, g)); d != "" {
		t.Errorf("a run over an unchanged source changed (-before +after):\n%s", d)
	}

	fsys["a.md"] = &fstest.MapFile{Data: []byte("# Alpha\n\nThe first document has changed.\n")}
	fsys["d.txt"] = &fstest.MapFile{Data: []byte("A fourth document.")}
	fsys["empty.txt"] = &fstest.MapFile{Data: []byte("No longer empty.")}
	step("changed", w, src, Summary{Documents: 6, Indexed: 2, Replaced: 1, Unchanged: 2, Failed: 1, Quarantined: 1, Skipped: 1}, true)
	if got, _, err := g.Text(t.Context(), "a.md"); err != nil || !strings.Contains(got, "has changed") {
		t.Errorf("a.md is %q, %v", got, err)
	}

	delete(fsys, "b.txt")
	delete(fsys, "bad.bin")
	step("vanished", w, src, Summary{Documents: 4, Unchanged: 4, Vanished: 2}, false)
	if _, err := g.Record(t.Context(), "b.txt"); err != nil {
		t.Errorf("without Prune: %v", err)
	}
	step("pruned", pruning, src, Summary{Documents: 4, Unchanged: 4, Removed: 2}, true)
	for _, doc := range []text.DocID{"b.txt", "bad.bin"} {
		if _, err := g.Record(t.Context(), doc); !errors.Is(err, index.ErrNoDocument) {
			t.Errorf("%s after pruning: %v", doc, err)
		}
	}
	dump(t, g)

	if _, err := pruning.Run(t.Context(), Documents(nil)); err == nil || !strings.Contains(err.Error(), "refusing to remove all 4") {
		t.Errorf("pruning with an empty source: %v", err)
	}
	step("empty source", w, Documents(nil), Summary{Vanished: 4}, false)
}

// A document that fails keeps what was stored of it.
func TestFailureKeepsOldVersion(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	g := generation(t, c, e)
	w := worker(t, g, Options{Embedder: e, Extractor: InProcess{}})
	run := func(src Source) Summary {
		t.Helper()
		s, err := w.Run(t.Context(), src)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	good := texts("a", "The good version.", "b", "Another.")
	run(good)
	before := dump(t, g)
	bad := Documents([]Item{broken("a"), Text("b", "", "Another.")})
	for range 2 {
		s := run(bad)
		if s.Failed != 1 || !s.Failures[0].Kept || s.Unchanged != 1 {
			t.Errorf("summary %+v", s)
		}
		got, r, err := g.Text(t.Context(), "a")
		if err != nil || got != "The good version." || r.State != index.Indexed || !strings.Contains(r.Error, "bad sector") {
			t.Errorf("Text = %q, %+v, %v", got, r, err)
		}
	}
	if s := run(good); s.Replaced != 1 {
		t.Errorf("summary after it is good again %+v", s)
	}
	if d := cmp.Diff(before, dump(t, g)); d != "" {
		t.Errorf("afterwards (-before +after):\n%s", d)
	}
}

// Whatever the caller says about a document is stored, and a change of it is a
// change of the document.
func TestEveryInputCounts(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	g := generation(t, c, e)
	w := worker(t, g, Options{Embedder: e, Extractor: InProcess{}})
	base := func() Item {
		return Item{ID: "d", URI: "u", Name: "d.txt", Title: "T", Tags: []string{"x"}, Meta: meta.Fields{"k": meta.OfString("v")}, Open: Bytes([]byte("Some text."))}
	}
	put := func(item Item) Result {
		t.Helper()
		r, err := w.Put(t.Context(), item)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := put(base()); r.Outcome != Indexed {
		t.Fatalf("first: %+v", r)
	}
	for name, change := range map[string]func(*Item){
		"uri":        func(i *Item) { i.URI = "v" },
		"name":       func(i *Item) { i.Name = "d.md" },
		"media type": func(i *Item) { i.MediaType = "text/markdown" },
		"title":      func(i *Item) { i.Title = "Other" },
		"tags":       func(i *Item) { i.Tags = []string{"x", "y"} },
		"meta":       func(i *Item) { i.Meta = meta.Fields{"k": meta.OfString("w")} },
		"types":      func(i *Item) { i.Meta = meta.Fields{"k": meta.OfStrings([]string{"v"}), "n": meta.OfInteger(3)} },
		"no labels":  func(i *Item) { i.Tags, i.Meta = nil, nil },
		"acl":        func(i *Item) { i.ACL = []string{"group:a"} },
		"bytes":      func(i *Item) { i.Open = Bytes([]byte("Other text.")) },
	} {
		put(base())
		if r := put(base()); r.Outcome != Unchanged {
			t.Errorf("%s: unchanged document is %s", name, r.Outcome)
		}
		item := base()
		change(&item)
		e.embedded()
		r := put(item)
		// Labels are not indexed, and where the document came from is in its record alone.
		if n, inChunks := e.embedded(), slices.Contains([]string{"title", "bytes"}, name); n > 0 != inChunks {
			t.Errorf("%s: %d chunks embedded", name, n)
		}
		if r.Outcome != Replaced {
			t.Errorf("%s: changed document is %s", name, r.Outcome)
		}
		stored, err := g.Record(t.Context(), "d")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r.Record, stored); d != "" {
			t.Errorf("%s: Put's record and the stored one (-put +stored):\n%s", name, d)
		}
		if stored.URI != item.URI || stored.Title != item.Title || !slices.Equal(stored.Tags, item.Tags) || !cmp.Equal(stored.Meta, item.Meta) || !slices.Equal(stored.ACL, item.ACL) {
			t.Errorf("%s: record %+v", name, stored)
		}
		chunks, err := g.Chunks(t.Context(), "d")
		if err != nil || !slices.Equal(chunks[0].Tags, item.Tags) || !cmp.Equal(chunks[0].Meta, item.Meta) || !slices.Equal(chunks[0].ACL, item.ACL) || chunks[0].MediaType != stored.MediaType {
			t.Errorf("%s: chunk %+v, %v", name, chunks, err)
		}
	}
}

func TestBadMetadataIsTheDocumentsFailure(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	g := generation(t, c, e)
	w := worker(t, g, Options{Embedder: e, Extractor: InProcess{}})
	tag, field, title, id := Text("tag", "", "x y"), Text("meta", "", "x y"), Text("title", "\xff", "x y"), Text("i\xff", "", "x y")
	tag.Tags = []string{"\xff"}
	field.Meta = meta.Fields{`q"`: meta.OfString("")}
	s, err := w.Run(t.Context(), Documents([]Item{tag, field, title, id, Text("good", "", "x y")}))
	if err != nil || s.Failed != 4 || s.Indexed != 1 {
		t.Fatalf("summary %+v, %v", s, err)
	}
	for _, f := range s.Failures {
		if !errors.Is(f.Err, index.ErrInvalid) && !errors.Is(f.Err, meta.ErrInvalid) {
			t.Errorf("%q: %v", f.Doc, f.Err)
		}
	}
	if r, err := g.Record(t.Context(), "meta"); err != nil || r.State != index.Failed || r.Meta != nil {
		t.Errorf("record %+v, %v", r, err)
	}
}

func TestDuplicateIDs(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	w := worker(t, generation(t, c, e), Options{Embedder: e, Extractor: InProcess{}})
	s, err := w.Run(t.Context(), texts("a", "The first.", "b", "Between.", "a", "The second."))
	if err != nil || s.Indexed != 2 || s.Failed != 1 || !strings.Contains(s.Failures[0].Err.Error(), "listed twice") {
		t.Errorf("summary %+v, %v", s, err)
	}
	if got, _, err := w.Generation().Text(t.Context(), "a"); err != nil || got != "The first." {
		t.Errorf("Text = %q, %v", got, err)
	}
}

func TestSourceErrors(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	w := worker(t, generation(t, c, e), Options{Embedder: e, Extractor: InProcess{}, Prune: true})
	if _, err := w.Run(t.Context(), texts("old", "Stored before.", "odd", "Also.")); err != nil {
		t.Fatal(err)
	}
	odd := errors.New("permission denied")
	src := seq(func(yield func(Item, error) bool) {
		_ = yield(Item{ID: "odd"}, odd) && yield(Text("new", "", "Fine."), nil)
	})
	s, err := w.Run(t.Context(), src)
	if err != nil || s.Failed != 1 || !s.Failures[0].Kept || s.Indexed != 1 || s.Removed != 1 {
		t.Errorf("summary %+v, %v", s, err)
	}
	// When the list itself fails nothing is pruned.
	gone := errors.New("disk gone")
	for _, src := range []Source{
		seq(func(yield func(Item, error) bool) { yield(Item{}, gone) }),
		seq(func(yield func(Item, error) bool) { _ = yield(Text("new", "", "Fine."), nil) && yield(Item{}, gone) }),
	} {
		if _, err := w.Run(t.Context(), src); !errors.Is(err, gone) {
			t.Errorf("Run = %v, want %v", err, gone)
		}
	}
	if _, err := w.Run(t.Context(), Documents([]Item{{}})); err == nil || !strings.Contains(err.Error(), "without an id") {
		t.Errorf("Run = %v", err)
	}
	if _, err := w.Generation().Record(t.Context(), "odd"); err != nil {
		t.Errorf("pruned after a failed list: %v", err)
	}
}

// Of two batches that are stored at once one fails. The other is not called off,
// after which it might still be applied when the run is over: it is stored as a whole.
func TestFailedBatchLeavesTheOther(t *testing.T) {
	var upserts atomic.Int32
	both, ended := make(chan struct{}), make(chan struct{})
	fail := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if method == qdrant.Points_Upsert_FullMethodName {
			switch upserts.Add(1) {
			case 1:
				<-both
				return status.Error(codes.FailedPrecondition, "disk full")
			case 2:
				close(both)
				<-ended
			}
		}
		return next(ctx, method, req, reply, cc, opts...)
	}
	c := dial(t, index.Options{Interceptors: []grpc.UnaryClientInterceptor{fail}})
	e := &hashed{}
	g := generation(t, c, e)
	src := ending{Documents([]Item{Text("a", "", "One."), Text("b", "", "Two.")}), ended}
	_, err := worker(t, g, Options{Embedder: e, Extractor: InProcess{}, BatchChunks: 1}).Run(t.Context(), src)
	if status.Code(err) != codes.FailedPrecondition {
		t.Errorf("Run = %v, want that the disk is full", err)
	}
	if s, err := g.Stats(t.Context()); err != nil || s.Documents != 1 || s.Chunks != 1 || s.Hidden != 0 {
		t.Errorf("Stats = %+v, %v, want one document", s, err)
	}
}

// ending is a source that goes on after its documents until it is told to end.
type ending struct {
	Source
	ended chan struct{} // closed then
}

func (s ending) Items(ctx context.Context) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for item, err := range s.Source.Items(ctx) {
			if !yield(item, err) {
				return
			}
		}
		<-ctx.Done()
		close(s.ended)
	}
}

type seq func(yield func(Item, error) bool)

func (s seq) Items(context.Context) iter.Seq2[Item, error] { return iter.Seq2[Item, error](s) }

// many returns n documents of different sizes, some of them broken.
func many(n int, tag string) Source {
	var items []Item
	for i := range n {
		id := text.DocID(fmt.Sprintf("doc-%03d", i))
		if i%7 == 3 {
			items = append(items, broken(id))
			continue
		}
		items = append(items, Text(id, fmt.Sprint("Title ", i), para(fmt.Sprintf("%s %d", tag, i%5), i*i%11+1)))
	}
	return Documents(items)
}

// Workers and batch sizes change nothing about what is stored, or about the
// order in which documents are finished.
func TestDeterminism(t *testing.T) {
	type result struct {
		Dump   string
		Events []string
	}
	var want result
	var sum Summary
	for _, o := range []Options{{Workers: 1}, {Workers: 8}, {Workers: 3, BatchChunks: 1}, {Workers: 2, BatchChunks: 4096}} {
		o.Extractor = InProcess{}
		c := dial(t, index.Options{InMemory: true})
		o.Embedder = &hashed{max: 14}
		var got result
		o.OnEvent = func(e Event) {
			if e.Doc != "" {
				got.Events = append(got.Events, fmt.Sprint(e.Doc, e.Outcome, e.Chunks, e.Tokens, e.Err))
			}
		}
		g := generation(t, c, o.Embedder)
		s, err := worker(t, g, o).Run(t.Context(), many(40, "v1"))
		if err != nil {
			t.Fatal(err)
		}
		got.Dump = dump(t, g)
		if want.Dump == "" {
			want, sum = got, s
			continue
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%+v: (-want +got):\n%s", o, d)
		}
		if d := cmp.Diff(sum, s, cmp.Comparer(func(a, b error) bool { return a.Error() == b.Error() })); d != "" {
			t.Errorf("%+v: summary (-want +got):\n%s", o, d)
		}
	}
	if len(want.Events) != 40 || sum.WindowSplits == 0 || sum.Failed == 0 {
		t.Errorf("%d events, summary %+v: the test misses what it is for", len(want.Events), sum)
	}
}

func TestProgress(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	var last Event
	o := Options{Embedder: e, Extractor: InProcess{}, BatchChunks: 5, OnEvent: func(e Event) {
		if e.Documents < last.Documents || e.ChunksFound < last.ChunksFound || e.ChunksEmbedded < last.ChunksEmbedded {
			t.Errorf("totals fall from %+v to %+v", last, e)
		}
		if e.ChunksEmbedded > e.ChunksFound {
			t.Errorf("more embedded than found: %+v", e)
		}
		last = e
	}}
	s, err := worker(t, generation(t, c, e), o).Run(t.Context(), many(20, "x"))
	if err != nil || last.Documents != 20 || last.ChunksFound != s.Chunks || last.ChunksEmbedded != s.Chunks {
		t.Errorf("last event %+v, summary %+v, %v", last, s, err)
	}
}

// Later documents are extracted while earlier ones are being embedded, but not
// without bound.
func TestExtractionRunsAheadWithinBounds(t *testing.T) {
	c := dial(t, index.Options{})
	var opened atomic.Int64
	ahead := make(chan struct{})
	var items []Item
	for i := range 200 {
		item := Text(text.DocID(fmt.Sprintf("d%03d", i)), "", fmt.Sprintf("Document number %d.", i))
		open := item.Open
		item.Open = func() (io.ReadCloser, error) {
			if opened.Add(1) == 4 {
				close(ahead)
			}
			return open()
		}
		items = append(items, item)
	}
	e := &hashed{}
	most := int64(0)
	e.breach = func(texts []string, v [][]float32) ([][]float32, error) {
		<-ahead // documents behind the batch in hand are opened while it is embedded
		most = max(most, opened.Load()-int64(len(e.count)))
		return v, nil
	}
	w := worker(t, generation(t, c, e), Options{Embedder: e, Extractor: InProcess{}, Workers: 2, BatchChunks: 1})
	if _, err := w.Run(t.Context(), Documents(items)); err != nil {
		t.Fatal(err)
	}
	// The queue holds 2 per worker, and each stage one in its hands.
	if most > 2*2+2+2 {
		t.Errorf("extraction ran %d documents ahead", most)
	}
}

func TestPutAndDelete(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	w := worker(t, generation(t, c, e), Options{Embedder: e, Extractor: InProcess{}})
	ctx := t.Context()
	r, err := w.Put(ctx, Text("d", "T", para("x", 3)))
	if err != nil || r.Outcome != Indexed || r.Record.ChunkCount == 0 || r.Record.Tokens == 0 || r.Record.IngestedAt.IsZero() {
		t.Errorf("Put = %+v, %v", r, err)
	}
	r, err = w.Put(ctx, broken("d"))
	if err != nil || r.Outcome != Failed || r.Err == nil || r.Record.State != index.Indexed || r.Record.Error == "" {
		t.Errorf("Put of a broken version = %+v, %v", r, err)
	}
	r, err = w.Put(ctx, broken("new"))
	if err != nil || r.Outcome != Failed || r.Record.State != index.Failed {
		t.Errorf("Put of a broken document = %+v, %v", r, err)
	}
	r, err = w.Put(ctx, Text("", "", "x"))
	if err != nil || r.Outcome != Failed || !errors.Is(r.Err, index.ErrInvalid) {
		t.Errorf("Put without an id = %+v, %v", r, err)
	}
	if ok, err := w.Delete(ctx, "d"); !ok || err != nil {
		t.Errorf("Delete = %v, %v", ok, err)
	}
	if ok, err := w.Delete(ctx, "d"); ok || err != nil {
		t.Errorf("second Delete = %v, %v", ok, err)
	}
}

func TestNewWorkerRefuses(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	good := fixed(e)
	for name, tt := range map[string]struct {
		change func(*index.Recipe)
		o      Options
		want   string
		recipe bool
	}{
		"embedder":  {func(r *index.Recipe) { r.Embedder.Fingerprint = "x" }, Options{Embedder: e, Extractor: InProcess{}}, "embedder: stored hashed", true},
		"extractor": {func(r *index.Recipe) { r.Extractor = "0" }, Options{Embedder: e, Extractor: InProcess{}}, "extractor version: stored 0", true},
		"strategy":  {func(r *index.Recipe) { r.Chunker.Strategy = "magic" }, Options{Embedder: e, Extractor: InProcess{}}, `strategy is "magic"`, false},
		"tokenizer": {func(r *index.Recipe) { r.Chunker.Tokenizer = "x" }, Options{Embedder: e, Extractor: InProcess{}}, "x", false},
		"size":      {func(r *index.Recipe) { r.Chunker.SizeTokens = 1 }, Options{Embedder: e, Extractor: InProcess{}}, "16 to 8192", false},
		"none":      {func(*index.Recipe) {}, Options{}, "no embedder", false},
		"workers":   {func(*index.Recipe) {}, Options{Embedder: e, Extractor: InProcess{}, Workers: -1}, "workers", false},
		"batch":     {func(*index.Recipe) {}, Options{Embedder: e, Extractor: InProcess{}, BatchChunks: 4097}, "1 to 4096", false},
	} {
		r := good
		tt.change(&r)
		g, err := c.Create(t.Context(), collection(t, c), r)
		if err != nil {
			t.Fatal(err)
		}
		_, err = NewWorker(g, tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, index.ErrRecipe) != tt.recipe {
			t.Errorf("%s: NewWorker = %v", name, err)
		}
	}
}
