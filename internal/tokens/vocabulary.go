package tokens

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/bits"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/pkoukk/tiktoken-go-loader/assets"
)

// vocabulary holds the ranks of the byte strings that are tokens: an
// open-addressing hash table, whose keys are the tokens of up to seven bytes
// themselves, so that nearly every look-up reads one cache line.
//
// Only the order of ranks matters, so they are numbered from 0 without holes, which
// p50k_base has. The 256 single bytes come first. Merging the bytes of a
// token gives that token again, and a token's rank is above those of the two
// that it is merged from: long.go relies on both. (Tests check it.)
type vocabulary struct {
	slots  []slot
	shift  uint     // a hash's slot is hash >> shift
	text   string   // the tokens, end to end, by rank
	ends   []uint32 // of tokens in text, by rank+1
	maxLen int      // of a token, in bytes

	single [256]uint32     // rank by byte
	double [1 << 16]uint32 // rank by first byte + second byte<<8; none

	// What long pieces need is made when there is one.
	trie      atomic.Pointer[trie] // nil: not needed yet
	buildTrie sync.Once
	halves    []atomic.Uint64 // by rank: what parts returns, the first + 1 in the upper half; 0: not found yet
	answers   []atomic.Uint64 // of known, at the place of the question's hash; 0: none yet
}

// slot is one token, or empty where key is 0.
type slot struct {
	key  uint64
	off  uint32 // of the token in vocabulary.text
	rank uint32
}

// none is the rank of what isn't a token: above every rank.
const none = ^uint32(0)

const (
	singles  = 256 // ranks below are those of the single bytes
	maxToken = 128 // longest token
)

// keyBytes is the length up to which a token is its own key: the bytes, and the
// length in the top byte. The key of a longer one is its length and 56 bits of a
// hash.
const keyBytes = 7

func loadVocabulary(name string) (*vocabulary, error) {
	file, err := assets.Assets.ReadFile(name + ".tiktoken")
	if err != nil {
		return nil, fmt.Errorf("load tokenizer encoding %s: %w", name, err)
	}
	v, err := parseVocabulary(file)
	if err != nil {
		return nil, fmt.Errorf("load tokenizer encoding %s: %w", name, err)
	}
	return v, nil
}

// parseVocabulary reads the published form of a vocabulary: a line per token
// with its bytes in base64, a space and its rank, by rank.
func parseVocabulary(file []byte) (*vocabulary, error) {
	n := bytes.Count(file, []byte{'\n'})
	v := &vocabulary{ends: make([]uint32, 1, n+1)}
	text := make([]byte, 0, len(file)/2)
	last := -1
	for rank := 0; len(file) > 0; rank++ {
		var line []byte
		line, file, _ = bytes.Cut(file, []byte{'\n'})
		token, number, _ := bytes.Cut(line, []byte{' '})
		var err error
		if text, err = base64.StdEncoding.AppendDecode(text, token); err != nil {
			return nil, fmt.Errorf("line %d: %w", rank+1, err)
		}
		published, err := strconv.Atoi(string(number))
		if err != nil || published <= last {
			return nil, fmt.Errorf("line %d has the rank %q, want a number above %d", rank+1, number, last)
		}
		last = published
		length := len(text) - int(v.ends[rank])
		if length == 0 || length > maxToken || (length == 1) != (rank < singles) {
			return nil, fmt.Errorf("line %d has a token of %d bytes, want 1 up to rank %d and 2 to %d above", rank+1, length, singles-1, maxToken)
		}
		v.maxLen = max(v.maxLen, length)
		v.ends = append(v.ends, uint32(len(text)))
	}
	v.text = string(text)
	v.index()
	return v, nil
}

// index fills the tables.
func (v *vocabulary) index() {
	size := len(v.ends) - 1
	// At most half full, for look-ups of what isn't there.
	log := bits.Len(uint(2 * size))
	v.slots, v.shift = make([]slot, 1<<log), uint(64-log)
	for i := range v.double {
		v.double[i] = none
	}
	for rank := range uint32(size) {
		token := v.token(rank)
		switch len(token) {
		case 1:
			v.single[token[0]] = rank
		case 2:
			v.double[uint16(token[0])|uint16(token[1])<<8] = rank
		}
		k := key(v.text, int(v.ends[rank]), int(v.ends[rank+1]))
		at := spread(k) >> v.shift
		for v.slots[at].key != 0 {
			at = (at + 1) & uint64(len(v.slots)-1)
		}
		v.slots[at] = slot{k, v.ends[rank], rank}
	}
	v.halves = make([]atomic.Uint64, size)
	v.answers = make([]atomic.Uint64, 1<<15)
}

// token returns the bytes of a token.
func (v *vocabulary) token(rank uint32) string { return v.text[v.ends[rank]:v.ends[rank+1]] }

// len returns their number.
func (v *vocabulary) len(rank uint32) int { return int(v.ends[rank+1] - v.ends[rank]) }

// rank returns the rank of s[i:j], which isn't empty.
func (v *vocabulary) rank(s string, i, j int) uint32 {
	if j-i > v.maxLen {
		return none
	}
	k := key(s, i, j)
	at := spread(k) >> v.shift
	for {
		t := &v.slots[at&uint64(len(v.slots)-1)]
		switch {
		case t.key == 0:
			return none
		case t.key == k && (j-i <= keyBytes || v.text[t.off:int(t.off)+j-i] == s[i:j]):
			return t.rank
		}
		at++
	}
}

// key returns the key of s[i:j], which is never 0.
func key(s string, i, j int) uint64 {
	n := j - i
	if n <= keyBytes {
		if i+8 <= len(s) {
			return word(s, i)&(1<<(8*n)-1) | uint64(n)<<56
		}
		var k uint64
		for ; j > i; j-- {
			k = k<<8 | uint64(s[j-1])
		}
		return k | uint64(n)<<56
	}
	h := uint64(n)
	for ; i+8 < j; i += 8 {
		h = spread(h ^ word(s, i))
	}
	h = spread(h ^ word(s, j-8)) // the last eight bytes, some of them again
	return h>>8 | uint64(n)<<56
}

// word returns the eight bytes of s at i.
func word(s string, i int) uint64 {
	b := s[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// spread mixes the bits of x: both halves of a product.
func spread(x uint64) uint64 {
	hi, lo := bits.Mul64(x^0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93)
	return hi ^ lo
}
