package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/ingest/chunk"
	"github.com/ragloop/ragloop/ingest/chunk/preview"
	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/tokens"
)

func (a *app) chunkCmd() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "chunk FILE…",
		Short: "Show how documents are chunked, and what is odd about it",
		Long: `chunk extracts FILE… and cuts them as ingest would, but stores nothing. It lists
the chunks with their spans (in code points), their tokens, what their indexed
text takes of the embedder's window, their headings, first and last words, and
the sizes and warnings. --html writes a page that shows the text with its chunks
in colours.

With --collection the recipe of that collection is used, as far as no flag or
setting says otherwise.`,
		Args: atLeast("FILE"),
		RunE: func(cmd *cobra.Command, files []string) error { return a.chunk(cmd.Context(), files, out) },
	}
	cmd.Flags().StringVar(&out, "html", "", "file of the HTML page (default: none)")
	a.bindChunking(cmd)
	return cmd
}

func (a *app) chunk(ctx context.Context, files []string, out string) (err error) {
	if err := checkOut("--html", out); err != nil {
		return err
	}
	e, err := a.bareEmbedder()
	if err != nil {
		return err
	}
	recipe, err := a.previewed(ctx, e)
	if err != nil {
		return err
	}
	counter, err := tokens.New(recipe.Tokenizer)
	if err != nil {
		return err
	}
	params := chunk.Params{
		Strategy: chunk.Strategy(recipe.Strategy), SizeTokens: recipe.SizeTokens, Overlap: recipe.Overlap, IndexPrefix: recipe.IndexPrefix,
	}
	if err := params.Validate(); err != nil {
		return err
	}
	settings := preview.Settings{
		Strategy: params.Strategy, SizeTokens: params.SizeTokens, Overlap: params.Overlap, IndexPrefix: params.IndexPrefix,
		Tokenizer: recipe.Tokenizer, Embedder: e.Info().Name, Window: e.Info().MaxTokens,
	}
	extractor, err := a.extractor()
	if err != nil {
		return err
	}
	previews := []preview.Preview{}
	for _, file := range files {
		data, err := readDocument(file)
		if err != nil {
			return fmt.Errorf("chunk: %w", err)
		}
		doc, err := extractor.Extract(ctx, extract.Input{Name: filepath.ToSlash(file), Data: data})
		if err != nil {
			return err
		}
		for _, w := range doc.Warnings {
			a.say("warning: %s: %s", printable(file), printable(w))
		}
		p, err := preview.New(file, doc, params, counter, window{e})
		if err != nil {
			return err
		}
		previews = append(previews, p)
	}
	if out != "" {
		o := preview.Options{Settings: settings, Command: chunkCommand(files, settings)}
		if err := writeFile(out, func(w io.Writer) error { return preview.HTML(w, previews, o) }); err != nil {
			return err
		}
		defer func() {
			if err == nil {
				a.say("page: %s", out)
			}
		}()
	}
	if a.json {
		return json.NewEncoder(a.out).Encode(struct {
			Settings  preview.Settings  `json:"settings"`
			Documents []preview.Preview `json:"documents"`
		}{settings, previews})
	}
	for _, p := range previews {
		if err := a.printChunks(p, settings); err != nil {
			return err
		}
	}
	return nil
}

// previewed returns the chunking to show: the configured one, or that of a
// collection which a flag names.
func (a *app) previewed(ctx context.Context, e embed.Embedder) (recipe index.ChunkerRecipe, err error) {
	if _, named := a.flags["collection"]; !named {
		return a.chunker(), nil
	}
	err = a.onServed(ctx, func(_ *index.Client, gen *index.Generation) error {
		built := gen.Recipe.Embedder
		if got := e.Info(); got.Fingerprint != built.Fingerprint {
			return fmt.Errorf("chunk: %w: %s has embedder %s, configured is %s", index.ErrRecipe, gen, built.Name, got.Name)
		}
		recipe = a.followed(gen.Recipe.Chunker)
		return nil
	})
	return recipe, err
}

