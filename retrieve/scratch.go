package retrieve

import (
	"sync"

	"github.com/ragloop/ragloop/internal/text"
)

// scratch is the memory that one search, or one ranking, computes in. It lives from
// call to call: made anew it was some 40 kB of garbage for each search, and every
// collection of garbage delays the searches that it meets. Nothing that is returned
// lies in it.
type scratch struct {
	named []text.DocID // documents of hits
	ranks []uint64     // of hits, and where they are

	admitted       []admitted // by chunk id; what follows is parallel to them, but for best
	dense, lexical []float64
	fused, final   []float64 // fused is dense or lexical
	docs           documents
	best           []float64 // by document
	spots          []spot
	places         []int // of the admitted, in the final order
}

// maxScratch is how many candidates a scratch that is kept has room for: some 200
// kB. A search with the default parameters has at most 200.
const maxScratch = 1000

var idle = sync.Pool{New: func() any { return &scratch{docs: documents{known: map[text.DocID]int32{}}} }}

// newScratch returns one that is the caller's until it is freed.
func newScratch() *scratch { return idle.Get().(*scratch) }

// free gives s back, without what would keep others' memory alive.
func (s *scratch) free() {
	if max(cap(s.named), cap(s.admitted), cap(s.docs.of)) > maxScratch {
		return
	}
	clear(s.named[:cap(s.named)])
	clear(s.admitted[:cap(s.admitted)])
	clear(s.docs.known)
	idle.Put(s)
}

// sized returns a slice of n values in the room of s, whatever they are.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
