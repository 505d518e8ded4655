package ground

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Example is a response that people have judged.
type Example struct {
	Set      string // the collection it is from
	Context  string
	Response string
	Label    float64 // 0..1: how far people found it supported
	Graded   bool    // Label is a degree of the response as a whole; otherwise it is 1 only if every claim is supported
}

// ErrNoExamples: there is nothing to fit a model on.
var ErrNoExamples = errors.New("no examples with claims of both kinds")

// Constants of the fit, chosen by cross-validation on the development sets, so
// that its figures are a little too good. gradedWeight trades one set against the
// other: a smaller one takes from MTRAG's correlation what it gives to SummEdits.
const (
	ridge        = 3.0 // penalty on standardised weights
	rounds       = 3   // in which the label of a response is shared out among its claims
	sharpness    = 6.0 // of the share-out: exp(-sharpness*support)
	setSize      = 500 // a set of n responses counts like sqrt(n*setSize): large ones more, but less than their share
	gradedWeight = 12  // and one whose labels are degrees like so many more: it alone ranks whole answers
	maxNewton    = 50
	stepEpsilon  = 1e-10
	weightDigits = 1e5 // weights are rounded to five decimals: far more than they are certain to
)

// Fit fits the model of [Lexical] to examples.
//
// A response that people reject has a claim that is not supported, but which
// one, its label doesn't say. So all its claims share its weight, at first
// evenly, and in each further round those more that the model supports less
// (multiple-instance learning by expectation maximisation).
func Fit(ctx context.Context, examples []Example) (Model, error) {
	rows, err := featurise(ctx, examples)
	if err != nil {
		return Model{}, err
	}
	m, err := fitRows(rows)
	if err != nil {
		return Model{}, err
	}
	out := Model{Format: modelFormat, Claims: len(rows), Intercept: m.intercept, Weights: map[string]float64{}}
	for i, w := range m.weights {
		if w != 0 {
			out.Weights[featureNames[i]] = w
		}
	}
	for _, e := range examples {
		if !slices.Contains(out.Fitted, e.Set) {
			out.Fitted = append(out.Fitted, e.Set)
		}
	}
	slices.Sort(out.Fitted)
	return out, nil
}

// row is a claim of an example.
type row struct {
	f       vector
	example int
	set     string
	label   float64
	graded  bool
	share   float64 // of its tokens in the claims of the example
	claims  int     // of the example
}

func featurise(ctx context.Context, examples []Example) ([]row, error) {
	var rows []row
	for n, e := range examples {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !(e.Label >= 0 && e.Label <= 1) {
			return nil, fmt.Errorf("fit groundedness model: label of example %d is %v, want 0 to 1", n+1, e.Label)
		}
		r := newReader()
		evidence := r.read(e.Context, true)
		quantities := evidence.quantities()
		first, tokens := len(rows), 0
		for _, s := range Split(e.Response) {
			if s.Kind != Claim {
				continue
			}
			x := examine(r, evidence, quantities, e.Response[s.Span.Start:s.Span.End])
			rows = append(rows, row{f: x.features, example: n, set: e.Set, label: e.Label, graded: e.Graded, share: float64(s.Tokens)})
			tokens += s.Tokens
		}
		for i := first; i < len(rows); i++ {
			rows[i].claims = len(rows) - first
			rows[i].share /= float64(tokens)
		}
	}
	return rows, nil
}

// fitRows fits a model to claims.
func fitRows(rows []row) (*model, error) {
	responses := map[string]float64{} // of each set
	for i, r := range rows {
		if i == 0 || rows[i-1].example != r.example {
			responses[r.set]++
		}
	}
	var m *model
	weights := make([]float64, len(rows))
	for round := range rounds {
		for first := 0; first < len(rows); {
			end := first + rows[first].claims
			shareOut(weights[first:end], rows[first:end], m, round)
			for i := first; i < end; i++ {
				weights[i] *= math.Sqrt(setSize / responses[rows[i].set])
				if rows[i].graded {
					weights[i] *= gradedWeight
				}
			}
			first = end
		}
		var err error
		if m, err = regress(rows, weights); err != nil {
			return nil, err
		}
	}
	m.calibrate(rows, weights)
	m.intercept = math.Round(m.intercept*weightDigits) / weightDigits
	for i, w := range m.weights {
		m.weights[i] = math.Round(w*weightDigits) / weightDigits
	}
	return m, nil
}

// calibrate moves the intercept so that supports are right on average over the
// examples with labels: those with degrees, whose zero is a choice of the raters,
// only say what is better than what.
func (m *model) calibrate(rows []row, weights []float64) {
	for range maxNewton {
		gradient, hessian := 0.0, 0.0
		for i := range rows {
			if !rows[i].graded {
				p := m.support(&rows[i].f)
				gradient += weights[i] * (p - rows[i].label)
				hessian += weights[i] * p * (1 - p)
			}
		}
		if hessian < 1e-9 {
			return // there are none, or nothing moves them
		}
		step := max(-1, min(1, gradient/hessian))
		m.intercept -= step
		if math.Abs(step) < stepEpsilon {
			return
		}
	}
}

// shareOut divides the weight of one response, 1, among its claims.
func shareOut(weights []float64, claims []row, m *model, round int) {
	sum := 0.0
	for i, r := range claims {
		switch {
		case r.graded:
			weights[i] = r.share
		case r.label > 0.5 || round == 0:
			weights[i] = 1
		default:
			weights[i] = math.Exp(-sharpness * m.support(&r.f))
		}
		sum += weights[i]
	}
	for i := range weights {
		weights[i] /= sum
	}
}
