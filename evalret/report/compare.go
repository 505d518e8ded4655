package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/runs"
	"github.com/ragloop/ragloop/evalret/stats"
)

// CompareVerdict returns what c says about the primary metric, a sentence for
// each other run.
func CompareVerdict(c runs.Comparison) string {
	row := c.Rows[0]
	var sentences []string
	for i, cell := range row.Cells {
		if cell.Wins+cell.Losses == 0 {
			sentences = append(sentences, fmt.Sprintf("By %s, %s and %s score the same on each of %s.", row.Metric, c.Others[i].Name, c.Baseline.Name, count(row.N, "query", "queries")))
			continue
		}
		difference := fmt.Sprintf("%s points, 95 %% interval %s to %s", signed(cell.Diff), signed(cell.CI.Lo), signed(cell.CI.Hi))
		what := ""
		switch cell.Verdict() {
		case stats.Better:
			what = "is better than"
		case runs.Higher, runs.Lower:
			what = fmt.Sprintf("is %s than", cell.Verdict())
		case stats.Worse:
			what = "is worse than"
		case stats.TooFew:
			what = fmt.Sprintf("cannot be told from (fewer than %d independent queries)", stats.MinVerdict)
		default:
			what = "is not clearly different from"
			if cell.MDE > 0 {
				difference += fmt.Sprintf("; detectable from about %s", percent(cell.MDE))
			}
		}
		sentences = append(sentences, fmt.Sprintf("By %s, %s %s %s (%s).", row.Metric, c.Others[i].Name, what, c.Baseline.Name, difference))
	}
	return strings.Join(sentences, " ")
}

// CompareText writes c for a terminal.
func CompareText(w io.Writer, c runs.Comparison) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s\n\n", wrap(CompareVerdict(c), 96))
	if len(c.Differs) > 0 {
		fmt.Fprintln(b, "what differs:")
		t := table{}
		for _, d := range c.Differs {
			t.rows = append(t.rows, append([]string{"  " + d.What}, d.Values...))
		}
		t.write(b, "l")
		fmt.Fprintln(b)
	}
	head := compareHead(c)
	for i, other := range c.Others {
		fmt.Fprintf(b, "%s against %s, in points:\n", other.Name, c.Baseline.Name)
		t := table{rows: [][]string{head}}
		for k, row := range c.Rows {
			t.rows = append(t.rows, compareRow(row, i, k == 0))
		}
		t.write(b, "l"+strings.Repeat("r", len(head)-2)+"l")
		fmt.Fprintln(b)
	}
	legend := "* primary metric; the others are exploratory. difference: 95 % interval in brackets;"
	if len(c.Others) > 1 {
		legend += fmt.Sprintf(" adjusted: p corrected for the %d runs, which the verdict goes by;", len(c.Others))
	}
	legend += " d: difference over its standard deviation; detectable: what these queries find with 80 % power"
	fmt.Fprintln(b, wrap(legend, 96))
	textChanged(b, c)
	textWarnings(b, c.Warnings)
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write comparison as text: %w", err)
	}
	return nil
}

const differenceColumn = 4 // of compareRow

// compareHead names the columns of [compareRow].
func compareHead(c runs.Comparison) []string {
	head := []string{"metric", "n", "baseline", "other", "difference", "p"}
	if len(c.Others) > 1 {
		head = append(head, "adjusted")
	}
	return append(head, "d", "better/equal/worse", "detectable", "")
}

func compareRow(row runs.Row, i int, primary bool) []string {
	name := row.Metric.String()
	if primary {
		name += " *"
	}
	cell := row.Cells[i]
	cells := []string{name, fmt.Sprint(row.N), number(row.Baseline), number(cell.Mean), points(cell.Comparison), pValue(cell.P)}
	if len(row.Cells) > 1 {
		cells = append(cells, pValue(cell.PFamily))
	}
	return append(cells, fmt.Sprintf("%.2f", cell.Effect), fmt.Sprintf("%d/%d/%d", cell.Wins, cell.Ties, cell.Losses), detectable(cell.Comparison), string(cell.Verdict()))
}

