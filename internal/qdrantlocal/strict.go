package qdrantlocal

import (
	"slices"

	"github.com/qdrant/go-client/qdrant"
)

// Strict mode limits what requests to a collection may ask for.

// checkStrict refuses limits that local mode cannot keep, and impossible ones.
func checkStrict(st *qdrant.StrictModeConfig) error {
	if st == nil {
		return nil
	}
	if st.MaxQueryLimit != nil && *st.MaxQueryLimit == 0 {
		return badRequest("strict_mode_config.max_query_limit: value 0 invalid, must be 1 or larger")
	}
	if st.MaxTimeout != nil && *st.MaxTimeout == 0 {
		return badRequest("strict_mode_config.max_timeout: value 0 invalid, must be 1 or larger")
	}
	if !st.GetEnabled() {
		return nil
	}
	switch {
	case st.ReadRateLimit != nil || st.WriteRateLimit != nil:
		return unsupported("rate limits of strict mode")
	case st.MaxCollectionVectorSizeBytes != nil || st.MaxCollectionPayloadSizeBytes != nil:
		return unsupported("collection size limits of strict mode")
	case st.MultivectorConfig != nil || st.SparseConfig != nil:
		return unsupported("vector length limits of strict mode")
	}
	return nil
}

// strict returns the collection's limits, nil if strict mode is off.
func (c *collection) strict() *qdrant.StrictModeConfig {
	if st := c.config.GetStrictModeConfig(); st.GetEnabled() {
		return st
	}
	return nil
}

func exceeds[T uint32 | uint64 | float32](name string, got uint64, limit *T) error {
	if limit != nil && float64(got) > float64(*limit) {
		return badRequest("Limit exceeded %d > %v for %q. Help: Reduce the %q parameter to or below %v.", got, *limit, name, name, *limit)
	}
	return nil
}

func (c *collection) checkStrictUpsert(points int) error {
	st := c.strict()
	if st == nil {
		return nil
	}
	if err := exceeds("upsert limit", uint64(points), st.UpsertMaxBatchsize); err != nil {
		return err
	}
	// Like the server, only refuse once there are too many.
	return exceeds("max_points_count", uint64(len(c.ids)), st.MaxPointsCount)
}

func (c *collection) checkStrictIndexes() error {
	if st := c.strict(); st != nil && st.MaxPayloadIndexCount != nil {
		return exceeds("max_payload_index_count", uint64(len(c.indexes))+1, st.MaxPayloadIndexCount)
	}
	return nil
}

func (c *collection) checkStrictTimeout(seconds *uint64) error {
	if st := c.strict(); st != nil && seconds != nil {
		return exceeds("timeout", *seconds, st.MaxTimeout)
	}
	return nil
}

// strictRead is what of a read is limited.
type strictRead struct {
	limit   uint64 // 0: the request has none
	filter  *qdrant.Filter
	timeout *uint64
	exact   bool
}

func (c *collection) checkStrictRead(r strictRead) error {
	st := c.strict()
	if st == nil {
		return nil
	}
	if r.exact && st.SearchAllowExact != nil && !*st.SearchAllowExact {
		return badRequest("Exact search disabled!. Help: Set exact=false.")
	}
	return firstError(
		exceeds("limit", r.limit, st.MaxQueryLimit),
		c.checkStrictTimeout(r.timeout),
		c.checkStrictFilter(r.filter, false),
	)
}

// checkStrictQuery checks a query with all its prefetches.
func (c *collection) checkStrictQuery(p *qdrant.PrefetchQuery, timeout *uint64) error {
	st := c.strict()
	if st == nil {
		return nil
	}
	limit := orDefault(p.Limit, defaultLimit)
	if err := c.checkStrictRead(strictRead{limit: limit, filter: p.Filter, timeout: timeout, exact: p.GetParams().GetExact()}); err != nil {
		return err
	}
	if ef := p.GetParams(); ef != nil && ef.HnswEf != nil {
		if err := exceeds("hnsw_ef", *ef.HnswEf, st.SearchMaxHnswEf); err != nil {
			return err
		}
	}
	if q := p.GetParams().GetQuantization(); q != nil && st.SearchMaxOversampling != nil && q.GetOversampling() > float64(*st.SearchMaxOversampling) {
		return badRequest("Limit exceeded %v > %v for \"oversampling\"", q.GetOversampling(), *st.SearchMaxOversampling)
	}
	for _, sub := range p.GetPrefetch() {
		if err := c.checkStrictQuery(sub, nil); err != nil {
			return err
		}
	}
	return nil
}

