package index

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/text"
)

// scope returns a filter that holds the tenant and all of conditions. The
// tenant is in must, and conditions are never merged into should lists: Qdrant
// merges filters by joining lists, so anything else could reach another tenant.
func (c *Client) scope(conditions ...*qdrant.Condition) *qdrant.Filter {
	return &qdrant.Filter{Must: append([]*qdrant.Condition{qdrant.NewMatch(keyTenant, c.tenant)}, conditions...)}
}

// conditions returns f as at most one condition: what a caller asked for is
// nested as a whole beside the tenant's.
func (f Filter) conditions() ([]*qdrant.Condition, error) {
	var must []*qdrant.Condition
	if len(f.Docs) > 0 {
		docs := make([]string, len(f.Docs))
		for i, d := range f.Docs {
			docs[i] = string(d)
		}
		if err := checkText("document id in the filter", docs...); err != nil {
			return nil, err
		}
		must = append(must, qdrant.NewMatchKeywords(keyDoc, docs...))
	}
	if len(f.Tags) > 0 {
		if err := checkText("tag in the filter", f.Tags...); err != nil {
			return nil, err
		}
		must = append(must, qdrant.NewMatchKeywords(keyTags, f.Tags...))
	}
	for _, k := range slices.Sorted(maps.Keys(f.Meta)) {
		if err := filter.MetaField(k).Check(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		if err := checkText("metadata in the filter", k, f.Meta[k]); err != nil {
			return nil, err
		}
		must = append(must, qdrant.NewMatch(metaPath(k), f.Meta[k]))
	}
	if !f.Where.IsZero() {
		if err := f.Where.Check(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		must = append(must, condition(f.Where))
	}
	if must == nil {
		return nil, nil
	}
	return []*qdrant.Condition{qdrant.NewFilterAsCondition(&qdrant.Filter{Must: must})}, nil
}

// condition returns what the server evaluates for e, which must pass its Check:
// as an empty filter matches everything, none may come of it.
func condition(e filter.Expr) *qdrant.Condition {
	var parts []*qdrant.Condition
	for _, part := range e.Of {
		parts = append(parts, condition(part))
	}
	if !e.Op.Joins() {
		var texts []string
		for _, v := range e.Values {
			if v.Kind == filter.Text {
				texts = append(texts, v.Text)
			} else {
				parts = append(parts, compare(e, v))
			}
		}
		if texts != nil {
			parts = append(parts, qdrant.NewMatchKeywords(fieldPath(e.Field), texts...))
		}
	}
	switch e.Op {
	case filter.And:
		return qdrant.NewFilterAsCondition(&qdrant.Filter{Must: parts})
	case filter.Not, filter.NotEqual:
		return qdrant.NewFilterAsCondition(&qdrant.Filter{MustNot: parts})
	case filter.Exists:
		return qdrant.NewFilterAsCondition(&qdrant.Filter{MustNot: []*qdrant.Condition{qdrant.NewIsEmpty(fieldPath(e.Field))}})
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return qdrant.NewFilterAsCondition(&qdrant.Filter{Should: parts})
}

// compare returns the condition for a value that is no string; != is = here.
func compare(e filter.Expr, v filter.Value) *qdrant.Condition {
	path := fieldPath(e.Field)
	switch v.Kind {
	case filter.Bool:
		return qdrant.NewMatchBool(path, v.Bool)
	case filter.Number:
		r := &qdrant.Range{}
		switch e.Op {
		case filter.Less:
			r.Lt = &v.Number
		case filter.LessOrEqual:
			r.Lte = &v.Number
		case filter.Greater:
			r.Gt = &v.Number
		case filter.GreaterOrEqual:
			r.Gte = &v.Number
		default:
			r.Gte, r.Lte = &v.Number, &v.Number // a match would pass integers alone
		}
		return qdrant.NewRange(path, r)
	}
	r := &qdrant.DatetimeRange{}
	from, to := e.Interval(v)
	if !from.IsZero() {
		r.Gte = timestamppb.New(from)
	}
	if !to.IsZero() {
		r.Lt = timestamppb.New(to)
	}
	return qdrant.NewDatetimeRange(path, r)
}

func fieldPath(f filter.Field) string {
	if f.Meta {
		return metaPath(f.Name)
	}
	return f.Name // the payload has the built-in fields under their names
}

// metaPath returns the JSON path of a metadata key that passes the Check of its
// filter.Field; a key with other characters than a bare path allows goes into
// quotes, or a dot in it would mean nesting. Nothing can be escaped between them.
func metaPath(key string) string {
	bare := strings.IndexFunc(key, func(r rune) bool {
		return !(r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	}) < 0
	if bare {
		return keyMeta + "." + key
	}
	return keyMeta + `."` + key + `"`
}

// ofDocs matches whatever belongs to any of docs.
func ofDocs(docs ...text.DocID) *qdrant.Condition {
	s := make([]string, len(docs))
	for i, d := range docs {
		s[i] = string(d)
	}
	return qdrant.NewMatchKeywords(keyDoc, s...)
}
