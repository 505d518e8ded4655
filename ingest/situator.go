package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/ragloop/ragloop/ingest/chunk"
	"github.com/ragloop/ragloop/ingest/situate"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// Situator says what a chunk is about in its document; implemented by
// situate.Writer. It must be safe for concurrent use.
type Situator interface {
	// Context returns one line, or an error that wraps situate.ErrAnswer where
	// there is none for this chunk alone, which is indexed without until a later run
	// gets one, or situate.ErrRefused where this chunk alone cannot be asked about,
	// which fails its document, or situate.ErrUnavailable where the model cannot be
	// reached, which a run outlasts for some minutes. Where a later run asks again the
	// last two leave the document as it is stored. Other errors end the run.
	Context(ctx context.Context, document string, chunk text.Span) (string, error)
	// Fingerprint stands for everything that shapes the lines.
	Fingerprint() string
}

// situatedAtOnce is the number of chunks of a document that are asked about at
// once: a model in another process answers several as fast as one. The first is asked
// about alone: the prompts about a document begin alike, and a server that remembers
// how a prompt began has read that part when the others come.
const situatedAtOnce = 8

// checkSituator returns why s cannot write what a recipe calls for.
func checkSituator(r index.Recipe, s Situator) error {
	switch want := r.Chunker.Context; {
	case want == "":
		return nil
	case s == nil:
		return fmt.Errorf("%w: its chunks are situated by a language model (%s), and none is configured", index.ErrRecipe, want)
	case s.Fingerprint() != want:
		return fmt.Errorf("%w: its chunks are situated by the language model %s, this one is %s", index.ErrRecipe, want, s.Fingerprint())
	}
	return nil
}

// situate puts a line about each chunk behind its index prefix, if the recipe
// has it so. A chunk that gets none is counted in a warning; none counts those for
// which the model has no usable answer. Where line, prefix and text are more than the
// embedder reads, the line loses its last words.
func (p *preparer) situate(ctx context.Context, document string, chunks []chunk.Chunk, try attempt) (none int, warnings []string, err error) {
	if !p.situated {
		return 0, nil, nil
	}
	if p.noSituator != nil {
		return 0, nil, p.noSituator
	}
	lines, none, err := p.lines(ctx, document, chunks, try)
	if err != nil {
		return 0, nil, err
	}
	tooLong := 0
	for i := range chunks {
		line := p.fitting(lines[i], chunks[i])
		if line == "" {
			if lines[i] != "" {
				tooLong++
			}
			continue
		}
		chunks[i].Prefix += line + "\n"
	}
	if none > 0 {
		warnings = append(warnings, fmt.Sprintf("context: the language model has no usable answer for %d of %d chunks, which are indexed without; the next ingestion asks again", none, len(chunks)))
	}
	if tooLong > 0 {
		warnings = append(warnings, fmt.Sprintf("context: the embedder has no room for a line in front of %d of %d chunks, which are indexed without", tooLong, len(chunks)))
	}
	return none, warnings, nil
}

// lines asks about each chunk and returns the answers, empty where one is not usable,
// and how many are not. What was answered before the model went away is not asked for
// again.
func (p *preparer) lines(ctx context.Context, document string, chunks []chunk.Chunk, try attempt) (lines []string, none int, err error) {
	lines = make([]string, len(chunks))
	settled := make([]bool, len(chunks))
	var unusable atomic.Int64
	ask := func(ctx context.Context, i int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := p.situator.Context(ctx, document, chunks[i].Span)
		switch {
		case errors.Is(err, situate.ErrAnswer):
			unusable.Add(1)
		case err != nil:
			return err
		default:
			lines[i] = line
		}
		settled[i] = true
		return nil
	}
	err = try(ctx, func() error {
		first := slices.Index(settled, false)
		if first < 0 {
			return nil
		}
		if err := ask(ctx, first); err != nil {
			return err
		}
		group, groupCtx := errgroup.WithContext(ctx) // a model that is away is not asked about the rest
		group.SetLimit(situatedAtOnce)
		for i := first + 1; i < len(chunks); i++ {
			if !settled[i] {
				group.Go(func() error { return ask(groupCtx, i) })
			}
		}
		return group.Wait()
	})
	return lines, int(unusable.Load()), err
}

// fitting returns as many words of the line as the embedder reads in front of
// the chunk; "" for none.
func (p *preparer) fitting(line string, c chunk.Chunk) string {
	limit := p.window.MaxTokens()
	for words := strings.Fields(line); len(words) > 0; words = words[:len(words)*3/4] {
		line = strings.Join(words, " ")
		if limit == 0 || p.window.CountTokens(c.Prefix+line+"\n"+c.Text) <= limit {
			return line
		}
	}
	return ""
}
