package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/answer"
	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/internal/chat"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/tokens"
)

type answerFlags struct {
	set, given, answerer, out string
	threshold                 float64
	maxTokens                 int
	dryRun                    bool
	price                     chat.Price
}

// Answerers that --answerer names.
const (
	byExtract = "extractive"
	byModel   = "llm"
)

func (a *app) answerCmd() *cobra.Command {
	var f answerFlags
	cmd := &cobra.Command{
		Use:   "answer --set FILE -o FILE",
		Short: "Answer the queries of a set from the contexts that retrieval makes",
		Long: `answer asks every query of a set, as "eval" does, and writes a file of answers
with the context that each was made from and the labels that it may cite.

--answerer extractive answers with sentences of the context, offline: a floor to
compare with. --answerer llm asks the language model of llm.base_url; what it has
answered before is not asked again, so that an interrupted command goes on where
it was. --answers takes answers that your application gave, JSON Lines
{"id","answer","context"}, and adds contexts where it gives none.

--dry-run says what a language model would cost and asks nothing.`,
		Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			changed := cmd.Flags().Changed
			switch {
			case f.set == "" || f.out == "" && !f.dryRun:
				return errors.New(`answer takes --set FILE and -o FILE; see "ragloop answer --help"`)
			case f.given != "" && changed("answerer"):
				return errors.New("answer takes one of --answers FILE and --answerer NAME")
			case f.answerer != byExtract && f.answerer != byModel:
				return fmt.Errorf("answer: --answerer is %q, allowed are %s, %s", f.answerer, byExtract, byModel)
			case changed("threshold") && (f.answerer != byExtract || f.given != ""):
				return errors.New("answer: --threshold only goes with --answerer extractive")
			}
			for _, only := range []string{"max-tokens", "dry-run", "price-in", "price-out"} {
				if changed(only) && f.answerer != byModel {
					return fmt.Errorf("answer: --%s only goes with --answerer llm", only)
				}
			}
			if err := checkOut("-o", f.out); err != nil {
				return err
			}
			return a.answer(cmd.Context(), f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.set, "set", "", "query set (JSON Lines)")
	fl.StringVar(&f.given, "answers", "", "answers to take over (JSON Lines)")
	fl.StringVar(&f.answerer, "answerer", byExtract, "who answers: extractive or llm")
	fl.StringVarP(&f.out, "out", "o", "", "file to write")
	fl.Float64Var(&f.threshold, "threshold", answer.DefaultThreshold, "extractive: score below which it abstains, 0 to 1")
	fl.IntVar(&f.maxTokens, "max-tokens", 512, "llm: longest answer")
	fl.BoolVar(&f.dryRun, "dry-run", false, "llm: print calls, tokens and cost, and ask nothing")
	fl.Float64Var(&f.price.Prompt, "price-in", 0, "llm: price of a million tokens sent")
	fl.Float64Var(&f.price.Completion, "price-out", 0, "llm: price of a million tokens received")
	a.bindRetrieval(cmd)
	return textOnly(cmd)
}

// answerer answers one question; implemented in package answer.
type answerer interface {
	Answer(ctx context.Context, question string, c answer.Context) (string, error)
	Fingerprint() string
	Name() string
}

func (a *app) answer(ctx context.Context, f answerFlags) error {
	set, err := labels.ReadFile(f.set)
	if err != nil {
		return err
	}
	given, err := readGiven(f.given, set)
	if err != nil {
		return err
	}
	return a.onServed(ctx, func(_ *index.Client, gen *index.Generation) error {
		contexts, err := a.contexts(ctx, gen, set)
		if err != nil {
			return err
		}
		if f.given != "" {
			return a.writeAnswers(f.out, takeOver(set, given, contexts), "")
		}
		if f.answerer == byModel {
			m, err := a.sharedModel()
			if err != nil {
				return err
			}
			who, err := answer.NewLLM(m, f.maxTokens)
			if err != nil {
				return err
			}
			if f.dryRun {
				return a.answerCost(m, who, set, contexts, f)
			}
			return a.answerAll(ctx, who, set, contexts, f.out)
		}
		e, err := a.bareEmbedder()
		if err != nil {
			return err
		}
		who, err := answer.NewExtractive(e, f.threshold)
		if err != nil {
			return err
		}
		return a.answerAll(ctx, who, set, contexts, f.out)
	})
}

// readGiven reads answers by query; one to no query of the set is an error: it is
// a file of other answers.
func readGiven(path string, set labels.Set) (map[string]answer.Answer, error) {
	if path == "" {
		return nil, nil
	}
	all, err := answer.ReadFile(path)
	if err != nil {
		return nil, err
	}
	given := map[string]answer.Answer{}
	for _, one := range all {
		if !slices.ContainsFunc(set.Queries, func(q labels.Query) bool { return q.ID == one.ID }) {
			return nil, fmt.Errorf("%s:%d: answer %q is to no query of %s", path, one.Line, one.ID, set.Name)
		}
		given[one.ID] = one
	}
	return given, nil
}

// contexts returns the context of each query, as serving would make it.
func (a *app) contexts(ctx context.Context, gen *index.Generation, set labels.Set) ([]answer.Context, error) {
	e, err := a.bareEmbedder()
	if err != nil {
		return nil, err
	}
	reranker, err := a.reranker()
	if err != nil {
		return nil, err
	}
	expander, err := a.expander()
	if err != nil {
		return nil, err
	}
	r, err := retriever(gen, e, reranker, expander)
	if err != nil {
		return nil, err
	}
	var s evalret.Setting
	if s.Params, err = a.params(); err != nil {
		return nil, err
	}
	if s.Pack, err = a.packing(); err != nil {
		return nil, err
	}
	counter, err := tokens.New(gen.Recipe.Chunker.Tokenizer)
	if err != nil {
		return nil, err
	}
	p := a.progress()
	defer p.done()
	count := p.count("contexts")
	out := make([]answer.Context, len(set.Queries))
	for i, q := range set.Queries {
		x, err := evalret.Explain(ctx, q.Text, q.Filter, r, s, a.cfg.Config.Retrieve.BudgetTokens, counter)
		if err != nil {
			return nil, err
		}
		if len(x.Degraded) > 0 {
			a.say("warning: query %q: degraded context: %s", q.ID, x.Degraded[0])
		}
		out[i].Text = x.Context
		for _, seg := range x.Segments {
			out[i].Segments = append(out[i].Segments, answer.Segment{Label: seg.Label, Doc: seg.Doc, Span: seg.Context})
		}
		count(i+1, len(set.Queries))
	}
	return out, nil
}

// takeOver returns given answers in the order of the set, with the context of
// retrieval where they came without one.
func takeOver(set labels.Set, given map[string]answer.Answer, contexts []answer.Context) []answer.Answer {
	var out []answer.Answer
	for i, q := range set.Queries {
		one, ok := given[q.ID]
		if !ok {
			one = answer.Answer{ID: q.ID, Failure: "there is no answer to it in the file"}
		}
		if one.Context == nil {
			one.Context = &contexts[i]
		}
		out = append(out, one)
	}
	return out
}

// answerAll asks who for every answer. What concerns one answer alone is written
// as its failure; any other error ends the command, and nothing is written.
func (a *app) answerAll(ctx context.Context, who answerer, set labels.Set, contexts []answer.Context, out string) error {
	p := a.progress()
	defer p.done()
	count := p.count("answers")
	answers := make([]answer.Answer, len(set.Queries))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(a.cfg.Config.LLM.Concurrency)
	var mu sync.Mutex
	done := 0
	for i, q := range set.Queries {
		group.Go(func() error {
			one := answer.Answer{ID: q.ID, Context: &contexts[i], Answerer: who.Fingerprint()}
			var err error
			one.Text, err = who.Answer(ctx, q.Text, contexts[i])
			switch {
			case errors.Is(err, answer.ErrNoAnswer):
				one.Failure = err.Error()
			case err != nil:
				return fmt.Errorf("answer query %q with %s: %w", q.ID, who.Name(), err)
			}
			answers[i] = one
			mu.Lock()
			defer mu.Unlock()
			done++
			count(done, len(set.Queries))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return a.writeAnswers(out, answers, who.Name())
}

func (a *app) writeAnswers(name string, answers []answer.Answer, who string) error {
	if err := writeFile(name, func(w io.Writer) error { return answer.Write(w, answers) }); err != nil {
		return err
	}
	failed := 0
	for _, one := range answers {
		if one.Failure != "" {
			failed++
		}
	}
	if who == "" {
		who = "the file"
	}
	a.say("%d answers of %s, %d more queries without one: %s", len(answers)-failed, who, failed, name)
	return nil
}

// answerCost prints what asking m would cost.
func (a *app) answerCost(m chat.Model, who *answer.LLM, set labels.Set, contexts []answer.Context, f answerFlags) error {
	e, err := a.estimator(m)
	if err != nil {
		return err
	}
	for i, q := range set.Queries {
		if r, ask := who.Request(q.Text, contexts[i]); ask {
			if err := e.Add(r); err != nil {
				return err
			}
		}
	}
	sum := e.Sum()
	fmt.Fprintf(a.out, "%s (%s): %v\n", who.Name(), a.cfg.Config.LLM.Tokenizer, sum)
	if f.price != (chat.Price{}) {
		fmt.Fprintf(a.out, "cost: at most %.4f\n", sum.Cost(f.price))
	}
	return nil
}
