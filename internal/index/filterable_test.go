package index

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/meta"
)

func TestParseFilterable(t *testing.T) {
	got, err := ParseFilterable([]string{"year:integer", " a:b:strings", "größe:float"})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Filterable{{"year", meta.Integer}, {"a:b", meta.Strings}, {"größe", meta.Float}}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, tt := range []struct{ in, want string }{
		{"year", `"year" has no kind`},
		{"", `"" has no kind`},
		{"year:int", `key "year" has the kind "int", allowed are string, strings, integer, float, time, bool`},
		{"Tags:strings", `"Tags" is a reserved name`},
		{"modified:time", `"modified" is no key of metadata`},
		{":time", "a key of 0 bytes"},
		{`a\b:time`, "backslash"},
		{`a"b:time`, "quotation marks"},
		{"x:time,x:bool", `key "x" is listed twice`},
	} {
		if _, err := ParseFilterable(strings.Split(tt.in, ",")); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ParseFilterable(%q) = %v, want %s", tt.in, err, tt.want)
		}
	}
	if _, err := Dial(t.Context(), Options{InMemory: true, Filterable: []Filterable{{"year", "number"}}}); !errors.Is(err, ErrInvalid) {
		t.Errorf("Dial with a kind that is none: %v", err)
	}
}

// Create makes the wanted indexes, Prepare those that came later, and Verify
// misses them in between. What is not wanted any more stays.
func TestFilterable(t *testing.T) {
	w := &wire{}
	c := dial(t, Options{Interceptors: w.option(), Filterable: []Filterable{{"year", meta.Integer}, {"by", meta.Strings}}})
	g := create(t, c)
	put(t, g, document("a", "r1", "one"), document("b", "r1", "two"))
	types := func() map[string]string {
		t.Helper()
		info, err := c.qc.GetCollectionInfo(t.Context(), g.chunks())
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for name, i := range info.GetPayloadSchema() {
			if strings.HasPrefix(name, keyMeta) {
				out[strings.ReplaceAll(name, `"`, "")] = i.GetDataType().String()
			}
		}
		return out
	}
	expect := func(when string, want map[string]string, drift ...string) {
		t.Helper()
		if d := cmp.Diff(want, types()); d != "" {
			t.Errorf("%s: indexes (-want +got):\n%s", when, d)
		}
		r, err := g.Verify(t.Context(), VerifyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range r.Drift {
			got = append(got, d.String())
		}
		if d := cmp.Diff(drift, got); d != "" {
			t.Errorf("%s: drift (-want +got):\n%s", when, d)
		}
	}
	before := map[string]string{"meta.year": "Float", "meta.by": "Keyword"}
	expect("created", before)

	// Another configuration is another client; this one stands for it.
	c.filterable = []Filterable{{"year", meta.String}, {"at", meta.Time}, {"größe", meta.Float}, {"a.b", meta.String}, {"ok", meta.Bool}}
	name := g.chunks()
	expect("other keys", before,
		"payload-index: "+name+" has an index of meta.year for type Float, should be Keyword",
		`payload-index: `+name+` has no index of meta."a.b"`,
		`payload-index: `+name+` has no index of meta."größe"`,
		"payload-index: "+name+" has no index of meta.at",
		"payload-index: "+name+" has no index of meta.ok")
	after := map[string]string{"meta.year": "Keyword", "meta.by": "Keyword", "meta.at": "Datetime", "meta.größe": "Float", "meta.a.b": "Keyword", "meta.ok": "Bool"}
	if err := g.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("prepared", after)
	w.take()
	if err := g.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if calls, _ := w.take(); len(calls) != 1 {
		t.Errorf("a second Prepare makes the calls %q", calls)
	}
}

// A server may forbid filters without an index: those on listed keys work there,
// and the error about others says what to do.
func TestUnindexedFilter(t *testing.T) {
	c := dial(t, Options{Filterable: []Filterable{{"year", meta.Integer}, {"lang", meta.String}, {"at", meta.Time}, {"ok", meta.Bool}, {"by", meta.Strings}}})
	g := create(t, c)
	put(t, g, document("a", "r1", "one"), document("b", "r1", "two"))
	err := c.qc.UpdateCollection(t.Context(), &qdrant.UpdateCollection{CollectionName: g.chunks(), StrictModeConfig: &qdrant.StrictModeConfig{
		Enabled: qdrant.PtrOf(true), UnindexedFilteringRetrieve: qdrant.PtrOf(false), UnindexedFilteringUpdate: qdrant.PtrOf(false),
	}})
	if err != nil {
		t.Fatal(err)
	}
	find := func(s string) (int, error) {
		t.Helper()
		e, err := filter.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		l, err := g.Legs(t.Context(), Search{Dense: vector("one"), Sparse: terms("one"), Limit: 10, Filter: Filter{Where: e}})
		return len(l.Candidates), err
	}
	for _, s := range []string{
		"year>=2024", "year=2024", "year IN (2024, 1)", "lang=en", "at>2025-01-01", "ok=true", "by=Bo", "modified>2025-01-01", "tags=red", "acl!=x",
		"doc IN (a, b)", `media_type="text/plain" AND NOT year<2000`,
	} {
		if n, err := find(s); n != 2 || err != nil {
			t.Errorf("%s finds %d, %v", s, n, err)
		}
	}
	for _, s := range []string{"x=0.5", "NOT x=0.5", "year=text"} {
		if _, err := find(s); !errors.Is(err, ErrUnindexed) || !strings.Contains(err.Error(), "index.filterable") || !strings.Contains(err.Error(), `"meta.`) {
			t.Errorf("%s: %v", s, err)
		}
	}
	put(t, g, document("a", "r2", "three")) // a writer filters, too
}
