package index

import (
	"fmt"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

// TestSearchesAtOnce searches from several goroutines while documents are replaced.
// What is found among those that stay is what it was before, and whatever is found
// is whole: what local mode and this package use again from search to search shows in
// no answer.
func TestSearchesAtOnce(t *testing.T) {
	c := dial(t, Options{InMemory: true})
	g := create(t, c)
	ctx := t.Context()
	var stay []text.DocID
	for _, e := range corpus(t, g, 60) {
		stay = append(stay, e.Record.Doc)
	}
	fleeting := func(rev int) (out []Entry) {
		for i := range 20 {
			doc := text.DocID(fmt.Sprintf("f%02d", i))
			out = append(out, document(doc, fmt.Sprintf("r%d", rev), fmt.Sprintf("%s at %d", doc, rev), fmt.Sprintf("more of %s at %d", doc, rev)))
		}
		return out
	}
	put(t, g, fleeting(0)...)

	type answer struct {
		Found   []Candidate
		Records []*Record
	}
	search := func(s Search) (answer, error) {
		l, err := g.Legs(ctx, s)
		if err != nil {
			return answer{}, err
		}
		var docs []text.DocID
		for _, c := range l.Candidates {
			docs = append(docs, c.Chunk.Doc)
		}
		records, err := g.RecordsOf(ctx, docs)
		return answer{l.Candidates, records}, err
	}
	const searchers, rounds = 4, 60
	steady := func(n int) Search { // whose scores no other document changes
		s := Search{Dense: vector(fmt.Sprint("query ", n)), Limit: 5 + n, Filter: Filter{Docs: stay}}
		if n%2 > 0 {
			s.Sparse = terms(fmt.Sprintf("ember n%d", n))
		}
		return s
	}
	plain := func(a answer) answer { // idf depends on all documents
		for i := range a.Found {
			a.Found[i].Lexical = 0
		}
		return a
	}
	want := make([]answer, searchers)
	for n := range want {
		a, err := search(steady(n))
		if err != nil {
			t.Fatal(err)
		}
		want[n] = plain(a)
	}
	done := make(chan struct{})
	var writing, searching sync.WaitGroup
	writing.Go(func() {
		for rev := 1; ; rev++ {
			select {
			case <-done:
				return
			default:
			}
			if err := g.PutAll(ctx, fleeting(rev)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for n := range searchers {
		searching.Go(func() {
			for round := range rounds {
				a, err := search(steady(n))
				if err != nil {
					t.Error(err)
					return
				}
				if d := gocmp.Diff(want[n], plain(a)); d != "" {
					t.Errorf("round %d (-alone +now):\n%s", round, d)
					return
				}
				s := Search{Dense: vector(fmt.Sprint(n, round)), Sparse: terms("of at ember more"), Limit: 40}
				if a, err = search(s); err != nil {
					t.Error(err)
					return
				}
				for i, c := range a.Found {
					dense, _ := score(nil, Point{Dense: vector(c.Chunk.Text)}, s)
					if !near(c.Dense, dense) {
						t.Errorf("chunk %q has the dense score %v, want %v", c.Chunk.Text, c.Dense, dense)
					}
					if i > 0 && a.Found[i-1].Chunk.ID >= c.Chunk.ID {
						t.Errorf("candidates %d and %d are out of order", i-1, i)
					}
					if r := a.Records[i]; r == nil || r.Doc != c.Chunk.Doc {
						t.Errorf("chunk of %s comes with the record %+v", c.Chunk.Doc, r)
					}
				}
			}
		})
	}
	searching.Wait()
	close(done)
	writing.Wait()
}
