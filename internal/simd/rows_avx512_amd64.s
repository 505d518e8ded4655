//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// The twins of these functions in rows_amd64.s do the same operations in the
// same order on half as many elements at a time. Nothing here is fused.

// HALVE adds the upper half of the 16 lanes of Z4 to the lower, and so on down
// to one, which is left in X4. It clobbers X0.
#define HALVE(OP, OPS) \
	VEXTRACTF64X4 $1, Z4, Y0 \
	OP Y0, Y4, Y4 \
	VEXTRACTF128 $1, Y4, X0 \
	OP X0, X4, X4 \
	VMOVHLPS X4, X4, X0 \
	OP X0, X4, X4 \
	VMOVSHDUP X4, X0 \
	OPS X0, X4, X4

// func addSumAVX512(x, y *float32, n int) float32
TEXT ·addSumAVX512(SB), NOSPLIT, $0-28
	MOVQ x+0(FP), SI
	MOVQ y+8(FP), DI
	MOVQ n+16(FP), CX
	SHRQ $5, CX
	VPXORD Z4, Z4, Z4
	VPXORD Z5, Z5, Z5

loop:
	VMOVUPS (SI), Z0
	VMOVUPS 64(SI), Z1
	VADDPS (DI), Z0, Z0
	VADDPS 64(DI), Z1, Z1
	VMOVUPS Z0, (SI)
	VMOVUPS Z1, 64(SI)
	VADDPS Z0, Z4, Z4
	VADDPS Z1, Z5, Z5
	ADDQ $128, SI
	ADDQ $128, DI
	DECQ CX
	JNZ  loop
	VADDPS Z5, Z4, Z4
	HALVE(VADDPS, VADDSS)
	VMOVSS X4, ret+24(FP)
	VZEROUPPER
	RET

// func squaresAVX512(x *float32, n int, mean float32) float32
TEXT ·squaresAVX512(SB), NOSPLIT, $0-28
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS mean+16(FP), Z2
	SHRQ $5, CX
	VPXORD Z4, Z4, Z4
	VPXORD Z5, Z5, Z5

loop:
	VMOVUPS (SI), Z0
	VMOVUPS 64(SI), Z1
	VSUBPS Z2, Z0, Z0
	VSUBPS Z2, Z1, Z1
	VMULPS Z0, Z0, Z0
	VMULPS Z1, Z1, Z1
	VADDPS Z0, Z4, Z4
	VADDPS Z1, Z5, Z5
	ADDQ $128, SI
	DECQ CX
	JNZ  loop
	VADDPS Z5, Z4, Z4
	HALVE(VADDPS, VADDSS)
	VMOVSS X4, ret+24(FP)
	VZEROUPPER
	RET

// func normAVX512(x *float32, n int, mean, inverse float32, gain, bias *float32)
TEXT ·normAVX512(SB), NOSPLIT, $0-40
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS mean+16(FP), Z1
	VBROADCASTSS inverse+20(FP), Z2
	MOVQ gain+24(FP), DI
	MOVQ bias+32(FP), DX
	SHRQ $4, CX

loop:
	VMOVUPS (SI), Z0
	VSUBPS Z1, Z0, Z0
	VMULPS Z2, Z0, Z0
	VMULPS (DI), Z0, Z0
	VADDPS (DX), Z0, Z0
	VMOVUPS Z0, (SI)
	ADDQ $64, SI
	ADDQ $64, DI
	ADDQ $64, DX
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// func extentAVX512(x *float32, n int, keep *uint16) (least, largest float32)
//
// keep has a bit for each element, of which those that are 0 count as 0. Bits
// are compared as integers, as in vecExtent.
TEXT ·extentAVX512(SB), NOSPLIT, $0-32
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	MOVQ keep+16(FP), DX
	SHRQ $5, CX
	VPXORD Z4, Z4, Z4
	VPXORD Z5, Z5, Z5
	VPTERNLOGD $0xff, Z6, Z6, Z6
	VPSLLD $31, Z6, Z6
	VMOVDQA32 Z6, Z7

