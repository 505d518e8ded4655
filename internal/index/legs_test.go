package index

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/text"
)

// corpus stores n documents of one chunk with overlapping vocabularies.
func corpus(t testing.TB, g *Generation, n int) []Entry {
	t.Helper()
	words := []string{"river", "stone", "cloud", "ember", "moss", "tide", "flint", "reed"}
	var out []Entry
	for i := range n {
		s := fmt.Sprintf("%s %s n%d", words[i%8], words[(i*i+3)%8], i)
		out = append(out, document(text.DocID(fmt.Sprintf("d%03d", i)), fmt.Sprint("r", i), s))
	}
	put(t, g, out...)
	return out
}

// score computes both legs' scores of one chunk the plain way.
func score(all []Entry, p Point, s Search) (dense, lex float64) {
	var qq, pp, qp float64
	for i := range s.Dense {
		q, d := float64(s.Dense[i]), float64(p.Dense[i])
		qq, pp, qp = qq+q*q, pp+d*d, qp+q*d
	}
	if s.Dense != nil {
		dense = qp / math.Sqrt(qq*pp)
	}
	n := 0
	df := map[uint32]int{}
	for _, e := range all {
		for _, p := range e.Points {
			n++
			for _, k := range p.Sparse.Indices {
				df[k]++
			}
		}
	}
	for i, k := range s.Sparse.Indices {
		if j, ok := slices.BinarySearch(p.Sparse.Indices, k); ok {
			idf := math.Log((float64(n-df[k])+0.5)/(float64(df[k])+0.5) + 1)
			lex += float64(s.Sparse.Values[i]) * float64(p.Sparse.Values[j]) * idf
		}
	}
	return dense, lex
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-5*math.Max(1, math.Abs(b)) }

