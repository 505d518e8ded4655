package qdrantlocal

import (
	"context"
	"maps"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const (
	defaultGroups    = 10
	defaultGroupSize = 3
)

// groupKey is a string or an integer payload value.
type groupKey struct {
	isInt bool
	i     int64
	s     string
}

// QueryGroups ranks all points, then collects the best of each group. Groups
// are ordered by their best hit.
func (ps *pointsServer) QueryGroups(ctx context.Context, r *qdrant.QueryPointGroups) (*qdrant.QueryGroupsResponse, error) {
	start := time.Now()
	if err := firstError(checkConsistency(r.GetReadConsistency()), checkShards(r.GetShardKeySelector())); err != nil {
		return nil, err
	}
	if r.GetGroupBy() == "" {
		return nil, status.Error(codes.InvalidArgument, "group_by: must not be empty")
	}
	path, err := parsePath(r.GetGroupBy())
	if err != nil {
		return nil, err
	}
	if r.Limit != nil && *r.Limit == 0 || r.GroupSize != nil && *r.GroupSize == 0 {
		return nil, status.Error(codes.InvalidArgument, "limit and group_size must be 1 or larger")
	}
	c, err := ps.s.resolve(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	var other *collection
	if l := r.GetWithLookup(); l != nil {
		if other, err = ps.s.resolve(l.GetCollection()); err != nil {
			return nil, err
		}
	}
	ctx, cancel := withTimeout(ctx, r.Timeout)
	defer cancel()
	root := &qdrant.PrefetchQuery{
		Prefetch: r.GetPrefetch(), Query: r.Query, Using: r.Using, Filter: r.Filter, Params: r.Params,
		ScoreThreshold: r.ScoreThreshold, LookupFrom: r.LookupFrom,
	}
	if err := inferQuery(root); err != nil {
		return nil, err
	}
	found, err := ps.s.lookups(root, c)
	if err != nil {
		return nil, err
	}
	groups, err := c.queryGroups(ctx, r, root, path, found)
	if err != nil {
		return nil, err
	}
	if other != nil {
		// After the collection's lock was released: two locks at once could deadlock.
		if err := other.addLookups(groups, r.GetWithLookup()); err != nil {
			return nil, err
		}
	}
	return &qdrant.QueryGroupsResponse{Result: &qdrant.GroupsResult{Groups: groups}, Time: since(start)}, nil
}

func (c *collection) queryGroups(ctx context.Context, r *qdrant.QueryPointGroups, root *qdrant.PrefetchQuery, path jsonPath, found lookups) ([]*qdrant.PointGroup, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	limit, size := orDefault(r.Limit, defaultGroups), orDefault(r.GroupSize, defaultGroupSize)
	o, err := c.newOutput(r.GetWithPayload(), r.GetWithVectors(), false)
	if err != nil {
		return nil, err
	}
	if err := checkLimits(root); err != nil {
		return nil, err
	}
	asked := min(limit, 1<<31) * min(size, 1<<31)
	strict := proto.CloneOf(root)
	strict.Limit = &asked
	if err := c.checkStrictQuery(strict, r.Timeout); err != nil {
		return nil, err
	}
	root.Prefetch = scaledPrefetches(root.GetPrefetch(), size)
	root.Filter = mergeFilters(excludeReferenced(root, found), &qdrant.Filter{MustNot: []*qdrant.Condition{{
		ConditionOneOf: &qdrant.Condition_IsEmpty{IsEmpty: &qdrant.IsEmptyCondition{Key: r.GetGroupBy()}},
	}}})
	m := takeMemory()
	defer m.giveBack()
	sets := takeMemory()
	defer sets.giveBack()
	x := execution{ctx: ctx, c: c, memory: m, selected: &selected{memory: sets}, lookups: found}
	g := &grouping{c: c, path: path, limit: int(min(limit, 1<<31)), size: int(min(size, 1<<31)), at: map[groupKey]*group{}, seen: map[slot]bool{}}
	g.smaller = x.smallerIsBetter(root)
	_, mmr := root.GetQuery().GetVariant().(*qdrant.Query_NearestWithMmr)
	if len(root.GetPrefetch()) == 0 && !mmr {
		// One ranking of all points holds every group completely.
		hits, err := x.run(root, nil, max(len(c.ids), 1), 0)
		if err != nil {
			return nil, err
		}
		g.add(hits)
	} else if err := g.rounds(x, root, r.GetGroupBy(), int(min(asked, math.MaxInt32))); err != nil {
		return nil, err
	}
	return g.result(o), nil
}

// scaledPrefetches multiplies all limits by the group size, as the server does.
func scaledPrefetches(ps []*qdrant.PrefetchQuery, size uint64) []*qdrant.PrefetchQuery {
	out := make([]*qdrant.PrefetchQuery, len(ps))
	for i, p := range ps {
		out[i] = proto.CloneOf(p)
		out[i].Limit = proto.Uint64(min(orDefault(p.Limit, defaultLimit), 1<<31) * min(size, 1<<31))
		out[i].Prefetch = scaledPrefetches(p.GetPrefetch(), size)
	}
	return out
}

// grouping collects hits by group.
type grouping struct {
	c           *collection
	path        jsonPath
	limit, size int
	groups      []*group // in the order in which they were found
	at          map[groupKey]*group
	seen        map[slot]bool
	smaller     bool // smaller scores are better
}

type group struct {
	key  groupKey
	hits []hit
}

// add puts hits, best first, into their groups.
func (g *grouping) add(hits []hit) {
	for _, h := range hits {
		for _, k := range groupKeys(g.c.payloads[h.slot], g.path) {
			gr := g.at[k]
			if gr == nil {
				gr = &group{key: k}
				g.at[k] = gr
				g.groups = append(g.groups, gr)
			}
			gr.hits = append(gr.hits, h)
			g.seen[h.slot] = true
		}
	}
}

// best returns the groups with the best hits, each with its best hits.
// Equal scores keep the order in which they were found.
func (g *grouping) best() []*group {
	better := func(a, b hit) bool { return a.score != b.score && (a.score > b.score) != g.smaller }
	for _, gr := range g.groups {
		sort.SliceStable(gr.hits, func(i, j int) bool { return better(gr.hits[i], gr.hits[j]) })
	}
	out := slices.Clone(g.groups)
	sort.SliceStable(out, func(i, j int) bool { return better(out[i].hits[0], out[j].hits[0]) })
	return out[:min(g.limit, len(out))]
}

func (g *grouping) result(o output) []*qdrant.PointGroup {
	var out []*qdrant.PointGroup
	for _, gr := range g.best() {
		out = append(out, &qdrant.PointGroup{Id: gr.key.proto(), Hits: o.scored(g.c, gr.hits[:min(g.size, len(gr.hits))])})
	}
	return out
}

// maxGroupRounds bounds both loops of rounds; it is the server's number.
const maxGroupRounds = 5

// rounds groups the results of queries whose prefetches see only a part of the
// points. Like the server it repeats the query without the points and full
// groups found so far, then only for the best groups that are not full.
func (g *grouping) rounds(x execution, root *qdrant.PrefetchQuery, key string, window int) error {
	for fill := range 2 {
		for range maxGroupRounds {
			q := proto.CloneOf(root)
			var keys []groupKey
			if fill == 0 {
				keys = g.keys(g.groups, true)
			} else {
				keys = g.keys(g.best(), false)
			}
			q.Filter = mergeFilters(q.Filter, groupFilter(key, keys, fill == 1))
			if len(g.seen) > 0 {
				q.Filter = mergeFilters(q.Filter, &qdrant.Filter{MustNot: []*qdrant.Condition{g.seenCondition()}})
			}
			hits, err := x.run(q, nil, window, 0)
			if err != nil {
				return err
			}
			if len(hits) == 0 {
				break
			}
			g.add(hits)
			if len(g.keys(g.best(), true)) >= g.limit {
				return nil
			}
		}
	}
	return nil
}

// keys returns the keys of those groups that are full, or that are not.
func (g *grouping) keys(groups []*group, full bool) []groupKey {
	var out []groupKey
	for _, gr := range groups {
		if (len(gr.hits) >= g.size) == full {
			out = append(out, gr.key)
		}
	}
	return out
}

func (g *grouping) seenCondition() *qdrant.Condition {
	ids := &qdrant.HasIdCondition{}
	for _, s := range slices.Sorted(maps.Keys(g.seen)) {
		ids.HasId = append(ids.HasId, g.c.points[s].proto())
	}
	return &qdrant.Condition{ConditionOneOf: &qdrant.Condition_HasId{HasId: ids}}
}

// groupFilter keeps the points that are in one of the groups, or in another one.
func groupFilter(key string, keys []groupKey, in bool) *qdrant.Filter {
	var ints qdrant.RepeatedIntegers
	var strs qdrant.RepeatedStrings
	for _, k := range keys {
		if k.isInt {
			ints.Integers = append(ints.Integers, k.i)
		} else {
			strs.Strings = append(strs.Strings, k.s)
		}
	}
	var conds []*qdrant.Condition
	add := func(m *qdrant.Match) {
		conds = append(conds, &qdrant.Condition{ConditionOneOf: &qdrant.Condition_Field{Field: &qdrant.FieldCondition{Key: key, Match: m}}})
	}
	if len(strs.Strings) > 0 {
		if in {
			add(&qdrant.Match{MatchValue: &qdrant.Match_Keywords{Keywords: &strs}})
		} else {
			add(&qdrant.Match{MatchValue: &qdrant.Match_ExceptKeywords{ExceptKeywords: &strs}})
		}
	}
	if len(ints.Integers) > 0 {
		if in {
			add(&qdrant.Match{MatchValue: &qdrant.Match_Integers{Integers: &ints}})
		} else {
			add(&qdrant.Match{MatchValue: &qdrant.Match_ExceptIntegers{ExceptIntegers: &ints}})
		}
	}
	switch {
	case len(conds) == 0:
		return nil
	case in:
		return &qdrant.Filter{Should: conds}
	}
	return &qdrant.Filter{Must: conds}
}

// groupKeys returns the distinct groups of a point, in payload order. A point
// with a value that is neither string nor integer is in no group.
func groupKeys(pl payload, path jsonPath) []groupKey {
	var keys []groupKey
	bad := false
	seen := map[groupKey]bool{}
	add := func(v *qdrant.Value) {
		var k groupKey
		switch v := v.GetKind().(type) {
		case *qdrant.Value_StringValue:
			k.s = v.StringValue
		case *qdrant.Value_IntegerValue:
			k.isInt, k.i = true, v.IntegerValue
		default:
			bad = true
			return
		}
		if !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	path.each(pl, func(v *qdrant.Value) {
		if l, ok := v.GetKind().(*qdrant.Value_ListValue); ok {
			for _, e := range l.ListValue.GetValues() {
				add(e)
			}
			return
		}
		add(v)
	})
	if bad {
		return nil
	}
	return keys
}

func (k groupKey) proto() *qdrant.GroupId {
	switch {
	case !k.isInt:
		return &qdrant.GroupId{Kind: &qdrant.GroupId_StringValue{StringValue: k.s}}
	case k.i >= 0:
		return &qdrant.GroupId{Kind: &qdrant.GroupId_UnsignedValue{UnsignedValue: uint64(k.i)}}
	}
	return &qdrant.GroupId{Kind: &qdrant.GroupId_IntegerValue{IntegerValue: k.i}}
}

// addLookups gives each group the point of c whose id is the group's value.
func (c *collection) addLookups(groups []*qdrant.PointGroup, l *qdrant.WithLookup) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	o, err := c.newOutput(l.GetWithPayload(), l.GetWithVectors(), true)
	if err != nil {
		return err
	}
	for _, g := range groups {
		var id pointID
		switch k := g.GetId().GetKind().(type) {
		case *qdrant.GroupId_UnsignedValue:
			id = pointID{lo: k.UnsignedValue}
		case *qdrant.GroupId_StringValue:
			u, ok := parseUUID(k.StringValue)
			if !ok {
				continue
			}
			id = u
		default:
			continue
		}
		if s, ok := c.ids[id]; ok {
			g.Lookup = o.retrieved(c, s, c.points[s].proto())
		}
	}
	return nil
}
