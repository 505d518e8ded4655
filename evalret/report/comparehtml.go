package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/runs"
	"github.com/ragloop/ragloop/evalret/stats"
	"github.com/ragloop/ragloop/internal/text"
)

// CompareHTML writes c as one self-contained HTML page: verdict, differences
// by metric, and the queries that changed most with their contexts side by side.
func CompareHTML(w io.Writer, c runs.Comparison) error {
	v := compareView{
		Verdict: CompareVerdict(c), Warnings: c.Warnings, Primary: c.Primary.String(), Baseline: c.Baseline.Name,
		Queries: count(c.Queries, "query", "queries"), Several: len(c.Others) > 1, Differs: c.Differs,
	}
	for _, o := range c.Others {
		v.Names = append(v.Names, o.Name)
	}
	for i := range c.Others {
		v.Others = append(v.Others, compareOther(c, i))
	}
	for _, ch := range c.Changed {
		v.Changed = append(v.Changed, shownChange(c, ch))
	}
	return page(w, "Comparison of runs", "compare", v)
}

// compareView is what the template of a comparison shows.
type compareView struct {
	Verdict, Primary, Baseline string
	Queries                    string
	Several                    bool     // more than one other
	Names                      []string // of the others
	Warnings                   []stats.Warning
	Differs                    []runs.Difference
	Others                     []otherView
	Changed                    []changedView
}

type otherView struct {
	Name string
	Rows []compareLine
}

type compareLine struct {
	Metric                                                     string
	Primary                                                    bool
	N, Baseline, Mean, Points, P, PFamily, Effect, Counts, MDE string
	Verdict, VerdictClass                                      string
	Whiskers                                                   whiskers
}

type changedView struct {
	ID, Text string
	Sides    []changedSide
}

type changedSide struct {
	Name, Value string
	Evidence    []shownEvidence
	Segments    []shownSegment
}

func compareOther(c runs.Comparison, i int) otherView {
	o := otherView{Name: c.Others[i].Name}
	s := scale{-0.01, 0.01}
	for _, row := range c.Rows {
		reach := max(-row.Cells[i].CI.Lo, row.Cells[i].CI.Hi)
		s = scale{min(s.lo, -reach), max(s.hi, reach)}
	}
	for k, row := range c.Rows {
		cell := row.Cells[i]
		line := compareLine{
			Metric: row.Metric.String(), Primary: k == 0, N: thousands(row.N), Baseline: number(row.Baseline), Mean: number(cell.Mean),
			Points: points(cell.Comparison), P: pValue(cell.P), PFamily: pValue(cell.PFamily), Effect: fmt.Sprintf("%.2f", cell.Effect),
			Counts: fmt.Sprintf("%d / %d / %d", cell.Wins, cell.Ties, cell.Losses), MDE: detectable(cell.Comparison),
			Verdict: string(cell.Verdict()), VerdictClass: verdictClass(cell.Verdict()),
		}
		line.Whiskers = s.whiskers(cell.Diff, cell.CI.Lo, cell.CI.Hi, line.VerdictClass, line.Points, true)
		o.Rows = append(o.Rows, line)
	}
	return o
}

func shownChange(c runs.Comparison, ch runs.Changed) changedView {
	v := changedView{ID: ch.Query.ID, Text: strings.TrimSpace(ch.Query.Text)}
	for i, side := range append([]runs.Side{c.Baseline}, c.Others...) {
		shown := changedSide{Name: side.Name, Value: value(ch.Values[i])}
		if kept := side.Context(ch.Query.ID); len(kept) > 0 {
			var in evalret.Context
			for _, s := range kept {
				in.Segments = append(in.Segments, evalret.Segment{Doc: text.DocID(s.Doc), Start: s.Start, End: s.End, Title: s.Title, Text: s.Text})
			}
			shown.Segments = segments(in, ch.Query.Evidence, nil)
			shown.Evidence = coverage(in, ch.Query.Evidence)
		}
		v.Sides = append(v.Sides, shown)
	}
	return v
}
