package index

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/text"
)

// asStored is a remake that finds all as it should be.
func asStored(_ context.Context, chunks []Stored) (out []Point, err error) {
	for _, s := range chunks {
		out = append(out, s.Point)
	}
	return out, nil
}

// Mend dies between each pair of its steps: Verify and Mend again, and the
// documents that are marked once more from their source, make it whole, and no
// other document is touched.
func TestMendInterrupted(t *testing.T) {
	entries := sealed(
		document("labels", "r1", "one", "two"), document("missing", "r1", "three", "four"), document("unreadable", "r1", "five", "six"),
		document("moved", "r1", "seven"), document("sound", "r1", "eight"))
	for cut := 0; ; cut++ {
		w := &wire{}
		g := create(t, dial(t, Options{Interceptors: w.option()}))
		put(t, g, slices.Clone(entries)...)
		spoilAll(t, g)
		report := verified(t, g, VerifyOptions{Data: true, Check: nothing})
		want := []string{"chunk-labels labels/0", "chunk-missing missing/1", "chunk-orphan ghost/0", "record-id moved/-1", "record-unreadable unreadable/-1"}
		if got := kinds(report); !slices.Equal(got, want) {
			t.Fatalf("found %q, want %q", got, want)
		}
		crash(w, cut)
		_, err := g.Mend(t.Context(), report, asStored)
		w.set(nil, nil)
		if err == nil {
			if cut < 6 {
				t.Errorf("Mend made only %d writes", cut)
			}
			return
		}
		name := fmt.Sprintf("cut before write %d", cut)
		report = verified(t, g, VerifyOptions{Data: true, Check: nothing})
		if _, err := g.Mend(t.Context(), report, asStored); err != nil {
			t.Fatalf("%s: Mend again: %v", name, err)
		}
		for r, err := range g.List(t.Context()) {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			asked := r.Damage != "" || r.State != Indexed
			if due := r.Doc == "missing" || r.Doc == "unreadable"; asked != due {
				t.Errorf("%s: the record of %q is %+v, to be ingested again: %v", name, r.Doc, r, due)
			}
		}
		for _, e := range entries {
			if e.Record.Doc == "missing" || e.Record.Doc == "unreadable" {
				put(t, g, e)
			}
		}
		if r := verified(t, g, VerifyOptions{Data: true, Check: nothing}); len(r.Drift) > 0 || r.Documents != len(entries) || r.Texts != len(entries) {
			t.Errorf("%s: in the end %+v", name, r)
		}
	}
}

// spoilAll leaves something for every step of a Mend.
func spoilAll(t *testing.T, g *Generation) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	chunk := func(doc text.DocID, ord int) *qdrant.PointId {
		return qdrant.NewIDUUID(string(chunkID(g.c.tenant, doc, "r1", g.fingerprint, ord)))
	}
	set := func(collection string, id *qdrant.PointId, values map[string]any) {
		t.Helper()
		_, err := g.c.qc.SetPayload(t.Context(), &qdrant.SetPayloadPoints{
			CollectionName: collection, Wait: qdrant.PtrOf(true),
			Payload: qdrant.NewValueMap(values), PointsSelector: qdrant.NewPointsSelector(id),
		})
		must(err)
	}
	set(g.chunks(), chunk("labels", 0), map[string]any{"tags": []any{"public"}})
	must(g.c.deleteIDs(t.Context(), g.chunks(), []*qdrant.PointId{chunk("missing", 1)}))
	set(g.records(), qdrant.NewIDUUID(recordID(g.c.tenant, "unreadable")), map[string]any{"state": 5})
	orphan := document("ghost", "r1", "nine")
	must(g.complete(&orphan))
	must(g.c.upsert(t.Context(), g.chunks(), []*qdrant.PointStruct{g.chunkPoint(orphan.Points[0])}))
	r, err := g.Record(t.Context(), "moved")
	must(err)
	moved := g.recordPoint(r)
	right := moved.Id
	moved.Id = qdrant.NewIDUUID("00000000-0000-5000-8000-000000000001")
	must(g.c.upsert(t.Context(), g.records(), []*qdrant.PointStruct{moved}))
	must(g.c.deleteIDs(t.Context(), g.records(), []*qdrant.PointId{right}))
}

