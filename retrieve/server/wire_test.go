package server

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/text"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// random returns values of a type with every field set at random.
type random struct{ r *rand.Rand }

// fill sets v, whose integers are kept in the range of the wire.
func (r random) fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(r.r.Int64N(1<<33), r.r.Int64N(1e9)).UTC()))
			return
		}
		if v.Type() == reflect.TypeFor[meta.Value]() {
			values := []meta.Value{meta.OfString("ünï"), meta.OfInteger(r.r.Int64()), meta.OfFloat(r.r.NormFloat64()), meta.OfBool(true),
				meta.OfTime(time.Unix(r.r.Int64N(1<<33), 5000)), meta.OfStrings([]string{"a", ""})}
			v.Set(reflect.ValueOf(values[r.r.IntN(len(values))]))
			return
		}
		for i := range v.NumField() {
			r.fill(v.Field(i))
		}
	case reflect.String:
		if v.Type() == reflect.TypeFor[index.State]() {
			v.Set(reflect.ValueOf([]index.State{index.Indexed, index.Failed, index.Quarantined}[r.r.IntN(3)]))
			return
		}
		v.SetString([]string{"", "a", "ünï", "two words", "🙂"}[r.r.IntN(5)])
	case reflect.Int:
		v.SetInt(int64(r.r.Int32()))
	case reflect.Float64:
		v.SetFloat(r.r.NormFloat64())
	case reflect.Bool:
		v.SetBool(r.r.IntN(2) == 0)
	case reflect.Slice:
		n := r.r.IntN(3)
		if n == 0 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			r.fill(v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		r.fill(v.Elem())
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 1 + r.r.IntN(2) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			r.fill(key)
			r.fill(value)
			v.SetMapIndex(key, value)
		}
	}
}

func sample[T any](r *rand.Rand) (v T) {
	random{r}.fill(reflect.ValueOf(&v).Elem())
	return v
}

// throughWire marshals and unmarshals m.
func throughWire[M proto.Message](t *testing.T, m M) M {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	out := m.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(b, out); err != nil {
		t.Fatal(err)
	}
	return out.(M)
}

// roundTrips checks that what encode puts on the wire is read back by decode to
// an equal value.
func roundTrips[T any, M proto.Message](t *testing.T, encode func(T) M, decode func(M) T, o ...cmp.Option) {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 8))
	for range 500 {
		want := sample[T](r)
		got := decode(throughWire(t, encode(want)))
		if d := cmp.Diff(want, got, append(o, cmpopts.EquateEmpty())...); d != "" {
			t.Fatalf("%T (-want +got):\n%s", want, d)
		}
	}
}

func TestRoundTripRecord(t *testing.T) {
	states := map[ragloopv1.DocumentState]index.State{}
	for domain, wire := range documentStates {
		states[wire] = domain
	}
	roundTrips(t, document, func(m *ragloopv1.Document) index.Record {
		return index.Record{
			Doc: text.DocID(m.Id), Rev: m.Revision, URI: m.Uri, MediaType: m.MediaType, Title: m.Title, ContentSHA256: m.ContentSha256,
			ChunkCount: int(m.ChunkCount), Tokens: int(m.Tokens), Bytes: int(m.TextBytes), Pages: int(m.Pages),
			IngestedAt: m.IngestTime.AsTime(), State: states[m.State], Error: m.Error, Reason: m.Reason, Tags: m.Tags, Meta: fieldsOf(m.Fields),
			ACL: m.Acl, Modified: m.Modified.AsTime(),
		}
	}, onlyFields[index.Record]("Doc", "Rev", "URI", "MediaType", "Title", "ContentSHA256", "ChunkCount", "Tokens", "Bytes", "Pages",
		"IngestedAt", "State", "Error", "Reason", "Tags", "Meta", "ACL", "Modified"))
}

// fieldsOf reads metadata back.
func fieldsOf(in map[string]*ragloopv1.MetaValue) meta.Fields {
	out := meta.Fields{}
	for key, v := range in {
		out[key], _ = metaValue(v)
	}
	return out
}

// onlyFields compares the named fields of T: the others are not for the wire.
func onlyFields[T any](names ...string) cmp.Option {
	return cmp.FilterPath(func(p cmp.Path) bool {
		field, ok := p.Last().(cmp.StructField)
		return ok && p.Index(-2).Type() == reflect.TypeFor[T]() && !slices.Contains(names, field.Name())
	}, cmp.Ignore())
}

