package qdrantlocal

import (
	"context"
	"slices"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func (ps *pointsServer) Query(ctx context.Context, r *qdrant.QueryPoints) (*qdrant.QueryResponse, error) {
	start := time.Now()
	if err := checkReadOptions(r); err != nil {
		return nil, err
	}
	c, err := ps.s.resolve(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	ctx, cancel := withTimeout(ctx, r.Timeout)
	defer cancel()
	root := &qdrant.PrefetchQuery{}
	setRoot(root, r)
	if err := inferQuery(root); err != nil {
		return nil, err
	}
	found, err := ps.s.lookups(root, c)
	if err != nil {
		return nil, err
	}
	m := takeMemory()
	defer m.giveBack()
	c.mu.RLock()
	defer c.mu.RUnlock()
	res, err := c.query(ctx, r, root, found, &selected{memory: m})
	if err != nil {
		return nil, err
	}
	return &qdrant.QueryResponse{Result: res, Time: since(start)}, nil
}

// QueryBatch answers all queries from one state of the collection.
func (ps *pointsServer) QueryBatch(ctx context.Context, r *qdrant.QueryBatchPoints) (*qdrant.QueryBatchResponse, error) {
	start := time.Now()
	if err := checkConsistency(r.GetReadConsistency()); err != nil {
		return nil, err
	}
	c, err := ps.s.resolve(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	for _, q := range r.GetQueryPoints() {
		// The collection of the batch is searched, whatever name a query has.
		if err := firstError(checkNameLength(q.GetCollectionName()), checkReadOptions(q)); err != nil {
			return nil, err
		}
	}
	ctx, cancel := withTimeout(ctx, r.Timeout)
	defer cancel()
	roots := make([]qdrant.PrefetchQuery, len(r.GetQueryPoints()))
	found := make([]lookups, len(roots))
	for i, q := range r.GetQueryPoints() {
		setRoot(&roots[i], q)
		if err := inferQuery(&roots[i]); err != nil {
			return nil, err
		}
		if found[i], err = ps.s.lookups(&roots[i], c); err != nil {
			return nil, err
		}
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if err := c.checkStrictTimeout(r.Timeout); err != nil {
		return nil, err
	}
	m := takeMemory()
	defer m.giveBack()
	points := &selected{memory: m}
	results := make([]qdrant.BatchResult, len(roots))
	out := &qdrant.QueryBatchResponse{Result: slices.Grow([]*qdrant.BatchResult(nil), len(roots))}
	for i, q := range r.GetQueryPoints() {
		if results[i].Result, err = c.query(ctx, q, &roots[i], found[i], points); err != nil {
			return nil, err
		}
		out.Result = append(out.Result, &results[i])
	}
	out.Time = since(start)
	return out, nil
}

func checkReadOptions(r *qdrant.QueryPoints) error {
	return firstError(checkConsistency(r.GetReadConsistency()), checkShards(r.GetShardKeySelector()))
}

// setRoot sets p to the part of a query that it has in common with prefetches.
func setRoot(p *qdrant.PrefetchQuery, r *qdrant.QueryPoints) {
	p.Prefetch, p.Query, p.Using, p.Filter, p.Params = r.GetPrefetch(), r.Query, r.Using, r.Filter, r.Params
	p.ScoreThreshold, p.Limit, p.LookupFrom = r.ScoreThreshold, r.Limit, r.LookupFrom
}

func (c *collection) query(ctx context.Context, r *qdrant.QueryPoints, root *qdrant.PrefetchQuery, found lookups, points *selected) ([]*qdrant.ScoredPoint, error) {
	o, err := c.newOutput(r.GetWithPayload(), r.GetWithVectors(), false)
	if err != nil {
		return nil, err
	}
	limit, offset := orDefault(r.Limit, defaultLimit), r.GetOffset()
	if err := checkLimits(root); err != nil {
		return nil, err
	}
	if err := c.checkStrictQuery(root, r.Timeout); err != nil {
		return nil, err
	}
	root.Filter = excludeReferenced(root, found)
	m := takeMemory()
	defer m.giveBack()
	x := execution{ctx: ctx, c: c, memory: m, selected: points, lookups: found}
	window := addLimits(limit, offset)
	if _, ok := root.GetQuery().GetVariant().(*qdrant.Query_NearestWithMmr); ok {
		window = addLimits(limit, 0) // the server applies the offset to what MMR selected
	}
	hits, err := x.run(root, nil, window, 0)
	if err != nil {
		return nil, err
	}
	hits = hits[min(offset, uint64(len(hits))):]
	return o.scored(c, hits), nil
}

// addLimits adds without overflow, to a value that fits an int.
func addLimits(a, b uint64) int { return int(min(a, 1<<31) + min(b, 1<<31)) }

// maxDepth is the deepest nesting of prefetches that the server accepts.
const maxDepth = 64

func checkLimits(p *qdrant.PrefetchQuery) error {
	if p.Limit != nil && *p.Limit == 0 {
		return status.Error(codes.InvalidArgument, "limit: value 0 invalid, must be 1 or larger")
	}
	for _, sub := range p.GetPrefetch() {
		if err := checkLimits(sub); err != nil {
			return err
		}
	}
	return nil
}

// execution runs one query. The collection's lock is held.
type execution struct {
	ctx      context.Context
	c        *collection
	memory   *memory
	selected *selected
	lookups  lookups
}

// run returns the best limit hits of p, best first. outer is the filter of the
// queries around p: like the server's planner it reaches the innermost
// prefetches, so that nothing outside it takes part in any ranking.
func (x execution) run(p *qdrant.PrefetchQuery, outer *qdrant.Filter, limit, depth int) ([]hit, error) {
	if depth > maxDepth {
		return nil, badRequest("prefetches are nested deeper than %d", maxDepth)
	}
	filter := mergeFilters(outer, p.Filter)
	q := p.GetQuery().GetVariant()
	if p.Query != nil && q == nil {
		return nil, status.Error(codes.InvalidArgument, "query has no variant set")
	}
	if len(p.GetPrefetch()) == 0 {
		return x.leaf(p, filter, limit, depth)
	}
	if q == nil {
		return nil, badRequest("A query is needed to merge the prefetches. Can't have prefetches without defining a query.")
	}
	lists := make([][]hit, len(p.GetPrefetch()))
	for i, sub := range p.GetPrefetch() {
		l, err := x.run(sub, filter, addLimits(orDefault(sub.Limit, defaultLimit), 0), depth+1)
		if err != nil {
			return nil, err
		}
		lists[i] = l
	}
	var hits []hit
	switch q := q.(type) {
	case *qdrant.Query_Fusion:
		if p.GetUsing() != "" {
			return nil, badRequest("Fusion queries cannot be combined with the 'using' field.")
		}
		switch q.Fusion {
		case qdrant.Fusion_RRF:
			hits = rrf(x.c, lists, defaultRRFK, nil)
		case qdrant.Fusion_DBSF:
			hits = dbsf(x.c, lists)
		default:
			return nil, unsupported("this kind of fusion")
		}
	case *qdrant.Query_Rrf:
		k := orDefault(q.Rrf.K, defaultRRFK)
		if k == 0 {
			return nil, status.Error(codes.InvalidArgument, "query.rrf.k: value 0 invalid, must be 1 or larger")
		}
		w := q.Rrf.GetWeights()
		if len(w) > 0 && len(w) != len(lists) {
			return nil, invalid("RRF weights length (%d) does not match number of prefetches (%d)", len(w), len(lists))
		}
		if len(w) == 0 {
			w = nil
		}
		hits = rrf(x.c, lists, k, w)
	case *qdrant.Query_Formula:
		return x.rescore(q.Formula, lists, p.ScoreThreshold, limit)
	default:
		within := bitset{}
		for _, l := range lists {
			for _, h := range l {
				within.set(h.slot)
			}
		}
		return x.score(p, candidates{within, true}, limit, depth)
	}
	if t := p.ScoreThreshold; t != nil {
		kept := hits[:0]
		for _, h := range hits {
			if h.score >= *t {
				kept = append(kept, h)
			}
		}
		hits = kept
	}
	return hits[:min(limit, len(hits))], nil
}

// leaf runs a query without prefetches.
func (x execution) leaf(p *qdrant.PrefetchQuery, filter *qdrant.Filter, limit, depth int) ([]hit, error) {
	switch p.GetQuery().GetVariant().(type) {
	case *qdrant.Query_Fusion, *qdrant.Query_Rrf, *qdrant.Query_Formula:
		return nil, invalid("cannot apply Fusion or Formula without prefetches")
	}
	set, err := x.selected.points(x.ctx, x.c, filter)
	if err != nil {
		return nil, err
	}
	return x.score(p, candidates{set, filter != nil}, limit, depth)
}

// selected is the points that a filter selects, kept for the queries and prefetches
// after it that have the same: the legs of a search.
type selected struct {
	memory *memory // for the set alone
	known  bool
	filter *qdrant.Filter
	set    bitset
}

// points returns the live points that f matches. Nobody may change them, and they
// are valid until the next call.
func (s *selected) points(ctx context.Context, c *collection, f *qdrant.Filter) (bitset, error) {
	if s.known && s.filter == f {
		return s.set, nil
	}
	s.memory.reset()
	set, err := c.selectFiltered(ctx, f, s.memory)
	s.known, s.filter, s.set = err == nil, f, set
	return set, err
}

// candidates are the points that a query ranks.
type candidates struct {
	set      bitset
	filtered bool // by a filter or by prefetches
}

// score ranks the candidates by p's query.
func (x execution) score(p *qdrant.PrefetchQuery, from candidates, limit, depth int) ([]hit, error) {
	switch q := p.GetQuery().GetVariant().(type) {
	case nil:
		if p.ScoreThreshold != nil {
			return nil, badRequest("A query is needed to use the score_threshold. Can't have score_threshold without defining a query.")
		}
		var hits []hit
		for _, s := range x.c.page(from.set, pointID{}, limit) {
			hits = append(hits, hit{slot: s, score: 1})
		}
		return hits, nil
	case *qdrant.Query_Nearest:
		v, err := x.input(q.Nearest, p.GetUsing())
		if err != nil {
			return nil, err
		}
		return x.nearest(v, p.GetUsing(), from, p.ScoreThreshold, limit)
	case *qdrant.Query_OrderBy:
		if p.ScoreThreshold != nil {
			return nil, badRequest("Can't use score_threshold with an order_by query.")
		}
		return x.c.orderBy(q.OrderBy, from.set, limit)
	case *qdrant.Query_Recommend:
		return x.recommend(p, q.Recommend, from, limit)
	case *qdrant.Query_Discover:
		return x.discover(p, q.Discover, from, limit)
	case *qdrant.Query_Context:
		return x.context(p, q.Context, from, limit)
	case *qdrant.Query_Sample:
		if q.Sample != qdrant.Sample_Random {
			return nil, unsupported("this kind of sampling")
		}
		return x.sample(from.set, limit), nil
	case *qdrant.Query_NearestWithMmr:
		hits, err := x.mmr(p, q.NearestWithMmr, from, limit)
		if err != nil || depth == 0 {
			return hits, err
		}
		// A prefetch hands on what MMR selected by score, as the server does.
		r := ranker{c: x.c, smaller: x.smallerIsBetter(p), hits: hits}
		return r.sorted(), nil
	case *qdrant.Query_RelevanceFeedback:
		return x.feedback(p, q.RelevanceFeedback, from, limit)
	}
	return nil, unsupported("this kind of query")
}

// excludeReferenced keeps the points that queries anywhere in p refer to by id
// out of all results.
func excludeReferenced(p *qdrant.PrefetchQuery, found lookups) *qdrant.Filter {
	ids := referencedIDs(p, found, nil)
	if len(ids) == 0 {
		return p.Filter
	}
	return mergeFilters(p.Filter, &qdrant.Filter{MustNot: []*qdrant.Condition{{
		ConditionOneOf: &qdrant.Condition_HasId{HasId: &qdrant.HasIdCondition{HasId: ids}},
	}}})
}

func referencedIDs(p *qdrant.PrefetchQuery, found lookups, ids []*qdrant.PointId) []*qdrant.PointId {
	if p.LookupFrom == nil || found.own[p] {
		var few [1]*qdrant.VectorInput
		for _, in := range vectorInputs(few[:0], p.GetQuery()) {
			if id, ok := in.GetVariant().(*qdrant.VectorInput_Id); ok && id.Id != nil {
				ids = append(ids, id.Id)
			}
		}
	}
	for _, sub := range p.GetPrefetch() {
		ids = referencedIDs(sub, found, ids)
	}
	return ids
}

// vectorInputs appends the vectors that a query mentions to ins.
func vectorInputs(ins []*qdrant.VectorInput, q *qdrant.Query) []*qdrant.VectorInput {
	switch q := q.GetVariant().(type) {
	case *qdrant.Query_Nearest:
		ins = append(ins, q.Nearest)
	case *qdrant.Query_NearestWithMmr:
		ins = append(ins, q.NearestWithMmr.GetNearest())
	case *qdrant.Query_Recommend:
		ins = append(append(ins, q.Recommend.GetPositive()...), q.Recommend.GetNegative()...)
	case *qdrant.Query_Discover:
		ins = append(pairInputs(ins, q.Discover.GetContext()), q.Discover.GetTarget())
	case *qdrant.Query_Context:
		ins = pairInputs(ins, q.Context)
	case *qdrant.Query_RelevanceFeedback:
		ins = append(ins, q.RelevanceFeedback.GetTarget())
		for _, f := range q.RelevanceFeedback.GetFeedback() {
			ins = append(ins, f.GetExample())
		}
	}
	return ins
}

func pairInputs(ins []*qdrant.VectorInput, c *qdrant.ContextInput) []*qdrant.VectorInput {
	for _, p := range c.GetPairs() {
		ins = append(ins, p.GetPositive(), p.GetNegative())
	}
	return ins
}

// mergeFilters joins two filters as the server does, by concatenating their
// lists: two lists of alternatives (should) become one. Who needs both wraps
// each filter as a condition of another's must.
func mergeFilters(a, b *qdrant.Filter) *qdrant.Filter {
	if a == nil {
		return b
	}
	if b == nil {
		return a
	}
	out := &qdrant.Filter{
		Must: slices.Concat(a.Must, b.Must), Should: slices.Concat(a.Should, b.Should), MustNot: slices.Concat(a.MustNot, b.MustNot),
		MinShould: a.MinShould,
	}
	switch {
	case a.MinShould == nil:
		out.MinShould = b.MinShould
	case b.MinShould != nil:
		out.MinShould = &qdrant.MinShould{
			Conditions: slices.Concat(a.MinShould.Conditions, b.MinShould.Conditions),
			MinCount:   max(a.MinShould.MinCount, b.MinShould.MinCount),
		}
	}
	return out
}
