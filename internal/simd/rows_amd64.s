//go:build !purego

#include "textflag.h"

// Sums of rows keep 32 partial sums in four registers and add them in halves,
// as rows.go states. Nothing here is fused: products and sums round separately.

// HSUM4 adds the 32 lanes of Y4 to Y7 into X4, clobbering X0 and Y5.
#define HSUM4 \
	VADDPS Y6, Y4, Y4 \
	VADDPS Y7, Y5, Y5 \
	VADDPS Y5, Y4, Y4 \
	VEXTRACTF128 $1, Y4, X0 \
	VADDPS X0, X4, X4 \
	VMOVHLPS X4, X4, X0 \
	VADDPS X0, X4, X4 \
	VMOVSHDUP X4, X0 \
	VADDSS X0, X4, X4

// func vecDot(a, b *float32, n int) float32
//
// Y4..Y7 hold the 32 partial sums.
TEXT ·vecDot(SB), NOSPLIT, $0-28
	MOVQ a+0(FP), SI
	MOVQ b+8(FP), DI
	MOVQ n+16(FP), CX
	SHRQ $5, CX
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7

loop:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VMOVUPS 64(SI), Y2
	VMOVUPS 96(SI), Y3
	VMULPS (DI), Y0, Y0
	VMULPS 32(DI), Y1, Y1
	VMULPS 64(DI), Y2, Y2
	VMULPS 96(DI), Y3, Y3
	VADDPS Y0, Y4, Y4
	VADDPS Y1, Y5, Y5
	VADDPS Y2, Y6, Y6
	VADDPS Y3, Y7, Y7
	ADDQ $128, SI
	ADDQ $128, DI
	DECQ CX
	JNZ  loop
	HSUM4
	VMOVSS X4, ret+24(FP)
	VZEROUPPER
	RET

// HMAX leaves the largest of the 8 lanes of Y4 in X4, clobbering X0.
#define HMAX(OP) \
	VEXTRACTF128 $1, Y4, X0 \
	OP X0, X4, X4 \
	VMOVHLPS X4, X4, X0 \
	OP X0, X4, X4 \
	VMOVSHDUP X4, X0 \
	OP X0, X4, X4

