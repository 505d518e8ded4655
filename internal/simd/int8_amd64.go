//go:build !purego

package simd

// tileInt8AVX2 takes the bytes of q-128, which are never -128, as signed
// activations. It ignores offsets.
//
//go:noescape
func tileInt8AVX2(groups int, a *uint8, lda int, b *uint32, offsets *int32, c *float32, ldc int)

// tileAVXVNNI takes unsigned activations q and adds their products to offsets.
//
//go:noescape
func tileAVXVNNI(groups int, a *uint8, lda int, b *uint32, offsets *int32, c *float32, ldc int)

// flipAVX2 flips the top bit of n bytes, n a multiple of 32 and not 0.
//
//go:noescape
func flipAVX2(dst, src *uint8, n int)

var (
	int8AVX2    = int8Tile{rows: 4, compute: tileInt8AVX2}
	int8AVXVNNI = int8Tile{rows: 6, compute: tileAVXVNNI}
)

// mulInt8AVX2 multiplies pairs of bytes to 16 bits. That saturates for unsigned
// activations, so it makes them signed and moves their signs to the weights.
func mulInt8AVX2(dst []float32, q []uint8, n int, w *Matrix, s *Scratch) {
	s.signed = resize(s.signed, max(n, int8AVX2.rows)*w.cols)
	q = q[:n*w.cols]
	full := len(q) / 32 * 32
	if full > 0 {
		flipAVX2(&s.signed[0], &q[0], full)
	}
	for i, v := range q[full:] {
		s.signed[full+i] = v ^ 0x80
	}
	int8AVX2.mul(dst, s.signed, n, w, s)
}
