package bert

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
	"github.com/ragloop/ragloop/internal/simd"
)

var tiny = modelfile.Architecture{
	Type: "bert", Layers: 2, Hidden: 64, Heads: 2, Intermediate: 96, MaxTokens: 40, LayerNormEps: 1e-12,
	Activation: "gelu_erf", Pooling: "cls", Normalization: "l2", Tokenizer: "wordpiece_uncased",
}

const tinyPieces = 50

// weights is a random model of the tiny architecture: the tensors of its file
// and the float64 values they stand for.
type weights struct {
	builder modelfile.Builder
	dense   map[string][]float64
	random  *rand.Rand
}

func randomWeights(a modelfile.Architecture) *weights {
	w := &weights{dense: make(map[string][]float64), random: rand.New(rand.NewPCG(1, 2))}
	w.matrix("embeddings.word_embeddings.weight", tinyPieces, a.Hidden, nil)
	w.floats("embeddings.position_embeddings.weight", 0, 0.5, a.MaxTokens, a.Hidden)
	w.floats("embeddings.token_type_embeddings.weight", 0, 0.5, 2, a.Hidden)
	w.norm("embeddings.LayerNorm", a.Hidden)
	for i := range a.Layers {
		p := fmt.Sprintf("encoder.layer.%d.", i)
		for _, name := range []string{"query", "key", "value"} {
			w.linear(p+"attention.self."+name, a.Hidden, a.Hidden, []int{3, 60})
		}
		w.linear(p+"attention.output.dense", a.Hidden, a.Hidden, nil)
		w.norm(p+"attention.output.LayerNorm", a.Hidden)
		w.linear(p+"intermediate.dense", a.Intermediate, a.Hidden, []int{0})
		w.linear(p+"output.dense", a.Hidden, a.Intermediate, []int{95})
		w.norm(p+"output.LayerNorm", a.Hidden)
	}
	return w
}

func (w *weights) floats(name string, mean, deviation float64, shape ...int) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(mean + deviation*w.random.NormFloat64())
		w.dense[name] = append(w.dense[name], float64(values[i]))
	}
	w.builder.AddFloats(name, values, shape...)
}

func (w *weights) norm(name string, n int) {
	w.floats(name+".weight", 1, 0.2, n)
	w.floats(name+".bias", 0, 0.2, n)
}

func (w *weights) linear(name string, rows, cols int, exact []int) {
	w.matrix(name+".weight", rows, cols, exact)
	w.floats(name+".bias", 0, 0.2, rows)
}

func (w *weights) matrix(name string, rows, cols int, exact []int) {
	m := modelfile.Matrix{Rows: rows, Cols: cols, ExactColumns: exact}
	for range rows {
		scale := float32(0.0015 + 0.0005*w.random.Float64())
		m.Scales = append(m.Scales, scale)
		for c := range cols {
			if slices.Contains(exact, c) {
				v := float32(w.random.NormFloat64())
				m.Exact = append(m.Exact, v)
				m.Values = append(m.Values, 0)
				w.dense[name] = append(w.dense[name], float64(v))
				continue
			}
			v := int8(w.random.IntN(255) - 127)
			m.Values = append(m.Values, byte(v))
			w.dense[name] = append(w.dense[name], float64(v)*float64(scale))
		}
	}
	w.builder.AddMatrix(name, m)
}

