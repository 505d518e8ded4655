package retrieve

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// asked is what a query asks for, term by term; a [pack.Relevance]. It never
// changes.
type asked struct {
	analyzer *lexical.Analyzer
	ids      []uint32  // of the terms, ascending
	weights  []float64 // above 0
}

// maxAskedTerms is how many terms texts are looked through for: the bits of a set.
const maxAskedTerms = 64

// newAsked returns what terms ask for, ids being distinct, without those of weight
// 0; of many the heaviest, of equals the least. Nil where nothing is left.
func newAsked(a *lexical.Analyzer, ids []uint32, weight func(id uint32) float64) *asked {
	var kept []uint32
	for _, id := range ids {
		if weight(id) > 0 {
			kept = append(kept, id)
		}
	}
	if len(kept) > maxAskedTerms {
		slices.SortFunc(kept, func(x, y uint32) int { return cmp.Or(cmp.Compare(weight(y), weight(x)), cmp.Compare(x, y)) })
		kept = kept[:maxAskedTerms]
	}
	if len(kept) == 0 {
		return nil
	}
	slices.Sort(kept)
	out := &asked{analyzer: a, ids: kept, weights: make([]float64, len(kept))}
	for i, id := range kept {
		out.weights[i] = weight(id)
	}
	return out
}

// relevance returns a for the packer, nil for nil.
func (a *asked) relevance() pack.Relevance {
	if a == nil {
		return nil
	}
	return a
}

// Shares returns which share of the query each sentence has, by the weight of its
// terms. Those that title, headings or id of the document have count nothing: what
// they say, they say of every sentence alike.
func (a *asked) Shares(chunks []pack.Chunk, sentences [][]text.Span) [][]float64 {
	out := make([][]float64, len(chunks))
	for i, ch := range chunks {
		if sentences[i] == nil {
			continue
		}
		out[i] = make([]float64, len(sentences[i]))
		said := a.in(about(ch))
		all := a.lacking(said)
		if all == 0 {
			continue
		}
		for k, s := range sentences[i] {
			out[i][k] = 1 - a.lacking(said|a.in(ch.Text[s.Start:s.End]))/all
		}
	}
	return out
}

// squared returns what asks for the same terms with the squares of their weights.
func (a *asked) squared() *asked {
	out := *a
	out.weights = make([]float64, len(a.weights))
	for i, w := range a.weights {
		out.weights[i] = w * w
	}
	return &out
}

// set is some of the terms that are asked for, a bit for each.
type set uint64

// in returns those that s has.
func (a *asked) in(s string) set { return set(a.analyzer.Has(s, a.ids)) }

// among returns those that are in ids, which are ascending.
func (a *asked) among(ids []uint32) set {
	var s set
	i := 0
	for _, id := range ids {
		for i < len(a.ids) && a.ids[i] < id {
			i++
		}
		if i < len(a.ids) && a.ids[i] == id {
			s |= 1 << i
		}
	}
	return s
}

// lacking returns the weight of the terms that are not in s.
func (a *asked) lacking(s set) float64 {
	sum := 0.0
	for i, w := range a.weights {
		if s&(1<<i) == 0 {
			sum += w
		}
	}
	return sum
}

// about returns what is said of a chunk beside its text.
func about(ch pack.Chunk) string {
	id := strings.ReplaceAll(string(ch.Doc), "_", " ") // which no word of a file's name ends at
	return strings.Join(slices.Concat([]string{ch.Title, id}, ch.Heading), "\n")
}
