package answer

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/ragloop/ragloop/evalret/metric"
)

// Calibration says what a threshold of the evidence does to a set of questions, some
// of which have an answer.
type Calibration struct {
	// Threshold is the one with the best balanced accuracy on all questions, of equals
	// that of the least evidence, written with as few decimals as tell it from the
	// evidence below it.
	Threshold float64 `json:"threshold"`
	// HeldOut is the 2x2 by cross-validation: of each question by a threshold that was
	// chosen on the other folds. Fitted is that of Threshold on all, which is too good.
	HeldOut metric.Abstention `json:"held_out"`
	Fitted  metric.Abstention `json:"fitted"`
	Folds   int               `json:"folds"`
	// Lowest and Highest are the extremes of the thresholds of the folds.
	Lowest  float64 `json:"lowest"`
	Highest float64 `json:"highest"`
}

// Accuracy returns the balanced accuracy of a 2x2: the mean of the shares of
// answerable queries answered and of unanswerable ones abstained from. 0.5 is that of
// a coin. Not applicable where one kind is missing.
func Accuracy(a metric.Abstention) metric.Value {
	with, without := a.AnswerableAnswered+a.AnswerableAbstained, a.UnanswerableAbstained+a.UnanswerableAnswered
	if with == 0 || without == 0 {
		return metric.NoValue("there are not both answerable and unanswerable queries")
	}
	return metric.Of((float64(a.AnswerableAnswered)/float64(with) + float64(a.UnanswerableAbstained)/float64(without)) / 2)
}

// calibrationFolds is how many parts a set is cut into, of which each is once held
// out.
const calibrationFolds = 10

// ErrCalibration: a set has too few questions of one kind to choose a threshold by.
var ErrCalibration = errors.New("too few questions to choose a threshold by")

// Calibrate chooses a threshold by the evidence ([Extractive.Evidence]) of questions
// that have an answer and of others. It needs 10 of each, or returns an error that
// wraps [ErrCalibration]. Folds have equal shares of both; the seed decides them.
func Calibrate(answerable, unanswerable []float64, seed uint64) (Calibration, error) {
	if min(len(answerable), len(unanswerable)) < calibrationFolds {
		return Calibration{}, fmt.Errorf("%w: %d with an answer and %d without, want %d of each", ErrCalibration, len(answerable), len(unanswerable), calibrationFolds)
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	shuffled := func(x []float64) []float64 {
		x = slices.Sorted(slices.Values(x)) // their order has no part
		rng.Shuffle(len(x), func(i, j int) { x[i], x[j] = x[j], x[i] })
		return x
	}
	with, without := shuffled(answerable), shuffled(unanswerable)
	c := Calibration{Folds: calibrationFolds, Lowest: 1}
	for f := range calibrationFolds {
		ownWith, restWith := fold(with, f)
		ownWithout, restWithout := fold(without, f)
		t := bestThreshold(restWith, restWithout)
		c.Lowest, c.Highest = min(c.Lowest, t), max(c.Highest, t)
		own := metric.AbstainBelow(t, ownWith, ownWithout)
		c.HeldOut.AnswerableAnswered += own.AnswerableAnswered
		c.HeldOut.AnswerableAbstained += own.AnswerableAbstained
		c.HeldOut.UnanswerableAnswered += own.UnanswerableAnswered
		c.HeldOut.UnanswerableAbstained += own.UnanswerableAbstained
	}
	c.Threshold = bestThreshold(with, without)
	c.Fitted = metric.AbstainBelow(c.Threshold, with, without)
	return c, nil
}

// fold parts x into every tenth from f on, and the others.
func fold(x []float64, f int) (own, rest []float64) {
	for i, v := range x {
		if i%calibrationFolds == f {
			own = append(own, v)
		} else {
			rest = append(rest, v)
		}
	}
	return own, rest
}

// bestThreshold returns the threshold with the best balanced accuracy, of equals that
// of the least evidence; 0 abstains from nothing.
func bestThreshold(with, without []float64) float64 {
	type point struct {
		x          float64
		answerable bool
	}
	points := make([]point, 0, len(with)+len(without))
	for _, x := range with {
		points = append(points, point{x, true})
	}
	for _, x := range without {
		points = append(points, point{x, false})
	}
	slices.SortFunc(points, func(a, b point) int { return cmp.Compare(a.x, b.x) })
	at := 0.0
	answered, abstained := len(with), 0
	best := answered * len(without) // the sum of both shares, times both numbers: as floats equals could differ
	for i, p := range points {
		if i > 0 && points[i-1].x < p.x { // a threshold of p.x abstains from what is before it
			if sum := answered*len(without) + abstained*len(with); sum > best {
				best, at = sum, between(points[i-1].x, p.x)
			}
		}
		if p.answerable {
			answered--
		} else {
			abstained++
		}
	}
	return at
}

// between returns a number above low and up to high with as few decimals as there
// can be, so that people can copy it; of 0 <= low < high <= 1.
func between(low, high float64) float64 {
	for scale := 10.0; scale < 1e16; scale *= 10 {
		for _, x := range []float64{math.Round(high*scale) / scale, math.Floor(high*scale) / scale} {
			if x > low && x <= high {
				return x
			}
		}
	}
	return high
}
