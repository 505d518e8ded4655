package index

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/qdrant/go-client/qdrant"

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
	if err := checkMeta(f.Meta); err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	for _, k := range slices.Sorted(maps.Keys(f.Meta)) {
		must = append(must, qdrant.NewMatch(metaPath(k), f.Meta[k]))
	}
	if must == nil {
		return nil, nil
	}
	return []*qdrant.Condition{qdrant.NewFilterAsCondition(&qdrant.Filter{Must: must})}, nil
}

// metaPath returns the JSON path of a metadata key; a key with other characters
// than a bare path allows goes into quotes, or a dot in it would mean nesting.
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
