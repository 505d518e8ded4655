package pack

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/ragloop/ragloop/internal/text"
)

// packing makes a context of chunks, in one pass over them or more.
type packing struct {
	*scratch
	whole   []Chunk  // by rank
	chunks  []*Chunk // in the order in which they compete: of whole, or parts of those
	order   []int    // where in whole each of chunks is; nil: in the same place
	options Options
	meter   meter

	// Of one pass.
	limit   int // of the estimated cost; at most options.BudgetTokens
	frame   frame
	cost    int   // of all segments, without labels
	drops   int   // number of chunks that were dropped
	turns   []int // of whole, in the order in which they were placed
	trimmed int   // of whole: the one that was trimmed; -1: none yet
	need    int   // smallest context that did not fit as the first; 0: none tried
}

// newPacking returns a packing of chunks as they are to compete; nil: as whole has
// them. Each pass is to begin with begin, and the last to end with release.
func newPacking(chunks []*Chunk, order []int, whole []Chunk, m meter, o Options) *packing {
	p := &packing{scratch: newScratch(whole), whole: whole, chunks: chunks, order: order, options: o, meter: m}
	if chunks == nil {
		for i := range whole {
			p.scratch.chunks = append(p.scratch.chunks, &whole[i])
		}
		p.chunks = p.scratch.chunks
	}
	return p
}

// begin begins a pass, without anything of the one before.
func (p *packing) begin(limit int, f frame) {
	p.forget()
	p.limit, p.frame = limit, f
	p.cost, p.drops, p.turns, p.trimmed, p.need = 0, 0, nil, -1, 0
}

// at returns where in whole chunks[k] is.
func (p *packing) at(k int) int {
	if p.order == nil {
		return k
	}
	return p.order[k]
}

// all places every chunk: those that were found in the order in which they
// compete, then their neighbours.
func (p *packing) all() {
	p.turns = p.competing()
	for turn, k := range p.turns {
		p.turns[turn] = p.at(k)
		p.place(p.chunks[k], p.at(k))
	}
	for k, ch := range p.chunks {
		if ch.Neighbour {
			p.expand(ch, p.at(k))
		}
	}
}

// place takes ch, which is part or all of whole[i], into the context or drops it.
func (p *packing) place(ch *Chunk, i int) {
	body := strings.TrimSpace(p.whole[i].Text)
	if p.covered(ch, i) || p.taken(body) {
		p.drop(i, Duplicate)
		return
	}
	g := p.grow(ch, i)
	if p.capped(g) {
		p.drop(i, SourceCap)
		return
	}
	if p.fits(g) {
		p.texts[body] = struct{}{}
		p.take(g, i)
		return
	}
	if p.trimmed < 0 && !p.options.NoTrim {
		if g := p.trim(ch, i); g != nil {
			p.trimmed = i
			p.take(g, i)
			return
		}
	}
	if ch.parent() {
		found := ch.found()
		if p.covered(&found, i) {
			p.drop(i, Duplicate)
			return
		}
		if g := p.grow(&found, i); !p.capped(g) && p.fits(g) {
			p.take(g, i)
			return
		}
	}
	p.drop(i, OverBudget)
}

// expand takes ch, the neighbour i, where it makes a segment longer and fits.
func (p *packing) expand(ch *Chunk, i int) {
	if p.covered(ch, i) {
		p.drop(i, Duplicate)
		return
	}
	switch g := p.grow(ch, i); {
	case len(g.absorbed) == 0:
		p.drop(i, Apart)
	case p.fits(g):
		p.take(g, i)
	default:
		p.drop(i, OverBudget)
	}
}

func (p *packing) drop(i int, r Reason) {
	p.dropped[i] = r
	p.drops++
}

// covered reports whether the span of ch, which is part or all of whole[i], is in
// the context.
func (p *packing) covered(ch *Chunk, i int) bool {
	if ch.Span.Len() == 0 {
		return true
	}
	for _, s := range p.of(p.sources[i]) {
		if s.span.Contains(ch.Span) {
			return true
		}
	}
	return false
}

// taken reports whether a chunk with the text was taken.
func (p *packing) taken(body string) bool {
	_, ok := p.texts[body]
	return ok
}

// of returns the segments of a source, by start.
func (p *packing) of(source int) []*segment {
	from, _ := slices.BinarySearchFunc(p.segments, source, func(s *segment, source int) int { return cmp.Compare(s.source, source) })
	to := from
	for to < len(p.segments) && p.segments[to].source == source {
		to++
	}
	return p.segments[from:to]
}

// growth is a change that would take a chunk in: segment replaces absorbed.
type growth struct {
	segment  segment
	absorbed []*segment // of the same source, by start
}