// window shows the embedder's limit to the chunker.
type window struct{ embed.Embedder }

func (w window) MaxTokens() int { return w.Info().MaxTokens }

// chunkCommand is the command line for the same page, whatever the
// configuration says.
func chunkCommand(files []string, s preview.Settings) string {
	return fmt.Sprintf("ragloop chunk --strategy %s --size %d --overlap %v --tokenizer %s --index-prefix=%v %s",
		s.Strategy, s.SizeTokens, s.Overlap, s.Tokenizer, s.IndexPrefix, strings.Join(files, " "))
}

// printChunks prints one preview for people.
func (a *app) printChunks(p preview.Preview, s preview.Settings) error {
	head := fmt.Sprintf("%s  %s, %d code points, %d chunks", printable(p.File), p.MediaType, p.CodePoints, len(p.Chunks))
	fmt.Fprintln(a.out, bold(a.out, head))
	fmt.Fprintln(a.out, dim(a.out, fmt.Sprintf("%s; %s; embedder %s, window %d", s, s.Tokenizer, s.Embedder, s.Window)))
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "chunk\tspan\ttokens\tto embed\t")
	pages, parents := p.Pages > 0, false
	for _, c := range p.Chunks {
		parents = parents || c.Parent != nil
	}
	if pages {
		fmt.Fprint(w, "pages\t")
	}
	if parents {
		fmt.Fprint(w, "parent\t")
	}
	fmt.Fprintln(w, "  heading: first and last words")
	for _, c := range p.Chunks {
		fmt.Fprintf(w, "%d\t%d-%d\t%d\t%d\t", c.Number, c.Start, c.End, c.Tokens, c.EmbedderTokens)
		if pages {
			fmt.Fprintf(w, "%s\t", preview.PageRange(c))
		}
		if parents {
			family := ""
			if c.Parent != nil {
				family = fmt.Sprintf("%d-%d", c.Parent.First, c.Parent.Last)
			}
			fmt.Fprintf(w, "%s\t", family)
		}
		words := "“" + printable(c.Begins) + "”"
		if c.Ends != c.Begins {
			words += " “" + printable(c.Ends) + "”"
		}
		if path := shortened(printable(strings.Join(c.Heading, " > ")), 40); path != "" {
			words = path + ": " + words
		}
		fmt.Fprintf(w, "  %s\n", words)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	a.printSizes(p.Sizes)
	for _, code := range preview.Codes() {
		var numbers []string
		for _, w := range p.Warnings {
			if w.Code == code {
				numbers = append(numbers, strconv.Itoa(w.Chunk))
			}
		}
		if n := len(numbers); n > 0 {
			if n > maxListed {
				numbers = append(numbers[:maxListed], fmt.Sprintf("… and %d more", n-maxListed))
			}
			fmt.Fprintf(a.out, "%s: chunk %s\n", code.Meaning(), strings.Join(numbers, ", "))
		}
	}
	_, err := fmt.Fprintln(a.out)
	return err
}

// printSizes prints the distribution of sizes.
func (a *app) printSizes(s preview.Sizes) {
	if s.Histogram == nil {
		return
	}
	fmt.Fprintf(a.out, "tokens: min %d, median %d, 95 %% up to %d, max %d, sum %d\n", s.Min, s.Median, s.P95, s.Max, s.Sum)
	most := 0
	for _, b := range s.Histogram {
		most = max(most, b.Chunks)
	}
	const columns = 40
	for _, b := range s.Histogram {
		bar := strings.Repeat("#", (b.Chunks*columns+most-1)/most)
		fmt.Fprintln(a.out, strings.TrimRight(fmt.Sprintf("%5d-%-5d %5d  %s", b.From, b.To, b.Chunks, bar), " "))
	}
}

// shortened returns the last part of s, at most n code points.
func shortened(s string, n int) string {
	if over := utf8.RuneCountInString(s) - n; over > 0 {
		return "…" + string([]rune(s)[over+1:])
	}
	return s
}