// func vecMax(x *float32, n int) float32
TEXT ·vecMax(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	SHRQ $3, CX
	VMOVUPS (SI), Y4

loop:
	VMAXPS (SI), Y4, Y4
	ADDQ $32, SI
	DECQ CX
	JNZ  loop
	HMAX(VMAXPS)
	VMOVSS X4, ret+16(FP)
	VZEROUPPER
	RET

// func vecExtent(x *float32, n int) (least, largest float32)
//
// Bits are compared as integers, because VMAXPS would lose what is no number. As
// signed ones, those of positive numbers have the order of the numbers and are
// above all others; as unsigned ones, those of negative numbers have the order
// of the magnitudes and are above all others. What is no number is above the
// infinity of its sign.
TEXT ·vecExtent(SB), NOSPLIT, $0-24
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	SHRQ $3, CX
	VXORPS Y4, Y4, Y4
	VPCMPEQD Y6, Y6, Y6
	VPSLLD $31, Y6, Y6

loop:
	VMOVDQU (SI), Y0
	VPMAXSD Y0, Y4, Y4
	VPMAXUD Y0, Y6, Y6
	ADDQ $32, SI
	DECQ CX
	JNZ  loop
	HMAX(VPMAXSD)
	VMOVSS X4, largest+20(FP)
	VMOVDQA Y6, Y4
	HMAX(VPMAXUD)
	VMOVSS X4, least+16(FP)
	VZEROUPPER
	RET

// order undoes the interleaving of 128-bit halves by two pack instructions.
DATA order<>+0(SB)/4, $0
DATA order<>+4(SB)/4, $4
DATA order<>+8(SB)/4, $1
DATA order<>+12(SB)/4, $5
DATA order<>+16(SB)/4, $2
DATA order<>+20(SB)/4, $6
DATA order<>+24(SB)/4, $3
DATA order<>+28(SB)/4, $7
GLOBL order<>(SB), RODATA|NOPTR, $32

DATA zero<>+0(SB)/4, $128
GLOBL zero<>(SB), RODATA|NOPTR, $4

// func vecQuantise(q *uint8, x *float32, n int, centre, inverse float32)
TEXT ·vecQuantise(SB), NOSPLIT, $0-32
	MOVQ q+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	SHRQ $5, CX
	VBROADCASTSS centre+24(FP), Y8
	VBROADCASTSS inverse+28(FP), Y7
	VPBROADCASTD zero<>(SB), Y6
	VMOVDQU order<>(SB), Y5

loop:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VMOVUPS 64(SI), Y2
	VMOVUPS 96(SI), Y3
	VSUBPS Y8, Y0, Y0
	VSUBPS Y8, Y1, Y1
	VSUBPS Y8, Y2, Y2
	VSUBPS Y8, Y3, Y3
	VMULPS Y7, Y0, Y0
	VMULPS Y7, Y1, Y1
	VMULPS Y7, Y2, Y2
	VMULPS Y7, Y3, Y3
	VCVTPS2DQ Y0, Y0
	VCVTPS2DQ Y1, Y1
	VCVTPS2DQ Y2, Y2
	VCVTPS2DQ Y3, Y3
	VPADDD Y6, Y0, Y0
	VPADDD Y6, Y1, Y1
	VPADDD Y6, Y2, Y2
	VPADDD Y6, Y3, Y3
	VPACKSSDW Y1, Y0, Y0
	VPACKSSDW Y3, Y2, Y2
	VPACKUSWB Y2, Y0, Y0
	VPERMD Y0, Y5, Y0
	VMOVDQU Y0, (DI)
	ADDQ $128, SI
	ADDQ $32, DI
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// func vecQuantiseWide(q *uint8, x *float32, n int, inverse float32)
//
// The upper halves go to the first n bytes of q, the lower ones to the next n.
TEXT ·vecQuantiseWide(SB), NOSPLIT, $0-28
	MOVQ q+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	LEAQ (DI)(CX*1), DX
	SHRQ $5, CX
	VBROADCASTSS inverse+24(FP), Y15
	VPBROADCASTD zero<>(SB), Y14
	VPSRLD $1, Y14, Y13 // 64
	VMOVDQU order<>(SB), Y12

loop:
	VMULPS (SI), Y15, Y0
	VMULPS 32(SI), Y15, Y1
	VMULPS 64(SI), Y15, Y2
	VMULPS 96(SI), Y15, Y3
	VCVTPS2DQ Y0, Y0
	VCVTPS2DQ Y1, Y1
	VCVTPS2DQ Y2, Y2
	VCVTPS2DQ Y3, Y3
	VPADDD Y13, Y0, Y4
	VPADDD Y13, Y1, Y5
	VPADDD Y13, Y2, Y6
	VPADDD Y13, Y3, Y7
	VPSRAD $7, Y4, Y4
	VPSRAD $7, Y5, Y5
	VPSRAD $7, Y6, Y6
	VPSRAD $7, Y7, Y7
	VPSLLD $7, Y4, Y8
	VPSLLD $7, Y5, Y9
	VPSLLD $7, Y6, Y10
	VPSLLD $7, Y7, Y11
	VPSUBD Y8, Y0, Y0
	VPSUBD Y9, Y1, Y1
	VPSUBD Y10, Y2, Y2
	VPSUBD Y11, Y3, Y3
	VPADDD Y14, Y0, Y0
	VPADDD Y14, Y1, Y1
	VPADDD Y14, Y2, Y2
	VPADDD Y14, Y3, Y3
	VPADDD Y14, Y4, Y4
	VPADDD Y14, Y5, Y5
	VPADDD Y14, Y6, Y6
	VPADDD Y14, Y7, Y7
	VPACKSSDW Y1, Y0, Y0
	VPACKSSDW Y3, Y2, Y2
	VPACKUSWB Y2, Y0, Y0
	VPERMD Y0, Y12, Y0
	VMOVDQU Y0, (DX)
	VPACKSSDW Y5, Y4, Y4
	VPACKSSDW Y7, Y6, Y6
	VPACKUSWB Y6, Y4, Y4
	VPERMD Y4, Y12, Y4
	VMOVDQU Y4, (DI)
	ADDQ $128, SI
	ADDQ $32, DI
	ADDQ $32, DX
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

DATA halfStep<>+0(SB)/4, $0x43000000 // 128
GLOBL halfStep<>(SB), RODATA|NOPTR, $4

// func vecJoin(y, upper, lower *float32, n int)
TEXT ·vecJoin(SB), NOSPLIT, $0-32
	MOVQ y+0(FP), DX
	MOVQ upper+8(FP), SI
	MOVQ lower+16(FP), DI
	MOVQ n+24(FP), CX
	VBROADCASTSS halfStep<>(SB), Y1
	SHRQ $3, CX

loop:
	VMULPS (SI), Y1, Y0
	VADDPS (DI), Y0, Y0
	VMOVUPS Y0, (DX)
	ADDQ $32, SI
	ADDQ $32, DI
	ADDQ $32, DX
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// func vecScaleBias(y *float32, n int, row float32, col, bias *float32)
TEXT ·vecScaleBias(SB), NOSPLIT, $0-40
	MOVQ y+0(FP), DI
	MOVQ n+8(FP), CX
	VBROADCASTSS row+16(FP), Y1
	MOVQ col+24(FP), SI
	MOVQ bias+32(FP), DX
	SHRQ $3, CX

loop:
	VMULPS (DI), Y1, Y0
	VMULPS (SI), Y0, Y0
	VADDPS (DX), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, DI
	ADDQ $32, SI
	ADDQ $32, DX
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// LOADEXP2 loads the constants of EXP2 into Y5..Y11.
#define LOADEXP2 \
	VBROADCASTSS ·exp2Terms+0(SB), Y5 \
	VBROADCASTSS ·exp2Terms+4(SB), Y6 \
	VBROADCASTSS ·exp2Terms+8(SB), Y7 \
	VBROADCASTSS ·exp2Terms+12(SB), Y8 \
	VBROADCASTSS ·exp2Terms+16(SB), Y9 \
	VBROADCASTSS ·exp2Terms+20(SB), Y10 \
	VBROADCASTSS ·exp2Limits+0(SB), Y11

// EXP2 computes Y2 = exp2(Y0) as rows.go does, clobbering Y0, Y1 and Y3.
#define EXP2 \
	VCMPPS $13, Y11, Y0, Y3 \
	VROUNDPS $8, Y0, Y1 \
	VSUBPS Y1, Y0, Y0 \
	VCVTPS2DQ Y1, Y1 \
	VPSLLD $23, Y1, Y1 \
	VMULPS Y5, Y0, Y2 \
	VADDPS Y6, Y2, Y2 \
	VMULPS Y0, Y2, Y2 \
	VADDPS Y7, Y2, Y2 \
	VMULPS Y0, Y2, Y2 \
	VADDPS Y8, Y2, Y2 \
	VMULPS Y0, Y2, Y2 \
	VADDPS Y9, Y2, Y2 \
	VMULPS Y0, Y2, Y2 \
	VADDPS Y10, Y2, Y2 \
	VPADDD Y1, Y2, Y2 \
	VANDPS Y3, Y2, Y2

// func vecExp2(x *float32, n int, largest, scale float32)
TEXT ·vecExp2(SB), NOSPLIT, $0-24
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS largest+16(FP), Y12
	VBROADCASTSS scale+20(FP), Y13
	SHRQ $3, CX
	LOADEXP2

loop:
	VMOVUPS (SI), Y0
	VSUBPS Y12, Y0, Y0
	VMULPS Y13, Y0, Y0
	EXP2
	VMOVUPS Y2, (SI)
	ADDQ $32, SI
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// func vecSum(x *float32, n int) float32
TEXT ·vecSum(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	SHRQ $5, CX
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7

loop:
	VADDPS (SI), Y4, Y4
	VADDPS 32(SI), Y5, Y5
	VADDPS 64(SI), Y6, Y6
	VADDPS 96(SI), Y7, Y7
	ADDQ $128, SI
	DECQ CX
	JNZ  loop
	HSUM4
	VMOVSS X4, ret+16(FP)
	VZEROUPPER
	RET

// func vecGelu(x *float32, n int)
//
// Y4 holds x, Y15 |x|, Y2 exp2(-z²), Y1 the t of formula 7.1.26, Y0 its
// polynomial.
TEXT ·vecGelu(SB), NOSPLIT, $0-16
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	SHRQ $3, CX
	LOADEXP2
	VBROADCASTSS ·erfcScales+0(SB), Y12
	VBROADCASTSS ·erfcScales+4(SB), Y13
	VXORPS Y14, Y14, Y14

loop:
	VMOVUPS (SI), Y4
	VPSLLD $1, Y4, Y15
	VPSRLD $1, Y15, Y15
	VMULPS Y12, Y15, Y0
	VMULPS Y0, Y0, Y0
	VSUBPS Y0, Y14, Y0
	EXP2
	VMULPS Y13, Y15, Y0
	VADDPS Y10, Y0, Y0
	VDIVPS Y0, Y10, Y1
	VBROADCASTSS ·erfcTerms+0(SB), Y0
	VMULPS Y1, Y0, Y0
	VBROADCASTSS ·erfcTerms+4(SB), Y3
	VADDPS Y3, Y0, Y0
	VMULPS Y1, Y0, Y0
	VBROADCASTSS ·erfcTerms+8(SB), Y3
	VADDPS Y3, Y0, Y0
	VMULPS Y1, Y0, Y0
	VBROADCASTSS ·erfcTerms+12(SB), Y3
	VADDPS Y3, Y0, Y0
	VMULPS Y1, Y0, Y0
	VBROADCASTSS ·erfcTerms+16(SB), Y3
	VADDPS Y3, Y0, Y0
	VMULPS Y1, Y0, Y0
	VMULPS Y2, Y0, Y0
	VMULPS Y15, Y0, Y0
	VMAXPS Y14, Y4, Y1
	VSUBPS Y0, Y1, Y0
	VMOVUPS Y0, (SI)
	ADDQ $32, SI
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// func vecAddSum(x, y *float32, n int) float32
TEXT ·vecAddSum(SB), NOSPLIT, $0-28
	MOVQ x+0(FP), SI
	MOVQ y+8(FP), DI
	MOVQ n+16(FP), CX
	SHRQ $5, CX
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7

loop:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VMOVUPS 64(SI), Y2
	VMOVUPS 96(SI), Y3
	VADDPS (DI), Y0, Y0
	VADDPS 32(DI), Y1, Y1
	VADDPS 64(DI), Y2, Y2
	VADDPS 96(DI), Y3, Y3
	VMOVUPS Y0, (SI)
	VMOVUPS Y1, 32(SI)
	VMOVUPS Y2, 64(SI)
	VMOVUPS Y3, 96(SI)
	VADDPS Y0, Y4, Y4
	VADDPS Y1, Y5, Y5
	VADDPS Y2, Y6, Y6
	VADDPS Y3, Y7, Y7
	ADDQ $128, SI
	ADDQ $128, DI
	DECQ CX
	JNZ  loop
	HSUM4
	VMOVSS X4, ret+24(FP)
	VZEROUPPER
	RET

// func vecSquares(x *float32, n int, mean float32) float32
TEXT ·vecSquares(SB), NOSPLIT, $0-28
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS mean+16(FP), Y8
	SHRQ $5, CX
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7

loop:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VMOVUPS 64(SI), Y2
	VMOVUPS 96(SI), Y3
	VSUBPS Y8, Y0, Y0
	VSUBPS Y8, Y1, Y1
	VSUBPS Y8, Y2, Y2
	VSUBPS Y8, Y3, Y3
	VMULPS Y0, Y0, Y0
	VMULPS Y1, Y1, Y1
	VMULPS Y2, Y2, Y2
	VMULPS Y3, Y3, Y3
	VADDPS Y0, Y4, Y4
	VADDPS Y1, Y5, Y5
	VADDPS Y2, Y6, Y6
	VADDPS Y3, Y7, Y7
	ADDQ $128, SI
	DECQ CX
	JNZ  loop
	HSUM4
	VMOVSS X4, ret+24(FP)
	VZEROUPPER
	RET

// func vecNorm(x *float32, n int, mean, inverse float32, gain, bias *float32)
TEXT ·vecNorm(SB), NOSPLIT, $0-40
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS mean+16(FP), Y1
	VBROADCASTSS inverse+20(FP), Y2
	MOVQ gain+24(FP), DI
	MOVQ bias+32(FP), DX
	SHRQ $3, CX

loop:
	VMOVUPS (SI), Y0
	VSUBPS Y1, Y0, Y0
	VMULPS Y2, Y0, Y0
	VMULPS (DI), Y0, Y0
	VADDPS (DX), Y0, Y0
	VMOVUPS Y0, (SI)
	ADDQ $32, SI
	ADDQ $32, DI
	ADDQ $32, DX
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET
