package qdrantlocal

import (
	"cmp"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"
)

// One constructor per type of index: which values it holds and which
// conditions it answers.

func stringFacet(s string) *qdrant.FacetValue {
	return &qdrant.FacetValue{Variant: &qdrant.FacetValue_StringValue{StringValue: s}}
}

func newKeywordIndex() *valueIndex[string] {
	return &valueIndex[string]{
		posts: map[string]*slotList{},
		key: func(v *qdrant.Value) (string, bool) {
			s, ok := v.GetKind().(*qdrant.Value_StringValue)
			if !ok {
				return "", false
			}
			return s.StringValue, true
		},
		own: strings.Clone,
		want: func(f *qdrant.FieldCondition) (wanted[string], bool) {
			return wantStrings(f, func(s string) (string, bool) { return s, true })
		},
		facet: stringFacet,
		less:  cmp.Compare[string],
	}
}

// wantStrings translates the keyword matches; parse turns a keyword into a
// key. If one cannot be parsed, the index does not answer.
func wantStrings[K comparable](f *qdrant.FieldCondition, parse func(string) (K, bool)) (wanted[K], bool) {
	var in []string
	negate := false
	switch m := f.GetMatch().GetMatchValue().(type) {
	case *qdrant.Match_Keyword:
		in = []string{m.Keyword}
	case *qdrant.Match_Keywords:
		in = m.Keywords.GetStrings()
	case *qdrant.Match_ExceptKeywords:
		in, negate = m.ExceptKeywords.GetStrings(), true
	default:
		return wanted[K]{}, false
	}
	keys := make([]K, len(in))
	for i, s := range in {
		k, ok := parse(s)
		if !ok {
			return wanted[K]{}, false
		}
		keys[i] = k
	}
	if negate {
		set := setOf(keys)
		return wanted[K]{pass: func(k K) bool { return !set[k] }}, true
	}
	return wanted[K]{keys: keys}, true
}

func newUUIDIndex() *valueIndex[pointID] {
	return &valueIndex[pointID]{
		posts: map[pointID]*slotList{},
		key: func(v *qdrant.Value) (pointID, bool) {
			s, ok := v.GetKind().(*qdrant.Value_StringValue)
			if !ok {
				return pointID{}, false
			}
			return parseUUID(s.StringValue)
		},
		want:  func(f *qdrant.FieldCondition) (wanted[pointID], bool) { return wantStrings(f, parseUUID) },
		facet: func(u pointID) *qdrant.FacetValue { return stringFacet(u.String()) },
		less:  pointID.compare,
	}
}

func newBoolIndex() *valueIndex[bool] {
	return &valueIndex[bool]{
		posts: map[bool]*slotList{},
		key: func(v *qdrant.Value) (bool, bool) {
			b, ok := v.GetKind().(*qdrant.Value_BoolValue)
			return ok && b.BoolValue, ok
		},
		want: func(f *qdrant.FieldCondition) (wanted[bool], bool) {
			m, ok := f.GetMatch().GetMatchValue().(*qdrant.Match_Boolean)
			if !ok {
				return wanted[bool]{}, false
			}
			return wanted[bool]{keys: []bool{m.Boolean}}, true
		},
		facet: func(b bool) *qdrant.FacetValue {
			return &qdrant.FacetValue{Variant: &qdrant.FacetValue_BoolValue{BoolValue: b}}
		},
		less: func(a, b bool) int {
			if a == b {
				return 0
			}
			if b {
				return -1
			}
			return 1
		},
	}
}

// newIntegerIndex answers matches if lookup, ranges if ranges. A condition with
// both is a match to it.
func newIntegerIndex(lookup, ranges bool) *valueIndex[int64] {
	ix := &valueIndex[int64]{posts: map[int64]*slotList{}, key: integral, less: cmp.Compare[int64]}
	ix.want = func(f *qdrant.FieldCondition) (wanted[int64], bool) {
		if lookup {
			switch m := f.GetMatch().GetMatchValue().(type) {
			case *qdrant.Match_Integer:
				return wanted[int64]{keys: []int64{m.Integer}}, true
			case *qdrant.Match_Integers:
				return wanted[int64]{keys: m.Integers.GetIntegers()}, true
			case *qdrant.Match_ExceptIntegers:
				set := setOf(m.ExceptIntegers.GetIntegers())
				return wanted[int64]{pass: func(k int64) bool { return !set[k] }}, true
			}
		}
		if ranges && f.GetRange() != nil {
			b := bounds[float64]{f.Range.Lt, f.Range.Gt, f.Range.Lte, f.Range.Gte}
			return wanted[int64]{pass: func(k int64) bool { return b.holds(float64(k), lessFloat, lessEqualFloat) }}, true
		}
		return wanted[int64]{}, false
	}
	if lookup {
		ix.facet = func(i int64) *qdrant.FacetValue {
			return &qdrant.FacetValue{Variant: &qdrant.FacetValue_IntegerValue{IntegerValue: i}}
		}
	}
	return ix
}

// newDatetimeIndex compares whole microseconds, values and bounds rounded down.
func newDatetimeIndex() *valueIndex[int64] {
	return &valueIndex[int64]{
		posts: map[int64]*slotList{},
		key: func(v *qdrant.Value) (int64, bool) {
			s, ok := v.GetKind().(*qdrant.Value_StringValue)
			if !ok {
				return 0, false
			}
			t, ok := parseDatetime(s.StringValue)
			return t.UnixMicro(), ok
		},
		want: func(f *qdrant.FieldCondition) (wanted[int64], bool) {
			if f.GetDatetimeRange() == nil {
				return wanted[int64]{}, false
			}
			times, err := datetimeBounds(f.DatetimeRange)
			if err != nil {
				return wanted[int64]{}, false // reported when the condition was compiled
			}
			micros := func(t *time.Time) *int64 {
				if t == nil {
					return nil
				}
				m := t.UnixMicro()
				return &m
			}
			b := bounds[int64]{micros(times.lt), micros(times.gt), micros(times.lte), micros(times.gte)}
			return wanted[int64]{pass: func(k int64) bool {
				return b.holds(k, func(a, b int64) bool { return a < b }, func(a, b int64) bool { return a <= b })
			}}, true
		},
	}
}

func newFloatIndex() *valueIndex[float64] {
	return &valueIndex[float64]{
		posts: map[float64]*slotList{},
		key:   number, // payloads hold no NaN
		want: func(f *qdrant.FieldCondition) (wanted[float64], bool) {
			if f.GetRange() == nil {
				return wanted[float64]{}, false
			}
			b := bounds[float64]{f.Range.Lt, f.Range.Gt, f.Range.Lte, f.Range.Gte}
			return wanted[float64]{pass: func(k float64) bool { return b.holds(k, lessFloat, lessEqualFloat) }}, true
		},
	}
}

type geoKey struct{ lon, lat float64 }

func newGeoIndex() *valueIndex[geoKey] {
	return &valueIndex[geoKey]{
		posts: map[geoKey]*slotList{},
		key: func(v *qdrant.Value) (geoKey, bool) {
			p, ok := geoValue(v)
			return geoKey{p.Lon, p.Lat}, ok
		},
		want: func(f *qdrant.FieldCondition) (wanted[geoKey], bool) {
			t := geoPredicate(f)
			if t == nil {
				return wanted[geoKey]{}, false
			}
			return wanted[geoKey]{pass: func(k geoKey) bool { return t(&qdrant.GeoPoint{Lon: k.lon, Lat: k.lat}) }}, true
		},
	}
}
