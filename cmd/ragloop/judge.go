package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/answer"
	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/evalret/judge"
	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/runs"
	"github.com/ragloop/ragloop/internal/chat"
	"github.com/ragloop/ragloop/internal/embed"
	remote "github.com/ragloop/ragloop/internal/endpoint"
)

// The judges that --judge names.
const (
	lexicalJudge = "lexical"
	nliJudge     = "nli"
	llmJudge     = "llm"
)

// grounded holds the flags about answers of an evaluation, and what is made of
// them before it begins.
type grounded struct {
	file, judge string
	answered    answererFlags
	threshold   float64
	citations   bool
	dryRun      bool
	priced

	given map[string]answer.Answer // of file; nil: none
	who   answerer                 // nil: none
	model chat.Model               // of who; nil: none is asked
	by    ground.Judge             // nil: there are no answers
}

func (g *grounded) bind(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&g.file, "answers", "", `file of answers (JSON Lines: {"id","answer","context"}) whose groundedness is measured; without "context" they were given the context of the reference run`)
	g.answered.bind(cmd, "", "answer the queries and measure that")
	fl.StringVar(&g.judge, "judge", lexicalJudge, "what says how far a context supports a claim of an answer: lexical (offline), nli (the endpoint of nli.url) or llm")
	fl.Float64Var(&g.threshold, "support-threshold", metric.DefaultSupport, "support from which on a claim, or a citation, counts as supported, more than 0 and at most 1")
	fl.BoolVar(&g.citations, "citations", false, "judge what answers cite, too: always with --judge lexical, and otherwise up to twice as many judgements and more")
	fl.BoolVar(&g.dryRun, "dry-run", false, "with answers: print what answering and judging would ask of remote models and cost, ask them nothing, and write nothing")
	g.priced.bind(cmd)
}

// answers reports whether there will be any.
func (g *grounded) answers() bool { return g.file != "" || g.answered.name != "" }

// check tells what does not go together, and what gates want.
func (g *grounded) check(changed func(flag string) bool, gates []runs.Gate) error {
	if g.file != "" && g.answered.name != "" {
		return errors.New("eval takes one of --answers FILE and --answerer NAME")
	}
	for _, only := range []string{"judge", "support-threshold", "citations", "dry-run"} {
		if changed(only) && !g.answers() {
			return fmt.Errorf("eval: --%s only goes with --answers FILE or --answerer NAME", only)
		}
	}
	if err := g.priced.check("eval", changed, g.dryRun); err != nil {
		return err
	}
	for _, output := range []string{"out", "save", "csv", "markdown", "junit", "gate", "baseline", "json"} {
		if g.dryRun && changed(output) {
			return fmt.Errorf("eval: --%s has no meaning with --dry-run, which writes nothing", output)
		}
	}
	switch {
	case !slices.Contains([]string{lexicalJudge, nliJudge, llmJudge}, g.judge):
		return fmt.Errorf("eval: --judge is %q, allowed are %s, %s, %s", g.judge, lexicalJudge, nliJudge, llmJudge)
	case !(g.threshold > 0 && g.threshold <= 1):
		return fmt.Errorf("eval: --support-threshold is %v, allowed are more than 0 and at most 1", g.threshold)
	}
	for _, gate := range gates {
		if gate.Answers() && !g.answers() {
			return fmt.Errorf("eval: the gate %s is about answers; give --answers FILE or --answerer NAME", gate)
		}
		g.citations = g.citations || gate.Citations()
	}
	g.citations = g.citations || g.judge == lexicalJudge
	return g.answered.check("eval", changed)
}

// prepareAnswers makes judge and answerer, and reads the answers: what fails does so
// before anything is evaluated.
func (a *app) prepareAnswers(g *grounded, e embed.Embedder, set labels.Set) (err error) {
	switch {
	case g.file != "":
		if g.given, err = readGiven(g.file, set); err != nil {
			return fmt.Errorf("eval: --answers: %w", err)
		}
	case g.answered.name != "":
		if g.who, g.model, err = a.answerer(g.answered, e); err != nil {
			return fmt.Errorf("eval: %w", err)
		}
	default:
		return nil
	}
	g.by, err = a.judge(g.judge)
	return err
}

// judge returns what name names.
func (a *app) judge(name string) (ground.Judge, error) {
	switch name {
	case nliJudge:
		c := a.cfg.Config.NLI
		if c.URL == "" {
			return nil, fmt.Errorf("eval: --judge %s needs an endpoint: set nli.url", name)
		}
		key, err := a.secret("nli.api_key_env", c.APIKeyEnv)
		if err != nil {
			return nil, err
		}
		var store *chat.Store
		if c.Cache {
			if store, err = a.answerStore(); err != nil {
				return nil, err
			}
		}
		return judge.NewNLI(judge.NLIConfig{
			Store: store, Endpoint: remote.Config{URL: c.URL, APIKey: key, Timeout: c.Timeout}, Shape: c.Shape, Labels: c.Labels, BatchPairs: c.BatchPairs,
		})
	case llmJudge:
		m, err := a.sharedModel()
		if err != nil {
			return nil, fmt.Errorf("eval: --judge %s: %w", name, err)
		}
		return judge.NewLLM(m, judge.LLMOptions{})
	}
	return ground.NewLexical()
}

// ground judges the answers to the queries of m, and keeps the explanations of the
// worst ones.
func (a *app) ground(ctx context.Context, m *measured, f evalret.Finder, o evalret.Options, g grounded, count func(what string) func(done, total int)) error {
	contexts, err := evalret.ExplainAll(ctx, m.Evaluation, f, o)
	if err != nil {
		return err
	}
	m.explained = m.WorstOf(contexts, explainedQueries)
	name := filepath.Base(g.file)
	if g.who != nil {
		name = g.who.Name()
		if g.given, err = a.answers(ctx, m.Evaluation, contexts, g.who, count("answers")); err != nil {
			return err
		}
	}
	judged, err := evalret.Ground(ctx, m.Evaluation, contexts, g.given, evalret.GroundOptions{
		Judge: g.by, Answerer: name, Threshold: g.threshold, Citations: g.citations, Seed: o.Seed, Progress: count("judged answers"),
	})
	if err != nil {
		return err
	}
	m.Groundedness = &judged
	return nil
}

// questions returns the queries of e, each with its context.
func questions(e evalret.Evaluation, contexts []evalret.Explanation) (all []asked) {
	for i, q := range e.Queries {
		all = append(all, asked{q.ID, q.Text, contexts[i].AnswerContext()})
	}
	return all
}

// answers has who answer every query of e from its context.
func (a *app) answers(ctx context.Context, e evalret.Evaluation, contexts []evalret.Explanation, who answerer, done func(done, total int)) (map[string]answer.Answer, error) {
	answers, err := a.ask(ctx, who, questions(e, contexts), done)
	if err != nil {
		return nil, err
	}
	out := map[string]answer.Answer{}
	for _, one := range answers {
		one.Context = nil // they were given those of the run
		out[one.ID] = one
	}
	return out, nil
}
