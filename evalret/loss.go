package evalret

import (
	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// Stage is the first stage that lost a labelled evidence span on its way into
// the context at the primary budget; a closed set. A span is lost where less of
// it is left than the primary metric asks for (its theta, one half otherwise),
// counted over all chunks of the stage together.
type Stage string

const (
	// Kept: the context has it.
	Kept Stage = ""
	// NotFound: no leg has a chunk with any of it among its candidates.
	NotFound Stage = "not_found"
	// SplitApart: the legs found a part of it; the rest is in chunks that they did
	// not find.
	SplitApart Stage = "split"
	// Outranked: found, but not among the first top-k chunks of the fused ranking.
	Outranked Stage = "fusion"
	// Demoted: among the first top-k before the rerank stage, not after it.
	Demoted Stage = "rerank"
	// Capped: given to the packer, which had its fill of the document.
	Capped Stage = "source_cap"
	// OverBudget: given to the packer, and there was no room for it.
	OverBudget Stage = "budget"
	// NoResults: the query failed or returned nothing.
	NoResults Stage = "no_results"
)

// Stages lists the stages that lose something, in their order.
func Stages() []Stage {
	return []Stage{NoResults, NotFound, SplitApart, Outranked, Demoted, Capped, OverBudget}
}

// Losses counts evidence spans of one run by what became of them.
type Losses struct {
	Budget int           `json:"budget"` // of the contexts, in tokens
	Theta  float64       `json:"theta"`  // share of a span that counts as kept
	Spans  int           `json:"spans"`  // of answerable queries; empty ones have no part
	Kept   int           `json:"kept"`
	Lost   map[Stage]int `json:"lost"` // by the first stage that lost them
}

// theta is the share of a span that must be left.
func (o Options) theta() float64 {
	if o.Primary.Theta > 0 {
		return o.Primary.Theta
	}
	return 0.5
}

// losses returns, for each evidence span of the query, what became of it. candidates
// are what the legs of the setting found, of which ranked are the first: other
// settings of the same search may have found more.
func (s scorer) losses(candidates []metric.Place, ranked, beforeRerank []retrieve.Ranked, packed pack.Context) []Stage {
	gold := labelled(s.query)
	var context []metric.Place
	for _, seg := range packed.Segments {
		context = append(context, metric.Place{Doc: seg.Doc, Span: seg.Span})
	}
	offered := places(ranked)
	inCandidates, inRanked, inContext := metric.Coverage(candidates, gold), metric.Coverage(offered, gold), metric.Coverage(context, gold)
	inBefore := inRanked
	if beforeRerank != nil {
		inBefore = metric.Coverage(places(beforeRerank), gold)
	}
	capped := make([]metric.Place, 0, len(packed.Dropped))
	for _, d := range packed.Dropped {
		if d.Reason == pack.SourceCap {
			capped = append(capped, offered[d.Chunk]) // neighbours are not capped
		}
	}
	inCapped := metric.Coverage(capped, gold)
	stages := make([]Stage, len(gold))
	for i, g := range gold {
		enough := func(n int) bool { return float64(n)+1e-6 >= s.options.theta()*float64(g.Span.Len()) }
		switch {
		case g.Span.Len() <= 0 || enough(inContext[i]):
		case max(inCandidates[i], inBefore[i]) == 0:
			stages[i] = NotFound
		case !enough(max(inCandidates[i], inBefore[i])):
			stages[i] = SplitApart
		case !enough(inRanked[i]) && enough(inBefore[i]) && beforeRerank != nil:
			stages[i] = Demoted
		case !enough(inRanked[i]):
			stages[i] = Outranked
		case inCapped[i] > 0 && enough(inContext[i]+inCapped[i]):
			stages[i] = Capped
		default:
			stages[i] = OverBudget
		}
	}
	return stages
}

// labelled returns the evidence of a query with its copies.
func labelled(q labels.Query) []metric.Place {
	gold := make([]metric.Place, len(q.Evidence))
	for i, e := range q.Evidence {
		gold[i] = metric.Place{Doc: e.Doc, Span: e.Span, Copies: e.Copies}
	}
	return gold
}

// places returns what ranked chunks deliver: their own spans, or their parents'.
func places(ranked []retrieve.Ranked) []metric.Place {
	ps := make([]metric.Place, len(ranked))
	for i, c := range ranked {
		ps[i] = metric.Place{Doc: c.Chunk.Doc, Span: c.Chunk.Span}
		if c.Parent != nil {
			ps[i].Span = c.Parent.Span
		}
	}
	return ps
}

// losses adds up the stages of one run; nil where no query has evidence or no
// context was packed.
func (e *Evaluation) losses(at int, results []outcome, o Options) *Losses {
	budget := o.contextBudget()
	if budget == 0 {
		return nil
	}
	l := Losses{Budget: budget, Theta: o.theta(), Lost: map[Stage]int{}}
	for i, res := range results {
		if e.Queries[i].Unanswerable {
			continue
		}
		sc := res.settings[at]
		for k, ev := range e.Queries[i].Evidence {
			if (text.RuneSpan{Start: ev.Start, End: ev.End}).Len() <= 0 {
				continue
			}
			l.Spans++
			stage := NoResults
			if sc.missing == "" {
				stage = sc.losses[k]
			}
			if stage == Kept {
				l.Kept++
			} else {
				l.Lost[stage]++
			}
		}
	}
	if l.Spans == 0 {
		return nil
	}
	return &l
}
