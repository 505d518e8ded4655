package pack

import (
	"math"
	"strings"

	"github.com/ragloop/ragloop/internal/text"
)

// Relevance tells what sentences have to do with a query.
type Relevance interface {
	// Shares returns, in the shape of sentences, how much of what is asked for each
	// sentence speaks of, 0 to 1. sentences[i] are spans in bytes of the text of
	// chunks[i], nil where nothing is wanted of it. What is returned of a chunk must
	// not depend on the order of chunks. Safe for concurrent use.
	Shares(chunks []Chunk, sentences [][]text.Span) [][]float64
}

// Focusing makes room for more chunks: the budget is filled beyond its end, and
// then what is worth least is taken away again, ends of chunks as well as whole
// ones, sentence by sentence. With chunks of 200 tokens evidence recall rises by 2
// to 3 points at 512 tokens, by up to 1 at 1,024, and hardly beyond (four labelled
// sets, confirmed on queries not used for choosing); half or twice the spare tokens
// and two thirds or four thirds of the weights give about the same.
const (
	// maxFocusTokens is the largest budget that is focused: a larger one has room
	// for all that is likely to matter.
	maxFocusTokens = 1536
	// spareTokens is by how much the budget is exceeded.
	spareTokens = 400
	// minFocusTokens is what is left of a chunk at least.
	minFocusTokens = 32

	// Logarithm of the worth of a token: scoreWeight for each standard deviation of
	// the scores, shareWeight for all that is asked for against nothing of it. A
	// sentence beside one that has it counts for nearWeight of that. The weights are
	// those of a logistic regression of whether a sentence is evidence.
	scoreWeight = 2.0
	shareWeight = 3.0
	nearWeight  = 0.5
)

// focus returns chunks, best first, as they are to compete under o, and which of
// chunks each is: those that stay are cut to the sentences that are worth more
// than what they would displace, the displaced ones follow, whole. Nil where they
// are to compete as they are.
func focus(chunks []Chunk, m meter, o Options) (parts []*Chunk, order []int) {
	if o.Relevance == nil || o.NoTrim || o.Diversity > 0 || o.BudgetTokens > maxFocusTokens {
		return nil, nil
	}
	for i := range chunks {
		if ch := &chunks[i]; ch.Neighbour || ch.parent() {
			return nil, nil // more than what was found is wanted
		}
	}
	cs, tokens := contenders(chunks, m, o)
	if tokens <= o.BudgetTokens {
		return nil, nil // all of them fit
	}
	value(cs, chunks, o.Relevance)
	prune(cs, tokens-o.BudgetTokens)

	parts, order = make([]*Chunk, 0, len(chunks)), make([]int, 0, len(chunks))
	for i, c := range cs {
		if c.kept() {
			parts = append(parts, c.part(&chunks[i], m))
			order = append(order, i)
		}
	}
	for i := range chunks {
		if i >= len(cs) || !cs[i].kept() {
			parts = append(parts, &chunks[i])
			order = append(order, i)
		}
	}
	return parts, order
}

// contender is a chunk that competes for the budget.
type contender struct {
	sentences     []text.Span
	tokens        []int     // of each sentence, estimated
	worth         []float64 // of a token of each
	lo, hi        int       // what is kept of sentences
	left          int       // tokens of that
	total         float64   // worth of all tokens of that
	whole         bool      // is not cut, but may be displaced
	solid         bool      // no segment of it may become two
	header        int       // tokens around its text, were it alone
	before, after *contender
}

func (c *contender) kept() bool { return c.lo < c.hi }

