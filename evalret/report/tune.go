package report

import (
	"fmt"
	"io"
	"strconv"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/stats"
	"github.com/ragloop/ragloop/evalret/tune"
)

// TuneHTML writes r as one self-contained HTML page.
func TuneHTML(w io.Writer, r tune.Result, o Options) error {
	if o.Title == "" {
		o.Title = "Tuning sweep"
	}
	return page(w, o.Title, "tune", sweep(r, o))
}

// tuneView is what the template of a sweep shows.
type tuneView struct {
	Title, Verdict, Command string
	Tiles                   []tile
	Warnings                []stats.Warning
	Chart                   *chart
	Primary                 string
	Margin                  string
	Queries                 int
	CostBudget              string
	Budgets                 []string
	ShowPrimary             bool // in a column of its own: it is none of the budgets'
	Settings                []settingRow
	Chunkings               []chunkingRow
	Facts                   []fact
}

type settingRow struct {
	Number                       int
	Name                         string
	Size, Overlap, TopK, Fusion  string
	SizeSort                     string
	Current, Winner, Cheap, Best bool
	Cells                        []queryCell // by budget
	Primary                      queryCell
	Points, P                    string
	Diff                         string // for sorting
	Whiskers                     *whiskers
	Verdict, VerdictClass        string
	Tokens, TokensSort           string
	Chunks, ChunksSort           string
	Search, State                string
}

type chunkingRow struct{ Name, Recipe, Chunks string }

func recallAt(budget int) metric.Metric {
	return metric.Metric{Name: "evidence_recall", At: budget, Unit: metric.Tokens}
}

func sweep(r tune.Result, o Options) tuneView {
	v := tuneView{
		Title: o.Title, Verdict: r.Verdict.Sentence, Command: o.Command, Warnings: r.Warnings, Primary: r.Primary.String(),
		Margin: percent(r.Margin), Queries: r.Queries, CostBudget: thousands(r.CostBudget()), ShowPrimary: true,
	}
	for _, b := range r.Budgets {
		v.Budgets = append(v.Budgets, thousands(b))
		v.ShowPrimary = v.ShowPrimary && recallAt(b) != r.Primary
	}
	v.tiles(r)
	v.chart(r)
	v.settings(r)
	for _, c := range r.Chunkings {
		v.Chunkings = append(v.Chunkings, chunkingRow{c.Chunking.String(), c.Recipe, thousands(c.Chunks)})
	}
	v.Facts = append([]fact{{"query set", r.Labels.Set}}, fingerprints(r.Fingerprints)...)
	v.Facts = append(v.Facts, fact{"tokenizer of budgets", r.Tokenizer})
	return v
}

func (v *tuneView) tiles(r tune.Result) {
	if len(r.Settings) == 0 {
		return
	}
	add := func(i int, label string) {
		s := r.Settings[i].Metrics[v.Primary]
		if x, ok := s.Value.Float(); ok && s.CI95 != nil {
			v.Tiles = append(v.Tiles, tile{percent(x), "%", label, r.Settings[i].Setting.String()})
		}
	}
	add(r.Current, "current setting")
	switch {
	case r.Verdict.Winner >= 0:
		add(r.Verdict.Winner, "winner")
	case r.Verdict.Best >= 0 && r.Verdict.Best != r.Current:
		add(r.Verdict.Best, "largest mean, not a winner")
	}
	v.Tiles = append(v.Tiles,
		tile{thousands(len(r.Settings)), "", "settings", fmt.Sprintf("over %s", count(len(r.Chunkings), "chunking", "chunkings"))},
		tile{thousands(r.Queries), "", "queries", "that " + v.Primary + " applies to"})
	if r.Verdict.MDE > 0 {
		v.Tiles = append(v.Tiles, tile{percent(r.Verdict.MDE), "points", "detectable difference", "with 80 % power, before correction"})
	}
}

func (v *tuneView) chart(r tune.Result) {
	var muted, bright []curve
	for i, o := range r.Settings {
		c := curve{Name: o.Setting.String(), Muted: true}
		for _, b := range r.Budgets {
			s := o.Metrics[recallAt(b).String()]
			if x, ok := s.Value.Float(); ok && s.CI95 != nil {
				c.points = append(c.points, point{b, x, s.CI95[0], s.CI95[1], s.N})
			}
		}
		switch {
		case i == r.Verdict.Winner:
			c.Muted, c.Class, c.Name = false, "c1", "winner"
		case i == r.Current:
			c.Muted, c.Class, c.Name = false, "c2", "current"
		case i == r.Verdict.Cheaper:
			c.Muted, c.Class, c.Name = false, "c0", "cheaper"
		case i == r.Verdict.Best:
			c.Muted, c.Class, c.Name = false, "c7", "largest mean"
		}
		if c.Muted {
			muted = append(muted, c)
		} else {
			bright = append(bright, c)
		}
	}
	if c, ok := newChart("Evidence recall against the token budget of the context, one line for each setting", append(muted, bright...)); ok {
		v.Chart = &c
	}
}

func (v *tuneView) settings(r tune.Result) {
	s := scale{-0.01, 0.01}
	for _, o := range r.Settings {
		if c := o.Comparison; c != nil {
			reach := max(-c.CI.Lo, c.CI.Hi)
			s = scale{min(s.lo, -reach), max(s.hi, reach)}
		}
	}
	for i, o := range r.Settings {
		tokens := o.Tokens(r.CostBudget())
		row := settingRow{
			Number: i + 1, Name: o.Setting.String(), Size: o.Setting.Size(), SizeSort: strconv.Itoa(o.Setting.SizeTokens), Overlap: fmt.Sprint(o.Setting.Overlap),
			TopK: strconv.Itoa(o.Setting.TopK), Fusion: o.Setting.Order(),
			Current: i == r.Current, Winner: i == r.Verdict.Winner, Cheap: i == r.Verdict.Cheaper, Best: i == r.Verdict.Best,
			Primary: plainCell(o.Metrics[v.Primary]),
			Tokens:  fmt.Sprintf("%.0f", tokens), TokensSort: number(tokens), Chunks: thousands(o.Chunks), ChunksSort: strconv.Itoa(o.Chunks),
			Search: o.Setting.String(), State: "unclear", Diff: "0",
		}
		for _, b := range r.Budgets {
			row.Cells = append(row.Cells, plainCell(o.Metrics[recallAt(b).String()]))
		}
		if c := o.Comparison; c != nil {
			row.Points, row.P, row.Diff = points(*c), pValue(c.PFamily), number(c.Diff)
			row.Verdict, row.VerdictClass = string(c.Verdict()), verdictClass(c.Verdict())
			row.State = row.VerdictClass
			w := s.whiskers(c.Diff, c.CI.Lo, c.CI.Hi, row.VerdictClass, row.Points, true)
			row.Whiskers = &w
		}
		v.Settings = append(v.Settings, row)
	}
}

func plainCell(s evalret.Summary) queryCell {
	x, ok := s.Value.Float()
	if !ok {
		return queryCell{Value: absent, Sort: "-1"}
	}
	return queryCell{Value: number(x), Sort: strconv.FormatFloat(x, 'f', 6, 64)}
}
