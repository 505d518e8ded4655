package index

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ragloop/ragloop/internal/text"
)

// TestRecordsOf: records come parallel to the documents asked for, each of which is
// read once, however the index orders its answer.
func TestRecordsOf(t *testing.T) {
	w := &wire{}
	g := create(t, dial(t, Options{Interceptors: w.option()}))
	put(t, g, document("a", "r1", "one"), document("b", "r2", "two"), document("c", "r3", "three"))
	w.take()
	w.set(nil, func(_ string, reply any) {
		if r, ok := reply.(*qdrant.GetResponse); ok {
			slices.Reverse(r.Result)
		}
	})
	docs := []text.DocID{"c", "missing", "a", "c", "b", "a", "missing"}
	for range 3 { // what is kept from call to call does not tell
		got, err := g.RecordsOf(t.Context(), docs)
		if err != nil || len(got) != len(docs) {
			t.Fatalf("RecordsOf = %d records, %v", len(got), err)
		}
		for i, r := range got {
			if doc := docs[i]; doc == "missing" {
				if r != nil {
					t.Errorf("record %d is %+v, want none", i, r)
				}
			} else if r == nil || r.Doc != doc || r.Title != "Title of "+string(doc) {
				t.Errorf("record %d is %+v, want that of %s", i, r, doc)
			}
		}
		_, reqs := w.take()
		if ids := reqs[0].(*qdrant.GetPoints).GetIds(); len(reqs) != 1 || len(ids) != 4 {
			t.Errorf("%d calls, the first with %d ids; want 1 and 4", len(reqs), len(ids))
		}
	}
	if got, err := g.RecordsOf(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("RecordsOf no documents = %v, %v", got, err)
	}
	if calls, _ := w.take(); len(calls) > 0 {
		t.Errorf("%v was called", calls)
	}
	w.set(func(string, any) error { return status.Error(codes.InvalidArgument, "no") }, nil)
	want := "read 4 records of " + g.String() + ": no (InvalidArgument)"
	if got, err := g.RecordsOf(t.Context(), docs); got != nil || err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("RecordsOf = %v, %v, want %q", got, err, want)
	}
	w.set(nil, nil)
}

// TestRecordsOfOthers: a record that names another document than the one whose place
// it has is not taken for either.
func TestRecordsOfOthers(t *testing.T) {
	w := &wire{}
	g := create(t, dial(t, Options{Interceptors: w.option()}))
	put(t, g, document("a", "r1", "one"), document("b", "r2", "two"))
	w.set(nil, func(_ string, reply any) {
		if r, ok := reply.(*qdrant.GetResponse); ok {
			p := payload{}
			for k, v := range r.Result[0].Payload {
				p[k] = v
			}
			p[keyDoc] = qdrant.NewValueString("other")
			r.Result[0].Payload = p
		}
	})
	got, err := g.RecordsOf(t.Context(), []text.DocID{"a"})
	if err != nil || got[0] != nil {
		t.Errorf("RecordsOf = %+v, %v, want none", got, err)
	}
	if _, err := g.Record(t.Context(), "a"); !errors.Is(err, ErrNoDocument) {
		t.Errorf("Record = %v, want ErrNoDocument", err)
	}
}