loop:
	KMOVW (DX), K1
	KMOVW 2(DX), K2
	VMOVDQU32.Z (SI), K1, Z0
	VMOVDQU32.Z 64(SI), K2, Z1
	VPMAXSD Z0, Z4, Z4
	VPMAXSD Z1, Z5, Z5
	VPMAXUD Z0, Z6, Z6
	VPMAXUD Z1, Z7, Z7
	ADDQ $128, SI
	ADDQ $4, DX
	DECQ CX
	JNZ  loop
	VPMAXSD Z5, Z4, Z4
	HALVE(VPMAXSD, VPMAXSD)
	VMOVSS X4, largest+28(FP)
	VPMAXUD Z7, Z6, Z4
	HALVE(VPMAXUD, VPMAXUD)
	VMOVSS X4, least+24(FP)
	VZEROUPPER
	RET

// func quantiseAVX512(q *uint8, x *float32, n int, keep *uint16, centre, inverse float32)
//
// Elements that are left out become what 0 is, a step in the range.
TEXT ·quantiseAVX512(SB), NOSPLIT, $0-40
	MOVQ q+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ keep+24(FP), DX
	VBROADCASTSS centre+32(FP), Z4
	VBROADCASTSS inverse+36(FP), Z2
	VPBROADCASTD zero<>(SB), Z3
	SHRQ $5, CX

loop:
	KMOVW (DX), K1
	KMOVW 2(DX), K2
	VMOVUPS.Z (SI), K1, Z0
	VMOVUPS.Z 64(SI), K2, Z1
	VSUBPS Z4, Z0, Z0
	VSUBPS Z4, Z1, Z1
	VMULPS Z2, Z0, Z0
	VMULPS Z2, Z1, Z1
	VCVTPS2DQ Z0, Z0
	VCVTPS2DQ Z1, Z1
	VPADDD Z3, Z0, Z0
	VPADDD Z3, Z1, Z1
	VPMOVDB Z0, (DI)
	VPMOVDB Z1, 16(DI)
	ADDQ $128, SI
	ADDQ $32, DI
	ADDQ $4, DX
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// func quantiseWideAVX512(q *uint8, x *float32, n int, keep *uint16, inverse float32)
//
// The n upper halves come first, then the n lower ones.
TEXT ·quantiseWideAVX512(SB), NOSPLIT, $0-36
	MOVQ q+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ keep+24(FP), DX
	VBROADCASTSS inverse+32(FP), Z2
	VPBROADCASTD zero<>(SB), Z3
	VPSRLD $1, Z3, Z4 // 64
	LEAQ (DI)(CX*1), R8
	SHRQ $4, CX

loop:
	KMOVW (DX), K1
	VMULPS.Z (SI), Z2, K1, Z0
	VCVTPS2DQ Z0, Z0
	VPADDD Z4, Z0, Z1
	VPSRAD $7, Z1, Z1
	VPADDD Z3, Z1, Z5
	VPMOVDB Z5, (DI)
	VPSLLD $7, Z1, Z1
	VPSUBD Z1, Z0, Z0
	VPADDD Z3, Z0, Z0
	VPMOVDB Z0, (R8)
	ADDQ $64, SI
	ADDQ $16, DI
	ADDQ $16, R8
	ADDQ $2, DX
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

DATA zero<>+0(SB)/4, $128
GLOBL zero<>(SB), RODATA|NOPTR, $4

// LOADEXP2 loads the constants of EXP2 into Z20..Z26.
#define LOADEXP2 \
	VBROADCASTSS ·exp2Terms+0(SB), Z20 \
	VBROADCASTSS ·exp2Terms+4(SB), Z21 \
	VBROADCASTSS ·exp2Terms+8(SB), Z22 \
	VBROADCASTSS ·exp2Terms+12(SB), Z23 \
	VBROADCASTSS ·exp2Terms+16(SB), Z24 \
	VBROADCASTSS ·exp2Terms+20(SB), Z25 \
	VBROADCASTSS ·exp2Limits+0(SB), Z26

