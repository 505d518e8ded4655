package quality

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Text writes r as tables, values and differences in percent.
func Text(w io.Writer, r Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range r.Sets {
		fmt.Fprintf(t, "%s: %s\n", s.Set, s.about())
		rows(t, s.Metrics, s.Rows, s.Differences, "\t", "")
		fmt.Fprintln(t)
	}
	if len(r.Mean) > 0 {
		fmt.Fprintln(t, "mean of the sets with evidence")
		rows(t, r.evidenceMetrics(), r.Mean, r.MeanDifferences, "\t", "")
		fmt.Fprintln(t)
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(t, "not measured: %s: %s\n", s.Set, s.Reason)
	}
	return t.Flush()
}

// Markdown writes r as tables for a README or a pull request.
func Markdown(w io.Writer, r Result) error {
	var b strings.Builder
	table := func(title string, metrics []string, rs []Row, ds []Difference) {
		fmt.Fprintf(&b, "**%s**\n\n", title)
		rows(&b, metrics, rs, ds, " | ", "| ")
		b.WriteString("\n")
	}
	for _, s := range r.Sets {
		table(s.Set+": "+s.about(), s.Metrics, s.Rows, s.Differences)
	}
	if len(r.Mean) > 0 {
		table("mean of the sets with evidence", r.evidenceMetrics(), r.Mean, r.MeanDifferences)
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(&b, "- not measured: %s: %s\n", s.Set, s.Reason)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s SetResult) about() string {
	about := fmt.Sprintf("%s; %s in the means", s.Choice, count(s.Queries, "query", "queries"))
	if s.Broken > 0 {
		about += fmt.Sprintf(", %s left out", count(s.Broken, "label", "labels"))
	}
	return about
}

// count returns n with the word for one or for several.
func count(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}

func (r Result) evidenceMetrics() []string {
	for _, s := range r.Sets {
		if s.Evidence {
			return s.Metrics
		}
	}
	return nil
}

// rows writes a line per system and one per contrast; frame, unless it is empty,
// begins the lines of a Markdown table.
func rows(w io.Writer, metrics []string, rs []Row, ds []Difference, separator, frame string) {
	end := ""
	if frame != "" {
		end = strings.TrimRight(separator, " ")
	}
	line := func(cells ...string) { fmt.Fprintln(w, frame+strings.Join(cells, separator)+end) }
	line(append([]string{"system", "chunks"}, metrics...)...)
	if frame != "" {
		line(strings.Split("---"+strings.Repeat(",---", len(metrics)+1), ",")...)
	}
	for _, r := range rs {
		cells := []string{r.System, fmt.Sprint(r.Chunks)}
		for _, m := range metrics {
			cells = append(cells, fmt.Sprintf("%.1f", 100*r.Values[m]))
		}
		line(cells...)
	}
	for of := range slices.Chunk(ds, max(len(metrics), 1)) { // each contrast has them all
		line(contrastCells(of)...)
	}
}

// contrastCells returns the line of one contrast. It names the system that is
// compared with: once, or in each cell where it is not the same in all.
func contrastCells(ds []Difference) []string {
	same := !slices.ContainsFunc(ds, func(d Difference) bool { return d.Against != ds[0].Against })
	cells := []string{ds[0].Contrast, ""}
	if same && ds[0].Contrast != OverHybrid {
		cells[0] += ": " + ds[0].Against
	}
	for _, d := range ds {
		cell := fmt.Sprintf("%+.1f [%.1f, %.1f]", 100*d.Diff, 100*d.CI95[0], 100*d.CI95[1])
		if !same {
			cell += " " + d.Against
		}
		cells = append(cells, cell)
	}
	return cells
}
