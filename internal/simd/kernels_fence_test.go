//go:build linux

package simd

import (
	"syscall"
	"testing"
	"unsafe"
)

// fenced returns a copy of x that ends where memory ends: a kernel that reads or
// writes one element too much faults.
func fenced[T any](t *testing.T, x []T) []T {
	t.Helper()
	page, size := syscall.Getpagesize(), len(x)*int(unsafe.Sizeof(*new(T)))
	mapped := roundUp(size, page)
	memory, err := syscall.Mmap(-1, 0, mapped+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatalf("map %d bytes: %v", mapped+page, err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(memory) })
	if err := syscall.Mprotect(memory[mapped:], syscall.PROT_NONE); err != nil {
		t.Fatalf("protect a page: %v", err)
	}
	if len(x) == 0 {
		return nil
	}
	out := unsafe.Slice((*T)(unsafe.Pointer(&memory[mapped-size])), len(x))
	copy(out, x)
	return out
}

// TestKernelsFenced runs every kernel on slices of exactly the size that it may
// touch.
func TestKernelsFenced(t *testing.T) {
	next := source(41)
	row := func(n int) []float32 { return fenced(t, draw(n, next)) }
	for _, k := range available {
		for n := 1; n <= 100; n += 1 + n/16 {
			x, y := row(n), row(n)
			k.dot(x, y)
			k.addNorm(x, y, row(n), row(n), 1e-12)
			k.gelu(x)
			k.quantise(fenced(t, make([]uint8, n)), y)
			k.quantiseWide(fenced(t, make([]uint8, 2*n)), y)
			if n%MatrixRows == 0 {
				k.scaleBias(x, 0.5, y, row(n))
				k.join(x, y, row(n))
			}
			k.expRows(row(3*roundUp(n, attendWidth)), roundUp(n, attendWidth), 3, n, 0.5, new(streams))
			k.copyRows(row(5*n), n, row(4*(n+1)+n), n+1, 5, n)
			k.scaleRows(row(5*n), n, row(4*(n+1)+n), n+1, 5, n, row(5))
			k.transpose(row(PanelWidth*n), row(PanelWidth*n), n, PanelWidth, n)
		}
		for m := 1; m <= 13; m++ {
			for _, depth := range []int{1, 2, 3, 8, 17} {
				k.gemm(row(m*PanelWidth), PanelWidth, row(m*depth), depth, row(depth*PanelWidth), m, depth, m%2 == 0)
				if room := roundUp(m, 4); m <= attendRows {
					k.gemmPanels(row(room*64), 64, row(room*depth), depth, row(depth*64), depth*PanelWidth, m, 64, depth, m%2 == 0)
				}
			}
			cols := m * groupCols
			w, _ := matrix(t, 64, cols, []int{0}, 42)
			w.packed, w.offsets, w.scales = fenced(t, w.packed), fenced(t, w.offsets), fenced(t, w.scales)
			w.exact = fenced(t, w.exact)
			q := fenced(t, make([]uint8, max(roundUp(m, 4), minQuantised)*cols))
			k.mulInt8(row(m*64), q, m, w, new(Scratch))
			use(t, k)
			w.MulInt8(row(m*64), row(m*cols), row(64), m, new(Scratch))
			w.MulInt16(row(m*64), row(m*cols), row(64), m, new(Scratch))
		}
	}
}
