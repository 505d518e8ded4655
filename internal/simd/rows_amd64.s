//go:build !purego

#include "textflag.h"

// Sums of rows keep 8 partial sums in one register and add them in halves, as
// rows.go states. Nothing here is fused: products and sums round separately.

// HSUM adds the 8 lanes of the sum register Y4 into X4, clobbering X0.
#define HSUM \
	VEXTRACTF128 $1, Y4, X0 \
	VADDPS X0, X4, X4 \
	VMOVHLPS X4, X4, X0 \
	VADDPS X0, X4, X4 \
	VMOVSHDUP X4, X0 \
	VADDSS X0, X4, X4

// func dotAVX2(a, b *float32, n int) float32
//
// Y4..Y7 hold the 32 partial sums.
TEXT ·dotAVX2(SB), NOSPLIT, $0-28
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
	VADDPS Y6, Y4, Y4
	VADDPS Y7, Y5, Y5
	VADDPS Y5, Y4, Y4
	HSUM
	VMOVSS X4, ret+24(FP)
	VZEROUPPER
	RET

// HMAX leaves the largest of the 8 lanes of Y4 in X4, clobbering X0.
#define HMAX \
	VEXTRACTF128 $1, Y4, X0 \
	VMAXPS X0, X4, X4 \
	VMOVHLPS X4, X4, X0 \
	VMAXPS X0, X4, X4 \
	VMOVSHDUP X4, X0 \
	VMAXSS X0, X4, X4

