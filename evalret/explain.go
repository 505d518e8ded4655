package evalret

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// Explanation says how the context of one query came to be: what each leg said
// of every candidate, what fusion and reranking made of it, which chunks the
// packer took, and where the tokens went.
type Explanation struct {
	Query      string
	Searched   string             // what a language model made of Query and of what was said before; "": it was searched for as it is
	Expand     string             // what Written is, as in retrieve.Params; "" where nothing was written
	Written    []string           // searched for, too
	Phrases    []retrieve.Phrase  // looked for as they are
	Feedback   []metric.Place     // of the chunks that the dense query was moved towards, the nearest first
	Budget     int                // tokens allowed; 0: unknown
	Tokens     int                // of the whole context
	Context    string             // the whole text that a model is sent
	Tokenizer  string             // that both are counted in
	Candidates []ExplainedChunk   // in the final order, also those that the packer was not offered
	Beside     []ExplainedChunk   // neighbours that the packer was offered, in its order; Rank is that of the candidate beside them
	Segments   []ExplainedSegment // in the order of the context
	Stages     []retrieve.Stage   // times; nil: not measured
	Degraded   []string           // as in retrieve.Result
	Warnings   []string           // as in retrieve.Result
}

// ExplainedChunk is a chunk with everything that decided its fate.
type ExplainedChunk struct {
	Doc            text.DocID
	Span           text.RuneSpan
	Rank           int            // from 1
	Score          float64        // after fusion and rescoring, before reranking
	Fused          float64        // before rescoring
	Added          retrieve.Added // what rescoring added to Fused
	Dense, Lexical LegScore
	Reranked       *retrieve.Reranked // nil: not reranked
	Parent         text.RuneSpan      // what the packer was offered in its place; zero: itself
	pack.Fate                         // zero where it was not offered to the packer; without a turn where it was as a neighbour
}

// LegScore is what one leg says of a chunk.
type LegScore struct {
	Score float64
	Rank  int // in the leg, from 1; 0: the leg did not return it
}

// ExplainedSegment is a segment of a context and what it is made of.
type ExplainedSegment struct {
	Label   string // as printed in the context
	Doc     text.DocID
	Title   string
	Span    text.RuneSpan
	Text    string        // of the document at Span
	Context text.RuneSpan // where it is in Explanation.Context; longer or shorter than Span where it was edited
	Tokens  int           // of Text alone
	Ranks   []int         // of the candidates in it, ascending
	Beside  int           // neighbours in it
	Trimmed bool          // a chunk is in it only in part
}

// Around returns the tokens of the context that are no segment's own: labels,
// titles and separators. Counted apart, pieces may have a token more than
// together, so that it may be negative.
func (x Explanation) Around() int {
	n := x.Tokens
	for _, s := range x.Segments {
		n -= s.Tokens
	}
	return n
}

// Explain asks f for one query and packs the answer into budget tokens as s
// says, without times. own is a filter of the query itself. The context is the
// one that [Evaluate] packs with the same setting and budget; where not one
// chunk fits, it is empty.
func Explain(ctx context.Context, query string, own filter.Expr, f Finder, s Setting, budget int, c pack.Counter) (Explanation, error) {
	x, err := explain(ctx, query, own, f, s, budget, c)
	if err != nil {
		return Explanation{}, fmt.Errorf("explain the query %q: %w", query, err)
	}
	return x, nil
}

func explain(ctx context.Context, query string, own filter.Expr, f Finder, s Setting, budget int, c pack.Counter) (Explanation, error) {
	found, err := f.Find(ctx, query, narrowed(s.Params, own))
	if err != nil {
		return Explanation{}, err
	}
	if s.Params.Rerank > 0 {
		if found, err = f.Rerank(ctx, query, found, s.Params); err != nil {
			return Explanation{}, err
		}
	}
	deep := s.Params
	deep.TopK = len(found.Legs.Candidates)
	all := retrieve.Rank(found, deep)
	ranked := all[:min(len(all), s.Params.TopK)]
	o := s.Pack
	o.BudgetTokens, o.Relevance = budget, found.Relevance
	chunks := retrieve.Packable(ranked)
	packed, err := pack.Pack(chunks, c, o)
	if err != nil && !errors.Is(err, pack.ErrBudget) {
		return Explanation{}, err
	}
	x := Explanation{
		Query: query, Budget: budget, Tokens: packed.Tokens, Context: packed.Text, Degraded: found.Degraded, Warnings: found.Warnings,
		Written: found.Reading.Written, Phrases: found.Reading.Phrases,
	}
	if len(x.Written) > 0 {
		x.Expand = s.Params.Expand
	}
	for _, c := range found.Reading.Feedback {
		x.Feedback = append(x.Feedback, metric.Place{Doc: c.Doc, Span: c.Span})
	}
	added := retrieve.Additions(all, s.Params)
	for i, r := range all {
		x.Candidates = append(x.Candidates, explained(r, added[i]))
	}
	near := retrieve.Neighbours(ranked)
	for _, n := range near {
		x.Beside = append(x.Beside, ExplainedChunk{Doc: n.Chunk.Doc, Span: n.Chunk.Span, Rank: ranked[n.Of].Rank})
	}
	for i, f := range packed.Fates(chunks) {
		if i >= len(ranked) {
			k := i - len(ranked)
			x.Beside[k].Fate = f
			if at := slices.IndexFunc(all, func(r retrieve.Ranked) bool { return r.Chunk.ID == near[k].Chunk.ID }); at >= 0 {
				x.Candidates[at].Fate = f // found, too
			}
			continue
		}
		x.Candidates[i].Fate = f
		if p := ranked[i].Parent; p != nil {
			x.Candidates[i].Parent = p.Span
		}
	}
	for _, seg := range packed.Segments {
		shown := ExplainedSegment{
			Label: seg.Label, Doc: seg.Doc, Title: seg.Title, Span: seg.Span, Text: seg.Text, Context: seg.Context, Tokens: seg.Tokens, Trimmed: seg.Trimmed,
		}
		for _, i := range seg.Chunks {
			if i < len(ranked) {
				shown.Ranks = append(shown.Ranks, ranked[i].Rank)
			} else {
				shown.Beside++
			}
		}
		x.Segments = append(x.Segments, shown)
	}
	return x, nil
}

