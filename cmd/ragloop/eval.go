package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/report"
	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/config"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/internal/tokens"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// maxListed bounds lists of faults printed beside a result.
const maxListed = 20

// defaultSeed seeds the intervals and tests of evaluations; any number would do.
const defaultSeed = 1

type evalFlags struct {
	set, beir, split, metrics, out string
	parsedMetrics                  []metric.Metric // nil: the defaults
	seed                           uint64
	command                        string // as it was given, for the report
	grounded                       grounded
	outputs
}

func (a *app) evalCmd() *cobra.Command {
	var f evalFlags
	cmd := &cobra.Command{
		Use:   "eval --set FILE | --beir DIR",
		Short: "Measure retrieval on a labelled query set and write a report",
		Long: `eval asks every query of a labelled set, scores what retrieval found for it and
prints a table: lexical leg, dense leg and the configured fusion side by side.
It writes a self-contained HTML report.

--set takes JSON Lines:
  {"id","query","evidence":[{"doc","start","end","quote"}],"docs":{"DOC":GRADE},
   "answerable":true,"answer":"…","tags":["…"]}
--beir takes a folder in BEIR's layout (corpus.jsonl, queries.jsonl,
qrels/SPLIT.tsv); its corpus is ingested into a scratch collection.`,
		// Instead of that of the root: a configuration that cannot be read is in the
		// JUnit file, too.
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			f.command = a.commandLine()
			if f.grounded.dryRun { // which writes nothing
				return a.load(cmd)
			}
			if err := f.begin(); err != nil {
				return err
			}
			return f.end(f.command, a.load(cmd))
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.grounded.dryRun {
				return a.eval(cmd, f)
			}
			return f.end(f.command, a.eval(cmd, f))
		},
	}
	// So is a command line that cannot be read.
	wrong := func(err error) error {
		if err == nil || f.grounded.dryRun {
			return err
		}
		if begun := f.begin(); begun != nil {
			return errors.Join(err, begun)
		}
		return f.end(a.commandLine(), err)
	}
	cmd.Args = func(cmd *cobra.Command, got []string) error { return wrong(args(0)(cmd, got)) }
	cmd.SetFlagErrorFunc(func(at *cobra.Command, err error) error {
		err = at.Root().FlagErrorFunc()(at, err)
		if at != cmd { // a command below this one, which writes no such file
			return err
		}
		f.readPast(a.args)
		return wrong(err)
	})
	fl := cmd.Flags()
	fl.StringVar(&f.set, "set", "", "query set (JSON Lines)")
	fl.StringVar(&f.beir, "beir", "", "folder in BEIR's layout")
	fl.StringVar(&f.split, "split", "test", "with --beir: which qrels to use")
	fl.StringVar(&f.metrics, "metrics", "", `metrics to compute, for example "nDCG@10,R@100,evidence_recall@1024t" (default: a standard list)`)
	fl.StringVar(&f.out, "out", "report.html", `file of the HTML report; "" writes none`)
	f.grounded.bind(cmd)
	fl.Uint64Var(&f.seed, "seed", defaultSeed, "seed of the intervals and tests")
	f.bind(cmd)
	a.bindRetrieval(cmd)
	a.bindChunking(cmd)
	cmd.AddCommand(a.metaCmd("eval meta"))
	return cmd
}

// readPast reads past a mistake of the command line, at which its parser ends, for
// what may be behind: where a JUnit file is, of which gates, and whether nothing is
// to be written.
func (f *evalFlags) readPast(args []string) {
	past := &cobra.Command{FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true}}
	fl := past.Flags()
	fl.BoolP("help", "h", false, "")
	fl.StringVar(&f.junit, "junit", "", "")
	fl.StringArrayVar(&f.gates, "gate", nil, "")
	var dryRun string // of any value, as that may be the mistake
	fl.StringVar(&dryRun, "dry-run", "", "")
	fl.Lookup("dry-run").NoOptDefVal = "true"
	// The parser ends at what is no flag at all, "---set", too.
	args = slices.DeleteFunc(slices.Clone(args), func(s string) bool { return strings.HasPrefix(s, "---") || strings.HasPrefix(s, "--=") })
	_ = past.ParseFlags(args) // an error can only be that the last of them has no value
	f.grounded.dryRun, _ = strconv.ParseBool(dryRun)
}

func (a *app) eval(cmd *cobra.Command, f evalFlags) error {
	if err := checkOut("--out", f.out); err != nil {
		return err
	}
	if err := f.prepare(); err != nil {
		return err
	}
	if err := f.grounded.check(cmd.Flags().Changed, f.parsed); err != nil {
		return err
	}
	switch {
	case f.beir == "" && cmd.Flags().Changed("split"):
		return errors.New("eval: --split only goes with --beir DIR")
	case (f.set == "") == (f.beir == ""):
		return errors.New(`eval takes one of --set FILE and --beir DIR; see "ragloop eval --help"`)
	case f.beir != "":
		return a.evalBEIR(cmd.Context(), f)
	default:
		return a.evalSet(cmd.Context(), f)
	}
}

