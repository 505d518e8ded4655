package evalret

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// ErrAllFailed is wrapped by the error of [Evaluate] when no query could be
// searched; the error of the first one is wrapped too.
var ErrAllFailed = errors.New("every query failed")

// Evaluate runs every query of set once through f and scores what it found
// under each setting of o. A query's own filter holds beside that of the settings.
//
// A query whose search fails counts 0 under every setting and is listed; when
// all fail, that is an error. Errors: [ErrOptions], the errors of
// [labels.Set.Validate], of Options.Texts, [ErrAllFailed], and ctx's own.
func Evaluate(ctx context.Context, set labels.Set, f Finder, o Options) (Evaluation, error) {
	e, err := evaluate(ctx, set, f, o)
	if err != nil {
		return Evaluation{}, fmt.Errorf("evaluate %s: %w", set.Name, err)
	}
	return e, nil
}

func evaluate(ctx context.Context, set labels.Set, f Finder, o Options) (Evaluation, error) {
	if len(set.Queries) == 0 {
		return Evaluation{}, errors.New("the query set is empty")
	}
	if err := set.Validate(); err != nil {
		return Evaluation{}, err
	}
	checked, report, err := check(ctx, set, o)
	if err != nil {
		return Evaluation{}, err
	}
	evidence := false
	for _, q := range checked.Queries {
		evidence = evidence || len(q.Evidence) > 0
	}
	if o, err = o.resolve(evidence); err != nil {
		return Evaluation{}, err
	}
	results, err := ask(ctx, checked.Queries, f, o)
	if err != nil {
		return Evaluation{}, err
	}
	return summarise(set, checked, report, results, o), nil
}

// check compares the labels with the documents where o can read them.
func check(ctx context.Context, set labels.Set, o Options) (labels.Set, *labels.Report, error) {
	switch {
	case o.Checked != nil && o.Checked.Queries != len(set.Queries):
		return labels.Set{}, nil, fmt.Errorf("%w: the label report is about %d queries, the set has %d", ErrOptions, o.Checked.Queries, len(set.Queries))
	case o.Checked != nil:
		return o.Checked.Set, o.Checked, nil
	case o.Texts == nil:
		return set, nil, nil
	}
	report := labels.Check(set, func(doc text.DocID) (string, error) {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		return o.Texts(ctx, doc)
	})
	if report.Err != nil {
		return labels.Set{}, nil, fmt.Errorf("check labels: %w", report.Err)
	}
	return report.Set, &report, nil
}

