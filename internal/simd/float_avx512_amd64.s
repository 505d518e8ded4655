//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// Register plan of the float tiles: as that of the int8 tiles. A step takes one
// column of a and one row of each panel.

#define CLEAR4(p, a0, a1, b0, b1, c0, c1, d0, d1) \
	VPXORD a0, a0, a0 \
	VPXORD a1, a1, a1 \
	VPXORD b0, b0, b0 \
	VPXORD b1, b1, b1 \
	VPXORD c0, c0, c0 \
	VPXORD c1, c1, c1 \
	VPXORD d0, d0, d0 \
	VPXORD d1, d1, d1

// FMA4 adds products to the sums of the four rows at P.
#define FMA4(P, a0, a1, b0, b1, c0, c1, d0, d1) \
	VBROADCASTSS (P), Z26 \
	VFMADD231PS Z24, Z26, a0 \
	VFMADD231PS Z25, Z26, a1 \
	VBROADCASTSS (P)(BX*1), Z27 \
	VFMADD231PS Z24, Z27, b0 \
	VFMADD231PS Z25, Z27, b1 \
	VBROADCASTSS (P)(BX*2), Z28 \
	VFMADD231PS Z24, Z28, c0 \
	VFMADD231PS Z25, Z28, c1 \
	VBROADCASTSS (P)(R13*1), Z29 \
	VFMADD231PS Z24, Z29, d0 \
	VFMADD231PS Z25, Z29, d1

// LOAD4 and STORE4 move four rows of c and go on to the next.
#define LOAD4(P, a0, a1, b0, b1, c0, c1, d0, d1) \
	VMOVUPS (P), a0 \
	VMOVUPS 64(P), a1 \
	ADDQ R8, P \
	VMOVUPS (P), b0 \
	VMOVUPS 64(P), b1 \
	ADDQ R8, P \
	VMOVUPS (P), c0 \
	VMOVUPS 64(P), c1 \
	ADDQ R8, P \
	VMOVUPS (P), d0 \
	VMOVUPS 64(P), d1 \
	ADDQ R8, P

#define STORE4(P, a0, a1, b0, b1, c0, c1, d0, d1) \
	VMOVUPS a0, (P) \
	VMOVUPS a1, 64(P) \
	ADDQ R8, P \
	VMOVUPS b0, (P) \
	VMOVUPS b1, 64(P) \
	ADDQ R8, P \
	VMOVUPS c0, (P) \
	VMOVUPS c1, 64(P) \
	ADDQ R8, P \
	VMOVUPS d0, (P) \
	VMOVUPS d1, 64(P) \
	ADDQ R8, P

#define FIRST4(M, p) M(p, Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
#define SECOND4(M, p) M(p, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15)
#define THIRD4(M, p) M(p, Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23)

#define BEGIN \
	MOVQ t+0(FP), AX \
	MOVQ floatBlock_k(AX), CX \
	MOVQ floatBlock_a(AX), SI \
	MOVQ floatBlock_lda(AX), BX \
	MOVQ floatBlock_b(AX), DI \
	MOVQ floatBlock_stride(AX), R12 \
	MOVQ floatBlock_c(AX), DX \
	MOVQ floatBlock_ldc(AX), R8 \
	LEAQ (BX)(BX*2), R13 \
	LEAQ (SI)(BX*4), R10 \
	LEAQ (R10)(BX*4), R11 \
	MOVQ DX, R9 \
	CMPB floatBlock_add(AX), $0

#define LOADPANELS \
	VMOVUPS (DI), Z24 \
	VMOVUPS (DI)(R12*1), Z25

// func tileFloatx12(t *floatBlock)
TEXT ·tileFloatx12(SB), NOSPLIT, $0-8
	BEGIN
	JEQ  clear
	FIRST4(LOAD4, R9)
	SECOND4(LOAD4, R9)
	THIRD4(LOAD4, R9)
	JMP  columns

clear:
	FIRST4(CLEAR4, 0)
	SECOND4(CLEAR4, 0)
	THIRD4(CLEAR4, 0)

columns:
	LOADPANELS
	FIRST4(FMA4, SI)
	SECOND4(FMA4, R10)
	THIRD4(FMA4, R11)
	ADDQ $4, SI
	ADDQ $4, R10
	ADDQ $4, R11
	ADDQ $64, DI
	DECQ CX
	JNZ  columns
	FIRST4(STORE4, DX)
	SECOND4(STORE4, DX)
	THIRD4(STORE4, DX)
	VZEROUPPER
	RET

// func tileFloatx8(t *floatBlock)
TEXT ·tileFloatx8(SB), NOSPLIT, $0-8
	BEGIN
	JEQ  clear
	FIRST4(LOAD4, R9)
	SECOND4(LOAD4, R9)
	JMP  columns

clear:
	FIRST4(CLEAR4, 0)
	SECOND4(CLEAR4, 0)

columns:
	LOADPANELS
	FIRST4(FMA4, SI)
	SECOND4(FMA4, R10)
	ADDQ $4, SI
	ADDQ $4, R10
	ADDQ $64, DI
	DECQ CX
	JNZ  columns
	FIRST4(STORE4, DX)
	SECOND4(STORE4, DX)
	VZEROUPPER
	RET

// func tileFloatx4(t *floatBlock)
TEXT ·tileFloatx4(SB), NOSPLIT, $0-8
	BEGIN
	JEQ  clear
	FIRST4(LOAD4, R9)
	JMP  columns

clear:
	FIRST4(CLEAR4, 0)

columns:
	LOADPANELS
	FIRST4(FMA4, SI)
	ADDQ $4, SI
	ADDQ $64, DI
	DECQ CX
	JNZ  columns
	FIRST4(STORE4, DX)
	VZEROUPPER
	RET
