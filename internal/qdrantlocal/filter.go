package qdrantlocal

import (
	"context"
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// condition is a compiled part of a filter, valid while the collection's lock is held.
type condition interface {
	// match tests one point. pl is its payload or, inside a nested condition, a
	// list element of it.
	match(s slot, pl payload) bool
}

// indexed is a condition that can also name all its points without reading payloads.
type indexed interface {
	condition
	// slots returns the points that match, by an index. If they are not exact,
	// they are nil or a superset. The caller may not change them.
	slots() (found bitset, exact bool)
}

// clause is a compiled filter.
type clause struct {
	must, should, mustNot, atLeast []condition
	minCount                       int // of atLeast
}

// compileFilter checks f and binds it to c. A nil or empty filter matches
// everything, and so does one whose conditions have no variant set: that is
// what the server does.
func compileFilter(f *qdrant.Filter, c *collection, m *memory) (*clause, error) {
	return compileClause(f, c, nil, m)
}

// compileClause compiles a filter on the objects at the path under, nil for whole payloads.
func compileClause(f *qdrant.Filter, c *collection, under jsonPath, m *memory) (*clause, error) {
	cl := &clause{minCount: int(min(f.GetMinShould().GetMinCount(), 1<<31))}
	for _, part := range []struct {
		in  []*qdrant.Condition
		out *[]condition
	}{
		{f.GetMust(), &cl.must}, {f.GetShould(), &cl.should}, {f.GetMustNot(), &cl.mustNot},
		{f.GetMinShould().GetConditions(), &cl.atLeast},
	} {
		if len(part.in) > 0 {
			*part.out = make([]condition, 0, len(part.in))
		}
		for _, in := range part.in {
			cond, err := compileCondition(in, c, under, m)
			if err != nil {
				return nil, err
			}
			if cond != nil {
				*part.out = append(*part.out, cond)
			}
		}
	}
	return cl, nil
}

func compileCondition(in *qdrant.Condition, c *collection, under jsonPath, m *memory) (condition, error) {
	switch o := in.GetConditionOneOf().(type) {
	case nil:
		return nil, nil
	case *qdrant.Condition_Field:
		return compileField(o.Field, c, under)
	case *qdrant.Condition_Filter:
		return compileClause(o.Filter, c, under, m)
	case *qdrant.Condition_IsEmpty:
		p, err := parsePath(o.IsEmpty.GetKey())
		return isEmptyCondition(p), err
	case *qdrant.Condition_IsNull:
		p, err := parsePath(o.IsNull.GetKey())
		if err != nil {
			return nil, err
		}
		return isNullCondition{p, c.indexAt(under, p) != nil}, nil
	case *qdrant.Condition_HasId:
		set := m.empty(len(c.live))
		for _, p := range o.HasId.GetHasId() {
			id, err := parseID(p)
			if err != nil {
				return nil, err
			}
			if s, ok := c.ids[id]; ok {
				set.set(s)
			}
		}
		return slotCondition(set), nil
	case *qdrant.Condition_HasVector:
		return slotCondition(c.present(o.HasVector.GetHasVector())), nil
	case *qdrant.Condition_Nested:
		p, err := parsePath(o.Nested.GetKey())
		if err != nil {
			return nil, err
		}
		if o.Nested.GetFilter() == nil {
			return nil, status.Error(codes.InvalidArgument, "Nested condition must have a filter")
		}
		if p[len(p)-1].kind != stepAll {
			p = append(p, pathStep{kind: stepAll})
		}
		inner, err := compileClause(o.Nested.GetFilter(), c, slices.Concat(under, p), m)
		return nestedCondition{p, inner}, err
	}
	return nil, unsupported("this kind of filter condition")
}

func (cl *clause) match(s slot, pl payload) bool {
	for _, c := range cl.must {
		if !c.match(s, pl) {
			return false
		}
	}
	for _, c := range cl.mustNot {
		if c.match(s, pl) {
			return false
		}
	}
	return (len(cl.should) == 0 || countMatches(cl.should, s, pl, 1) == 1) &&
		(len(cl.atLeast) == 0 || countMatches(cl.atLeast, s, pl, cl.minCount) >= cl.minCount)
}

// countMatches stops counting at enough.
func countMatches(cs []condition, s slot, pl payload, enough int) int {
	n := 0
	for _, c := range cs {
		if n >= enough {
			break
		}
		if c.match(s, pl) {
			n++
		}
	}
	return n
}

// slotCondition is a known set of points: has_id, has_vector. It has no
// meaning inside a nested filter, where it never matches.
type slotCondition bitset

func (c slotCondition) match(s slot, _ payload) bool { return bitset(c).has(s) }
func (c slotCondition) slots() (bitset, bool)        { return bitset(c), true }

type isEmptyCondition jsonPath

func (c isEmptyCondition) match(_ slot, pl payload) bool {
	empty := true
	jsonPath(c).each(pl, func(v *qdrant.Value) { empty = empty && isEmpty(v) })
	return empty
}

// isNullCondition holds for null itself and, where the field has an index,
// for lists that hold null.
type isNullCondition struct {
	path  jsonPath
	lists bool
}

func (c isNullCondition) match(_ slot, pl payload) bool {
	null := false
	c.path.each(pl, func(v *qdrant.Value) {
		null = null || isNull(v) || c.lists && valueTest(isNull).overList(v)
	})
	return null
}

// nestedCondition holds if one object of the list at path satisfies the whole filter.
type nestedCondition struct {
	path  jsonPath
	inner *clause
}

// nowhere is a slot that no point has.
const nowhere = ^slot(0)

func (c nestedCondition) match(_ slot, pl payload) bool {
	found := false
	c.path.each(pl, func(v *qdrant.Value) {
		if o, ok := v.GetKind().(*qdrant.Value_StructValue); ok && !found {
			found = c.inner.match(nowhere, o.StructValue.GetFields())
		}
	})
	return found
}

// fieldCondition holds if any value at path passes any of its predicates.
// Several predicates in one condition are alternatives, as on the server,
// unless an index answers one of them: then it is the only one.
type fieldCondition struct {
	path    jsonPath
	tests   []func(*qdrant.Value) bool // of a whole value, lists included
	missing bool                       // result when the path reaches nothing
	index   *predicate                 // used instead of tests
	whole   bool                       // of whole payloads: the index can name the points
}

// indexAt returns the index of a path inside the objects at under, nil if there is none.
func (c *collection) indexAt(under, p jsonPath) *fieldIndex {
	if len(under) > 0 {
		p = slices.Concat(under, p)
	}
	return c.indexes[p.String()]
}

func compileField(f *qdrant.FieldCondition, c *collection, under jsonPath) (condition, error) {
	p, err := parsePath(f.GetKey())
	if err != nil {
		return nil, err
	}
	if ix := c.indexAt(under, p); ix != nil {
		if pr, ok := ix.values.predicate(f); ok {
			return &fieldCondition{path: p, index: &pr, whole: under == nil}, checkField(f)
		}
	}
	return plainField(f, p)
}

// checkField finds in a condition that an index answers what plainField refuses.
func checkField(f *qdrant.FieldCondition) error {
	if f.Match != nil && f.Match.GetMatchValue() == nil {
		_, err := matchTest(f.Match)
		return err
	}
	if f.DatetimeRange != nil {
		_, err := datetimeBounds(f.DatetimeRange)
		return err
	}
	return nil
}

// plainField compiles a condition on payload values alone.
func plainField(f *qdrant.FieldCondition, p jsonPath) (*fieldCondition, error) {
	fc := &fieldCondition{path: p}
	add := func(t valueTest) { fc.tests = append(fc.tests, t.overList) }
	if f.Match != nil {
		t, err := matchTest(f.Match)
		if err != nil {
			return nil, err
		}
		add(t)
	}
	if f.Range != nil {
		add(rangeTest(f.Range))
	}
	if f.DatetimeRange != nil {
		t, err := datetimeTest(f.DatetimeRange)
		if err != nil {
			return nil, err
		}
		add(t)
	}
	if t := geoPredicate(f); t != nil {
		add(geoTest(t))
	}
	if f.ValuesCount != nil {
		ok := valuesCountTest(f.ValuesCount)
		fc.tests = append(fc.tests, func(v *qdrant.Value) bool { return ok(countOf(v)) })
	}
	if f.IsEmpty != nil {
		fc.tests = append(fc.tests, func(v *qdrant.Value) bool { return isEmpty(v) == *f.IsEmpty })
		fc.missing = fc.missing || *f.IsEmpty
	}
	if f.IsNull != nil {
		null := valueTest(isNull)
		fc.tests = append(fc.tests, func(v *qdrant.Value) bool { return null.overList(v) == *f.IsNull })
		fc.missing = fc.missing || !*f.IsNull
	}
	if len(fc.tests) == 0 {
		return nil, status.Errorf(codes.InvalidArgument, "at least one predicate must be set for the field %q", f.GetKey())
	}
	return fc, nil
}

func (c *fieldCondition) match(_ slot, pl payload) bool {
	reached, found := false, false
	if c.index != nil {
		if c.index.point != nil {
			return c.index.point(pl, c.path)
		}
		c.path.each(pl, func(v *qdrant.Value) { found = found || c.index.holds.overList(v) })
		return found
	}
	c.path.each(pl, func(v *qdrant.Value) {
		reached = true
		for _, t := range c.tests {
			found = found || t(v)
		}
	})
	return found || !reached && c.missing
}

func (c *fieldCondition) slots() (found bitset, exact bool) {
	if c.index == nil || !c.whole {
		return nil, false
	}
	return c.index.slots(), !c.index.superset
}

// checkEvery is the number of points between two looks at a request's context.
const checkEvery = 4096

// selection evaluates filters over sets of points.
type selection struct {
	ctx    context.Context
	c      *collection
	memory *memory
	visits int
	err    error
}

// selectPoints returns the live points that match.
func (c *collection) selectPoints(ctx context.Context, cond condition, m *memory) (bitset, error) {
	e := &selection{ctx: ctx, c: c, memory: m}
	set := m.clone(c.live)
	e.narrow(cond, set)
	return set, e.err
}

// narrow removes from set the points that do not match. Conditions with an
// index work on whole sets; only the points that are then left are looked at
// one by one.
func (e *selection) narrow(cond condition, set bitset) {
	if e.err != nil {
		return
	}
	if ix, ok := cond.(indexed); ok {
		found, exact := ix.slots()
		if exact || found != nil {
			set.and(found)
		}
		if exact {
			return
		}
	}
	cl, ok := cond.(*clause)
	if !ok {
		e.scan(set, cond.match)
		return
	}
	var scanned []condition
	for _, c := range cl.must {
		if usesIndex(c) {
			e.narrow(c, set)
		} else {
			scanned = append(scanned, c)
		}
	}
	for _, c := range scanned {
		e.narrow(c, set)
	}
	if len(cl.mustNot) > 0 {
		e.remove(cl.mustNot, set)
	}
	if len(cl.should) > 0 {
		mark := e.memory.mark()
		rest := e.memory.clone(set)
		e.remove(cl.should, rest)
		set.andNot(rest)
		e.memory.rewind(mark)
	}
	if len(cl.atLeast) > 0 {
		e.scan(set, func(s slot, pl payload) bool {
			return countMatches(cl.atLeast, s, pl, cl.minCount) >= cl.minCount
		})
	}
}

// remove removes from set the points that match any of cs.
func (e *selection) remove(cs []condition, set bitset) {
	defer e.memory.rewind(e.memory.mark())
	matching := e.memory.empty(len(set))
	for _, c := range cs {
		copy(matching, set)
		e.narrow(c, matching)
		set.andNot(matching)
	}
}

// usesIndex reports whether narrow can avoid reading payloads for (part of) c.
func usesIndex(c condition) bool {
	switch c := c.(type) {
	case *clause:
		for _, m := range c.must {
			if usesIndex(m) {
				return true
			}
		}
		for _, m := range c.should {
			if !usesIndex(m) {
				return false
			}
		}
		return len(c.should) > 0
	case *fieldCondition:
		return c.index != nil && c.whole
	case slotCondition:
		return true
	}
	return false
}

func (e *selection) scan(set bitset, match func(slot, payload) bool) {
	set.each(func(s slot) bool {
		if e.visits++; e.visits%checkEvery == 0 {
			if e.err = contextError(e.ctx); e.err != nil {
				return false
			}
		}
		if !match(s, e.c.payloads[s]) {
			set.clear(s)
		}
		return true
	})
}

func contextError(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	return nil
}