// ask searches every query, at most o.Concurrency at a time. The results are in
// the order of queries.
func ask(ctx context.Context, queries []labels.Query, f Finder, o Options) ([]outcome, error) {
	limit := o.Concurrency
	if limit == 0 {
		limit = runtime.GOMAXPROCS(0)
	}
	var (
		results = make([]outcome, len(queries))
		params  = o.search()
		budgets = o.budgets()
		// The parameters of the settings that rerank.
		reranked []retrieve.Params
		mu       sync.Mutex
		done     int
	)
	for _, s := range o.Settings {
		if s.Params.Rerank > 0 {
			reranked = append(reranked, s.Params)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(limit)
	for i, q := range queries {
		group.Go(func() error {
			found, err := f.Find(ctx, q.Text, narrowed(params, q.Filter))
			if ctx.Err() != nil {
				return ctx.Err()
			}
			s := scorer{options: o, budgets: budgets, query: q}
			if s.chunking, s.noChunking = o.chunking(ctx, q); ctx.Err() != nil {
				return ctx.Err()
			}
			if err == nil && len(reranked) > 0 {
				found, s.noRerank = f.Rerank(ctx, q.Text, found, reranked...)
				if ctx.Err() != nil {
					return ctx.Err()
				}
			}
			results[i] = s.outcome(found, err)
			if o.Progress != nil {
				mu.Lock()
				defer mu.Unlock()
				done++
				o.Progress(done, len(queries))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, r := range results {
		if r.err == nil {
			return results, nil
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrAllFailed, results[0].err)
}

// narrowed returns p for a query that has a filter of its own: both hold.
func narrowed(p retrieve.Params, own filter.Expr) retrieve.Params {
	switch where := &p.Filter.Where; {
	case own.IsZero():
	case where.IsZero():
		*where = own
	default:
		*where = filter.Expr{Op: filter.And, Of: []filter.Expr{*where, own}}
	}
	return p
}

// outcome is everything that is known about one query.
type outcome struct {
	err      error
	degraded []string // that did not cost a leg
	settings []scored // in the order of the settings
}

// scored is one query under one setting.
type scored struct {
	missing  string         // why there is no result; empty: there is one
	values   []metric.Value // in the order of the metrics
	top      float64        // fused score of the first chunk
	docs     []text.DocID   // kept with Detail Rows
	contexts []Context      // kept with Detail Rows
	sizes    []size         // of the contexts
	losses   []Stage        // of the query's evidence, at the budget of Options.contextBudget; nil: nothing was packed
	tooSmall []int          // budgets in which no chunk fits
	shallow  bool           // a relevant document is missing although a deeper search might rank it within the cut-offs
}

// size is the size of a context.
type size struct{ budget, tokens, segments int }

// scorer scores one query.
type scorer struct {
	options  Options
	budgets  []int
	query    labels.Query
	noRerank error // why settings that rerank can't be scored

	chunking   []metric.Place // all chunks of the labelled documents, where a metric asks for them
	noChunking error          // why they are not known
}

// chunking returns all chunks of the documents that q has evidence in, where a
// metric asks for them.
func (o Options) chunking(ctx context.Context, q labels.Query) ([]metric.Place, error) {
	if !slices.ContainsFunc(o.Metrics, func(m metric.Metric) bool { return m.Name == omega }) {
		return nil, nil
	}
	var places []metric.Place
	seen := map[text.DocID]bool{}
	for _, e := range q.Evidence {
		if seen[e.Doc] {
			continue
		}
		seen[e.Doc] = true
		spans, err := o.Spans(ctx, e.Doc)
		if err != nil {
			return nil, fmt.Errorf("read the chunks of %s: %w", e.Doc, err)
		}
		for _, s := range spans {
			places = append(places, metric.Place{Doc: e.Doc, Span: s})
		}
	}
	return places, nil
}

func (s scorer) outcome(found retrieve.Found, err error) outcome {
	if err != nil {
		all := outcome{err: err}
		for range s.options.Settings {
			all.settings = append(all.settings, s.absent(err.Error()))
		}
		return all
	}
	var r outcome
	failed, noted := lostLegs(found)
	r.degraded = noted
	for _, setting := range s.options.Settings {
		if reason := failed.needed(setting.Params.Fusion); reason != "" {
			r.settings = append(r.settings, s.absent(reason))
			continue
		}
		if s.noRerank != nil && setting.Params.Rerank > 0 {
			r.settings = append(r.settings, s.absent(s.noRerank.Error()))
			continue
		}
		r.settings = append(r.settings, s.score(found, setting))
	}
	return r
}

// lost holds why a leg has no hits; empty: it was searched.
type lost struct{ dense, lexical string }

// lostLegs tells legs that failed from remarks about legs that answered.
func lostLegs(found retrieve.Found) (failed lost, noted []string) {
	dense, lexical := false, false
	for _, c := range found.Legs.Candidates {
		dense = dense || c.DenseRank > 0
		lexical = lexical || c.LexicalRank > 0
	}
	for _, d := range found.Degraded {
		switch leg, _, _ := strings.Cut(d, ":"); {
		case leg == retrieve.Dense && !dense:
			failed.dense = d
		case leg == retrieve.Lexical && !lexical:
			failed.lexical = d
		default:
			noted = append(noted, d)
		}
	}
	return failed, noted
}

// needed returns why a setting with fusion f can't be scored, or "".
func (l lost) needed(f retrieve.Fusion) string {
	switch {
	case l.dense != "" && f.Method != retrieve.Lexical:
		return l.dense
	case l.lexical != "" && f.Method != retrieve.Dense:
		return l.lexical
	}
	return ""
}

// absent scores a query without results: metrics that apply to its labels fail,
// but for the one that asks nothing of retrieval.
func (s scorer) absent(reason string) scored {
	r := s.values(nil, nil, nil)
	r.missing = reason
	for i, v := range r.values {
		if v.State() != metric.NotApplicable && s.options.Metrics[i].Name != omega {
			r.values[i] = metric.Fail(reason)
		}
	}
	return r
}

const noResults = "no results"

func (s scorer) score(found retrieve.Found, setting Setting) scored {
	// The order beyond TopK is needed for document metrics and is the same
	// order: TopK cuts it, nothing else.
	p := setting.Params
	p.TopK = len(found.Legs.Candidates)
	ranked := retrieve.Rank(found, p)
	if len(ranked) == 0 {
		return s.absent(noResults)
	}
	docs := make([]text.DocID, len(ranked))
	places := make([]metric.Place, len(ranked))
	for i, c := range ranked {
		docs[i] = c.Chunk.Doc
		places[i] = metric.Place{Doc: c.Chunk.Doc, Span: c.Chunk.Span}
	}
	docs = metric.MaxP(docs)
	ranked = ranked[:min(len(ranked), setting.Params.TopK)]
	o := setting.Pack
	o.Relevance = found.Relevance
	contexts, shown, tooSmall, reason := s.pack(ranked, o)
	if reason != "" {
		return s.absent(reason)
	}
	r := s.values(docs, places, contexts)
	r.top, r.tooSmall = ranked[0].Fused, tooSmall
	if shown != nil {
		var before []retrieve.Ranked
		if p.Rerank > 0 {
			unranked := p
			unranked.Rerank, unranked.TopK = 0, setting.Params.TopK
			before = retrieve.Rank(found, unranked)
		}
		r.losses = s.losses(places, ranked, before, *shown)
	}
	r.shallow = len(docs) < s.deepest() && cut(found, p) && s.lacksRelevant(docs)
	for _, c := range contexts {
		r.sizes = append(r.sizes, size{c.Budget, c.Tokens, len(c.Segments)})
	}
	if s.options.Detail >= Rows {
		// A copy: the ranking is long and would be kept with it.
		r.docs, r.contexts = slices.Clone(docs[:min(len(docs), 10)]), contexts
	}
	return r
}

// values computes every metric of an answerable query.
func (s scorer) values(docs []text.DocID, chunks []metric.Place, contexts []Context) scored {
	var r scored
	if s.query.Unanswerable {
		return r
	}
	gold := labelled(s.query)
	packed := map[int]metric.Context{}
	for _, c := range contexts {
		in := metric.Context{Tokens: c.Tokens, EvidenceTokens: c.evidenceTokens}
		for _, seg := range c.Segments {
			in.Places = append(in.Places, metric.Place{Doc: seg.Doc, Span: text.RuneSpan{Start: seg.Start, End: seg.End}})
		}
		packed[c.Budget] = in
	}
	judged := metric.Judge(docs, s.query.Grades())
	for _, m := range s.options.Metrics {
		d, _ := m.Definition()
		switch {
		case d.Level == metric.Documents:
			r.values = append(r.values, m.Ranking(judged))
		case m.Unit == metric.Tokens:
			var cs []metric.Context
			for _, b := range m.Budgets() {
				cs = append(cs, packed[b])
			}
			r.values = append(r.values, m.Contexts(cs, gold))
		case m.Name == omega && s.noChunking != nil:
			r.values = append(r.values, metric.Fail(s.noChunking.Error()))
		case m.Name == omega:
			r.values = append(r.values, m.Spans(s.chunking, gold))
		default:
			r.values = append(r.values, m.Spans(chunks, gold))
		}
	}
	return r
}

// pack makes the context of each budget; shown is the one that contexts are
// kept of. A budget in which not one chunk fits has an empty context. The reason
// is not empty when packing is impossible.
func (s scorer) pack(ranked []retrieve.Ranked, o pack.Options) (contexts []Context, shown *pack.Context, tooSmall []int, reason string) {
	if len(s.budgets) == 0 || s.query.Unanswerable {
		return nil, nil, nil, ""
	}
	chunks := retrieve.Packable(ranked)
	for _, budget := range s.budgets {
		o.BudgetTokens = budget
		packed, err := pack.Pack(chunks, s.options.Counter, o)
		if errors.Is(err, pack.ErrBudget) {
			tooSmall = append(tooSmall, budget)
		} else if err != nil {
			return nil, nil, nil, "pack: " + err.Error()
		}
		if budget == s.options.contextBudget() {
			shown = &packed
		}
		c := Context{Budget: budget, Tokens: packed.Tokens, Segments: make([]Segment, len(packed.Segments)), evidenceTokens: s.evidenceTokens(packed)}
		keep := s.options.Detail == Contexts && budget == s.options.contextBudget()
		for i, seg := range packed.Segments {
			c.Segments[i] = Segment{Doc: seg.Doc, Start: seg.Span.Start, End: seg.Span.End}
			if keep {
				c.Segments[i].Title, c.Segments[i].Text = seg.Title, seg.Text
			}
		}
		contexts = append(contexts, c)
	}
	return contexts, shown, tooSmall, ""
}

// evidenceTokens counts the tokens of the labelled evidence in a context, each
// run of it by itself; 0 where no metric asks for them.
func (s scorer) evidenceTokens(packed pack.Context) int {
	if !slices.ContainsFunc(s.options.Metrics, func(m metric.Metric) bool { return m.Name == "evidence_density" }) {
		return 0
	}
	evidence := map[text.DocID][]text.RuneSpan{}
	for _, e := range s.query.Evidence {
		evidence[e.Doc] = append(evidence[e.Doc], e.Span)
	}
	n := 0
	for _, seg := range packed.Segments {
		common := text.Intersect(evidence[seg.Doc], []text.RuneSpan{seg.Span})
		if len(common) == 0 {
			continue
		}
		runes := []rune(seg.Text)
		for _, c := range common {
			n += s.options.Counter.Count(string(runes[c.Start-seg.Span.Start : c.End-seg.Span.Start]))
		}
	}
	return n
}

// contextBudget is the budget whose contexts are kept with their text.
func (o Options) contextBudget() int {
	if o.Primary.Unit == metric.Tokens {
		return o.Primary.At
	}
	best := 0
	for _, b := range o.budgets() {
		if best == 0 || abs(b-1024) < abs(best-1024) {
			best = b
		}
	}
	return best
}

// deepest returns the largest cut-off of a document metric.
func (s scorer) deepest() int {
	k := 0
	for _, m := range s.options.Metrics {
		if d, _ := m.Definition(); d.Level == metric.Documents {
			k = max(k, m.At)
		}
	}
	return k
}

// lacksRelevant reports whether a relevant document is not among docs.
func (s scorer) lacksRelevant(docs []text.DocID) bool {
	for doc, grade := range s.query.Grades() {
		if grade > 0 && !slices.Contains(docs, doc) {
			return true
		}
	}
	return false
}

// cut reports whether a leg that p uses returned as much as it was asked for,
// so that there may be more.
func cut(found retrieve.Found, p retrieve.Params) bool {
	for _, c := range found.Legs.Candidates {
		if c.DenseRank >= p.Candidates && p.Fusion.Method != retrieve.Lexical ||
			c.LexicalRank >= p.Candidates && p.Fusion.Method != retrieve.Dense {
			return true
		}
	}
	return false
}
