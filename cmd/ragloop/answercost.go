package main

import (
	"context"
	"fmt"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/answer"
	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/evalret/judge"
	"github.com/ragloop/ragloop/internal/chat"
)

// evalCost prints what answering and judging would ask of remote models. Answers
// that are there, in the file, the cache or by the extractive answerer, are judged on
// paper; of others nobody knows what they will claim.
func (a *app) evalCost(ctx context.Context, e evalret.Evaluation, f evalret.Finder, o evalret.Options, g grounded) error {
	contexts, err := evalret.ExplainAll(ctx, e, f, o)
	if err != nil {
		return err
	}
	all := questions(e, contexts)
	if g.model != nil {
		if err := a.answerCost(g.model, g.who, all, g.price); err != nil {
			return err
		}
	}
	sum, err := a.judgeCost(g.by)
	if err != nil {
		return err
	}
	unknown := 0
	for _, q := range all {
		one, known, err := g.answerTo(ctx, q)
		switch {
		case err != nil:
			return err
		case !known:
			unknown++
			continue
		case one.Failure != "":
			continue
		}
		if one.Context == nil {
			one.Context = &q.context
		}
		if err := sum.add(one, g); err != nil {
			return err
		}
	}
	sum.print(g.price)
	if unknown > 0 {
		fmt.Fprintf(a.out, "not in that: judging the answers to %d queries, which are not there yet; once they are, --dry-run tells\n", unknown)
	}
	return nil
}

// answerTo returns the answer to q where nothing needs to be asked for it.
func (g grounded) answerTo(ctx context.Context, q asked) (one answer.Answer, known bool, err error) {
	if g.who == nil {
		one, known = g.given[q.id]
		if !known {
			one.Failure, known = "there is no answer to it", true
		}
		return one, known, nil
	}
	if l, ok := g.who.(*answer.LLM); ok {
		r, ask := l.Request(q.text, q.context)
		cache, kept := g.model.(*chat.Cache)
		if ask && !kept {
			return one, false, nil
		}
		if ask {
			if has, err := cache.Has(r); err != nil || !has {
				return one, false, err
			}
		}
	}
	text, err := g.who.Answer(ctx, q.text, q.context)
	if err != nil {
		return answer.Answer{ID: q.id, Failure: err.Error()}, true, ctx.Err()
	}
	return answer.Answer{ID: q.id, Text: text}, true, nil
}

// judgeCost adds up what a judge asks.
type judgeCost struct {
	a     *app
	judge ground.Judge
	llm   *chat.Estimator // of judge.LLM
	nli   judge.NLICost   // of judge.NLI
}

func (a *app) judgeCost(by ground.Judge) (*judgeCost, error) {
	c := &judgeCost{a: a, judge: by}
	if _, ok := by.(*judge.LLM); !ok {
		return c, nil
	}
	m, err := a.sharedModel()
	if err != nil {
		return nil, err
	}
	c.llm, err = a.estimator(m)
	return c, err
}

// add adds what judging an answer asks, and its citations at most.
func (c *judgeCost) add(one answer.Answer, g grounded) error {
	var claims []string
	for _, s := range ground.Split(one.Text) {
		if s.Kind == ground.Claim {
			claims = append(claims, one.Text[s.Span.Start:s.Span.End])
		}
	}
	if len(claims) == 0 {
		return nil
	}
	if err := c.ask(one.Context.Text, claims); err != nil || !g.citations || len(one.Context.Segments) == 0 {
		return err
	}
	for _, check := range one.CitationChecks() {
		if err := c.ask(check.Evidence, []string{check.Claim}); err != nil {
			return err
		}
	}
	return nil
}

func (c *judgeCost) ask(evidence string, claims []string) error {
	switch by := c.judge.(type) {
	case *judge.LLM:
		for _, r := range by.Requests(evidence, claims) {
			if err := c.llm.Add(r); err != nil {
				return err
			}
		}
	case *judge.NLI:
		cost, err := by.Cost(evidence, claims)
		if err != nil {
			return err
		}
		c.nli = c.nli.Plus(cost)
	}
	return nil
}

func (c *judgeCost) print(price chat.Price) {
	name := c.judge.Info().Name
	switch c.judge.(type) {
	case *judge.LLM:
		c.a.printCost(name, c.llm.Sum(), price)
	case *judge.NLI:
		fmt.Fprintf(c.a.out, "%s: %v\n", name, c.nli)
	default:
		fmt.Fprintf(c.a.out, "%s: asks nobody\n", name)
	}
}