// EXP2 computes P = exp2(X) as rows.go does, clobbering X, N and the mask K.
#define EXP2(X, N, P, K) \
	VCMPPS $13, Z26, X, K \
	VRNDSCALEPS $8, X, N \
	VSUBPS N, X, X \
	VCVTPS2DQ N, N \
	VPSLLD $23, N, N \
	VMULPS Z20, X, P \
	VADDPS Z21, P, P \
	VMULPS X, P, P \
	VADDPS Z22, P, P \
	VMULPS X, P, P \
	VADDPS Z23, P, P \
	VMULPS X, P, P \
	VADDPS Z24, P, P \
	VMULPS X, P, P \
	VADDPS Z25, P, P \
	VPADDD.Z N, P, K, P

// func geluAVX512(x *float32, n int)
//
// Z6 holds x, Z7 |x|, Z2 exp2(-z²), Z1 the t of formula 7.1.26, Z0 its
// polynomial.
TEXT ·geluAVX512(SB), NOSPLIT, $0-16
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	SHRQ $4, CX
	LOADEXP2
	VBROADCASTSS ·erfcScales+0(SB), Z12
	VBROADCASTSS ·erfcScales+4(SB), Z13
	VBROADCASTSS ·erfcTerms+0(SB), Z14
	VBROADCASTSS ·erfcTerms+4(SB), Z15
	VBROADCASTSS ·erfcTerms+8(SB), Z16
	VBROADCASTSS ·erfcTerms+12(SB), Z17
	VBROADCASTSS ·erfcTerms+16(SB), Z18
	VPTERNLOGD $0xff, Z10, Z10, Z10
	VPSRLD $1, Z10, Z10
	VPXORD Z11, Z11, Z11

loop:
	VMOVUPS (SI), Z6
	VPANDD Z10, Z6, Z7
	VMULPS Z12, Z7, Z0
	VMULPS Z0, Z0, Z0
	VSUBPS Z0, Z11, Z0
	EXP2(Z0, Z1, Z2, K1)
	VMULPS Z13, Z7, Z0
	VADDPS Z25, Z0, Z0
	VDIVPS Z0, Z25, Z1
	VMULPS Z1, Z14, Z0
	VADDPS Z15, Z0, Z0
	VMULPS Z1, Z0, Z0
	VADDPS Z16, Z0, Z0
	VMULPS Z1, Z0, Z0
	VADDPS Z17, Z0, Z0
	VMULPS Z1, Z0, Z0
	VADDPS Z18, Z0, Z0
	VMULPS Z1, Z0, Z0
	VMULPS Z2, Z0, Z0
	VMULPS Z7, Z0, Z0
	VMAXPS Z11, Z6, Z1
	VSUBPS Z0, Z1, Z0
	VMOVUPS Z0, (SI)
	ADDQ $64, SI
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// func expRowsAVX512(t *expBlock)
//
//	SI  the row; R9 the next one is R8 further; DI goes along it
//	CX  groups of 32 scores; K3 and K4 what of the last group counts
//	Z4 Z5  the largest, then the sum, of two registers of lanes
TEXT ·expRowsAVX512(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), AX
	MOVQ expBlock_scores(AX), SI
	MOVQ expBlock_ld(AX), R8
	MOVQ expBlock_rows(AX), BX
	MOVQ expBlock_groups(AX), R9
	MOVQ expBlock_largest(AX), R10
	MOVQ expBlock_sums(AX), R11
	MOVQ expBlock_factors(AX), R12
	VBROADCASTSS expBlock_scale(AX), Z13
	VBROADCASTSS expBlock_least(AX), Z14
	KMOVW expBlock_last(AX), K3
	MOVQ expBlock_last(AX), DX
	SHRQ $16, DX
	KMOVW DX, K4
	LOADEXP2

