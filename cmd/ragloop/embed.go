package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/internal/embed"
)

// embedBatch is how many lines are embedded together.
const embedBatch = 64

func (a *app) embedCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "embed",
		Short: `Embed lines {"text","task"} from standard input`,
		Long: `embed reads JSON lines {"text": "…", "task": "passage"|"query"|"raw"} from
standard input and writes a line {"embedding": […]} for each, in order. The task
defaults to passage.`,
		Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e, err := a.bareEmbedder()
			if err != nil {
				return err
			}
			in := bufio.NewReader(a.in)
			out := bufio.NewWriter(a.out)
			for line, eof := 1, false; !eof; {
				var batch []embedLine
				for len(batch) < embedBatch && !eof {
					text, err := in.ReadBytes('\n')
					eof = errors.Is(err, io.EOF)
					if err != nil && !eof {
						return fmt.Errorf("read standard input: %w", err)
					}
					if len(bytes.TrimSpace(text)) > 0 {
						l, err := parseEmbedLine(text)
						if err != nil {
							return fmt.Errorf("embed: line %d of standard input: %w", line, err)
						}
						batch = append(batch, l)
					}
					line++
				}
				if err := embedLines(cmd, e, batch, out); err != nil {
					return err
				}
			}
			return out.Flush()
		},
	}
}

type embedLine struct {
	text string
	task embed.Task
}

func parseEmbedLine(line []byte) (embedLine, error) {
	var in struct {
		Text *string `json:"text"`
		Task string  `json:"task"`
	}
	const want = `want one JSON object {"text": "…", "task": "passage"|"query"|"raw"}`
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return embedLine{}, fmt.Errorf("%w; %s", err, want)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return embedLine{}, fmt.Errorf("there is something after the object; %s", want)
	}
	if in.Text == nil {
		return embedLine{}, errors.New(`field "text" is missing`)
	}
	tasks := map[string]embed.Task{"": embed.Passage, "passage": embed.Passage, "query": embed.Query, "raw": embed.Raw}
	task, ok := tasks[in.Task]
	if !ok {
		return embedLine{}, fmt.Errorf(`field "task" is %q, allowed are passage, query, raw`, in.Task)
	}
	return embedLine{*in.Text, task}, nil
}

// embedLines embeds a batch, one call per run of equal tasks, and writes its lines.
func embedLines(cmd *cobra.Command, e embed.Embedder, batch []embedLine, w io.Writer) error {
	enc := json.NewEncoder(w)
	for len(batch) > 0 {
		var texts []string
		n := 0
		for ; n < len(batch) && batch[n].task == batch[0].task; n++ {
			texts = append(texts, batch[n].text)
		}
		vectors, err := e.Embed(cmd.Context(), batch[0].task, texts)
		if err != nil {
			return err
		}
		for _, v := range vectors {
			if err := enc.Encode(map[string][]float32{"embedding": v}); err != nil {
				return err
			}
		}
		batch = batch[n:]
	}
	return nil
}
