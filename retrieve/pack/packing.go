package pack

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/ragloop/ragloop/internal/text"
)

// packing is the state of one pass over the chunks.
type packing struct {
	chunks  []Chunk // in the order in which they compete
	order   []int   // where in whole each of them is
	whole   []Chunk // the same by rank, before they were cut to what matters
	options Options
	limit   int // of the estimated cost; at most options.BudgetTokens
	frame   frame
	meter   meter

	segments map[source][]*segment // each by start, none touching another
	count    int                   // of all segments
	perDoc   map[text.DocID]int    // number of segments
	cost     int                   // of all segments, without labels
	labels   []int                 // labels[n] is the cost of the first n labels
	texts    map[string]bool       // of the chunks taken, before they were focused
	dropped  []Drop
	turns    []int // of whole, in the order in which they were placed
	trimmed  int   // of whole: the one that was trimmed; -1: none yet
	need     int   // smallest context that did not fit as the first; 0: none tried
}

// source is a document in one revision: spans of it can be compared.
type source struct {
	doc text.DocID
	rev string
}

func newPacking(chunks []Chunk, order []int, whole []Chunk, m meter, o Options, limit int, f frame) *packing {
	return &packing{
		chunks: chunks, order: order, whole: whole, options: o, limit: limit, frame: f, meter: m,
		segments: map[source][]*segment{}, perDoc: map[text.DocID]int{},
		labels: []int{0}, texts: map[string]bool{}, trimmed: -1,
	}
}

// all places every chunk: those that were found in the order in which they
// compete, then their neighbours.
func (p *packing) all() {
	p.turns = p.competing()
	for k, i := range p.turns {
		p.turns[k] = p.order[i]
		p.place(p.chunks[i], p.order[i])
	}
	for i, ch := range p.chunks {
		if ch.Neighbour {
			p.expand(ch, p.order[i])
		}
	}
}

// place takes ch, which is part or all of whole[i], into the context or drops it.
func (p *packing) place(ch Chunk, i int) {
	body := strings.TrimSpace(p.whole[i].Text)
	if p.covered(ch) || p.texts[body] {
		p.drop(i, Duplicate)
		return
	}
	g := p.grow(ch, i)
	if p.capped(g) {
		p.drop(i, SourceCap)
		return
	}
	if p.fits(g) {
		p.texts[body] = true
		p.take(g)
		return
	}
	if p.trimmed < 0 && !p.options.NoTrim {
		if g, ok := p.trim(ch, i); ok {
			p.trimmed = i
			p.take(g)
			return
		}
	}
	if found := ch.found(); found.Span != ch.Span {
		if p.covered(found) {
			p.drop(i, Duplicate)
			return
		}
		if g := p.grow(found, i); !p.capped(g) && p.fits(g) {
			p.take(g)
			return
		}
	}
	p.drop(i, OverBudget)
}

// expand takes ch, the neighbour i, where it makes a segment longer and fits.
func (p *packing) expand(ch Chunk, i int) {
	switch g := p.grow(ch, i); {
	case p.covered(ch):
		p.drop(i, Duplicate)
	case len(g.absorbed) == 0:
		p.drop(i, Apart)
	case p.fits(g):
		p.take(g)
	default:
		p.drop(i, OverBudget)
	}
}

func (p *packing) drop(i int, r Reason) { p.dropped = append(p.dropped, Drop{i, r}) }

// covered reports whether the span of ch is in the context.
func (p *packing) covered(ch Chunk) bool {
	if ch.Span.Len() == 0 {
		return true
	}
	for _, s := range p.segments[source{ch.Doc, ch.Rev}] {
		if s.span.Contains(ch.Span) {
			return true
		}
	}
	return false
}

// growth is a change that would take a chunk in: segment replaces absorbed.
type growth struct {
	segment  *segment
	absorbed []*segment // of the same source, by start
}

// grow returns the change that ch makes, which is part or all of whole[i].
func (p *packing) grow(ch Chunk, i int) growth {
	var g growth
	for _, s := range p.segments[source{ch.Doc, ch.Rev}] {
		if s.touches(ch) {
			g.absorbed = append(g.absorbed, s)
		}
	}
	g.segment = p.merge(ch, i, g.absorbed)
	return g
}

// capped reports whether g would give its document too many segments.
func (p *packing) capped(g growth) bool {
	limit := p.options.MaxPerSource
	return limit > 0 && p.perDoc[g.segment.doc]-len(g.absorbed)+1 > limit
}

