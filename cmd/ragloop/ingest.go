package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/config"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

func (a *app) ingestCmd() *cobra.Command {
	var rebuild bool
	var o ingest.Options
	var tags []string
	cmd := &cobra.Command{
		Use:   "ingest PATH…",
		Short: "Bring a collection up to date with files and directories",
		Long: `ingest extracts, chunks and embeds the files at PATH… and stores what is new or
changed. A document's id is its path below the PATH that was given. Hidden files
and symbolic links are left out. A file that cannot be read does not stop the
others: it is listed, recorded and makes the exit code 1. One that is damaged, or
takes its parser too much time or memory, is quarantined: it is listed again, but
not tried again until it has changed or --retry-failed asks for it.`,
		Args: atLeast("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTags(tags); err != nil {
				return err
			}
			src, done, err := a.paths(args, tags)
			if err != nil {
				return err
			}
			defer done()
			plan := ingest.Plan{Collection: a.cfg.Config.Collection, Chunker: a.chunker(), Rebuild: rebuild}
			built, err := a.build(cmd.Context(), plan, src, o)
			if errors.Is(err, index.ErrRecipe) {
				return fmt.Errorf("%w: \"ragloop ingest --rebuild PATH…\"", err)
			}
			if err != nil {
				return err
			}
			if err := a.printSummary(built); err != nil {
				return err
			}
			if n := built.Summary.Failed; n > 0 {
				return fmt.Errorf("ingest %w: %d of %d documents could not be read; the others are indexed", errFailed, n, built.Summary.Documents)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.Prune, "prune", false, "remove documents that are stored but not at PATH… any more")
	f.BoolVar(&o.RetryFailed, "retry-failed", false, "try quarantined documents again though they have not changed")
	f.BoolVar(&rebuild, "rebuild", false, "build a new generation and serve it when it is complete")
	f.StringSliceVar(&tags, "tag", nil, "tag of all these documents, for filters; may be repeated")
	a.bindChunking(cmd)
	return cmd
}

// bindChunking adds the flags of the recipe of a new collection.
func (a *app) bindChunking(cmd *cobra.Command) {
	a.bind(cmd, "strategy", "chunk.strategy", "structure, fixed, row, page or parent")
	a.bind(cmd, "size", "chunk.size_tokens", "largest chunk, in tokens")
	a.bind(cmd, "overlap", "chunk.overlap", "share of the size repeated from the previous chunk")
	a.bind(cmd, "tokenizer", "chunk.tokenizer", "o200k_base or cl100k_base")
	a.bindBool(cmd, "index-prefix", "chunk.index_prefix", "index title and heading path in front of each chunk")
}

// checkTags refuses what the service refuses, too.
func checkTags(tags []string) error {
	for i, tag := range tags {
		switch {
		case tag == "":
			return errors.New("ingest: --tag is empty")
		case slices.Contains(tags[:i], tag):
			return fmt.Errorf("ingest: --tag %q is given twice", tag)
		}
	}
	return nil
}

// chunker returns the chunking part of the configured recipe.
func (a *app) chunker() index.ChunkerRecipe {
	c := a.cfg.Config.Chunk
	return index.ChunkerRecipe{
		Strategy: c.Strategy, SizeTokens: c.SizeTokens, Overlap: c.Overlap, Tokenizer: c.Tokenizer, IndexPrefix: c.IndexPrefix,
	}
}

// build opens index and embedder for one build and closes them again.
func (a *app) build(ctx context.Context, plan ingest.Plan, src ingest.Source, o ingest.Options) (built ingest.Built, err error) {
	client, err := a.dial(ctx)
	if err != nil {
		return ingest.Built{}, err
	}
	defer closing(&err, client.Close)
	e, done, err := a.embedder()
	if err != nil {
		return ingest.Built{}, err
	}
	defer closing(&err, done)
	if !plan.Rebuild {
		gen, err := client.Open(ctx, plan.Collection)
		if err != nil && !errors.Is(err, index.ErrNoCollection) {
			return ingest.Built{}, err
		}
		if err == nil {
			plan.Chunker = a.followed(gen.Recipe.Chunker)
		}
	}
	return a.buildOn(ctx, client, e, plan, src, o)
}

// followed returns the chunking to update a collection with: what the user set,
// and for the rest what is stored. Only a setting that somebody made can
// contradict a recipe.
func (a *app) followed(stored index.ChunkerRecipe) index.ChunkerRecipe {
	want := a.chunker()
	unset := func(key string) bool { return a.cfg.Origin[key] == config.OriginDefault }
	if unset("chunk.strategy") {
		want.Strategy = stored.Strategy
	}
	if unset("chunk.size_tokens") {
		want.SizeTokens = stored.SizeTokens
	}
	if unset("chunk.overlap") {
		want.Overlap = stored.Overlap
	}
	if unset("chunk.tokenizer") {
		want.Tokenizer = stored.Tokenizer
	}
	if unset("chunk.index_prefix") {
		want.IndexPrefix = stored.IndexPrefix
	}
	return want
}

// buildOn is ingest.Build with progress; it fills in what o needs.
func (a *app) buildOn(ctx context.Context, client *index.Client, e embed.Embedder, plan ingest.Plan, src ingest.Source, o ingest.Options) (ingest.Built, error) {
	p := a.progress()
	defer p.done()
	var err error
	if o.Extractor, err = a.extractor(); err != nil {
		return ingest.Built{}, err
	}
	o.Embedder, o.OnEvent = e, p.event
	return ingest.Build(ctx, client, plan, src, o)
}

// paths makes one source of files and directories. done closes it.
func (a *app) paths(names, tags []string) (src ingest.Source, done func(), err error) {
	var sources []ingest.Source
	var roots []*os.Root
	done = func() {
		for _, r := range roots {
			r.Close()
		}
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			done()
			return nil, nil, fmt.Errorf("ingest: %w", err)
		}
		dir := name
		if !info.IsDir() {
			dir = filepath.Dir(name)
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			done()
			return nil, nil, fmt.Errorf("ingest: %w", err)
		}
		roots = append(roots, root)
		told := map[string]bool{} // a new collection reads its source twice
		o := ingest.FSOptions{
			URIPrefix: uriPrefix(dir),
			Skipped: func(name, reason string) {
				if !told[name] {
					a.say("skipped %s: %s", printable(filepath.Join(dir, name)), reason)
					told[name] = true
				}
			},
		}
		if info.IsDir() {
			sources = append(sources, ingest.FS(root.FS(), o))
		} else {
			sources = append(sources, ingest.Files(root.FS(), o, filepath.Base(name)))
		}
	}
	return distinct{tagged{ingest.Concat(sources...), tags}}, done, nil
}

