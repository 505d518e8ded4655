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
	var against string
	check := &cobra.Command{
		Use:   "check FILE",
		Short: "Compare the labels of a query set with the indexed documents",
		Long: `check compares every label with the document it is about: spans with their
quotes, and names with what is indexed. Labels that moved are found again.
It warns of queries that are given twice or almost twice.

--against FILE checks independence from another set, without an index: no equal
or almost equal queries, and no document with labels in both.`,
		Args: args(1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if against != "" {
				return a.checkLeaks(args[0], against)
			}
			return a.checkLabels(cmd.Context(), args[0])
		},
	}
	check.Flags().StringVar(&against, "against", "", "another query set, such as the half that was tuned on")
	return group("labels", "Work with labelled query sets", check, a.reanchorCmd(), a.suggestCmd(), a.reviewCmd(), a.mergeCmd(), a.convertCmd(), a.splitCmd(), a.synthCmd())
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
			return fmt.Errorf("labels check %w: of %s, %s", errFailed, file, plural(n, "label does not match its document", "labels do not match their documents"))
		}
		return nil
	})
}

// leakJSON is the machine form of a leak.
type leakJSON struct {
	Kind   string `json:"kind"`
	A      string `json:"query"`
	B      string `json:"other_query"`
	Detail string `json:"detail"`
}

func (a *app) checkLeaks(file, against string) error {
	set, err := labels.ReadFile(file)
	if err != nil {
		return err
	}
	other, err := labels.ReadFile(against)
	if err != nil {
		return err
	}
	leaks := labels.Leaks(set, other)
	if a.json {
		out := []leakJSON{}
		for _, l := range leaks {
			out = append(out, leakJSON(l))
		}
		if err := json.NewEncoder(a.out).Encode(out); err != nil {
			return err
		}
	} else {
		for i, l := range leaks {
			if i == maxListed {
				fmt.Fprintf(a.out, "… and %d more; --json lists all\n", len(leaks)-i)
				break
			}
			switch l.Kind {
			case "document":
				fmt.Fprintf(a.out, "document: %s has labels in both, of %s and %s\n", l.Detail, l.A, l.B)
			case "query":
				fmt.Fprintf(a.out, "query: %s and %s are equal: %q\n", l.A, l.B, l.Detail)
			default:
				fmt.Fprintf(a.out, "near duplicate: %s and %s: %s\n", l.A, l.B, l.Detail)
			}
		}
		if len(leaks) == 0 {
			fmt.Fprintf(a.out, "%s and %s are independent: %d and %d queries, none alike, no common document\n", file, against, len(set.Queries), len(other.Queries))
		}
	}
	if len(leaks) > 0 {
		return fmt.Errorf("labels check %w: %s and %s share %d queries or documents", errFailed, file, against, len(leaks))
	}
	return nil
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
	a.printMoves(file, r)
	return nil
}

// printMoves lists the labels that are not as they were.
func (a *app) printMoves(file string, r labels.Report) {
	for _, m := range r.Moves {
		fmt.Fprintf(a.out, "moved: %s:%d %s %s: %d-%d is now %d-%d (%s)\n", file, m.Line, m.Query, m.Field,
			m.From.Span.Start, m.From.Span.End, m.To.Span.Start, m.To.Span.End, m.How)
	}
	for _, b := range r.Broken {
		fmt.Fprintf(a.out, "broken: %s:%d %s %s in %s: %s\n", file, b.Line, b.Query, b.Field, b.Doc, b.Detail)
	}
}
