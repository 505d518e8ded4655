//go:build !purego

#include "textflag.h"

// STEP4 takes one step of k, whose 16 values of b and 4 values of a are at the
// given displacements.
#define STEP4(b0, b1, a) \
	VMOVUPS b0(DI), Y0 \
	VMOVUPS b1(DI), Y1 \
	VBROADCASTSS a(SI), Y2 \
	VFMADD231PS Y0, Y2, Y8 \
	VFMADD231PS Y1, Y2, Y9 \
	VBROADCASTSS a(SI)(BX*1), Y3 \
	VFMADD231PS Y0, Y3, Y10 \
	VFMADD231PS Y1, Y3, Y11 \
	VBROADCASTSS a(SI)(BX*2), Y4 \
	VFMADD231PS Y0, Y4, Y12 \
	VFMADD231PS Y1, Y4, Y13 \
	VBROADCASTSS a(SI)(R9*1), Y5 \
	VFMADD231PS Y0, Y5, Y14 \
	VFMADD231PS Y1, Y5, Y15

// func vecTile4(k int, a *float32, lda int, b, c *float32, ldc int, add bool)
//
// Y8..Y15 hold the 4×16 sums, two registers a row. Each step of k loads 16
// values of b and one value of each row of a.
TEXT ·vecTile4(SB), NOSPLIT, $0-49
	MOVQ k+0(FP), CX
	MOVQ a+8(FP), SI
	MOVQ lda+16(FP), BX
	MOVQ b+24(FP), DI
	MOVQ c+32(FP), DX
	MOVQ ldc+40(FP), R8
	SHLQ $2, BX
	SHLQ $2, R8
	LEAQ (BX)(BX*2), R9
	LEAQ (R8)(R8*2), R10
	MOVBLZX add+48(FP), AX
	TESTL AX, AX
	JZ   clear
	VMOVUPS (DX), Y8
	VMOVUPS 32(DX), Y9
	VMOVUPS (DX)(R8*1), Y10
	VMOVUPS 32(DX)(R8*1), Y11
	VMOVUPS (DX)(R8*2), Y12
	VMOVUPS 32(DX)(R8*2), Y13
	VMOVUPS (DX)(R10*1), Y14
	VMOVUPS 32(DX)(R10*1), Y15
	JMP  start

clear:
	VXORPS Y8, Y8, Y8
	VXORPS Y9, Y9, Y9
	VXORPS Y10, Y10, Y10
	VXORPS Y11, Y11, Y11
	VXORPS Y12, Y12, Y12
	VXORPS Y13, Y13, Y13
	VXORPS Y14, Y14, Y14
	VXORPS Y15, Y15, Y15

start:
	MOVQ CX, R11
	SHRQ $1, R11
	JZ   rest

two:
	STEP4(0, 32, 0)
	STEP4(64, 96, 4)
	ADDQ $8, SI
	ADDQ $128, DI
	DECQ R11
	JNZ  two

rest:
	ANDQ $1, CX
	JZ   store
	STEP4(0, 32, 0)

store:
	VMOVUPS Y8, (DX)
	VMOVUPS Y9, 32(DX)
	VMOVUPS Y10, (DX)(R8*1)
	VMOVUPS Y11, 32(DX)(R8*1)
	VMOVUPS Y12, (DX)(R8*2)
	VMOVUPS Y13, 32(DX)(R8*2)
	VMOVUPS Y14, (DX)(R10*1)
	VMOVUPS Y15, 32(DX)(R10*1)
	VZEROUPPER
	RET
