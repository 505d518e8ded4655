package tokens

// Merging joins, in the bytes of a piece, the pair of neighbours whose joint
// bytes have the lowest rank, the leftmost of equals, until no pair is a token.

// That takes time quadratic in the length of the piece. long.go finds the same
// tokens in another way, which needs a trie: from middlePiece bytes on it is
// faster, but worth building the trie only from longPiece bytes on.
const (
	middlePiece = 24
	longPiece   = 65
)

// long reports whether a piece of n bytes is left to long.go.
func (v *vocabulary) long(n int) bool {
	return n >= longPiece || n >= middlePiece && v.trie.Load() != nil
}

// scratch is memory for the pieces of one text.
type scratch struct {
	merger merger
	tokens [128]token
	// The last long piece that was counted, and its count: ruled lines come in
	// numbers.
	piece string
	count int
}

// count returns the number of tokens of the piece s[i:j].
func (v *vocabulary) count(m *scratch, s string, i, j int) int {
	switch {
	case v.rank(s, i, j) != none:
		return 1
	case v.long(j - i):
		if piece := s[i:j]; piece != m.piece {
			m.piece, m.count = piece, len(v.encodeLong(m.tokens[:], piece))
		}
		return m.count
	}
	m.merger.merge(v, s, i, j)
	return m.merger.n
}

// appendEnds appends the end of each token of the piece s[i:j].
func (v *vocabulary) appendEnds(m *scratch, ends []int, s string, i, j int) []int {
	switch {
	case v.rank(s, i, j) != none:
		return append(ends, j)
	case v.long(j - i):
		for _, t := range v.encodeLong(m.tokens[:], s[i:j]) {
			ends = append(ends, i+int(t.end))
		}
		return ends
	}
	m.merger.merge(v, s, i, j)
	for k := 0; k < j-i; {
		k = int(m.merger.next[k])
		ends = append(ends, i+k)
	}
	return ends
}

// merger is the state of merging one short piece. A part is named by the offset
// of its first byte in the piece.
type merger struct {
	n          int                 // of parts
	next, prev [maxToken + 1]uint8 // by part
	pairs      [maxToken]uint32    // by part: see pair
}

// pair orders the pairs of a piece by what is merged first. k is the left part
// and rank that of both parts together.
func pair(rank uint32, k int) uint32 {
	if rank == none {
		return none
	}
	return rank<<8 | uint32(k)
}

// merge merges s[i:j], which has at most maxToken bytes, and returns the length
// of the left part of the last pair that it joined; 0 without one.
func (m *merger) merge(v *vocabulary, s string, i, j int) (left int) {
	m.n = j - i
	pairs := m.pairs[:j-i]
	last := len(pairs) - 1
	for k := range last {
		m.next[k], m.prev[k+1] = uint8(k+1), uint8(k)
		pairs[k] = pair(v.double[uint16(s[i+k])|uint16(s[i+k+1])<<8], k)
	}
	m.next[last], pairs[last] = uint8(len(pairs)), none
	for {
		low := none
		for _, p := range pairs {
			low = min(low, p)
		}
		if low == none {
			return left
		}
		k := int(low & 0xFF)
		right := int(m.next[k])
		end := int(m.next[right])
		left = right - k
		m.n--
		m.next[k], m.prev[end] = uint8(end), uint8(k)
		pairs[k], pairs[right] = none, none
		if end < len(pairs) {
			pairs[k] = pair(v.rank(s, i+k, i+int(m.next[end])), k)
		}
		if k > 0 {
			before := int(m.prev[k])
			pairs[before] = pair(v.rank(s, i+before, i+end), before)
		}
	}
}