func explained(r retrieve.Ranked, added retrieve.Added) ExplainedChunk {
	return ExplainedChunk{
		Doc: r.Chunk.Doc, Span: r.Chunk.Span, Rank: r.Rank, Score: r.Score, Fused: r.Fused, Added: added,
		Dense: LegScore{r.Dense, r.DenseRank}, Lexical: LegScore{r.Lexical, r.LexicalRank}, Reranked: r.Rerank,
	}
}

// ExplainWorst explains the worst n queries of e under its reference setting, at
// the budget that contexts are kept of: those without results and unanswerable
// ones have no part. f and o are those that e was made with. The result is by
// query id, nil where no context was packed, and without queries whose search
// fails now.
func ExplainWorst(ctx context.Context, e Evaluation, f Finder, o Options, n int) (map[string]Explanation, error) {
	budget, setting, err := e.explainable(o)
	if err != nil {
		return nil, nil
	}
	out := map[string]Explanation{}
	for _, i := range e.worstFound(n) {
		q := e.Queries[i]
		own, err := q.filter()
		if err != nil {
			return nil, fmt.Errorf("explain query %s: %w", q.ID, err)
		}
		x, err := Explain(ctx, q.Text, own, f, setting, budget, o.Counter)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			continue // the evaluation has its result; what is missing is a detail
		}
		x.Tokenizer = e.Tokenizer
		out[q.ID] = x
	}
	return out, nil
}

// WorstOf returns the explanations of the worst n queries, as [ExplainWorst] does,
// from those of all queries.
func (e Evaluation) WorstOf(all []Explanation, n int) map[string]Explanation {
	out := map[string]Explanation{}
	for _, i := range e.worstFound(n) {
		out[e.Queries[i].ID] = all[i]
	}
	return out
}

// explainable returns the budget and the setting that queries are explained with.
func (e Evaluation) explainable(o Options) (budget int, s Setting, err error) {
	o.Primary, o.Metrics = e.Primary, e.Metrics
	at := slices.IndexFunc(o.Settings, func(s Setting) bool { return s.Name == e.Reference })
	switch budget = o.contextBudget(); {
	case budget == 0:
		return 0, s, errors.New("no metric has a token budget, so that no context was packed")
	case at < 0:
		return 0, s, fmt.Errorf("the settings have no %q", e.Reference)
	}
	return budget, o.Settings[at], nil
}

// worstFound returns the first n of [Evaluation.Worst] that are answerable and
// have results.
func (e Evaluation) worstFound(n int) []int {
	reference, _ := e.Run(e.Reference)
	var out []int
	for _, i := range e.Worst() {
		if len(out) < n && !e.Queries[i].Unanswerable && reference.PerQuery[i].Missing == "" {
			out = append(out, i)
		}
	}
	return out
}

// Worst returns the indices of e.Queries, worst first by the primary metric of
// the reference run: behind the queries that it applies to come the others, and
// unanswerable ones last; equal ones in file order. nil without that run.
func (e Evaluation) Worst() []int {
	reference, ok := e.Run(e.Reference)
	if !ok {
		return nil
	}
	key := func(i int) float64 {
		if e.Queries[i].Unanswerable {
			return 3
		}
		v, ok := reference.PerQuery[i].Values[e.Primary.String()]
		if x, applies := v.Float(); ok && applies {
			return x
		}
		return 2
	}
	order := make([]int, len(e.Queries))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(key(a), key(b)) })
	return order
}
