//go:build (!amd64 && !arm64) || purego

package simd

// detect finds no vector kernels: there are none for this architecture, or the
// build asked for none.
func detect() []kernels { return nil }
