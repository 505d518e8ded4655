package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

func (a *app) labelsCmd() *cobra.Command {
	return group("labels", "Work with labelled query sets", &cobra.Command{
		Use:   "check FILE",
		Short: "Compare the labels of a query set with the indexed documents",
		Args:  args(1, "FILE"),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.checkLabels(cmd.Context(), args[0]) },
	})
}

func (a *app) checkLabels(ctx context.Context, file string) error {
	set, err := labels.ReadFile(file)
	if err != nil {
		return err
	}
	return a.onServed(ctx, func(_ *index.Client, gen *index.Generation) error {
		current := texts(gen)
		report := labels.Check(set, func(doc text.DocID) (string, error) { return current(ctx, doc) })
		if report.Err != nil {
			return report.Err
		}
		if err := a.printLabels(file, report); err != nil {
			return err
		}
		if n := len(report.Broken); n > 0 {
			return fmt.Errorf("labels check %w: %d labels of %s do not match their documents", errFailed, n, file)
		}
		return nil
	})
}

func (a *app) printLabels(file string, r labels.Report) error {
	if a.json {
		return json.NewEncoder(a.out).Encode(struct {
			Queries int             `json:"queries"`
			Spans   int             `json:"spans"`
			Exact   int             `json:"exact"`
			Moved   int             `json:"moved"`
			Docs    int             `json:"docs"`
			Broken  []labels.Broken `json:"broken"`
		}{r.Queries, r.Spans, r.Exact, r.Moved + r.Normalised, r.Docs, append([]labels.Broken{}, r.Broken...)})
	}
	fmt.Fprintln(a.out, r)
	for _, w := range r.Warnings {
		fmt.Fprintf(a.out, "warning: %s\n", w.Message)
	}
	for _, m := range r.Moves {
		fmt.Fprintf(a.out, "moved: %s:%d %s %s: %d-%d is now %d-%d (%s)\n", file, m.Line, m.Query, m.Field,
			m.From.Span.Start, m.From.Span.End, m.To.Span.Start, m.To.Span.End, m.How)
	}
	for _, b := range r.Broken {
		fmt.Fprintf(a.out, "broken: %s:%d %s %s in %s: %s\n", file, b.Line, b.Query, b.Field, b.Doc, b.Detail)
	}
	return nil
}