// fits sets the costs of g and reports whether the context stays within the budget
// with it. The first segment is counted exactly.
func (p *packing) fits(g growth) bool {
	n := p.count - len(g.absorbed) + 1
	if n == 1 {
		p.price(g, noLimit)
		one := []*segment{g.segment}
		context, texts := p.frame.render(one)
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

// take makes the change g.
func (p *packing) take(g growth) {
	key := source{g.segment.doc, g.segment.rev}
	for _, s := range g.absorbed {
		p.cost -= s.cost
	}
	kept := slices.DeleteFunc(p.segments[key], func(s *segment) bool { return slices.Contains(g.absorbed, s) })
	at, _ := slices.BinarySearchFunc(kept, g.segment.span.Start, func(s *segment, start int) int {
		return cmp.Compare(s.span.Start, start)
	})
	p.segments[key] = slices.Insert(kept, at, g.segment)
	p.cost += g.segment.cost
	p.count += 1 - len(g.absorbed)
	p.perDoc[key.doc] += 1 - len(g.absorbed)
}

// minTrimTokens is the shortest beginning of a chunk worth its header behind
// other segments: a shorter one is hardly more than a heading. Any
// context is better than none, so the first segment is exempt.
const minTrimTokens = 16

// trim cuts ch at sentences, so that it fits: it keeps what was found of it, and
// around that as much as possible. Where not even that fits, it keeps the
// beginning of it.
func (p *packing) trim(ch Chunk, i int) (growth, bool) {
	parts := windows(ch)
	var best growth
	var kept string
	// The first fits parts fit, the first tooMany do not. That a longer text
	// never has fewer tokens is only nearly true, so this may miss a sentence;
	// it never takes one too many.
	fits, tooMany := 0, len(parts)
	for fits+1 < tooMany {
		n := (fits + tooMany) / 2
		part := ch.part(parts[n-1])
		if p.covered(part) {
			fits = n // adds nothing: too short, not too long
			continue
		}
		if g := p.grow(part, i); !p.capped(g) && p.fits(g) {
			fits, best, kept = n, g, part.Text
		} else {
			tooMany = n
		}
	}
	if p.count > 0 && len(best.absorbed) == 0 && p.meter.count(kept) < minTrimTokens {
		return growth{}, false
	}
	return best, best.segment != nil
}

// windows returns the parts of ch that trimming chooses from, each inside the
// next one, in bytes of ch.Text: the sentences of what was found of it, one
// after the other, then with one more sentence behind and in front in turn.
func windows(ch Chunk) []text.Span {
	sentences := text.Sentences(ch.Text)
	found := text.Span{End: len(ch.Text)}
	if f := ch.found(); f.Span != ch.Span {
		found = ch.bytes(f.Span)
	}
	first, _ := slices.BinarySearchFunc(sentences, found.Start, func(s text.Span, at int) int { return cmp.Compare(s.End, at+1) })
	var out []text.Span
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
	return out
}

// ordered returns the segments in the order of the context.
func (p *packing) ordered() []*segment {
	var all []*segment
	best := map[source]int{}
	for key, segments := range p.segments {
		for i, s := range segments {
			if i == 0 || s.chunks[0] < best[key] {
				best[key] = s.chunks[0]
			}
		}
		all = append(all, segments...)
	}
	// A chunk is in one segment, so the first chunks differ and so do the best
	// ones of two sources: both orders are total.
	slices.SortFunc(all, func(a, b *segment) int {
		if p.options.Order == ByDocument {
			return cmp.Or(
				cmp.Compare(best[source{a.doc, a.rev}], best[source{b.doc, b.rev}]),
				cmp.Compare(a.span.Start, b.span.Start))
		}
		return cmp.Compare(a.chunks[0], b.chunks[0])
	})
	if p.options.Order == ByEnds {
		ends := make([]*segment, len(all))
		for i, s := range all {
			if i%2 == 0 {
				ends[i/2] = s
			} else {
				ends[len(all)-1-i/2] = s
			}
		}
		return ends
	}
	return all
}

// imitated reports whether a line of the context that is not a header looks
// like one.
func (p *packing) imitated() bool {
	if p.frame.template != nil {
		return false // see Edit
	}
	for _, segments := range p.segments {
		for _, s := range segments {
			if leadingBrackets(s.text)[p.frame.brackets] {
				return true
			}
		}
	}
	return false
}

// result writes the context and counts it exactly.
func (p *packing) result() Context {
	all := p.ordered()
	context, texts := p.frame.render(all)
	out := Context{Text: context, Dropped: p.dropped, Tokens: p.total(context, all, texts), Turns: p.turns}
	at, begin := 0, 0 // byte and code point up to which the context was read
	for n, s := range all {
		trimmed := false
		for _, i := range s.chunks {
			if !s.span.Contains(p.whole[i].Span) {
				trimmed = true
				out.Cuts = p.cuts(out.Cuts, i)
			}
		}
		segment := Segment{
			Label: strconv.Itoa(n + 1),
			Doc:   s.doc, Rev: s.rev, URI: s.uri, Title: s.title,
			Heading: s.heading, PageStart: s.pageStart, PageEnd: s.pageEnd,
			Span: s.span, Text: s.text, Tokens: p.textTokens(s),
			Score: s.score, Chunks: s.chunks, Trimmed: trimmed, Edits: s.edits,
		}
		where := texts[n]
		begin += runes(context[at:where.Start])
		at = where.Start
		segment.Context = text.RuneSpan{Start: begin, End: begin + runes(context[where.Start:where.End])}
		out.Segments = append(out.Segments, segment)
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
		part := context[at:end]
		n += tokens
		if at > 0 {
			n += m.joint(context[:at], "", part)
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
