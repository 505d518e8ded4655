package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/text"
)

func TestPutAndRead(t *testing.T) {
	c := dial(t, Options{})
	g := create(t, c)
	a := document("a.txt", "r1", "alpha beta", "gämma 日本", "delta")
	b := document("b.txt", "r1", "alpha beta")
	if err := g.Put(t.Context(), a.Record, a.Points); err != nil {
		t.Fatal(err)
	}
	put(t, g, b)

	s, r, err := g.Text(t.Context(), "a.txt")
	if err != nil || s != fullText(a) {
		t.Errorf("Text = %q, %v, want %q", s, err, fullText(a))
	}
	want := a.Record
	want.ChunkCount, want.Tokens = 3, len("alpha beta")+len("gämma 日本")+len("delta")
	if d := cmp.Diff(want, r); d != "" {
		t.Errorf("record (-want +got):\n%s", d)
	}
	chunks, err := g.Chunks(t.Context(), "a.txt")
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range chunks {
		want := a.Points[i].Chunk // Put filled the ids in
		if want.ID == "" || want.Doc != "a.txt" || want.Rev != "r1" {
			t.Errorf("Put left chunk %d as %+v", i, want)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("chunk %d (-want +got):\n%s", i, d)
		}
	}
	records, err := g.Records(t.Context(), []text.DocID{"b.txt", "missing", "a.txt", "b.txt"})
	if err != nil || len(records) != 2 || records["b.txt"].ChunkCount != 1 {
		t.Errorf("Records = %v, %v", records, err)
	}
	if _, err := g.Record(t.Context(), "missing"); !errors.Is(err, ErrNoDocument) {
		t.Errorf("Record of nothing = %v", err)
	}
	if _, _, err := g.Text(t.Context(), "missing"); !errors.Is(err, ErrNoDocument) {
		t.Errorf("Text of nothing = %v", err)
	}
	stats, err := g.Stats(t.Context())
	if want := (Stats{Documents: 2, Chunks: 4, Tokens: want.Tokens + 10, Bytes: len(fullText(a)) + len(fullText(b))}); err != nil || stats != want {
		t.Errorf("Stats = %+v, %v, want %+v", stats, err, want)
	}
}

func TestReplace(t *testing.T) {
	c := dial(t, Options{})
	g := create(t, c)
	put(t, g, document("a", "r1", "one", "two", "three"), document("b", "r1", "four"), document("c", "r1", "five"))
	put(t, g, document("a", "r2", "one", "zwei"))
	if got, want := stored(t, g), []string{"five", "four", "one", "zwei"}; !slices.Equal(got, want) {
		t.Errorf("stored %q, want %q", got, want)
	}
	// Two documents of one batch swap their texts, and so their revisions.
	put(t, g, document("b", "r5", "five"), document("c", "r4", "four"))
	put(t, g, document("b", "r4", "four"), document("c", "r5", "five"))
	if got, want := stored(t, g), []string{"five", "four", "one", "zwei"}; !slices.Equal(got, want) {
		t.Errorf("after swapping stored %q, want %q", got, want)
	}
	failed := Entry{Record: Record{Doc: "c", State: Failed, Error: "broken"}}
	put(t, g, failed, document("d", "r1", "six"))
	if got, want := stored(t, g), []string{"four", "one", "six", "zwei"}; !slices.Equal(got, want) {
		t.Errorf("after a failure stored %q, want %q", got, want)
	}
	if _, r, err := g.Text(t.Context(), "c"); !errors.Is(err, ErrNoDocument) || r.Error != "broken" {
		t.Errorf("Text of a failed document = %+v, %v", r, err)
	}
	if chunks, err := g.Chunks(t.Context(), "c"); err != nil || len(chunks) != 0 {
		t.Errorf("Chunks of a failed document = %v, %v", chunks, err)
	}
}

