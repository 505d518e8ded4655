package pack

import (
	"hash/maphash"

	"github.com/ragloop/ragloop/internal/recent"
)

// Counts remembers how many tokens texts have, from one context to the next: what
// is found often is counted once, which is a third of the time of a Pack. It keeps
// no texts. Safe for concurrent use.
type Counts struct {
	kept  *recent.Map[counted, known]
	seeds [2]maphash.Seed
}

// counted is a text that was counted in the tokens of a tokenizer: two hashes of both
// with seeds of their own, which nobody knows. That two of them share both is out of
// the question.
type counted [2]uint64

// known is what is known of a count.
type known struct {
	tokens  int32
	atLeast bool // there may be more
}

const (
	// maxCounts is how many texts are remembered: some 3 MB, in which the garbage
	// collector has nothing to follow.
	maxCounts = 1 << 16
	// minCounted is the shortest text, in bytes, that is: a shorter one is counted
	// as soon as it is looked up.
	minCounted = 256
	// maxCounted is the longest: its count is an int32.
	maxCounted = 1 << 28
)

// NewCounts returns one that knows nothing yet.
func NewCounts() *Counts {
	return &Counts{recent.New[counted, known](maxCounts), [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

// Of returns a counter that counts as c does and remembers it under the name of
// its tokenizer, which has to be the same for equal counters and no others. A
// counter that does not count exactly is returned as it is: it costs nothing.
func (k *Counts) Of(tokenizer string, c Counter) Counter {
	if a, ok := c.(additive); ok && a.Exact() {
		return remembering{a, k.hash(tokenizer), k}
	}
	return c
}

// hash returns the hashes of s.
func (k *Counts) hash(s string) counted {
	return counted{maphash.String(k.seeds[0], s), maphash.String(k.seeds[1], s)}
}

// remembering is an additive [Counter].
type remembering struct {
	additive
	tokenizer counted // its name
	counts    *Counts
}

func (r remembering) Count(s string) int { return r.CountUpTo(s, noLimit) }

func (r remembering) CountUpTo(s string, limit int) int {
	if len(s) < minCounted || len(s) > maxCounted {
		return r.additive.CountUpTo(s, limit)
	}
	k := r.counts
	key := k.hash(s)
	for i, of := range r.tokenizer {
		key[i] ^= of
	}
	if was, ok := k.kept.Get(key); ok && (!was.atLeast || int(was.tokens) > limit) {
		return int(was.tokens)
	}
	n := r.additive.CountUpTo(s, limit)
	if n > limit {
		k.kept.Put(key, known{int32(max(limit, -1) + 1), true})
	} else {
		k.kept.Put(key, known{int32(n), false})
	}
	return n
}
