package qdrantlocal

import (
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// valueTest is a predicate on one payload value that is not a list.
type valueTest func(*qdrant.Value) bool

// overList applies t to the elements of a list, or to the value itself. Lists
// inside lists are not entered.
func (t valueTest) overList(v *qdrant.Value) bool {
	l, ok := v.GetKind().(*qdrant.Value_ListValue)
	if !ok {
		return t(v)
	}
	for _, e := range l.ListValue.GetValues() {
		if t(e) {
			return true
		}
	}
	return false
}

func isNull(v *qdrant.Value) bool {
	switch v.GetKind().(type) {
	case nil, *qdrant.Value_NullValue:
		return true
	}
	return false
}

// isEmpty: null or a list without elements.
func isEmpty(v *qdrant.Value) bool {
	l, ok := v.GetKind().(*qdrant.Value_ListValue)
	return isNull(v) || ok && len(l.ListValue.GetValues()) == 0
}

func matchTest(m *qdrant.Match) (valueTest, error) {
	switch m := m.GetMatchValue().(type) {
	case *qdrant.Match_Keyword:
		return stringTest(func(s string) bool { return s == m.Keyword }), nil
	case *qdrant.Match_Integer:
		return intTest(func(i int64) bool { return i == m.Integer }), nil
	case *qdrant.Match_Boolean:
		return func(v *qdrant.Value) bool {
			b, ok := v.GetKind().(*qdrant.Value_BoolValue)
			return ok && b.BoolValue == m.Boolean
		}, nil
	case *qdrant.Match_Keywords:
		set := setOf(m.Keywords.GetStrings())
		return stringTest(func(s string) bool { return set[s] }), nil
	case *qdrant.Match_Integers:
		set := setOf(m.Integers.GetIntegers())
		return intTest(func(i int64) bool { return set[i] }), nil
	case *qdrant.Match_ExceptKeywords:
		set := setOf(m.ExceptKeywords.GetStrings())
		return except(stringTest(func(s string) bool { return set[s] })), nil
	case *qdrant.Match_ExceptIntegers:
		set := setOf(m.ExceptIntegers.GetIntegers())
		return except(intTest(func(i int64) bool { return set[i] })), nil
	case *qdrant.Match_Text:
		return stringTest(func(s string) bool { return strings.Contains(s, m.Text) }), nil
	case *qdrant.Match_Phrase:
		return stringTest(func(s string) bool { return strings.Contains(s, m.Phrase) }), nil
	case *qdrant.Match_TextAny:
		words := strings.Fields(m.TextAny)
		return stringTest(func(s string) bool {
			for _, w := range words {
				if strings.Contains(s, w) {
					return true
				}
			}
			return false
		}), nil
	}
	return nil, malformed("Match condition")
}

func setOf[T comparable](vs []T) map[T]bool {
	set := make(map[T]bool, len(vs))
	for _, v := range vs {
		set[v] = true
	}
	return set
}

func stringTest(f func(string) bool) valueTest {
	return func(v *qdrant.Value) bool {
		s, ok := v.GetKind().(*qdrant.Value_StringValue)
		return ok && f(s.StringValue)
	}
}

func intTest(f func(int64) bool) valueTest {
	return func(v *qdrant.Value) bool {
		i, ok := v.GetKind().(*qdrant.Value_IntegerValue)
		return ok && f(i.IntegerValue)
	}
}

// except holds for values of any type that t rejects, but not for null.
func except(t valueTest) valueTest {
	return func(v *qdrant.Value) bool { return !isNull(v) && !t(v) }
}

// number returns a value's number; integers become floats.
func number(v *qdrant.Value) (float64, bool) {
	switch k := v.GetKind().(type) {
	case *qdrant.Value_IntegerValue:
		return float64(k.IntegerValue), true
	case *qdrant.Value_DoubleValue:
		return k.DoubleValue, true
	}
	return 0, false
}

// bounds is an interval; absent ends are infinite and closed.
type bounds[T any] struct {
	lt, gt, lte, gte *T
}

// holds reports lower <= x <= upper by the given comparison. Comparisons with
// NaN are false, so nothing lies in a range that has one.
func (b bounds[T]) holds(x T, less func(a, b T) bool, lessEqual func(a, b T) bool) bool {
	return (b.lt == nil || less(x, *b.lt)) && (b.gt == nil || less(*b.gt, x)) &&
		(b.lte == nil || lessEqual(x, *b.lte)) && (b.gte == nil || lessEqual(*b.gte, x))
}

func rangeTest(r *qdrant.Range) valueTest {
	b := bounds[float64]{r.Lt, r.Gt, r.Lte, r.Gte}
	return func(v *qdrant.Value) bool {
		x, ok := number(v)
		return ok && b.holds(x, lessFloat, lessEqualFloat)
	}
}

func datetimeBounds(r *qdrant.DatetimeRange) (b bounds[time.Time], err error) {
	for _, e := range []struct {
		in  *timestamppb.Timestamp
		out **time.Time
	}{{r.Lt, &b.lt}, {r.Gt, &b.gt}, {r.Lte, &b.lte}, {r.Gte, &b.gte}} {
		if e.in == nil {
			continue
		}
		if err := e.in.CheckValid(); err != nil {
			return b, malformed("datetime range: " + err.Error())
		}
		t := e.in.AsTime()
		*e.out = &t
	}
	return b, nil
}

func datetimeTest(r *qdrant.DatetimeRange) (valueTest, error) {
	b, err := datetimeBounds(r)
	if err != nil {
		return nil, err
	}
	less := func(a, b time.Time) bool { return a.Before(b) }
	lessEqual := func(a, b time.Time) bool { return !b.Before(a) }
	return stringTest(func(s string) bool {
		t, ok := parseDatetime(s)
		return ok && b.holds(t, less, lessEqual)
	}), nil
}

// parseDatetime reads the formats that the server accepts in payloads: RFC 3339
// with upper- or lower-case separators, a space for the T, offsets without
// minutes or colon, local date-times with or without seconds (taken as UTC), and
// dates. Month, day and hour may have one digit and years fewer than four.
func parseDatetime(s string) (time.Time, bool) {
	s = strings.ToUpper(s)
	for _, layout := range []string{
		"2006-1-2T15:4:5Z07:00", "2006-1-2 15:4:5Z07:00",
		"2006-1-2T15:4:5Z0700", "2006-1-2 15:4:5Z0700",
		"2006-1-2T15:4:5Z07", "2006-1-2 15:4:5Z07",
		"2006-1-2T15:4:5", "2006-1-2 15:4:5",
		"2006-1-2T15:4", "2006-1-2 15:4",
		"2006-1-2",
	} {
		if t, ok := parseLayout(layout, s); ok {
			return t, true
		}
	}
	return time.Time{}, false
}

// parseLayout is time.Parse with leading blanks ignored and short years allowed.
func parseLayout(layout, s string) (time.Time, bool) {
	s = strings.TrimLeft(s, " ")
	if year, rest, ok := strings.Cut(s, "-"); ok && len(year) > 0 && len(year) < 4 {
		s = strings.Repeat("0", 4-len(year)) + year + "-" + rest
	}
	t, err := time.Parse(layout, s)
	return t, err == nil
}

func valuesCountTest(c *qdrant.ValuesCount) func(n uint64) bool {
	return func(n uint64) bool {
		return (c.Lt == nil || n < *c.Lt) && (c.Gt == nil || n > *c.Gt) &&
			(c.Lte == nil || n <= *c.Lte) && (c.Gte == nil || n >= *c.Gte)
	}
}

// countOf is the number of values: of a list its length, 0 for null, else 1.
func countOf(v *qdrant.Value) uint64 {
	if isNull(v) {
		return 0
	}
	if l, ok := v.GetKind().(*qdrant.Value_ListValue); ok {
		return uint64(len(l.ListValue.GetValues()))
	}
	return 1
}
