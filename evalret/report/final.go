package report

import (
	"bufio"
	"fmt"
	"strconv"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/internal/text"
)

// finalSaid says what a final score is.
const finalSaid = "The final score decided the order of the reranked. It is the sum of the reranker's score (weighted) and the chunk's own of fusion and phrases (own), both as z-scores times their weights, and of what the document, its title and the chunks beside add."

// FinalSaid is finalSaid, for templates.
func (explanationView) FinalSaid() string { return finalSaid }

// finalRow takes the final score of a reranked candidate apart.
type finalRow struct {
	Rank, Before, Reranker, Final              string
	Weighted, Own, Document, Title, Neighbours string // what it is the sum of
	Doc, Span                                  string
}

func finalOf(c evalret.ExplainedChunk) finalRow {
	score := func(x float64) string { return decimal(x, 2) }
	r := c.Reranked
	return finalRow{
		Rank: strconv.Itoa(c.Rank), Before: fmt.Sprintf("#%d", r.Before), Reranker: score(r.Score), Final: score(r.Final),
		Weighted: score(r.Weighted), Own: score(r.Own),
		Document: score(r.Added.Document), Title: score(r.Added.Title), Neighbours: score(r.Added.Neighbours),
		Doc: text.Printable(string(c.Doc)), Span: spanOf(c.Span),
	}
}

// textFinal takes the scores apart that decided among the reranked, if the
// reranker's did not do it alone.
func (v *explanationView) textFinal(b *bufio.Writer) {
	if len(v.Final) == 0 {
		return
	}
	fmt.Fprintln(b, wrap(finalSaid, textWidth))
	t := table{rows: [][]string{{"rank", "was", "document", "span", "rerank", "final", "=weighted", "+own", "+doc", "+title", "+near"}}}
	for _, r := range v.Final {
		t.rows = append(t.rows, []string{r.Rank, r.Before, r.Doc, r.Span, r.Reranker, r.Final, r.Weighted, r.Own, r.Document, r.Title, r.Neighbours})
	}
	t.fit(2)
	t.write(b, "rlllr")
	fmt.Fprintln(b)
}
