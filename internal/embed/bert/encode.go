package bert

import (
	"errors"
	"math"

	"github.com/ragloop/ragloop/internal/simd"
)

// Precision chooses the activations of the linear layers. Attention, GELU and
// normalisation are float32 always.
type Precision uint8

const (
	FloatActivations Precision = iota
	Int8Activations            // see [simd.Matrix.MulInt8]
)

// Input names one of the inputs of a layer's linear maps.
type Input uint8

const (
	QKVInput       Input = iota // of the queries, keys and values
	AttentionInput              // of the map after attention
	UpInput                     // of the inner layer of the feed-forward network
	DownInput                   // of its outer layer
)

// Workspace is the memory of one running [Model.Encode]. It grows to the
// longest text seen. The zero value is ready; it must not be shared by goroutines.
type Workspace struct {
	// Observe, if set, is called with the rows of each input of each layer.
	// It must not keep or change them.
	Observe func(layer int, in Input, rows []float32)

	x, y    []float32 // hidden states; output of a sublayer
	qkv     []float32
	context []float32 // attention output, before its linear map
	inner   []float32 // inner layer of the feed-forward network
	scores  []float32 // attention of one head
	keys    []float32 // of one head, packed
	values  []float32 // of one head, packed
	scratch simd.Scratch
}

// ErrNoVector is returned when the hidden state has no direction: zero, or not
// finite. It does not happen with sound weights.
var ErrNoVector = errors.New("the model gave a vector without a direction")

// Encode writes the unit vector of a token sequence to out, which has Hidden
// elements. It panics unless ids has 1 to MaxTokens entries, all from 0 to
// Pieces()-1. The result depends on ids and p only.
func (m *Model) Encode(out []float32, ids []int32, p Precision, w *Workspace) error {
	n, h := len(ids), m.Hidden
	w.x = grow(w.x, n*h)
	for i, id := range ids {
		row := w.x[i*h : (i+1)*h]
		scale := m.words.Scales[id]
		for j, v := range m.words.Values[int(id)*h : (int(id)+1)*h] {
			row[j] = float32(int8(v)) * scale
		}
		simd.AddNorm(row, m.positions[i*h:(i+1)*h], m.norm.gain, m.norm.bias, m.LayerNormEps)
	}
	for i := range m.layers {
		rows := n
		if i == len(m.layers)-1 {
			rows = 1 // only the first row of the last layer is used
		}
		m.layer(i, n, rows, p, w)
	}
	return normalise(out, w.x[:h])
}

// layer replaces the first rows of the n hidden states by the output of layer i.
func (m *Model) layer(i, n, rows int, p Precision, w *Workspace) {
	l, h := &m.layers[i], m.Hidden
	w.y = grow(w.y, n*h)
	w.qkv = grow(w.qkv, n*3*h)
	w.context = grow(w.context, n*h)
	w.inner = grow(w.inner, n*m.Intermediate)
	apply := func(f linear, in Input, dst, x []float32, n int) {
		if w.Observe != nil {
			w.Observe(i, in, x[:n*f.weights.Cols()])
		}
		if p == Int8Activations {
			f.weights.MulInt8(dst, x, f.bias, n, &w.scratch)
		} else {
			f.weights.MulFloat32(dst, x, f.bias, n, &w.scratch)
		}
	}

	apply(l.qkv, QKVInput, w.qkv, w.x, n)
	for head := range m.Heads {
		m.attend(head, n, rows, w)
	}
	apply(l.attention, AttentionInput, w.y, w.context, rows)
	l.afterAttn.addTo(w.x, w.y, rows, m.LayerNormEps)

	apply(l.up, UpInput, w.inner, w.x, rows)
	simd.Gelu(w.inner[:rows*m.Intermediate])
	apply(l.down, DownInput, w.y, w.inner, rows)
	l.afterFF.addTo(w.x, w.y, rows, m.LayerNormEps)
}

// attend writes one head's part of the context: softmax(q·kᵀ/√d)·v.
func (m *Model) attend(head, n, rows int, w *Workspace) {
	const panel = simd.PanelWidth
	h := m.Hidden
	width := h / m.Heads
	padded := (n + panel - 1) / panel * panel
	w.scores = grow(w.scores, rows*padded)
	w.keys = grow(w.keys, padded*width)
	w.values = grow(w.values, n*width)

	q, k, v := head*width, h+head*width, 2*h+head*width
	clear(w.keys[(padded-panel)*width:])
	for i := range n {
		row := w.qkv[i*3*h : (i+1)*3*h]
		dst := w.keys[i/panel*panel*width+i%panel:]
		for j, x := range row[k : k+width] {
			dst[j*panel] = x
		}
		for j := 0; j < width; j += panel {
			copy(w.values[j*n+i*panel:][:panel], row[v+j:])
		}
	}
	simd.Gemm(w.scores, padded, w.qkv[q:], 3*h, w.keys, rows, padded, width)
	scale := float32(1 / math.Sqrt(float64(width)))
	for i := range rows {
		row := w.scores[i*padded : (i+1)*padded]
		for j := n; j < padded; j++ {
			row[j] = -math.MaxFloat32 // becomes exactly 0
		}
		simd.Softmax(row, scale)
	}
	simd.Gemm(w.context[q:], h, w.scores, padded, w.values, rows, width, n)
}

// addTo replaces n rows of x by the normalised sum of x and y.
func (m norm) addTo(x, y []float32, n int, eps float64) {
	h := len(m.gain)
	for i := range n {
		simd.AddNorm(x[i*h:(i+1)*h], y[i*h:(i+1)*h], m.gain, m.bias, eps)
	}
}

// normalise writes x divided by its Euclidean length to out.
func normalise(out, x []float32) error {
	var squares float64
	for _, v := range x {
		squares += float64(float64(v) * float64(v))
	}
	length := math.Sqrt(squares)
	if !(length > 0) || math.IsInf(length, 0) {
		return ErrNoVector
	}
	for i, v := range x {
		out[i] = float32(float64(v) / length)
	}
	return nil
}

// grow returns s with length n, keeping its memory when that is enough. The
// contents are unspecified.
func grow(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n)
	}
	return s[:n]
}
