package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/labels/synth"
	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

type synthFlags struct {
	out, leftOut, against string
	dryRun                bool
	priced
	o synth.Options
}

func (a *app) synthCmd() *cobra.Command {
	var f synthFlags
	cmd := &cobra.Command{
		Use:   "synth [PATH…] --out FILE",
		Short: "Have a language model write queries with evidence",
		Long: `synth draws passages of the indexed documents, or of the files of PATH as "ingest"
would read them, and has the language model of llm.base_url write a question about
each, the words that answer it, and the answer. Passages are whole sentences, and
not the chunks of the index; each document has one in turn, and passages that are
almost equal count once.

A question is kept if its evidence stands in its document word for word, once; if it
makes sense without the passage (rules for English); if it does not tell its answer;
and if no earlier query is almost the same. --closed-book also asks the model without
the passage, and leaves out what it knows anyway. Whatever is left out is counted by
reason, and listed with --left-out.

--unanswerable asks for questions on the same subjects that the documents do not
answer. One is kept if the model finds no answer to it in its passage nor in the
context that the configured retrieval makes: what that misses is not looked at.

Queries have the tag "synthetic", and one with model, prompt version and seed. They
are not what people ask: they share more words with what answers them, which favours
lexical search. Review some ("labels review"), and read results by tag.

What the model has answered before is not asked again (llm.cache), so that an
interrupted command goes on where it was. --dry-run tells the cost, and asks the
model nothing.`,
		RunE: func(cmd *cobra.Command, paths []string) error {
			if err := f.check(cmd.Flags().Changed, paths); err != nil {
				return err
			}
			if err := a.synthKeys(paths, f); err != nil {
				return err
			}
			if len(paths) > 0 {
				return a.synthFiles(cmd.Context(), paths, f)
			}
			return a.synthServed(cmd.Context(), f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.out, "out", "", "`FILE` of the query set")
	fl.StringVar(&f.leftOut, "left-out", "", "`FILE` of what was left out and why (JSON Lines)")
	fl.StringVar(&f.against, "against", "", "query set `FILE` to stay apart from: no query almost the same, and no document with labels there")
	fl.IntVar(&f.o.Queries, "queries", 100, "queries with an answer, at most")
	fl.IntVar(&f.o.Unanswerable, "unanswerable", 0, "queries without an answer, at most")
	fl.BoolVar(&f.o.ClosedBook, "closed-book", false, "leave out what the model answers without the passage; one more request for each question")
	fl.Uint64Var(&f.o.Seed, "seed", defaultSeed, "seed that decides which passages are drawn")
	fl.IntVar(&f.o.MinWords, "min-words", 40, "words that a passage has at least, 5 to 250")
	fl.IntVar(&f.o.MaxPassages, "max-passages", 0, "passages to ask about, at most (default: three for each query)")
	fl.IntVar(&f.o.MaxPerDocument, "max-per-document", 0, "passages of one document, at most (default: no limit)")
	fl.BoolVar(&f.dryRun, "dry-run", false, "print calls, tokens and cost, and ask the model nothing")
	f.priced.bind(cmd)
	a.bindSelection(cmd)
	a.bindRetrieval(cmd)
	return cmd
}

func (f *synthFlags) check(changed func(string) bool, paths []string) error {
	switch {
	case f.out == "" && !f.dryRun:
		return errors.New("labels synth needs --out FILE or --dry-run")
	case f.out != "" && f.dryRun, f.leftOut != "" && f.dryRun:
		return errors.New("labels synth: --dry-run writes nothing; leave out --out and --left-out")
	case f.out != "" && f.out == f.leftOut:
		return fmt.Errorf("labels synth: --out and --left-out are both %s", f.out)
	case f.o.Unanswerable > 0 && len(paths) > 0:
		return errors.New("labels synth: --unanswerable searches an indexed collection; ingest the files, and leave out PATH")
	case changed("max-passages") && f.o.MaxPassages < 1:
		return fmt.Errorf("labels synth: --max-passages is %d, allowed are 1 and more", f.o.MaxPassages)
	}
	if err := f.priced.check("labels synth", changed, f.dryRun); err != nil {
		return err
	}
	if err := errors.Join(checkOut("--out", f.out), checkOut("--left-out", f.leftOut)); err != nil {
		return err
	}
	if f.against == "" {
		return nil
	}
	var err error
	f.o.Apart, err = labels.ReadFile(f.against)
	return err
}

// synthKeys fails where a flag for a key of the configuration would have no effect.
func (a *app) synthKeys(paths []string, f synthFlags) error {
	for _, key := range slices.Sorted(maps.Keys(a.flags)) {
		switch {
		case strings.HasPrefix(key, "source.") && len(paths) == 0:
			return fmt.Errorf("labels synth: the flag for %s only goes with PATH", key)
		case key == "collection" && len(paths) > 0:
			return errors.New("labels synth takes one of PATH and --collection")
		case strings.HasPrefix(key, "retrieve.") && f.o.Unanswerable == 0:
			return fmt.Errorf("labels synth: the flag for %s only goes with --unanswerable, which searches", key)
		}
	}
	return nil
}

// synthServed makes queries about the indexed documents.
func (a *app) synthServed(ctx context.Context, f synthFlags) error {
	if err := a.asksNothing(f.dryRun && f.o.Unanswerable > 0); err != nil {
		return fmt.Errorf("labels synth: %w", err)
	}
	return a.onServed(ctx, func(_ *index.Client, gen *index.Generation) error {
		c := synth.Corpus{Read: func(ctx context.Context, doc text.DocID) (synth.Document, error) {
			body, record, err := gen.Text(ctx, doc)
			if errors.Is(err, index.ErrNoDocument) || errors.Is(err, index.ErrDamaged) {
				err = fmt.Errorf("%w: %w", synth.ErrDocument, err)
			}
			return synth.Document{ID: doc, Title: record.Title, Text: body}, err
		}}
		for r, err := range gen.List(ctx) {
			if err != nil {
				return err
			}
			c.Docs = append(c.Docs, r.Doc)
		}
		if f.o.Unanswerable > 0 {
			explain, err := a.explainer(gen, f.dryRun)
			if err != nil {
				return err
			}
			f.o.Search = func(ctx context.Context, question string) (string, error) {
				x, err := explain(ctx, labels.Query{Text: question})
				if err == nil && len(x.Degraded) > 0 { // what half a search misses is no proof that nothing answers
					err = fmt.Errorf("it is degraded: %s", x.Degraded[0])
				}
				return x.Context, err
			}
		}
		return a.synth(ctx, c, f)
	})
}

// synthFiles makes queries about files.
func (a *app) synthFiles(ctx context.Context, paths []string, f synthFlags) error {
	src, done, err := a.paths(paths, nil)
	if err != nil {
		return err
	}
	defer done()
	extractor, err := a.extractor()
	if err != nil {
		return err
	}
	items := map[text.DocID]ingest.Item{}
	failed := map[text.DocID]error{}
	var c synth.Corpus
	for item, err := range src.Items(ctx) {
		switch unlisted := (*ingest.Unlisted)(nil); {
		case item.ID != "":
			c.Docs = append(c.Docs, item.ID)
			items[item.ID], failed[item.ID] = item, err
		case errors.As(err, &unlisted):
			a.say("warning: %v", err)
		case err != nil:
			return err
		}
	}
	c.Read = func(ctx context.Context, doc text.DocID) (synth.Document, error) {
		item := items[doc]
		if err := failed[doc]; err != nil {
			return synth.Document{}, fmt.Errorf("%w: %w", synth.ErrDocument, err)
		}
		d, err := extracted(ctx, extractor, item)
		return synth.Document{ID: doc, Title: d.Title, Text: d.Text}, err
	}
	return a.synth(ctx, c, f)
}

// extracted returns the text of an item. What is wrong with it alone wraps
// synth.ErrDocument.
func extracted(ctx context.Context, x ingest.Extractor, item ingest.Item) (extract.Document, error) {
	own := func(err error) (extract.Document, error) {
		return extract.Document{}, fmt.Errorf("%w: %w", synth.ErrDocument, err)
	}
	r, err := item.Open()
	if err != nil {
		return own(err)
	}
	data, err := io.ReadAll(io.LimitReader(r, extract.MaxBytes+1))
	if err := errors.Join(err, r.Close()); err != nil {
		return own(err)
	}
	name := item.Name
	if name == "" {
		name = string(item.ID)
	}
	d, err := x.Extract(ctx, extract.Input{Name: name, MediaType: item.MediaType, Data: data})
	if err != nil && extract.ReasonOf(err) != "" {
		return own(err)
	}
	if item.Title != "" {
		d.Title = item.Title
	}
	return d, err
}

func (a *app) synth(ctx context.Context, c synth.Corpus, f synthFlags) error {
	m, err := a.sharedModel()
	if err != nil {
		return fmt.Errorf("labels synth: %w", err)
	}
	if f.dryRun {
		return a.synthCost(ctx, m, c, f)
	}
	p := a.progress()
	defer p.done()
	f.o.Concurrency = a.cfg.Config.LLM.Concurrency
	f.o.Progress = func(passages, queries int) {
		p.show(func() string {
			return fmt.Sprintf("%s asked about, %d of %d queries", plural(passages, "passage", "passages"), queries, f.o.Queries+f.o.Unanswerable)
		})
	}
	made, err := synth.Make(ctx, c, m, f.o)
	if err != nil {
		return err
	}
	if f.leftOut != "" {
		err := writeFile(f.leftOut, func(w io.Writer) error {
			enc := json.NewEncoder(w)
			enc.SetEscapeHTML(false)
			for _, d := range made.Left {
				if err := enc.Encode(d); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if len(made.Set.Queries) > 0 { // a set without any could not be read
		if err := writeFile(f.out, func(w io.Writer) error { return labels.Write(w, made.Set) }); err != nil {
			return err
		}
	}
	p.done()
	if err := a.printSynth(made, f); err != nil {
		return err
	}
	if len(made.Set.Queries) == 0 {
		return fmt.Errorf("labels synth %w: no query came of %s; %s is not written", errFailed, plural(made.Asked, "passage", "passages"), f.out)
	}
	return nil
}
