package qdrantlocal

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// comparison holds the rules for one recorded answer. Rules are those of the
// recording: see its description of what is stable.
type comparison struct {
	ties         bool     // order inside equal scores is free
	asSets       bool     // order of lists is free
	countOnly    bool     // only the number of results counts
	ignoreFields []string // paths like "result.segments_count"
	limit        int      // of the request; 0: none
	offset       int
}

// neverCompared are fields that no answer has to repeat.
var neverCompared = map[protoreflect.FullName]bool{
	"qdrant.UpdateResult.operation_id": true,
	"qdrant.ScoredPoint.version":       true,
}

func isIgnored(f protoreflect.FieldDescriptor) bool {
	return f.Name() == "time" || f.Name() == "usage" || neverCompared[f.FullName()]
}

// diff returns the first difference, "" if got is right.
func (c comparison) diff(want, got proto.Message) string {
	return c.message("", want.ProtoReflect(), got.ProtoReflect(), 0)
}

// message compares field by field; scale is the largest score of the list that m is in.
func (c comparison) message(path string, want, got protoreflect.Message, scale float64) string {
	fields := want.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		p := strings.TrimPrefix(path+"."+string(f.Name()), ".")
		if isIgnored(f) || slices.Contains(c.ignoreFields, p) {
			continue
		}
		if want.Has(f) != got.Has(f) {
			// A float that is absent is 0, which may be as good as a tiny number.
			if f.Kind() != protoreflect.FloatKind || f.HasPresence() || f.IsList() {
				return fmt.Sprintf("%s: presence is %v, want %v (%v)", p, got.Has(f), want.Has(f), want.Get(f))
			}
		} else if !want.Has(f) {
			continue
		}
		if d := c.field(p, f, want.Get(f), got.Get(f), scale); d != "" {
			return d
		}
	}
	return ""
}

func (c comparison) field(p string, f protoreflect.FieldDescriptor, want, got protoreflect.Value, scale float64) string {
	switch {
	case f.IsMap():
		return c.mapping(p, f, want.Map(), got.Map())
	case f.IsList():
		return c.list(p, f, want.List(), got.List())
	case f.FullName() == "qdrant.ScoredPoint.score":
		if !closeScore(want.Float(), got.Float(), scale) {
			return fmt.Sprintf("%s = %v, want %v", p, got.Float(), want.Float())
		}
		return ""
	}
	return c.value(p, f, want, got)
}

func (c comparison) value(p string, f protoreflect.FieldDescriptor, want, got protoreflect.Value) string {
	switch f.Kind() {
	case protoreflect.MessageKind:
		return c.message(p, want.Message(), got.Message(), 0)
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		if !closeFloat(want.Float(), got.Float()) {
			return fmt.Sprintf("%s = %v, want %v", p, got.Float(), want.Float())
		}
	default:
		if !want.Equal(got) {
			return fmt.Sprintf("%s = %v, want %v", p, got, want)
		}
	}
	return ""
}

func (c comparison) mapping(p string, f protoreflect.FieldDescriptor, want, got protoreflect.Map) (diff string) {
	if want.Len() != got.Len() {
		return fmt.Sprintf("%s has %d entries, want %d", p, got.Len(), want.Len())
	}
	want.Range(func(k protoreflect.MapKey, w protoreflect.Value) bool {
		if !got.Has(k) {
			diff = fmt.Sprintf("%s has no %v", p, k)
		} else {
			diff = c.value(fmt.Sprintf("%s[%v]", p, k), f.MapValue(), w, got.Get(k))
		}
		return diff == ""
	})
	return diff
}

func (c comparison) list(p string, f protoreflect.FieldDescriptor, want, got protoreflect.List) string {
	if want.Len() != got.Len() {
		return fmt.Sprintf("%s has %d elements, want %d", p, got.Len(), want.Len())
	}
	if c.countOnly {
		return ""
	}
	if c.asSets && f.Kind() == protoreflect.MessageKind {
		return c.set(p, want, got)
	}
	var scale float64
	for i := range want.Len() {
		if f.Kind() == protoreflect.MessageKind {
			if s, ok := rankKey(want.Get(i).Message()); ok {
				scale = max(scale, math.Abs(s))
			}
		}
	}
	if c.ties && want.Len() > 0 && f.Kind() == protoreflect.MessageKind {
		if _, ok := rankKey(want.Get(0).Message()); ok {
			return c.ranked(p, want, got, scale)
		}
	}
	for i := range want.Len() {
		at := fmt.Sprintf("%s[%d]", p, i)
		var d string
		if f.Kind() == protoreflect.MessageKind {
			d = c.message(at, want.Get(i).Message(), got.Get(i).Message(), scale)
		} else {
			d = c.value(at, f, want.Get(i), got.Get(i))
		}
		if d != "" {
			return d
		}
	}
	return ""
}

