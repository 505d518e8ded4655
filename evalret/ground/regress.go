package ground

import (
	"fmt"
	"math"
	"slices"
)

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
