package evalret_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

func TestExplain(t *testing.T) {
	f := finder{"q": found(
		hit{"a", 0, "one two three four", 0.9, 5},
		hit{"b", 0, "five six seven", 0.8, 0},
		hit{"c", 0, "eight nine ten eleven twelve", 0.1, 1},
	)}
	p := retrieve.DefaultParams()
	p.TopK, p.Rerank = 2, 0
	x, err := evalret.Explain(t.Context(), "q", filter.Expr{}, f, evalret.Setting{Name: "s", Params: p}, 10, words{})
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		Doc            text.DocID
		Rank           int
		Dense, Lexical int
		Segment        string
		Dropped        pack.Reason
	}
	var rows []row
	for _, c := range x.Candidates {
		rows = append(rows, row{c.Doc, c.Rank, c.Dense.Rank, c.Lexical.Rank, c.Segment, c.Dropped})
	}
	want := []row{{"a", 1, 1, 1, "1", ""}, {"b", 2, 2, 0, "", pack.OverBudget}, {"c", 3, 3, 2, "", ""}}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
	for i, c := range x.Candidates {
		if sum := c.Fused + c.Added.Document + c.Added.Title + c.Added.Neighbours + c.Added.Phrases; math.Abs(sum-c.Score) > 1e-9 {
			t.Errorf("the score of #%d is %v, of its parts %v", c.Rank, c.Score, sum)
		}
		if want := []int{1, 2, 0}[i]; c.Turn != want { // only two were offered
			t.Errorf("#%d was taken in turn %d, want %d", c.Rank, c.Turn, want)
		}
	}
	if c := x.Candidates[0]; c.Delivered != c.Span || c.Cuts != nil {
		t.Errorf("of #1 at %v, %v is delivered without %v", c.Span, c.Delivered, c.Cuts)
	}
	if x.Expand != "" || x.Written != nil || x.Phrases != nil || x.Feedback != nil {
		t.Errorf("nothing was made of the query, but %+v", x)
	}
	read := f["q"]
	read.Reading = retrieve.Reading{
		Written: []string{"w"}, Phrases: []retrieve.Phrase{{Text: "p", Kind: retrieve.Quoted}}, Feedback: []*index.Chunk{read.Legs.Candidates[0].Chunk},
	}
	p.Expand = retrieve.HyDE
	y, err := evalret.Explain(t.Context(), "r", filter.Expr{}, finder{"r": read}, evalret.Setting{Name: "s", Params: p}, 10, words{})
	if err != nil || y.Expand != retrieve.HyDE || len(y.Written) != 1 || len(y.Phrases) != 1 || len(y.Feedback) != 1 || y.Feedback[0].Doc != read.Legs.Candidates[0].Chunk.Doc {
		t.Errorf("a query of which much was made: %+v, %v", y, err)
	}
	beside := found(hit{"d", 0, "x", 0.9, 5}, hit{"d", 1, "y z", 0.1, 1})
	beside.Neighbours = map[index.ChunkID][]*index.Chunk{"00": {beside.Legs.Candidates[1].Chunk}}
	p.TopK, p.Neighbours = 1, 1
	z, err := evalret.Explain(t.Context(), "n", filter.Expr{}, finder{"n": beside}, evalret.Setting{Name: "s", Params: p}, 20, words{})
	if err != nil {
		t.Fatal(err)
	}
	if c := z.Candidates[1]; c.Segment != "1" || c.Turn != 0 || c.Delivered != c.Span || len(z.Beside) != 1 || z.Beside[0].Segment != "1" {
		t.Errorf("what is in the context as a neighbour is %+v as a candidate, and %+v", c, z.Beside)
	}
	if len(x.Segments) != 1 || x.Segments[0].Tokens != 4 || x.Segments[0].Text != "one two three four" || len(x.Segments[0].Ranks) != 1 {
		t.Errorf("segments = %+v", x.Segments)
	}
	if x.Tokens > 10 || x.Around() != x.Tokens-4 || x.Stages != nil {
		t.Errorf("tokens %d, around %d, stages %v", x.Tokens, x.Around(), x.Stages)
	}
	if empty, err := evalret.Explain(t.Context(), "q", filter.Expr{}, f, evalret.Setting{Name: "s", Params: p}, 1, words{}); err != nil || len(empty.Segments) != 0 || len(empty.Candidates) != 3 {
		t.Errorf("with a budget of one token: %+v, %v", empty, err)
	}
	if _, err := evalret.Explain(t.Context(), "unknown", filter.Expr{}, f, evalret.Setting{Name: "s", Params: p}, 10, words{}); !errors.Is(err, errFind) {
		t.Errorf("error of a failed search = %v", err)
	}
}

