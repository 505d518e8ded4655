//go:build !purego

package simd

import "golang.org/x/sys/cpu"

// detect lists the vector kernels that this processor and operating system can
// run, best first.
func detect() (sets []kernels) {
	x := &cpu.X86
	if !x.HasAVX2 || !x.HasFMA {
		return nil
	}
	avx2 := vector("avx2", mulInt8AVX2)
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512VNNI {
		sets = append(sets, avx512VNNI(avx2))
	}
	if x.HasAVXVNNI {
		sets = append(sets, vector("avxvnni", int8AVXVNNI.mul))
	}
	return append(sets, avx2)
}
