package evalret_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// filtering notes the filter of each query.
type filtering struct {
	finder
	mu    sync.Mutex
	where map[string]string
}

func (f *filtering) Find(ctx context.Context, query string, p retrieve.Params) (retrieve.Found, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.where[query] = p.Filter.Where.String()
	return found(hit{doc: "a.md", text: "alpha", dense: 1, lexical: 1}), nil
}

// A query's own filter holds for its search alone, beside that of the settings.
func TestFilterOfQuery(t *testing.T) {
	parse := func(s string) filter.Expr {
		t.Helper()
		e, err := filter.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	set := labels.Set{Name: "set", Queries: []labels.Query{
		{ID: "1", Text: "own", Docs: map[text.DocID]int{"a.md": 1}, Filter: parse("year>=2024 OR NOT EXISTS year")},
		{ID: "2", Text: "none", Docs: map[text.DocID]int{"a.md": 1}},
	}}
	for _, tt := range []struct {
		settings filter.Expr
		want     map[string]string
	}{
		{filter.Expr{}, map[string]string{"own": "year>=2024 OR NOT EXISTS year", "none": ""}},
		{parse("tags=policy"), map[string]string{"own": "tags=policy AND (year>=2024 OR NOT EXISTS year)", "none": "tags=policy"}},
	} {
		base := retrieve.DefaultParams()
		base.Filter = index.Filter{Where: tt.settings}
		f := &filtering{where: map[string]string{}}
		e, err := evalret.Evaluate(t.Context(), set, f, evalret.Options{Settings: evalret.Standard(base, pack.Options{}), Resamples: 100})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tt.want, f.where); d != "" {
			t.Errorf("filters (-want +got):\n%s", d)
		}
		if got := e.Queries[0].Filter; got != "year>=2024 OR NOT EXISTS year" {
			t.Errorf("the result shows the filter %q", got)
		}
	}
}