// prepare reads what the flags say before anything is evaluated.
func (f *evalFlags) prepare() (err error) {
	if f.metrics != "" {
		if f.parsedMetrics, err = metric.ParseList(f.metrics); err != nil {
			return fmt.Errorf("eval: --metrics: %w", err)
		}
	}
	return f.check()
}

func (a *app) evalSet(ctx context.Context, f evalFlags) error {
	if err := a.onlyFor("eval --beir", "chunk.size_tokens", "chunk.overlap", "chunk.index_prefix"); err != nil {
		return err
	}
	set, err := labels.ReadFile(f.set)
	if err != nil {
		return err
	}
	return a.onServed(ctx, func(_ *index.Client, gen *index.Generation) error {
		e, err := a.bareEmbedder()
		if err != nil {
			return err
		}
		result, err := a.evaluate(ctx, gen, e, set, f)
		if err != nil || f.grounded.dryRun {
			return err
		}
		return a.printEvaluation(result, f)
	})
}

// onlyFor fails when a flag was given that the chosen form of the command
// would ignore.
func (a *app) onlyFor(what string, keys ...string) error {
	for _, key := range keys {
		if _, ok := a.flags[key]; ok {
			return fmt.Errorf("the flag for %s only goes with %q: an existing collection keeps its recipe", key, what)
		}
	}
	return nil
}

