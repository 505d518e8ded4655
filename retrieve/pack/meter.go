package pack

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// meter counts tokens and estimates what joining texts costs without counting
// them again as a whole.
//
// The estimate relies on seams: a tokenizer of the GPT family first splits text
// by a rule, and the rule always splits between a line feed and a character
// that is neither white space nor a slash. Left and right of a seam tokens are
// the same whatever lies on the other side, so tokens add up. The estimate is
// exact for such tokenizers; Pack relies on nothing but the final count.
type meter struct {
	counter Counter
	known   map[string]int // of what was counted: a chunk's text is asked for again as a segment's
}

func newMeter(c Counter) meter { return meter{counter: c, known: map[string]int{}} }

func (m meter) count(s string) int {
	n, ok := m.known[s]
	if !ok {
		n = m.counter.Count(s)
		m.known[s] = n
	}
	return n
}

// joint returns count(left+mid+right) - count(left) - count(right).
func (m meter) joint(left, mid, right string) int {
	tail := left[lastSeam(left):]
	head := right[:firstSeam(right)]
	n := m.count(tail + mid + head)
	if tail != "" {
		n -= m.count(tail)
	}
	if head != "" {
		n -= m.count(head)
	}
	return n
}

// lastSeam returns the offset of the last seam inside s, 0 without one.
func lastSeam(s string) int {
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

// firstSeam returns the offset of the first seam inside s, len(s) without one.
func firstSeam(s string) int {
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
