package answer

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ragloop/ragloop/evalret/metric"
)

func TestBetween(t *testing.T) {
	for _, c := range []struct{ low, high, want float64 }{
		{0.41, 0.58, 0.5}, {0.5743, 0.5779, 0.577}, {0.5, 0.5000001, 0.5000001}, {0.29, 0.3, 0.3}, {0, 1e-9, 1e-9}, {0.999, 1, 1},
		{0.3, math.Nextafter(0.3, 1), math.Nextafter(0.3, 1)},
	} {
		if got := between(c.low, c.high); got != c.want {
			t.Errorf("between(%v, %v) = %v, want %v", c.low, c.high, got, c.want)
		}
	}
}

// Equal accuracies are equal, whatever their shares look like as floats.
func TestBestThresholdOfEquals(t *testing.T) {
	with := slices.Concat(slices.Repeat([]float64{0.2}, 2), slices.Repeat([]float64{0.9}, 8))
	without := slices.Concat(slices.Repeat([]float64{0.1}, 2), slices.Repeat([]float64{0.3}, 2), slices.Repeat([]float64{0.95}, 6))
	// 10 of 10 and 2 of 10 below 0.2, 8 of 10 and 4 of 10 below 0.9.
	if got := bestThreshold(with, without); got != 0.2 {
		t.Errorf("bestThreshold = %v, want 0.2, the least of equals", got)
	}
}

func TestCalibrate(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	sample := func(n int, mean float64) []float64 {
		var out []float64
		for range n {
			out = append(out, min(1, max(0, mean+0.1*rng.NormFloat64())))
		}
		return out
	}
	with, without := sample(200, 0.7), sample(100, 0.4)
	c, err := Calibrate(with, without, 1)
	if err != nil {
		t.Fatal(err)
	}
	held, _ := Accuracy(c.HeldOut).Float()
	fitted, _ := Accuracy(c.Fitted).Float()
	if held < 0.88 || held > fitted || c.Threshold < 0.5 || c.Threshold > 0.6 || c.Lowest > c.Threshold || c.Highest < c.Threshold {
		t.Errorf("Calibrate = %+v, held out %v, fitted %v", c, held, fitted)
	}
	sum := c.HeldOut.AnswerableAnswered + c.HeldOut.AnswerableAbstained + c.HeldOut.UnanswerableAnswered + c.HeldOut.UnanswerableAbstained
	if sum != 300 || c.Folds != 10 {
		t.Errorf("%d questions in %d folds", sum, c.Folds)
	}
	// What is printed does what is said: it has few decimals, and none are lost.
	if printed := fmt.Sprint(c.Threshold); len(printed) > len("0.55555") || metric.AbstainBelow(c.Threshold, with, without) != c.Fitted {
		t.Errorf("the threshold is %s: %+v, want %+v", printed, metric.AbstainBelow(c.Threshold, with, without), c.Fitted)
	}
	slices.Reverse(with)
	if again, err := Calibrate(with, without, 1); err != nil || again != c {
		t.Errorf("in another order: %+v, %v, want %+v", again, err, c)
	}
	// Evidence that says nothing is no better than a coin, and said to be.
	c, err = Calibrate(sample(200, 0.5), sample(200, 0.5), 1)
	if held, _ := Accuracy(c.HeldOut).Float(); err != nil || held < 0.4 || held > 0.6 {
		t.Errorf("without a signal: %+v, %v, %v", c, held, err)
	}
	// Where it is the wrong way round, never to abstain is best.
	c, err = Calibrate(slices.Repeat([]float64{0.1}, 20), slices.Repeat([]float64{0.9}, 20), 1)
	if err != nil || c.Threshold != 0 || c.HeldOut != (metric.Abstention{AnswerableAnswered: 20, UnanswerableAnswered: 20}) {
		t.Errorf("the wrong way round: %+v, %v", c, err)
	}
	if _, err := Calibrate(with, without[:9], 1); !errors.Is(err, ErrCalibration) {
		t.Errorf("Calibrate of 9 = %v, want %v", err, ErrCalibration)
	}
	if v := Accuracy(metric.Abstention{AnswerableAnswered: 3}); v.State() != metric.NotApplicable {
		t.Errorf("Accuracy of one kind = %v", v)
	}
}
