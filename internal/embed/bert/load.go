// Package bert runs a BERT encoder with int8 weights on the CPU: token ids in,
// one unit-length vector out. It knows nothing of texts and tokenizers.
//
// Source: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers"
// (2019): post-normalisation, exact GELU. The vector is the last hidden state of
// the first token divided by its length.
package bert

import (
	"fmt"
	"slices"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
	"github.com/ragloop/ragloop/internal/simd"
)

// Model is immutable and safe for concurrent use.
type Model struct {
	modelfile.Architecture
	words     modelfile.Matrix // one row per piece
	positions []float32        // MaxTokens rows, the token type added
	norm      norm
	layers    []layer
}

type norm struct{ gain, bias []float32 }

type linear struct {
	weights *simd.Matrix
	bias    []float32
}

type layer struct {
	qkv       linear // queries, keys and values of all heads, in this order
	attention linear
	afterAttn norm
	up, down  linear
	afterFF   norm
}

// New takes the weights out of f; the word embeddings stay where they are. Its
// errors say which tensor or parameter does not fit and wrap
// [modelfile.ErrUnsupported].
func New(f *modelfile.File) (*Model, error) {
	a := f.Header.Architecture
	if err := check(a); err != nil {
		return nil, fmt.Errorf("load BERT model: %w: %w", modelfile.ErrUnsupported, err)
	}
	l := loader{file: f}
	const embeddings = "embeddings."
	m := &Model{Architecture: a}
	m.words = l.matrix(embeddings+"word_embeddings.weight", f.Rows(embeddings+"word_embeddings.weight"), a.Hidden)
	m.positions = l.floats(embeddings+"position_embeddings.weight", a.MaxTokens, a.Hidden)
	types := l.floats(embeddings+"token_type_embeddings.weight", f.Rows(embeddings+"token_type_embeddings.weight"), a.Hidden)
	m.norm = l.norm(embeddings+"LayerNorm", a.Hidden)
	if l.err == nil && len(m.words.ExactColumns) > 0 {
		l.err = fmt.Errorf("%w: the word embeddings have exact columns", modelfile.ErrUnsupported)
	}
	for i := 0; i < a.Layers && l.err == nil; i++ {
		prefix := fmt.Sprintf("encoder.layer.%d.", i)
		self := prefix + "attention.self."
		m.layers = append(m.layers, layer{
			qkv:       l.linear(a.Hidden, a.Hidden, self+"query", self+"key", self+"value"),
			attention: l.linear(a.Hidden, a.Hidden, prefix+"attention.output.dense"),
			afterAttn: l.norm(prefix+"attention.output.LayerNorm", a.Hidden),
			up:        l.linear(a.Intermediate, a.Hidden, prefix+"intermediate.dense"),
			down:      l.linear(a.Hidden, a.Intermediate, prefix+"output.dense"),
			afterFF:   l.norm(prefix+"output.LayerNorm", a.Hidden),
		})
	}
	if l.err != nil {
		return nil, fmt.Errorf("load BERT model: %w", l.err)
	}
	// One text is one segment, so its type is always 0.
	for i := range m.positions {
		m.positions[i] += types[i%a.Hidden]
	}
	return m, nil
}

// Pieces returns the number of token ids: valid ids are below it.
func (m *Model) Pieces() int { return m.words.Rows }

func check(a modelfile.Architecture) error {
	for _, c := range []struct{ key, got, want string }{
		{"type", a.Type, "bert"},
		{"activation", a.Activation, "gelu_erf"},
		{"pooling", a.Pooling, "cls"},
		{"normalization", a.Normalization, "l2"},
	} {
		if c.got != c.want {
			return fmt.Errorf("%s is %q, want %q", c.key, c.got, c.want)
		}
	}
	const largest = 1 << 14
	for _, c := range []struct {
		key                string
		value, least, unit int
	}{
		{"layers", a.Layers, 1, 1},
		{"heads", a.Heads, 1, 1},
		{"hidden", a.Hidden, simd.MatrixRows, simd.MatrixRows},
		{"intermediate", a.Intermediate, simd.MatrixRows, simd.MatrixRows},
		{"max_tokens", a.MaxTokens, 2, 1}, // [CLS] and [SEP]
	} {
		if c.value < c.least || c.value > largest || c.value%c.unit != 0 {
			return fmt.Errorf("%s is %d, want a multiple of %d from %d to %d", c.key, c.value, c.unit, c.least, largest)
		}
	}
	if a.Hidden%(a.Heads*simd.PanelWidth) != 0 {
		return fmt.Errorf("%d heads share a hidden size of %d, want heads whose width is a multiple of %d", a.Heads, a.Hidden, simd.PanelWidth)
	}
	if !(a.LayerNormEps > 0 && a.LayerNormEps < 1) {
		return fmt.Errorf("layer_norm_eps is %v, want a value between 0 and 1", a.LayerNormEps)
	}
	return nil
}

// loader reads tensors until the first error.
type loader struct {
	file *modelfile.File
	err  error
}

func (l *loader) floats(name string, shape ...int) []float32 {
	if l.err != nil {
		return nil
	}
	var out []float32
	out, l.err = l.file.Floats(name, shape...)
	return out
}

func (l *loader) matrix(name string, rows, cols int) modelfile.Matrix {
	if l.err != nil {
		return modelfile.Matrix{}
	}
	var out modelfile.Matrix
	out, l.err = l.file.Matrix(name, rows, cols)
	return out
}

func (l *loader) norm(name string, n int) norm {
	return norm{gain: l.floats(name+".weight", n), bias: l.floats(name+".bias", n)}
}

// linear joins linear layers that have the same input, and so the same exact
// columns, into one.
func (l *loader) linear(rows, cols int, names ...string) linear {
	var values []byte
	var scales, bias []float32
	var exact simd.Exact
	for i, name := range names {
		m := l.matrix(name+".weight", rows, cols)
		if i == 0 {
			exact.Columns = m.ExactColumns
		} else if l.err == nil && !slices.Equal(m.ExactColumns, exact.Columns) {
			l.err = fmt.Errorf("%w: %s and %s have different exact columns", modelfile.ErrUnsupported, names[0], name)
		}
		if len(names) == 1 {
			values = m.Values // packing copies it
		} else {
			values = append(slices.Grow(values, rows*cols*(len(names)-i)), m.Values...)
		}
		scales = append(scales, m.Scales...)
		exact.Weights = append(exact.Weights, m.Exact...)
		bias = append(bias, l.floats(name+".bias", rows)...)
	}
	if l.err != nil {
		return linear{}
	}
	weights, err := simd.NewMatrix(values, scales, rows*len(names), cols, exact)
	if err != nil {
		l.err = fmt.Errorf("%w: %v: %w", modelfile.ErrUnsupported, names, err)
	}
	return linear{weights, bias}
}
