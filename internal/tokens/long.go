package tokens

import (
	"math/bits"
	"strings"
	"sync/atomic"
)

// A long piece is not merged pair by pair. Its tokens are found from left to
// right, in time linear in its length, by what is known of the result:
//
// Tokens are what merging makes of a text exactly if each two neighbours among
// them are what merging makes of those two alone. So every prefix of the text
// has one encoding, and a search that goes on with the longest token that is
// compatible with the one before, and goes back where there is none, finds the
// encoding of the whole. A position to which it had to go back is on no
// encoding, and is never tried again.
//
// (Hendrik van Antwerpen and Alexander Neubeck, "So many tokens, so little time",
// GitHub, 2024, describe this search and why it is right.)

// token is a token of a piece.
type token struct {
	end, rank uint32 // rank is none for no token
	guessed   bool   // taken before longer ones were tried
}

// encodeLong returns the tokens of a piece, in the memory of few where they fit.
func (v *vocabulary) encodeLong(few []token, piece string) []token {
	t := v.needTrie()
	tokens := few[:0]
	if len(piece)/3 > cap(few) {
		tokens = make([]token, 0, len(piece)/3)
	}
	var small [16]uint64
	dead := small[:] // bits of positions
	if need := len(piece)/64 + 1; need > len(small) {
		dead = make([]uint64, need)
	}
	// next is the token to try at pos. What was tried there before is, unless
	// next is guessed, all that is longer.
	pos, last, next := 0, none, t.longest(v, piece, 0)
	for {
		for next.rank != none && (dead[next.end/64]>>(next.end%64)&1 == 1 || !v.known(piece, last, pos, next.rank)) {
			next = t.after(v, piece, pos, next)
		}
		switch {
		case next.rank == none: // nothing follows last: another one in its place
			dead[pos/64] |= 1 << (pos % 64)
			n := len(tokens) - 1
			next = tokens[n]
			tokens, pos, last = tokens[:n], pos-v.len(last), none
			if n > 0 {
				last = tokens[n-1].rank
			}
			next = t.after(v, piece, pos, next)
		case int(next.end) == len(piece):
			return append(tokens, next)
		default:
			tokens = append(tokens, next)
			pos, last = int(next.end), next.rank
			// In a run of one character a token mostly follows its like. Ends of
			// the longest tokens may be incompatible in such runs, so that finding
			// this out from the longest one on takes time.
			if same := v.token(last); strings.HasPrefix(piece[pos:], same) {
				next = token{uint32(pos + len(same)), last, true}
			} else {
				next = t.longest(v, piece, pos)
			}
		}
	}
}

// known reports whether the token before j, if any, and the one of rank right at
// j may follow each other in s, looking it up where it was asked lately.
func (v *vocabulary) known(s string, left uint32, j int, right uint32) bool {
	if left == none {
		return true
	}
	// An entry is the ranks+1 and the answer.
	asked := uint64(left+1)<<32 | uint64(right+1)<<1
	e := &v.answers[spread(asked)%uint64(len(v.answers))]
	if got := e.Load(); got&^1 == asked {
		return got&1 == 1
	}
	ok := v.compatible(s, left, j, right)
	if ok {
		asked |= 1
	}
	e.Store(asked)
	return ok
}

// compatible reports whether merging the bytes of the tokens left and right,
// which meet at s[j], gives these two. It undoes the merges of the two from the
// last on, which is the one of the higher rank, and looks whether a pair across
// j would have been merged before.
func (v *vocabulary) compatible(s string, left uint32, j int, right uint32) bool {
	i, k, limit := j-v.len(left), j+v.len(right), none
	for {
		if v.rank(s, i, k) < limit {
			return false
		}
		switch {
		case left < singles && right < singles:
			return true
		case left > right:
			limit = left
			_, left = v.parts(left)
			i = j - v.len(left)
		default:
			limit = right + 1 // of equal ranks, the left pair is merged first
			right, _ = v.parts(right)
			k = j + v.len(right)
		}
	}
}

