package convert

import (
	"math"

	"github.com/ragloop/ragloop/internal/embed/bert"
	"github.com/ragloop/ragloop/internal/embed/modelfile"
	"github.com/ragloop/ragloop/internal/embed/wordpiece"
)

// Reference runs the unquantised weights of a source in the plainest way: one
// text after the other, sums in float64. It is slow, and what everything else
// is measured against. Its tokenizer is the program's own. It is safe for
// concurrent use.
type Reference struct {
	a         modelfile.Architecture
	tokenizer *wordpiece.Tokenizer
	tensors   map[string][]float32
}

// Reference returns the reference of s.
func (s *Source) Reference() (*Reference, error) {
	t, err := s.tokenizer()
	if err != nil {
		return nil, err
	}
	r := &Reference{a: s.Header.Architecture, tokenizer: t, tensors: make(map[string][]float32, len(s.tensors))}
	for _, t := range s.tensors {
		r.tensors[t.name] = t.values
	}
	return r, nil
}

func (s *Source) tokenizer() (*wordpiece.Tokenizer, error) {
	return wordpiece.New(s.vocabulary, s.options)
}

// Embed returns the unit vector of a text, without any instruction. The model
// must not be a cross-encoder.
func (r *Reference) Embed(text string) ([]float32, error) {
	ids := r.tokenizer.AppendWindow(nil, r.a.MaxTokens, "", text)
	x := r.forward(ids, len(ids))
	sum := x[0]
	if r.a.Pooling == "mean" {
		for _, row := range x[1:] {
			for i, v := range row {
				sum[i] += v
			}
		}
	}
	length := math.Sqrt(dot(sum, sum))
	if !(length > 0) || math.IsInf(length, 0) {
		return nil, bert.ErrNoVector
	}
	out := make([]float32, len(sum))
	for i, v := range sum {
		out[i] = float32(v / length)
	}
	return out, nil
}

// Score returns the logit of a pair of texts. The model must be a cross-encoder.
func (r *Reference) Score(query, passage string) float32 {
	ids, second := r.tokenizer.AppendPair(nil, r.a.MaxTokens, query, passage)
	pooled := r.linear(r.forward(ids, second)[0], "pooler.dense")
	for i, v := range pooled {
		pooled[i] = math.Tanh(v)
	}
	return float32(r.linear(pooled, "classifier")[0])
}

// forward returns the last hidden states.
func (r *Reference) forward(ids []int32, second int) [][]float64 {
	h := r.a.Hidden
	x := make([][]float64, len(ids))
	for i, id := range ids {
		kind := 0
		if i >= second {
			kind = 1
		}
		x[i] = make([]float64, h)
		for j := range h {
			x[i][j] = float64(r.tensors[wordEmbeddings][int(id)*h+j]) +
				float64(r.tensors[positionEmbeddings][i*h+j]) + float64(r.tensors[typeEmbeddings][kind*h+j])
		}
		r.normalise(x[i], "embeddings.LayerNorm")
	}
	for l := range r.a.Layers {
		r.layer(x, layerPrefix(l))
	}
	return x
}

// layer replaces the hidden states by the output of the layer named by prefix.
func (r *Reference) layer(x [][]float64, prefix string) {
	q, k, v := make([][]float64, len(x)), make([][]float64, len(x)), make([][]float64, len(x))
	for i, row := range x {
		q[i] = r.linear(row, prefix+"attention.self.query")
		k[i] = r.linear(row, prefix+"attention.self.key")
		v[i] = r.linear(row, prefix+"attention.self.value")
	}
	width := r.a.Hidden / r.a.Heads
	weights := make([]float64, len(x))
	for i, row := range x {
		context := make([]float64, r.a.Hidden)
		for from := 0; from < r.a.Hidden; from += width {
			to := from + width
			for j := range weights {
				weights[j] = dot(q[i][from:to], k[j][from:to]) / math.Sqrt(float64(width))
			}
			softmax(weights)
			for j, w := range weights {
				for c := from; c < to; c++ {
					context[c] += w * v[j][c]
				}
			}
		}
		add(row, r.linear(context, prefix+"attention.output.dense"))
		r.normalise(row, prefix+"attention.output.LayerNorm")
		inner := r.linear(row, prefix+"intermediate.dense")
		for c, u := range inner {
			inner[c] = u / 2 * math.Erfc(-u/math.Sqrt2)
		}
		add(row, r.linear(inner, prefix+"output.dense"))
		r.normalise(row, prefix+"output.LayerNorm")
	}
}

func (r *Reference) linear(x []float64, name string) []float64 {
	weights, bias := r.tensors[name+".weight"], r.tensors[name+".bias"]
	out := make([]float64, len(bias))
	for i := range out {
		out[i] = float64(bias[i])
		for c, w := range weights[i*len(x) : (i+1)*len(x)] {
			out[i] += float64(w) * x[c]
		}
	}
	return out
}

// normalise is layer normalisation.
func (r *Reference) normalise(x []float64, name string) {
	var mean, variance float64
	for _, v := range x {
		mean += v
	}
	mean /= float64(len(x))
	for _, v := range x {
		variance += (v - mean) * (v - mean)
	}
	variance /= float64(len(x))
	gain, bias := r.tensors[name+".weight"], r.tensors[name+".bias"]
	for i, v := range x {
		x[i] = (v-mean)/math.Sqrt(variance+r.a.LayerNormEps)*float64(gain[i]) + float64(bias[i])
	}
}

func softmax(x []float64) {
	largest, sum := math.Inf(-1), 0.0
	for _, v := range x {
		largest = max(largest, v)
	}
	for i, v := range x {
		x[i] = math.Exp(v - largest)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
}

func add(x, y []float64) {
	for i, v := range y {
		x[i] += v
	}
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}