// A chunk that only its source can mend stops nobody from mending the others.
func TestMendLeavesTheRestToTheSource(t *testing.T) {
	g := create(t, dial(t, Options{}))
	put(t, g, sealed(document("d", "r1", "one", "two"))...)
	id := string(chunkID(g.c.tenant, "d", "r1", g.fingerprint, 0))
	other := string(chunkID(g.c.tenant, "d", "r1", g.fingerprint, 1))
	r := Report{Drift: []Drift{
		{Kind: DriftDense, Doc: "d", Ordinal: 0, Point: id, Remedy: Reingest},
		{Kind: DriftTokens, Doc: "d", Ordinal: 0, Point: id, Remedy: Rewrite},
		{Kind: DriftTokens, Doc: "d", Ordinal: 1, Point: other, Remedy: Rewrite},
	}}
	var again []ChunkID
	m, err := g.Mend(t.Context(), r, func(ctx context.Context, chunks []Stored) ([]Point, error) {
		for _, s := range chunks {
			again = append(again, s.Chunk.ID)
		}
		return asStored(ctx, chunks)
	})
	if err != nil || m.Rewritten != 1 || !slices.Equal(m.Marked, []text.DocID{"d"}) || !slices.Equal(again, []ChunkID{ChunkID(other)}) {
		t.Errorf("Mend made %q again: %+v, %v", again, m, err)
	}
}

// A record that was altered is not sealed anew by an update: it stays damage that
// a Verify finds, until its source is stored again.
func TestUpdateRecordsKeepsDamage(t *testing.T) {
	w := &wire{}
	g := create(t, dial(t, Options{Interceptors: w.option()}))
	put(t, g, sealed(document("a", "r1", "one"), document("d", "r1", "two"))...)
	_, err := g.c.qc.SetPayload(t.Context(), &qdrant.SetPayloadPoints{
		CollectionName: g.records(), Wait: qdrant.PtrOf(true),
		Payload: qdrant.NewValueMap(map[string]any{"title": "not what was stored"}), PointsSelector: qdrant.NewPointsSelector(qdrant.NewIDUUID(recordID(g.c.tenant, "d"))),
	})
	if err != nil {
		t.Fatal(err)
	}
	update := func() error {
		var records []Record
		for _, doc := range []text.DocID{"a", "d"} {
			r, err := g.Record(t.Context(), doc)
			if err != nil {
				t.Fatal(err)
			}
			r.Error = "the new version is broken"
			records = append(records, r)
		}
		return g.UpdateRecords(t.Context(), records)
	}
	if err := update(); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), `the record of "d"`) {
		t.Errorf("UpdateRecords = %v, want %v", err, ErrDamaged)
	}
	if r, err := g.Record(t.Context(), "a"); err != nil || r.Error != "" {
		t.Errorf("beside it %+v was written, %v", r, err)
	}
	report := verified(t, g, VerifyOptions{Data: true, Check: nothing})
	if got := kinds(report); !slices.Equal(got, []string{"record-altered d/-1"}) {
		t.Fatalf("found %q", got)
	}
	if _, err := g.Mend(t.Context(), report, asStored); err != nil {
		t.Fatal(err)
	}
	// Marked, it does not stop a run that could not read the new version, either.
	if err := update(); err != nil {
		t.Errorf("UpdateRecords after Mend = %v", err)
	}
	marked := kinds(verified(t, g, VerifyOptions{Data: true, Check: nothing}))
	if !slices.Contains(marked, "record-altered d/-1") {
		t.Errorf("after Mend and an update found %q", marked)
	}
	put(t, g, sealed(document("d", "r2", "two"))...)
	if r := verified(t, g, VerifyOptions{Data: true, Check: nothing}); len(r.Drift) > 0 {
		t.Errorf("in the end %v", r.Drift)
	}
}