func runeSpan(s *ragloopv1.Span) text.RuneSpan {
	return text.RuneSpan{Start: int(s.Start), End: int(s.End)}
}

func candidateOf(dense, lexical *ragloopv1.LegScore) index.Candidate {
	return index.Candidate{Dense: dense.Score, DenseRank: int(dense.Rank), Lexical: lexical.Score, LexicalRank: int(lexical.Rank)}
}

func addedOf(a *ragloopv1.AddedScores) retrieve.Added {
	return retrieve.Added{Document: a.Document, Title: a.Title, Neighbours: a.Neighbours, Phrases: a.Phrases}
}

func rerankedOf(r *ragloopv1.Reranked) *retrieve.Reranked {
	if r == nil {
		return nil
	}
	return &retrieve.Reranked{Score: r.Score, Before: int(r.RankBefore), Final: r.FinalScore, Weighted: r.Weighted, Own: r.Own, Added: addedOf(r.Added)}
}

func TestRoundTripChunk(t *testing.T) {
	roundTrips(t, chunk, func(m *ragloopv1.Chunk) retrieve.Ranked {
		c := candidateOf(m.Dense, m.Lexical)
		c.Chunk = &index.Chunk{
			ID: index.ChunkID(m.Id), Doc: text.DocID(m.Document), Rev: m.Revision, Ordinal: int(m.Ordinal), Span: runeSpan(m.Span),
			Text: m.Text, Heading: m.Heading, PageStart: int(m.PageStart), PageEnd: int(m.PageEnd), Tokens: int(m.Tokens), Tags: m.Tags, Meta: fieldsOf(m.Fields),
		}
		return retrieve.Ranked{Candidate: c, Rank: int(m.Rank), Score: m.Score, Fused: m.Fused, Title: m.InTitle, Phrases: m.Phrases, Rerank: rerankedOf(m.Reranked), Record: &index.Record{URI: m.Uri, Title: m.Title}}
	}, onlyFields[index.Record]("URI", "Title"), onlyFields[index.Chunk]("ID", "Doc", "Rev", "Ordinal", "Span", "Text", "Heading",
		"PageStart", "PageEnd", "Tokens", "Tags", "Meta"), cmpopts.IgnoreFields(retrieve.Ranked{}, "Parent", "Neighbours"))
}

func TestRoundTripCandidate(t *testing.T) {
	type scored struct {
		Ranked retrieve.Ranked
		Added  retrieve.Added
	}
	encode := func(s scored) *ragloopv1.Candidate { return candidate(s.Ranked, s.Added, pack.Fate{}) }
	roundTrips(t, encode, func(m *ragloopv1.Candidate) scored {
		c := candidateOf(m.Dense, m.Lexical)
		c.Chunk = &index.Chunk{ID: index.ChunkID(m.Id), Doc: text.DocID(m.Document), Span: runeSpan(m.Span)}
		return scored{
			retrieve.Ranked{Candidate: c, Rank: int(m.Rank), Score: m.Score, Fused: m.Fused, Title: m.InTitle, Phrases: m.Phrases, Rerank: rerankedOf(m.Reranked)},
			addedOf(m.Added),
		}
	}, onlyFields[index.Chunk]("ID", "Doc", "Span"), cmpopts.IgnoreFields(retrieve.Ranked{}, "Record", "Parent", "Neighbours"))
}

func TestRoundTripSegment(t *testing.T) {
	var ranked []retrieve.Ranked
	for i := range 3 {
		ranked = append(ranked, retrieve.Ranked{Candidate: index.Candidate{Chunk: &index.Chunk{}}, Rank: i + 1})
	}
	normal := func(s pack.Segment) pack.Segment {
		for i := range s.Chunks {
			s.Chunks[i] = s.Chunks[i] % len(ranked)
		}
		return s
	}
	encode := func(s pack.Segment) *ragloopv1.Segment { return segments([]pack.Segment{normal(s)}, ranked)[0] }
	roundTrips(t, encode, func(m *ragloopv1.Segment) pack.Segment {
		s := pack.Segment{
			Label: m.Label, Doc: text.DocID(m.Document), Rev: m.Revision, URI: m.Uri, Title: m.Title, Heading: m.Heading,
			PageStart: int(m.PageStart), PageEnd: int(m.PageEnd), Span: runeSpan(m.Span), Text: m.Text, Tokens: int(m.Tokens),
			Score: m.Score, Trimmed: m.Trimmed, Context: runeSpan(m.ContextSpan),
		}
		for _, e := range m.Edits {
			s.Edits = append(s.Edits, pack.Edit{At: int(e.At), Len: int(e.Length), With: e.With})
		}
		for _, c := range m.Chunks {
			s.Chunks = append(s.Chunks, int(c.Rank)-1)
		}
		return s
	})
}

