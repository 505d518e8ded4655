package qdrantlocal

import (
	"container/heap"
	"sort"

	"github.com/qdrant/go-client/qdrant"
)

// hit is a point found by a query.
type hit struct {
	slot    slot
	score   float32
	order   *qdrant.OrderValue // order_by only
	version uint64             // as reported: 0 where the server reports none
}

// ranker keeps the best hits: by score, then by ascending id.
type ranker struct {
	c       *collection
	smaller bool // smaller scores are better
	limit   int
	hits    []hit // a heap, worst first, once there are limit of them
}

// better orders hits. NaN is better than every number, as on the server.
func (r *ranker) better(a, b hit) bool {
	if a.score != b.score {
		if na, nb := a.score != a.score, b.score != b.score; na || nb {
			if na && nb {
				return r.c.points[a.slot].compare(r.c.points[b.slot]) < 0
			}
			return na
		}
		return (a.score > b.score) != r.smaller
	}
	return r.c.points[a.slot].compare(r.c.points[b.slot]) < 0
}

func (r *ranker) Len() int           { return len(r.hits) }
func (r *ranker) Less(i, j int) bool { return r.better(r.hits[j], r.hits[i]) }
func (r *ranker) Swap(i, j int)      { r.hits[i], r.hits[j] = r.hits[j], r.hits[i] }
func (r *ranker) Push(any)           { panic("unreachable: hits are added by add") }
func (r *ranker) Pop() any           { panic("unreachable: hits are never removed") }

func (r *ranker) add(h hit) {
	if len(r.hits) < r.limit {
		r.hits = append(r.hits, h)
		if len(r.hits) == r.limit {
			heap.Init(r)
		}
		return
	}
	if r.limit > 0 && r.better(h, r.hits[0]) {
		r.hits[0] = h
		heap.Fix(r, 0)
	}
}

// sorted returns the hits, best first. The ranker must not be used afterwards.
func (r *ranker) sorted() []hit {
	sort.Slice(r.hits, func(i, j int) bool { return r.better(r.hits[i], r.hits[j]) })
	return r.hits
}
