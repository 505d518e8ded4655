package ground

import (
	"context"
	"fmt"
	"slices"
)

// Predicted is what a model that has not seen an example says of it.
type Predicted struct {
	Mean    float64 // token-weighted mean of the supports of its claims
	Worst   float64 // least of them
	Outcome Outcome // the two mean nothing unless it is Scored
}

// CrossValidate predicts every example, in order, with a model fitted without
// the examples of its group (see [Groups]). Groups are dealt out to folds in order
// of a hash, so that no seed is needed. folds must be 2 or more.
func CrossValidate(ctx context.Context, examples []Example, folds int) ([]Predicted, error) {
	if folds < 2 {
		return nil, fmt.Errorf("cross-validate groundedness model: %d folds, want 2 or more", folds)
	}
	rows, err := featurise(ctx, examples)
	if err != nil {
		return nil, err
	}
	fold := foldsOf(examples, folds)
	out := make([]Predicted, len(examples))
	for i := range out {
		out[i] = Predicted{Worst: 1}
		if slices.ContainsFunc(Split(examples[i].Response), func(s Sentence) bool { return s.Kind == Abstention }) {
			out[i].Outcome = Abstained // unless it has claims, see below
		}
	}
	for k := range folds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var train []row
		for _, r := range rows {
			if fold[r.example] != k {
				train = append(train, r)
			}
		}
		m, err := fitRows(train)
		if err != nil {
			return nil, fmt.Errorf("fold %d of %d: %w", k+1, folds, err)
		}
		for _, r := range rows {
			if fold[r.example] == k {
				p := &out[r.example]
				s := m.support(&r.f)
				p.Outcome, p.Mean, p.Worst = Scored, p.Mean+r.share*s, min(p.Worst, s)
			}
		}
	}
	return out, nil
}
