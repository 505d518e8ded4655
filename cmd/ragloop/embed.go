package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/internal/embed"
)

// A batch of lines is embedded together. It ends after so many lines, or bytes
// of lines: neither a long input nor long texts may fill the memory.
const (
	embedBatchLines = 64
	embedBatchBytes = 8 << 20
)

// maxEmbedLineBytes bounds one line of the input, its line feed counted.
const maxEmbedLineBytes = 128 << 20

func (a *app) embedCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "embed",
		Short: `Embed lines {"text","task"} from standard input`,
		Long: `embed reads JSON lines {"text": "…", "task": "passage"|"query"|"raw"} of at most
128 MiB from standard input and writes a line {"embedding": […]} for each, in
order. The task defaults to passage. Bytes that are not UTF-8 count as U+FFFD.`,
		Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e, err := a.bareEmbedder()
			if err != nil {
				return err
			}
			out := bufio.NewWriter(a.out)
			lines := inputLines(cmd.Context(), a.in, maxEmbedLineBytes)
			for more := true; more; {
				var batch []embedLine
				batch, more, err = embedBatch(cmd.Context(), lines)
				// What came before a bad line is embedded all the same.
				if err := errors.Join(embedLines(cmd, e, batch, out), out.Flush()); err != nil {
					return err
				}
				if err != nil {
					return fmt.Errorf("embed: %w", err)
				}
			}
			return nil
		},
	}
}

// inputLine is a line of the input without white space around it, or why there
// is none.
type inputLine struct {
	number int // from 1
	text   []byte
	err    error
}

// inputLines reads r in a goroutine of its own, since nothing can interrupt a
// read of standard input: that goroutine ends with the next line, or with the
// process. The channel is closed at the end of the input and after an error.
func inputLines(ctx context.Context, r io.Reader, maxBytes int) <-chan inputLine {
	lines := make(chan inputLine)
	go func() {
		defer close(lines)
		in := bufio.NewReader(r)
		for number := 1; ; number++ {
			text, err := readLine(in, maxBytes)
			eof := errors.Is(err, io.EOF)
			if eof {
				err = nil
			}
			l := inputLine{number: number, text: bytes.TrimSpace(text), err: err}
			if len(l.text) > 0 || err != nil {
				select {
				case lines <- l:
				case <-ctx.Done():
					return
				}
			}
			if eof || err != nil {
				return
			}
		}
	}()
	return lines
}

// readLine returns the next line; io.EOF comes with the last one.
func readLine(in *bufio.Reader, maxBytes int) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > maxBytes {
			return nil, fmt.Errorf("it is longer than the %d bytes allowed", maxBytes)
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// embedBatch takes the next batch from lines. more is false at their end. With
// an error the batch has what came before it.
func embedBatch(ctx context.Context, lines <-chan inputLine) (batch []embedLine, more bool, err error) {
	for size := 0; len(batch) < embedBatchLines && size < embedBatchBytes; {
		var l inputLine
		select {
		case <-ctx.Done():
			return nil, false, ctx.Err()
		case l, more = <-lines:
			if !more {
				return batch, false, nil
			}
		}
		if l.err == nil {
			var line embedLine
			if line, l.err = parseEmbedLine(l.text); l.err == nil {
				batch, size = append(batch, line), size+len(l.text)
				continue
			}
		}
		return batch, false, fmt.Errorf("line %d of standard input: %w", l.number, l.err)
	}
	return batch, true, nil
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
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
			return embedLine{}, fmt.Errorf("a JSON %s where it does not belong; %s", wrong.Value, want)
		}
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
		vectors, failed := e.Embed(cmd.Context(), batch[0].task, texts)
		for _, v := range vectors { // those before an error, too
			if err := enc.Encode(map[string][]float32{"embedding": v}); err != nil {
				return err
			}
		}
		if failed != nil {
			return failed
		}
		batch = batch[n:]
	}
	return nil
}
