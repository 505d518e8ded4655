package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/stats"
)

// HTML writes e as one self-contained HTML page. Queries are listed worst
// first by the primary metric of the reference run.
func HTML(w io.Writer, e evalret.Evaluation, o Options) error {
	if o.Title == "" {
		o.Title = "Retrieval evaluation"
	}
	if o.Contexts == 0 {
		o.Contexts = defaultContexts
	}
	v, err := evaluation(e, o)
	if err != nil {
		return err
	}
	return page(w, o.Title, "eval", v)
}

// evalView is what the template of an evaluation shows.
type evalView struct {
	Title, Verdict, Command string
	Tiles                   []tile
	Warnings                []stats.Warning
	Chart                   *chart
	ChartTitle              string
	Primary, Reference      string
	Comparisons             []comparisonRow
	Runs                    []runHead
	Columns                 int // of the tables, the first column left out
	Groups                  []metricGroup
	Losses                  *lossView
	Tags                    []tagRow
	Unanswerable            []separationRow
	Queries                 []queryRow
	QueryTags               []string
	QueriesShown            string // how much detail there is of how many
	Coverage                *coverageView
	Ground                  *groundView
	Broken                  []brokenRow
	Facts                   []fact
	Definitions             []definitionRow
}

// tile is one large number at the top.
type tile struct{ Value, Unit, Label, Note string }

type runHead struct {
	Name, Class string
	Reference   bool
	Parameters  []fact
}

type fact struct{ Name, Value string }

type metricGroup struct {
	Title string
	Rows  []metricRow
}

type metricRow struct {
	Name    string
	Primary bool
	N       string
	Note    string // about missing and not applicable queries
	Cells   []metricCell
}

type metricCell struct {
	Value, Interval string
	Best            bool
	Whiskers        *whiskers
}

type comparisonRow struct {
	Other, Class, Points, P, Counts, Verdict, VerdictClass, MDE string
	Whiskers                                                    whiskers
}

type tagRow struct {
	Tag, Value, Interval string
	N                    int
	Whiskers             *whiskers
}

type separationRow struct {
	Name, Class, AUROC, Interval string
	Answerable, Unanswerable     int
	Whiskers                     whiskers
}

type brokenRow struct{ Query, Field, Doc, Reason, Detail string }

type definitionRow struct{ Name, Formula, Edge, Source string }

func evaluation(e evalret.Evaluation, o Options) (evalView, error) {
	v := evalView{
		Title: o.Title, Verdict: Verdict(e), Command: o.Command, Warnings: e.Warnings,
		Primary: e.Primary.String(), Reference: e.Reference, Columns: len(e.Runs) + 2,
	}
	v.tiles(e)
	v.chart(e)
	v.comparisons(e)
	v.metrics(e)
	if r, ok := e.Run(e.Reference); ok {
		v.Losses = lossesOf(r)
	}
	v.tags(e)
	v.unanswerable(e)
	v.ground(e)
	v.coverage(e)
	v.provenance(e)
	details := v.queries(e, o)
	err := v.fill(details)
	return v, err
}

func (v *evalView) tiles(e evalret.Evaluation) {
	r, ok := e.Run(e.Reference)
	if !ok {
		return
	}
	if s := r.Metrics[e.Primary.String()]; s.CI95 != nil {
		x, _ := s.Value.Float()
		v.Tiles = append(v.Tiles, tile{percent(x), "%", v.Primary, "95 % interval " + percent(s.CI95[0]) + " to " + percent(s.CI95[1])})
	}
	for _, name := range []string{"nDCG@10", "R@10"} {
		if s, ok := r.Metrics[name]; ok && s.CI95 != nil && name != v.Primary && len(v.Tiles) < 2 {
			v.Tiles = append(v.Tiles, tile{value(s.Value), "", name, interval(s)})
		}
	}
	for _, c := range r.Contexts {
		if e.Primary.Unit == metric.Tokens && c.Budget == e.Primary.At {
			v.Tiles = append(v.Tiles, tile{thousands(int(math.Round(c.Tokens))), "tokens", "mean context", "of " + thousands(c.Budget) + " allowed"})
		}
	}
	l := e.Labels
	v.Tiles = append(v.Tiles, tile{thousands(l.Queries), "", "queries", fmt.Sprintf("%s answerable, %s not", thousands(l.Queries-l.Unanswerable), thousands(l.Unanswerable))})
	if l.Checked {
		labels := l.Spans + l.Docs
		v.Tiles = append(v.Tiles, tile{thousands(labels - len(l.Broken)), "", "labels hold", "of " + thousands(labels) + ", checked against the text"})
	}
}

