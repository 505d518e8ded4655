package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

func (a *app) labelsCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "labels", Short: "Work with labelled query sets", Args: args(0)}
	cmd.AddCommand(&cobra.Command{
		Use:   "check FILE",
		Short: "Compare the labels of a query set with the indexed documents",
		Args:  args(1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			set, err := labels.ReadFile(args[0])
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			client, err := a.existing(ctx)
			if err != nil {
				return err
			}
			defer closing(&err, client.Close)
			gen, err := a.open(ctx, client)
			if err != nil {
				return err
			}
			report := labels.Check(set, func(doc text.DocID) (string, error) {
				body, _, err := gen.Text(ctx, doc)
				if errors.Is(err, index.ErrNoDocument) {
					return "", labels.ErrNoDocument
				}
				return body, err
			})
			if report.Err != nil {
				return report.Err
			}
			if a.json {
				if err := json.NewEncoder(a.out).Encode(struct {
					Queries int             `json:"queries"`
					Spans   int             `json:"spans"`
					Exact   int             `json:"exact"`
					Moved   int             `json:"moved"`
					Docs    int             `json:"docs"`
					Broken  []labels.Broken `json:"broken"`
				}{report.Queries, report.Spans, report.Exact, report.Moved + report.Normalised, report.Docs, report.Broken}); err != nil {
					return err
				}
			} else {
				fmt.Fprintln(a.out, report)
				for _, w := range report.Warnings {
					fmt.Fprintf(a.out, "warning: %s\n", w.Message)
				}
				for _, m := range report.Moves {
					fmt.Fprintf(a.out, "moved: %s:%d %s %s: %d-%d is now %d-%d (%s)\n", args[0], m.Line, m.Query, m.Field,
						m.From.Span.Start, m.From.Span.End, m.To.Span.Start, m.To.Span.End, m.How)
				}
				for _, b := range report.Broken {
					fmt.Fprintf(a.out, "broken: %s:%d %s %s in %s: %s\n", args[0], b.Line, b.Query, b.Field, b.Doc, b.Detail)
				}
			}
			if n := len(report.Broken); n > 0 {
				return fmt.Errorf("labels check %w: %d labels of %s do not match their documents", errFailed, n, args[0])
			}
			return nil
		},
	})
	return cmd
}
