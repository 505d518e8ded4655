package report

import (
	"fmt"
	"math"

	"github.com/ragloop/ragloop/evalret"
)

// coverageView says how much of the query set the numbers rest on.
type coverageView struct {
	Facts   []fact
	Budgets []string
	Rows    []coverageRow
}

// coverageRow is what became of the answerable queries in one run.
type coverageRow struct {
	Name, Class     string
	Scored, Missing string
	Inapplicable    string // of the primary metric
	Contexts        []contextCell
}

// contextCell is the contexts of one budget.
type contextCell struct{ Tokens, Segments, TooSmall string }

func (v *evalView) coverage(e evalret.Evaluation) {
	l := e.Labels
	if l.Queries == 0 {
		return
	}
	c := coverageView{Facts: []fact{
		{"queries", fmt.Sprintf("%s: %s answerable, %s not", thousands(l.Queries), thousands(l.Queries-l.Unanswerable), thousands(l.Unanswerable))},
		{"evidence spans", thousands(l.Spans)}, {"graded documents", thousands(l.Docs)},
	}}
	if l.Checked {
		c.Facts = append(c.Facts, fact{"labels checked against the documents", fmt.Sprintf("%s broken and left out, %s re-anchored", thousands(len(l.Broken)), thousands(l.Moved))})
	} else {
		c.Facts = append(c.Facts, fact{"labels", "not checked against the documents"})
	}
	for _, b := range e.Budgets {
		c.Budgets = append(c.Budgets, thousands(b))
	}
	for i, r := range e.Runs {
		s := r.Metrics[e.Primary.String()]
		row := coverageRow{
			Name: r.Name, Class: colour(i), Scored: thousands(s.N - s.Missing), Missing: thousands(len(r.Missing)), Inapplicable: thousands(s.NotApplicable),
		}
		for k := range e.Budgets {
			cell := contextCell{Tokens: absent}
			if k < len(r.Contexts) {
				x := r.Contexts[k]
				cell.Tokens, cell.Segments = thousands(int(math.Round(x.Tokens))), fmt.Sprintf("%.1f", x.Segments)
				if x.TooSmall > 0 {
					cell.TooSmall = thousands(x.TooSmall)
				}
			}
			row.Contexts = append(row.Contexts, cell)
		}
		c.Rows = append(c.Rows, row)
	}
	v.Coverage = &c
}