func (w *weights) file(t testing.TB, a modelfile.Architecture) *modelfile.File {
	t.Helper()
	data, err := w.builder.Bytes(modelfile.Header{Name: "tiny", Architecture: a})
	if err != nil {
		t.Fatal(err)
	}
	f, err := modelfile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// reference is a forward pass in float64, written from the definition.
func (w *weights) reference(a modelfile.Architecture, ids []int32) []float64 {
	h := a.Hidden
	norm := func(x []float64, name string) {
		var mean, variance float64
		for _, v := range x {
			mean += v / float64(h)
		}
		for _, v := range x {
			variance += (v - mean) * (v - mean) / float64(h)
		}
		for i := range x {
			x[i] = (x[i]-mean)/math.Sqrt(variance+a.LayerNormEps)*w.dense[name+".weight"][i] + w.dense[name+".bias"][i]
		}
	}
	linear := func(x []float64, name string) []float64 {
		out := slices.Clone(w.dense[name+".bias"])
		for r := range out {
			for c, v := range x {
				out[r] += v * w.dense[name+".weight"][r*len(x)+c]
			}
		}
		return out
	}
	x := make([][]float64, len(ids))
	for i, id := range ids {
		for c := range h {
			x[i] = append(x[i], w.dense["embeddings.word_embeddings.weight"][int(id)*h+c]+
				w.dense["embeddings.position_embeddings.weight"][i*h+c]+w.dense["embeddings.token_type_embeddings.weight"][c])
		}
		norm(x[i], "embeddings.LayerNorm")
	}
	for l := range a.Layers {
		p := fmt.Sprintf("encoder.layer.%d.", l)
		q, k, v := make([][]float64, len(ids)), make([][]float64, len(ids)), make([][]float64, len(ids))
		for i := range x {
			q[i], k[i], v[i] = linear(x[i], p+"attention.self.query"), linear(x[i], p+"attention.self.key"), linear(x[i], p+"attention.self.value")
		}
		width := h / a.Heads
		for i := range x {
			context := make([]float64, h)
			for from := 0; from < h; from += width {
				scores, sum := make([]float64, len(ids)), 0.0
				for j := range scores {
					for c := from; c < from+width; c++ {
						scores[j] += q[i][c] * k[j][c] / math.Sqrt(float64(width))
					}
					scores[j] = math.Exp(scores[j])
					sum += scores[j]
				}
				for j := range scores {
					for c := from; c < from+width; c++ {
						context[c] += scores[j] / sum * v[j][c]
					}
				}
			}
			for c, o := range linear(context, p+"attention.output.dense") {
				x[i][c] += o
			}
			norm(x[i], p+"attention.output.LayerNorm")
			inner := linear(x[i], p+"intermediate.dense")
			for c, u := range inner {
				inner[c] = u / 2 * math.Erfc(-u/math.Sqrt2)
			}
			for c, o := range linear(inner, p+"output.dense") {
				x[i][c] += o
			}
			norm(x[i], p+"output.LayerNorm")
		}
	}
	var length float64
	for _, v := range x[0] {
		length += v * v
	}
	for i := range x[0] {
		x[0][i] /= math.Sqrt(length)
	}
	return x[0]
}

func sequence(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32((i*i + 7*i + n) % tinyPieces)
	}
	return ids
}

func TestEncode(t *testing.T) {
	w := randomWeights(tiny)
	m, err := New(w.file(t, tiny))
	if err != nil {
		t.Fatal(err)
	}
	var ws Workspace // grows, shrinks and grows: old contents must not matter
	for _, n := range []int{40, 1, 2, 3, 5, 6, 7, 12, 13, 15, 16, 17, 31, 33, 40} {
		ids := sequence(n)
		want := w.reference(tiny, ids)
		for _, p := range []struct {
			precision Precision
			least     float64
		}{{Int16Activations, 1 - 1e-7}, {Int8Activations, 0.999}} {
			got := make([]float32, tiny.Hidden)
			if err := m.Encode(got, ids, p.precision, &ws); err != nil {
				t.Fatal(err)
			}
			var cosine, length float64
			for i := range want {
				cosine += float64(got[i]) * want[i]
				length += float64(got[i]) * float64(got[i])
			}
			cosine /= math.Sqrt(length) // rounding to float32 changes the length a little
			if cosine < p.least {
				t.Errorf("%d tokens, precision %d: cosine to the float64 reference = %.9f, want ≥ %v", n, p.precision, cosine, p.least)
			}
			if math.Abs(length-1) > 1e-6 {
				t.Errorf("%d tokens, precision %d: squared length = %v, want 1", n, p.precision, length)
			}
			again := make([]float32, tiny.Hidden)
			if err := m.Encode(again, ids, p.precision, new(Workspace)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, again) {
				t.Errorf("%d tokens, precision %d: a new workspace changes the vector", n, p.precision)
			}
		}
	}
}

