package pack

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// meter counts tokens, and what joining texts costs without counting them again
// as a whole.
//
// It relies on seams: a tokenizer of the GPT family first splits text by a rule,
// and there are places at which the rule always splits. Left and right of a seam
// tokens are the same whatever lies on the other side, so tokens add up. A
// counter that knows its seams is an [additive] one: what is summed up is exact
// then. With any other one the meter guesses seams of its own, and Pack relies on
// nothing but the count of the whole context.
type meter struct {
	counter Counter
	digit   int            // count of aDigit
	exact   additive       // the same; nil: not known to add up
	known   map[string]int // of what was counted, where that is not exact: a chunk's text is asked for again as a segment's
}

// additive is a [Counter] that knows where its counts add up, if they do at all;
// implemented by tokens.Counter.
type additive interface {
	// Exact reports whether counts add up at seams.
	Exact() bool
	// FirstSeam returns the first offset i inside s, or len(s), at which
	// Count(a+s) == Count(a+s[:i]) + Count(s[i:]) for every a.
	FirstSeam(s string) int
	// LastSeam returns the last offset i inside s, or 0, at which
	// Count(s+b) == Count(s[:i]) + Count(s[i:]+b) for every b.
	LastSeam(s string) int
	// CountUpTo returns Count(s), or some number above limit where it is above.
	CountUpTo(s string, limit int) int
}

// aDigit stands for a label where that is not known yet.
const aDigit = "0"

func newMeter(c Counter) meter {
	m := meter{counter: c, digit: c.Count(aDigit)}
	if a, ok := c.(additive); ok && a.Exact() {
		m.exact = a
	} else {
		m.known = map[string]int{}
	}
	return m
}

func (m meter) count(s string) int {
	if m.exact != nil {
		return m.counter.Count(s)
	}
	n, ok := m.known[s]
	if !ok {
		n = m.counter.Count(s)
		m.known[s] = n
	}
	return n
}

// countUpTo returns the count of s, or some number above limit where it is above.
func (m meter) countUpTo(s string, limit int) int {
	if m.exact != nil {
		return m.exact.CountUpTo(s, limit)
	}
	return m.count(s)
}

// joint returns count(s) - count(s[:a]) - count(s[b:]): the tokens of what joins the
// two, s[a:b], and of what the joints make more or less of it.
func (m meter) joint(s string, a, b int) int {
	if a == b && m.apart(s, a) {
		return 0
	}
	from, to := m.lastSeam(s[:a]), b+m.firstSeam(s[b:])
	n := m.count(s[from:to])
	if from < a {
		n -= m.count(s[from:a])
	}
	if b < to {
		n -= m.count(s[b:to])
	}
	return n
}

// apart reports whether the counts of s[:at] and s[at:] are known to add up: there is
// a seam between them, or nothing on one side.
func (m meter) apart(s string, at int) bool {
	if at == 0 || at == len(s) {
		return true
	}
	_, width := utf8.DecodeRuneInString(s[at:])
	return m.exact != nil && m.exact.LastSeam(s[:at+width]) == at
}

// lastSeam returns the offset of the last seam inside s, 0 without one.
func (m meter) lastSeam(s string) int {
	if m.exact != nil {
		return m.exact.LastSeam(s)
	}
	return lastLine(s)
}

// firstSeam returns the offset of the first seam inside s, len(s) without one.
func (m meter) firstSeam(s string) int {
	if m.exact != nil {
		return m.exact.FirstSeam(s)
	}
	return firstLine(s)
}

// lastLine returns the last offset inside s at which a line begins a piece, 0
// without one: nearly every tokenizer has a seam there.
func lastLine(s string) int {
	for end := len(s); ; {
		at := strings.LastIndexByte(s[:end], '\n')
		if at < 0 {
			return 0
		}
		if startsPiece(s[at+1:]) {
			return at + 1
		}
		end = at
	}
}

// firstLine returns the first such offset, len(s) without one.
func firstLine(s string) int {
	for from := 0; ; {
		at := strings.IndexByte(s[from:], '\n')
		if at < 0 {
			return len(s)
		}
		from += at + 1
		if startsPiece(s[from:]) {
			return from
		}
	}
}

// startsPiece reports whether a line feed in front of s makes a seam.
func startsPiece(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return s != "" && r != '/' && !unicode.IsSpace(r)
}
