package bert

import (
	"errors"
	"fmt"
	"math"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
	"github.com/ragloop/ragloop/internal/simd"
)

// Poolings of an architecture.
const (
	clsPooling  = "cls"
	meanPooling = "mean"
)

// ErrNoScore is returned when a logit is not finite. It does not happen with
// sound weights.
var ErrNoScore = errors.New("the model gave a score that is no number")

// pooled returns of how many of n last hidden states the vector is made.
func (m *Model) pooled(n int) int {
	if m.Pooling == meanPooling {
		return n
	}
	return 1
}

// pool returns the direction of the vector of n tokens, in the place of the
// first of their last hidden states. The mean is left a sum: it is divided by
// its length next.
func (m *Model) pool(x []float32, n int) []float32 {
	h := m.Hidden
	sum := x[:h]
	for i := 1; i < m.pooled(n); i++ {
		for j, v := range x[i*h : (i+1)*h] {
			sum[j] += v
		}
	}
	return sum
}

// classifier is the head of a cross-encoder: w·tanh(W·x+b) + c of the first
// hidden state x, as in BertForSequenceClassification with one label.
type classifier struct {
	pooler, poolerBias []float32 // Hidden × Hidden, Hidden
	weights            []float32 // Hidden
	bias               float32
}

// CrossEncoder reports whether the model scores pairs ([Model.Score]) instead
// of making vectors ([Model.Encode]).
func (m *Model) CrossEncoder() bool { return m.classifier != nil }

// Score returns the logit of a token sequence whose tokens from second on are
// the second text of the pair. It panics unless the model is a cross-encoder
// and ids is as for [Model.Encode]. The result depends on ids, second and p only.
func (m *Model) Score(ids []int32, second int, p Precision, w *Workspace) (float32, error) {
	if err := m.forward(nil, ids, second, 1, p, w); err != nil {
		return 0, err
	}
	x, c := w.x[:m.Hidden], m.classifier
	w.y = grow(w.y, m.Hidden)
	for i := range w.y {
		sum := simd.Dot(c.pooler[i*m.Hidden:(i+1)*m.Hidden], x) + c.poolerBias[i]
		w.y[i] = float32(math.Tanh(float64(sum)))
	}
	logit := simd.Dot(c.weights, w.y) + c.bias
	if math.IsNaN(float64(logit)) || math.IsInf(float64(logit), 0) {
		return 0, ErrNoScore
	}
	return logit, nil
}

// classifier reads the head of a cross-encoder.
func (l *loader) classifier(hidden int) *classifier {
	c := &classifier{
		pooler:     l.floats("pooler.dense.weight", hidden, hidden),
		poolerBias: l.floats("pooler.dense.bias", hidden),
		weights:    l.floats("classifier.weight", 1, hidden),
	}
	if bias := l.floats("classifier.bias", 1); l.err == nil {
		c.bias = bias[0]
	}
	return c
}

// checkHead checks what depends on the head.
func checkHead(a modelfile.Architecture) error {
	type field struct {
		key, got string
		want     []string
	}
	fields := []field{{"pooling", a.Pooling, []string{clsPooling, meanPooling}}, {"normalization", a.Normalization, []string{"l2"}}}
	switch a.Head {
	case "":
	case modelfile.CrossEncoder:
		fields = []field{
			{"pooling", a.Pooling, []string{clsPooling}}, {"normalization", a.Normalization, []string{"none"}},
			// A pair has two texts: a prefix has no one place.
			{"query_prefix", a.QueryPrefix, []string{""}}, {"passage_prefix", a.PassagePrefix, []string{""}},
		}
	default:
		return fmt.Errorf("head is %q, want %q or none", a.Head, modelfile.CrossEncoder)
	}
	if a.Head == modelfile.CrossEncoder && a.MaxTokens < 3 { // [CLS] and twice [SEP]
		return fmt.Errorf("max_tokens is %d, a pair of texts needs 3", a.MaxTokens)
	}
	for _, f := range fields {
		if err := oneOf(f.key, f.got, f.want...); err != nil {
			return err
		}
	}
	return nil
}
