// Package bert runs a BERT encoder with int8 weights on the CPU: token ids in,
// one unit-length vector or, with the head of a cross-encoder, one logit out. It
// knows nothing of texts and tokenizers.
//
// Source: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers"
// (2019): post-normalisation, exact GELU. The vector is the last hidden state of
// the first token, or the mean over all tokens, divided by its length.
package bert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
	"github.com/ragloop/ragloop/internal/simd"
)

// Model is immutable and safe for concurrent use.
type Model struct {
	modelfile.Architecture
	words modelfile.Matrix // one row per piece
	// positions has MaxTokens rows for each segment, its token type added. The
	// second is nil unless the model is a cross-encoder.
	positions  [2][]float32
	norm       norm
	layers     []layer
	classifier *classifier // nil: the model makes vectors
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
	if err := Check(a); err != nil {
		return nil, fmt.Errorf("load BERT model: %w", err)
	}
	l := loader{file: f}
	const embeddings = "embeddings."
	m := &Model{Architecture: a}
	m.words = l.matrix(embeddings+"word_embeddings.weight", f.Rows(embeddings+"word_embeddings.weight"), a.Hidden)
	m.positions[0] = l.floats(embeddings+"position_embeddings.weight", a.MaxTokens, a.Hidden)
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
	if a.Head == modelfile.CrossEncoder {
		m.classifier = l.classifier(a.Hidden)
		if l.err == nil && len(types) < 2*a.Hidden {
			l.err = fmt.Errorf("%w: a cross-encoder with one token type", modelfile.ErrUnsupported)
		}
	}
	if l.err != nil {
		return nil, fmt.Errorf("load BERT model: %w", l.err)
	}
	if m.classifier != nil {
		m.positions[1] = slices.Clone(m.positions[0])
		addRow(m.positions[1], types[a.Hidden:2*a.Hidden])
	}
	addRow(m.positions[0], types[:a.Hidden])
	return m, nil
}

// Pieces returns the number of token ids: valid ids are below it.
func (m *Model) Pieces() int { return m.words.Rows }

// addRow adds row to each row of a matrix of that width.
func addRow(matrix, row []float32) {
	for i := range matrix {
		matrix[i] += row[i%len(row)]
	}
}

// oneOf returns an error unless got is one of want.
func oneOf(key, got string, want ...string) error {
	if slices.Contains(want, got) {
		return nil
	}
	var quoted []string
	for _, w := range want {
		quoted = append(quoted, strconv.Quote(w))
	}
	return fmt.Errorf("%s is %q, want %s", key, got, strings.Join(quoted, " or "))
}

// Check returns an error that wraps [modelfile.ErrUnsupported] and names the
// parameter, unless a model of this architecture can be run.
func Check(a modelfile.Architecture) error {
	if err := check(a); err != nil {
		return fmt.Errorf("%w: %w", modelfile.ErrUnsupported, err)
	}
	return nil
}

func check(a modelfile.Architecture) error {
	if err := oneOf("type", a.Type, "bert"); err != nil {
		return err
	}
	if err := oneOf("activation", a.Activation, "gelu_erf"); err != nil {
		return err
	}
	if err := checkHead(a); err != nil {
		return err
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
	file   *modelfile.File
	err    error
	joined []byte // the values of matrices that become one
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
	var values []byte // packing copies it
	var scales, bias []float32
	var exact simd.Exact
	for i, name := range names {
		m := l.matrix(name+".weight", rows, cols)
		if i == 0 {
			exact.Columns = m.ExactColumns
		} else if l.err == nil && !slices.Equal(m.ExactColumns, exact.Columns) {
			l.err = fmt.Errorf("%w: %s and %s have different exact columns", modelfile.ErrUnsupported, names[0], name)
		}
		if values = m.Values; len(names) > 1 {
			l.joined = append(l.joined[:i*len(m.Values)], m.Values...)
			values = l.joined
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