// contenders returns the best of chunks, as many as exceed the budget of o by
// spareTokens, and an estimate of what they cost together. Chunks that don't
// compete have nothing kept. Where chunks overlap there are none.
func contenders(chunks []Chunk, m meter, o Options) ([]*contender, int) {
	var cs []*contender
	total := 0
	segments := map[text.DocID]int{}
	p := &packing{scratch: newScratch(nil), meter: m, frame: frame{o.Template, 1}}
	defer p.release()
	for i := range chunks {
		ch := &chunks[i]
		if total > o.BudgetTokens+spareTokens {
			break
		}
		c := &contender{solid: o.MaxPerSource > 0}
		body := strings.TrimSpace(ch.Text)
		for k := range i {
			other := &chunks[k]
			if other.Doc != ch.Doc || other.Rev != ch.Rev {
				continue
			}
			switch {
			case other.Span.Start < ch.Span.End && ch.Span.Start < other.Span.End:
				return nil, 0
			case !cs[k].kept():
			case follows(other.Span, other.Gap, ch.Span):
				c.before = cs[k]
			case follows(ch.Span, ch.Gap, other.Span):
				c.after = cs[k]
			}
		}
		joined := 0
		for _, other := range []*contender{c.before, c.after} {
			if other != nil {
				joined++
			}
		}
		cs = append(cs, c)
		capped := o.MaxPerSource > 0 && segments[ch.Doc]+1-joined > o.MaxPerSource
		if body == "" || p.taken(body) || capped {
			c.before, c.after = nil, nil
			continue
		}
		p.texts[body] = struct{}{}
		segments[ch.Doc] += 1 - joined
		if c.before != nil {
			c.before.after = c
		}
		if c.after != nil {
			c.after.before = c
		}
		c.measure(ch, p)
		total += c.left + c.header*(1-joined)
	}
	return cs, total
}

// measure splits ch, which c is.
func (c *contender) measure(ch *Chunk, p *packing) {
	c.sentences = text.Sentences(ch.Text)
	c.hi = len(c.sentences)
	c.whole = tabular(ch.Text)
	around := p.around(&segment{names: ch, heading: ch.Heading, pageStart: ch.PageStart, pageEnd: ch.PageEnd})
	c.header = p.meter.count(p.made.join(around.header, around.tail))
	all := p.meter.count(ch.Text)
	c.tokens = make([]int, len(c.sentences))
	for k, s := range c.sentences {
		// Shares of all by length: the tokens of each sentence are not worth counting.
		// Each has one, or the first and the last could not give way.
		c.tokens[k] = max(1, all*s.End/len(ch.Text)-c.left)
		c.left += c.tokens[k]
	}
}

// tabular reports whether a line of s is a row of a table or a fence of code: what
// such a line means, others say.
func tabular(s string) bool {
	for line := range strings.Lines(s) {
		line = strings.TrimLeft(line, " \t")
		if strings.HasPrefix(line, "|") || strings.HasPrefix(line, "```") || strings.HasPrefix(line, "~~~") {
			return true
		}
	}
	return false
}

// value sets the worth of the sentences of cs.
func value(cs []*contender, chunks []Chunk, r Relevance) {
	sentences := make([][]text.Span, len(chunks))
	for i, c := range cs {
		sentences[i] = c.sentences
	}
	shares := r.Shares(chunks, sentences)
	deviation := deviation(chunks)
	score := chunks[0].Score
	for i, c := range cs {
		score = min(score, chunks[i].Score) // the order counts where scores contradict it
		behind := 0.0
		if deviation > 0 {
			behind = (chunks[0].Score - score) / deviation
		}
		c.worth = make([]float64, len(c.sentences))
		for k := range c.worth {
			share := shares[i][k]
			for _, near := range []int{k - 1, k + 1} {
				if near >= 0 && near < len(c.worth) {
					share = max(share, nearWeight*shares[i][near])
				}
			}
			c.worth[k] = coarse(math.Exp(float64(shareWeight*share) - float64(scoreWeight*behind)))
			c.total += c.sum(k)
		}
	}
}

// coarse returns x to 12 bits. Behind them an exponential depends on the kind of
// processor; with them worths times tokens, and their sums in a chunk, are exact, so
// that equals are equal.
func coarse(x float64) float64 {
	const unit = 1 << 12
	fraction, exp := math.Frexp(x)
	return math.Ldexp(math.Round(fraction*unit)/unit, exp)
}

