package ingest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/meta"
)

const fronted = "---\ntitle: Leave\ntags: [policy, hr]\nyear: 2024\nteam: own\nacl: [everyone]\nmodified: 2026-05-31\n---\n# Leave\n\nThirty days.\n"

// What a document says about itself is stored, and the source counts before it.
func TestLabelsOfADocument(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	g := generation(t, c, e)
	w := worker(t, g, Options{Embedder: e, Extractor: InProcess{}})
	touched := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	item := Item{ID: "leave.md", Tags: []string{"hr", "x"}, Meta: meta.Fields{"team": meta.OfString("source")}, Modified: touched, Open: Bytes([]byte(fronted))}
	put := func(item Item) Result {
		t.Helper()
		r, err := w.Put(t.Context(), item)
		if err != nil || r.Err != nil {
			t.Fatal(err, r.Err)
		}
		return r
	}
	r := put(item)
	want := meta.Fields{"team": meta.OfString("source"), "year": meta.OfInteger(2024)}
	if d := cmp.Diff(want, r.Record.Meta); d != "" {
		t.Errorf("metadata (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"hr", "x", "policy"}, r.Record.Tags); d != "" {
		t.Errorf("tags (-want +got):\n%s", d)
	}
	if own := time.Date(2026, 5, 31, 0, 0, 0, 0, time.UTC); !r.Record.Modified.Equal(own) || r.Record.ACL != nil {
		t.Errorf("modified %v, ACL %q", r.Record.Modified, r.Record.ACL)
	}
	if s := strings.Join(r.Warnings, "\n"); !strings.Contains(s, `"acl" is left out`) {
		t.Errorf("warnings %q", s)
	}
	// A file that is touched has not changed.
	item.Modified = touched.Add(time.Hour)
	if r := put(item); r.Outcome != Unchanged {
		t.Errorf("touched: %s", r.Outcome)
	}
	item.Meta = meta.Fields{"modified": meta.OfString("2026-06-01T00:00:00Z")}
	e.embedded()
	r = put(item)
	if n := e.embedded(); r.Outcome != Replaced || n != 0 || r.Record.Modified.Month() != time.June {
		t.Errorf("%s, %d chunks embedded, modified %v", r.Outcome, n, r.Record.Modified)
	}
	chunks, err := g.Chunks(t.Context(), item.ID)
	if err != nil || !chunks[0].Modified.Equal(r.Record.Modified) || chunks[0].Meta["team"].String != "own" {
		t.Errorf("chunk %+v, %v", chunks, err)
	}
}

func TestLabelsLimits(t *testing.T) {
	for name, item := range map[string]Item{
		"reserved": {Meta: meta.Fields{"title": meta.OfString("x")}},
		"modified": {Meta: meta.Fields{"modified": meta.OfString("yesterday")}},
	} {
		if _, _, err := labelsOf(item, nil); !errors.Is(err, meta.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	own := meta.Fields{"modified": meta.OfString("yesterday"), "uri": meta.OfString("x"), "keywords": meta.OfStrings([]string{strings.Repeat("k", 257)})}
	for i := range meta.MaxFields + 10 {
		own["f"+strings.Repeat("x", i)] = meta.OfBool(true)
	}
	l, warnings, err := labelsOf(Item{Tags: []string{"a"}}, own)
	if err != nil || len(l.meta) > meta.MaxFields || meta.Check(l.meta) != nil || len(l.tags) != 1 || len(warnings) != maxOwnLabelWarnings+1 {
		t.Errorf("%d fields, tags %q, warnings %q, %v", len(l.meta), l.tags, warnings, err)
	}
}

// A document whose labels are part of its revision, as earlier versions stored
// it, is looked at again and not embedded.
func TestEarlierRevisionsKeepTheirChunks(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	g := generation(t, c, e)
	w := worker(t, g, Options{Embedder: e, Extractor: InProcess{}})
	item := Text("d", "T", "Some text.")
	item.Tags, item.Meta = []string{"x"}, meta.Fields{"k": meta.OfString("v")}
	p, err := w.prep.prepare(t.Context(), item, prior{}, once)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := InProcess{}.Extract(t.Context(), extract.Input{Name: item.name(), MediaType: item.MediaType, Data: []byte("Some text.")})
	if err != nil {
		t.Fatal(err)
	}
	doc.Title = item.Title
	p.record.Rev, p.record.InputSHA256 = revisionWith(doc, item.Tags, item.Meta), "earlier"
	docs := []prepared{p}
	if _, err := w.embed(t.Context(), docs, newRecent(), once, func(int, int) {}); err != nil {
		t.Fatal(err)
	}
	if err := w.store(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	e.embedded()
	r, err := w.Put(t.Context(), item)
	if n := e.embedded(); err != nil || r.Outcome != Replaced || n != 0 || r.Record.Rev != p.record.Rev {
		t.Errorf("%+v, %d chunks embedded, %v", r, n, err)
	}
	if r, err := w.Put(t.Context(), item); err != nil || r.Outcome != Unchanged {
		t.Errorf("again: %+v, %v", r, err)
	}
}
