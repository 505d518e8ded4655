package tokens

import "slices"

// vocabulary holds the ranks of the byte strings that are tokens. All 256
// single bytes are. Immutable.
type vocabulary struct {
	ranks  map[string]int
	maxLen int // of a token, in bytes
}

func newVocabulary(ranks map[string]int) vocabulary {
	v := vocabulary{ranks: ranks}
	for t := range ranks {
		v.maxLen = max(v.maxLen, len(t))
	}
	return v
}

// none is the rank of what isn't a token: above every rank.
const none = int(^uint(0) >> 1)

func (v vocabulary) rank(s string) int {
	if len(s) <= v.maxLen {
		if r, ok := v.ranks[s]; ok {
			return r
		}
	}
	return none
}

// count returns the number of tokens of a piece.
func (v vocabulary) count(piece string) int {
	if v.rank(piece) != none {
		return 1
	}
	n := 0
	v.merge(piece, func(int) { n++ })
	return n
}

// appendEnds appends the end of each token of piece, plus base.
func (v vocabulary) appendEnds(ends []int, piece string, base int) []int {
	if v.rank(piece) != none {
		return append(ends, base+len(piece))
	}
	v.merge(piece, func(end int) { ends = append(ends, base+end) })
	return ends
}

// merge joins the pair of neighbours with the lowest rank, the leftmost of
// equals, until no pair is a token, and emits the end of each part.
func (v vocabulary) merge(piece string, emit func(end int)) {
	if len(piece) <= shortPiece {
		v.mergeShort(piece, emit)
	} else {
		v.mergeLong(piece, emit)
	}
}

// shortPiece is the length in bytes up to which a linear search for the lowest
// rank beats a heap. Nearly all pieces of real text are shorter.
const shortPiece = 64

// part is a token in the making: its first byte, and the rank of the token
// that it would form with its right neighbour.
type part struct{ start, rank int }

func (v vocabulary) mergeShort(piece string, emit func(end int)) {
	var buf [shortPiece + 1]part
	parts := buf[:len(piece)+1]
	for i := range parts {
		parts[i] = part{i, none}
		if i+2 <= len(piece) {
			parts[i].rank = v.rank(piece[i : i+2])
		}
	}
	// pair is the rank of the token that parts i, i+1 and i+2 would form once i
	// and i+1 (or i+1 and i+2) are one.
	pair := func(i int) int {
		if i+3 >= len(parts) {
			return none
		}
		return v.rank(piece[parts[i].start:parts[i+3].start])
	}
	for {
		low := 0
		for i, p := range parts {
			if p.rank < parts[low].rank {
				low = i
			}
		}
		if parts[low].rank == none {
			break
		}
		parts[low].rank = pair(low)
		if low > 0 {
			parts[low-1].rank = pair(low - 1)
		}
		parts = slices.Delete(parts, low+1, low+2)
	}
	for _, p := range parts[1:] {
		emit(p.start)
	}
}

// mergeLong is the same with a heap of pairs and a linked list of parts:
// O(n log n) where the search above would be quadratic.
func (v vocabulary) mergeLong(piece string, emit func(end int)) {
	n := len(piece)
	// Parts are named by their first byte. next[i] is the start of the part
	// after i, and n after the last; prev the other way. A part that was joined
	// to its left neighbour has next 0.
	next, prev := make([]int32, n+1), make([]int32, n+1)
	ranks := make([]int32, n) // of the pair that starts at i; -1 where it is none
	heap := make(pairHeap, 0, n)
	for i := range n {
		next[i], prev[i+1] = int32(i+1), int32(i)
	}
	update := func(i int32) {
		ranks[i] = -1
		if j := next[i]; int(j) < n {
			if r := v.rank(piece[i:next[j]]); r != none {
				ranks[i] = int32(r)
				heap.push(int32(r), i)
			}
		}
	}
	for i := range n {
		update(int32(i))
	}
	for len(heap) > 0 {
		rank, i := heap.pop()
		if next[i] == 0 || ranks[i] != rank {
			continue // stale: i or its neighbour was joined since
		}
		j := next[i]
		next[i], next[j] = next[j], 0
		prev[next[i]] = i
		update(i)
		if i > 0 {
			update(prev[i])
		}
	}
	for i := int32(0); int(i) < n; i = next[i] {
		emit(int(next[i]))
	}
}

// pairHeap is a binary heap of pairs, each rank<<32 | start: lowest rank
// first, leftmost first.
type pairHeap []uint64

func (h *pairHeap) push(rank, start int32) {
	q := append(*h, uint64(rank)<<32|uint64(start))
	for i := len(q) - 1; i > 0; {
		p := (i - 1) / 2
		if q[p] <= q[i] {
			break
		}
		q[p], q[i] = q[i], q[p]
		i = p
	}
	*h = q
}

func (h *pairHeap) pop() (rank, start int32) {
	q := *h
	top := q[0]
	q[0] = q[len(q)-1]
	q = q[:len(q)-1]
	for i := 0; ; {
		c := 2*i + 1
		if c >= len(q) {
			break
		}
		if c+1 < len(q) && q[c+1] < q[c] {
			c++
		}
		if q[i] <= q[c] {
			break
		}
		q[i], q[c] = q[c], q[i]
		i = c
	}
	*h = q
	return int32(top >> 32), int32(uint32(top))
}
