package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/report"
	"github.com/ragloop/ragloop/evalret/runs"
)

type compareFlags struct {
	metrics, primary, out, markdown string
	force                           bool
	changed                         int
	seed                            uint64
}

func (a *app) compareCmd() *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "compare BASELINE RUN…",
		Short: "Compare saved runs with a baseline, query by query",
		Long: `compare takes what "ragloop eval --save DIR" or "ragloop eval --json" wrote and
compares it query by query: differences with 95 % intervals, randomization
tests, the smallest difference that could have been found, and the queries that
changed most. DIR#NAME is one run of an evaluation (DIR#lexical); DIR alone is
its reference run.

Runs over another corpus, another query set or another tokenizer are refused;
--force compares the queries that all have, and says so.`,
		Args: func(_ *cobra.Command, got []string) error {
			if len(got) < 2 {
				return fmt.Errorf(`compare takes a baseline and at least one other run, got %d arguments; see "ragloop compare --help"`, len(got))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.compare(f, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.metrics, "metrics", "", "metrics to compare (default: all that every run has)")
	fl.StringVar(&f.primary, "metric", "", "metric that decides (default: the baseline's)")
	fl.BoolVar(&f.force, "force", false, "compare runs over another corpus, query set or tokenizer, too")
	fl.IntVar(&f.changed, "changed", 10, "number of queries to list that changed most; 0 lists none")
	fl.StringVar(&f.out, "out", "", "file of an HTML report with the contexts side by side")
	fl.StringVar(&f.markdown, "markdown", "", "file of a Markdown summary")
	fl.Uint64Var(&f.seed, "seed", defaultSeed, "seed of the intervals and tests")
	return cmd
}

func (a *app) compare(f compareFlags, names []string) error {
	for flag, name := range map[string]string{"--out": f.out, "--markdown": f.markdown} {
		if err := checkOut(flag, name); err != nil {
			return err
		}
	}
	o := runs.Options{Force: f.force, Changed: f.changed, Seed: f.seed}
	switch {
	case f.changed < 0:
		return fmt.Errorf("compare: --changed is %d, allowed is 0 and up", f.changed)
	case f.changed == 0:
		o.Changed = -1
	}
	var err error
	if f.metrics != "" {
		if o.Metrics, err = metric.ParseList(f.metrics); err != nil {
			return fmt.Errorf("compare: --metrics: %w", err)
		}
	}
	if f.primary != "" {
		if o.Primary, err = metric.Parse(f.primary); err != nil {
			return fmt.Errorf("compare: --metric: %w", err)
		}
	}
	var sides []runs.Side
	for _, name := range names {
		side, err := runs.Open(name)
		if err != nil {
			return err
		}
		sides = append(sides, side)
	}
	c, err := runs.Compare(sides[0], sides[1:], o)
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{f.out, func(w io.Writer) error { return report.CompareHTML(w, c) }},
		{f.markdown, func(w io.Writer) error { return report.CompareMarkdown(w, c) }},
	} {
		if file.name == "" {
			continue
		}
		if err := writeFile(file.name, file.write); err != nil {
			return err
		}
	}
	if a.json {
		return report.CompareJSON(a.out, c)
	}
	return report.CompareText(a.out, c)
}