// TestEncodeLong covers several blocks of rows and of keys.
func TestEncodeLong(t *testing.T) {
	long := tiny
	long.Layers, long.MaxTokens = 1, 530
	w := randomWeights(long)
	m, err := New(w.file(t, long))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{blockRows + 1, 530} {
		ids := sequence(n)
		want, got := w.reference(long, ids), make([]float32, long.Hidden)
		if err := m.Encode(got, ids, Int16Activations, new(Workspace)); err != nil {
			t.Fatal(err)
		}
		var cosine float64
		for i := range want {
			cosine += float64(got[i]) * want[i]
		}
		if math.Abs(cosine-1) > 1e-6 {
			t.Errorf("%d tokens: cosine to the float64 reference = %.9f, want 1", n, cosine)
		}
	}
}

// TestEncodeAllocations: in the steady state a text costs no allocation.
func TestEncodeAllocations(t *testing.T) {
	m, err := New(randomWeights(tiny).file(t, tiny))
	if err != nil {
		t.Fatal(err)
	}
	var w Workspace
	out := make([]float32, tiny.Hidden)
	for _, p := range []Precision{Int16Activations, Int8Activations} {
		lengths := []int{tiny.MaxTokens, 1, 17, 12, 33, tiny.MaxTokens}
		texts := make([][]int32, len(lengths))
		for i, n := range lengths {
			texts[i] = sequence(n)
		}
		// The first run, which is not counted, grows the workspace.
		if n := testing.AllocsPerRun(3, func() {
			for _, ids := range texts {
				if err := m.Encode(out, ids, p, &w); err != nil {
					t.Fatal(err)
				}
			}
		}); n != 0 {
			t.Errorf("precision %d: %v allocations for %d texts, want none", p, n, len(texts))
		}
	}
}

func TestObserve(t *testing.T) {
	w := randomWeights(tiny)
	m, err := New(w.file(t, tiny))
	if err != nil {
		t.Fatal(err)
	}
	type call struct {
		layer int
		in    Input
		rows  int
	}
	var got []call
	ws := Workspace{Observe: func(layer int, in Input, rows []float32) {
		got = append(got, call{layer, in, len(rows)})
	}}
	if err := m.Encode(make([]float32, 64), sequence(5), Int16Activations, &ws); err != nil {
		t.Fatal(err)
	}
	want := []call{
		{0, QKVInput, 5 * 64}, {0, AttentionInput, 5 * 64}, {0, UpInput, 5 * 64}, {0, DownInput, 5 * 96},
		{1, QKVInput, 5 * 64}, {1, AttentionInput, 64}, {1, UpInput, 64}, {1, DownInput, 96},
	}
	if !slices.Equal(got, want) {
		t.Errorf("observed %v, want %v", got, want)
	}
}

// TestStop: what is running ends before its next layer, and the workspace is good
// for the next text.
func TestStop(t *testing.T) {
	vectors, err := New(randomWeights(tiny).file(t, tiny))
	if err != nil {
		t.Fatal(err)
	}
	scores, err := New(withClassifier(randomWeights(tiny), 1).file(t, pairs()))
	if err != nil {
		t.Fatal(err)
	}
	for name, run := range map[string]func(*Workspace) error{
		"Encode": func(w *Workspace) error { return vectors.Encode(make([]float32, 64), sequence(5), Int16Activations, w) },
		"States": func(w *Workspace) error { _, err := vectors.States(nil, sequence(5), Int16Activations, w); return err },
		"Score":  func(w *Workspace) error { _, err := scores.Score(sequence(5), 3, Int16Activations, w); return err },
	} {
		done, last := make(chan struct{}), 0
		w := Workspace{Done: done}
		w.Observe = func(layer int, in Input, _ []float32) {
			if last = layer; in == DownInput {
				close(done)
			}
		}
		if err := run(&w); !errors.Is(err, ErrStopped) || last != 0 {
			t.Errorf("%s stopped in layer 0 = %v in layer %d, want %v", name, err, last, ErrStopped)
		}
		w.Done, w.Observe = nil, nil
		if err := run(&w); err != nil {
			t.Errorf("%s after a stop = %v", name, err)
		}
	}
}

func TestNoVector(t *testing.T) {
	for _, x := range [][]float32{{0, 0}, {float32(math.Inf(1)), 1}, {float32(math.NaN()), 1}} {
		if err := normalise(make([]float32, 2), x); !errors.Is(err, ErrNoVector) {
			t.Errorf("normalise(%v) = %v, want %v", x, err, ErrNoVector)
		}
	}
}

