package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/ingest/extract"
)

func (a *app) extractCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "extract FILE",
		Short: "Print the text of a document as ragloop sees it",
		Long: `extract prints the extracted text of one file. With --json it prints text,
media type, title, pages, blocks and warnings; offsets are code points.`,
		Args: args(1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("extract: %w", err)
			}
			e, err := a.extractor()
			if err != nil {
				return err
			}
			doc, err := e.Extract(cmd.Context(), extract.Input{Name: args[0], Data: data})
			if err != nil {
				return err
			}
			if a.json {
				return json.NewEncoder(a.out).Encode(doc)
			}
			for _, w := range doc.Warnings {
				a.say("warning: %s", printable(w))
			}
			_, err = fmt.Fprintln(a.out, doc.Text)
			return err
		},
	}
}
