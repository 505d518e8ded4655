package ingest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/qdrantlocal"
	"github.com/ragloop/ragloop/internal/text"
)

// driftCase is an index in a directory that is spoilt by the raw client, past
// everything that this program does to keep it right.
type driftCase struct {
	dir   string
	built *index.Generation // closed: for its names only
	src   Source
	clean map[string]string // what was stored, by point
}

const driftChunks = "drift__g1"

func newDriftCase(t *testing.T) *driftCase {
	t.Helper()
	d := &driftCase{dir: t.TempDir()}
	var items []Item
	for _, doc := range []text.DocID{"a", "b", "c"} {
		item := Text(doc, "mem:"+string(doc), "# On "+string(doc)+"\n\n"+para(string(doc), 5))
		item.MediaType = "text/markdown"
		item.Title, item.Tags, item.Meta = "About "+string(doc), []string{"red", string(doc)}, meta.Fields{"lang": meta.OfString("en")}
		items = append(items, item)
	}
	d.src = Documents(append(items, broken("z")))
	d.ingest(t)
	d.clean = d.dump(t)
	return d
}

// open runs f on the index as this program sees it.
func (d *driftCase) open(t *testing.T, f func(*index.Client, *index.Generation)) {
	t.Helper()
	c, err := index.Dial(t.Context(), index.Options{DataDir: d.dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	g, err := c.Open(t.Context(), "drift")
	if err != nil {
		t.Fatal(err)
	}
	f(c, g)
}

func (d *driftCase) ingest(t *testing.T) (s Summary) {
	t.Helper()
	c, err := index.Dial(t.Context(), index.Options{DataDir: d.dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b, err := Build(t.Context(), c, plan("drift"), d.src, Options{Embedder: &hashed{}, Extractor: InProcess{}, Now: clock()})
	if err != nil {
		t.Fatal(err)
	}
	return b.Summary
}

// raw runs f on the index as any client of Qdrant sees it.
func (d *driftCase) raw(t *testing.T, f func(*rawIndex)) {
	t.Helper()
	store, err := qdrantlocal.Open(t.Context(), qdrantlocal.Options{Dir: d.dir})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	c, err := qdrant.NewClient(store.Connect())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f(&rawIndex{t: t, c: c})
}

// dump returns everything that is stored, but for the time of ingestion and the
// checksums that it is a part of.
func (d *driftCase) dump(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	d.raw(t, func(r *rawIndex) {
		for _, name := range []string{driftChunks, driftChunks + "_docs"} {
			info, err := r.c.GetCollectionInfo(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			out[name] = canonical(info.GetConfig()) + fmt.Sprint(slices.Sorted(maps.Keys(info.GetPayloadSchema())))
			for _, p := range r.points(name) {
				if name != driftChunks {
					delete(p.Payload, "ingested_at")
					delete(p.Payload, "sum")
				}
				out[p.GetId().GetUuid()] = canonical(p)
			}
		}
	})
	return out
}

func (d *driftCase) verify(t *testing.T, o VerifyOptions) (r index.Report) {
	t.Helper()
	d.open(t, func(_ *index.Client, g *index.Generation) {
		v, err := NewVerifier(g, &hashed{})
		if err != nil {
			t.Fatal(err)
		}
		if r, err = v.Verify(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	})
	return r
}

func (d *driftCase) mend(t *testing.T, r index.Report) (m index.Mended) {
	t.Helper()
	d.open(t, func(_ *index.Client, g *index.Generation) {
		v, err := NewVerifier(g, &hashed{})
		if err != nil {
			t.Fatal(err)
		}
		if m, err = v.Mend(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	})
	return m
}

// rawIndex changes what is stored through Qdrant's client alone.
type rawIndex struct {
	t *testing.T
	c *qdrant.Client
}

func (r *rawIndex) points(name string) (out []*qdrant.RetrievedPoint) {
	r.t.Helper()
	for p, err := range scroll(r.t.Context(), r.c, name) {
		if err != nil {
			r.t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// chunk returns a chunk of a document.
func (r *rawIndex) chunk(doc string, ord int) *qdrant.RetrievedPoint {
	r.t.Helper()
	for _, p := range r.points(driftChunks) {
		if p.GetPayload()["doc"].GetStringValue() == doc && p.GetPayload()["ord"].GetIntegerValue() == int64(ord) {
			return p
		}
	}
	r.t.Fatalf("no chunk %d of %q", ord, doc)
	return nil
}

func (r *rawIndex) record(doc string) *qdrant.RetrievedPoint {
	r.t.Helper()
	for _, p := range r.points(driftChunks + "_docs") {
		if p.GetPayload()["doc"].GetStringValue() == doc {
			return p
		}
	}
	r.t.Fatalf("no record of %q", doc)
	return nil
}

func (r *rawIndex) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// set overwrites keys of a point's payload.
func (r *rawIndex) set(name string, p *qdrant.RetrievedPoint, values map[string]any) string {
	r.t.Helper()
	_, err := r.c.SetPayload(r.t.Context(), &qdrant.SetPayloadPoints{
		CollectionName: name, Wait: qdrant.PtrOf(true),
		Payload: qdrant.NewValueMap(values), PointsSelector: qdrant.NewPointsSelector(p.GetId()),
	})
	r.must(err)
	return p.GetId().GetUuid()
}

func (r *rawIndex) unset(name string, p *qdrant.RetrievedPoint, keys ...string) string {
	r.t.Helper()
	_, err := r.c.DeletePayload(r.t.Context(), &qdrant.DeletePayloadPoints{
		CollectionName: name, Wait: qdrant.PtrOf(true), Keys: keys, PointsSelector: qdrant.NewPointsSelector(p.GetId()),
	})
	r.must(err)
	return p.GetId().GetUuid()
}

func (r *rawIndex) remove(name string, p *qdrant.RetrievedPoint) string {
	r.t.Helper()
	_, err := r.c.Delete(r.t.Context(), &qdrant.DeletePoints{
		CollectionName: name, Wait: qdrant.PtrOf(true), Points: qdrant.NewPointsSelector(p.GetId()),
	})
	r.must(err)
	return p.GetId().GetUuid()
}

// copy stores a point a second time, under another id and with some other values.
func (r *rawIndex) copy(name string, p *qdrant.RetrievedPoint, values map[string]any) string {
	r.t.Helper()
	id := uuid.NewSHA1(uuid.Nil, []byte(fmt.Sprint(p.GetId().GetUuid(), len(values)))).String()
	payload := maps.Clone(p.GetPayload())
	maps.Copy(payload, qdrant.NewValueMap(values))
	_, err := r.c.Upsert(r.t.Context(), &qdrant.UpsertPoints{
		CollectionName: name, Wait: qdrant.PtrOf(true),
		Points: []*qdrant.PointStruct{{Id: qdrant.NewIDUUID(id), Payload: payload, Vectors: qdrant.NewVectorsMap(vectors(p))}},
	})
	r.must(err)
	return id
}

func vectors(p *qdrant.RetrievedPoint) map[string]*qdrant.Vector {
	out := map[string]*qdrant.Vector{}
	for name, v := range p.GetVectors().GetVectors().GetVectors() {
		if s := v.GetSparse(); s != nil {
			out[name] = qdrant.NewVectorSparse(s.GetIndices(), s.GetValues())
		} else {
			out[name] = qdrant.NewVectorDense(v.GetDense().GetData())
		}
	}
	return out
}

func (r *rawIndex) vector(p *qdrant.RetrievedPoint, name string, v *qdrant.Vector) string {
	r.t.Helper()
	_, err := r.c.UpdateVectors(r.t.Context(), &qdrant.UpdatePointVectors{
		CollectionName: driftChunks, Wait: qdrant.PtrOf(true),
		Points: []*qdrant.PointVectors{{Id: p.GetId(), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{name: v})}},
	})
	r.must(err)
	return p.GetId().GetUuid()
}

func (r *rawIndex) dropVector(p *qdrant.RetrievedPoint, name string) string {
	r.t.Helper()
	_, err := r.c.DeleteVectors(r.t.Context(), &qdrant.DeletePointVectors{
		CollectionName: driftChunks, Wait: qdrant.PtrOf(true), PointsSelector: qdrant.NewPointsSelector(p.GetId()),
		Vectors: &qdrant.VectorsSelector{Names: []string{name}},
	})
	r.must(err)
	return p.GetId().GetUuid()
}

// drifts is every way of spoiling an index that this test knows: each spoils b,
// and says what a Verify must find, and nothing else.
var drifts = []struct {
	name  string
	kind  index.DriftKind
	doc   text.DocID
	ord   int // -1: none
	data  bool
	spoil func(*rawIndex) (point string)
	// source says that the document must be read again.
	source bool
}{
	{"a chunk is gone", index.DriftMissing, "b", 1, false, func(r *rawIndex) string { return r.remove(driftChunks, r.chunk("b", 1)) }, true},
	{"no record", index.DriftOrphan, "ghost", 0, false, func(r *rawIndex) string {
		return r.copy(driftChunks, r.chunk("b", 0), map[string]any{"doc": "ghost"})
	}, false},
	{"another revision", index.DriftChunkID, "b", 0, false, func(r *rawIndex) string {
		return r.copy(driftChunks, r.chunk("b", 0), map[string]any{"rev": "older"})
	}, false},
	{"there twice", index.DriftChunkID, "b", 0, false, func(r *rawIndex) string { return r.copy(driftChunks, r.chunk("b", 0), nil) }, false},
	{"names no document", index.DriftUnreadable, "b", 1, false, func(r *rawIndex) string { return r.unset(driftChunks, r.chunk("b", 1), "doc") }, true},
	{"names another document", index.DriftAltered, "b", 1, false, func(r *rawIndex) string {
		return r.set(driftChunks, r.chunk("b", 1), map[string]any{"doc": "a"})
	}, true},
	{"names another revision", index.DriftAltered, "b", 1, false, func(r *rawIndex) string {
		return r.set(driftChunks, r.chunk("b", 1), map[string]any{"rev": "older"})
	}, true},
	{"names another place", index.DriftAltered, "b", 1, false, func(r *rawIndex) string {
		return r.set(driftChunks, r.chunk("b", 1), map[string]any{"ord": 7})
	}, true},
	{"names another tenant", index.DriftAltered, "b", 1, false, func(r *rawIndex) string {
		return r.set(driftChunks, r.chunk("b", 1), map[string]any{"tenant": "eve"})
	}, true},
	{"text of another type", index.DriftUnreadable, "b", 1, true, func(r *rawIndex) string {
		return r.set(driftChunks, r.chunk("b", 1), map[string]any{"text": 7})
	}, true},
	{"other text", index.DriftAltered, "b", 1, true, func(r *rawIndex) string {
		p := r.chunk("b", 1)
		return r.set(driftChunks, p, map[string]any{"text": strings.ToUpper(p.GetPayload()["text"].GetStringValue())})
	}, true},
	{"other gap", index.DriftAltered, "b", 1, true, func(r *rawIndex) string {
		return r.set(driftChunks, r.chunk("b", 1), map[string]any{"gap": "\n"})
	}, true},
	{"other heading", index.DriftAltered, "b", 1, true, func(r *rawIndex) string {
		return r.set(driftChunks, r.chunk("b", 1), map[string]any{"heading": []any{"On nothing"}})
	}, true},
	{"other prefix", index.DriftAltered, "b", 1, true, func(r *rawIndex) string {
		return r.set(driftChunks, r.chunk("b", 1), map[string]any{"prefix": "About\n"})
	}, true},
	{"other offset", index.DriftAltered, "b", 1, true, func(r *rawIndex) string {
		return r.set(driftChunks, r.chunk("b", 1), map[string]any{"start": 3})
	}, true},
	{"a parent", index.DriftAltered, "b", 1, true, func(r *rawIndex) string {
		return r.set(driftChunks, r.chunk("b", 1), map[string]any{"parent_last": 99})
	}, true},
	{"other tags", index.DriftLabels, "b", 1, true, func(r *rawIndex) string {
		return r.set(driftChunks, r.chunk("b", 1), map[string]any{"tags": []any{"public"}})
	}, false},
	{"no metadata", index.DriftLabels, "b", 1, true, func(r *rawIndex) string { return r.unset(driftChunks, r.chunk("b", 1), "meta") }, false},
	{"other count of tokens", index.DriftTokens, "b", 1, true, func(r *rawIndex) string {
		return r.set(driftChunks, r.chunk("b", 1), map[string]any{"tokens": 1})
	}, false},
	{"another lexical weight", index.DriftSparse, "b", 1, true, func(r *rawIndex) string {
		p := r.chunk("b", 1)
		s := p.GetVectors().GetVectors().GetVectors()["bm25"].GetSparse()
		s.Values[0] += 0.001
		return r.vector(p, "bm25", qdrant.NewVectorSparse(s.Indices, s.Values))
	}, false},
	{"no lexical vector", index.DriftSparse, "b", 1, true, func(r *rawIndex) string { return r.dropVector(r.chunk("b", 1), "bm25") }, false},
	{"another dense vector", index.DriftDense, "b", 1, true, func(r *rawIndex) string {
		return r.vector(r.chunk("b", 1), "dense", qdrant.NewVectorDense(vector("something else")))
	}, false},
	{"no dense vector", index.DriftDense, "b", 1, true, func(r *rawIndex) string { return r.dropVector(r.chunk("b", 1), "dense") }, false},
	{"record of no state", index.DriftRecordUnreadable, "b", -1, false, func(r *rawIndex) string {
		return r.set(driftChunks+"_docs", r.record("b"), map[string]any{"state": 5})
	}, true},
	{"record of no document", index.DriftRecordUnreadable, "b", -1, false, func(r *rawIndex) string {
		return r.unset(driftChunks+"_docs", r.record("b"), "doc")
	}, true},
	{"record with another title", index.DriftRecordAltered, "b", -1, false, func(r *rawIndex) string {
		return r.set(driftChunks+"_docs", r.record("b"), map[string]any{"title": "Nothing"})
	}, true},
	{"record with another count", index.DriftRecordAltered, "b", -1, false, func(r *rawIndex) string {
		return r.set(driftChunks+"_docs", r.record("b"), map[string]any{"chunk_count": int64(1) << 40})
	}, true},
	{"record twice", index.DriftRecordID, "b", -1, false, func(r *rawIndex) string {
		return r.copy(driftChunks+"_docs", r.record("b"), nil)
	}, false},
	{"record elsewhere", index.DriftRecordID, "b", -1, false, func(r *rawIndex) string {
		p := r.record("b")
		id := r.copy(driftChunks+"_docs", p, nil)
		r.remove(driftChunks+"_docs", p)
		return id
	}, false},
	{"no payload index", index.DriftIndex, "", -1, false, func(r *rawIndex) string {
		_, err := r.c.DeleteFieldIndex(r.t.Context(), &qdrant.DeleteFieldIndexCollection{CollectionName: driftChunks, FieldName: "doc", Wait: qdrant.PtrOf(true)})
		r.must(err)
		return ""
	}, false},
}

// Every kind of drift is found under its id, and nothing beside it; what can be
// mended without the source is, and the rest by the next ingestion: then the
// index holds byte for byte what it held before.
func TestVerifyFindsAndMends(t *testing.T) {
	d := newDriftCase(t)
	if r := d.verify(t, VerifyOptions{ReadData: true, Sample: -1}); len(r.Drift) > 0 || r.Documents != 4 || r.Read != r.Chunks || r.Embedded != r.Chunks || r.Texts != 3 || r.Unsealed+r.Untexted+r.Foreign > 0 {
		t.Fatalf("of a sound index: %+v", r)
	}
	for _, tt := range drifts {
		var point string
		d.raw(t, func(r *rawIndex) { point = tt.spoil(r) })

		shallow := d.verify(t, VerifyOptions{})
		if found := len(shallow.Drift) > 0; found == tt.data {
			t.Errorf("%s: without reading data: %+v", tt.name, shallow.Drift)
		}
		found := d.verify(t, VerifyOptions{ReadData: true, Sample: -1})
		if len(found.Drift) != 1 {
			t.Errorf("%s: found %+v, want one of kind %s", tt.name, found.Drift, tt.kind)
		} else if got := found.Drift[0]; got.Kind != tt.kind || got.Doc != tt.doc || got.Ordinal != tt.ord || got.Point != point || got.Detail == "" || tt.source != (got.Remedy == index.Reingest) {
			t.Errorf("%s: found %+v, want %s of document %q, chunk %d, point %s", tt.name, got, tt.kind, tt.doc, tt.ord, point)
		}

		mended := d.mend(t, found)
		after := d.verify(t, VerifyOptions{ReadData: true, Sample: -1})
		if !tt.source {
			if len(after.Drift) > 0 || mended.Marked != nil {
				t.Errorf("%s: mended %+v, found afterwards %+v", tt.name, mended, after.Drift)
			}
			if diff := gocmp.Diff(d.clean, d.dump(t)); diff != "" {
				t.Errorf("%s: mended, but not as it was (-want +got):\n%s", tt.name, diff)
			}
		} else if !slices.Equal(mended.Marked, []text.DocID{"b"}) || tt.kind != index.DriftRecordUnreadable && !slices.Equal(after.Damaged(), []text.DocID{"b"}) {
			t.Errorf("%s: mended %+v, found afterwards %+v, want document b marked", tt.name, mended, after.Drift)
		}
		sum := d.ingest(t)
		if want := map[bool]int{true: 1, false: 0}[tt.source]; sum.Replaced+sum.Indexed != want {
			t.Errorf("%s: the next run stored %d documents again, want %d: %+v", tt.name, sum.Replaced+sum.Indexed, want, sum)
		}
		if r := d.verify(t, VerifyOptions{ReadData: true, Sample: -1}); len(r.Drift) > 0 {
			t.Fatalf("%s: after another ingestion: %+v", tt.name, r.Drift)
		}
		if diff := gocmp.Diff(d.clean, d.dump(t)); diff != "" {
			t.Fatalf("%s: after another ingestion not as it was (-want +got):\n%s", tt.name, diff)
		}
	}
}

// Several random spoilings at once are mended, too.
func TestVerifyMendsRandomDrift(t *testing.T) {
	d := newDriftCase(t)
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 5))
		var names []string
		d.raw(t, func(r *rawIndex) {
			for range 1 + rng.IntN(5) {
				names = append(names, r.spoil(rng))
			}
		})
		d.mend(t, d.verify(t, VerifyOptions{ReadData: true, Sample: -1}))
		after := d.verify(t, VerifyOptions{ReadData: true, Sample: -1})
		for _, drift := range after.Drift {
			if drift.Remedy != index.Reingest {
				t.Errorf("seed %d, %q: left after mending: %+v", seed, names, drift)
			}
		}
		d.ingest(t)
		if r := d.verify(t, VerifyOptions{ReadData: true, Sample: -1}); len(r.Drift) > 0 {
			t.Fatalf("seed %d, %q: after another ingestion: %+v", seed, names, r.Drift)
		}
		if diff := gocmp.Diff(d.clean, d.dump(t)); diff != "" {
			t.Fatalf("seed %d, %q: after another ingestion not as it was (-want +got):\n%s", seed, names, diff)
		}
	}
}

// spoil changes something of a random point and says what.
func (r *rawIndex) spoil(rng *rand.Rand) string {
	name := driftChunks
	if rng.IntN(4) == 0 {
		name += "_docs"
	}
	points := r.points(name)
	p := points[rng.IntN(len(points))]
	keys := slices.Sorted(maps.Keys(p.GetPayload()))
	key := keys[rng.IntN(len(keys))]
	if key == "tenant" {
		key = "rev" // a record or a copy of another tenant is not this one's to mend
	}
	what := fmt.Sprintf("%s %s %s", name, p.GetId().GetUuid(), key)
	values := []any{"", "changed", 3, -1, 1.5, true, []any{"x"}, map[string]any{"k": "v"}}
	switch rng.IntN(7) {
	case 0:
		r.remove(name, p)
		return "remove " + what
	case 1:
		r.copy(name, p, nil)
		return "copy " + what
	case 2:
		if v, ok := p.GetPayload()[key].GetKind().(*qdrant.Value_IntegerValue); ok && v.IntegerValue == 0 {
			return "nothing" // which is what a missing number means
		}
		r.unset(name, p, key)
		return "unset " + what
	case 3:
		if name == driftChunks {
			r.dropVector(p, []string{"dense", "bm25"}[rng.IntN(2)])
			return "drop vector " + what
		}
		fallthrough
	default:
		v := values[rng.IntN(len(values))]
		r.set(name, p, map[string]any{key: v})
		return fmt.Sprintf("set %s to %v", what, v)
	}
}

// What an older version stored has no checksums: it is said, and no drift.
func TestVerifyOlderIndex(t *testing.T) {
	d := newDriftCase(t)
	d.raw(t, func(r *rawIndex) {
		for _, name := range []string{driftChunks, driftChunks + "_docs"} {
			for _, p := range r.points(name) {
				r.unset(name, p, "sum", "prefix", "text_sha256")
			}
		}
	})
	r := d.verify(t, VerifyOptions{ReadData: true, Sample: -1})
	if len(r.Drift) > 0 || r.Unsealed != r.Chunks || r.Untexted != 3 || r.Embedded != 0 || r.Texts != 0 {
		t.Errorf("of an older index: %+v", r)
	}
	var point string
	d.raw(t, func(r *rawIndex) {
		point = r.set(driftChunks, r.chunk("b", 1), map[string]any{"tags": []any{"public"}, "tokens": 1})
		r.set(driftChunks, r.chunk("c", 1), map[string]any{"end": 3})
		r.dropVector(r.chunk("a", 1), "dense")
	})
	found := d.verify(t, VerifyOptions{ReadData: true})
	var got []string
	for _, drift := range found.Drift {
		got = append(got, fmt.Sprintf("%s %s/%d %s", drift.Kind, drift.Doc, drift.Ordinal, drift.Remedy))
	}
	if want := []string{"chunk-altered c/1 reingest", "chunk-labels b/1 rewrite", "chunk-tokens b/1 rewrite", "dense a/1 reingest"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	d.mend(t, found)
	d.raw(t, func(r *rawIndex) {
		for _, p := range r.points(driftChunks) {
			if p.GetId().GetUuid() == point && p.GetPayload()["sum"] != nil {
				t.Error("a chunk whose prefix is not known got a checksum")
			}
		}
	})
	d.ingest(t)
	if r := d.verify(t, VerifyOptions{ReadData: true, Sample: -1}); len(r.Drift) > 0 || r.Unsealed == 0 || r.Unsealed == r.Chunks {
		t.Errorf("after another ingestion: %+v", r)
	}
}

func TestVerifyOptions(t *testing.T) {
	d := newDriftCase(t)
	d.open(t, func(_ *index.Client, g *index.Generation) {
		v, err := NewVerifier(g, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), VerifyOptions{ReadData: true, Sample: 1}); err == nil {
			t.Error("a sample without an embedder: no error")
		}
		if r, err := v.Verify(t.Context(), VerifyOptions{ReadData: true}); err != nil || len(r.Drift) > 0 || r.Read == 0 || r.Embedded != 0 {
			t.Errorf("without an embedder: %+v, %v", r, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := v.Verify(ctx, VerifyOptions{}); err == nil {
			t.Error("cancelled: no error")
		}
	})
	for _, n := range []int{1, 5, 1000} {
		r := d.verify(t, VerifyOptions{ReadData: true, Sample: n, Seed: 1})
		if want := min(n, r.Chunks); r.Embedded != want {
			t.Errorf("a sample of %d embedded %d, want %d", n, r.Embedded, want)
		}
	}
}