row:
	// The elements of the last group that do not count become the least.
	MOVQ SI, DI
	MOVQ R9, CX
	VBROADCASTSS (R10), Z4
	VMOVAPS Z4, Z5
	DECQ CX
	JZ   lastMax

max:
	VMAXPS (DI), Z4, Z4
	VMAXPS 64(DI), Z5, Z5
	ADDQ $128, DI
	DECQ CX
	JNZ  max

lastMax:
	VMAXPS (DI), Z4, K3, Z4
	VMAXPS 64(DI), Z5, K4, Z5
	VMAXPS Z5, Z4, Z4
	VMOVSS (R10), X6 // the largest so far
	HALVE(VMAXPS, VMAXSS)
	VMOVSS X4, (R10)
	VBROADCASTSS X4, Z15
	VBROADCASTSS X6, Z6
	VSUBPS Z15, Z6, Z6
	VMULPS Z13, Z6, Z6
	EXP2(Z6, Z7, Z8, K1)
	VMOVSS X8, (R12)
	VMOVAPS Z8, Z16

	MOVQ SI, DI
	MOVQ R9, CX
	VPXORD Z4, Z4, Z4
	VPXORD Z5, Z5, Z5
	DECQ CX
	JZ   lastExp

exp:
	VMOVUPS (DI), Z0
	VMOVUPS 64(DI), Z6
	VSUBPS Z15, Z0, Z0
	VSUBPS Z15, Z6, Z6
	VMULPS Z13, Z0, Z0
	VMULPS Z13, Z6, Z6
	EXP2(Z0, Z1, Z2, K1)
	EXP2(Z6, Z7, Z8, K2)
	VMOVUPS Z2, (DI)
	VMOVUPS Z8, 64(DI)
	VADDPS Z2, Z4, Z4
	VADDPS Z8, Z5, Z5
	ADDQ $128, DI
	DECQ CX
	JNZ  exp

lastExp:
	VMOVAPS Z14, Z0
	VMOVAPS Z14, Z6
	VMOVUPS (DI), K3, Z0
	VMOVUPS 64(DI), K4, Z6
	VSUBPS Z15, Z0, Z0
	VSUBPS Z15, Z6, Z6
	VMULPS Z13, Z0, Z0
	VMULPS Z13, Z6, Z6
	EXP2(Z0, Z1, Z2, K1)
	EXP2(Z6, Z7, Z8, K2)
	VMOVUPS Z2, (DI)
	VMOVUPS Z8, 64(DI)
	VADDPS Z2, Z4, Z4
	VADDPS Z8, Z5, Z5
	VADDPS Z5, Z4, Z4
	HALVE(VADDPS, VADDSS)
	VMULSS (R11), X16, X1
	VADDSS X4, X1, X1
	VMOVSS X1, (R11)
	ADDQ R8, SI
	ADDQ $4, R10
	ADDQ $4, R11
	ADDQ $4, R12
	DECQ BX
	JNZ  row
	VZEROUPPER
	RET

// func scaleRowsAVX512(dst *float32, ldd int, x *float32, ldx int, rows, n int, factors *float32)
TEXT ·scaleRowsAVX512(SB), NOSPLIT, $0-56
	MOVQ dst+0(FP), DI
	MOVQ ldd+8(FP), R8
	MOVQ x+16(FP), SI
	MOVQ ldx+24(FP), R9
	MOVQ rows+32(FP), BX
	MOVQ n+40(FP), DX
	MOVQ factors+48(FP), R10
	SHLQ $2, R8
	SHLQ $2, R9

row:
	VBROADCASTSS (R10), Z1
	XORQ CX, CX