// wireSearch puts parameters on the wire, each of them set.
func wireSearch(p retrieve.Params) *ragloopv1.SearchOptions {
	out := &ragloopv1.SearchOptions{
		TopK: new(int32(p.TopK)), Candidates: new(int32(p.Candidates)), Fusion: p.Fusion.String(),
		DocumentPrior: &p.DocumentPrior, NeighbourSmoothing: &p.NeighbourSmoothing, IdfPower: &p.IDFPower, TitleBoost: &p.TitleBoost, PhraseBoost: &p.PhraseBoost, Feedback: &p.Feedback, Expand: p.Expand, RequireAll: &p.RequireAll, Rerank: new(int32(p.Rerank)),
		Filter: &ragloopv1.Filter{Tags: p.Filter.Tags, Meta: p.Filter.Meta, Where: Where(p.Filter.Where)},
	}
	if p.Rerank > 0 {
		out.RerankWeight = &p.RerankWeight
	}
	for _, d := range p.Filter.Docs {
		out.Filter.Documents = append(out.Filter.Documents, string(d))
	}
	return out
}

func TestRoundTripParams(t *testing.T) {
	fusions := []string{"zscore(w=0.25)", "minmax(w=1)", "dbsf", "rrf(k=7.5,w=0)", "dense", "lexical"}
	valid := func(p retrieve.Params) retrieve.Params {
		p.Fusion, _ = retrieve.ParseFusion(fusions[p.TopK%len(fusions)])
		p.Neighbours = 0 // an option of packing on the wire
		p.RerankWeight = 1
		if p.Rerank > 0 {
			p.RerankWeight = float64(1+p.TopK%4) / 4
		}
		p.Filter.Where, _ = filter.Parse([]string{`tags=a AND (meta."x y">=-0.5 OR NOT EXISTS n)`, "modified>2026-05-31 AND acl!=b", "at<=2026-05-31T12:00:00.5Z", "n IN (1, a, true)", ""}[p.TopK%5])
		return p
	}
	r := rand.New(rand.NewPCG(9, 10))
	for range 500 {
		want := valid(sample[retrieve.Params](r))
		var bad invalidRequest
		got := Shipped().searchParams(throughWire(t, wireSearch(want)), &bad)
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || len(bad) > 0 {
			t.Fatalf("violations %v, (-want +got):\n%s", bad, d)
		}
	}
	// What is unset is the default, whatever the defaults are.
	other := Defaults{Search: retrieve.Params{TopK: 7, Candidates: 70, Fusion: retrieve.Fusion{Method: retrieve.DBSF}, DocumentPrior: 0.1, IDFPower: 1, RequireAll: true}}
	for _, in := range []*ragloopv1.SearchOptions{nil, {}, {Filter: &ragloopv1.Filter{}}} {
		if d := cmp.Diff(other.Search, other.searchParams(in, new(invalidRequest)), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("defaults for %v (-want +got):\n%s", in, d)
		}
	}
}

// TestRerankFollowsCandidates: a request for few candidates is not refused for
// the server's depth.
func TestRerankFollowsCandidates(t *testing.T) {
	d := Shipped()
	d.Search.TopK, d.Search.Rerank = 5, 30
	for candidates, want := range map[int32]int{10: 10, 100: 30} {
		var bad invalidRequest
		if got := d.searchParams(&ragloopv1.SearchOptions{Candidates: &candidates}, &bad); got.Rerank != want || got.Validate() != nil {
			t.Errorf("%d candidates: rerank = %d (%v), want %d", candidates, got.Rerank, got.Validate(), want)
		}
	}
}

