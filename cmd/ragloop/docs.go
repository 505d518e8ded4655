package main

import (
	"context"
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
	var state string
	ls := &cobra.Command{
		Use: "ls", Short: "List the documents of a collection", Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.listDocs(cmd.Context(), state) },
	}
	ls.Flags().StringVar(&state, "state", "", "only documents in this state: indexed, failed or quarantined")
	return group("docs", "List, show and remove documents", ls, &cobra.Command{
		Use: "show DOC", Short: "Print the stored text of a document", Args: args(1, "DOC"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.showDoc(cmd.Context(), text.DocID(args[0])) },
	}, textOnly(&cobra.Command{
		Use: "rm DOC…", Short: "Remove documents", Args: atLeast("DOC"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.removeDocs(cmd.Context(), args) },
	}))
}

// docJSON is the machine form of a record.
type docJSON struct {
	Doc           text.DocID        `json:"doc"`
	State         index.State       `json:"state"`
	Error         string            `json:"error,omitempty"`
	Reason        string            `json:"reason,omitempty"`
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
		Doc: r.Doc, State: r.State, Error: r.Error, Reason: r.Reason, URI: r.URI, MediaType: r.MediaType, Title: r.Title, Revision: r.Rev,
		ContentSHA256: r.ContentSHA256, Chunks: r.ChunkCount, Tokens: r.Tokens, Bytes: r.Bytes, Pages: r.Pages,
		IngestedAt: r.IngestedAt, Tags: r.Tags, Meta: r.Meta,
	}
}

func (a *app) listDocs(ctx context.Context, state string) error {
	states := []string{string(index.Indexed), string(index.Failed), string(index.Quarantined)}
	if state != "" && !slices.Contains(states, state) {
		return fmt.Errorf("docs ls: --state is %q, allowed are %s", state, strings.Join(states, ", "))
	}
	return a.onServed(ctx, func(_ *index.Client, gen *index.Generation) error {
		var records []index.Record
		for r, err := range gen.List(ctx) {
			if err != nil {
				return err
			}
			if state == "" || string(r.State) == state {
				records = append(records, r)
			}
		}
		return a.printDocs(gen, records)
	})
}

func (a *app) printDocs(gen *index.Generation, records []index.Record) error {
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
		if r.Reason != "" {
			title = r.Reason + ": " + r.Error
		}
		pages := "-"
		if r.Pages > 0 {
			pages = fmt.Sprint(r.Pages)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%s\n", printable(string(r.Doc)), r.State, r.ChunkCount, r.Tokens, pages, r.MediaType, printable(title))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	a.say("%d documents in %s", len(records), gen)
	return nil
}

func (a *app) showDoc(ctx context.Context, doc text.DocID) error {
	return a.onServed(ctx, func(_ *index.Client, gen *index.Generation) error {
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
	})
}

func (a *app) removeDocs(ctx context.Context, names []string) error {
	return a.onServed(ctx, func(_ *index.Client, gen *index.Generation) error {
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
	})
}
