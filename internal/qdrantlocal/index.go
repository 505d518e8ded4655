package qdrantlocal

import (
	"maps"
	"math"
	"slices"
	"sync/atomic"

	"github.com/qdrant/go-client/qdrant"
)

// fieldIndex maps the values at one payload path to the points that have them.
// As on the server, a condition that an index can answer sees only the values
// that the index holds: an integer index takes 3.0 for 3 and does not know
// "3", so that `except` does not match it either.
type fieldIndex struct {
	path   jsonPath
	schema qdrant.PayloadSchemaType
	params *qdrant.PayloadIndexParams // as given; nil if only a type was given
	points int                        // points with at least one indexed value

	values   indexValues
	integers *valueIndex[int64]   // integer; datetime in microseconds since 1970
	floats   *valueIndex[float64] // float
}

// indexValues is a valueIndex of any key type.
type indexValues interface {
	add(v *qdrant.Value, s slot) bool
	remove(v *qdrant.Value, s slot) bool
	predicate(f *qdrant.FieldCondition) (predicate, bool)
	facets() []facet // nil: values of this type cannot be counted
}

// predicate is a condition bound to an index: a test of single values (lists
// resolved) or of all values at a path together, and the points that pass.
type predicate struct {
	holds    valueTest
	point    func(pl payload, path jsonPath) bool // instead of holds
	slots    func() bitset                        // which nobody may change
	superset bool                                 // slots also names points that do not pass
}

// valueIndex holds postings by key. Keys that no point has any more are kept
// for a while, because exact facets list them.
type valueIndex[K comparable] struct {
	posts map[K]*slotList
	empty int // number of keys without slots
	key   func(*qdrant.Value) (K, bool)
	own   func(K) K // a key without memory of the payload that it comes from; nil: as it is
	want  func(*qdrant.FieldCondition) (wanted[K], bool)
	facet func(K) *qdrant.FacetValue // nil: not facetable
	less  func(a, b K) int           // of facet values
}

// wanted is what a condition asks an index for: any of keys, or what passes.
type wanted[K comparable] struct {
	keys []K
	pass func(K) bool // used if not nil
}

// slotList is the points that have one value.
type slotList struct {
	slots []slot                 // ascending
	set   atomic.Pointer[bitset] // the same, once it was asked for; nil after a change
}

// minCached is the number of slots from which a list keeps its set: a condition
// that nearly all points meet, such as a tenant, takes part in every search.
const minCached = 256

// bits returns the slots of l as a set, which nobody may change.
func (l *slotList) bits() bitset {
	if b := l.set.Load(); b != nil {
		return *b
	}
	var b bitset
	b.setAll(l.slots)
	if len(l.slots) >= minCached {
		l.set.Store(&b)
	}
	return b
}

func (ix *valueIndex[K]) add(v *qdrant.Value, s slot) bool {
	k, ok := ix.key(v)
	if !ok {
		return false
	}
	l := ix.posts[k]
	switch {
	case l == nil:
		if ix.own != nil {
			k = ix.own(k)
		}
		l = &slotList{}
		ix.posts[k] = l
	case len(l.slots) == 0:
		ix.empty--
	}
	if n := len(l.slots); n == 0 || l.slots[n-1] < s {
		l.slots = append(l.slots, s)
	} else if at, dup := slices.BinarySearch(l.slots, s); !dup {
		l.slots = slices.Insert(l.slots, at, s)
	}
	l.set.Store(nil)
	return true
}

func (ix *valueIndex[K]) remove(v *qdrant.Value, s slot) bool {
	k, ok := ix.key(v)
	if !ok {
		return false
	}
	if l := ix.posts[k]; l != nil {
		if at, ok := slices.BinarySearch(l.slots, s); ok {
			l.slots = slices.Delete(l.slots, at, at+1)
			l.set.Store(nil)
			if len(l.slots) == 0 {
				ix.empty++
			}
		}
	}
	if ix.empty > maxEmptyKeys {
		maps.DeleteFunc(ix.posts, func(_ K, l *slotList) bool { return len(l.slots) == 0 })
		ix.empty = 0
	}
	return true
}

// maxEmptyKeys bounds what an index keeps of values that are gone.
const maxEmptyKeys = 1024

// fewKeys is how many keys are faster to go through than to look up.
const fewKeys = 4

