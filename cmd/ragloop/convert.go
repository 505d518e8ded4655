package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/labels/convert"
)

type convertFlags struct {
	split, corpus, out, docs string
	impossible               bool
}

// converter reads one foreign format. Flags that it does not list are refused.
type converter struct {
	args  []string
	flags []string
	read  func(args []string, f convertFlags) (convert.Converted, error)
}

var converters = map[string]converter{
	"beir": {[]string{"DIR"}, []string{"split", "docs"}, func(args []string, f convertFlags) (convert.Converted, error) {
		b, err := labels.ReadBEIR(args[0], f.split)
		return convert.Converted{Set: b.Set, Documents: b.Documents}, err
	}},
	"chroma": {[]string{"DIR"}, nil, func(args []string, _ convertFlags) (convert.Converted, error) { return convert.Chroma(args[0]) }},
	"legalbench": {[]string{"FILE"}, []string{"corpus"}, func(args []string, f convertFlags) (convert.Converted, error) {
		if f.corpus == "" {
			return convert.Converted{}, errors.New("labels convert legalbench needs --corpus DIR, the folder that file_path is relative to")
		}
		return convert.LegalBench(args[0], f.corpus)
	}},
	"squad": {[]string{"FILE"}, []string{"docs", "impossible"}, func(args []string, f convertFlags) (convert.Converted, error) {
		return convert.SQuAD(args[0], f.impossible)
	}},
	"trec": {[]string{"QRELS", "TOPICS"}, nil, func(args []string, _ convertFlags) (convert.Converted, error) { return convert.TREC(args[0], args[1]) }},
}