// func maxAVX2(x *float32, n int) float32
TEXT ·maxAVX2(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	SHRQ $3, CX
	VMOVUPS (SI), Y4

loop:
	VMAXPS (SI), Y4, Y4
	ADDQ $32, SI
	DECQ CX
	JNZ  loop
	HMAX
	VMOVSS X4, ret+16(FP)
	VZEROUPPER
	RET

// func absMaxAVX2(x *float32, n int) float32
TEXT ·absMaxAVX2(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	SHRQ $3, CX
	VXORPS Y4, Y4, Y4
	VPCMPEQD Y1, Y1, Y1
	VPSRLD $1, Y1, Y1

loop:
	VANDPS (SI), Y1, Y0
	VMAXPS Y0, Y4, Y4
	ADDQ $32, SI
	DECQ CX
	JNZ  loop
	HMAX
	VMOVSS X4, ret+16(FP)
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

// func quantiseAVX2(q *uint8, x *float32, n int, inverse float32)
TEXT ·quantiseAVX2(SB), NOSPLIT, $0-28
	MOVQ q+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	SHRQ $5, CX
	VBROADCASTSS inverse+24(FP), Y7
	VPBROADCASTD zero<>(SB), Y6
	VMOVDQU order<>(SB), Y5

loop:
	VMULPS (SI), Y7, Y0
	VMULPS 32(SI), Y7, Y1
	VMULPS 64(SI), Y7, Y2
	VMULPS 96(SI), Y7, Y3
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

// func scaleBiasAVX2(y *float32, n int, row float32, col, bias *float32)
TEXT ·scaleBiasAVX2(SB), NOSPLIT, $0-40
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

// LOADEXP loads the constants of EXP into Y5..Y15.
#define LOADEXP \
	VBROADCASTSS ·expTerms+0(SB), Y5 \
	VBROADCASTSS ·expTerms+4(SB), Y6 \
	VBROADCASTSS ·expTerms+8(SB), Y7 \
	VBROADCASTSS ·expTerms+12(SB), Y8 \
	VBROADCASTSS ·expTerms+16(SB), Y9 \
	VBROADCASTSS ·expTerms+20(SB), Y10 \
	VBROADCASTSS ·expTerms+24(SB), Y11 \
	VBROADCASTSS ·expLimits+0(SB), Y15 \
	VBROADCASTSS ·expLimits+4(SB), Y14 \
	VBROADCASTSS ·expLimits+8(SB), Y13 \
	VBROADCASTSS ·expLimits+12(SB), Y12

// EXP computes Y2 = exp(Y0) as rows.go does, clobbering Y0, Y1 and Y3.
#define EXP \
	VCMPPS $13, Y12, Y0, Y3 \
	VMULPS Y15, Y0, Y1 \
	VROUNDPS $8, Y1, Y1 \
	VMULPS Y14, Y1, Y2 \
	VSUBPS Y2, Y0, Y0 \
	VMULPS Y13, Y1, Y2 \
	VSUBPS Y2, Y0, Y0 \
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
	VMULPS Y0, Y2, Y2 \
	VADDPS Y11, Y2, Y2 \
	VMULPS Y0, Y2, Y2 \
	VADDPS Y11, Y2, Y2 \
	VPADDD Y1, Y2, Y2 \
	VANDPS Y3, Y2, Y2

// func expSumAVX2(x *float32, n int, largest, scale float32) float32
TEXT ·expSumAVX2(SB), NOSPLIT, $0-28
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	SHRQ $3, CX
	LOADEXP
	VXORPS Y4, Y4, Y4

loop:
	VMOVUPS (SI), Y0
	VBROADCASTSS largest+16(FP), Y1
	VBROADCASTSS scale+20(FP), Y2
	VSUBPS Y1, Y0, Y0
	VMULPS Y2, Y0, Y0
	EXP
	VMOVUPS Y2, (SI)
	VADDPS Y2, Y4, Y4
	ADDQ $32, SI
	DECQ CX
	JNZ  loop
	HSUM
	VMOVSS X4, ret+24(FP)
	VZEROUPPER
	RET

// func scaleAVX2(x *float32, n int, factor float32)
TEXT ·scaleAVX2(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS factor+16(FP), Y1
	SHRQ $3, CX

loop:
	VMULPS (SI), Y1, Y0
	VMOVUPS Y0, (SI)
	ADDQ $32, SI
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// func geluAVX2(x *float32, n int)
//
// Y4 holds x, Y2 exp(-x²/2), Y1 the t of formula 7.1.26, Y0 its polynomial.
// |x| is made again where it is needed, by shifting out the sign: the
// constants of EXP leave no register for it.
TEXT ·geluAVX2(SB), NOSPLIT, $0-16
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	SHRQ $3, CX
	LOADEXP

loop:
	VMOVUPS (SI), Y4
	VPSLLD $1, Y4, Y3
	VPSRLD $1, Y3, Y3
	VBROADCASTSS ·erfcScales+0(SB), Y0
	VMULPS Y0, Y3, Y0
	VMULPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VSUBPS Y0, Y1, Y0
	EXP
	VPSLLD $1, Y4, Y3
	VPSRLD $1, Y3, Y3
	VBROADCASTSS ·erfcScales+0(SB), Y0
	VBROADCASTSS ·erfcScales+4(SB), Y1
	VMULPS Y0, Y3, Y0
	VMULPS Y1, Y0, Y0
	VADDPS Y11, Y0, Y0
	VDIVPS Y0, Y11, Y1
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
	VPSLLD $1, Y4, Y3
	VPSRLD $1, Y3, Y3
	VMULPS Y3, Y0, Y0
	VXORPS Y1, Y1, Y1
	VMAXPS Y1, Y4, Y1
	VSUBPS Y0, Y1, Y0
	VMOVUPS Y0, (SI)
	ADDQ $32, SI
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// func addSumAVX2(x, y *float32, n int) float32
TEXT ·addSumAVX2(SB), NOSPLIT, $0-28
	MOVQ x+0(FP), SI
	MOVQ y+8(FP), DI
	MOVQ n+16(FP), CX
	SHRQ $3, CX
	VXORPS Y4, Y4, Y4

loop:
	VMOVUPS (SI), Y0
	VADDPS (DI), Y0, Y0
	VMOVUPS Y0, (SI)
	VADDPS Y0, Y4, Y4
	ADDQ $32, SI
	ADDQ $32, DI
	DECQ CX
	JNZ  loop
	HSUM
	VMOVSS X4, ret+24(FP)
	VZEROUPPER
	RET

// func squaresAVX2(x *float32, n int, mean float32) float32
TEXT ·squaresAVX2(SB), NOSPLIT, $0-28
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS mean+16(FP), Y1
	SHRQ $3, CX
	VXORPS Y4, Y4, Y4

loop:
	VMOVUPS (SI), Y0
	VSUBPS Y1, Y0, Y0
	VMULPS Y0, Y0, Y0
	VADDPS Y0, Y4, Y4
	ADDQ $32, SI
	DECQ CX
	JNZ  loop
	HSUM
	VMOVSS X4, ret+24(FP)
	VZEROUPPER
	RET

// func normAVX2(x *float32, n int, mean, inverse float32, gain, bias *float32)
TEXT ·normAVX2(SB), NOSPLIT, $0-40
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