func (c comparison) set(p string, want, got protoreflect.List) string {
	used := make([]bool, got.Len())
	for i := range want.Len() {
		found := false
		for j := range got.Len() {
			if !used[j] && c.message(p, want.Get(i).Message(), got.Get(j).Message(), 0) == "" {
				used[j], found = true, true
				break
			}
		}
		if !found {
			return fmt.Sprintf("%s has no element equal to %v", p, want.Get(i).Message().Interface())
		}
	}
	return ""
}

// ranked compares lists in which equal keys may come in any order, and in
// which a run of equal keys that limit or offset cuts may have other members.
func (c comparison) ranked(p string, want, got protoreflect.List, scale float64) string {
	n := want.Len()
	keys := make([]float64, n)
	for i := range n {
		w, _ := rankKey(want.Get(i).Message())
		g, ok := rankKey(got.Get(i).Message())
		if !ok || !closeScore(w, g, scale) {
			return fmt.Sprintf("%s[%d] has the key %v, want %v", p, i, g, w)
		}
		keys[i] = w
	}
	for from := 0; from < n; {
		to := from + 1
		for to < n && sameKey(keys[to-1], keys[to]) {
			to++
		}
		cut := from == 0 && c.offset > 0 || to == n && c.limit > 0 && n == c.limit
		gotByID := map[string]protoreflect.Message{}
		for i := from; i < to; i++ {
			m := got.Get(i).Message()
			gotByID[identity(m)] = m
		}
		for i := from; i < to; i++ {
			w := want.Get(i).Message()
			g, ok := gotByID[identity(w)]
			if !ok {
				if !cut {
					return fmt.Sprintf("%s: %s is not among the results with the key %v", p, identity(w), keys[i])
				}
				continue
			}
			if d := c.message(fmt.Sprintf("%s[%s]", p, identity(w)), w, g, scale); d != "" {
				return d
			}
		}
		from = to
	}
	return ""
}

// rankKey is what a result list is sorted by: score, order value, best score of a group, count of a facet.
func rankKey(m protoreflect.Message) (float64, bool) {
	fs := m.Descriptor().Fields()
	switch m.Descriptor().FullName() {
	case "qdrant.ScoredPoint":
		if o := fs.ByName("order_value"); m.Has(o) {
			return orderKey(m.Get(o).Message()), true
		}
		return m.Get(fs.ByName("score")).Float(), true
	case "qdrant.RetrievedPoint":
		if o := fs.ByName("order_value"); m.Has(o) {
			return orderKey(m.Get(o).Message()), true
		}
	case "qdrant.PointGroup":
		if hits := m.Get(fs.ByName("hits")).List(); hits.Len() > 0 {
			return rankKey(hits.Get(0).Message())
		}
	case "qdrant.FacetHit":
		return float64(m.Get(fs.ByName("count")).Uint()), true
	}
	return 0, false
}

func orderKey(m protoreflect.Message) float64 {
	fs := m.Descriptor().Fields()
	if f := fs.ByName("int"); m.Has(f) {
		return float64(m.Get(f).Int())
	}
	return m.Get(fs.ByName("float")).Float()
}

func identity(m protoreflect.Message) string {
	for _, name := range []protoreflect.Name{"id", "value"} {
		if f := m.Descriptor().Fields().ByName(name); f != nil {
			return fmt.Sprint(m.Get(f).Message().Interface())
		}
	}
	return ""
}

func sameKey(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-6*max(math.Abs(a), math.Abs(b)) || math.IsNaN(a) && math.IsNaN(b)
}

func closeScore(a, b, scale float64) bool {
	if a == b || math.IsNaN(a) && math.IsNaN(b) {
		return true
	}
	return math.Abs(a-b) <= 1e-5*max(math.Abs(a), math.Abs(b))+1e-6*min(10, scale)
}

func closeFloat(a, b float64) bool {
	if a == b || math.IsNaN(a) && math.IsNaN(b) {
		return true
	}
	return math.Abs(a-b) <= 1e-5*max(math.Abs(a), math.Abs(b))+1e-6
}
