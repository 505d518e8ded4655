package qdrantlocal

import (
	"slices"

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

// add takes h in if it is among the best so far.
func (r *ranker) add(h hit) {
	if len(r.hits) < r.limit {
		r.hits = append(r.hits, h)
		if len(r.hits) == r.limit {
			for i := len(r.hits)/2 - 1; i >= 0; i-- {
				r.sink(i)
			}
		}
		return
	}
	if r.limit > 0 && r.better(h, r.hits[0]) {
		r.hits[0] = h
		r.sink(0)
	}
}

// hopeless reports whether add would leave out every point with that score: most
// of a scan, for which nothing else has to be looked up then.
func (r *ranker) hopeless(score float32) bool {
	switch {
	case r.limit == 0:
		return true
	case len(r.hits) < r.limit:
		return false
	case r.smaller:
		return score > r.hits[0].score
	}
	return score < r.hits[0].score
}

// sink moves hit i of the heap down to its place.
func (r *ranker) sink(i int) {
	for {
		worst := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(r.hits); child++ {
			if r.better(r.hits[worst], r.hits[child]) {
				worst = child
			}
		}
		if worst == i {
			return
		}
		r.hits[i], r.hits[worst] = r.hits[worst], r.hits[i]
		i = worst
	}
}

// sorted returns the hits, best first. The ranker must not be used afterwards.
func (r *ranker) sorted() []hit {
	slices.SortFunc(r.hits, func(a, b hit) int {
		switch {
		case r.better(a, b):
			return -1
		case r.better(b, a):
			return 1
		}
		return 0
	})
	return r.hits
}