// TestRerankWeight: a weight of the request takes the place of the server's, and is
// refused where it would do nothing.
func TestRerankWeight(t *testing.T) {
	reranks := Shipped()
	reranks.Search.Rerank, reranks.Search.RerankWeight = 30, 0.7
	for name, tc := range map[string]struct {
		d    Defaults
		in   *ragloopv1.SearchOptions
		want float64
		bad  string // field and beginning of the problem
	}{
		"unset":               {reranks, &ragloopv1.SearchOptions{}, 0.7, ""},
		"set":                 {reranks, &ragloopv1.SearchOptions{RerankWeight: new(0.25)}, 0.25, ""},
		"all":                 {reranks, &ragloopv1.SearchOptions{RerankWeight: new(1.0)}, 1, ""},
		"zero":                {reranks, &ragloopv1.SearchOptions{RerankWeight: new(0.0)}, 0, "search.rerank_weight is 0, allowed are above 0 to 1"},
		"above":               {reranks, &ragloopv1.SearchOptions{RerankWeight: new(1.5)}, 1.5, "search.rerank_weight is 1.5, allowed are above 0 to 1"},
		"not a number":        {reranks, &ragloopv1.SearchOptions{RerankWeight: new(math.NaN())}, 0, "search.rerank_weight is NaN, allowed are above 0 to 1"},
		"no reranker":         {Shipped(), &ragloopv1.SearchOptions{RerankWeight: new(0.5)}, 0.5, "search.rerank_weight is set, but nothing is reranked"},
		"not reranked":        {reranks, &ragloopv1.SearchOptions{RerankWeight: new(0.5), Rerank: new(int32(0))}, 0.5, "search.rerank_weight is set, but nothing is reranked"},
		"reranked on request": {Shipped(), &ragloopv1.SearchOptions{RerankWeight: new(0.5), Rerank: new(int32(5))}, 0.5, ""},
	} {
		var bad invalidRequest
		got := tc.d.searchParams(tc.in, &bad)
		bad.addAll(got.Validate(), "search.")
		if err := bad.err(); (err == nil) != (tc.bad == "") || err != nil && !strings.Contains(err.Error(), tc.bad) {
			t.Errorf("%s: %v, want %q", name, err, tc.bad)
		}
		if tc.bad == "" && got.RerankWeight != tc.want {
			t.Errorf("%s: weight = %v, want %v", name, got.RerankWeight, tc.want)
		}
	}
}

// TestNeighbours: an option of packing, which parameters of the search have.
func TestNeighbours(t *testing.T) {
	d := Shipped()
	d.Search.Neighbours = 2
	for _, tc := range []struct {
		in   *ragloopv1.PackOptions
		want int
		bad  int
	}{{nil, 2, 0}, {&ragloopv1.PackOptions{}, 2, 0}, {&ragloopv1.PackOptions{Neighbours: new(int32(0))}, 0, 0},
		{&ragloopv1.PackOptions{Neighbours: new(int32(4))}, 4, 0}, {&ragloopv1.PackOptions{Neighbours: new(int32(5))}, 0, 1}, {&ragloopv1.PackOptions{Neighbours: new(int32(-1))}, 0, 1}} {
		var bad invalidRequest
		if got := d.neighbours(tc.in, &bad); got != tc.want || len(bad) != tc.bad {
			t.Errorf("neighbours(%v) = %d with %d problems, want %d with %d", tc.in, got, len(bad), tc.want, tc.bad)
		}
	}
}