func (v *evalView) chart(e evalret.Evaluation) {
	var curves []curve
	for i, r := range e.Runs {
		c := curve{Name: r.Name, Class: colour(i)}
		for _, b := range e.Budgets {
			s := r.Metrics[metric.Metric{Name: "evidence_recall", At: b, Unit: metric.Tokens}.String()]
			if x, ok := s.Value.Float(); ok && s.CI95 != nil {
				c.points = append(c.points, point{b, x, s.CI95[0], s.CI95[1], s.N})
			}
		}
		curves = append(curves, c)
	}
	if c, ok := newChart("Evidence recall against the token budget of the context, one line for each run, with 95 % intervals", curves); ok {
		v.Chart = &c
		v.ChartTitle = "Evidence recall against tokens"
	}
}

func (v *evalView) comparisons(e evalret.Evaluation) {
	s := scale{-0.01, 0.01}
	for _, c := range e.Comparisons {
		reach := max(-c.CI.Lo, c.CI.Hi)
		s = scale{min(s.lo, -reach), max(s.hi, reach)}
	}
	for _, c := range e.Comparisons {
		row := comparisonRow{
			Other: c.Other, Class: runClass(e, c.Other), Points: points(c.Comparison), P: pValue(c.PFamily),
			Counts: fmt.Sprintf("%d / %d / %d", c.Wins, c.Ties, c.Losses), Verdict: string(c.Verdict()), VerdictClass: verdictClass(c.Verdict()),
			MDE: percent(c.MDE),
		}
		row.Whiskers = s.whiskers(c.Diff, c.CI.Lo, c.CI.Hi, row.VerdictClass, row.Points, true)
		v.Comparisons = append(v.Comparisons, row)
	}
}

func runClass(e evalret.Evaluation, name string) string {
	for i, r := range e.Runs {
		if r.Name == name {
			return colour(i)
		}
	}
	return colour(0)
}

// verdictClass returns the style class of a verdict.
func verdictClass(v stats.Verdict) string {
	switch v {
	case stats.Better:
		return "better"
	case stats.Worse:
		return "worse"
	}
	return "unclear"
}

func (v *evalView) metrics(e evalret.Evaluation) {
	for i, r := range e.Runs {
		v.Runs = append(v.Runs, runHead{Name: r.Name, Class: colour(i), Reference: r.Name == e.Reference, Parameters: parametersOf(r)})
	}
	groups := []metricGroup{{Title: "Packed context at a token budget"}, {Title: "Ranked chunks"}, {Title: "Ranked documents"}}
	used := map[string]bool{}
	for _, m := range e.Metrics {
		d, _ := m.Definition()
		at := 2
		switch {
		case d.Level == metric.Passages && m.Unit == metric.Tokens:
			at = 0
		case d.Level == metric.Passages:
			at = 1
		}
		groups[at].Rows = append(groups[at].Rows, metricLine(e, m))
		if !used[d.Name] {
			used[d.Name] = true
			v.Definitions = append(v.Definitions, definitionRow{d.Name, d.Formula, d.Edge, d.Source})
		}
	}
	for _, g := range groups {
		if len(g.Rows) > 0 {
			v.Groups = append(v.Groups, g)
		}
	}
}

