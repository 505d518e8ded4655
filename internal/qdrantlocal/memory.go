package qdrantlocal

import "sync"

// memory is what a query needs while it runs: sets, hits, lists of slots. Nothing
// of it is in an answer, so that all of it serves the next query, and the collector
// has less to do. What it gave out is in use until reset or, sets of a filter, until
// rewind. A nil *memory allocates what it is asked for.
type memory struct {
	words []uint64 // of sets
	hits  []hit
	slots []slot
}

var memories sync.Pool // of *memory

func takeMemory() *memory {
	m, _ := memories.Get().(*memory)
	if m == nil {
		m = &memory{}
	}
	return m
}

// maxMemory is the size in bytes, roughly, of what each part of a memory is kept to.
const maxMemory = 256 << 10

// giveBack ends the use of m.
func (m *memory) giveBack() {
	m.reset()
	if 8*cap(m.words) <= maxMemory && 24*cap(m.hits) <= maxMemory && 4*cap(m.slots) <= maxMemory {
		memories.Put(m)
	}
}

// reset ends the use of everything that m gave out.
func (m *memory) reset() {
	clear(m.hits) // which have pointers
	m.words, m.hits, m.slots = m.words[:0], m.hits[:0], m.slots[:0]
}

// mark is a point in the use of a memory.
type mark struct{ length, room int } // of words

func (m *memory) mark() mark {
	if m == nil {
		return mark{}
	}
	return mark{len(m.words), cap(m.words)}
}

// rewind ends the use of the sets that m gave out since to. Without it a filter of
// hundreds of conditions would hold sets for each until its query ends.
func (m *memory) rewind(to mark) {
	switch {
	case m == nil:
	case cap(m.words) == to.room:
		m.words = m.words[:to.length]
	default: // a larger slab, all of which was given out since
		m.words = m.words[:0]
	}
}

// carve returns n elements of a slab, of any value.
func carve[T any](slab *[]T, n int) []T {
	if cap(*slab)-len(*slab) < n { // what was given out stays where it is
		*slab = make([]T, 0, max(n, 2*cap(*slab)))
	}
	from := len(*slab)
	*slab = (*slab)[:from+n]
	return (*slab)[from : from+n : from+n]
}

// empty returns an empty set with room for words.
func (m *memory) empty(words int) bitset {
	if m == nil {
		return make(bitset, words)
	}
	b := carve(&m.words, words)
	clear(b)
	return b
}

func (m *memory) clone(b bitset) bitset {
	if m == nil {
		return b.clone()
	}
	c := carve(&m.words, len(b))
	copy(c, b)
	return c
}

// noHits returns an empty list with room for n.
func (m *memory) noHits(n int) []hit {
	if m == nil {
		return make([]hit, 0, n)
	}
	return carve(&m.hits, n)[:0]
}

// noSlots returns an empty list with room for n.
func (m *memory) noSlots(n int) []slot {
	if m == nil {
		return make([]slot, 0, n)
	}
	return carve(&m.slots, n)[:0]
}