func (a *app) evalBEIR(ctx context.Context, f evalFlags) (err error) {
	data, err := labels.ReadBEIR(f.beir, f.split)
	if err != nil {
		return err
	}
	if data.Unjudged > 0 {
		a.say("%s left out", plural(data.Unjudged, "query without judgements in "+f.split+" is", "queries without judgements in "+f.split+" are"))
	}
	if data.Absent > 0 {
		a.say("%s as not found", plural(data.Absent, "judged document is not in the corpus and counts", "judged documents are not in the corpus and count"))
	}
	var items []ingest.Item
	for _, d := range data.Documents {
		items = append(items, ingest.Text(d.ID, d.Title, d.Text))
	}
	s, err := a.scratch(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	gen, err := s.build(ctx, "beir", a.chunker(), ingest.Documents(items), false)
	if err != nil {
		return err
	}
	result, err := a.evaluate(ctx, gen, s.embedder, data.Set, f)
	if err != nil || f.grounded.dryRun {
		return err
	}
	return a.printEvaluation(result, f)
}

// explainedQueries is the number of queries, worst first, whose ranking the
// report shows.
const explainedQueries = 25

// measured is an evaluation and what its report shows beside it.
type measured struct {
	evalret.Evaluation
	explained map[string]evalret.Explanation // of the worst queries, by id
}

// evaluate measures the configured retrieval and its two legs over gen.
func (a *app) evaluate(ctx context.Context, gen *index.Generation, e embed.Embedder, set labels.Set, f evalFlags) (result measured, err error) {
	reranker, err := a.reranker()
	if err != nil {
		return measured{}, err
	}
	expander, err := a.expander()
	if err != nil {
		return measured{}, err
	}
	r, err := retriever(gen, e, reranker, expander)
	if err != nil {
		return measured{}, err
	}
	params, err := a.params()
	if err != nil {
		return measured{}, err
	}
	packing, err := a.packing()
	if err != nil {
		return measured{}, err
	}
	counter, err := tokens.New(gen.Recipe.Chunker.Tokenizer)
	if err != nil {
		return measured{}, err
	}
	corpus, err := evalret.CorpusFingerprint(gen.List(ctx))
	if err != nil {
		return measured{}, err
	}
	if err := a.prepareAnswers(&f.grounded, e, set); err != nil {
		return measured{}, err
	}
	if f.grounded.dryRun {
		if err := a.asksNothing(true); err != nil {
			return measured{}, err
		}
		params = a.rerankDry(params)
	}
	p := a.progress()
	defer p.done()
	o := evalret.Options{
		Settings:  evalret.Standard(params, packing),
		Metrics:   f.parsedMetrics,
		Also:      f.outputs.metrics(),
		Counter:   counter,
		Tokenizer: counter.Name(),
		Texts:     texts(gen),
		Spans:     spans(gen),
		Seed:      f.seed,
		Detail:    evalret.Contexts,
		Provenance: evalret.Provenance{
			Corpus: corpus, Recipe: gen.Recipe.Fingerprint(), Code: codeVersion(), Reranker: rerankerFingerprint(reranker), Expander: expanderFingerprint(expander),
		},
		Progress: p.count("queries"),
	}
	if result.Evaluation, err = evalret.Evaluate(ctx, set, r, o); err != nil {
		return result, err
	}
	switch {
	case f.grounded.dryRun:
		err = a.evalCost(ctx, result.Evaluation, r, o, f.grounded)
	case f.grounded.by != nil:
		err = a.ground(ctx, &result, r, o, f.grounded, p.count)
	case f.out != "":
		result.explained, err = evalret.ExplainWorst(ctx, result.Evaluation, r, o, explainedQueries)
	}
	return result, err
}

// params returns the configured retrieval parameters.
func (a *app) params() (retrieve.Params, error) {
	c := a.cfg.Config.Retrieve
	fusion, err := retrieve.ParseFusion(c.Fusion)
	if err != nil {
		return retrieve.Params{}, &config.Error{Key: "retrieve.fusion", Origin: a.cfg.Origin["retrieve.fusion"], Problem: err.Error()}
	}
	depth := 0
	if c.Rerank.On() {
		depth = c.Rerank.Depth
	}
	return retrieve.Params{
		TopK: c.TopK, Candidates: c.Candidates, Fusion: fusion, DocumentPrior: c.DocumentPrior,
		IDFPower: c.IDFPower, TitleBoost: c.TitleBoost, PhraseBoost: c.PhraseBoost, Feedback: c.Feedback, Expand: c.Expand,
		NeighbourSmoothing: c.NeighbourSmoothing, Neighbours: c.Neighbours, Rerank: depth, RerankWeight: c.Rerank.Weight, RequireAll: c.RequireAll,
	}, nil
}

// packing returns the configured packing options, without a budget.
func (a *app) packing() (pack.Options, error) {
	c := a.cfg.Config.Retrieve
	t, err := contextTemplate(c.Template)
	if err != nil {
		return pack.Options{}, &config.Error{Key: "retrieve.template", Origin: a.cfg.Origin["retrieve.template"], Problem: err.Error()}
	}
	return pack.Options{MaxPerSource: c.MaxPerSource, Order: c.Order, Diversity: c.Diversity, Template: t}, nil
}

// contextTemplate returns the built-in template with a name, or else the one in
// the file of that path.
func contextTemplate(name string) (*pack.Template, error) {
	t, unknown := pack.BuiltinTemplate(name)
	if unknown == nil {
		return t, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("%w; nor is it a file: %w", unknown, err)
	}
	if !info.Mode().IsRegular() { // opening a pipe could wait for ever
		return nil, fmt.Errorf("%w; %s is not a regular file", unknown, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	source, err := io.ReadAll(io.LimitReader(f, pack.MaxTemplateBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the context template: %w", err)
	}
	return pack.ParseTemplate(name, string(source))
}

// texts returns the function that labels are checked with.
func texts(gen *index.Generation) func(context.Context, text.DocID) (string, error) {
	return func(ctx context.Context, doc text.DocID) (string, error) {
		body, _, err := gen.Text(ctx, doc)
		if errors.Is(err, index.ErrNoDocument) {
			return "", fmt.Errorf("%w: %s", labels.ErrNoDocument, doc)
		}
		return body, err
	}
}

// spans returns the function that tells where a document's chunks are.
func spans(gen *index.Generation) func(context.Context, text.DocID) ([]text.RuneSpan, error) {
	return func(ctx context.Context, doc text.DocID) ([]text.RuneSpan, error) {
		chunks, err := gen.Chunks(ctx, doc)
		if errors.Is(err, index.ErrNoDocument) {
			return nil, fmt.Errorf("%w: %s", labels.ErrNoDocument, doc)
		}
		var all []text.RuneSpan
		for _, c := range chunks {
			all = append(all, c.Span)
		}
		return all, err
	}
}

func (a *app) printEvaluation(m measured, f evalFlags) error {
	e := m.Evaluation
	if f.out != "" {
		o := report.Options{Command: f.command, Explanations: m.explained}
		if err := writeFile(f.out, func(w io.Writer) error { return report.HTML(w, e, o) }); err != nil {
			return err
		}
	}
	if a.json {
		if err := report.JSON(a.out, e); err != nil {
			return err
		}
	} else if err := report.Text(a.out, e); err != nil {
		return err
	}
	for i, b := range e.Labels.Broken {
		if i == maxListed {
			a.say("… and %d more; \"ragloop labels check\" lists all", len(e.Labels.Broken)-i)
			break
		}
		a.say("left out: %s:%d: query %q: %s in %s: %s", e.Labels.Set, b.Line, b.Query, b.Field, b.Doc, b.Detail)
	}
	if f.out != "" {
		a.say("report: %s", f.out)
	}
	return a.writeOutputs(f.outputs, e, f.command, f.seed)
}

// checkOut tells before the work whether a report can be written to name, as
// far as that can be told.
func checkOut(flag, name string) error {
	if name == "" {
		return nil
	}
	switch info, err := os.Stat(name); {
	case err != nil: // mostly, it is to be made
	case info.IsDir():
		return fmt.Errorf("%s %s is a directory, the name of a file is expected", flag, name)
	case !info.Mode().IsRegular(): // a file would take the place of /dev/null for everybody
		return fmt.Errorf("%s %s is no regular file", flag, name)
	}
	dir := filepath.Dir(name)
	switch info, err := os.Stat(dir); {
	case err != nil:
		return fmt.Errorf("%s %s: %w", flag, name, err)
	case !info.IsDir():
		return fmt.Errorf("%s %s: %s is no directory", flag, name, dir)
	}
	return nil
}

// writeFile writes a file as a whole or not at all.
func writeFile(name string, write func(io.Writer) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer os.Remove(tmp.Name()) // gone after the rename
	if err := errors.Join(write(tmp), tmp.Chmod(0o644), tmp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(tmp.Name(), name); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
