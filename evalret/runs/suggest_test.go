package runs

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/internal/text"
)

// contextsOf makes a run whose contexts are given by query.
func contextsOf(name string, queries []evalret.Query, contexts map[string][]Segment) Side {
	s := Saved{Evaluation: evalret.Evaluation{Queries: queries}, contexts: map[contextKey][]Segment{}}
	for q, segs := range contexts {
		s.contexts[contextKey{name, q}] = segs
	}
	run := evalret.Run{Name: name}
	run.Fingerprints.Corpus, run.Fingerprints.QuerySet = "c", "q"
	return Side{Name: name, Run: run, saved: s}
}

func TestSuggest(t *testing.T) {
	seg := func(doc string, start, end int) Segment { return Segment{Doc: doc, Start: start, End: end, Text: "x"} }
	queries := []evalret.Query{
		{ID: "agreed"}, {ID: "split"}, {ID: "none"}, {ID: "un", Unanswerable: true},
		{ID: "judged", Evidence: []evalret.Evidence{{Doc: "a", Start: 5, End: 9}}, Grades: map[text.DocID]int{"a": 1, "b": 0}},
		{ID: "split2"},
	}
	a := contextsOf("a", queries, map[string][]Segment{
		"agreed": {seg("x", 0, 10)}, "split": {seg("x", 0, 10), seg("y", 0, 10)}, "split2": {seg("x", 0, 10), seg("y", 0, 10)},
		"judged": {seg("a", 0, 10), seg("b", 0, 10)},
	})
	b := contextsOf("b", queries, map[string][]Segment{
		"agreed": {seg("x", 2, 10)}, "split": {seg("y", 0, 12), seg("z", 0, 10)}, "split2": {seg("y", 0, 12), seg("z", 0, 10)},
		"judged": {seg("b", 0, 10)},
	})
	got, err := Suggest([]Side{a, b}, SuggestOptions{Passages: 2})
	if err != nil {
		t.Fatal(err)
	}
	if got.NoContext != 1 || got.Judged != 1 || got.Agreed != 1 || got.Unanswerable != 1 || len(got.Queries) != 2 {
		t.Errorf("Suggest = %+v", got)
	}
	q := got.Queries[0] // of equals the first in the set
	second := 1 / math.Log2(3)
	want := SuggestedQuery{
		Query: queries[1], Score: 1 + (1 - second) + second, Unjudged: 3, Seen: 3,
		Passages: []Suggested{{seg("x", 0, 10), 1, []int{1, 0}}, {seg("z", 0, 10), second, []int{0, 2}}},
	}
	close := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })
	if diff := cmp.Diff(want, q, close); diff != "" {
		t.Errorf("first query (-want +got):\n%s", diff)
	}
	if got, want := q.Reason(q.Passages[0], []Side{a, b}), "effect 1.00: rank 1 in a, not in b; 3 of 3 passages have no judgement"; got != want {
		t.Errorf("Reason = %q, want %q", got, want)
	}
	// One run: its unjudged passages by rank.
	got, err = Suggest([]Side{a}, SuggestOptions{Depth: 1})
	if err != nil || len(got.Queries) != 3 || got.Queries[0].Score != 1 || len(got.Queries[0].Passages) != 1 {
		t.Errorf("Suggest of one run = %+v, %v", got, err)
	}
	other := b
	other.Run.Fingerprints.Corpus = "another"
	if _, err := Suggest([]Side{a, other}, SuggestOptions{}); !errors.Is(err, ErrIncomparable) {
		t.Errorf("Suggest over two corpora = %v, want ErrIncomparable", err)
	}
	if _, err := Suggest(nil, SuggestOptions{}); err == nil {
		t.Error("Suggest without a run succeeds")
	}
}