// TestOverflow checks that a token whose hidden state overflows is not left out:
// no other token may have a vector that looks sound.
func TestOverflow(t *testing.T) {
	m, err := New(randomWeights(tiny).file(t, tiny))
	if err != nil {
		t.Fatal(err)
	}
	m.words.Scales = slices.Clone(m.words.Scales)
	m.words.Scales[7] = math.MaxFloat32
	for i := range m.layers { // exact columns would hand it on
		for _, l := range []*linear{&m.layers[i].qkv, &m.layers[i].up, &m.layers[i].down} {
			rows, cols := l.weights.Rows(), l.weights.Cols()
			if l.weights, err = simd.NewMatrix(bytes.Repeat([]byte{1}, rows*cols), slices.Repeat([]float32{1e-3}, rows), rows, cols, simd.Exact{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	var w Workspace
	out := make([]float32, m.Hidden)
	for _, p := range []Precision{Int16Activations, Int8Activations} {
		if err := m.Encode(out, []int32{2, 7, 3}, p, &w); !errors.Is(err, ErrNoVector) {
			t.Errorf("precision %d: %v, want %v", p, err, ErrNoVector)
		}
		if err := m.Encode(out, []int32{2, 6, 3}, p, &w); err != nil {
			t.Errorf("precision %d: %v without the token", p, err)
		}
	}
}

func TestNewErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*modelfile.Architecture)
		text   string
	}{
		{"type", func(a *modelfile.Architecture) { a.Type = "t5" }, `type is "t5", want "bert"`},
		{"activation", func(a *modelfile.Architecture) { a.Activation = "relu" }, "activation"},
		{"pooling", func(a *modelfile.Architecture) { a.Pooling = "max" }, `pooling is "max", want "cls" or "mean"`},
		{"normalization", func(a *modelfile.Architecture) { a.Normalization = "" }, "normalization"},
		{"layers", func(a *modelfile.Architecture) { a.Layers = 3 }, `"encoder.layer.2.attention.self.query.weight"`},
		{"no layers", func(a *modelfile.Architecture) { a.Layers = 0 }, "layers is 0"},
		{"negative", func(a *modelfile.Architecture) { a.Intermediate = -32 }, "intermediate is -32"},
		{"hidden", func(a *modelfile.Architecture) { a.Hidden = 32 }, "word_embeddings"},
		{"odd hidden", func(a *modelfile.Architecture) { a.Hidden = 65 }, "hidden is 65, want a multiple of 32"},
		{"heads", func(a *modelfile.Architecture) { a.Heads = 3 }, "3 heads share a hidden size of 64"},
		{"intermediate", func(a *modelfile.Architecture) { a.Intermediate = 128 }, `intermediate.dense.weight`},
		{"window", func(a *modelfile.Architecture) { a.MaxTokens = 41 }, "position_embeddings"},
		{"tiny window", func(a *modelfile.Architecture) { a.MaxTokens = 1 }, "max_tokens is 1"},
		{"epsilon", func(a *modelfile.Architecture) { a.LayerNormEps = 0 }, "layer_norm_eps"},
	} {
		a := tiny
		c.change(&a)
		_, err := New(randomWeights(tiny).file(t, a))
		if !errors.Is(err, modelfile.ErrUnsupported) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: New = %v, want %v with %q", c.name, err, modelfile.ErrUnsupported, c.text)
		}
	}
}

func TestNewExactColumns(t *testing.T) {
	w := randomWeights(tiny)
	a := tiny
	a.Layers = 3
	p := "encoder.layer.2."
	w.linear(p+"attention.self.query", 64, 64, []int{1})
	w.linear(p+"attention.self.key", 64, 64, []int{2})
	w.linear(p+"attention.self.value", 64, 64, []int{1})
	_, err := New(w.file(t, a))
	if !errors.Is(err, modelfile.ErrUnsupported) || !strings.Contains(err.Error(), "different exact columns") {
		t.Errorf("New = %v, want %v about exact columns", err, modelfile.ErrUnsupported)
	}
}