// detectable formats the minimum detectable effect in points; absent where all
// differences are equal, which says nothing about what could be found.
func detectable(c stats.Comparison) string {
	if c.MDE <= 0 {
		return absent
	}
	return percent(c.MDE)
}

func textChanged(b *bufio.Writer, c runs.Comparison) {
	if len(c.Changed) == 0 {
		return
	}
	fmt.Fprintf(b, "\nqueries that changed most by %s:\n", c.Primary)
	t := table{}
	for _, ch := range c.Changed {
		row := []string{"  " + ch.Query.ID}
		var values []string
		for _, v := range ch.Values {
			values = append(values, value(v))
		}
		t.rows = append(t.rows, append(row, strings.Join(values, " → "), shorten(ch.Query.Text, 70)))
	}
	t.write(b, "lll")
}

// shorten cuts s to n code points.
func shorten(s string, n int) string {
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) <= n {
		return string(r)
	}
	return string(r[:n-1]) + "…"
}

type compareJSON struct {
	Baseline string            `json:"baseline"`
	Others   []string          `json:"others"`
	Primary  metric.Metric     `json:"primary_metric"`
	Queries  int               `json:"queries"`
	Differs  []runs.Difference `json:"differs"`
	Metrics  []compareRowJSON  `json:"metrics"`
	Changed  []changedJSON     `json:"changed"`
	Warnings []stats.Warning   `json:"warnings"`
}

type compareRowJSON struct {
	Metric   metric.Metric    `json:"metric"`
	N        int              `json:"n"`
	Baseline metric.Value     `json:"baseline"`
	CI95     [2]float64       `json:"ci95"`
	Others   []compareOneJSON `json:"others"`
}

type compareOneJSON struct {
	Mean     metric.Value  `json:"mean"`
	Diff     float64       `json:"diff"`
	CI95     [2]float64    `json:"ci95"`
	P        float64       `json:"p"`
	PFamily  float64       `json:"p_family"`
	Effect   float64       `json:"effect"`
	Wins     int           `json:"wins"`
	Ties     int           `json:"ties"`
	Losses   int           `json:"losses"`
	MDE      float64       `json:"mde"`
	Clusters int           `json:"clusters"`
	Verdict  stats.Verdict `json:"verdict"`
}

type changedJSON struct {
	ID       string           `json:"id"`
	Query    string           `json:"query"`
	Values   []metric.Value   `json:"values"`
	Contexts [][]runs.Segment `json:"contexts"` // of the baseline, then of the others; empty: not kept
}

