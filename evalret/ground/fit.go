package ground

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
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

// regress fits a logistic regression with a ridge penalty by Newton's method.
// A weight beyond its limit (see limits) is set to it and the others are fitted
// again, until none is.
func regress(rows []row, weights []float64) (*model, error) {
	mean, scale, total := moments(rows, weights)
	if total == 0 {
		return nil, fmt.Errorf("fit groundedness model: %w", ErrNoExamples)
	}
	active := make([]bool, features) // a feature that never varies has no weight
	for j := range active {
		active[j] = scale[j] > 0
	}
	fixed := vector{} // weights that are set rather than fitted
	for {
		beta, err := newton(rows, weights, mean, scale, active, fixed)
		if err != nil {
			return nil, err
		}
		again := false
		for j := range features {
			if active[j] {
				if w := beta[j+1] / scale[j]; w < limits[j].lo || w > limits[j].hi {
					active[j], again = false, true
					fixed[j] = max(limits[j].lo, min(limits[j].hi, w))
				}
			}
		}
		if again {
			continue
		}
		m := &model{intercept: beta[0], weights: fixed}
		for j := range features {
			if active[j] {
				m.weights[j] = beta[j+1] / scale[j]
				m.intercept -= m.weights[j] * mean[j]
			}
		}
		return m, nil
	}
}

// moments returns the weighted mean and standard deviation of each feature.
func moments(rows []row, weights []float64) (mean, scale vector, total float64) {
	for i, r := range rows {
		total += weights[i]
		for j, x := range r.f {
			mean[j] += weights[i] * x
		}
	}
	for j := range mean {
		mean[j] /= max(total, 1e-300)
	}
	for i, r := range rows {
		for j, x := range r.f {
			scale[j] += weights[i] * (x - mean[j]) * (x - mean[j])
		}
	}
	for j := range scale {
		scale[j] = math.Sqrt(scale[j] / max(total, 1e-300))
	}
	return mean, scale, total
}

// newton returns the intercept and the weights of the standardised active
// features, beside fixed weights of others.
func newton(rows []row, weights []float64, mean, scale vector, active []bool, fixed vector) ([]float64, error) {
	var cols []int
	for j, on := range active {
		if on {
			cols = append(cols, j)
		}
	}
	n := len(cols) + 1
	beta := make([]float64, n)
	x := make([]float64, n)
	x[0] = 1
	for range maxNewton {
		gradient := make([]float64, n)
		hessian := make([][]float64, n)
		for a := range hessian {
			hessian[a] = make([]float64, n)
		}
		for i := range rows {
			z := beta[0]
			for j, w := range fixed {
				z += w * rows[i].f[j]
			}
			for a, j := range cols {
				x[a+1] = (rows[i].f[j] - mean[j]) / scale[j]
				z += beta[a+1] * x[a+1]
			}
			p := logistic(z)
			g, h := weights[i]*(p-rows[i].label), weights[i]*p*(1-p)
			for a := range n {
				gradient[a] += g * x[a]
				for b := range a + 1 {
					hessian[a][b] += h * x[a] * x[b]
				}
			}
		}
		for a := 1; a < n; a++ {
			gradient[a] += ridge * beta[a]
			hessian[a][a] += ridge
		}
		hessian[0][0] += 1e-9
		step, err := solve(hessian, gradient)
		if err != nil {
			return nil, err
		}
		largest := 0.0
		for a := range beta {
			beta[a] -= step[a]
			largest = max(largest, math.Abs(step[a]))
		}
		if largest < stepEpsilon {
			break
		}
	}
	out := make([]float64, features+1)
	out[0] = beta[0]
	for a, j := range cols {
		out[j+1] = beta[a+1]
	}
	return out, nil
}

// solve solves a·x = b for a symmetric positive definite a, of which the lower
// half is given, by Cholesky's decomposition in place.
func solve(a [][]float64, b []float64) ([]float64, error) {
	n := len(b)
	for i := range n {
		for j := range i + 1 {
			s := a[i][j]
			for k := range j {
				s -= a[i][k] * a[j][k]
			}
			switch {
			case i > j:
				a[i][j] = s / a[j][j]
			case !(s > 0) || math.IsInf(s, 0):
				return nil, fmt.Errorf("fit groundedness model: %w", ErrNoExamples)
			default:
				a[i][i] = math.Sqrt(s)
			}
		}
	}
	x := slices.Clone(b)
	for i := range n {
		for k := range i {
			x[i] -= a[i][k] * x[k]
		}
		x[i] /= a[i][i]
	}
	for i := n - 1; i >= 0; i-- {
		for k := i + 1; k < n; k++ {
			x[i] -= a[k][i] * x[k]
		}
		x[i] /= a[i][i]
	}
	return x, nil
}

// Predicted is what a model that has not seen an example says of it.
type Predicted struct {
	Mean    float64 // token-weighted mean of the supports of its claims
	Worst   float64 // least of them
	Outcome Outcome // the two mean nothing unless it is Scored
}

// CrossValidate predicts every example, in order, with a model fitted without
// the examples that share its context. Contexts are dealt out to folds in order
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

// foldsOf spreads the contexts over the folds and returns the fold of each example.
func foldsOf(examples []Example, folds int) []int {
	var contexts []string
	seen := map[string]int{}
	for _, e := range examples {
		if _, ok := seen[e.Context]; !ok {
			seen[e.Context] = 0
			contexts = append(contexts, e.Context)
		}
	}
	slices.SortFunc(contexts, func(a, b string) int { return cmp.Compare(hash(a), hash(b)) })
	for i, c := range contexts {
		seen[c] = i % folds
	}
	out := make([]int, len(examples))
	for i, e := range examples {
		out[i] = seen[e.Context]
	}
	return out
}

// hash is FNV-1a, to order texts in a way that has nothing to do with them.
func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // never fails
	return h.Sum64()
}