loop:
	VMULPS (SI)(CX*4), Z1, Z0
	VMOVUPS Z0, (DI)(CX*4)
	ADDQ $16, CX
	CMPQ CX, DX
	JLT  loop
	ADDQ R8, DI
	ADDQ R9, SI
	ADDQ $4, R10
	DECQ BX
	JNZ  row
	VZEROUPPER
	RET

// func copyRowsAVX512(dst *float32, ldd int, x *float32, ldx int, rows, n int)
TEXT ·copyRowsAVX512(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ ldd+8(FP), R8
	MOVQ x+16(FP), SI
	MOVQ ldx+24(FP), R9
	MOVQ rows+32(FP), BX
	MOVQ n+40(FP), DX
	SHLQ $2, R8
	SHLQ $2, R9

row:
	XORQ CX, CX

loop:
	VMOVUPS (SI)(CX*4), Z0
	VMOVUPS Z0, (DI)(CX*4)
	ADDQ $16, CX
	CMPQ CX, DX
	JLT  loop
	ADDQ R8, DI
	ADDQ R9, SI
	DECQ BX
	JNZ  row
	VZEROUPPER
	RET

// PAIRS interleaves the lanes of two rows, FOURS the pairs of lanes of two such.
#define PAIRS(A, B, LO, HI) \
	VUNPCKLPS B, A, LO \
	VUNPCKHPS B, A, HI

#define FOURS(A, B, LO, HI) \
	VUNPCKLPD B, A, LO \
	VUNPCKHPD B, A, HI

// QUARTERS writes columns c, c+4, c+8 and c+12, given the registers whose
// 128-bit lane l holds column 4l+c of rows 0-3, 4-7, 8-11 and 12-15.
#define QUARTERS(A, B, C, D, c) \
	VSHUFF32X4 $0x88, B, A, Z28 \
	VSHUFF32X4 $0x88, D, C, Z29 \
	VSHUFF32X4 $0xdd, B, A, Z30 \
	VSHUFF32X4 $0xdd, D, C, Z31 \
	VSHUFF32X4 $0x88, Z29, Z28, A \
	VSHUFF32X4 $0xdd, Z29, Z28, B \
	VSHUFF32X4 $0x88, Z31, Z30, C \
	VSHUFF32X4 $0xdd, Z31, Z30, D \
	VMOVUPS A, (64*c)(DI) \
	VMOVUPS C, (64*c+256)(DI) \
	VMOVUPS B, (64*c+512)(DI) \
	VMOVUPS D, (64*c+768)(DI)

// ROWS4 reads 4 rows of 16 at SI and interleaves them: the four results hold
// columns 4l+c in their lanes l. It clobbers Z28 to Z31.
#define ROWS4(c0, c1, c2, c3) \
	VMOVUPS (SI), c0 \
	VMOVUPS (SI)(R9*1), c1 \
	VMOVUPS (SI)(R9*2), c2 \
	VMOVUPS (SI)(R10*1), c3 \
	LEAQ (SI)(R9*4), SI \
	PAIRS(c0, c1, Z28, Z29) \
	PAIRS(c2, c3, Z30, Z31) \
	FOURS(Z28, Z30, c0, c1) \
	FOURS(Z29, Z31, c2, c3)

// func transposeAVX512(dst, x *float32, ldx int)
//
// dst(j, i) = x(i, j) for 16×16 elements, dst without gaps.
TEXT ·transposeAVX512(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ ldx+16(FP), R9
	SHLQ $2, R9
	LEAQ (R9)(R9*2), R10
	ROWS4(Z0, Z1, Z2, Z3)
	ROWS4(Z4, Z5, Z6, Z7)
	ROWS4(Z8, Z9, Z10, Z11)
	ROWS4(Z12, Z13, Z14, Z15)
	QUARTERS(Z0, Z4, Z8, Z12, 0)
	QUARTERS(Z1, Z5, Z9, Z13, 1)
	QUARTERS(Z2, Z6, Z10, Z14, 2)
	QUARTERS(Z3, Z7, Z11, Z15, 3)
	VZEROUPPER
	RET