func (a *app) convertCmd() *cobra.Command {
	var f convertFlags
	cmd := &cobra.Command{
		Use:   "convert FORMAT FILE…",
		Short: "Make a query set of labels in another format",
		Long: `convert makes a query set for "ragloop eval" of one of these:

  beir DIR            a folder in BEIR's layout; --split names its qrels
  chroma DIR          Chroma's chunking evaluation: questions_df.csv and corpora/
  legalbench FILE     a benchmark of LegalBench-RAG; --corpus DIR has its documents
  squad FILE          SQuAD 1.1, 2.0 or XQuAD; each article becomes one document
  trec QRELS TOPICS   TREC judgements and topics

Every span is checked against its document, and what does not fit is an error.
beir and squad hold their documents in the same files: --docs DIR writes them,
for "ragloop ingest DIR". chroma's documents are DIR/corpora, legalbench's are
--corpus; ingest those.`,
		Args: func(_ *cobra.Command, got []string) error {
			if len(got) == 0 {
				return fmt.Errorf(`labels convert takes a format, %s; see "ragloop labels convert --help"`, strings.Join(sortedKeys(converters), ", "))
			}
			c, ok := converters[got[0]]
			if !ok {
				return fmt.Errorf("labels convert: unknown format %q; there are %s", got[0], strings.Join(sortedKeys(converters), ", "))
			}
			if len(got)-1 != len(c.args) {
				return fmt.Errorf("labels convert %s takes %s, got %d arguments", got[0], wanted(c.args), len(got)-1)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c := converters[args[0]]
			for _, flag := range []string{"split", "corpus", "docs", "impossible"} {
				if cmd.Flags().Changed(flag) && !slices.Contains(c.flags, flag) {
					return fmt.Errorf("labels convert %s has no use for --%s", args[0], flag)
				}
			}
			return a.convert(c, args[1:], f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.out, "out", "", "file of the query set (default: standard output)")
	fl.StringVar(&f.split, "split", "test", "with beir: which qrels to use")
	fl.StringVar(&f.corpus, "corpus", "", "with legalbench: folder of the documents")
	fl.StringVar(&f.docs, "docs", "", "with beir and squad: folder to write the documents to; it must not exist")
	fl.BoolVar(&f.impossible, "impossible", false, "with squad: keep questions that their paragraph does not answer, as unanswerable")
	return textOnly(cmd)
}

func (a *app) convert(c converter, args []string, f convertFlags) error {
	if err := checkOut("--out", f.out); err != nil {
		return err
	}
	out, err := c.read(args, f)
	if err != nil {
		return err
	}
	if f.docs != "" {
		if err := writeDocuments(f.docs, out.Documents); err != nil {
			return err
		}
		a.say("%d documents: %s", len(out.Documents), f.docs)
	}
	if f.out == "" {
		return labels.Write(a.out, out.Set)
	}
	if err := writeFile(f.out, func(w io.Writer) error { return labels.Write(w, out.Set) }); err != nil {
		return err
	}
	spans, docs := 0, 0
	for _, q := range out.Set.Queries {
		spans += len(q.Evidence)
		docs += len(q.Docs)
	}
	a.say("%s with %s and %s: %s", plural(len(out.Set.Queries), "query", "queries"), plural(spans, "evidence span", "evidence spans"), plural(docs, "graded document", "graded documents"), f.out)
	return nil
}

// writeDocuments writes documents as files of their ids into a new folder, all
// or none.
func writeDocuments(dir string, docs []labels.Document) (err error) {
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("--docs %s exists; documents are only written to a new folder", dir)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("--docs: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, d := range docs {
		name := filepath.FromSlash(string(d.ID))
		if parent := filepath.Dir(name); parent != "." {
			if err := root.MkdirAll(parent, 0o755); err != nil {
				return fmt.Errorf("write document %s: %w", d.ID, err)
			}
		}
		if err := root.WriteFile(name, []byte(d.Text), 0o644); err != nil {
			return fmt.Errorf("write document %s: %w", d.ID, err)
		}
	}
	return nil
}

type splitFlags struct {
	dev, test string
	share     float64
	seed      uint64
}

func (a *app) splitCmd() *cobra.Command {
	var f splitFlags
	cmd := &cobra.Command{
		Use:   "split FILE --dev FILE --test FILE",
		Short: "Split a query set into halves that share no document",
		Long: `split divides a query set for choosing (dev) and confirming (test): queries that
share a document, directly or through others, go to the same half.`,
		Args: args(1, "FILE"),
		RunE: func(_ *cobra.Command, args []string) error { return a.split(f, args[0]) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.dev, "dev", "", "file of the half to choose on")
	fl.StringVar(&f.test, "test", "", "file of the half to confirm on")
	fl.Float64Var(&f.share, "share", 0.5, "share of the queries in --dev, more than 0 and less than 1")
	fl.Uint64Var(&f.seed, "seed", defaultSeed, "seed that decides which go where")
	return textOnly(cmd)
}

func (a *app) split(f splitFlags, file string) error {
	switch {
	case f.dev == "" || f.test == "":
		return errors.New("labels split needs --dev FILE and --test FILE")
	case filepath.Clean(f.dev) == filepath.Clean(f.test):
		return fmt.Errorf("labels split: --dev and --test are both %s", f.dev)
	}
	for _, out := range []struct{ flag, name string }{{"--dev", f.dev}, {"--test", f.test}} {
		if err := checkOut(out.flag, out.name); err != nil {
			return err
		}
	}
	set, err := labels.ReadFile(file)
	if err != nil {
		return err
	}
	dev, test, err := labels.Split(set, f.share, f.seed)
	if err != nil {
		return err
	}
	for _, half := range []struct {
		name string
		set  labels.Set
	}{{f.dev, dev}, {f.test, test}} {
		if err := writeFile(half.name, func(w io.Writer) error { return labels.Write(w, half.set) }); err != nil {
			return err
		}
		a.say("%d queries: %s", len(half.set.Queries), half.name)
	}
	for _, l := range labels.Leaks(dev, test) {
		a.say("warning: %s and %s are in different halves and alike: %s", l.A, l.B, l.Detail)
	}
	return nil
}