// CompareJSON writes c as indented JSON with a newline at the end.
func CompareJSON(w io.Writer, c runs.Comparison) error {
	r := metric.Round
	out := compareJSON{
		Baseline: c.Baseline.Name, Primary: c.Primary, Queries: c.Queries,
		Differs: append([]runs.Difference{}, c.Differs...), Changed: []changedJSON{}, Warnings: append([]stats.Warning{}, c.Warnings...),
	}
	for _, o := range c.Others {
		out.Others = append(out.Others, o.Name)
	}
	for _, row := range c.Rows {
		j := compareRowJSON{Metric: row.Metric, N: row.N, Baseline: metric.Of(row.Baseline), CI95: [2]float64{r(row.CI.Lo), r(row.CI.Hi)}}
		for _, cell := range row.Cells {
			j.Others = append(j.Others, compareOneJSON{
				metric.Of(cell.Mean), r(cell.Diff), [2]float64{r(cell.CI.Lo), r(cell.CI.Hi)}, r(cell.P), r(cell.PFamily), r(cell.Effect),
				cell.Wins, cell.Ties, cell.Losses, r(cell.MDE), cell.Clusters, cell.Verdict(),
			})
		}
		out.Metrics = append(out.Metrics, j)
	}
	for _, ch := range c.Changed {
		out.Changed = append(out.Changed, changedJSON{ch.Query.ID, ch.Query.Text, ch.Values, contextsOf(c, ch.Query.ID)})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	if err := enc.Encode(out); err != nil {
		return fmt.Errorf("write comparison as JSON: %w", err)
	}
	return nil
}

func contextsOf(c runs.Comparison, query string) [][]runs.Segment {
	all := [][]runs.Segment{append([]runs.Segment{}, c.Baseline.Context(query)...)}
	for _, o := range c.Others {
		all = append(all, append([]runs.Segment{}, o.Context(query)...))
	}
	return all
}

// CompareMarkdown writes c for a pull request: the verdict and the table.
func CompareMarkdown(w io.Writer, c runs.Comparison) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s\n", cell(CompareVerdict(c)))
	for i, other := range c.Others {
		fmt.Fprintln(b)
		head := compareHead(c)
		head[2], head[3], head[differenceColumn] = c.Baseline.Name, other.Name, "difference, points"
		markdownRow(b, head)
		fmt.Fprintf(b, "|%s\n", strings.Repeat("---|", len(head)))
		for k, row := range c.Rows {
			markdownRow(b, compareRow(row, i, k == 0))
		}
	}
	markdownWarnings(b, c.Warnings)
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write comparison as Markdown: %w", err)
	}
	return nil
}

func markdownRow(b *bufio.Writer, cells []string) {
	b.WriteString("|")
	for i, c := range cells {
		if i != differenceColumn { // its brackets are no markup
			c = cell(c)
		}
		fmt.Fprintf(b, " %s |", c)
	}
	b.WriteString("\n")
}

// Markdown writes the summary of e for a pull request: the verdict, gates
// where there are any, and the table of metrics.
func Markdown(w io.Writer, e evalret.Evaluation, gates []runs.GateResult) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s\n", cell(Verdict(e)))
	if len(gates) > 0 {
		fmt.Fprintf(b, "\n| gate | | |\n|---|---|---|\n")
		for _, g := range gates {
			verdict, reason := "passed", g.Reason
			switch {
			case g.Err != nil:
				verdict, reason = "**not decided**", g.Err.Error()
			case !g.Passed:
				verdict = "**failed**"
			}
			fmt.Fprintf(b, "| %s | %s | %s |\n", cell(g.Gate.String()), verdict, cell(reason))
		}
	}
	fmt.Fprint(b, "\n| metric | n |")
	for _, r := range e.Runs {
		fmt.Fprintf(b, " %s |", cell(r.Name))
	}
	fmt.Fprintf(b, "\n|---|---|%s\n", strings.Repeat("---|", len(e.Runs)))
	for _, m := range e.Metrics {
		name := cell(m.String())
		if m == e.Primary {
			name = "**" + name + "**"
		}
		n := absent
		var cells []string
		for _, r := range e.Runs {
			s := r.Metrics[m.String()]
			n = fmt.Sprint(s.N)
			cells = append(cells, strings.TrimSpace(value(s.Value)+" "+interval(s)))
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", name, n, strings.Join(cells, " | "))
	}
	markdownGround(b, e)
	markdownWarnings(b, e.Warnings)
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write evaluation as Markdown: %w", err)
	}
	return nil
}

func markdownWarnings(b *bufio.Writer, warnings []stats.Warning) {
	if len(warnings) > 0 {
		fmt.Fprintln(b)
	}
	for _, w := range warnings {
		fmt.Fprintf(b, "- warning: %s\n", cell(w.Message))
	}
}

// cell escapes s for a cell of a Markdown table: names of files and queries
// must not break it or become markup.
func cell(s string) string {
	var b strings.Builder
	for _, r := range strings.Join(strings.Fields(s), " ") {
		if strings.ContainsRune("\\`*_|<>[]#~", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
