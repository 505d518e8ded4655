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

// counted is a text that was counted in the tokens of a tokenizer. The two hashes
// have seeds of their own, which nobody knows: that two texts of one length share
// both is out of the question.
type counted struct {
	tokenizer string
	hashes    [2]uint64
	bytes     int
}

// known is what is known of a count.
type known struct {
	tokens  int
	atLeast bool // there may be more
}

const (
	// maxCounts is how many texts are remembered: some 8 MB.
	maxCounts = 1 << 16
	// minCounted is the shortest text, in bytes, that is: a shorter one is counted
	// as soon as it is looked up.
	minCounted = 256
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
		return remembering{a, tokenizer, k}
	}
	return c
}

// remembering is an additive [Counter].
type remembering struct {
	additive
	tokenizer string
	counts    *Counts
}

func (r remembering) Count(s string) int { return r.CountUpTo(s, noLimit) }

func (r remembering) CountUpTo(s string, limit int) int {
	if len(s) < minCounted {
		return r.additive.CountUpTo(s, limit)
	}
	k := r.counts
	key := counted{r.tokenizer, [2]uint64{maphash.String(k.seeds[0], s), maphash.String(k.seeds[1], s)}, len(s)}
	if was, ok := k.kept.Get(key); ok && (!was.atLeast || was.tokens > limit) {
		return was.tokens
	}
	n := r.additive.CountUpTo(s, limit)
	if n > limit {
		k.kept.Put(key, known{limit + 1, true})
	} else {
		k.kept.Put(key, known{n, false})
	}
	return n
}
