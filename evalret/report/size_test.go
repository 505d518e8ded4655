package report_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/report"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve"
)

// large is an evaluation as a large query set gives it: four runs, contexts of
// about 4,500 letters in a dozen segments, long names, and explanations.
func large(queries int) (evalret.Evaluation, map[string]evalret.Explanation) {
	rng := rand.New(rand.NewPCG(3, 4))
	sentence := "The allowance for hotels & meals in Bern is “140 francs” a night, reviewed by the finance team. "
	doc := func() text.DocID {
		return text.DocID(fmt.Sprintf("handbook/chapter-%02d/policy-on-something-%03d.md", rng.IntN(40), rng.IntN(999)))
	}
	primary := metric.Metric{Name: "evidence_recall", At: 1024, Unit: metric.Tokens}
	e := evalret.Evaluation{
		Primary: primary, Metrics: metric.Defaults(evalret.DefaultBudgets()), Budgets: evalret.DefaultBudgets(), Reference: "hybrid", Tokenizer: "o200k_base",
		Labels: evalret.LabelCounts{Set: "large.jsonl", Queries: queries, Checked: true, Spans: 2 * queries},
	}
	for _, name := range []string{"lexical", "dense", "hybrid", "reranked"} {
		e.Runs = append(e.Runs, evalret.Run{Name: name, Metrics: map[string]evalret.Summary{}})
	}
	why := map[string]evalret.Explanation{}
	for i := range queries {
		q := evalret.Query{ID: fmt.Sprintf("query-%05d", i), Text: strings.Repeat("what does the handbook say about ", 2) + fmt.Sprint(i), Tags: []string{"policy", "numbers", "paraphrase"}}
		for range 2 {
			d, at := doc(), rng.IntN(9000)
			q.Evidence = append(q.Evidence, evalret.Evidence{Doc: d, Start: at, End: at + len([]rune(sentence)), Quote: sentence})
		}
		q.Answer = sentence
		e.Queries = append(e.Queries, q)
		for r := range e.Runs {
			result := evalret.QueryResult{ID: q.ID, Query: q.Text, Values: map[string]metric.Value{primary.String(): metric.Of(float64(rng.IntN(3)) / 2)}}
			for range 10 {
				result.Docs = append(result.Docs, doc())
			}
			result.Losses = []evalret.Stage{evalret.OverBudget, evalret.Kept}
			c := evalret.Context{Budget: 1024, Tokens: 900 + rng.IntN(124)}
			for k := range 12 {
				at := 1000 * k
				body := strings.Repeat(sentence, 4)
				c.Segments = append(c.Segments, evalret.Segment{Doc: doc(), Start: at, End: at + len([]rune(body)), Title: "Policy on something", Text: body})
			}
			result.Contexts = []evalret.Context{c}
			e.Runs[r].PerQuery = append(e.Runs[r].PerQuery, result)
		}
		x := evalret.Explanation{Query: q.Text, Budget: 1024, Tokens: 1000}
		for rank := range 180 {
			c := evalret.ExplainedChunk{Doc: doc(), Span: text.RuneSpan{Start: rank, End: rank + 700}, Rank: rank + 1, Score: 3 - float64(rank)/50, Added: retrieve.Added{Document: 1, Title: 0.5, Neighbours: -0.25, Phrases: 0.5}, Reranked: &retrieve.Reranked{Before: rank + 1, Final: 3 - float64(rank)/50}}
			if rank < 30 {
				c.Segment = fmt.Sprint(rank/3 + 1)
			}
			x.Candidates = append(x.Candidates, c)
		}
		for k := range 10 {
			x.Segments = append(x.Segments, evalret.ExplainedSegment{Label: fmt.Sprint(k + 1), Doc: doc(), Tokens: 95, Ranks: []int{3*k + 1, 3*k + 2, 3*k + 3}})
		}
		why[q.ID] = x
	}
	return e, why
}

// TestHTMLStaysSmall: a page of 1,000 queries is below two megabytes, whatever
// there is to show, and the worst queries are still shown in full.
func TestHTMLStaysSmall(t *testing.T) {
	const limit = 2_000_000
	for _, queries := range []int{100, 1000} {
		e, why := large(queries)
		page, doc := render(t, func(b *bytes.Buffer) error {
			return report.HTML(b, e, report.Options{Contexts: queries, Explanations: why})
		})
		if len(page) > limit {
			t.Errorf("a page of %d queries has %d bytes, want at most %d", queries, len(page), limit)
		}
		full := 0
		for _, d := range elements(doc, "div") {
			if attr(d, "class") == "context" {
				full++
			}
		}
		t.Logf("%d queries: %d bytes, %d in full", queries, len(page), full)
		if full < 10 {
			t.Errorf("of %d queries %d are shown in full", queries, full)
		}
		if !strings.Contains(textOf(doc), "This file has the packed context with its evidence marked for") {
			t.Errorf("the page of %d queries does not say how much it shows", queries)
		}
	}
}
