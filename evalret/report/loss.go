package report

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/ragloop/ragloop/evalret"
)

// stageNames says what each stage of loss is, for people.
var stageNames = map[evalret.Stage]string{
	evalret.NoResults:  "the query failed",
	evalret.NotFound:   "found by no leg",
	evalret.SplitApart: "found in part: the rest is in chunks that were not",
	evalret.Outranked:  "found, but below the first top-k chunks",
	evalret.Demoted:    "moved below the first top-k chunks by the rerank stage",
	evalret.Capped:     "left out by the cap on segments of a document",
	evalret.OverBudget: "ranked, but there was no room in the context",
}

// lossView is the way of the evidence into the context: what enters, and what
// each stage loses.
type lossView struct {
	Budget, Spans, Kept string
	KeptShare           string
	Theta               string
	Rows                []lossRow
	Flow                flow
}

type lossRow struct {
	Name, Lost, Left string
	Share            string // lost, of all spans
}

// lossesOf lays out the losses of a run; nil where it has none to show.
func lossesOf(r evalret.Run) *lossView {
	l := r.Losses
	if l == nil {
		return nil
	}
	v := lossView{
		Budget: thousands(l.Budget), Spans: thousands(l.Spans), Kept: thousands(l.Kept),
		KeptShare: share(l.Kept, l.Spans), Theta: whole(l.Theta), Flow: newFlow(l, r.Parameters.Rerank != nil),
	}
	left := l.Spans
	for _, stage := range evalret.Stages() {
		n := l.Lost[stage]
		if n == 0 {
			continue
		}
		left -= n
		v.Rows = append(v.Rows, lossRow{
			Name: stageNames[stage], Lost: thousands(n), Left: thousands(left), Share: share(n, l.Spans),
		})
	}
	return &v
}

// textLosses writes where the reference run lost evidence.
func textLosses(b *bufio.Writer, e evalret.Evaluation) {
	r, ok := e.Run(e.Reference)
	v := lossesOf(r)
	if !ok || v == nil {
		return
	}
	fmt.Fprintf(b, "\nof %s labelled evidence spans, %s has %s (%s) in a context of %s tokens", v.Spans, e.Reference, v.Kept, v.KeptShare, v.Budget)
	if len(v.Rows) == 0 {
		fmt.Fprintln(b)
		return
	}
	fmt.Fprintln(b, "; it lost:")
	t := table{}
	for _, row := range v.Rows {
		t.rows = append(t.rows, []string{"  " + row.Lost, row.Name})
	}
	t.write(b, "rl")
}

// lossNote says what became of an evidence span, for its line in the report.
func lossNote(stage evalret.Stage) string {
	if stage == evalret.Kept {
		return ""
	}
	return strings.TrimPrefix(stageNames[stage], "found, but ")
}