// checkStrictFilter checks the size of a filter and that its fields have indexes.
func (c *collection) checkStrictFilter(f *qdrant.Filter, update bool) error {
	st := c.strict()
	if st == nil || f == nil {
		return nil
	}
	indexed := st.UnindexedFilteringRetrieve
	if update {
		indexed = st.UnindexedFilteringUpdate
	}
	n := uint64(0)
	err := eachCondition(f, nil, func(cond *qdrant.Condition, under jsonPath) error {
		n++
		if size := conditionSize(cond); st.ConditionMaxSize != nil && size > *st.ConditionMaxSize {
			return badRequest("Condition size limit reached (%d > %d). Help: Reduce the size of your condition.", size, *st.ConditionMaxSize)
		}
		if indexed != nil && !*indexed {
			return c.checkIndexed(cond.GetField(), under)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if st.FilterMaxConditions != nil && n > *st.FilterMaxConditions {
		return badRequest("Filter condition limit reached (%d > %d). Help: Reduce the amount of conditions of your filter.", n, *st.FilterMaxConditions)
	}
	return nil
}

// eachCondition visits the conditions that are not filters themselves.
func eachCondition(f *qdrant.Filter, under jsonPath, visit func(*qdrant.Condition, jsonPath) error) error {
	for _, cond := range slices.Concat(f.GetMust(), f.GetShould(), f.GetMustNot(), f.GetMinShould().GetConditions()) {
		var err error
		switch o := cond.GetConditionOneOf().(type) {
		case nil:
		case *qdrant.Condition_Filter:
			err = eachCondition(o.Filter, under, visit)
		case *qdrant.Condition_Nested:
			p, perr := parsePath(o.Nested.GetKey())
			if perr != nil {
				return perr
			}
			if p[len(p)-1].kind != stepAll {
				p = append(p, pathStep{kind: stepAll})
			}
			err = eachCondition(o.Nested.GetFilter(), slices.Concat(under, p), visit)
		default:
			err = visit(cond, under)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// conditionSize is the number of alternatives in a condition.
func conditionSize(cond *qdrant.Condition) uint64 {
	m := cond.GetField().GetMatch()
	return uint64(max(
		len(cond.GetHasId().GetHasId()),
		len(m.GetKeywords().GetStrings()), len(m.GetIntegers().GetIntegers()),
		len(m.GetExceptKeywords().GetStrings()), len(m.GetExceptIntegers().GetIntegers()),
	))
}

// checkIndexed requires an index of a fitting type for a condition on values.
func (c *collection) checkIndexed(f *qdrant.FieldCondition, under jsonPath) error {
	var types []qdrant.PayloadSchemaType
	switch f.GetMatch().GetMatchValue().(type) {
	case *qdrant.Match_Keyword, *qdrant.Match_Keywords, *qdrant.Match_ExceptKeywords:
		types = []qdrant.PayloadSchemaType{qdrant.PayloadSchemaType_Keyword, qdrant.PayloadSchemaType_Uuid}
	case *qdrant.Match_Integer, *qdrant.Match_Integers, *qdrant.Match_ExceptIntegers:
		types = []qdrant.PayloadSchemaType{qdrant.PayloadSchemaType_Integer}
	case *qdrant.Match_Boolean:
		types = []qdrant.PayloadSchemaType{qdrant.PayloadSchemaType_Bool}
	case *qdrant.Match_Text, *qdrant.Match_Phrase, *qdrant.Match_TextAny:
		types = []qdrant.PayloadSchemaType{qdrant.PayloadSchemaType_Text}
	case nil:
		switch {
		case f.GetRange() != nil:
			types = []qdrant.PayloadSchemaType{qdrant.PayloadSchemaType_Integer, qdrant.PayloadSchemaType_Float}
		case f.GetDatetimeRange() != nil:
			types = []qdrant.PayloadSchemaType{qdrant.PayloadSchemaType_Datetime}
		case geoPredicate(f) != nil:
			types = []qdrant.PayloadSchemaType{qdrant.PayloadSchemaType_Geo}
		default:
			return nil
		}
	}
	path, err := parsePath(f.GetKey())
	if err != nil {
		return err
	}
	if ix := c.indexAt(under, path); ix != nil && slices.Contains(types, ix.schema) {
		return nil
	}
	return badRequest("Index required but not found for %q of one of the following types: %v. Help: Create an index for this key or use a different filter.", f.GetKey(), types)
}
