package ingest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// A record that was altered behind the program's back costs its own document's
// update and no other's; what is stored of it stays, and once it is marked the
// next run makes it whole.
func TestAlteredRecordFailsItsDocumentAlone(t *testing.T) {
	d := newDriftCase(t)
	d.raw(t, func(r *rawIndex) {
		for _, doc := range []string{"a", "b"} {
			r.set(driftChunks+"_docs", r.record(doc), map[string]any{"title": "not what was stored"})
		}
	})
	relabelled := func(doc text.DocID) Item {
		item := Text(doc, "mem:"+string(doc), "# On "+string(doc)+"\n\n"+para(string(doc), 5))
		item.MediaType, item.Title, item.Tags = "text/markdown", "About "+string(doc), []string{"blue"}
		return item
	}
	d.src = Documents([]Item{relabelled("a"), broken("b"), relabelled("c"), broken("z")})
	for range 2 { // the next run says the same, since nothing was stored
		s := d.ingest(t)
		var failed []string
		for _, f := range s.Failures {
			failed = append(failed, fmt.Sprintf("%s kept %v damaged %v", f.Doc, f.Kept, errors.Is(f.Err, index.ErrDamaged)))
		}
		if want := []string{"a kept true damaged true", "b kept true damaged true", "z kept false damaged false"}; !slices.Equal(failed, want) {
			t.Errorf("failed %q, want %q", failed, want)
		}
		if s.Documents != 4 || s.Replaced+s.Unchanged != 1 {
			t.Errorf("beside them %+v, want c stored", s)
		}
	}
	d.open(t, func(_ *index.Client, g *index.Generation) {
		for doc, want := range map[text.DocID][]string{"a": {"red", "a"}, "b": {"red", "b"}, "c": {"blue"}} {
			if _, r, err := g.Text(t.Context(), doc); err != nil || !slices.Equal(r.Tags, want) {
				t.Errorf("%s has tags %q, %v, want %q", doc, r.Tags, err, want)
			}
		}
		w, err := NewWorker(g, Options{Embedder: &hashed{}, Extractor: InProcess{}, Now: clock()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Put(t.Context(), relabelled("a")); !errors.Is(err, index.ErrDamaged) {
			t.Errorf("Put = %v, want %v", err, index.ErrDamaged)
		}
	})
	found := d.verify(t, VerifyOptions{ReadData: true})
	var kinds []string
	for _, drift := range found.Drift {
		kinds = append(kinds, fmt.Sprintf("%s %s", drift.Kind, drift.Doc))
	}
	slices.Sort(kinds)
	if want := []string{"record-altered a", "record-altered b"}; !slices.Equal(kinds, want) {
		t.Errorf("found %q, want %q", kinds, want)
	}
	d.mend(t, found)
	d.src = Documents([]Item{relabelled("a"), relabelled("b"), relabelled("c"), broken("z")})
	if s := d.ingest(t); s.Mended != 2 || s.Failed != 1 {
		t.Errorf("after repair: %+v, want a and b mended", s)
	}
	if r := d.verify(t, VerifyOptions{ReadData: true, Sample: -1}); len(r.Drift) > 0 {
		t.Errorf("in the end %v", r.Drift)
	}
}

// A record that was altered stays in quarantine, and is named; the others are
// released. Once it is marked as damaged, the next run tries it again anyway.
func TestReleaseLeavesAlteredRecords(t *testing.T) {
	d := &driftCase{dir: t.TempDir()}
	c, err := index.Dial(t.Context(), index.Options{DataDir: d.dir})
	if err != nil {
		t.Fatal(err)
	}
	src := Documents([]Item{Text("a", "", "BOMB"), Text("b", "", "LOOP"), Text("c", "", "BOMB"), Text("d", "", "Good.")})
	built, err := Build(t.Context(), c, plan("drift"), src, Options{Embedder: &hashed{}, Extractor: hostile(), Now: clock()})
	if err := errors.Join(err, c.Close()); err != nil || built.Summary.Quarantined != 3 {
		t.Fatalf("Build = %+v, %v", built.Summary, err)
	}
	d.raw(t, func(r *rawIndex) {
		r.set(driftChunks+"_docs", r.record("b"), map[string]any{"title": "not what was stored"})
	})
	all := func(index.Record) bool { return true }
	d.open(t, func(_ *index.Client, g *index.Generation) {
		docs, err := Release(t.Context(), g, all)
		if !slices.Equal(docs, []text.DocID{"a", "c"}) || !errors.Is(err, index.ErrDamaged) || !strings.Contains(err.Error(), `of "b"`) || strings.Contains(err.Error(), `of "a"`) {
			t.Errorf("Release = %q, %v, want a and c, and an error that names b", docs, err)
		}
		if r, err := g.Record(t.Context(), "b"); err != nil || !Quarantines(r) {
			t.Errorf("the record of b is %+v, %v, want it as it was", r, err)
		}
	})
	d.mend(t, d.verify(t, VerifyOptions{ReadData: true}))
	d.open(t, func(_ *index.Client, g *index.Generation) {
		r, err := g.Record(t.Context(), "b")
		if err != nil || Quarantines(r) && r.Damage == "" {
			t.Errorf("after repair the record of b is %+v, %v, want it marked", r, err)
		}
	})
	d.src = Documents([]Item{Text("b", "", "LOOP")})
	if s := d.ingest(t); s.Replaced+s.Indexed != 1 {
		t.Errorf("after repair: %+v, want b tried again", s)
	}
}
