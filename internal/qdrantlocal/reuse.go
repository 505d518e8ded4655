package qdrantlocal

import (
	"slices"
	"sync"

	"github.com/qdrant/go-client/qdrant"
)

// Release takes back the points of a QueryBatch by a connection with [Store.Direct],
// for answers to come: they are most of what a search allocates. results are as the
// call returned them, in any order; the caller neither reads nor keeps them, their
// points, or the lists of these afterwards, and releases them once. What the points
// referred to, ids, payloads and vectors, stays as it is. Nobody has to release
// anything. Safe for concurrent use.
func Release(results []*qdrant.BatchResult) {
	for _, r := range results {
		spareScored.give(r.GetResult())
	}
}

// ReleasePoints is [Release] for the points of a Get.
func ReleasePoints(points []*qdrant.RetrievedPoint) { spareRetrieved.give(points) }

var (
	spareScored    spare[qdrant.ScoredPoint, *qdrant.ScoredPoint]
	spareRetrieved spare[qdrant.RetrievedPoint, *qdrant.RetrievedPoint]
)

// maxSpareList is the number of points of the longest list that is kept.
const maxSpareList = 4096

// spare keeps lists of blank messages, so that the collector has less to do.
type spare[T any, P interface {
	*T
	Reset()
}] struct {
	lists   sync.Pool // of *[]P
	headers sync.Pool // of *[]P that are nil: what a list was kept in
}

// take returns n blank messages.
func (s *spare[T, P]) take(n int) []P {
	if n == 0 {
		return nil
	}
	var list []P
	if kept, _ := s.lists.Get().(*[]P); kept != nil {
		list, *kept = *kept, nil
		s.headers.Put(kept)
	}
	if have := len(list); have < n {
		list = slices.Grow(list, n-have)[:n]
		fresh := make([]T, n-have)
		for i := range fresh {
			list[have+i] = &fresh[i]
		}
	}
	return list[:n]
}

// give keeps a list of messages that nobody uses any more.
func (s *spare[T, P]) give(list []P) {
	list = list[:cap(list)] // take gives out a part of what there is
	if len(list) == 0 || len(list) > maxSpareList {
		return
	}
	for i, p := range list {
		if p == nil { // not from here
			list = list[:i]
			break
		}
		p.Reset()
	}
	kept, _ := s.headers.Get().(*[]P)
	if kept == nil {
		kept = new([]P)
	}
	*kept = list
	s.lists.Put(kept)
}