// deviation returns the standard deviation of the scores of chunks, 0 where there
// is none that is a number.
func deviation(chunks []Chunk) float64 {
	n := float64(len(chunks))
	mean, squares := 0.0, 0.0
	for _, ch := range chunks {
		mean += ch.Score / n
	}
	for _, ch := range chunks {
		squares += float64((ch.Score - mean) * (ch.Score - mean))
	}
	if d := math.Sqrt(squares / n); !math.IsInf(d, 0) && !math.IsNaN(d) {
		return d
	}
	return 0
}

// removal is something to take away of a contender.
type removal struct {
	of    *contender
	kind  int // front, back or all
	saved int // tokens
}

const (
	front = iota // its first sentence
	back         // its last
	all
)

// prune takes away of cs what is worth least for each token that it saves, until
// excess tokens are saved or one contender is left.
func prune(cs []*contender, excess int) {
	kept := 0
	for _, c := range cs {
		if c.kept() {
			kept++
		}
	}
	for excess > 0 && kept > 1 {
		var best removal
		least := 0.0
		for _, c := range cs {
			if !c.kept() {
				continue
			}
			c.removals(func(r removal, worth float64) {
				// Of equals the one that ranks last goes.
				if w := worth / float64(r.saved); best.of == nil || w <= least {
					best, least = r, w
				}
			})
		}
		if best.of == nil {
			return
		}
		best.make()
		excess -= best.saved
		if !best.of.kept() {
			kept--
		}
	}
}

// removals calls f with what may be taken away of c, where that saves anything,
// and with what it is worth. What is taken out of a segment leaves two, which need
// two headers, and may be one too many.
func (c *contender) removals(f func(r removal, worth float64)) {
	try := func(kind, saved int, worth float64) {
		if saved > 0 {
			f(removal{c, kind, saved}, worth)
		}
	}
	header := func(other *contender) int { // that a gap beside other needs
		if other != nil {
			return c.header
		}
		return 0
	}
	if !c.solid || c.before == nil || c.after == nil {
		try(all, c.left+c.header-header(c.before)-header(c.after), c.total)
	}
	if c.whole || c.hi-c.lo < 2 {
		return
	}
	end := func(kind, k int, other *contender) {
		if n := c.tokens[k]; c.left-n >= minFocusTokens && !(c.solid && other != nil) {
			try(kind, n-header(other), c.sum(k))
		}
	}
	end(front, c.lo, c.before)
	end(back, c.hi-1, c.after)
}

// sum returns the worth of all tokens of sentence k.
func (c *contender) sum(k int) float64 { return float64(c.worth[k] * float64(c.tokens[k])) }

// make takes it away.
func (r removal) make() {
	c := r.of
	if r.kind != back && c.before != nil {
		c.before.after, c.before = nil, nil
	}
	if r.kind != front && c.after != nil {
		c.after.before, c.after = nil, nil
	}
	switch r.kind {
	case front:
		c.left, c.total = c.left-c.tokens[c.lo], c.total-c.sum(c.lo)
		c.lo++
	case back:
		c.hi--
		c.left, c.total = c.left-c.tokens[c.hi], c.total-c.sum(c.hi)
	case all:
		c.lo, c.left, c.total = c.hi, 0, 0
	}
}

// part returns what is kept of ch, which c is: minTrimTokens at least where it has
// as many, whatever was estimated.
func (c *contender) part(ch *Chunk, m meter) *Chunk {
	lo, hi := c.lo, c.hi
	for {
		if lo == 0 && hi == len(c.sentences) {
			return ch
		}
		part := ch.part(text.Span{Start: c.sentences[lo].Start, End: c.sentences[hi-1].End})
		if m.count(part.Text) >= minTrimTokens {
			return &part
		}
		lo, hi = max(lo-1, 0), min(hi+1, len(c.sentences))
	}
}
