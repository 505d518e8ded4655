package text

import (
	"cmp"
	"slices"
)

// Interval is a span of either unit. Functions over intervals never mix the
// two: all their arguments have one type.
//
// A span that ends at or before its start holds nothing, wherever it lies.
type Interval interface{ Span | RuneSpan }

// Contains reports whether every byte of o lies in s. An empty o is contained
// in every span.
func (s Span) Contains(o Span) bool { return contains(s, o) }

// Contains reports whether every code point of o lies in s. An empty o is
// contained in every span.
func (s RuneSpan) Contains(o RuneSpan) bool { return contains(s, o) }

// Overlap returns the number of bytes that s and o share.
func (s Span) Overlap(o Span) int { return overlap(s, o) }

// Overlap returns the number of code points that s and o share.
func (s RuneSpan) Overlap(o RuneSpan) int { return overlap(s, o) }

func contains[S Interval](s, o S) bool {
	a, b := Span(s), Span(o)
	return b.End <= b.Start || a.Start <= b.Start && b.End <= a.End
}

func overlap[S Interval](s, o S) int {
	a, b := Span(s), Span(o)
	return max(0, min(a.End, b.End)-max(a.Start, b.Start))
}

// Union returns what lies in any of spans as the shortest list: ordered by
// start, none empty, none overlapping or touching another; nil where nothing
// is covered. The argument is left as it is.
func Union[S Interval](spans []S) []S {
	sorted := make([]S, 0, len(spans))
	for _, s := range spans {
		if Span(s).Len() > 0 {
			sorted = append(sorted, s)
		}
	}
	slices.SortFunc(sorted, func(a, b S) int { return cmp.Compare(Span(a).Start, Span(b).Start) })
	var out []S
	for _, s := range sorted {
		if n := len(out); n > 0 && Span(s).Start <= Span(out[n-1]).End {
			last := Span(out[n-1])
			out[n-1] = S(Span{last.Start, max(last.End, Span(s).End)})
			continue
		}
		out = append(out, s)
	}
	return out
}

// Intersect returns what lies both in a span of a and in a span of b, in the
// form of [Union].
func Intersect[S Interval](a, b []S) []S {
	a, b = Union(a), Union(b)
	var out []S
	for len(a) > 0 && len(b) > 0 {
		x, y := Span(a[0]), Span(b[0])
		if overlap(x, y) > 0 {
			out = append(out, S(Span{max(x.Start, y.Start), min(x.End, y.End)}))
		}
		if x.End < y.End {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}

// Subtract returns what lies in a span of a and in no span of b, in the form
// of [Union].
func Subtract[S Interval](a, b []S) []S {
	a, b = Union(a), Union(b)
	var out []S
	for _, s := range a {
		rest := Span(s)
		for len(b) > 0 && Span(b[0]).End <= rest.Start {
			b = b[1:]
		}
		for _, t := range b {
			cut := Span(t)
			if cut.Start >= rest.End {
				break
			}
			if cut.Start > rest.Start {
				out = append(out, S(Span{rest.Start, cut.Start}))
			}
			rest.Start = cut.End
		}
		if rest.Len() > 0 {
			out = append(out, S(rest))
		}
	}
	return out
}

// Covered returns the size of the union of spans, in their unit: what lies in
// several of them counts once.
func Covered[S Interval](spans []S) int {
	n := 0
	for _, s := range Union(spans) {
		n += Span(s).Len()
	}
	return n
}

// CommonLen returns the size of what the union of a and the union of b share.
func CommonLen[S Interval](a, b []S) int { return Covered(Intersect(a, b)) }
