package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/answer"
	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/evalret/judge"
	"github.com/ragloop/ragloop/evalret/labels"
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
	file, answerer, judge string

	given map[string]evalret.GivenAnswer // of file; nil: none
	who   answerer                       // nil: none
	by    ground.Judge                   // nil: there are no answers
}

// check tells what does not go together.
func (g *grounded) check(changed func(flag string) bool) error {
	switch {
	case g.file != "" && g.answerer != "":
		return errors.New("eval takes one of --answers FILE and --answerer NAME")
	case g.file == "" && g.answerer == "" && changed("judge"):
		return errors.New("eval: --judge only goes with --answers FILE or --answerer NAME")
	case changed("answerer") && g.answerer != byExtract && g.answerer != byModel:
		return fmt.Errorf("eval: --answerer is %q, allowed are %s, %s", g.answerer, byExtract, byModel)
	case !slices.Contains([]string{lexicalJudge, nliJudge, llmJudge}, g.judge):
		return fmt.Errorf("eval: --judge is %q, allowed are %s, %s, %s", g.judge, lexicalJudge, nliJudge, llmJudge)
	}
	return nil
}

// prepareAnswers makes judge and answerer, and reads the answers: what fails does so
// before anything is evaluated.
func (a *app) prepareAnswers(g *grounded, e embed.Embedder, set labels.Set) (err error) {
	switch {
	case g.file != "":
		all, err := readGiven(g.file, set)
		if err != nil {
			return fmt.Errorf("eval: --answers: %w", err)
		}
		g.given = map[string]evalret.GivenAnswer{}
		for id, one := range all {
			g.given[id] = givenAnswer(one)
		}
	case g.answerer == byExtract:
		g.who, err = answer.NewExtractive(e, answer.DefaultThreshold)
	case g.answerer == byModel:
		m, modelErr := a.sharedModel()
		if modelErr != nil {
			return fmt.Errorf("eval: --answerer %s: %w", g.answerer, modelErr)
		}
		g.who, err = answer.NewLLM(m, maxAnswerTokens)
	default:
		return nil
	}
	if err != nil {
		return err
	}
	g.by, err = a.judge(g.judge)
	return err
}

// maxAnswerTokens is the longest answer that a language model gives.
const maxAnswerTokens = 512

func givenAnswer(one answer.Answer) evalret.GivenAnswer {
	given := evalret.GivenAnswer{Text: one.Text, Failure: one.Failure}
	if one.Context != nil {
		given.Context = &one.Context.Text
	}
	return given
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
		return judge.NewNLI(judge.NLIConfig{
			Endpoint: remote.Config{URL: c.URL, APIKey: key, Timeout: c.Timeout}, Shape: c.Shape, Labels: c.Labels, BatchPairs: c.BatchPairs,
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
		Judge: g.by, Answerer: name, Seed: o.Seed, Progress: count("judged answers"),
	})
	if err != nil {
		return err
	}
	m.Groundedness = &judged
	return nil
}

// answers has who answer every query from its context. What concerns one answer
// alone is its failure.
func (a *app) answers(ctx context.Context, e evalret.Evaluation, contexts []evalret.Explanation, who answerer, done func(done, total int)) (map[string]evalret.GivenAnswer, error) {
	out := map[string]evalret.GivenAnswer{}
	for i, q := range e.Queries {
		c := answer.Context{Text: contexts[i].Context}
		for _, s := range contexts[i].Segments {
			c.Segments = append(c.Segments, answer.Segment{Label: s.Label, Doc: s.Doc, Span: s.Context})
		}
		text, err := who.Answer(ctx, q.Text, c)
		switch {
		case errors.Is(err, answer.ErrNoAnswer):
			out[q.ID] = evalret.GivenAnswer{Failure: err.Error()}
		case err != nil:
			return nil, fmt.Errorf("answer query %q with %s: %w", q.ID, who.Name(), err)
		default:
			out[q.ID] = evalret.GivenAnswer{Text: text}
		}
		done(i+1, len(e.Queries))
	}
	return out, nil
}
