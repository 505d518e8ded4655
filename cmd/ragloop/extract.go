package main

import (
	"encoding/json"
	"fmt"
	"io"
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
			data, err := readDocument(args[0])
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
			_, err = fmt.Fprintln(a.out, forReading(a.out, doc.Text))
			return err
		},
	}
}

// readDocument returns the bytes of a regular file: opening a pipe could wait
// for ever, and a device may not end. What is longer than any extractor accepts
// is cut just behind that limit, so that extraction refuses it.
func readDocument(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, extract.MaxBytes+1))
}
