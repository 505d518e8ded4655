package qdrantlocal

import (
	"math"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/simd"
)

// denseSpace holds one named dense vector of all points in one contiguous array.
type denseSpace struct {
	dim      int
	distance qdrant.Distance
	datatype qdrant.Datatype
	data     []float32 // slot s at [s*dim, (s+1)*dim)
	present  bitset
	coarse   *coarse
}

func (d *denseSpace) put(s slot, v []float32) {
	need := (int(s) + 1) * d.dim
	if need > len(d.data) {
		if need > cap(d.data) {
			grown := make([]float32, need, max(need, cap(d.data)*2))
			copy(grown, d.data)
			d.data = grown
		}
		d.data = d.data[:need]
	}
	copy(d.data[int(s)*d.dim:need], v)
	d.present.set(s)
	d.coarse.changed(s)
}

func (d *denseSpace) remove(s slot) { d.present.clear(s) }

// at returns the stored vector of s, which aliases the array.
func (d *denseSpace) at(s slot) []float32 {
	return d.data[int(s)*d.dim : (int(s)+1)*d.dim]
}

// prepare returns v as it is stored and compared: normalised for Cosine, then
// rounded to the datatype. Bytes are not normalised. v itself is left alone.
func (d *denseSpace) prepare(v []float32) []float32 {
	if d.datatype == qdrant.Datatype_Uint8 {
		return mapFloats(v, roundUint8)
	}
	if d.distance == qdrant.Distance_Cosine {
		v = normalise(v)
	}
	if d.datatype == qdrant.Datatype_Float16 {
		v = mapFloats(v, roundFloat16)
	}
	return v
}

// score compares a prepared query with the vector of s. Larger is nearer for
// Cosine and Dot, smaller is nearer for Euclid and Manhattan.
func (d *denseSpace) score(q []float32, s slot) float32 { return d.similarity(q, d.at(s)) }

// minSIMDHalf is the dimension from which the server computes with float16
// vectors in float32; below it rounds every product to float16.
const minSIMDHalf = 32

// plain reports whether similarity is simd.Dot.
func (d *denseSpace) plain() bool {
	switch d.distance {
	case qdrant.Distance_Cosine:
		return d.datatype != qdrant.Datatype_Uint8 && !d.half()
	case qdrant.Distance_Dot:
		return !d.half()
	}
	return false
}

// half reports whether products are rounded to float16.
func (d *denseSpace) half() bool {
	return d.datatype == qdrant.Datatype_Float16 && d.dim < minSIMDHalf
}

// similarity compares two prepared vectors.
func (d *denseSpace) similarity(a, b []float32) float32 {
	if d.half() {
		return similarityHalf(d.distance, a, b)
	}
	switch d.distance {
	case qdrant.Distance_Cosine:
		if d.datatype == qdrant.Datatype_Uint8 {
			na, nb := simd.Dot(a, a), simd.Dot(b, b)
			if na == 0 || nb == 0 {
				return 0
			}
			return simd.Dot(a, b) / float32(math.Sqrt(float64(na)*float64(nb)))
		}
	case qdrant.Distance_Euclid:
		var sum float32
		for i, x := range a {
			t := x - b[i]
			sum += t * t
		}
		return float32(math.Sqrt(float64(sum)))
	case qdrant.Distance_Manhattan:
		var sum float32
		for i, x := range a {
			sum += float32(math.Abs(float64(x - b[i])))
		}
		return sum
	}
	return simd.Dot(a, b)
}

// similarityHalf is similarity in float16 arithmetic with a float32 sum.
func similarityHalf(dist qdrant.Distance, a, b []float32) float32 {
	var sum float32
	for i, x := range a {
		switch t := roundFloat16(x - b[i]); dist {
		case qdrant.Distance_Euclid:
			sum += roundFloat16(t * t)
		case qdrant.Distance_Manhattan:
			sum += float32(math.Abs(float64(t)))
		default:
			sum += roundFloat16(x * b[i])
		}
	}
	if dist == qdrant.Distance_Euclid {
		return float32(math.Sqrt(float64(sum)))
	}
	return sum
}

// smallerIsNearer reports the direction of a distance's scores.
func smallerIsNearer(d qdrant.Distance) bool {
	return d == qdrant.Distance_Euclid || d == qdrant.Distance_Manhattan
}

// normalise scales v to unit length. Like the server it leaves vectors alone
// whose squared length is below the float32 epsilon or within 1e-6 of 1.
func normalise(v []float32) []float32 {
	const epsilon = 1.1920929e-07
	n := simd.Dot(v, v)
	if n < epsilon || math.Abs(float64(n-1)) <= 1e-6 {
		return v
	}
	length := float32(math.Sqrt(float64(n)))
	return mapFloats(v, func(x float32) float32 { return x / length })
}

func mapFloats(v []float32, f func(float32) float32) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = f(x)
	}
	return out
}

// roundUint8 is a saturating conversion towards zero; NaN becomes 0.
func roundUint8(x float32) float32 {
	switch {
	case !(x > 0):
		return 0
	case x >= 255:
		return 255
	}
	return float32(uint8(x))
}

// roundFloat16 rounds to the nearest IEEE 754 half (ties to even) and back.
func roundFloat16(x float32) float32 {
	b := math.Float32bits(x)
	sign := b & 0x80000000
	abs := b &^ 0x80000000
	switch {
	case abs >= 0x7f800000: // infinity, NaN
		return x
	case abs >= 0x477ff000: // rounds beyond 65504
		return math.Float32frombits(sign | 0x7f800000)
	case abs < 0x38800000: // subnormal half: a multiple of 2^-24
		r := math.RoundToEven(float64(math.Float32frombits(abs)) * (1 << 24))
		return math.Float32frombits(sign | math.Float32bits(float32(r/(1<<24))))
	}
	abs += 0xfff + (abs>>13)&1
	return math.Float32frombits(sign | abs&^0x1fff)
}
