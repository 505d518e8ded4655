package evalret

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/ragloop/ragloop/evalret/answer"
	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/text"
)

// GroundOptions of [Ground].
type GroundOptions struct {
	Judge    ground.Judge
	Answerer string // what wrote the answers
	// Threshold is the support from which on a claim counts as supported, more than 0
	// and at most 1; 0: 0.5.
	Threshold float64
	// Citations says to judge claims by what they cite, too: one more judgement of a
	// claim that cites a segment, and of one that cites n, up to 2n+1.
	Citations bool

	Seed        uint64 // of intervals
	Resamples   int    // of each interval; 0: 10,000
	Concurrency int    // answers judged at a time; 0: the number of CPUs
	// Progress, when not nil, is called after each answer with the number done and
	// their total, never concurrently.
	Progress func(done, total int)
}

// ExplainAll explains every query of e under its reference setting, in file
// order, as [ExplainWorst] does. A query whose search failed when e was made, and
// any that fails now, has an explanation without candidates and with the reason in
// Degraded. It is an error where no context was packed.
func ExplainAll(ctx context.Context, e Evaluation, f Finder, o Options) ([]Explanation, error) {
	budget, setting, err := e.explainable(o)
	if err != nil {
		return nil, fmt.Errorf("explain the queries of %s: %w", e.Labels.Set, err)
	}
	out := make([]Explanation, len(e.Queries))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency(o.Concurrency))
	for i, q := range e.Queries {
		group.Go(func() error {
			own, err := q.filter()
			if err == nil {
				out[i], err = Explain(ctx, q.Text, own, f, setting, budget, o.Counter)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err != nil {
				out[i] = Explanation{Query: q.Text, Budget: budget, Degraded: []string{err.Error()}}
			}
			out[i].Tokenizer = e.Tokenizer
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("explain the queries of %s: %w", e.Labels.Set, err)
	}
	return out, nil
}

func concurrency(n int) int {
	if n == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return n
}

// filter returns the filter of q itself.
func (q Query) filter() (filter.Expr, error) {
	if q.Filter == "" {
		return filter.Expr{}, nil
	}
	return filter.Parse(q.Filter)
}

// AnswerContext returns the context of x as answers are made from it.
func (x Explanation) AnswerContext() answer.Context {
	c := answer.Context{Text: x.Context}
	for _, s := range x.Segments {
		c.Segments = append(c.Segments, answer.Segment{Label: s.Label, Doc: s.Doc, Span: s.Context})
	}
	return c
}

// Ground judges answers to the queries of e, by the queries' ids. contexts are those
// of [ExplainAll], which the answers were given unless they have their own. An id
// that is no query's is an error: it is a file of other answers.
//
// What a judge cannot judge is counted and has no part in a mean; an error of the
// judge as a whole ends the call.
func Ground(ctx context.Context, e Evaluation, contexts []Explanation, answers map[string]answer.Answer, o GroundOptions) (Groundedness, error) {
	g, err := groundAll(ctx, e, contexts, answers, o)
	if err != nil {
		return Groundedness{}, fmt.Errorf("judge the answers to %s: %w", e.Labels.Set, err)
	}
	return g, nil
}

func groundAll(ctx context.Context, e Evaluation, contexts []Explanation, answers map[string]answer.Answer, o GroundOptions) (Groundedness, error) {
	o.Threshold = cmp.Or(o.Threshold, metric.DefaultSupport)
	if !(o.Threshold > 0 && o.Threshold <= 1) {
		return Groundedness{}, fmt.Errorf("the support threshold is %v, allowed are more than 0 and at most 1", o.Threshold)
	}
	known := map[string]bool{}
	for _, q := range e.Queries {
		known[q.ID] = true
	}
	for _, id := range slices.Sorted(maps.Keys(answers)) {
		if !known[id] {
			return Groundedness{}, fmt.Errorf("answer %q is to no query of the set", id)
		}
	}
	info := o.Judge.Info()
	g := Groundedness{
		Judge: info.Name, Fingerprint: info.Fingerprint, Limits: info.Limits, Answerer: o.Answerer, Run: e.Reference,
		Threshold: o.Threshold, Findings: []FindingCount{}, PerQuery: make([]AnswerResult, len(e.Queries)),
	}
	if g.Limits == nil {
		g.Limits = []string{}
	}
	results := make([]ground.Result, len(e.Queries))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency(o.Concurrency))
	var mu sync.Mutex
	done := 0
	for i, q := range e.Queries {
		g.Budget = max(g.Budget, contexts[i].Budget)
		group.Go(func() (err error) {
			g.PerQuery[i], results[i], err = groundOne(ctx, q, contexts[i], answers, o)
			if o.Progress != nil && err == nil {
				mu.Lock()
				defer mu.Unlock()
				done++
				o.Progress(done, len(e.Queries))
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return Groundedness{}, err
	}
	g.sum(e.Queries, results, o)
	return g, nil
}

// groundOne judges the answer to one query.
func groundOne(ctx context.Context, q Query, x Explanation, answers map[string]answer.Answer, o GroundOptions) (AnswerResult, ground.Result, error) {
	missing := func(reason string) (AnswerResult, ground.Result, error) {
		none := metric.NoValue(reason)
		return AnswerResult{ID: q.ID, Outcome: AnswerMissing, Missing: reason, Support: none, Worst: none}, ground.Result{}, nil
	}
	a, ok := answers[q.ID]
	switch {
	case !ok:
		return missing("there is no answer to it")
	case a.Failure != "":
		return missing(a.Failure)
	case a.Context == nil && len(x.Candidates) == 0 && len(x.Degraded) > 0:
		return missing("there is no context: " + strings.Join(x.Degraded, "; "))
	}
	own := a.Context != nil
	if !own {
		given := x.AnswerContext()
		a.Context = &given
	}
	evidence := a.Context.Text
	res, err := ground.Score(ctx, o.Judge, evidence, a.Text)
	if err != nil {
		return AnswerResult{}, res, fmt.Errorf("query %s: %w", q.ID, err)
	}
	out := AnswerResult{
		ID: q.ID, Outcome: res.Outcome.String(), Support: unscored(res.Support()), Worst: unscored(res.WorstSupport()), Answer: a.Text, OwnContext: own,
	}
	if o.Citations && len(a.Context.Segments) > 0 {
		counts, err := a.Citations(ctx, o.Judge, o.Threshold)
		if err != nil {
			return AnswerResult{}, res, fmt.Errorf("query %s: citations: %w", q.ID, err)
		}
		out.Citations = &counts
	}
	in, said := text.NewIndex(evidence), text.NewIndex(a.Text)
	for _, s := range res.Sentences {
		shown := AnswerSentence{Kind: s.Kind.String(), Failure: s.Failure, Note: s.Note}
		shown.Start, shown.End = runes(said, s.Span)
		if s.Judged() {
			support := metric.Round(s.Support)
			shown.Support = &support
		}
		if s.Evidence.Len() > 0 {
			from, to := runes(in, s.Evidence)
			shown.Evidence, shown.Quote = &[2]int{from, to}, evidence[s.Evidence.Start:s.Evidence.End]
			if !own {
				shown.Source = x.source(text.RuneSpan{Start: from, End: to})
			}
		}
		for _, f := range s.Findings {
			finding := AnswerFinding{Check: string(f.Check), Quote: evidence[f.Evidence.Start:f.Evidence.End]}
			finding.Start, finding.End = runes(said, f.Span)
			shown.Findings = append(shown.Findings, finding)
		}
		out.Sentences = append(out.Sentences, shown)
	}
	return out, res, nil
}

// source returns the place in a document of a span of the context: in the segment
// that has most of it. nil where it is between segments. Where a segment was edited
// on its way into the context, the place is off by as much.
func (x Explanation) source(span text.RuneSpan) *Evidence {
	best, most := -1, 0
	for i, s := range x.Segments {
		if n := s.Context.Overlap(span); n > most {
			best, most = i, n
		}
	}
	if best < 0 {
		return nil
	}
	s := x.Segments[best]
	place := func(at int) int { return s.Span.Start + min(max(at-s.Context.Start, 0), s.Span.Len()) }
	return &Evidence{Doc: s.Doc, Start: place(span.Start), End: place(span.End)}
}

// unscored turns a failure, which would count as 0 in a mean, into no value: that
// a judge failed says nothing about an answer.
func unscored(v metric.Value) metric.Value {
	if v.State() == metric.Failed {
		return metric.NoValue(v.Reason())
	}
	return v
}

// runes returns a span in code points. Spans that cut a code point end before it.
func runes(x *text.Index, s text.Span) (from, to int) {
	at := func(n int) int {
		for ; n > 0; n-- {
			if r, err := x.RuneOffset(n); err == nil {
				return r
			}
		}
		return 0
	}
	return at(s.Start), at(s.End)
}

// sum fills in what follows from the answers.
func (g *Groundedness) sum(queries []Query, results []ground.Result, o GroundOptions) {
	findings := map[string]int{}
	for i, a := range g.PerQuery {
		r := results[i]
		switch a.Outcome {
		case AnswerMissing:
			g.Outcomes.Missing++
			continue
		case ground.Scored.String():
			g.Outcomes.Scored++
		case ground.Abstained.String():
			g.Outcomes.Abstained++
		case ground.Failed.String():
			g.Outcomes.Failed++
		default:
			g.Outcomes.NoClaims++
		}
		g.Claims.Judged += r.Counts.Judged
		g.Claims.Failed += r.Counts.Failed
		g.Claims.Remarks += r.Counts.Remarks
		g.Claims.Abstentions += r.Counts.Abstentions
		for _, s := range a.Sentences {
			for _, f := range s.Findings {
				findings[f.Check]++
			}
		}
		g.Abstention.Add(!queries[i].Unanswerable, r.Outcome == ground.Abstained)
	}
	for _, check := range slices.Sorted(maps.Keys(findings)) {
		g.Findings = append(g.Findings, FindingCount{check, findings[check]})
	}
	slices.SortStableFunc(g.Findings, func(a, b FindingCount) int { return cmp.Compare(b.Count, a.Count) })
	mean := func(name string) Summary {
		return g.mean(queries, metric.Metric{Name: name, Theta: o.Threshold}, o)
	}
	g.Support, g.Worst, g.Unsupported = mean(metric.Groundedness), mean(metric.GroundednessWorst), mean(metric.Unsupported)
	var cited metric.Citations
	for _, a := range g.PerQuery {
		if a.Citations != nil {
			cited = cited.Plus(*a.Citations)
		}
	}
	if cited.Citations > 0 {
		g.Citations = &AnswerCitations{mean(metric.CitationRecall), mean(metric.CitationPrecision), cited}
	}
}