// grow returns the change that ch makes, which is part or all of whole[i]. It is good
// until the next grow, unless trim keeps it.
func (p *packing) grow(ch *Chunk, i int) *growth {
	g := p.tried
	g.absorbed = g.absorbed[:0]
	for _, s := range p.of(p.sources[i]) {
		if s.touches(ch) {
			g.absorbed = append(g.absorbed, s)
		}
	}
	p.merge(g, ch, i)
	return g
}

// capped reports whether g would give its document too many segments.
func (p *packing) capped(g *growth) bool {
	limit := p.options.MaxPerSource
	return limit > 0 && p.perDoc[g.segment.names.Doc]-len(g.absorbed)+1 > limit
}

// fits sets the costs of g and reports whether the context stays within the budget
// with it. The first segment is counted exactly.
func (p *packing) fits(g *growth) bool {
	n := len(p.segments) - len(g.absorbed) + 1
	if n == 1 {
		p.price(g, noLimit)
		one := append(p.sorted[:0], &g.segment)
		context, texts := p.render(one)
		need := p.total(context, one, texts)
		if need <= p.options.BudgetTokens {
			return true
		}
		if p.need == 0 || need < p.need {
			p.need = need
		}
		return false
	}
	room := p.limit - p.cost - p.labelCost(n)
	for _, s := range g.absorbed {
		room += s.cost
	}
	return p.price(g, room)
}

// noLimit is more than any context costs, and far from overflow.
const noLimit = math.MaxInt / 2

// labelCost returns the cost of the labels 1..n.
func (p *packing) labelCost(n int) int {
	for len(p.labels) <= n {
		last := len(p.labels)
		p.labels = append(p.labels, p.labels[last-1]+p.meter.count(strconv.Itoa(last)))
	}
	return p.labels[n]
}

// take makes the change g, which takes whole[i] in.
func (p *packing) take(g *growth, i int) {
	p.slab = append(p.slab, g.segment)
	s := &p.slab[len(p.slab)-1]
	p.in[i] = s
	p.cost += s.cost
	for _, a := range g.absorbed {
		a.absorbedBy = s
		p.cost -= a.cost
	}
	if len(g.absorbed) > 0 {
		p.segments = slices.DeleteFunc(p.segments, func(s *segment) bool { return s.absorbedBy != nil })
	}
	at, _ := slices.BinarySearchFunc(p.segments, s, func(a, b *segment) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.span.Start, b.span.Start))
	})
	p.segments = slices.Insert(p.segments, at, s)
	if p.options.MaxPerSource > 0 {
		p.perDoc[s.names.Doc] += 1 - len(g.absorbed)
	}
}

// minTrimTokens is the shortest beginning of a chunk worth its header behind
// other segments: a shorter one is hardly more than a heading. Any
// context is better than none, so the first segment is exempt.
const minTrimTokens = 16

// trim cuts ch at sentences, so that it fits: it keeps what was found of it, and
// around that as much as possible. Where not even that fits, it keeps the
// beginning of it. Nil: nothing of it is worth its place.
func (p *packing) trim(ch *Chunk, i int) *growth {
	parts := p.windows(ch)
	var best *growth
	// The first fits parts fit, the first tooMany do not. That a longer text
	// never has fewer tokens is only nearly true, so this may miss a sentence;
	// it never takes one too many.
	fits, tooMany := 0, len(parts)
	for fits+1 < tooMany {
		n := (fits + tooMany) / 2
		part := ch.part(parts[n-1])
		if p.covered(&part, i) {
			fits = n // adds nothing: too short, not too long
			continue
		}
		if g := p.grow(&part, i); !p.capped(g) && p.fits(g) {
			fits, best = n, g
			p.tried, p.fitting = p.fitting, p.tried
		} else {
			tooMany = n
		}
	}
	if best == nil || len(p.segments) > 0 && len(best.absorbed) == 0 && p.meter.count(best.segment.text) < minTrimTokens {
		return nil
	}
	return best
}

// windows returns the parts of ch that trimming chooses from, each inside the
// next one, in bytes of ch.Text: the sentences of what was found of it, one
// after the other, then with one more sentence behind and in front in turn. They are
// good until the next ones.
func (p *packing) windows(ch *Chunk) []text.Span {
	sentences := text.Sentences(ch.Text)
	found := text.Span{End: len(ch.Text)}
	if ch.parent() {
		found = ch.bytes(ch.found().Span)
	}
	first, _ := slices.BinarySearchFunc(sentences, found.Start, func(s text.Span, at int) int { return cmp.Compare(s.End, at+1) })
	out := p.parts[:0]
	lo, hi := first, first
	for ; hi < len(sentences) && (hi == first || sentences[hi].Start < found.End); hi++ {
		out = append(out, text.Span{Start: sentences[lo].Start, End: sentences[hi].End})
	}
	for behind := true; lo > 0 || hi < len(sentences); behind = !behind {
		if behind && hi < len(sentences) || lo == 0 {
			hi++
		} else {
			lo--
		}
		out = append(out, text.Span{Start: sentences[lo].Start, End: sentences[hi-1].End})
	}
	p.parts = out
	return out
}

