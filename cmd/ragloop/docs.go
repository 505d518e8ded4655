package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

func (a *app) docsCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "docs", Short: "List, show and remove documents", Args: args(0)}
	var state string
	ls := &cobra.Command{
		Use: "ls", Short: "List the documents of a collection", Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.listDocs(cmd, state) },
	}
	ls.Flags().StringVar(&state, "state", "", "only documents in this state: indexed or failed")
	cmd.AddCommand(ls, &cobra.Command{
		Use: "show DOC", Short: "Print the stored text of a document", Args: args(1, "DOC"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.showDoc(cmd, text.DocID(args[0])) },
	}, &cobra.Command{
		Use: "rm DOC…", Short: "Remove documents", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.removeDocs(cmd, args) },
	})
	return cmd
}

// docJSON is the machine form of a record.
type docJSON struct {
	Doc           text.DocID        `json:"doc"`
	State         index.State       `json:"state"`
	Error         string            `json:"error,omitempty"`
	URI           string            `json:"uri"`
	MediaType     string            `json:"media_type"`
	Title         string            `json:"title"`
	Revision      string            `json:"revision"`
	ContentSHA256 string            `json:"content_sha256"`
	Chunks        int               `json:"chunks"`
	Tokens        int               `json:"tokens"`
	Bytes         int               `json:"bytes"`
	Pages         int               `json:"pages"`
	IngestedAt    time.Time         `json:"ingested_at"`
	Tags          []string          `json:"tags,omitempty"`
	Meta          map[string]string `json:"meta,omitempty"`
}

func recordJSON(r index.Record) docJSON {
	return docJSON{
		Doc: r.Doc, State: r.State, Error: r.Error, URI: r.URI, MediaType: r.MediaType, Title: r.Title, Revision: r.Rev,
		ContentSHA256: r.ContentSHA256, Chunks: r.ChunkCount, Tokens: r.Tokens, Bytes: r.Bytes, Pages: r.Pages,
		IngestedAt: r.IngestedAt, Tags: r.Tags, Meta: r.Meta,
	}
}

func (a *app) listDocs(cmd *cobra.Command, state string) (err error) {
	states := []string{string(index.Indexed), string(index.Failed)}
	if state != "" && !slices.Contains(states, state) {
		return fmt.Errorf("docs ls: --state is %q, allowed are %s", state, strings.Join(states, ", "))
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
	var records []index.Record
	for r, err := range gen.List(ctx) {
		if err != nil {
			return err
		}
		if state == "" || string(r.State) == state {
			records = append(records, r)
		}
	}
	slices.SortFunc(records, func(x, y index.Record) int { return strings.Compare(string(x.Doc), string(y.Doc)) })
	if a.json {
		enc := json.NewEncoder(a.out)
		for _, r := range records {
			if err := enc.Encode(recordJSON(r)); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "document\tstate\tchunks\ttokens\tpages\ttype\ttitle")
	for _, r := range records {
		title := r.Title
		if r.Error != "" {
			title = r.Error
		}
		pages := "-"
		if r.Pages > 0 {
			pages = fmt.Sprint(r.Pages)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%s\n", r.Doc, r.State, r.ChunkCount, r.Tokens, pages, r.MediaType, title)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	a.say("%d documents in %s", len(records), gen)
	return nil
}

func (a *app) showDoc(cmd *cobra.Command, doc text.DocID) (err error) {
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
	body, record, err := gen.Text(ctx, doc)
	if err != nil {
		return err
	}
	if a.json {
		return json.NewEncoder(a.out).Encode(struct {
			docJSON
			Text string `json:"text"`
		}{recordJSON(record), body})
	}
	_, err = fmt.Fprintln(a.out, body)
	return err
}

func (a *app) removeDocs(cmd *cobra.Command, names []string) (err error) {
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
	var absent []string
	for _, name := range names {
		existed, err := gen.Delete(ctx, text.DocID(name))
		if err != nil {
			return err
		}
		if !existed {
			absent = append(absent, name)
		}
	}
	a.say("removed %d of %d documents from %s", len(names)-len(absent), len(names), gen)
	if len(absent) > 0 {
		return fmt.Errorf("docs rm %w: no such document in %s: %s", errFailed, gen, strings.Join(absent, ", "))
	}
	return nil
}

func (a *app) generationsCmd() *cobra.Command {
	return &cobra.Command{
		Use: "generations", Short: "List the builds of a collection and their recipes", Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			ctx := cmd.Context()
			client, err := a.existing(ctx)
			if err != nil {
				return err
			}
			defer closing(&err, client.Close)
			served, err := a.open(ctx, client)
			if err != nil {
				return err
			}
			gens, err := client.Generations(ctx, a.cfg.Config.Collection)
			if err != nil {
				return err
			}
			enc := json.NewEncoder(a.out)
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			if !a.json {
				fmt.Fprintln(w, "generation\tserved\tdocuments\tchunks\ttokens\tsize\toverlap\ttokenizer\tembedder\trecipe")
			}
			for _, g := range gens {
				stats, err := g.Stats(ctx)
				if err != nil {
					return err
				}
				if a.json {
					err = enc.Encode(struct {
						Generation  string       `json:"generation"`
						Served      bool         `json:"served"`
						Documents   int          `json:"documents"`
						Chunks      int          `json:"chunks"`
						Tokens      int          `json:"tokens"`
						Recipe      index.Recipe `json:"recipe"`
						Fingerprint string       `json:"fingerprint"`
					}{g.String(), g.Number == served.Number, stats.Documents, stats.Chunks, stats.Tokens, g.Recipe, g.Recipe.Fingerprint()})
					if err != nil {
						return err
					}
					continue
				}
				mark := ""
				if g.Number == served.Number {
					mark = "yes"
				}
				c := g.Recipe.Chunker
				fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%v\t%s\t%s\t%s\n", g, mark, stats.Documents, stats.Chunks, stats.Tokens,
					c.SizeTokens, c.Overlap, c.Tokenizer, g.Recipe.Embedder.Name, g.Recipe.Fingerprint())
			}
			return w.Flush()
		},
	}
}
