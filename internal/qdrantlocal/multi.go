package qdrantlocal

import (
	"math"

	"github.com/qdrant/go-client/qdrant"
)

// multiSpace holds one named multivector of all points: some rows per point,
// compared by MaxSim.
type multiSpace struct {
	row     denseSpace // dimension, distance and datatype of rows; holds no data
	rows    [][][]float32
	present bitset
}

func (m *multiSpace) put(s slot, rows [][]float32) {
	for int(s) >= len(m.rows) {
		m.rows = append(m.rows, nil)
	}
	m.rows[s] = rows
	m.present.set(s)
}

func (m *multiSpace) remove(s slot) {
	if m.present.has(s) {
		m.rows[s] = nil
		m.present.clear(s)
	}
}

// prepare returns rows as they are stored and compared.
func (m *multiSpace) prepare(rows [][]float32) [][]float32 {
	out := make([][]float32, len(rows))
	for i, r := range rows {
		out[i] = m.row.prepare(r)
	}
	return out
}

// similarity is MaxSim: for every row of q its best match in d, summed. For
// Euclid squares are summed and the root is taken at the end.
func (m *multiSpace) similarity(q, d [][]float32) float32 {
	return fromRaw(m.row.distance, m.rawSimilarity(q, d))
}

// rawSimilarity is larger for nearer vectors, whatever the distance.
func (m *multiSpace) rawSimilarity(q, d [][]float32) float32 {
	var sum float32
	for _, a := range q {
		best := float32(math.Inf(-1))
		for _, b := range d {
			best = max(best, m.row.rawSimilarity(a, b))
		}
		sum += best
	}
	return sum
}

// rawSimilarity is larger for nearer vectors: the squared distance negated for
// Euclid, the distance negated for Manhattan.
func (d *denseSpace) rawSimilarity(a, b []float32) float32 {
	s := d.similarity(a, b)
	switch d.distance {
	case qdrant.Distance_Euclid:
		return -s * s
	case qdrant.Distance_Manhattan:
		return -s
	}
	return s
}

// fromRaw turns a raw similarity into the score that is reported.
func fromRaw(dist qdrant.Distance, raw float32) float32 {
	switch dist {
	case qdrant.Distance_Euclid:
		return float32(math.Sqrt(math.Abs(float64(raw))))
	case qdrant.Distance_Manhattan:
		return -raw
	}
	return raw
}

// multiRows checks the rows of a multivector against a dimension.
func multiRows(vs []*qdrant.DenseVector, dim int) ([][]float32, error) {
	if len(vs) == 0 {
		return nil, invalid("multi vector must not be empty")
	}
	rows := make([][]float32, len(vs))
	for i, v := range vs {
		if len(v.GetData()) != dim {
			return nil, wrongDimension(dim, len(v.GetData()))
		}
		rows[i] = v.GetData()
	}
	return rows, nil
}

// splitRows cuts the deprecated flat form of a multivector into rows.
func splitRows(flat []float32, count uint32) ([]*qdrant.DenseVector, error) {
	if count == 0 || len(flat) == 0 || len(flat)%int(count) != 0 {
		return nil, invalid("multi vector of %d values cannot be split into %d vectors", len(flat), count)
	}
	n := len(flat) / int(count)
	out := make([]*qdrant.DenseVector, count)
	for i := range out {
		out[i] = &qdrant.DenseVector{Data: flat[i*n : (i+1)*n]}
	}
	return out, nil
}