func TestRoundTripPackOptions(t *testing.T) {
	orders := map[string]ragloopv1.SegmentOrder{
		pack.ByRank: ragloopv1.SegmentOrder_SEGMENT_ORDER_RANK, pack.ByDocument: ragloopv1.SegmentOrder_SEGMENT_ORDER_DOCUMENT,
		pack.ByEnds: ragloopv1.SegmentOrder_SEGMENT_ORDER_ENDS}
	templates := []string{pack.Plain, pack.XML, pack.Markdown}
	check := func(budget uint16, perSource, order, template, diversity uint8, noTrim bool) bool {
		want := pack.Options{BudgetTokens: int(budget) + 1, MaxPerSource: int(perSource), Order: pack.Orders()[int(order)%len(orders)],
			NoTrim: noTrim, Diversity: float64(diversity) / 255}
		name := templates[int(template)%len(templates)]
		var bad invalidRequest
		got := Shipped().packOptions(new(int32(want.BudgetTokens)), throughWire(t, &ragloopv1.PackOptions{
			MaxSegmentsPerDocument: new(int32(want.MaxPerSource)), Order: orders[want.Order], NoTrim: want.NoTrim,
			Template: &name, Diversity: &want.Diversity}), &bad)
		if got.Template.String() != name {
			return false
		}
		got.Template = nil
		return got == want && len(bad) == 0
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
	if got := Shipped().packOptions(nil, nil, new(invalidRequest)); got != Shipped().Pack {
		t.Errorf("options of an empty request = %+v, want %+v", got, Shipped().Pack)
	}
}

func TestRoundTripNewDocument(t *testing.T) {
	want := NewDocument{ID: "ä/b.md", URI: "u", MediaType: "text/markdown", Title: "t", Content: []byte{0xff, 0}, Tags: []string{"x", "y"}, ACL: []string{"g"}, Meta: meta.Fields{"k": meta.OfString(""), "modified": meta.OfTime(time.Date(2026, 3, 1, 11, 0, 0, 5e8, time.UTC))}}
	got, err := newDocument(throughWire(t, &ragloopv1.NewDocument{
		Id: string(want.ID), Uri: want.URI, MediaType: want.MediaType, Title: want.Title, Content: want.Content, Tags: want.Tags, Acl: want.ACL,
		Meta: map[string]string{"k": ""}, Modified: timestamppb.New(time.Date(2026, 3, 1, 11, 0, 0, 5e8, time.UTC))}))
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("error %v, (-want +got):\n%s", err, d)
	}
	want = NewDocument{ID: "a", Deleted: true}
	got, err = newDocument(throughWire(t, &ragloopv1.NewDocument{Id: "a", Deleted: true}))
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("deleted: error %v, (-want +got):\n%s", err, d)
	}
}

// TestEveryEnumValueHasADomainValue finds values that were added on one side
// only.
func TestEveryEnumValueHasADomainValue(t *testing.T) {
	for _, tc := range []struct {
		values protoreflect.EnumValueDescriptors
		domain int
	}{
		{ragloopv1.DropReason(0).Descriptor().Values(), len(dropReasons)},
		{ragloopv1.DocumentState(0).Descriptor().Values(), len(documentStates)},
		{ragloopv1.PutOutcome(0).Descriptor().Values(), len(putOutcomes)},
	} {
		if tc.values.Len() != tc.domain+1 { // and the unspecified one
			t.Errorf("%s: %d values for %d of the domain", tc.values.Get(0).FullName(), tc.values.Len(), tc.domain)
		}
	}
}

func TestInvalidText(t *testing.T) {
	if d := cmp.Diff([]string{"a\uFFFDb"}, valid([]string{"a\xffb"})); d != "" {
		t.Errorf("valid (-want +got):\n%s", d)
	}
}

// FuzzSearchOptions decodes any options and validates what comes out: nothing
// may panic, and what is accepted must be valid.
func FuzzSearchOptions(f *testing.F) {
	b, err := proto.Marshal(wireSearch(retrieve.DefaultParams()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		in := &ragloopv1.SearchOptions{}
		if proto.Unmarshal(b, in) != nil {
			return
		}
		var bad invalidRequest
		p := Shipped().searchParams(in, &bad)
		bad.addAll(p.Validate(), "search.")
		if (p.Validate() != nil) && len(bad) == 0 {
			t.Errorf("%v is accepted as %+v", in, p)
		}
	})
}

// BenchmarkSegments makes what a response says of a context of 44 segments that was
// packed from 50 chunks.
func BenchmarkSegments(b *testing.B) {
	var ranked []retrieve.Ranked
	var packed pack.Context
	for i := range 50 {
		at := text.RuneSpan{Start: 400 * i, End: 400 * (i + 1)}
		ranked = append(ranked, retrieve.Ranked{
			Candidate: index.Candidate{Chunk: &index.Chunk{ID: index.ChunkID(strconv.Itoa(i)), Doc: "d", Span: at}}, Record: &index.Record{}, Rank: i + 1,
		})
		switch {
		case i < 44:
			packed.Segments = append(packed.Segments, pack.Segment{Label: strconv.Itoa(i + 1), Doc: "d", Span: at, Context: at, Chunks: []int{i}})
		case i < 46:
			packed.Segments[i-44].Chunks = append(packed.Segments[i-44].Chunks, i)
		default:
			packed.Dropped = append(packed.Dropped, pack.Drop{Chunk: i, Reason: pack.OverBudget})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		segments(packed.Segments, ranked)
		dropped(packed.Dropped, ranked)
	}
}
