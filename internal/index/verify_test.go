package index

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/text"
)

// sealed returns documents with the hash of their text.
func sealed(entries ...Entry) []Entry {
	for i, e := range entries {
		entries[i].Record.TextSHA256 = TextSum(fullText(e))
	}
	return entries
}

// nothing is a VerifyOptions.Check that finds nothing.
func nothing(context.Context, []Stored) ([]Drift, error) { return nil, nil }

func verified(t *testing.T, g *Generation, o VerifyOptions) Report {
	t.Helper()
	r, err := g.Verify(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// kinds names each drift of a report.
func kinds(r Report) (out []string) {
	for _, d := range r.Drift {
		out = append(out, fmt.Sprintf("%s %s/%d", d.Kind, d.Doc, d.Ordinal))
	}
	return out
}

// store writes points as they are, past all checks.
func store(t *testing.T, g *Generation, e Entry) {
	t.Helper()
	var points []*qdrant.PointStruct
	for _, p := range e.Points {
		points = append(points, g.chunkPoint(p))
	}
	if err := g.c.upsert(t.Context(), g.chunks(), points); err != nil {
		t.Fatal(err)
	}
	if err := g.c.upsert(t.Context(), g.records(), []*qdrant.PointStruct{g.recordPoint(e.Record)}); err != nil {
		t.Fatal(err)
	}
}

// two makes the record of e one of its first two chunks.
func two(e *Entry) {
	first := Entry{Points: e.Points[:2]}
	e.Record.ChunkCount, e.Record.Tokens = 2, e.Points[0].Chunk.Tokens+e.Points[1].Chunk.Tokens
	e.Record.Bytes, e.Record.TextSHA256 = len(fullText(first)), TextSum(fullText(first))
}

// What Put never stores, and no checksum tells.
func TestVerifyContradictions(t *testing.T) {
	for _, tt := range []struct {
		name string
		data bool
		edit func(g *Generation, e *Entry)
		want string
	}{
		{"sound", true, func(*Generation, *Entry) {}, ""},
		{"an older revision", false, func(g *Generation, e *Entry) {
			e.Points[2].Chunk.Rev = "r0"
			e.Points[2].Chunk.ID = chunkID(g.c.tenant, "d", "r0", g.fingerprint, 2)
			two(e)
		}, "chunk-stale d/2"},
		{"more than the record says", false, func(g *Generation, e *Entry) { two(e) }, "chunk-orphan d/2"},
		{"far less than the record says", false, func(g *Generation, e *Entry) { e.Record.ChunkCount = 1 << 40 }, "record-count d/-1"},
		{"less than none", false, func(g *Generation, e *Entry) { e.Record.ChunkCount = -1 }, "chunk-orphan d/0 chunk-orphan d/1 chunk-orphan d/2 record-count d/-1"},
		{"another text", true, func(g *Generation, e *Entry) { e.Record.TextSHA256 = TextSum("else") }, "text d/-1"},
		{"another length", true, func(g *Generation, e *Entry) { e.Record.Bytes++ }, "text d/-1"},
		{"a hole", true, func(g *Generation, e *Entry) { e.Points[1].Chunk.Gap = "" }, "text d/-1"},
		{"a wrong span", true, func(g *Generation, e *Entry) { e.Points[1].Chunk.Span.End++ }, "chunk-altered d/1"},
		{"a parent that is none", true, func(g *Generation, e *Entry) { e.Points[1].Chunk.ParentLast = 3 }, "chunk-altered d/1"},
		{"other totals", true, func(g *Generation, e *Entry) { e.Record.Tokens++ }, "record-count d/-1"},
		{"marked", false, func(g *Generation, e *Entry) { e.Record.Damage = "something" }, "marked d/-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := create(t, dial(t, Options{}))
			put(t, g, sealed(document("other", "r1", "alpha"))...)
			e := sealed(document("d", "r1", "one", "two", "three"))[0]
			if err := g.complete(&e); err != nil {
				t.Fatal(err)
			}
			tt.edit(g, &e)
			store(t, g, e)
			found := len(verified(t, g, VerifyOptions{}).Drift) > 0
			if want := !tt.data && tt.want != ""; found != want {
				t.Errorf("found by ids alone: %v, want %v", found, want)
			}
			r := verified(t, g, VerifyOptions{Data: true, Check: nothing})
			if got := strings.Join(kinds(r), " "); got != tt.want {
				t.Errorf("found %q, want %q: %v", got, tt.want, r.Drift)
			}
			if _, err := g.Mend(t.Context(), r, nil); err != nil {
				t.Errorf("Mend: %v", err)
			}
			if rec, err := g.Record(t.Context(), "d"); err != nil || (rec.Damage == "") != (r.Damaged() == nil) {
				t.Errorf("afterwards the record is %+v, %v", rec, err)
			}
			if rec, err := g.Record(t.Context(), "other"); err != nil || rec.Damage != "" {
				t.Errorf("afterwards the other record is %+v, %v", rec, err)
			}
			put(t, g, sealed(document("d", "r1", "one", "two", "three"))...)
			if r := verified(t, g, VerifyOptions{Data: true, Check: nothing}); len(r.Drift) > 0 {
				t.Errorf("stored again, found %v", r.Drift)
			}
		})
	}
}

func TestVerifySchema(t *testing.T) {
	w := &wire{}
	c := dial(t, Options{Interceptors: w.option()})
	g := create(t, c)
	w.set(nil, func(_ string, reply any) {
		if r, ok := reply.(*qdrant.GetCollectionInfoResponse); ok {
			p := r.GetResult().GetConfig().GetParams()
			if d := p.GetVectorsConfig().GetParamsMap().GetMap()[denseVector]; d != nil {
				d.Size, d.Distance = 5, qdrant.Distance_Dot
			}
			if s := p.GetSparseVectorsConfig().GetMap()[sparseVector]; s != nil {
				s.Modifier = nil
			}
		}
	})
	r := verified(t, g, VerifyOptions{})
	if len(r.Drift) != 3 {
		t.Errorf("found %v, want size, distance and modifier", r.Drift)
	}
	for _, d := range r.Drift {
		if d.Kind != DriftSchema || d.Remedy != Rebuild {
			t.Errorf("found %+v", d)
		}
	}
	if m, err := g.Mend(t.Context(), r, nil); err != nil || !reflect.ValueOf(m).IsZero() {
		t.Errorf("Mend = %+v, %v, want nothing done", m, err)
	}
}

// Documents that are written between the passes are not judged.
func TestVerifyWhileWriting(t *testing.T) {
	w := &wire{}
	c := dial(t, Options{Interceptors: w.option()})
	g := create(t, c)
	put(t, g, sealed(document("d", "r1", "one", "two"), document("e", "r1", "three"), document("f", "r1", "four"))...)
	once := true
	w.set(func(method string, _ any) error {
		if method == "Count" && once { // the records are read, the chunks not yet
			once = false
			put(t, g, sealed(document("d", "r2", "one", "two", "three"), document("new", "r1", "five"))...)
			if _, err := g.Delete(t.Context(), "e"); err != nil {
				t.Error(err)
			}
		}
		return nil
	}, nil)
	r := verified(t, g, VerifyOptions{Data: true, Check: nothing})
	if want := []text.DocID{"d", "e", "new"}; len(r.Drift) > 0 || !slices.Equal(r.Changed, want) {
		t.Errorf("found %v, changed %q, want nothing found and %q", r.Drift, r.Changed, want)
	}
}

func TestVerifyTenants(t *testing.T) {
	c := dial(t, Options{})
	g := create(t, c)
	put(t, g, sealed(document("d", "r1", "one", "two"))...)
	eve := *g
	eve.c = &Client{qc: c.qc, tenant: "eve", retry: c.retry, frequencies: c.frequencies}
	put(t, &eve, sealed(document("d", "r1", "one"))...)
	for _, tt := range []struct {
		g            *Generation
		own, foreign int
	}{{g, 2, 1}, {&eve, 1, 2}} {
		r := verified(t, tt.g, VerifyOptions{Data: true, Check: nothing})
		if len(r.Drift) > 0 || r.Chunks != tt.own || r.Foreign != tt.foreign || r.Read != tt.own {
			t.Errorf("%s: %+v", tt.g.c.tenant, r)
		}
	}
}

// More documents than fit into one group, more chunks than into one page.
func TestVerifyPages(t *testing.T) {
	c := dial(t, Options{})
	g := create(t, c)
	var entries []Entry
	chunks := 0
	for i := range 600 {
		texts := []string{fmt.Sprint("text of ", i)}
		for j := range i % 7 {
			texts = append(texts, fmt.Sprintf("part %d of %d", j, i))
		}
		if i == 300 {
			for j := range 1500 {
				texts = append(texts, fmt.Sprintf("line %d", j))
			}
		}
		chunks += len(texts)
		entries = append(entries, document(text.DocID(fmt.Sprint("doc-", i)), "r", texts...))
	}
	put(t, g, sealed(entries...)...)
	got := map[ChunkID]bool{}
	embedded := 0
	r := verified(t, g, VerifyOptions{Data: true, Sample: 100, Seed: 7, Check: func(_ context.Context, page []Stored) ([]Drift, error) {
		if len(page) > recordPage {
			t.Errorf("a page of %d chunks", len(page))
		}
		for _, s := range page {
			got[s.Chunk.ID] = true
			if s.Embed {
				embedded++
			}
		}
		return nil, nil
	}})
	want := Report{Documents: 600, Indexed: 600, Chunks: chunks, Read: chunks, Embedded: 100, Texts: 600}
	if d := cmp.Diff(want, r); d != "" || len(got) != chunks || embedded != 100 {
		t.Errorf("%d different chunks, %d to embed; report (-want +got):\n%s", len(got), embedded, d)
	}
}

func TestVerifyRefuses(t *testing.T) {
	c := dial(t, Options{})
	g := create(t, c)
	for _, o := range []VerifyOptions{{Data: true}, {Check: nothing}, {Sample: 1}} {
		if _, err := g.Verify(t.Context(), o); !errors.Is(err, ErrInvalid) {
			t.Errorf("Verify(%+v) = %v, want %v", o, err, ErrInvalid)
		}
	}
	put(t, g, document("d", "r1", "one"))
	broken := errors.New("no model")
	check := func(context.Context, []Stored) ([]Drift, error) { return nil, broken }
	if _, err := g.Verify(t.Context(), VerifyOptions{Data: true, Check: check}); !errors.Is(err, broken) {
		t.Errorf("Verify = %v, want %v", err, broken)
	}
}

// A checksum covers every field of a chunk but those that are compared with
// something else, and every field of a record.
func TestChecksumsCoverEveryField(t *testing.T) {
	base := document("d", "r1", "one").Points[0]
	base.Chunk.Doc, base.Chunk.Rev = "d", "r1"
	sum := func(p Point) string { return pointPayload("t", p)[keySum].GetStringValue() }
	for i := range reflect.TypeFor[Chunk]().NumField() {
		p := base
		field := reflect.ValueOf(&p.Chunk).Elem().Field(i)
		name := reflect.TypeFor[Chunk]().Field(i).Name
		disturb(field)
		compared := slices.Contains([]string{"ID", "Tokens", "Tags", "Meta", "ACL", "Modified", "MediaType"}, name)
		if changed := sum(p) != sum(base); changed == compared {
			t.Errorf("with another %s, the checksum of a chunk changes: %v", name, changed)
		}
	}
	p := base
	p.Prefix = "x"
	if sum(p) == sum(base) {
		t.Error("with another Prefix, the checksum of a chunk stays")
	}
	rec := document("d", "r1", "one").Record
	for i := range reflect.TypeFor[Record]().NumField() {
		r := rec
		disturb(reflect.ValueOf(&r).Elem().Field(i))
		if recordPayload("t", r).sum() == recordPayload("t", rec).sum() {
			t.Errorf("with another %s, the checksum of a record stays", reflect.TypeFor[Record]().Field(i).Name)
		}
	}
}

// disturb changes a field.
func disturb(f reflect.Value) {
	switch f.Kind() {
	case reflect.String:
		f.SetString(f.String() + "x")
	case reflect.Int:
		f.SetInt(f.Int() + 1)
	case reflect.Slice:
		f.Set(reflect.Append(reflect.MakeSlice(f.Type(), 0, 1), reflect.Zero(f.Type().Elem())))
	case reflect.Map:
		f.SetZero()
	default:
		if f.NumField() > 0 && f.Field(0).CanSet() {
			disturb(f.Field(0)) // Span
			return
		}
		f.SetZero() // time.Time
	}
}

// Values of another type or number have another checksum; the last bit of a
// number, which a server may lose, does not count.
func TestSumOfValues(t *testing.T) {
	seen := map[string]any{}
	for _, v := range []any{nil, true, false, 0, 1, -1, 1 << 60, 0.5, 1.0, -1.0, 0.500000001, 1e300, "", "1", "a", []any{}, []any{"a"}, []any{"a", ""}, []any{[]any{"a"}}, map[string]any{}, map[string]any{"a": "b"}, map[string]any{"a": nil}} {
		value, err := qdrant.NewValue(v)
		if err != nil {
			t.Fatal(err)
		}
		sum := payload{"k": value}.sum()
		if before, ok := seen[sum]; ok {
			t.Errorf("%#v and %#v have one checksum", before, v)
		}
		seen[sum] = v
	}
	for _, x := range []float64{0.1, 1.0 / 3, 1e-300, 12345.678, -2.5e17} {
		near := payload{"k": qdrant.NewValueDouble(math.Nextafter(x, 0))}.sum()
		if near != (payload{"k": qdrant.NewValueDouble(x)}).sum() {
			t.Errorf("the last bit of %v changes the checksum", x)
		}
	}
}

func TestSample(t *testing.T) {
	ids := make([]string, 200)
	for i := range ids {
		ids[i] = fmt.Sprint("id-", i)
	}
	pick := func(n int, seed uint64, backwards bool) (out []string) {
		s := newSample(n, seed)
		for i := range ids {
			if backwards {
				i = len(ids) - 1 - i
			}
			s.offer(ids[i])
		}
		for _, id := range ids {
			if s.has(id) {
				out = append(out, id)
			}
		}
		return out
	}
	a := pick(20, 1, false)
	if b := pick(20, 1, true); len(a) != 20 || !slices.Equal(a, b) {
		t.Errorf("picked %d, in the other order %d", len(a), len(b))
	}
	if slices.Equal(a, pick(20, 2, false)) {
		t.Error("another seed picks the same")
	}
	if n := len(pick(0, 1, false)); n != 0 {
		t.Errorf("0 picks %d", n)
	}
	if n := len(pick(-1, 1, false)); n != len(ids) {
		t.Errorf("all picks %d", n)
	}
}
