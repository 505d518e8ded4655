package index

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/text"
)

// label gives a document labels out of a few values, so that conditions
// hold often.
func label(r *rand.Rand, d *Record) {
	day := time.Date(2026, 5, 30, 0, 0, 0, 0, time.UTC)
	values := []meta.Value{
		meta.OfString("a"), meta.OfString("2"), meta.OfString("2026-05-31"), meta.OfString("2026-05-31 12:00"), meta.OfInteger(2), meta.OfInteger(-1),
		meta.OfFloat(2), meta.OfFloat(0.5), meta.OfBool(true), meta.OfTime(day.Add(36 * time.Hour)), meta.OfTime(day), meta.OfStrings([]string{"a", "b"}), meta.OfStrings(nil),
	}
	pick := func(list ...string) (out []string) {
		for _, s := range list {
			if r.IntN(2) == 0 {
				out = append(out, s)
			}
		}
		return out
	}
	d.Tags, d.ACL, d.Meta = pick("a", "b"), pick("a", "g"), meta.Fields{}
	d.MediaType = []string{"", "a", "text/plain"}[r.IntN(3)]
	if r.IntN(3) > 0 {
		d.Modified = day.Add(time.Duration(r.IntN(9)) * 12 * time.Hour)
	}
	for _, key := range []string{"n", "a b.c", "at"} {
		if r.IntN(4) > 0 {
			d.Meta[key] = values[r.IntN(len(values))]
		}
	}
}

func randomWhere(r *rand.Rand, depth int) filter.Expr {
	if depth > 0 && r.IntN(3) > 0 {
		e := filter.Expr{Op: []filter.Op{filter.And, filter.Or, filter.Not}[r.IntN(3)]}
		for range 2 {
			e.Of = append(e.Of, randomWhere(r, depth-1))
		}
		if e.Op == filter.Not {
			e.Of = e.Of[:1]
		}
		return e
	}
	fields := []string{"tags", "acl", "doc", "media_type", "modified", "n", `meta."a b.c"`, "at", "missing"}
	conditions := []string{"=a", "!=a", "=b", "IN (a, g, doc3)", "=2", "!=2", ">=0.5", "<2", "IN (a, 2, true)", "=true", "=2026-05-31", ">2026-05-30", "<=2026-05-31", "<2026-05-31T12:00:00Z", "IN (2026-05-30, 2026-06-01)"}
	for {
		f := fields[r.IntN(len(fields))]
		s := f + " " + conditions[r.IntN(len(conditions))]
		if r.IntN(8) == 0 {
			s = "EXISTS " + f
		}
		if e, err := filter.Parse(s); err == nil {
			return e
		}
	}
}

// What the index finds is what Match says, and
// never another tenant's.
func TestWhereIsMatch(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(3, 4))
	records := map[text.DocID]Record{}
	var g *Generation
	for _, tenant := range []string{"other", "own"} {
		c, err := Dial(t.Context(), Options{DataDir: dir, Tenant: tenant})
		if err != nil {
			t.Fatal(err)
		}
		if g == nil {
			g, err = c.Create(t.Context(), "docs", testRecipe())
			if err == nil {
				err = c.Serve(t.Context(), g)
			}
		} else {
			g, err = c.Open(t.Context(), "docs")
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range 40 {
			e := document(text.DocID(fmt.Sprint("doc", i)), tenant, "word "+tenant)
			label(r, &e.Record)
			put(t, g, e)
			records[e.Record.Doc] = e.Record
		}
		if tenant == "other" {
			c.Close()
			continue
		}
		t.Cleanup(func() { c.Close() })
	}
	held, all := 0, 0
	check := func() {
		t.Helper()
		for range 400 {
			where := randomWhere(r, 3)
			l, err := g.Legs(t.Context(), Search{Dense: vector("q"), Limit: 100, Filter: Filter{Where: where}})
			if err != nil {
				t.Fatalf("%s: %v", where, err)
			}
			var got, want []string
			for _, c := range l.Candidates {
				if c.Chunk.Text != "word own" {
					t.Fatalf("%s finds %q of another tenant", where, c.Chunk.Doc)
				}
				got = append(got, string(c.Chunk.Doc))
			}
			for doc, rec := range records {
				if where.Match(filter.Document{ID: string(doc), Tags: rec.Tags, ACL: rec.ACL, MediaType: rec.MediaType, Modified: rec.Modified, Meta: rec.Meta}) {
					want = append(want, string(doc))
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Fatalf("%s finds %q, want %q", where, got, want)
			}
			held, all = held+len(want), all+len(records)
		}
	}
	check()
	if share := float64(held) / float64(all); share < 0.1 || share > 0.9 {
		t.Errorf("conditions hold for a share of %.2f of the documents: they test little", share)
	}
}
