//go:build !purego

package simd

import "golang.org/x/sys/cpu"

// detect lists the vector kernels that this processor can run, best first.
// Every arm64 processor has NEON.
func detect() (sets []kernels) {
	if cpu.ARM64.HasASIMDDP {
		sets = append(sets, vector("neondot", int8Tile{rows: 4, compute: tileSDOT}.mul))
	}
	return append(sets, vector("neon", int8Tile{rows: 2, compute: tileSMULL}.mul))
}

// tileSDOT and tileSMULL take unsigned activations q and multiply q-128, which
// is never -128. They ignore offsets.

//go:noescape
func tileSDOT(groups int, a *uint8, lda int, b *uint32, offsets *int32, c *float32, ldc int)

//go:noescape
func tileSMULL(groups int, a *uint8, lda int, b *uint32, offsets *int32, c *float32, ldc int)
