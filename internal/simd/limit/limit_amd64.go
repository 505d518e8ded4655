//go:build !purego

package limit

import "golang.org/x/sys/cpu"

// perPass is the number of instructions that multiply and add in a pass: 4 times
// 16, or 5 times 12 and 4, to sums that do not depend on each other.
const perPass = 64

//go:noescape
func vnni512(n int)

//go:noescape
func vnni256(n int)

//go:noescape
func maddAVX2(n int)

//go:noescape
func fma512(n int)

//go:noescape
func fmaAVX2(n int)

func int8Probe() probe {
	switch x := &cpu.X86; {
	case x.HasAVX512F && x.HasAVX512VNNI:
		return probe{"avx512vnni", vnni512, perPass * 64 * 2}
	case x.HasAVXVNNI:
		return probe{"avxvnni", vnni256, perPass * 32 * 2}
	case x.HasAVX2:
		return probe{"avx2", maddAVX2, perPass * 32 * 2}
	}
	return probe{}
}

func float32Probe() probe {
	switch x := &cpu.X86; {
	case x.HasAVX512F:
		return probe{"avx512", fma512, perPass * 16 * 2}
	case x.HasAVX2 && x.HasFMA:
		return probe{"avx2", fmaAVX2, perPass * 8 * 2}
	}
	return probe{}
}
