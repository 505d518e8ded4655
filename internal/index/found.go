package index

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
	"sync"

	"github.com/qdrant/go-client/qdrant"
)

// maxLegs is the number of legs that a search has at most.
const maxLegs = 2

// found is what the legs of a search found together.
type found struct {
	results []*qdrant.BatchResult // of the legs, by rank
	hits    []hit                 // one for each point, by id
	all     []Candidate           // parallel to hits; those whose chunk is not known yet have none
}

// hit is a point that a leg found.
type hit struct {
	prefix uint64         // of its id, see prefixOf
	ranks  [maxLegs]int32 // 1-based, in the results of each leg; 0: not there
}

// foundPool keeps the room for hits, which hold no pointers, from search to search,
// so that a search allocates what it sends and what it returns, and no more.
var foundPool = sync.Pool{New: func() any { return new(found) }}

// maxKeptHits is the room of the hits that are kept: no less than the deepest search
// takes.
const maxKeptHits = 2 * maxLegs * MaxLimit

// unite brings the results of the legs together, each of which it orders by score.
// The caller must call done.
func unite(results []*qdrant.BatchResult) *found {
	f := foundPool.Get().(*found)
	f.results = results
	for l, r := range results {
		byScore(r.GetResult())
		for i, p := range r.GetResult() {
			h := hit{prefix: prefixOf(p.GetId().GetUuid())}
			h.ranks[l] = int32(i + 1)
			f.hits = append(f.hits, h)
		}
	}
	slices.SortFunc(f.hits, func(a, b hit) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		return strings.Compare(f.id(a), f.id(b))
	})
	n := 0 // hits[:n] are each of another point
	for _, h := range f.hits {
		if n == 0 || h.prefix != f.hits[n-1].prefix || f.id(h) != f.id(f.hits[n-1]) {
			f.hits[n] = h
			n++
			continue
		}
		for l, rank := range h.ranks {
			f.hits[n-1].ranks[l] = max(f.hits[n-1].ranks[l], rank)
		}
	}
	f.hits = f.hits[:n]
	f.all = make([]Candidate, n)
	return f
}

// done gives f back; what known returned stays valid.
func (f *found) done() {
	if cap(f.hits) > maxKeptHits {
		return
	}
	*f = found{hits: f.hits[:0]}
	foundPool.Put(f)
}

// point returns what leg l, by its position, has at a rank.
func (f *found) point(l int, rank int32) *qdrant.ScoredPoint {
	return f.results[l].GetResult()[rank-1]
}

// id returns the id of a hit.
func (f *found) id(h hit) string { return f.pointID(h).GetUuid() }

func (f *found) pointID(h hit) *qdrant.PointId {
	l := 0
	for h.ranks[l] == 0 {
		l++
	}
	return f.point(l, h.ranks[l]).GetId()
}

// find returns where the point with an id is among the hits.
func (f *found) find(id string) (int, bool) {
	prefix := prefixOf(id)
	return slices.BinarySearchFunc(f.hits, id, func(h hit, id string) int {
		if h.prefix != prefix {
			return cmp.Compare(h.prefix, prefix)
		}
		return strings.Compare(f.id(h), id)
	})
}

// missing returns the ids of the points that leg l did not find, in their order.
func (f *found) missing(l int) []*qdrant.PointId {
	n := 0
	for _, h := range f.hits {
		if h.ranks[l] == 0 {
			n++
		}
	}
	out := make([]*qdrant.PointId, 0, n)
	for _, h := range f.hits {
		if h.ranks[l] == 0 {
			out = append(out, f.pointID(h))
		}
	}
	return out
}

// known returns the candidates whose chunk is known, by id.
func (f *found) known() []Candidate {
	known := slices.DeleteFunc(f.all, func(c Candidate) bool { return c.Chunk == nil })
	if len(known) == 0 {
		return nil
	}
	return known
}

// prefixOf returns the first bytes of an id as a number, ordered as they are. Ids are
// hashes: hardly two of a search begin alike, and to compare the ids themselves is to
// read each from another place in memory.
func prefixOf(id string) uint64 {
	var b [8]byte
	copy(b[:], id)
	return binary.BigEndian.Uint64(b[:])
}

// byScore orders a leg's result by score, equal scores by chunk id: a server
// returns those in any order.
func byScore(points []*qdrant.ScoredPoint) {
	order := func(a, b *qdrant.ScoredPoint) int {
		if c := cmp.Compare(b.GetScore(), a.GetScore()); c != 0 {
			return c
		}
		return strings.Compare(a.GetId().GetUuid(), b.GetId().GetUuid())
	}
	if !slices.IsSortedFunc(points, order) { // as local mode's are
		slices.SortStableFunc(points, order)
	}
}
