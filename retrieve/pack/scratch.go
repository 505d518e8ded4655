package pack

import (
	"slices"
	"strings"
	"sync"

	"github.com/ragloop/ragloop/internal/text"
)

// scratch is memory that packing needs and no context keeps. It is used again:
// contexts are made hundreds of times a second, and most of what the garbage collector
// is called for would be what each of them threw away.
type scratch struct {
	// By place in packing.whole.
	sources []int          // the number of its document and revision
	dropped []Reason       // "": it is in the context
	in      []*segment     // the segment that was made to take it in
	alone   []surroundings // of a segment of it alone; zero: not known yet

	slab     []segment  // those that were in the context, also those that others absorbed
	segments []*segment // those that are, by source, those of one by start; none touching another
	tried    *growth    // the last
	fitting  *growth    // the best of a trim

	chunks  []*Chunk            // packing.chunks, where that is all of whole
	numbers map[source]int      // of sources
	perDoc  map[text.DocID]int  // number of segments, kept only under a cap
	texts   map[string]struct{} // of the chunks taken, before they were focused
	labels  []int               // labels[n] is the cost of the first n labels
	parts   []text.Span         // what trim chooses from
	sorted  []*segment          // by the order of the context
	best    []int               // by source, see ordered
	places  []text.Span         // of texts in a context
	made    blocks
}

// source is a document in one revision: spans of it can be compared.
type source struct {
	doc text.DocID
	rev string
}

// maxKept is for how many chunks, or sentences of one chunk, a scratch may have been
// used that is used again: 100 KB.
const maxKept = 256

var scratches = sync.Pool{New: func() any {
	return &scratch{
		tried: &growth{}, fitting: &growth{},
		numbers: map[source]int{}, perDoc: map[text.DocID]int{}, texts: map[string]struct{}{}, labels: []int{0},
	}
}}

// newScratch returns one for chunks, which are numbered by source.
func newScratch(chunks []Chunk) *scratch {
	s := scratches.Get().(*scratch)
	n := len(chunks)
	s.sources = slices.Grow(s.sources, n)
	for i := range chunks {
		key := source{chunks[i].Doc, chunks[i].Rev}
		number, ok := s.numbers[key]
		if !ok {
			number = len(s.numbers)
			s.numbers[key] = number
		}
		s.sources = append(s.sources, number)
	}
	s.dropped, s.in, s.alone = slices.Grow(s.dropped, n)[:n], slices.Grow(s.in, n)[:n], slices.Grow(s.alone, n)[:n]
	s.slab = slices.Grow(s.slab, n) // a chunk is taken once: pointers into it stay good
	s.segments, s.sorted = slices.Grow(s.segments, n), slices.Grow(s.sorted, n)
	return s
}

// forget makes s what it was when it was new, but for its sources and labels.
func (s *scratch) forget() {
	clear(s.dropped)
	clear(s.in)
	clear(s.alone)
	clear(s.slab)
	s.slab, s.segments = s.slab[:0], s.segments[:0]
	*s.tried, *s.fitting = growth{absorbed: s.tried.absorbed[:0]}, growth{absorbed: s.fitting.absorbed[:0]}
	clear(s.perDoc)
	clear(s.texts)
}

// release gives s back, without anything of the chunks.
func (s *scratch) release() {
	if len(s.sources) > maxKept || cap(s.parts) > maxKept {
		return
	}
	s.forget()
	s.sources, s.dropped, s.in, s.alone, s.labels = s.sources[:0], s.dropped[:0], s.in[:0], s.alone[:0], s.labels[:1]
	clear(s.chunks)
	s.chunks = s.chunks[:0]
	clear(s.numbers)
	scratches.Put(s)
}

// blocks is memory for short strings, which are written one behind the other. What is
// written stays as it is, also when the blocks are used again.
type blocks struct{ block strings.Builder }

const blockBytes = 4096

// open returns a builder with room for n bytes, and where in it what is written next
// begins.
func (b *blocks) open(n int) (to *strings.Builder, at int) {
	if n > blockBytes/4 {
		to = new(strings.Builder)
		to.Grow(n)
		return to, 0
	}
	if b.block.Cap()-b.block.Len() < n {
		b.block = strings.Builder{}
		b.block.Grow(blockBytes)
	}
	return &b.block, b.block.Len()
}

// join returns parts as one string.
func (b *blocks) join(parts ...string) string {
	n := 0
	for _, s := range parts {
		n += len(s)
	}
	to, at := b.open(n)
	for _, s := range parts {
		to.WriteString(s)
	}
	return to.String()[at:]
}
