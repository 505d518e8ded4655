package runs

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/internal/text"
)

// OpenAll loads what name says as [Open] does, but PATH alone stands for every run
// of the evaluation.
func OpenAll(name string) ([]Side, error) {
	if _, err := os.Stat(name); err != nil && strings.Contains(name, "#") {
		side, err := Open(name)
		return []Side{side}, err
	}
	s, err := Load(name)
	if err != nil {
		return nil, err
	}
	var sides []Side
	for _, r := range s.Evaluation.Runs {
		side, err := s.Side(r.Name)
		if err != nil {
			return nil, err
		}
		sides = append(sides, side)
	}
	return sides, nil
}

// SuggestOptions of [Suggest].
type SuggestOptions struct {
	Depth    int // segments of each context that are looked at; 0: 5
	Passages int // most suggested for one query; 0: 3
}

const (
	defaultDepth    = 5
	defaultPassages = 3
)

// Suggested is a passage whose judgement would inform.
type Suggested struct {
	Segment
	Effect float64 // see [Suggest]
	Ranks  []int   // in the context of each side, from 1; 0: not among the first
}

// SuggestedQuery is a query with such passages.
type SuggestedQuery struct {
	Query    evalret.Query
	Score    float64     // sum of the effects of all its passages without a judgement
	Passages []Suggested // the first of them by effect, then by best rank, document and position
	Unjudged int         // passages without a judgement
	Seen     int         // passages of all contexts
}

// Suggestions are the queries by score, ties by their order in the set.
type Suggestions struct {
	Queries []SuggestedQuery

	// Queries that are not among them, and why.
	NoContext    int // no run kept its context
	Judged       int // every passage has a judgement
	Agreed       int // the runs rank what has none alike
	Unanswerable int
}

// Suggest says which judgements would tell the sides apart best. Of each query it
// looks at the first segments of every side's context, in context order. Segments
// of one document that share at least half of the shorter one are one passage. A
// passage is judged when it shares text with labelled evidence or its document is
// graded without evidence in it.
//
// The effect of a passage is how far two sides would move apart if it turned out
// relevant: the mean, over all pairs of sides, of |g(a) - g(b)|, where g(r) is
// 1/log2(r+1) at rank r and 0 where the passage is not among the first; with one
// side, g itself. 0..1. Passages without effect are not suggested. It follows the
// weights of minimal test collections (Carterette, Allan & Sitaraman, SIGIR 2006)
// with the discount of nDCG in place of that of average precision.
//
// The sides must be of the same corpus and query set: [ErrIncomparable].
func Suggest(sides []Side, o SuggestOptions) (Suggestions, error) {
	if len(sides) == 0 {
		return Suggestions{}, errors.New("suggest judgements: no run given")
	}
	if o.Depth < 0 || o.Passages < 0 {
		return Suggestions{}, fmt.Errorf("suggest judgements: depth %d and passages %d must not be negative", o.Depth, o.Passages)
	}
	o.Depth, o.Passages = cmp.Or(o.Depth, defaultDepth), cmp.Or(o.Passages, defaultPassages)
	first := sides[0].Run.Fingerprints
	for _, s := range sides[1:] {
		if f := s.Run.Fingerprints; f.Corpus != first.Corpus || f.QuerySet != first.QuerySet {
			return Suggestions{}, fmt.Errorf("suggest judgements: %w: %s and %s are of different corpora or query sets", ErrIncomparable, sides[0].Name, s.Name)
		}
	}
	var out Suggestions
	for _, q := range sides[0].saved.Evaluation.Queries {
		if q.Unanswerable {
			out.Unanswerable++
			continue
		}
		seen := passagesOf(sides, q.ID, o.Depth)
		if len(seen) == 0 {
			out.NoContext++
			continue
		}
		sq := SuggestedQuery{Query: q, Seen: len(seen)}
		for _, p := range seen {
			if judged(q, p.Segment) {
				continue
			}
			sq.Unjudged++
			if p.Effect = effect(p.Ranks); p.Effect > 0 {
				sq.Score += p.Effect
				sq.Passages = append(sq.Passages, p)
			}
		}
		switch {
		case sq.Unjudged == 0:
			out.Judged++
			continue
		case len(sq.Passages) == 0:
			out.Agreed++
			continue
		}
		slices.SortStableFunc(sq.Passages, func(a, b Suggested) int {
			return cmp.Or(cmp.Compare(b.Effect, a.Effect), cmp.Compare(best(a.Ranks), best(b.Ranks)), cmp.Compare(a.Doc, b.Doc), cmp.Compare(a.Start, b.Start))
		})
		sq.Passages = sq.Passages[:min(len(sq.Passages), o.Passages)]
		out.Queries = append(out.Queries, sq)
	}
	slices.SortStableFunc(out.Queries, func(a, b SuggestedQuery) int { return cmp.Compare(b.Score, a.Score) })
	return out, nil
}

// passagesOf returns the passages of the sides' contexts, in the order in which
// sides and contexts have them first.
func passagesOf(sides []Side, query string, depth int) []Suggested {
	var all []Suggested
	for i, s := range sides {
		context := s.Context(query)
		for rank, seg := range context[:min(len(context), depth)] {
			k := slices.IndexFunc(all, func(p Suggested) bool { return p.Ranks[i] == 0 && same(p.Segment, seg) })
			if k < 0 {
				k = len(all)
				all = append(all, Suggested{Segment: seg, Ranks: make([]int, len(sides))})
			}
			all[k].Ranks[i] = rank + 1
		}
	}
	return all
}

func (s Segment) span() text.RuneSpan { return text.RuneSpan{Start: s.Start, End: s.End} }

// same reports whether two segments are one passage.
func same(a, b Segment) bool {
	return a.Doc == b.Doc && 2*a.span().Overlap(b.span()) >= min(a.span().Len(), b.span().Len())
}

// judged reports whether the labels of q say something about a segment.
func judged(q evalret.Query, s Segment) bool {
	inDoc := false
	for _, e := range q.Evidence {
		if string(e.Doc) != s.Doc {
			continue
		}
		inDoc = true
		if s.span().Overlap(text.RuneSpan{Start: e.Start, End: e.End}) > 0 {
			return true
		}
	}
	_, graded := q.Grades[text.DocID(s.Doc)]
	return graded && !inDoc
}

func effect(ranks []int) float64 {
	if len(ranks) == 1 {
		return gain(ranks[0])
	}
	sum, pairs := 0.0, 0
	for i, a := range ranks {
		for _, b := range ranks[:i] {
			sum += math.Abs(gain(a) - gain(b))
			pairs++
		}
	}
	return sum / float64(pairs)
}

func gain(rank int) float64 {
	if rank == 0 {
		return 0
	}
	return 1 / math.Log2(float64(rank)+1)
}

// best returns the best rank of a passage.
func best(ranks []int) int {
	b := 0
	for _, r := range ranks {
		if r > 0 && (b == 0 || r < b) {
			b = r
		}
	}
	return b
}

// Reason says in one line why a passage of q is suggested.
func (q SuggestedQuery) Reason(p Suggested, sides []Side) string {
	var where []string
	for i, r := range p.Ranks {
		if r == 0 {
			where = append(where, fmt.Sprintf("not in %s", sides[i].Run.Name))
		} else {
			where = append(where, fmt.Sprintf("%d in %s", r, sides[i].Run.Name))
		}
	}
	return fmt.Sprintf("effect %.2f: rank %s; %d of %d passages have no judgement", p.Effect, strings.Join(where, ", "), q.Unjudged, q.Seen)
}