// TestExplainReranked: what was reranked is in the order of the final score, which is
// the sum of its parts; what was not has none.
func TestExplainReranked(t *testing.T) {
	f := finder{"q": found(
		hit{"a", 0, "one two three four", 0.9, 5},
		hit{"b", 0, "five six seven", 0.8, 0},
		hit{"a", 1, "eight nine ten eleven twelve", 0.7, 1},
		hit{"c", 0, "thirteen", 0.1, 1},
	)}
	p := retrieve.DefaultParams()
	p.Rerank, p.RerankWeight = 3, 0.7
	x, err := evalret.Explain(t.Context(), "q", filter.Expr{}, f, evalret.Setting{Name: "s", Params: p}, 100, words{})
	if err != nil {
		t.Fatal(err)
	}
	var before []int
	last := math.Inf(1)
	for i, c := range x.Candidates {
		if i == 3 {
			if c.Reranked != nil {
				t.Errorf("#%d was not reranked, but %+v", c.Rank, *c.Reranked)
			}
			continue
		}
		r := *c.Reranked
		if sum := r.Weighted + r.Own + r.Added.Document + r.Added.Title + r.Added.Neighbours; math.Abs(sum-r.Final) > 1e-9 || r.Final > last {
			t.Errorf("#%d has %+v, whose parts make %v, after %v", c.Rank, r, sum, last)
		}
		last = r.Final
		before = append(before, r.Before)
	}
	if slices.IsSorted(before) {
		t.Errorf("the test shows nothing: %v is the order before", before)
	}
}

// TestExplainSaysWhatWasEvaluated: the context of an explanation is the one
// that the evaluation packed.
func TestExplainSaysWhatWasEvaluated(t *testing.T) {
	_, r, set := stack(t)
	o := evalret.Options{
		Settings: evalret.Standard(retrieve.DefaultParams(), pack.Options{}), Counter: words{}, Tokenizer: "words", Seed: 1, Resamples: 200, Detail: evalret.Contexts,
	}
	e, err := evalret.Evaluate(t.Context(), set, r, o)
	if err != nil {
		t.Fatal(err)
	}
	why, err := evalret.ExplainWorst(t.Context(), e, r, o, 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(why) != 3 {
		t.Fatalf("%d explanations, want 3", len(why))
	}
	reference, _ := e.Run(e.Reference)
	compared := 0
	for _, q := range reference.PerQuery {
		x, ok := why[q.ID]
		if !ok {
			continue
		}
		for _, c := range q.Contexts {
			if c.Budget != x.Budget {
				continue
			}
			compared++
			var got []evalret.Segment
			for _, s := range x.Segments {
				got = append(got, evalret.Segment{Doc: s.Doc, Start: s.Span.Start, End: s.Span.End, Title: s.Title, Text: s.Text})
			}
			if diff := cmp.Diff(c.Segments, got); diff != "" || c.Tokens != x.Tokens {
				t.Errorf("query %s: %d tokens, explained %d; segments (-evaluated +explained):\n%s", q.ID, c.Tokens, x.Tokens, diff)
			}
		}
	}
	if compared != 3 {
		t.Errorf("compared %d contexts, want 3", compared)
	}
}

func TestWorst(t *testing.T) {
	set := labels.Set{Name: "set", Queries: []labels.Query{
		{ID: "none", Text: "n", Unanswerable: true},
		{ID: "full", Text: "f", Docs: map[text.DocID]int{"a": 1}},
		{ID: "unlabelled", Text: "u"},
		{ID: "failed", Text: "gone", Docs: map[text.DocID]int{"a": 1}},
	}}
	all := found(hit{"a", 0, "one two", 0.9, 5})
	f := finder{"n": all, "f": all, "u": all}
	e, err := evalret.Evaluate(t.Context(), set, f, evalret.Options{Seed: 1, Resamples: 200})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, i := range e.Worst() {
		ids = append(ids, e.Queries[i].ID)
	}
	if diff := cmp.Diff([]string{"failed", "full", "unlabelled", "none"}, ids); diff != "" {
		t.Errorf("worst first (-want +got):\n%s", diff)
	}
	if got := (evalret.Evaluation{}).Worst(); got != nil {
		t.Errorf("Worst of nothing = %v", got)
	}
}