func TestLegsAreExactAndComplete(t *testing.T) {
	c := dial(t, Options{})
	g := create(t, c)
	all := corpus(t, g, 40)
	for _, s := range []Search{
		{Dense: vector("query"), Sparse: terms("river ember n3"), Limit: 5},
		{Dense: vector("other"), Sparse: terms("moss"), Limit: 40},
		{Dense: vector("third"), Sparse: terms("unknown"), Limit: 3},
		{Dense: vector("dense only"), Limit: 7},
		{Sparse: terms("stone flint"), Limit: 7},
		{Dense: vector("one"), Sparse: terms("n1 n2"), Limit: 1},
	} {
		got, err := g.Legs(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		type scored struct {
			id         ChunkID
			dense, lex float64
		}
		var want []scored
		for _, e := range all {
			for _, p := range e.Points {
				d, l := score(all, p, s)
				want = append(want, scored{p.Chunk.ID, d, l})
			}
		}
		ranks := func(of func(scored) float64, leave func(scored) bool) map[ChunkID]int {
			list := slices.DeleteFunc(slices.Clone(want), leave)
			slices.SortFunc(list, func(a, b scored) int {
				return cmp.Or(cmp.Compare(float32(of(b)), float32(of(a))), cmp.Compare(a.id, b.id))
			})
			out := map[ChunkID]int{}
			for i, x := range list[:min(s.Limit, len(list))] {
				out[x.id] = i + 1
			}
			return out
		}
		denseRanks := ranks(func(x scored) float64 { return x.dense }, func(scored) bool { return s.Dense == nil })
		lexRanks := ranks(func(x scored) float64 { return x.lex }, func(x scored) bool { return x.lex == 0 })
		n := 0
		for _, x := range want {
			if denseRanks[x.id] > 0 || lexRanks[x.id] > 0 {
				n++
			}
		}
		if len(got.Candidates) != n {
			t.Errorf("%d candidates, want %d", len(got.Candidates), n)
		}
		for i, c := range got.Candidates {
			if i > 0 && got.Candidates[i-1].Chunk.ID >= c.Chunk.ID {
				t.Errorf("candidates %d and %d are out of order", i-1, i)
			}
			j := slices.IndexFunc(want, func(x scored) bool { return x.id == c.Chunk.ID })
			if x := want[j]; !near(c.Dense, x.dense) || !near(c.Lexical, x.lex) {
				t.Errorf("%s: scores %v and %v, want %v and %v", x.id, c.Dense, c.Lexical, x.dense, x.lex)
			}
			// Ties at the cut are the server's choice; local mode's is ours.
			if os.Getenv("RAGLOOP_QDRANT") == "" && (c.DenseRank != denseRanks[c.Chunk.ID] || c.LexicalRank != lexRanks[c.Chunk.ID]) {
				t.Errorf("%s: ranks %d and %d, want %d and %d", c.Chunk.ID, c.DenseRank, c.LexicalRank, denseRanks[c.Chunk.ID], lexRanks[c.Chunk.ID])
			}
			if want := all[j].Points[0].Chunk; c.Chunk.Text != want.Text || c.Chunk.Doc != want.Doc || c.Chunk.Rev != want.Rev {
				t.Errorf("%s holds %+v, want %+v", c.Chunk.ID, c.Chunk, want)
			}
		}
	}
}

// A long union is completed in several groups.
func TestLegsCompleteInGroups(t *testing.T) {
	if testing.Short() {
		t.Skip("stores 1,300 chunks")
	}
	w := &wire{}
	c := dial(t, Options{Interceptors: w.option()})
	g := create(t, c)
	var far, near []string
	for i := range 600 {
		far = append(far, fmt.Sprintf("common n%d", i))
		near = append(near, fmt.Sprintf("rare%d", i))
	}
	a, b := document("far", "r", far...), document("near", "r", near...)
	for i := range a.Points {
		a.Points[i].Dense = []float32{-1, 0, 0, float32(i) / 1e4}
		b.Points[i].Dense = []float32{1, 0, 0, float32(i) / 1e4}
	}
	put(t, g, a, b)
	w.take()
	l, err := g.Legs(t.Context(), Search{Dense: []float32{1, 0, 0, 0}, Sparse: terms("common"), Limit: 600})
	if err != nil || len(l.Candidates) != 1200 {
		t.Fatalf("%d candidates, %v", len(l.Candidates), err)
	}
	for _, c := range l.Candidates {
		isFar := c.Chunk.Doc == "far"
		if isFar != (c.Dense < 0) || isFar != (c.Lexical > 0) || isFar != (c.LexicalRank > 0) || isFar == (c.DenseRank > 0) {
			t.Fatalf("candidate %+v", c)
		}
	}
	_, reqs := w.take()
	if n := len(reqs[1].(*qdrant.QueryBatchPoints).GetQueryPoints()); len(reqs) != 2 || n != 4 {
		t.Errorf("%d calls, the second with %d queries; want 2 and 4", len(reqs), n)
	}
}

func TestLegsFilter(t *testing.T) {
	c := dial(t, Options{})
	g := create(t, c)
	a, b, d := document("a1", "r", "word one"), document("b1", "r", "word two"), document("b2", "r", "word three")
	for _, r := range []*Record{&b.Record, &d.Record} {
		r.Tags = []string{"blue"}
	}
	d.Record.Meta = meta.Fields{"lang": meta.OfString("de"), "a.b": meta.OfString("dotted")}
	put(t, g, a, b, d)
	for _, tt := range []struct {
		name string
		f    Filter
		want []text.DocID
	}{
		{"all", Filter{}, []text.DocID{"a1", "b1", "b2"}},
		{"docs", Filter{Docs: []text.DocID{"a1", "b2", "x"}}, []text.DocID{"a1", "b2"}},
		{"tags", Filter{Tags: []string{"red", "green"}}, []text.DocID{"a1"}},
		{"meta", Filter{Meta: map[string]string{"lang": "de"}}, []text.DocID{"b2"}},
		{"meta with a dot", Filter{Meta: map[string]string{"a.b": "dotted"}}, []text.DocID{"a1", "b1", "b2"}},
		{"all of them", Filter{Docs: []text.DocID{"b1", "b2"}, Tags: []string{"blue"}, Meta: map[string]string{"lang": "en"}}, []text.DocID{"b1"}},
		{"none", Filter{Meta: map[string]string{"lang": "fr"}}, nil},
		{"no such key", Filter{Meta: map[string]string{"x": ""}}, nil},
	} {
		l, err := g.Legs(t.Context(), Search{Dense: vector("q"), Sparse: terms("word"), Limit: 10, Filter: tt.f})
		var got []text.DocID
		for _, c := range l.Candidates {
			got = append(got, c.Chunk.Doc)
		}
		if slices.Sort(got); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

// Tenants share a collection and never see, count, replace or delete each
// other's documents, whatever the filter.
func TestTenants(t *testing.T) {
	dir := t.TempDir()
	open := func(tenant string) (*Client, *Generation) {
		c, err := Dial(t.Context(), Options{DataDir: dir, Tenant: tenant})
		if err != nil {
			t.Fatal(err)
		}
		g, err := c.Open(t.Context(), "shared")
		if errors.Is(err, ErrNoCollection) {
			if g, err = c.Create(t.Context(), "shared", testRecipe()); err == nil {
				err = c.Serve(t.Context(), g)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		return c, g
	}
	for _, tenant := range []string{"one", "two"} {
		c, g := open(tenant)
		put(t, g, document("same", "r", "secret of "+tenant), document("extra-"+text.DocID(tenant), "r", "more of "+tenant))
		c.Close()
	}
	c, g := open("two")
	for _, f := range []Filter{{}, {Docs: []text.DocID{"same", "extra-one", "extra-two"}}, {Tags: []string{"red", "e"}}, {Meta: map[string]string{"lang": "en"}}} {
		l, err := g.Legs(t.Context(), Search{Dense: vector("q"), Sparse: terms("secret of one"), Limit: 10, Filter: f})
		if err != nil || len(l.Candidates) != 2 {
			t.Errorf("filter %v: %d candidates, %v", f, len(l.Candidates), err)
		}
		for _, c := range l.Candidates {
			if !strings.HasSuffix(c.Chunk.Text, "two") {
				t.Errorf("filter %v: tenant two sees %q", f, c.Chunk.Text)
			}
		}
	}
	if s, err := g.Stats(t.Context()); err != nil || s.Documents != 2 || s.Chunks != 2 || s.Hidden != 0 {
		t.Errorf("Stats = %+v, %v", s, err)
	}
	if _, err := g.Record(t.Context(), "extra-one"); !errors.Is(err, ErrNoDocument) {
		t.Errorf("Record of another tenant = %v", err)
	}
	put(t, g, document("same", "r2", "changed by two"))
	if n, err := g.DeleteAll(t.Context(), []text.DocID{"extra-one", "same"}); n != 1 || err != nil {
		t.Errorf("DeleteAll = %d, %v", n, err)
	}
	if r, err := g.Repair(t.Context()); err != nil || r.Removed != 0 {
		t.Errorf("Repair = %+v, %v", r, err)
	}
	c.Close()
	c, g = open("one")
	defer c.Close()
	if s, _, err := g.Text(t.Context(), "same"); err != nil || !strings.Contains(s, "secret of one") {
		t.Errorf("tenant one's document is %q, %v", s, err)
	}
	if s, err := g.Stats(t.Context()); err != nil || s.Documents != 2 {
		t.Errorf("Stats of tenant one = %+v, %v", s, err)
	}
}

// Every query that is sent obeys the rules, whatever was asked for.
func TestQueriesObeyTheRules(t *testing.T) {
	w := &wire{}
	c := dial(t, Options{Interceptors: w.option(), Tenant: "acme"})
	g := create(t, c)
	corpus(t, g, 12)
	w.take()
	_, err := g.Legs(t.Context(), Search{Dense: vector("q"), Sparse: terms("river"), Limit: 3, Filter: Filter{Tags: []string{"red"}}})
	if err != nil {
		t.Fatal(err)
	}
	_, reqs := w.take()
	if len(reqs) != 2 {
		t.Fatalf("%d calls, want 2", len(reqs))
	}
	for i, r := range reqs {
		for _, q := range r.(*qdrant.QueryBatchPoints).GetQueryPoints() {
			f := q.GetFilter()
			tenant := f.GetMust()[0].GetField()
			if tenant.GetKey() != keyTenant || tenant.GetMatch().GetKeyword() != "acme" {
				t.Errorf("first condition %v, want the tenant", f.GetMust()[0])
			}
			if len(f.GetMust()) != 2 || len(f.GetShould())+len(f.GetMustNot()) > 0 {
				t.Errorf("filter %v, want the tenant and one condition", f)
			}
			if i == 0 && f.GetMust()[1].GetFilter() == nil || i == 1 && f.GetMust()[1].GetHasId() == nil {
				t.Errorf("call %d: second condition %v", i, f.GetMust()[1])
			}
			if q.Limit == nil || q.WithPayload == nil || q.WithVectors == nil || q.WithVectors.GetEnable() || q.Using == nil || len(q.Prefetch) > 0 {
				t.Errorf("call %d: query leaves something to defaults: %v", i, q)
			}
			if exact := q.GetParams().GetExact(); exact != (i == 1) {
				t.Errorf("call %d: exact = %v", i, exact)
			}
		}
	}
}

func TestLegsRefuse(t *testing.T) {
	w := &wire{}
	c := dial(t, Options{Interceptors: w.option()})
	g := create(t, c)
	w.take()
	good := func() Search { return Search{Dense: vector("q"), Sparse: terms("a b"), Limit: 5} }
	for name, change := range map[string]func(*Search){
		"limit 0":         func(s *Search) { s.Limit = 0 },
		"limit":           func(s *Search) { s.Limit = 1001 },
		"nothing":         func(s *Search) { s.Dense, s.Sparse = nil, lexical.Vector{} },
		"dimension":       func(s *Search) { s.Dense = s.Dense[1:] },
		"empty dense":     func(s *Search) { s.Dense = []float32{} },
		"zero":            func(s *Search) { s.Dense = make([]float32, 4) },
		"NaN":             func(s *Search) { s.Dense[0] = float32(math.NaN()) },
		"sparse lengths":  func(s *Search) { s.Sparse.Values = s.Sparse.Values[1:] },
		"sparse infinity": func(s *Search) { s.Sparse.Values[0] = float32(math.Inf(-1)) },
		"filter doc":      func(s *Search) { s.Filter.Docs = []text.DocID{"\xff"} },
		"filter tag":      func(s *Search) { s.Filter.Tags = []string{"\xff"} },
		"filter key":      func(s *Search) { s.Filter.Meta = map[string]string{`"`: ""} },
	} {
		s := good()
		change(&s)
		if _, err := g.Legs(t.Context(), s); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: Legs = %v, want %v", name, err, ErrInvalid)
		}
	}
	if calls, _ := w.take(); len(calls) > 0 {
		t.Errorf("%v was called", calls)
	}
}

func TestLegsTies(t *testing.T) {
	w := &wire{}
	c := dial(t, Options{Interceptors: w.option()})
	g := create(t, c)
	texts := make([]string, 9)
	for i := range texts {
		texts[i] = "same words"
	}
	put(t, g, document("d", "r", texts...))
	// A server returns ties in any order.
	w.set(nil, func(_ string, reply any) {
		if r, ok := reply.(*qdrant.QueryBatchResponse); ok {
			for _, b := range r.GetResult() {
				slices.Reverse(b.Result)
			}
		}
	})
	l, err := g.Legs(t.Context(), Search{Dense: vector("same words"), Sparse: terms("words"), Limit: 9})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range l.Candidates {
		if c.DenseRank != i+1 || c.LexicalRank != i+1 {
			t.Errorf("candidate %d by id has ranks %d and %d", i, c.DenseRank, c.LexicalRank)
		}
	}
}

// A chunk that is deleted between the two batches is left out.
func TestLegsChunkVanishes(t *testing.T) {
	w := &wire{}
	c := dial(t, Options{Interceptors: w.option()})
	g := create(t, c)
	a, b := document("a", "r", "word"), document("b", "r", "other")
	b.Points[0].Dense = vector("q")
	put(t, g, a, b)
	batches := 0
	w.set(func(method string, _ any) error {
		if method == "QueryBatch" {
			if batches++; batches == 2 {
				return c.deleteIDs(t.Context(), g.chunks(), []*qdrant.PointId{qdrant.NewIDUUID(string(a.Points[0].Chunk.ID))})
			}
		}
		return nil
	}, nil)
	l, err := g.Legs(t.Context(), Search{Dense: vector("q"), Sparse: terms("word"), Limit: 1})
	if err != nil || len(l.Candidates) != 1 || l.Candidates[0].Chunk.Doc != "b" {
		t.Errorf("Legs = %+v, %v, want b alone", l, err)
	}
}

func BenchmarkLegs(b *testing.B) {
	c := dial(b, Options{})
	g := create(b, c)
	corpus(b, g, 2000)
	s := Search{Dense: vector("query"), Sparse: terms("river ember"), Limit: 100}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Legs(b.Context(), s); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSearch does all that a search asks of the index: both legs, 100 deep,
// among 10,000 chunks of 2,000 documents, how rare the terms are, and the records of
// the documents found.
func BenchmarkSearch(b *testing.B) {
	c := dial(b, Options{})
	g := create(b, c)
	words := []string{"river", "stone", "cloud", "ember", "moss", "tide", "flint", "reed"}
	var entries []Entry
	for i := range 2000 {
		var texts []string
		for j := range 5 {
			texts = append(texts, fmt.Sprintf("%s %s n%d", words[(i+j)%8], words[(i*i+3*j)%8], i))
		}
		entries = append(entries, document(text.DocID(fmt.Sprintf("docs/part-%d/chapter-%04d.md", i%10, i)), fmt.Sprint("r", i), texts...))
	}
	put(b, g, entries...)
	s := Search{Dense: vector("query"), Sparse: terms("river ember n3 n50"), Limit: 100}
	var docs []text.DocID
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.IDF(b.Context(), s.Sparse.Indices); err != nil {
			b.Fatal(err)
		}
		l, err := g.Legs(b.Context(), s)
		if err != nil {
			b.Fatal(err)
		}
		docs = docs[:0]
		for i := range l.Candidates {
			docs = append(docs, l.Candidates[i].Chunk.Doc)
		}
		if records, err := g.RecordsOf(b.Context(), docs); err != nil || slices.Contains(records, nil) {
			b.Fatal(err)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	c := dial(b, Options{DataDir: b.TempDir()})
	g := create(b, c)
	var entries []Entry
	for i := range 64 {
		entries = append(entries, document(text.DocID(fmt.Sprint("d", i)), "r", "one two three", "four five six", "seven eight", "nine"))
	}
	b.ReportAllocs()
	for b.Loop() {
		put(b, g, entries...)
	}
	b.ReportMetric(float64(b.N*256)/b.Elapsed().Seconds(), "chunks/s")
}