func TestDelete(t *testing.T) {
	c := dial(t, Options{})
	g := create(t, c)
	put(t, g, document("a", "r1", "one", "two"), document("b", "r1", "three"), document("c", "r1", "four"))
	if ok, err := g.Delete(t.Context(), "a"); !ok || err != nil {
		t.Errorf("Delete = %v, %v", ok, err)
	}
	if ok, err := g.Delete(t.Context(), "a"); ok || err != nil {
		t.Errorf("second Delete = %v, %v", ok, err)
	}
	if got, want := stored(t, g), []string{"four", "three"}; !slices.Equal(got, want) {
		t.Errorf("stored %q, want %q", got, want)
	}
	if n, err := g.DeleteAll(t.Context(), []text.DocID{"x", "b", "c"}); n != 2 || err != nil {
		t.Errorf("DeleteAll = %d, %v", n, err)
	}
	if got := stored(t, g); len(got) != 0 {
		t.Errorf("stored %q, want nothing", got)
	}
	if _, err := g.Delete(t.Context(), "\xff"); !errors.Is(err, ErrInvalid) {
		t.Errorf("Delete of a bad id = %v", err)
	}
}

func TestPutRefuses(t *testing.T) {
	w := &wire{}
	c := dial(t, Options{Interceptors: w.option()})
	g := create(t, c)
	nan32, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, change := range map[string]func(*Entry){
		"empty id":           func(e *Entry) { e.Record.Doc = "" },
		"id not UTF-8":       func(e *Entry) { e.Record.Doc = "\xff" },
		"title not UTF-8":    func(e *Entry) { e.Record.Title = "\xff" },
		"no revision":        func(e *Entry) { e.Record.Rev = "" },
		"no chunks":          func(e *Entry) { e.Points = nil },
		"unknown state":      func(e *Entry) { e.Record.State = "pending" },
		"failed with chunks": func(e *Entry) { e.Record.State, e.Record.Error, e.Record.Rev = Failed, "x", "" },
		"failed, no error":   func(e *Entry) { e.Record.State, e.Record.Rev, e.Points = Failed, "", nil },
		"no reason":          func(e *Entry) { e.Record = Record{Doc: "a", State: Quarantined, Error: "x"}; e.Points = nil },
		"reason not UTF-8":   func(e *Entry) { e.Record.Reason = "\xff" },
		"hash not UTF-8":     func(e *Entry) { e.Record.FailedSHA256 = "\xff" },
		"meta key":           func(e *Entry) { e.Record.Meta = meta.Fields{`a"b`: meta.OfString("x")} },
		"no meta key":        func(e *Entry) { e.Record.Meta = meta.Fields{"": meta.OfString("x")} },
		"meta of no kind":    func(e *Entry) { e.Record.Meta = meta.Fields{"k": {}} },
		"meta NaN":           func(e *Entry) { e.Record.Meta = meta.Fields{"k": meta.OfFloat(math.NaN())} },
		"ACL":                func(e *Entry) { e.Record.ACL = []string{"\xff"} },
		"year":               func(e *Entry) { e.Record.Modified = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"tag":                func(e *Entry) { e.Record.Tags = []string{"\xff"} },
		"ordinal":            func(e *Entry) { e.Points[1].Chunk.Ordinal = 2 },
		"span too long":      func(e *Entry) { e.Points[0].Chunk.Span.End++ },
		"span in front":      func(e *Entry) { e.Points[0].Chunk.Span = text.RuneSpan{Start: -3, End: 0} },
		"empty chunk":        func(e *Entry) { c := &e.Points[0].Chunk; c.Text, c.Span.End = "", c.Span.Start },
		"text not UTF-8":     func(e *Entry) { e.Points[0].Chunk.Text = "on\xff" },
		"heading not UTF-8":  func(e *Entry) { e.Points[0].Chunk.Heading = []string{"\xff"} },
		"dimension":          func(e *Entry) { e.Points[1].Dense = e.Points[1].Dense[:3] },
		"no vector":          func(e *Entry) { e.Points[1].Dense = nil },
		"zero vector":        func(e *Entry) { e.Points[1].Dense = make([]float32, 4) },
		"NaN":                func(e *Entry) { e.Points[1].Dense[2] = nan32 },
		"infinity":           func(e *Entry) { e.Points[1].Dense[2] = inf },
		"sparse lengths":     func(e *Entry) { e.Points[1].Sparse.Values = nil },
		"sparse order": func(e *Entry) {
			e.Points[1].Sparse.Indices = []uint32{7, 7}
			e.Points[1].Sparse.Values = []float32{1, 1}
		},
		"sparse NaN":          func(e *Entry) { e.Points[1].Sparse.Values[0] = nan32 },
		"given twice":         nil,
		"bad second document": nil,
	} {
		good, e := document("good", "r", "fine"), document("d", "r", "one", "two")
		entries := []Entry{good, e}
		switch name {
		case "given twice":
			entries = append(entries, e)
		case "bad second document":
			entries[1].Record.Rev = ""
		default:
			change(&entries[1])
		}
		w.take()
		if err := g.PutAll(t.Context(), entries); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: PutAll = %v, want %v", name, err, ErrInvalid)
		}
		if calls, _ := w.take(); len(calls) > 0 {
			t.Errorf("%s: %v was called", name, calls)
		}
	}
	if err := g.PutAll(t.Context(), nil); err != nil {
		t.Errorf("PutAll of nothing = %v", err)
	}
}