// uriPrefix keeps the path as the user gave it: contexts and reports then say
// the same on every machine that holds the same tree.
func uriPrefix(dir string) string {
	p := path.Clean(filepath.ToSlash(dir))
	switch p {
	case ".":
		return ""
	case "/":
		return "/"
	}
	return p + "/"
}

// tagged adds tags to every document of a source.
type tagged struct {
	ingest.Source
	tags []string
}

func (t tagged) Items(ctx context.Context) iter.Seq2[ingest.Item, error] {
	return func(yield func(ingest.Item, error) bool) {
		for item, err := range t.Source.Items(ctx) {
			item.Tags = append(item.Tags, t.tags...)
			if !yield(item, err) {
				return
			}
		}
	}
}

// distinct ends a run when two paths give the same document id: one of them
// would silently replace the other.
type distinct struct{ ingest.Source }

func (d distinct) Items(ctx context.Context) iter.Seq2[ingest.Item, error] {
	return func(yield func(ingest.Item, error) bool) {
		uri := map[text.DocID]string{}
		for item, err := range d.Source.Items(ctx) {
			if item.ID != "" {
				if first, ok := uri[item.ID]; ok {
					yield(ingest.Item{}, fmt.Errorf("ingest: %s and %s both have the id %s; ingest a common parent directory instead", first, item.URI, item.ID))
					return
				}
				uri[item.ID] = item.URI
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

// summaryJSON is the machine form of an ingest summary.
type summaryJSON struct {
	Generation   string        `json:"generation"`
	Recipe       string        `json:"recipe"`
	Created      bool          `json:"created"`
	Documents    int           `json:"documents"`
	Indexed      int           `json:"indexed"`
	Replaced     int           `json:"replaced"`
	Unchanged    int           `json:"unchanged"`
	Removed      int           `json:"removed"`
	Failed       int           `json:"failed"`
	Quarantined  int           `json:"quarantined"`
	Skipped      int           `json:"skipped"`
	Vanished     int           `json:"vanished"`
	Chunks       int           `json:"chunks"`
	Tokens       int           `json:"tokens"`
	WindowSplits int           `json:"window_splits"`
	Failures     []failureJSON `json:"failures"`
	Warnings     []warningJSON `json:"warnings"`
}

type failureJSON struct {
	Doc     text.DocID     `json:"doc"`
	Error   string         `json:"error"`
	Reason  extract.Reason `json:"reason,omitempty"`
	Skipped bool           `json:"skipped"`
	Kept    bool           `json:"kept"`
}

type warningJSON struct {
	Doc     text.DocID `json:"doc"`
	Warning string     `json:"warning"`
}

func (a *app) printSummary(b ingest.Built) error {
	s := b.Summary
	if a.json {
		out := summaryJSON{
			Generation: b.Generation.String(), Recipe: b.Generation.Recipe.Fingerprint(), Created: b.Created, Documents: s.Documents,
			Indexed: s.Indexed, Replaced: s.Replaced, Unchanged: s.Unchanged, Removed: s.Removed, Failed: s.Failed, Quarantined: s.Quarantined, Skipped: s.Skipped, Vanished: s.Vanished,
			Chunks: s.Chunks, Tokens: s.Tokens, WindowSplits: s.WindowSplits, Failures: []failureJSON{}, Warnings: []warningJSON{},
		}
		for _, f := range s.Failures {
			out.Failures = append(out.Failures, failureJSON{f.Doc, f.Err.Error(), f.Reason, f.Skipped, f.Kept})
		}
		for _, w := range s.Warnings {
			out.Warnings = append(out.Warnings, warningJSON{w.Doc, w.Text})
		}
		return json.NewEncoder(a.out).Encode(out)
	}
	for _, w := range s.Warnings {
		a.say("warning: %s: %s", printable(string(w.Doc)), printable(w.Text))
	}
	for _, f := range s.Failures {
		what, kept := "failed", ""
		switch {
		case f.Skipped:
			what = "still quarantined (" + string(f.Reason) + ")"
		case f.Reason != "":
			what = "quarantined (" + string(f.Reason) + ")"
		}
		if f.Kept {
			kept = " (the version indexed before stays)"
		}
		a.say("%s: %s: %s%s", what, printable(string(f.Doc)), printable(f.Err.Error()), kept)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "documents\tindexed\treplaced\tunchanged\tremoved\tfailed\tchunks\ttokens\t")
	fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", s.Documents, s.Indexed, s.Replaced, s.Unchanged, s.Removed, s.Failed, s.Chunks, s.Tokens)
	if err := w.Flush(); err != nil {
		return err
	}
	if s.WindowSplits > 0 {
		a.say("%d chunks were made smaller than chunk.size_tokens: the embedder's window was full", s.WindowSplits)
	}
	if s.Skipped > 0 {
		a.say("%d quarantined documents have not changed and were not tried again; --retry-failed does", s.Skipped)
	}
	if s.Vanished > 0 {
		a.say("%d stored documents are not at the given paths any more; --prune removes them", s.Vanished)
	}
	a.say("%s is served, recipe %s", b.Generation, b.Generation.Recipe.Fingerprint())
	return nil
}

// progress shows one changing line on a terminal, and nothing anywhere else.
type progress struct {
	w     io.Writer // nil: not a terminal
	start time.Time
	shown bool
}

func (a *app) progress() *progress {
	p := &progress{start: time.Now()}
	if terminal(a.err) {
		p.w = a.err
	}
	return p
}

func (p *progress) event(e ingest.Event) {
	if p.w == nil {
		return
	}
	p.shown = true
	rate := float64(e.ChunksEmbedded) / max(time.Since(p.start).Seconds(), 0.001)
	fmt.Fprintf(p.w, "\r\x1b[K%d documents done, %d of %d chunks so far, %.1f chunks/s", e.Documents, e.ChunksEmbedded, e.ChunksFound, rate)
}

func (p *progress) count(what string) func(done, total int) {
	return func(done, total int) {
		if p.w == nil {
			return
		}
		p.shown = true
		fmt.Fprintf(p.w, "\r\x1b[K%d of %d %s", done, total, what)
	}
}

func (p *progress) done() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// reopened makes a source of the files that records name by their URI, for
// building the same documents again under another recipe.
func reopened(records []index.Record) ingest.Source {
	var items []ingest.Item
	for _, r := range records {
		items = append(items, ingest.Item{
			ID: r.Doc, URI: r.URI, Tags: r.Tags, Meta: r.Meta,
			Open: func() (io.ReadCloser, error) {
				f, err := os.Open(filepath.FromSlash(r.URI))
				if errors.Is(err, fs.ErrNotExist) {
					return nil, fmt.Errorf("%w; give the PATH… that were ingested", err)
				}
				return f, err
			},
		})
	}
	return ingest.Documents(items)
}
