package index

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/text"
)

// labelled puts three documents with tags and metadata of every kind.
func labelled(t *testing.T, g *Generation) {
	t.Helper()
	day := time.Date(2026, 5, 31, 0, 0, 0, 0, time.UTC)
	for doc, fields := range map[text.DocID]meta.Fields{
		"a": {"n": meta.OfInteger(1), "b": meta.OfBool(true), "at": meta.OfTime(day), "mixed": meta.OfString("x"), "empty": meta.OfStrings(nil)},
		"b": {"n": meta.OfFloat(0.5), "by": meta.OfStrings([]string{"Bo"}), "on": meta.OfString("2026-05-31"), "mixed": meta.OfInteger(2)},
		"c": {"s": meta.OfString("1"), "mixed": meta.OfBool(false)},
	} {
		e := document(doc, "r1", "word "+string(doc))
		e.Record.Meta, e.Record.Tags, e.Record.ACL, e.Record.Modified = fields, []string{"red"}, nil, time.Time{}
		put(t, g, e)
	}
}

func TestAbsent(t *testing.T) {
	g := create(t, dial(t, Options{}))
	labelled(t, g)
	parse := func(s string) Filter {
		t.Helper()
		e, err := filter.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return Filter{Where: e}
	}
	for _, tt := range []struct {
		f    Filter
		want string
	}{
		{Filter{}, ""},
		{parse("n>5 AND b=false AND at<2000-01-01 AND by=Al AND s=x AND on=2000-01-01 AND on=x AND at=x"), ""},
		{parse("mixed=y AND mixed=7 AND mixed=true"), ""},
		{parse("yaer>2000 AND EXISTS yaer AND n=1"), `no document has the field "yaer"`},
		{parse("EXISTS empty"), `no document has the field "empty"`}, // an empty list is none
		{parse("b=TRUE"), `"b" is compared with a string, documents have a truth value there`},
		{parse("n=0x1"), `"n" is compared with a string, documents have a number there`},
		{parse("s=1 OR NOT s IN (2, true, x)"), `"s" is compared with a number, documents have a string there; "s" is compared with a truth value, documents have a string there`},
		{parse("by>3"), `"by" is compared with a number, documents have a string there`},
		{parse("at=true"), `"at" is compared with a truth value, documents have a time there`},
		{parse("s=2026-05-31 AND n>2026-05-31T12:00:00Z"), `"s" is compared with a date, documents have a string there; "n" is compared with a time, documents have a number there`},
		{parse("mixed=2026-05-31"), `"mixed" is compared with a date, documents have a string there`}, // of several types the one that is read first,
		{parse("tags IN (red, blue) AND tags!=old AND NOT tags=gone"), `no document has the tag "blue"`},
		{parse("NOT tags!=old AND NOT NOT doc=x AND media_type=m AND acl=g"),
			`no document has the tag "old"; no document "x" is indexed; no document has the media type "m"; no document has the acl entry "g"`},
		{parse("modified>2026-01-01 AND NOT EXISTS acl"), `no document has the field "modified"`},
		{Filter{Docs: []text.DocID{"a", "z", "z"}, Tags: []string{"red", "blue"}, Meta: map[string]string{"yaer": "1", "n": "1", "mixed": "y"}},
			`no document "z" is indexed; no document has the tag "blue"; "n" is compared with a string, documents have a number there; no document has the field "yaer"`},
	} {
		absent, err := g.Absent(t.Context(), tt.f, 100)
		var got []string
		for _, a := range absent {
			got = append(got, a.String())
		}
		if s := strings.Join(got, "; "); err != nil || s != tt.want {
			t.Errorf("Absent of %+v = %s, %v, want %s", tt.f, s, err, tt.want)
		}
	}
}

// What it costs is bounded: two requests for each thing, and one where all is well.
func TestAbsentRequests(t *testing.T) {
	w := &wire{}
	g := create(t, dial(t, Options{Interceptors: w.option()}))
	labelled(t, g)
	many := Filter{Docs: make([]text.DocID, 50), Meta: map[string]string{"b": "TRUE"}}
	for i := range many.Docs {
		many.Docs[i] = text.DocID(strings.Repeat("x", i+1))
	}
	for _, tt := range []struct {
		f              Filter
		most, n, calls int
	}{
		{many, 16, 16, 16},
		{many, 51, 51, 52},
		{Filter{Docs: []text.DocID{"a"}, Tags: []string{"red"}, Meta: map[string]string{"s": "x"}}, 16, 0, 3},
		{Filter{}, 16, 0, 0},
	} {
		w.take()
		got, err := g.Absent(t.Context(), tt.f, tt.most)
		if calls, _ := w.take(); err != nil || len(got) != tt.n || len(calls) != tt.calls {
			t.Errorf("%d absent with %d requests, %v, want %d and %d", len(got), len(calls), err, tt.n, tt.calls)
		}
	}
}

// A server that forbids filters without an index is not asked into an error: what
// it does not tell is taken as there.
func TestAbsentStrict(t *testing.T) {
	c := dial(t, Options{Filterable: []Filterable{{"b", meta.String}, {"yaer", meta.Integer}}})
	g := create(t, c)
	labelled(t, g)
	err := c.qc.UpdateCollection(t.Context(), &qdrant.UpdateCollection{CollectionName: g.chunks(), StrictModeConfig: &qdrant.StrictModeConfig{
		Enabled: qdrant.PtrOf(true), UnindexedFilteringRetrieve: qdrant.PtrOf(false),
	}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.Absent(t.Context(), Filter{Tags: []string{"blue"}, Meta: map[string]string{"b": "TRUE", "yaer": "x", "n": "x"}}, 100)
	want := []Absent{{Field: filter.Tags, Value: "blue"}, {Field: filter.MetaField("yaer")}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
}

// No path reaches these keys, whether a server or local mode is asked.
func TestFilterKeys(t *testing.T) {
	g := create(t, dial(t, Options{}))
	for _, key := range []string{"", `a\b`, `a"b`, "a\xff", strings.Repeat("k", 5000)} {
		f := Filter{Meta: map[string]string{key: "x"}}
		_, err := g.Legs(t.Context(), Search{Dense: vector("one"), Limit: 10, Filter: f})
		if !errors.Is(err, ErrInvalid) || !errors.Is(err, filter.ErrInvalid) || !strings.Contains(err.Error(), "without quotation marks and backslashes") {
			t.Errorf("key %.20q: %v", key, err)
		}
	}
	e := document("a", "r1", "one")
	keys := []string{"a b", "a.b", "größe", "a[0]", "a'b", "a/b", "-", "a:b", "名前"}
	for _, key := range keys {
		e.Record.Meta[key] = meta.OfString(key)
	}
	put(t, g, e)
	for _, key := range keys {
		l, err := g.Legs(t.Context(), Search{Dense: vector("one"), Limit: 10, Filter: Filter{Meta: map[string]string{key: key}}})
		if err != nil || len(l.Candidates) != 1 {
			t.Errorf("key %q finds %d, %v", key, len(l.Candidates), err)
		}
	}
}
