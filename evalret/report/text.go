package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/stats"
	"github.com/ragloop/ragloop/evalret/tune"
)

// Text writes e for a terminal: the verdict, a table of metrics with 95 %
// intervals, comparisons and warnings.
func Text(w io.Writer, e evalret.Evaluation) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s\n\n", wrap(Verdict(e), 96))
	head := []string{"metric", "n"}
	for _, r := range e.Runs {
		head = append(head, r.Name)
	}
	t := table{rows: [][]string{head}}
	for _, m := range e.Metrics {
		name := m.String()
		if m == e.Primary {
			name += " *"
		}
		row := []string{name, absent}
		for _, r := range e.Runs {
			s := r.Metrics[m.String()]
			row[1] = fmt.Sprint(s.N)
			row = append(row, strings.TrimSpace(value(s.Value)+" "+interval(s)))
		}
		t.rows = append(t.rows, row)
	}
	t.write(b, "lr")
	fmt.Fprintln(b, "* primary metric; in brackets: 95 % intervals")
	if len(e.Comparisons) > 0 {
		fmt.Fprintf(b, "\n%s by %s, in points:\n", e.Reference, e.Primary)
		t := table{}
		for _, c := range e.Comparisons {
			t.rows = append(t.rows, []string{
				"  against " + c.Other, points(c.Comparison), "p " + pValue(c.PFamily),
				fmt.Sprintf("%d better, %d equal, %d worse", c.Wins, c.Ties, c.Losses), string(c.Verdict()),
			})
		}
		t.write(b, "lllll")
	}
	textLosses(b, e)
	textUnanswerable(b, e)
	textGround(b, e)
	textWarnings(b, e.Warnings)
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write evaluation as text: %w", err)
	}
	return nil
}

func textUnanswerable(b *bufio.Writer, e evalret.Evaluation) {
	t := table{}
	for _, r := range e.Runs {
		if u := r.Unanswerable; u != nil {
			t.rows = append(t.rows, []string{
				"  " + r.Name, fmt.Sprintf("AUROC %s [%s, %s]", number(u.AUROC), number(u.CI95[0]), number(u.CI95[1])),
				fmt.Sprintf("%d answerable, %d not", u.Answerable, u.Unanswerable),
			})
		}
	}
	if len(t.rows) > 0 {
		fmt.Fprintf(b, "\nanswerable queries told from unanswerable ones by the first chunk's score:\n")
		t.write(b, "lll")
	}
}

func textWarnings(b *bufio.Writer, warnings []stats.Warning) {
	if len(warnings) > 0 {
		fmt.Fprintln(b)
	}
	for _, w := range warnings {
		fmt.Fprintf(b, "%s\n", strings.ReplaceAll(wrap("warning: "+w.Message, 96), "\n", "\n  "))
	}
}

// TuneText writes r for a terminal: the verdict, and a table of all settings
// ordered as in r.
func TuneText(w io.Writer, r tune.Result) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s\n\n", wrap(r.Verdict.Sentence, 96))
	head := []string{"", "size", "overlap", "top-k", "fusion"}
	align := "lrrrl"
	for _, budget := range r.Budgets {
		head = append(head, fmt.Sprintf("@%dt", budget))
		align += "r"
	}
	if r.Primary.Unit != metric.Tokens {
		head = append(head, r.Primary.String())
		align += "r"
	}
	head = append(head, "against current", "p", "tokens", "chunks", "")
	align += "lrrrl"
	t := table{rows: [][]string{head}}
	for i, o := range r.Settings {
		row := []string{mark(r, i), o.Setting.Size(), fmt.Sprint(o.Setting.Overlap), fmt.Sprint(o.Setting.TopK), o.Setting.Order()}
		for _, budget := range r.Budgets {
			m := metric.Metric{Name: "evidence_recall", At: budget, Unit: metric.Tokens}
			row = append(row, value(o.Metrics[m.String()].Value))
		}
		if r.Primary.Unit != metric.Tokens {
			row = append(row, value(o.Metrics[r.Primary.String()].Value))
		}
		tokens := fmt.Sprintf("%.0f", o.Tokens(r.CostBudget()))
		if c := o.Comparison; c != nil {
			row = append(row, points(*c), pValue(c.PFamily), tokens, thousands(o.Chunks), string(c.Verdict()))
		} else {
			row = append(row, "(current)", "", tokens, thousands(o.Chunks), "")
		}
		t.rows = append(t.rows, row)
	}
	t.write(b, align)
	fmt.Fprintf(b, "> current setting   + winner   ~ cheaper and not worse beyond %s points\n", percent(r.Margin))
	fmt.Fprintf(b, "@Bt: evidence_recall in a context of B tokens; against current: %s in points with 95 %% interval, n = %d;\n", r.Primary, r.Queries)
	fmt.Fprintf(b, "p: corrected for the number of settings; tokens: mean size of a context at %s\n", count(r.CostBudget(), "token", "tokens"))
	textWarnings(b, r.Warnings)
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write sweep as text: %w", err)
	}
	return nil
}

// mark returns the signs of setting i in a table.
func mark(r tune.Result, i int) string {
	s := ""
	if i == r.Current {
		s += ">"
	}
	if i == r.Verdict.Winner {
		s += "+"
	}
	if i == r.Verdict.Cheaper {
		s += "~"
	}
	return s
}

// table is rows of cells, aligned in columns two spaces apart.
type table struct{ rows [][]string }

// widths returns the widest cell of each column, in code points.
func (t table) widths() []int {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// write writes t; align has "l" or "r" for each column, the last one standing
// for all after it too.
func (t table) write(w io.Writer, align string) {
	widths := t.widths()
	for _, row := range t.rows {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			side := byte('l')
			if len(align) > 0 {
				side = align[min(i, len(align)-1)]
			}
			if i > 0 {
				b.WriteString("  ")
			}
			if side == 'r' {
				b.WriteString(pad + cell)
			} else {
				b.WriteString(cell + pad)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

// wrap breaks s at spaces into lines of at most width code points where words
// allow it.
func wrap(s string, width int) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.Fields(s) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+n > width:
			b.WriteByte('\n')
			at = 0
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}
