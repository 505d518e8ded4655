package qdrantlocal

import (
	"cmp"
	"sort"

	"github.com/qdrant/go-client/qdrant"
)

// orderBy ranks points by an indexed number or date; ties by ascending id. A
// point with several values comes once per value.
func (c *collection) orderBy(o *qdrant.OrderBy, within bitset, limit int) ([]hit, error) {
	path, err := parsePath(o.GetKey())
	if err != nil {
		return nil, err
	}
	from, err := startValue(o.GetStartFrom())
	if err != nil {
		return nil, err
	}
	desc := o.GetDirection() == qdrant.Direction_Desc
	ix := c.indexes[path.String()]
	switch {
	case ix != nil && ix.integers != nil:
		return ordered(c, ix.integers.posts, within, desc, limit,
			func(k int64) bool { return from.admits(from.compareInt(k), desc) },
			func(k int64) *qdrant.OrderValue {
				return &qdrant.OrderValue{Variant: &qdrant.OrderValue_Int{Int: k}}
			}), nil
	case ix != nil && ix.floats != nil:
		return ordered(c, ix.floats.posts, within, desc, limit,
			func(k float64) bool { return from.admits(cmp.Compare(k, from.float()), desc) },
			func(k float64) *qdrant.OrderValue {
				return &qdrant.OrderValue{Variant: &qdrant.OrderValue_Float{Float: k}}
			}), nil
	}
	return nil, invalid("No range index for `order_by` key: `%s`. Please create an integer, float or datetime index", o.GetKey())
}

// start is the value that order_by begins with.
type start struct {
	set   bool
	isInt bool
	i     int64 // numbers, or microseconds since 1970
	f     float64
}

func startValue(s *qdrant.StartFrom) (start, error) {
	switch o := s.GetValue().(type) {
	case *qdrant.StartFrom_Float:
		return start{set: true, f: o.Float}, nil
	case *qdrant.StartFrom_Integer:
		return start{set: true, isInt: true, i: o.Integer}, nil
	case *qdrant.StartFrom_Timestamp:
		if err := o.Timestamp.CheckValid(); err != nil {
			return start{}, malformed("datetime: " + err.Error())
		}
		return start{set: true, isInt: true, i: o.Timestamp.AsTime().UnixMicro()}, nil
	case *qdrant.StartFrom_Datetime:
		t, ok := parseDatetime(o.Datetime)
		if !ok {
			return start{}, malformed("datetime: " + o.Datetime)
		}
		return start{set: true, isInt: true, i: t.UnixMicro()}, nil
	}
	return start{}, nil
}

func (s start) float() float64 {
	if s.isInt {
		return float64(s.i)
	}
	return s.f
}

// admits reports whether a value that compares like c with the start is at or after it.
func (s start) admits(c int, desc bool) bool {
	return !s.set || c == 0 || (c > 0) != desc
}

// compareInt compares k with the start.
func (s start) compareInt(k int64) int {
	if s.isInt {
		return cmp.Compare(k, s.i)
	}
	return cmp.Compare(float64(k), s.f)
}

func ordered[K int64 | float64](c *collection, posts map[K]*slotList, within bitset, desc bool, limit int, admit func(K) bool, out func(K) *qdrant.OrderValue) []hit {
	type entry struct {
		k K
		s slot
	}
	var all []entry
	for k, l := range posts {
		if !admit(k) {
			continue
		}
		for _, s := range l.slots {
			if within.has(s) {
				all = append(all, entry{k, s})
			}
		}
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].k != all[j].k {
			return (all[i].k < all[j].k) != desc
		}
		return c.points[all[i].s].compare(c.points[all[j].s]) < 0
	})
	var hits []hit
	for _, e := range all {
		if len(hits) == limit {
			break
		}
		hits = append(hits, hit{slot: e.s, score: 1, order: out(e.k)})
	}
	return hits
}
