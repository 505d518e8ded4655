package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/answer"
	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/stats"
	"github.com/ragloop/ragloop/internal/chat"
	"github.com/ragloop/ragloop/internal/config"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/tokens"
	"github.com/ragloop/ragloop/retrieve"
)

type answerFlags struct {
	set, given, out string
	by              answererFlags
	dryRun          bool
	calibrate       bool
	priced
}

func (a *app) answerCmd() *cobra.Command {
	var f answerFlags
	cmd := &cobra.Command{
		Use:   "answer --set FILE -o FILE",
		Short: "Answer the queries of a set from the contexts that retrieval makes",
		Long: `answer asks every query of a set, as "eval" does, and writes a file of answers
with the context that each was made from and the labels that it may cite.

--answerer extractive answers with sentences of the context, offline: a floor to
compare with. --answerer llm asks the language model of llm.base_url, --answerer URL
one elsewhere, several queries at a time (llm.concurrency); what it has answered
before is not asked again, so that an interrupted command goes on where it was.
--answers takes answers that your application gave, JSON Lines
{"id","answer","context"}, and adds contexts where it gives none.

--dry-run says what a language model would cost, and asks it nothing.

--calibrate says what a threshold of the extractive answerer would do to the set, by
cross-validation, and which one is best: a set needs 10 queries with an answer and 10
without. Choose it on another set than the one that is then measured.`,
		Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			changed := cmd.Flags().Changed
			switch {
			case f.calibrate && (f.out != "" || f.given != "" || f.by.name != byExtract || changed("threshold")):
				return errors.New("answer: --calibrate only goes with --set FILE and --answerer extractive, and writes nothing")
			case f.set == "" || f.out == "" && !f.dryRun && !f.calibrate:
				return errors.New(`answer takes --set FILE and -o FILE; see "ragloop answer --help"`)
			case f.dryRun && f.out != "":
				return errors.New("answer: --dry-run writes nothing; leave out -o")
			case f.given != "" && changed("answerer"):
				return errors.New("answer takes one of --answers FILE and --answerer NAME")
			case f.given != "":
				f.by.name = ""
			}
			if err := f.by.check("answer", changed); err != nil {
				return err
			}
			if f.dryRun && !f.by.remote() {
				return errors.New("answer: --dry-run only goes with --answerer llm or URL")
			}
			if err := f.priced.check("answer", changed, f.dryRun); err != nil {
				return err
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
	f.by.bind(cmd, byExtract, "who answers")
	fl.StringVarP(&f.out, "out", "o", "", "file to write")
	fl.BoolVar(&f.calibrate, "calibrate", false, "with --answerer extractive: say what a threshold does to the set, and answer nothing")
	fl.BoolVar(&f.dryRun, "dry-run", false, "with a language model: print calls, tokens and cost, and ask it nothing")
	f.priced.bind(cmd)
	a.bindRetrieval(cmd)
	return textOnly(cmd)
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
	if err := a.asksNothing(f.dryRun); err != nil {
		return err
	}
	return a.onServed(ctx, func(_ *index.Client, gen *index.Generation) error {
		var who answerer
		var m chat.Model
		if f.given == "" { // what fails does so before the work
			e, err := a.bareEmbedder()
			if err != nil {
				return err
			}
			if who, m, err = a.answerer(f.by, e); err != nil {
				return fmt.Errorf("answer: %w", err)
			}
		}
		contexts, err := a.contexts(ctx, gen, set, f.dryRun)
		if err != nil {
			return err
		}
		if f.given != "" {
			return a.writeAnswers(ctx, f.out, takeOver(set, given, contexts), "")
		}
		var all []asked
		for i, q := range set.Queries {
			all = append(all, asked{q.ID, q.Text, contexts[i]})
		}
		if f.dryRun {
			return a.answerCost(m, who, all, f.price)
		}
		if x, ok := who.(*answer.Extractive); ok && f.calibrate {
			return a.calibrate(ctx, x, set, all)
		}
		p := a.progress()
		defer p.done()
		answers, err := a.ask(ctx, who, all, p.count("answers"))
		if err != nil {
			return err
		}
		return a.writeAnswers(ctx, f.out, answers, who.Name())
	})
}

// calibrate prints what a threshold of x does to a set.
func (a *app) calibrate(ctx context.Context, x *answer.Extractive, set labels.Set, all []asked) error {
	p := a.progress()
	defer p.done()
	count := p.count("questions")
	var with, without []float64
	for i, q := range all {
		evidence, err := x.Evidence(ctx, q.text, q.context)
		if err != nil {
			return err
		}
		if set.Queries[i].Unanswerable {
			without = append(without, evidence)
		} else {
			with = append(with, evidence)
		}
		count(i+1, len(all))
	}
	c, err := answer.Calibrate(with, without, defaultSeed)
	if err != nil {
		return fmt.Errorf("answer: --calibrate: %w", err)
	}
	p.done()
	row := func(name string, m metric.Abstention) {
		accuracy, _ := answer.Accuracy(m).Float() // there are both kinds
		fmt.Fprintf(a.out, "%s: abstains from %d of %d without an answer, and from %d of %d with one; balanced accuracy %.3f, a coin has 0.5\n", name,
			m.UnanswerableAbstained, len(without), m.AnswerableAbstained, len(with), accuracy)
	}
	if separation, ok := stats.Separate(with, without, stats.Options{Seed: defaultSeed}); ok {
		fmt.Fprintf(a.out, "evidence: AUROC %.3f [%.3f, %.3f]; below 0.5, questions without an answer look better answered than the others\n", separation.AUROC, separation.CI.Lo, separation.CI.Hi)
	}
	row(fmt.Sprintf("thresholds of %d folds (%v to %v), each on the fold held out", c.Folds, c.Lowest, c.Highest), c.HeldOut)
	row(fmt.Sprintf("--threshold %v, the best of all, on what it was chosen by", c.Threshold), c.Fitted)
	row(fmt.Sprintf("--threshold %v, the default", answer.DefaultThreshold), metric.AbstainBelow(answer.DefaultThreshold, with, without))
	return nil
}

// asksNothing fails where a dry run would have to ask a language model for what
// comes before that which it is about.
func (a *app) asksNothing(dryRun bool) error {
	if expand := a.cfg.Config.Retrieve.Expand; dryRun && expand != "none" {
		return fmt.Errorf("--dry-run asks nothing, and retrieve.expand is %s, which asks the language model about every query; set it to none", expand)
	}
	return nil
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

// rerankDry returns p as a dry run uses it: a reranker elsewhere may want money, too,
// and is not asked. One in this process is: what would be asked of others, and what is
// answered already, is told from the contexts that it makes.
func (a *app) rerankDry(p retrieve.Params) retrieve.Params {
	if p.Rerank > 0 && a.cfg.Config.Retrieve.Rerank.Kind == config.HTTPReranker {
		p.Rerank = 0
		a.say("warning: the reranker of retrieve.rerank.url is not asked: what follows is about contexts without it")
	}
	return p
}

// explainer returns what makes the context of a query as serving would, or as a dry
// run does.
func (a *app) explainer(gen *index.Generation, dryRun bool) (func(context.Context, labels.Query) (evalret.Explanation, error), error) {
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
	if dryRun {
		s.Params = a.rerankDry(s.Params)
	}
	if s.Pack, err = a.packing(); err != nil {
		return nil, err
	}
	counter, err := tokens.New(gen.Recipe.Chunker.Tokenizer)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, q labels.Query) (evalret.Explanation, error) {
		return evalret.Explain(ctx, q.Text, q.Filter, r, s, a.cfg.Config.Retrieve.BudgetTokens, counter)
	}, nil
}

// contexts returns the context of each query, as serving or a dry run makes it.
func (a *app) contexts(ctx context.Context, gen *index.Generation, set labels.Set, dryRun bool) ([]answer.Context, error) {
	explain, err := a.explainer(gen, dryRun)
	if err != nil {
		return nil, err
	}
	p := a.progress()
	defer p.done()
	count := p.count("contexts")
	out := make([]answer.Context, len(set.Queries))
	for i, q := range set.Queries {
		x, err := explain(ctx, q)
		if err != nil {
			return nil, err
		}
		if len(x.Degraded) > 0 {
			a.say("warning: query %q: degraded context: %s", q.ID, x.Degraded[0])
		}
		out[i] = x.AnswerContext()
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

// writeAnswers writes answers, and says how well they cite: by lexical support, which
// costs nothing.
func (a *app) writeAnswers(ctx context.Context, name string, answers []answer.Answer, who string) error {
	if err := writeFile(name, func(w io.Writer) error { return answer.Write(w, answers) }); err != nil {
		return err
	}
	judge, err := ground.NewLexical()
	if err != nil {
		return err
	}
	failed := 0
	var cited metric.Citations
	for _, one := range answers {
		switch {
		case one.Failure != "":
			failed++
		case one.Context != nil && len(one.Context.Segments) > 0:
			c, err := one.Citations(ctx, judge, metric.DefaultSupport)
			if err != nil {
				return err
			}
			cited = cited.Plus(c)
		}
	}
	if who == "" {
		who = "the file"
	}
	a.say("%d answers of %s, %d more queries without one: %s", len(answers)-failed, who, failed, name)
	if cited.Citations > 0 {
		a.say("%d of %d claims are supported by what they cite, %d cite nothing; %d of %d citations count, %d are of nothing in the context (%s, %v and more)",
			cited.Supported, cited.Sentences, cited.Uncited, cited.Counting, cited.Citations, cited.Unknown, judge.Info().Name, metric.DefaultSupport)
	}
	return nil
}

// answerCost prints what asking m for answers would cost.
func (a *app) answerCost(m chat.Model, who answerer, all []asked, price chat.Price) error {
	e, err := a.estimator(m)
	if err != nil {
		return err
	}
	l, ok := who.(*answer.LLM)
	if !ok {
		return fmt.Errorf("%s asks no model", who.Name()) // unreachable: flags are checked
	}
	for _, q := range all {
		if r, ask := l.Request(q.text, q.context); ask {
			if err := e.Add(r); err != nil {
				return err
			}
		}
	}
	a.printCost(who.Name(), e.Sum(), price)
	return nil
}

// printCost prints what calls of a model would cost at most.
func (a *app) printCost(model string, e chat.Estimate, price chat.Price) {
	fmt.Fprintf(a.out, "%s (%s): %v\n", model, a.cfg.Config.LLM.Tokenizer, e)
	if price != (chat.Price{}) {
		fmt.Fprintf(a.out, "cost: at most %.4f\n", e.Cost(price))
	}
}