// ordered returns the segments in the order of the context, until the next change.
func (p *packing) ordered() []*segment {
	all := append(p.sorted[:0], p.segments...)
	p.sorted = all
	// A chunk is in one segment, so the first chunks differ and so do the best
	// ones of two sources: both orders are total.
	byRank := func(a, b *segment) int { return cmp.Compare(a.first, b.first) }
	switch p.options.Order {
	case ByDocument:
		best := p.best[:0] // by source
		for range p.whole {
			best = append(best, len(p.whole))
		}
		p.best = best
		for _, s := range all {
			best[s.source] = min(best[s.source], s.first)
		}
		slices.SortFunc(all, func(a, b *segment) int {
			return cmp.Or(cmp.Compare(best[a.source], best[b.source]), cmp.Compare(a.span.Start, b.span.Start))
		})
	case ByEnds:
		slices.SortFunc(all, byRank)
		ends := make([]*segment, len(all))
		for i, s := range all {
			if i%2 == 0 {
				ends[i/2] = s
			} else {
				ends[len(all)-1-i/2] = s
			}
		}
		return ends
	default:
		slices.SortFunc(all, byRank)
	}
	return all
}

// imitated reports whether a line of the context that is not a header looks
// like one.
func (p *packing) imitated() bool {
	if p.frame.template != nil {
		return false // see Edit
	}
	for _, s := range p.segments {
		if leadingBrackets(s.text)[p.frame.brackets] {
			return true
		}
	}
	return false
}

// result writes the context and counts it exactly.
func (p *packing) result() Context {
	all := p.ordered()
	context, texts := p.render(all)
	out := Context{Text: context, Tokens: p.total(context, all, texts), Turns: p.turns}
	if len(all) > 0 {
		out.Segments = make([]Segment, len(all))
	}
	members := make([]int, len(p.whole)-p.drops)
	at, begin := 0, 0 // byte and code point up to which the context was read
	for n, s := range all {
		s.place = n
		where := texts[n]
		begin += runes(context[at:where.Start])
		at = where.Start
		body := s.text
		if len(s.edits) == 0 {
			body = context[where.Start:where.End]
		}
		out.Segments[n] = Segment{
			Label: strconv.Itoa(n + 1),
			Doc:   s.names.Doc, Rev: s.names.Rev, URI: s.names.URI, Title: s.names.Title,
			Heading: s.heading, PageStart: s.pageStart, PageEnd: s.pageEnd,
			Span: s.span, Text: body, Tokens: p.textTokens(s),
			Score: s.score, Chunks: members[:0:s.chunks], Edits: s.edits,
			Context: text.RuneSpan{Start: begin, End: begin + runes(context[where.Start:where.End])},
		}
		members = members[s.chunks:]
	}
	if p.drops > 0 {
		out.Dropped = make([]Drop, 0, p.drops)
	}
	for i, reason := range p.dropped {
		if reason != "" {
			out.Dropped = append(out.Dropped, Drop{i, reason})
			continue
		}
		s := p.in[i].inContext()
		segment := &out.Segments[s.place]
		segment.Chunks = append(segment.Chunks, i)
		if !s.span.Contains(p.whole[i].Span) {
			segment.Trimmed = true
			out.Cuts = p.cuts(out.Cuts, i)
		}
	}
	return out
}

// textTokens returns the tokens of the text of s alone.
func (p *packing) textTokens(s *segment) int {
	if p.meter.exact != nil {
		return s.textCost
	}
	return p.meter.count(s.text)
}

// total returns the tokens of the whole context. Where counts add up, they are
// those of the texts, which are known, of what is between them, and of the seams.
func (p *packing) total(context string, all []*segment, texts []text.Span) int {
	m := p.meter
	if m.exact == nil {
		return m.count(context)
	}
	n, at := 0, 0
	add := func(end, tokens int) {
		n += tokens
		if at > 0 {
			n += m.joint(context[:end], at, at)
		}
		at = end
	}
	for i, s := range all {
		add(texts[i].Start, m.count(context[at:texts[i].Start]))
		if len(s.edits) > 0 {
			add(texts[i].End, m.count(context[at:texts[i].End]))
		} else {
			add(texts[i].End, s.textCost)
		}
	}
	add(len(context), m.count(context[at:]))
	return n
}
