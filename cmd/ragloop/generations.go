package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/internal/index"
)

func (a *app) generationsCmd() *cobra.Command {
	return &cobra.Command{
		Use: "generations", Short: "List the builds of a collection and their recipes", Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return a.onServed(ctx, func(client *index.Client, served *index.Generation) error {
				return a.listGenerations(ctx, client, served)
			})
		},
	}
}

// generationJSON is the machine form of a generation.
type generationJSON struct {
	Generation  string       `json:"generation"`
	Served      bool         `json:"served"`
	Documents   int          `json:"documents"`
	Chunks      int          `json:"chunks"`
	Tokens      int          `json:"tokens"`
	Recipe      index.Recipe `json:"recipe"`
	Fingerprint string       `json:"fingerprint"`
}

func (a *app) listGenerations(ctx context.Context, client *index.Client, served *index.Generation) error {
	gens, err := client.Generations(ctx, served.Collection)
	if err != nil {
		return err
	}
	var rows []generationJSON
	for _, g := range gens {
		stats, err := g.Stats(ctx)
		if err != nil {
			return err
		}
		rows = append(rows, generationJSON{
			Generation: g.String(), Served: g.Number == served.Number, Documents: stats.Documents, Chunks: stats.Chunks,
			Tokens: stats.Tokens, Recipe: g.Recipe, Fingerprint: g.Recipe.Fingerprint(),
		})
	}
	if a.json {
		enc := json.NewEncoder(a.out)
		for _, r := range rows {
			if err := enc.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "generation\tserved\tdocuments\tchunks\ttokens\tstrategy\tsize\toverlap\ttokenizer\tembedder\trecipe")
	for _, r := range rows {
		mark := "-"
		if r.Served {
			mark = "yes"
		}
		c := r.Recipe.Chunker
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\t%d\t%v\t%s\t%s\t%s\n", r.Generation, mark, r.Documents, r.Chunks, r.Tokens,
			c.Strategy, c.SizeTokens, c.Overlap, c.Tokenizer, r.Recipe.Embedder.Name, r.Fingerprint)
	}
	return w.Flush()
}
