package index

import (
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
)

// sample picks n ids: those with the smallest hash, so that it depends on the ids
// and the seed alone, and not on their order. n < 0: all.
type sample struct {
	n      int
	seed   [8]byte
	picked map[string]bool
	heap   hashHeap // of picked, the largest first
}

func newSample(n int, seed uint64) *sample {
	s := &sample{n: n, picked: map[string]bool{}}
	binary.LittleEndian.PutUint64(s.seed[:], seed)
	return s
}

func (s *sample) offer(id string) {
	if s.n <= 0 {
		return
	}
	sum := sha256.Sum256(append(s.seed[:], id...))
	h := hashed{hash: binary.BigEndian.Uint64(sum[:8]), id: id}
	if len(s.heap) == s.n {
		if !h.less(s.heap[0]) {
			return
		}
		delete(s.picked, s.heap[0].id)
		heap.Pop(&s.heap)
	}
	heap.Push(&s.heap, h)
	s.picked[id] = true
}

func (s *sample) has(id string) bool { return s.n < 0 || s.picked[id] }

type hashed struct {
	hash uint64
	id   string
}

func (h hashed) less(o hashed) bool { return h.hash < o.hash || h.hash == o.hash && h.id < o.id }

// hashHeap is a heap.Interface with the largest on top.
type hashHeap []hashed

func (h hashHeap) Len() int           { return len(h) }
func (h hashHeap) Less(i, j int) bool { return h[j].less(h[i]) }
func (h hashHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *hashHeap) Push(x any)        { *h = append(*h, x.(hashed)) }
func (h *hashHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
