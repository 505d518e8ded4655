package text

import (
	"errors"
	"fmt"
	"sort"
	"unicode/utf8"
)

var (
	// ErrRange: an offset or span lies outside the text, or a span ends
	// before it starts.
	ErrRange = errors.New("offset out of range")
	// ErrMidRune: a byte offset falls inside a code point.
	ErrMidRune = errors.New("offset inside a code point")
)

// checkpointRunes is the number of code points between two checkpoints: a
// lookup decodes fewer than this many, and an index costs 8 bytes for each.
const checkpointRunes = 128

// Index converts between byte offsets and code point offsets of one text.
//
// Both kinds of offset run from 0 up to and including the length of the text.
// A byte that is not part of valid UTF-8 counts as one code point, as it does
// in a range loop. A lookup costs O(log n), O(1) in a text of ASCII only. An
// Index keeps the text, never changes, and may be used concurrently.
type Index struct {
	s     string
	runes int
	// marks[i] is the byte offset of code point i*checkpointRunes; nil where
	// every code point is one byte long.
	marks []int
}

// NewIndex reads s once and returns its index.
func NewIndex(s string) *Index {
	x := &Index{s: s, runes: utf8.RuneCountInString(s)}
	if x.runes == len(s) {
		return x
	}
	x.marks = make([]int, 0, x.runes/checkpointRunes+1)
	n := 0
	for at := range s {
		if n%checkpointRunes == 0 {
			x.marks = append(x.marks, at)
		}
		n++
	}
	return x
}

// Runes returns the number of code points in the text.
func (x *Index) Runes() int { return x.runes }

// RuneOffset returns the number of code points before byte offset at.
// The error wraps ErrRange or ErrMidRune.
func (x *Index) RuneOffset(at int) (int, error) {
	if at < 0 || at > len(x.s) {
		return 0, fmt.Errorf("convert byte offset %d of a text of %d bytes: %w", at, len(x.s), ErrRange)
	}
	if x.marks == nil || at == 0 {
		return at, nil
	}
	if at == len(x.s) {
		return x.runes, nil
	}
	// The last mark at or before at; there is one, as marks[0] is 0.
	m := sort.SearchInts(x.marks, at+1) - 1
	n := m * checkpointRunes
	for b := x.marks[m]; b < at; n++ {
		_, size := utf8.DecodeRuneInString(x.s[b:])
		b += size
		if b > at {
			return 0, fmt.Errorf("convert byte offset %d: %w", at, ErrMidRune)
		}
	}
	return n, nil
}

// ByteOffset returns the byte offset at which code point number at starts;
// at the number of code points it returns the length of the text.
// The error wraps ErrRange.
func (x *Index) ByteOffset(at int) (int, error) {
	if at < 0 || at > x.runes {
		return 0, fmt.Errorf("convert code point offset %d of a text of %d code points: %w", at, x.runes, ErrRange)
	}
	if x.marks == nil {
		return at, nil
	}
	if at == x.runes {
		return len(x.s), nil
	}
	b := x.marks[at/checkpointRunes]
	for range at % checkpointRunes {
		_, size := utf8.DecodeRuneInString(x.s[b:])
		b += size
	}
	return b, nil
}

// RuneSpan converts a span of bytes. The error wraps ErrRange or ErrMidRune.
func (x *Index) RuneSpan(s Span) (RuneSpan, error) {
	if s.End < s.Start {
		return RuneSpan{}, fmt.Errorf("convert byte span [%d, %d): end before start: %w", s.Start, s.End, ErrRange)
	}
	start, err := x.RuneOffset(s.Start)
	if err != nil {
		return RuneSpan{}, err
	}
	end, err := x.RuneOffset(s.End)
	if err != nil {
		return RuneSpan{}, err
	}
	return RuneSpan{Start: start, End: end}, nil
}

// Span converts a span of code points. The error wraps ErrRange.
func (x *Index) Span(s RuneSpan) (Span, error) {
	if s.End < s.Start {
		return Span{}, fmt.Errorf("convert code point span [%d, %d): end before start: %w", s.Start, s.End, ErrRange)
	}
	start, err := x.ByteOffset(s.Start)
	if err != nil {
		return Span{}, err
	}
	end, err := x.ByteOffset(s.End)
	if err != nil {
		return Span{}, err
	}
	return Span{Start: start, End: end}, nil
}

// Slice returns the text of a span of code points. The error wraps ErrRange.
func (x *Index) Slice(s RuneSpan) (string, error) {
	b, err := x.Span(s)
	if err != nil {
		return "", err
	}
	return x.s[b.Start:b.End], nil
}

// Slice returns the text of a span of code points of s. It reads s up to the
// end of the span; for many spans of one text build an [Index].
// The error wraps ErrRange.
func Slice(s string, span RuneSpan) (string, error) {
	if span.Start < 0 || span.End < span.Start {
		return "", fmt.Errorf("slice code points [%d, %d): %w", span.Start, span.End, ErrRange)
	}
	n, start := 0, -1
	for at := range s {
		if n == span.Start {
			start = at
		}
		if n == span.End {
			return s[start:at], nil
		}
		n++
	}
	if span.End > n {
		return "", fmt.Errorf("slice code points [%d, %d) of a text of %d: %w", span.Start, span.End, n, ErrRange)
	}
	if span.Start == n {
		return "", nil
	}
	return s[start:], nil
}