func (ix *valueIndex[K]) predicate(f *qdrant.FieldCondition) (predicate, bool) {
	w, ok := ix.want(f)
	if !ok {
		return predicate{}, false
	}
	pass := w.pass
	switch {
	case pass != nil:
	case len(w.keys) <= fewKeys:
		pass = func(k K) bool { return slices.Contains(w.keys, k) }
	default:
		set := setOf(w.keys)
		pass = func(k K) bool { return set[k] }
	}
	return predicate{
		holds: func(v *qdrant.Value) bool {
			k, ok := ix.key(v)
			return ok && pass(k)
		},
		slots: func() bitset {
			if w.pass == nil && len(w.keys) == 1 {
				if l := ix.posts[w.keys[0]]; l != nil {
					return l.bits()
				}
				return nil
			}
			var out bitset
			if w.pass == nil {
				for _, k := range w.keys {
					if l := ix.posts[k]; l != nil {
						out.setAll(l.slots)
					}
				}
				return out
			}
			for k, l := range ix.posts {
				if pass(k) {
					out.setAll(l.slots)
				}
			}
			return out
		},
	}, true
}

func (ix *valueIndex[K]) facets() []facet {
	if ix.facet == nil {
		return nil
	}
	keys := slices.SortedFunc(maps.Keys(ix.posts), ix.less)
	out := make([]facet, len(keys))
	for i, k := range keys {
		out[i] = facet{ix.facet(k), ix.posts[k].slots}
	}
	return out
}

// newFieldIndex fails only for parameters that checkIndex refuses.
func newFieldIndex(path jsonPath, schema qdrant.PayloadSchemaType, params *qdrant.PayloadIndexParams) (*fieldIndex, error) {
	ix := &fieldIndex{path: path, schema: schema, params: params}
	switch schema {
	case qdrant.PayloadSchemaType_Keyword:
		ix.values = newKeywordIndex()
	case qdrant.PayloadSchemaType_Uuid:
		ix.values = newUUIDIndex()
	case qdrant.PayloadSchemaType_Bool:
		ix.values = newBoolIndex()
	case qdrant.PayloadSchemaType_Integer:
		p := params.GetIntegerIndexParams()
		lookup, ranges := p == nil || orDefault(p.Lookup, true), p == nil || orDefault(p.Range, true)
		ints := newIntegerIndex(lookup, ranges)
		ix.values = ints
		if ranges {
			ix.integers = ints
		}
	case qdrant.PayloadSchemaType_Datetime:
		ix.integers = newDatetimeIndex()
		ix.values = ix.integers
	case qdrant.PayloadSchemaType_Float:
		ix.floats = newFloatIndex()
		ix.values = ix.floats
	case qdrant.PayloadSchemaType_Geo:
		ix.values = newGeoIndex()
	case qdrant.PayloadSchemaType_Text:
		text, err := newTextIndex(params.GetTextIndexParams())
		if err != nil {
			return nil, err
		}
		ix.values = text
	}
	return ix, nil
}

func (ix *fieldIndex) add(s slot, pl payload) {
	if ix.each(pl, func(v *qdrant.Value) bool { return ix.values.add(v, s) }) {
		ix.points++
	}
}

func (ix *fieldIndex) remove(s slot, pl payload) {
	if ix.each(pl, func(v *qdrant.Value) bool { return ix.values.remove(v, s) }) {
		ix.points--
	}
}

// each calls f for every value at the index's path, lists resolved, and
// reports whether f returned true for one.
func (ix *fieldIndex) each(pl payload, f func(*qdrant.Value) bool) (found bool) {
	ix.path.each(pl, func(v *qdrant.Value) {
		if l, ok := v.GetKind().(*qdrant.Value_ListValue); ok {
			for _, e := range l.ListValue.GetValues() {
				found = f(e) || found
			}
			return
		}
		found = f(v) || found
	})
	return found
}

// schemaInfo describes the collection's indexes as Get does.
func (c *collection) schemaInfo() map[string]*qdrant.PayloadSchemaInfo {
	out := make(map[string]*qdrant.PayloadSchemaInfo, len(c.indexes))
	for name, ix := range c.indexes {
		n := uint64(ix.points)
		out[name] = &qdrant.PayloadSchemaInfo{DataType: ix.schema, Params: ix.params, Points: &n}
	}
	return out
}

func lessFloat(a, b float64) bool      { return a < b }
func lessEqualFloat(a, b float64) bool { return a <= b }

// integral returns the number of an integer, or of a float without fraction.
func integral(v *qdrant.Value) (int64, bool) {
	switch k := v.GetKind().(type) {
	case *qdrant.Value_IntegerValue:
		return k.IntegerValue, true
	case *qdrant.Value_DoubleValue:
		if f := k.DoubleValue; f == math.Trunc(f) && math.Abs(f) < 1<<63 {
			return int64(f), true
		}
	}
	return 0, false
}
