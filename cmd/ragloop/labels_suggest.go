package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/runs"
	"github.com/ragloop/ragloop/internal/text"
)

type suggestFlags struct {
	out     string
	queries int
	o       runs.SuggestOptions
}

func (a *app) suggestCmd() *cobra.Command {
	var f suggestFlags
	cmd := &cobra.Command{
		Use:   "suggest RUN…",
		Short: "Say which judgements would inform most",
		Long: `suggest looks at saved runs ("ragloop eval --save") and writes passages that have
no judgement and whose judgement would tell the runs apart, the most telling query
first: candidates for "labels review", one a line. A RUN is a saved evaluation,
which stands for all of its runs, or one of them, as in DIR#hybrid.

The effect of a passage is how far two runs would move apart if it turned out
relevant: the mean difference of 1/log2(rank+1) over all pairs of runs; with one
run, 1/log2(rank+1) itself. Ranks are those of the contexts at the primary budget.
The reason in each line has the ranks. Equal input gives equal output.`,
		Args: atLeast("RUN"),
		RunE: func(_ *cobra.Command, args []string) error { return a.suggest(args, f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.out, "out", "", "write the candidates to `FILE` (default: standard output)")
	fl.IntVar(&f.queries, "queries", 50, "most queries to suggest, 1 and up")
	fl.IntVar(&f.o.Passages, "passages", 3, "most passages of a query, 1 and up")
	fl.IntVar(&f.o.Depth, "depth", 5, "segments of each context to look at, 1 and up")
	return cmd
}

func (a *app) suggest(names []string, f suggestFlags) error {
	if min(f.queries, f.o.Passages, f.o.Depth) < 1 {
		return fmt.Errorf("labels suggest: --queries %d, --passages %d and --depth %d must be 1 and up", f.queries, f.o.Passages, f.o.Depth)
	}
	if err := checkOut("--out", f.out); err != nil {
		return err
	}
	var sides []runs.Side
	for _, name := range names {
		some, err := runs.OpenAll(name)
		if err != nil {
			return err
		}
		sides = append(sides, some...)
	}
	found, err := runs.Suggest(sides, f.o)
	if err != nil {
		return err
	}
	if found.NoContext > 0 && len(found.Queries) == 0 {
		return errors.New("labels suggest: the runs have no contexts; save them with \"ragloop eval --save DIR\"")
	}
	candidates := []labels.Candidate{}
	shown := found.Queries[:min(len(found.Queries), f.queries)]
	for _, q := range shown {
		for _, p := range q.Passages {
			candidates = append(candidates, labels.Candidate{
				Query: q.Query.ID, Text: q.Query.Text, Doc: text.DocID(p.Doc),
				Span: text.RuneSpan{Start: p.Start, End: p.End}, Quote: p.Text, Reason: q.Reason(p, sides),
			})
		}
	}
	write := func(w io.Writer) error { return labels.WriteCandidates(w, candidates) }
	if f.out != "" {
		err = writeFile(f.out, write)
	} else if !a.json {
		err = write(a.out)
	}
	if err != nil {
		return err
	}
	if a.json {
		return json.NewEncoder(a.out).Encode(struct {
			Runs         int    `json:"runs"`
			Queries      int    `json:"queries"`
			Candidates   int    `json:"candidates"`
			Further      int    `json:"further_queries"`
			NoContext    int    `json:"without_context"`
			Judged       int    `json:"judged"`
			Agreed       int    `json:"agreed"`
			Unanswerable int    `json:"unanswerable"`
			Written      string `json:"written,omitempty"`
		}{len(sides), len(shown), len(candidates), len(found.Queries) - len(shown), found.NoContext, found.Judged, found.Agreed, found.Unanswerable, f.out})
	}
	a.say("%d passages of %d queries from %d runs; not among them: %d further queries, %d that the runs agree on, %d judged throughout, %d without a context, %d unanswerable",
		len(candidates), len(shown), len(sides), len(found.Queries)-len(shown), found.Agreed, found.Judged, found.NoContext, found.Unanswerable)
	return nil
}