// A chunk without terms has no sparse vector and is found by the dense leg only.
func TestPutWithoutTerms(t *testing.T) {
	c := dial(t, Options{})
	g := create(t, c)
	e := document("d", "r", "...", "word")
	e.Points[0].Sparse.Indices, e.Points[0].Sparse.Values = nil, nil
	put(t, g, e)
	l, err := g.Legs(t.Context(), Search{Dense: vector("..."), Sparse: terms("word"), Limit: 10})
	if err != nil || len(l.Candidates) != 2 {
		t.Fatalf("Legs = %+v, %v", l, err)
	}
	for _, c := range l.Candidates {
		if (c.Chunk.Text == "...") != (c.Lexical == 0 && c.LexicalRank == 0) {
			t.Errorf("%q has lexical score %v, rank %d", c.Chunk.Text, c.Lexical, c.LexicalRank)
		}
	}
}

func TestBatchSizes(t *testing.T) {
	w := &wire{}
	c := dial(t, Options{Interceptors: w.option()})
	g := create(t, c)
	many := make([]string, 600)
	for i := range many {
		many[i] = fmt.Sprintf("chunk number %d", i)
	}
	big := make([]string, 12)
	for i := range big {
		big[i] = strings.Repeat(string(rune('a'+i)), 1<<20)
	}
	for _, tt := range []struct {
		name string
		e    Entry
		want []int
	}{
		{"by count", document("m", "r", many...), []int{512, 88, 1}},
		{"by bytes", document("b", "r", big...), []int{3, 3, 3, 3, 1}},
		{"one too large", document("h", "r", strings.Repeat("h", 6<<20), "small"), []int{1, 1, 1}},
	} {
		w.take()
		put(t, g, tt.e)
		var got []int
		_, reqs := w.take()
		for _, r := range reqs {
			if u, ok := r.(*qdrant.UpsertPoints); ok {
				got = append(got, len(u.GetPoints()))
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: upserts of %v points, want %v", tt.name, got, tt.want)
		}
	}
	// More than one page comes back too, in order.
	chunks, err := g.Chunks(t.Context(), "m")
	if err != nil || len(chunks) != len(many) {
		t.Fatalf("%d chunks, %v", len(chunks), err)
	}
	for i, c := range chunks {
		if c.Ordinal != i || c.Text != many[i] {
			t.Fatalf("chunk %d is %d, %q", i, c.Ordinal, c.Text)
		}
	}
}

func TestStatusOtherThanCompletedIsAnError(t *testing.T) {
	w := &wire{}
	c := dial(t, Options{Interceptors: w.option()})
	g := create(t, c)
	for _, s := range []qdrant.UpdateStatus{qdrant.UpdateStatus_Acknowledged, qdrant.UpdateStatus_ClockRejected, qdrant.UpdateStatus_WaitTimeout, qdrant.UpdateStatus_UnknownUpdateStatus} {
		w.set(nil, func(_ string, reply any) {
			if r, ok := reply.(*qdrant.PointsOperationResponse); ok {
				r.Result.Status = s
			}
		})
		err := g.PutAll(t.Context(), []Entry{document("d", "r", "x")})
		if err == nil || !strings.Contains(err.Error(), s.String()) {
			t.Errorf("PutAll with status %s = %v", s, err)
		}
	}
}

// The wire format is the contract with every index that exists.
func TestStoredPayload(t *testing.T) {
	w := &wire{}
	c := dial(t, Options{Interceptors: w.option()})
	g := create(t, c)
	w.take()
	put(t, g, document("a/b.txt", "r1", "one two"), Entry{Record: Record{Doc: "bad.pdf", State: Failed, Error: "no text"}})
	var b strings.Builder
	calls, reqs := w.take()
	for i, r := range reqs {
		raw, err := protojson.Marshal(r.(proto.Message))
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		pretty, err := json.MarshalIndent(v, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s\n", calls[i], pretty)
	}
	golden(t, "put.golden", strings.ReplaceAll(b.String(), g.Collection, "NAME"))
}

func TestDeleteWhereRefusesEverything(t *testing.T) {
	w := &wire{}
	c := dial(t, Options{Interceptors: w.option()})
	g := create(t, c)
	w.take()
	for _, f := range []*qdrant.Filter{nil, {}, c.scope(), {MustNot: []*qdrant.Condition{qdrant.NewMatch(keyRev, "r")}}} {
		if err := c.deleteWhere(t.Context(), g.chunks(), f); !errors.Is(err, ErrInvalid) {
			t.Errorf("deleteWhere(%v) = %v, want %v", f, err, ErrInvalid)
		}
	}
	if calls, _ := w.take(); len(calls) > 0 {
		t.Errorf("%v was called", calls)
	}
}

func TestUpdateRecords(t *testing.T) {
	c := dial(t, Options{})
	g := create(t, c)
	put(t, g, document("a", "r1", "one", "two"))
	r, err := g.Record(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	r.Error, r.ChunkCount = "the new version is broken", 99
	if err := g.UpdateRecords(t.Context(), []Record{r}); err != nil {
		t.Fatal(err)
	}
	if s, got, err := g.Text(t.Context(), "a"); err != nil || got.Error != r.Error || got.ChunkCount != 2 || s == "" {
		t.Errorf("Text = %q, %+v, %v", s, got, err)
	}
	r.Rev = "r2"
	if err := g.UpdateRecords(t.Context(), []Record{r}); !errors.Is(err, ErrChanged) {
		t.Errorf("with another revision: %v", err)
	}
	r.Error = "\xff"
	if err := g.UpdateRecords(t.Context(), []Record{r}); !errors.Is(err, ErrInvalid) {
		t.Errorf("with bytes that are no text: %v", err)
	}
	if err := g.UpdateRecords(t.Context(), []Record{{Doc: "x"}}); !errors.Is(err, ErrNoDocument) {
		t.Errorf("of nothing: %v", err)
	}
}

func TestListPages(t *testing.T) {
	c := dial(t, Options{})
	g := create(t, c)
	const n = 23
	var entries []Entry
	for i := range n {
		entries = append(entries, document(text.DocID(fmt.Sprintf("doc-%02d", i)), "r", "text"))
	}
	put(t, g, entries...)
	var all []text.DocID
	for r, err := range g.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r.Doc)
	}
	if len(all) != n || !slices.IsSortedFunc(all, func(a, b text.DocID) int {
		return strings.Compare(recordID(c.tenant, a), recordID(c.tenant, b))
	}) {
		t.Errorf("List = %q, not the %d documents by record id", all, n)
	}
	for _, size := range []int{1, 7, n, 1000} {
		var got []text.DocID
		token, pages := "", 0
		for {
			page, next, err := g.ListPage(t.Context(), token, size)
			if err != nil {
				t.Fatal(err)
			}
			pages++
			for _, r := range page {
				got = append(got, r.Doc)
			}
			if next == "" {
				break
			}
			token = next
		}
		if !slices.Equal(got, all) || pages != (n+size-1)/size {
			t.Errorf("%d pages of %d: %q, want %q", pages, size, got, all)
		}
	}
	for _, limit := range []int{-1, 0, 1001} {
		if _, _, err := g.ListPage(t.Context(), "", limit); !errors.Is(err, ErrInvalid) {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
	for _, token := range []string{"x", "B1F0A9D4-7A52-5D6E-8C0E-2D9F4E6B5C22", "{b1f0a9d4-7a52-5d6e-8c0e-2d9f4e6b5c22}"} {
		if _, _, err := g.ListPage(t.Context(), token, 5); !errors.Is(err, ErrPageToken) {
			t.Errorf("token %q: %v, want %v", token, err, ErrPageToken)
		}
	}
	for range g.List(t.Context()) {
		break // must not go on
	}
}
