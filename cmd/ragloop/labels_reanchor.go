package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

type reanchorFlags struct {
	out        string
	dropBroken bool
}

func (a *app) reanchorCmd() *cobra.Command {
	var f reanchorFlags
	cmd := &cobra.Command{
		Use:   "reanchor FILE [--out FILE]",
		Short: "Find labels again after documents changed, and say what drifted",
		Long: `reanchor compares the evidence of a query set with the documents as they are
indexed now. A span whose text is not its quote any more is looked for: the quote
exactly, and then without regard to white space, letter case, line-break hyphens
and typographic variants. Either must occur exactly once; a quote that occurs
several times is ambiguous, and one that does not occur is lost.

Nothing is written without --out, which writes the set with the spans where they
are now, as a whole or not at all; it may be FILE itself. Labels that are lost or
ambiguous stay in it as they were, unless --drop-broken leaves them out; the
document of a span left out remains relevant while it is there. The exit code is
1 where a label is lost or ambiguous and not left out.`,
		Args: args(1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.reanchor(cmd.Context(), args[0], f) },
	}
	cmd.Flags().StringVar(&f.out, "out", "", "write the re-anchored set to `FILE`")
	cmd.Flags().BoolVar(&f.dropBroken, "drop-broken", false, "with --out: leave labels out that are lost or ambiguous")
	return cmd
}

func (a *app) reanchor(ctx context.Context, file string, f reanchorFlags) error {
	if f.dropBroken && f.out == "" {
		return fmt.Errorf("labels reanchor: --drop-broken has no meaning without --out FILE")
	}
	if err := checkOut("--out", f.out); err != nil {
		return err
	}
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
		if f.out != "" {
			again := report.Reanchored(set)
			if f.dropBroken {
				again = report.Set
			}
			if err := writeFile(f.out, func(w io.Writer) error { return labels.Write(w, again) }); err != nil {
				return err
			}
		}
		if err := a.printReanchored(file, set, report, f.out); err != nil {
			return err
		}
		if n := len(report.Broken); n > 0 && !f.dropBroken {
			return fmt.Errorf("labels reanchor %w: of %s, %s lost or ambiguous", errFailed, file, plural(n, "label is", "labels are"))
		}
		return nil
	})
}

// moveJSON is the machine form of a label that was found again.
type moveJSON struct {
	Query string        `json:"query"`
	Line  int           `json:"line,omitempty"`
	Field string        `json:"field"`
	Doc   text.DocID    `json:"doc"`
	How   labels.Anchor `json:"how"`
	From  [2]int        `json:"from"` // code points
	To    [2]int        `json:"to"`
	Shift int           `json:"shift"`
}

type reanchorJSON struct {
	Queries    int             `json:"queries"`
	Spans      int             `json:"spans"`
	Exact      int             `json:"exact"`
	Moved      int             `json:"moved"`
	Normalised int             `json:"normalised"`
	Docs       int             `json:"docs"`
	Documents  []labels.Drift  `json:"documents"` // those with a span that is not as labelled
	Moves      []moveJSON      `json:"moves"`
	Broken     []labels.Broken `json:"broken"`
	Emptied    []string        `json:"emptied_queries"`
	Written    string          `json:"written,omitempty"`
}

func (a *app) printReanchored(file string, set labels.Set, r labels.Report, written string) error {
	out := reanchorJSON{
		Queries: r.Queries, Spans: r.Spans, Exact: r.Exact, Moved: r.Moved, Normalised: r.Normalised, Docs: r.Docs,
		Documents: []labels.Drift{}, Moves: []moveJSON{}, Broken: append([]labels.Broken{}, r.Broken...),
		Emptied: append([]string{}, r.Emptied...), Written: written,
	}
	unchanged := 0
	for _, d := range r.Drift(set) {
		if d.Changed() {
			out.Documents = append(out.Documents, d)
		} else {
			unchanged++
		}
	}
	for _, m := range r.Moves {
		out.Moves = append(out.Moves, moveJSON{
			m.Query, m.Line, m.Field, m.From.Doc, m.How,
			[2]int{m.From.Span.Start, m.From.Span.End}, [2]int{m.To.Span.Start, m.To.Span.End}, m.Shift(),
		})
	}
	if a.json {
		return json.NewEncoder(a.out).Encode(out)
	}
	fmt.Fprintln(a.out, r)
	for _, d := range out.Documents {
		fmt.Fprintf(a.out, "%s: %s\n", printable(string(d.Doc)), d)
	}
	if unchanged > 0 {
		fmt.Fprintf(a.out, "documents whose labels are all as they were: %d\n", unchanged)
	}
	a.printMoves(file, r)
	if written != "" {
		a.say("%d queries: %s", r.Queries, written)
	}
	return nil
}
