package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/score"
)

func (a *app) metricsCmd() *cobra.Command {
	return group("metrics", "List and explain the metrics", &cobra.Command{
		Use: "ls", Short: "List the metrics", Args: args(0),
		RunE: func(*cobra.Command, []string) error { return a.listMetrics() },
	}, &cobra.Command{
		Use: "show NAME", Short: "Say what a metric measures, its edge cases and where it comes from", Args: args(1, "NAME"),
		RunE: func(_ *cobra.Command, args []string) error { return a.showMetric(args[0]) },
	})
}

// metricJSON is the machine form of a definition.
type metricJSON struct {
	Name    string   `json:"name"`
	Forms   []string `json:"forms"`
	Scores  string   `json:"scores"`
	Better  string   `json:"better"`
	Formula string   `json:"formula"`
	Edge    string   `json:"edge_cases"`
	Source  string   `json:"source"`
}

func explain(d metric.Definition) metricJSON {
	m := metricJSON{Name: d.Name, Formula: d.Formula, Edge: d.Edge, Source: d.Source, Scores: "documents", Better: "higher"}
	switch d.Level {
	case metric.Passages:
		m.Scores = "spans"
	case metric.Answers:
		m.Scores = "answers"
	}
	switch d.Better {
	case metric.Lower:
		m.Better = "lower"
	case metric.Neither:
		m.Better = "neither"
	}
	switch d.Cut {
	case metric.OptionalItems:
		m.Forms = []string{d.Name, d.Name + "@K"}
	case metric.RequiredItems:
		m.Forms = []string{d.Name + "@K"}
	case metric.ItemsOrTokens:
		m.Forms = []string{d.Name + "@K", d.Name + "@Bt"}
	case metric.RequiredTokens:
		m.Forms = []string{d.Name + "@Bt"}
	case metric.TokenRange:
		m.Forms = []string{d.Name + "@A..Bt"}
	case metric.NoCut:
		m.Forms = []string{d.Name}
	}
	last := m.Forms[len(m.Forms)-1]
	if d.Rel {
		m.Forms = append(m.Forms, last+"(rel=2)")
	}
	if d.Theta {
		m.Forms = append(m.Forms, last+"(theta=1)")
	}
	if d.Recall {
		m.Forms = append(m.Forms, last+"(recall=0.5)")
	}
	if d.Gain {
		m.Forms = append(m.Forms, last+"(gain=exp)")
	}
	return m
}

func (a *app) listMetrics() error {
	var all []metricJSON
	for _, d := range metric.Definitions() {
		all = append(all, explain(d))
	}
	if a.json {
		return json.NewEncoder(a.out).Encode(all)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSCORES\tBETTER\tFORMS")
	for _, m := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", m.Name, m.Scores, m.Better, strings.Join(m.Forms, " "))
	}
	return w.Flush()
}

// showMetric takes a family ("nDCG") or one of its metrics ("nDCG@10"), also by
// trec_eval's name ("ndcg_cut_10").
func (a *app) showMetric(name string) error {
	d, ok := metric.Metric{Name: name}.Definition()
	if !ok {
		m, err := score.Parse(name)
		if err != nil {
			return err
		}
		d, _ = m.Definition()
	}
	m := explain(d)
	if a.json {
		return json.NewEncoder(a.out).Encode(m)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\nforms:\t%s\nscores:\t%s\nbetter:\t%s\nformula:\t%s\nedge cases:\t%s\nsource:\t%s\n",
		m.Name, strings.Join(m.Forms, "  "), m.Scores, m.Better, m.Formula, m.Edge, m.Source)
	return w.Flush()
}
