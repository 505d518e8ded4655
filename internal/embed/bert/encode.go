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
	// Int16Activations are rounded to 16,256 steps on either side of zero, see
	// [simd.Matrix.MulInt16]: as good as float32, because the rounding of the
	// weights to int8 outweighs it by far.
	Int16Activations Precision = iota
	// Int8Activations are rounded to 254 steps from the least of a row to the
	// largest, see [simd.Matrix.MulInt8]. They take little more than half the time.
	Int8Activations
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
// longest text seen, after which nothing is allocated. The zero value is ready;
// it must not be shared by goroutines.
type Workspace struct {
	// Observe, if set, is called with the rows of each input of each layer, a
	// block of rows after the other. It must not keep or change them.
	Observe func(layer int, in Input, rows []float32)
	// Done, if set, ends what is running before its next layer once it is closed.
	Done <-chan struct{}
	// Rest, if set, is called before each of the three steps of a layer.
	Rest func()

	x, y    []float32 // hidden states; output of a sublayer
	qkv     []float32
	context []float32 // attention output, before its linear map
	inner   []float32 // inner layer of the feed-forward network
	scratch simd.Scratch
	pass    pass
}

func (w *Workspace) rest() {
	if w.Rest != nil {
		w.Rest()
	}
}

// ErrNoVector is returned when the hidden state has no direction: zero, or not
// finite. It does not happen with sound weights.
var ErrNoVector = errors.New("the model gave a vector without a direction")

// ErrStopped is returned where Workspace.Done was closed.
var ErrStopped = errors.New("the model was stopped")

// Encode writes the unit vector of a token sequence to out, which has Hidden
// elements. It panics unless ids has 1 to MaxTokens entries, all from 0 to
// Pieces()-1. The result depends on ids and p only.
func (m *Model) Encode(out []float32, ids []int32, p Precision, w *Workspace) error {
	return m.EncodeWith(nil, out, ids, p, w)
}

// EncodeWith is [Model.Encode] with the help of a team, which then has nothing
// more to do.
func (m *Model) EncodeWith(t *Team, out []float32, ids []int32, p Precision, w *Workspace) error {
	defer t.close()
	if err := m.forward(t, ids, len(ids), m.pooled(len(ids)), p, w); err != nil {
		return err
	}
	return normalise(out, m.pool(w.x, len(ids)))
}

// States returns the last hidden states of a token sequence, a row of Hidden
// numbers for each, in the workspace: they are good until it is used again. ids
// is as for [Model.Encode], which skips what only this needs: here all rows go
// through the whole of the last layer. A team helps as in [Model.EncodeWith]; t may
// be nil. The result depends on ids and p only. The error is ErrStopped.
func (m *Model) States(t *Team, ids []int32, p Precision, w *Workspace) ([]float32, error) {
	defer t.close()
	if err := m.forward(t, ids, len(ids), len(ids), p, w); err != nil {
		return nil, err
	}
	return w.x[:len(ids)*m.Hidden], nil
}

// forward leaves the last hidden states of the first rows tokens in w.x. The
// tokens from second on are of the second segment.
//
// The error is ErrStopped.
func (m *Model) forward(t *Team, ids []int32, second, rows int, p Precision, w *Workspace) error {
	n, h := len(ids), m.Hidden
	w.x = grow(w.x, n*h)
	for i, id := range ids {
		row := w.x[i*h : (i+1)*h]
		scale := m.words.Scales[id]
		for j, v := range m.words.Values[int(id)*h : (int(id)+1)*h] {
			row[j] = float32(int8(v)) * scale
		}
		positions := m.positions[0]
		if i >= second {
			positions = m.positions[1]
		}
		simd.AddNorm(row, positions[i*h:(i+1)*h], m.norm.gain, m.norm.bias, m.LayerNormEps)
	}
	w.qkv = grow(w.qkv, n*3*h)
	w.context = grow(w.context, n*h)
	w.pass = pass{model: m, text: w, precision: p, tokens: n, rows: n, block: t.blockRows(n)}
	for w.pass.layer = range m.layers {
		select {
		case <-w.Done:
			return ErrStopped
		default:
		}
		if w.pass.layer == len(m.layers)-1 {
			w.pass.rows = rows // what nobody reads is not computed
		}
		w.rest()
		t.each((*pass).project, &w.pass, w.pass.parts(n), w)
		w.rest()
		t.each((*pass).attend, &w.pass, m.Heads, w)
		w.rest()
		t.each((*pass).finish, &w.pass, w.pass.parts(w.pass.rows), w)
	}
	return nil
}

// blockRows is the number of rows that go through a layer's linear maps
// together: what is in flight between the maps stays in the second level cache,
// and each weight that is read serves this many rows.
const blockRows = 72

// pass is a layer that is being computed for a text. It has three steps, of
// parts that do not depend on each other and may be computed at the same time.
type pass struct {
	model     *Model
	text      *Workspace // the hidden states are here
	precision Precision
	layer     int
	tokens    int // of the text
	rows      int // hidden states that the layer has to give, the first ones
	block     int // rows of a part
}

// step computes part i of a step in w, which is the text's own workspace or
// that of a helper.
type step func(p *pass, i int, w *Workspace)

// parts returns into how many parts a step on so many rows is cut.
func (p *pass) parts(rows int) int { return (rows + p.block - 1) / p.block }

// project computes the queries, keys and values of a block of rows.
func (p *pass) project(i int, w *Workspace) {
	h, from := p.model.Hidden, i*p.block
	l := &p.model.layers[p.layer]
	w.apply(l.qkv, p, QKVInput, p.text.qkv[from*3*h:], p.text.x[from*h:], min(p.block, p.tokens-from))
}

// attend computes what one head adds to the context.
func (p *pass) attend(head int, w *Workspace) {
	m := p.model
	simd.Attend(p.text.context, p.text.qkv, p.rows, p.tokens, m.Heads, m.Hidden/m.Heads, head, &w.scratch)
}

// finish replaces the hidden states of a block of rows by the output of the layer.
func (p *pass) finish(i int, w *Workspace) {
	m, l, h, from := p.model, &p.model.layers[p.layer], p.model.Hidden, i*p.block
	count := min(p.block, p.rows-from)
	w.y = grow(w.y, count*h)
	w.inner = grow(w.inner, count*m.Intermediate)
	x := p.text.x[from*h:]
	w.apply(l.attention, p, AttentionInput, w.y, p.text.context[from*h:], count)
	l.afterAttn.addTo(x, w.y, count, m.LayerNormEps)
	w.apply(l.up, p, UpInput, w.inner, x, count)
	simd.Gelu(w.inner[:count*m.Intermediate])
	w.apply(l.down, p, DownInput, w.y, w.inner, count)
	l.afterFF.addTo(x, w.y, count, m.LayerNormEps)
}

// apply writes f of n rows of x, an input of a layer, to dst.
func (w *Workspace) apply(f linear, p *pass, in Input, dst, x []float32, n int) {
	if w.Observe != nil {
		w.Observe(p.layer, in, x[:n*f.weights.Cols()])
	}
	if p.precision == Int8Activations {
		f.weights.MulInt8(dst, x, f.bias, n, &w.scratch)
	} else {
		f.weights.MulInt16(dst, x, f.bias, n, &w.scratch)
	}
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