// parts returns the two tokens that a token of several bytes is merged from.
func (v *vocabulary) parts(rank uint32) (left, right uint32) {
	p := v.halves[rank].Load()
	if p == 0 {
		s := v.token(rank)
		var m merger
		n := m.merge(v, s, 0, len(s))
		p = uint64(v.rank(s, 0, n)+1)<<32 | uint64(v.rank(s, n, len(s)))
		v.halves[rank].Store(p) // others store the same
	}
	return uint32(p>>32) - 1, uint32(p)
}

// trie finds the tokens that a text begins with. A node is a string that a token
// begins with.
type trie struct {
	second []uint32 // node by first byte + second byte<<8; 0: none
	edges  []uint64 // hash table of node<<8+byte, in the upper half, to node; 0: none
	shift  uint
	ranks  []uint32 // by node; none where it isn't a token

	shorter []atomic.Uint32 // by rank: rank+1 of the longest other token that the token begins with; 0: not found yet
}

// needTrie returns the trie of v, which the first call builds.
func (v *vocabulary) needTrie() *trie {
	if t := v.trie.Load(); t != nil {
		return t
	}
	v.buildTrie.Do(func() { v.trie.Store(newTrie(v)) })
	return v.trie.Load()
}

func newTrie(v *vocabulary) *trie {
	log := bits.Len(uint(len(v.text) / 2)) // of the published ones the edges fill 2/5
	t := &trie{
		second:  make([]uint32, 1<<16),
		edges:   make([]uint64, 1<<log),
		shift:   uint(64 - log),
		ranks:   make([]uint32, 1, len(v.text)/3),
		shorter: make([]atomic.Uint32, len(v.halves)),
	}
	t.ranks[0] = none
	add := func() uint32 {
		t.ranks = append(t.ranks, none)
		return uint32(len(t.ranks) - 1)
	}
	for rank := range uint32(len(v.halves)) {
		s := v.token(rank)
		if len(s) == 1 {
			continue
		}
		node := &t.second[uint16(s[0])|uint16(s[1])<<8]
		if *node == 0 {
			*node = add()
		}
		at := *node
		for i := 2; i < len(s); i++ {
			edge := t.edge(at, s[i])
			if *edge == 0 {
				*edge = uint64(at<<8|uint32(s[i]))<<32 | uint64(add())
			}
			at = uint32(*edge)
		}
		t.ranks[at] = rank
	}
	return t
}

// edge returns the place of an edge: its own or an empty one.
func (t *trie) edge(node uint32, b byte) *uint64 {
	k := node<<8 | uint32(b)
	at := uint64(k) * 0x9E3779B97F4A7C15 >> t.shift
	for {
		e := &t.edges[at&uint64(len(t.edges)-1)]
		if *e == 0 || uint32(*e>>32) == k {
			return e
		}
		at++
	}
}

// longest returns the longest token that s[i:] begins with. There is one: bytes
// are tokens.
func (t *trie) longest(v *vocabulary, s string, i int) token {
	found := token{end: uint32(i + 1), rank: v.single[s[i]]}
	if i+2 > len(s) {
		return found
	}
	node := t.second[uint16(s[i])|uint16(s[i+1])<<8]
	for j := i + 2; node != 0; j++ {
		if r := t.ranks[node]; r != none {
			found = token{end: uint32(j), rank: r}
		}
		if j == len(s) {
			break
		}
		node = uint32(*t.edge(node, s[j]))
	}
	return found
}

// after returns what to try at s[i:] after a token: the longest one that it
// begins with, but for itself.
func (t *trie) after(v *vocabulary, s string, i int, of token) token {
	if of.guessed {
		return t.longest(v, s, i)
	}
	if of.rank < singles {
		return token{rank: none}
	}
	r := t.shorter[of.rank].Load()
	if r == 0 {
		r = t.longest(v, s[i:of.end-1], 0).rank + 1
		t.shorter[of.rank].Store(r) // others store the same
	}
	return token{end: uint32(i + v.len(r-1)), rank: r - 1}
}