func metricLine(e evalret.Evaluation, m metric.Metric) metricRow {
	row := metricRow{Name: m.String(), Primary: m == e.Primary, N: absent}
	best := math.Inf(1) // none
	if d, _ := m.Definition(); d.Better == metric.Higher {
		best = -1
	}
	for _, r := range e.Runs {
		if x, ok := r.Metrics[row.Name].Value.Float(); ok {
			best = max(best, x)
		}
	}
	var notes []string
	for i, r := range e.Runs {
		s := r.Metrics[row.Name]
		row.N = thousands(s.N)
		cell := metricCell{Value: value(s.Value), Interval: interval(s)}
		if w, ok := summaryWhiskers(s, colour(i)); ok {
			x, _ := s.Value.Float()
			cell.Whiskers, cell.Best = &w, len(e.Runs) > 1 && x > best-5e-4
		}
		row.Cells = append(row.Cells, cell)
		if s.Missing > 0 {
			notes = append(notes, fmt.Sprintf("%s: %d missing, counted 0", r.Name, s.Missing))
		}
		if i == 0 && s.NotApplicable > 0 {
			notes = append(notes, fmt.Sprintf("not applicable to %s", count(s.NotApplicable, "query", "queries")))
		}
	}
	row.Note = strings.Join(notes, "; ")
	return row
}

func (v *evalView) tags(e evalret.Evaluation) {
	r, ok := e.Run(e.Reference)
	if !ok {
		return
	}
	for _, t := range r.Tags {
		row := tagRow{Tag: t.Tag, Value: value(t.Value), Interval: interval(t.Summary), N: t.N}
		if w, ok := summaryWhiskers(t.Summary, runClass(e, r.Name)); ok {
			row.Whiskers = &w
		}
		v.Tags = append(v.Tags, row)
	}
	slices.SortStableFunc(v.Tags, func(a, b tagRow) int { return cmp.Compare(a.Value, b.Value) })
}

func (v *evalView) unanswerable(e evalret.Evaluation) {
	for i, r := range e.Runs {
		u := r.Unanswerable
		if u == nil {
			continue
		}
		row := separationRow{Name: r.Name, Class: colour(i), AUROC: number(u.AUROC), Answerable: u.Answerable, Unanswerable: u.Unanswerable}
		row.Interval = "[" + number(u.CI95[0]) + ", " + number(u.CI95[1]) + "]"
		row.Whiskers = unit.whiskers(u.AUROC, u.CI95[0], u.CI95[1], row.Class, row.AUROC+" "+row.Interval, false)
		v.Unanswerable = append(v.Unanswerable, row)
	}
}

func (v *evalView) provenance(e evalret.Evaluation) {
	for _, b := range e.Labels.Broken {
		v.Broken = append(v.Broken, brokenRow{b.Query, b.Field, string(b.Doc), string(b.Reason), b.Detail})
	}
	v.Facts = []fact{{"query set", e.Labels.Set}}
	if len(e.Runs) > 0 {
		v.Facts = append(v.Facts, fingerprints(e.Runs[0].Fingerprints)...)
	}
	if e.Tokenizer != "" {
		v.Facts = append(v.Facts, fact{"tokenizer of budgets", e.Tokenizer})
	}
}

// fingerprints lists what names the inputs of a run.
func fingerprints(f evalret.Fingerprints) []fact {
	or := func(s string) string {
		if s == "" {
			return "not recorded"
		}
		return s
	}
	facts := []fact{{"query set fingerprint", or(f.QuerySet)}, {"corpus fingerprint", or(f.Corpus)}}
	if f.Recipe != "" {
		facts = append(facts, fact{"recipe fingerprint", f.Recipe})
	}
	return append(facts, fact{"code version", or(f.Code)}, fact{"seed", strconv.FormatUint(f.Seed, 10)})
}
