package evalret_test

import (
	"context"
	"testing"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/internal/text"
)

// precision_omega judges the chunking: a query that no leg answers has it, too,
// and all runs have the same.
func TestOmegaAsksNothingOfRetrieval(t *testing.T) {
	set, f := example()
	o := options(t)
	o.Metrics = metrics(t, "RR,precision_omega")
	o.Spans = func(_ context.Context, doc text.DocID) ([]text.RuneSpan, error) {
		return []text.RuneSpan{{Start: 0, End: len(corpus[doc])}}, nil
	}
	e, err := evalret.Evaluate(t.Context(), set, f, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range e.Runs {
		m := r.Metrics["precision_omega"]
		if m.Value != e.Runs[0].Metrics["precision_omega"].Value || m.N != 4 || m.Missing != 0 {
			t.Errorf("%s: %+v, want what %s has, of 4 queries, none missing", r.Name, m, e.Runs[0].Name)
		}
	}
}
