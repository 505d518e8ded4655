package bert

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
)

func pairs() modelfile.Architecture {
	a := tiny
	a.Head, a.Normalization = modelfile.CrossEncoder, "none"
	return a
}

// withClassifier adds the head of a cross-encoder.
func withClassifier(w *weights, bias float64) *weights {
	w.floats("pooler.dense.weight", 0, 0.1, tiny.Hidden, tiny.Hidden)
	w.floats("pooler.dense.bias", 0, 0.2, tiny.Hidden)
	w.floats("classifier.weight", 0, 0.2, 1, tiny.Hidden)
	w.floats("classifier.bias", bias, 0, 1)
	return w
}

func TestScore(t *testing.T) {
	m, err := New(withClassifier(randomWeights(tiny), 0).file(t, pairs()))
	if err != nil {
		t.Fatal(err)
	}
	if !m.CrossEncoder() {
		t.Error("CrossEncoder() = false")
	}
	shifted, err := New(withClassifier(randomWeights(tiny), 2).file(t, pairs()))
	if err != nil {
		t.Fatal(err)
	}
	ids := sequence(20)
	var w Workspace // keeps what the last call left: it must not matter
	score := func(m *Model, second int, p Precision) float64 {
		t.Helper()
		s, err := m.Score(ids, second, p, &w)
		if err != nil {
			t.Fatal(err)
		}
		return float64(s)
	}
	exact := score(m, 8, Int16Activations)
	if got := score(m, 9, Int16Activations); got == exact {
		t.Error("where the second text begins makes no difference")
	}
	if got := score(m, 8, Int8Activations); math.Abs(got-exact) > 0.1 || got == exact {
		t.Errorf("score with int8 activations = %v, want nearly but not exactly %v", got, exact)
	}
	if got := score(shifted, 8, Int16Activations); math.Abs(got-exact-2) > 1e-5 {
		t.Errorf("score with another bias = %v, want %v", got, exact+2)
	}
	if got := score(m, 8, Int16Activations); got != exact {
		t.Errorf("a second time the score = %v, want %v", got, exact)
	}
}

func TestScoreNotFinite(t *testing.T) {
	m, err := New(withClassifier(randomWeights(tiny), math.MaxFloat32).file(t, pairs()))
	if err != nil {
		t.Fatal(err)
	}
	for i := range m.classifier.weights {
		m.classifier.weights[i] = float32(math.Inf(1))
	}
	if s, err := m.Score(sequence(5), 3, Int16Activations, new(Workspace)); !errors.Is(err, ErrNoScore) {
		t.Errorf("Score = %v, %v, want %v", s, err, ErrNoScore)
	}
}

func TestNewHeadErrors(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*modelfile.Architecture)
		text   string
	}{
		"head":          {func(a *modelfile.Architecture) { a.Head = "classifier" }, `head is "classifier", want "cross_encoder" or none`},
		"pooling":       {func(a *modelfile.Architecture) { a.Pooling = "mean" }, `pooling is "mean", want "cls"`},
		"normalization": {func(a *modelfile.Architecture) { a.Normalization = "l2" }, `normalization is "l2", want "none"`},
		"prefix":        {func(a *modelfile.Architecture) { a.QueryPrefix = "q: " }, `query_prefix is "q: ", want ""`},
		"window":        {func(a *modelfile.Architecture) { a.MaxTokens = 2 }, "max_tokens is 2, a pair of texts needs 3"},
	} {
		a := pairs()
		c.change(&a)
		if _, err := New(withClassifier(randomWeights(tiny), 0).file(t, a)); !errors.Is(err, modelfile.ErrUnsupported) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: New = %v, want %v with %q", name, err, modelfile.ErrUnsupported, c.text)
		}
	}
	if _, err := New(randomWeights(tiny).file(t, pairs())); !errors.Is(err, modelfile.ErrUnsupported) || !strings.Contains(err.Error(), "pooler.dense.weight") {
		t.Errorf("without a classifier: New = %v, want %v", err, modelfile.ErrUnsupported)
	}
}

// TestMeanPooling: the mean of several tokens is not the first token's state,
// that of one is.
func TestMeanPooling(t *testing.T) {
	a := tiny
	a.Pooling = "mean"
	mean, err := New(randomWeights(tiny).file(t, a))
	if err != nil {
		t.Fatal(err)
	}
	first, err := New(randomWeights(tiny).file(t, tiny))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 7, 40} {
		x, y := make([]float32, tiny.Hidden), make([]float32, tiny.Hidden)
		if err := errors.Join(mean.Encode(x, sequence(n), Int16Activations, new(Workspace)), first.Encode(y, sequence(n), Int16Activations, new(Workspace))); err != nil {
			t.Fatal(err)
		}
		var cosine, length float64
		for i := range x {
			cosine += float64(x[i]) * float64(y[i])
			length += float64(x[i]) * float64(x[i])
		}
		if same := cosine > 1-1e-6; same != (n == 1) || math.Abs(length-1) > 1e-6 {
			t.Errorf("%d tokens: cosine of the mean to the first = %v, squared length %v", n, cosine, length)
		}
	}
}
