//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// Register plan of the int8 tiles: rows of activations come in fours.
//
//	AX        the arguments
//	SI R10 R11  first row of each four; BX and R13 are one and three rows further
//	DI R12    the panels of weights: R12 from the first to the second
//	Z0..Z23   sums, two registers (32 outputs) a row
//	Z24 Z25   weights
//	Z26..Z29  activations

// START4 sets the sums of four rows to the offsets in Z24 and Z25.
#define START4(a0, a1, b0, b1, c0, c1, d0, d1) \
	VMOVDQA32 Z24, a0 \
	VMOVDQA32 Z25, a1 \
	VMOVDQA32 Z24, b0 \
	VMOVDQA32 Z25, b1 \
	VMOVDQA32 Z24, c0 \
	VMOVDQA32 Z25, c1 \
	VMOVDQA32 Z24, d0 \
	VMOVDQA32 Z25, d1

// DOT4 adds the products of 4 columns to the sums of the four rows at P.
#define DOT4(P, a0, a1, b0, b1, c0, c1, d0, d1) \
	VPBROADCASTD (P), Z26 \
	VPDPBUSD Z24, Z26, a0 \
	VPDPBUSD Z25, Z26, a1 \
	VPBROADCASTD (P)(BX*1), Z27 \
	VPDPBUSD Z24, Z27, b0 \
	VPDPBUSD Z25, Z27, b1 \
	VPBROADCASTD (P)(BX*2), Z28 \
	VPDPBUSD Z24, Z28, c0 \
	VPDPBUSD Z25, Z28, c1 \
	VPBROADCASTD (P)(R13*1), Z29 \
	VPDPBUSD Z24, Z29, d0 \
	VPDPBUSD Z25, Z29, d1

// SCALE turns the sums of a row into floats, times its scale at off(DX), times
// those of the outputs in Z24 and Z25, plus the bias in Z26 and Z27.
#define SCALE(off, a0, a1) \
	VMULPS.BCST off(DX), a0, a0 \
	VMULPS.BCST off(DX), a1, a1 \
	VMULPS Z24, a0, a0 \
	VMULPS Z25, a1, a1 \
	VADDPS Z26, a0, a0 \
	VADDPS Z27, a1, a1

#define SCALE4(off, a0, a1, b0, b1, c0, c1, d0, d1) \
	VCVTDQ2PS a0, a0 \
	VCVTDQ2PS a1, a1 \
	VCVTDQ2PS b0, b0 \
	VCVTDQ2PS b1, b1 \
	VCVTDQ2PS c0, c0 \
	VCVTDQ2PS c1, c1 \
	VCVTDQ2PS d0, d0 \
	VCVTDQ2PS d1, d1 \
	SCALE(off, a0, a1) \
	SCALE((off+4), b0, b1) \
	SCALE((off+8), c0, c1) \
	SCALE((off+12), d0, d1)

// JOIN4 does the same for two rows of halves: a and c are the upper ones, b and
// d the lower ones. Z28 holds 128.
#define JOIN4(off, a0, a1, b0, b1, c0, c1, d0, d1) \
	VCVTDQ2PS a0, a0 \
	VCVTDQ2PS a1, a1 \
	VCVTDQ2PS b0, b0 \
	VCVTDQ2PS b1, b1 \
	VCVTDQ2PS c0, c0 \
	VCVTDQ2PS c1, c1 \
	VCVTDQ2PS d0, d0 \
	VCVTDQ2PS d1, d1 \
	VFMADD213PS b0, Z28, a0 \
	VFMADD213PS b1, Z28, a1 \
	VFMADD213PS d0, Z28, c0 \
	VFMADD213PS d1, Z28, c1 \
	SCALE(off, a0, a1) \
	SCALE((off+4), c0, c1)

// EXACT2 adds the product of an exact column to the two rows at P.
#define EXACT2(P, a0, a1, b0, b1) \
	VBROADCASTSS (P), Z26 \
	VFMADD231PS Z24, Z26, a0 \
	VFMADD231PS Z25, Z26, a1 \
	VBROADCASTSS (P)(BX*1), Z27 \
	VFMADD231PS Z24, Z27, b0 \
	VFMADD231PS Z25, Z27, b1

#define EXACT4(P, a0, a1, b0, b1, c0, c1, d0, d1) \
	EXACT2(P, a0, a1, b0, b1) \
	VBROADCASTSS (P)(BX*2), Z28 \
	VFMADD231PS Z24, Z28, c0 \
	VFMADD231PS Z25, Z28, c1 \
	VBROADCASTSS (P)(R13*1), Z29 \
	VFMADD231PS Z24, Z29, d0 \
	VFMADD231PS Z25, Z29, d1

// STORE writes a row, unless all rows that are wanted are written.
#define STORE(a0, a1) \
	VMOVUPS a0, (DX) \
	VMOVUPS a1, 64(DX) \
	ADDQ R8, DX \
	DECQ CX \
	JZ   done

// FIRST4, SECOND4 and THIRD4 apply a macro to one four of rows.
#define FIRST4(M, p) M(p, Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
#define SECOND4(M, p) M(p, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15)
#define THIRD4(M, p) M(p, Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23)

// BEGIN loads the arguments of the loop over columns.
#define BEGIN \
	MOVQ t+0(FP), AX \
	MOVQ int8Block_groups(AX), CX \
	MOVQ int8Block_a(AX), SI \
	MOVQ int8Block_lda(AX), BX \
	MOVQ int8Block_b(AX), DI \
	MOVQ int8Block_stride(AX), R12 \
	MOVQ int8Block_next(AX), R14 \
	MOVQ int8Block_offsets(AX), DX \
	VMOVDQU32 (DX), Z24 \
	VMOVDQU32 64(DX), Z25 \
	LEAQ (BX)(BX*2), R13 \
	LEAQ (SI)(BX*4), R10 \
	LEAQ (R10)(BX*4), R11

// WEIGHTS loads those of 4 columns and fetches a line of the panels R14 is in.
#define WEIGHTS \
	VMOVDQU32 (DI), Z24 \
	VMOVDQU32 (DI)(R12*1), Z25 \
	PREFETCHT0 (R14) \
	PREFETCHT0 (R14)(R12*1)

#define LOADWEIGHTS \
	VMOVDQU32 (DI), Z24 \
	VMOVDQU32 (DI)(R12*1), Z25

// SCALES loads what SCALE4 and JOIN4 need and tells which to use.
#define SCALES \
	MOVQ int8Block_scales(AX), DX \
	VMOVUPS (DX), Z24 \
	VMOVUPS 64(DX), Z25 \
	MOVQ int8Block_bias(AX), DX \
	VMOVUPS (DX), Z26 \
	VMOVUPS 64(DX), Z27 \
	MOVQ int8Block_rowScales(AX), DX \
	MOVQ int8Block_exact(AX), SI \
	MOVQ int8Block_exactWeights(AX), DI \
	MOVQ int8Block_exactCols(AX), CX \
	MOVQ CX, BX \
	MOVQ CX, R12 \
	SHLQ $2, BX \
	SHLQ $6, R12 \
	CMPB int8Block_wide(AX), $0

// EXACTROWS points R10 and R11 to the rows of exact activations n and 2·n
// after the first, n being what R13 counts, in bytes.
#define EXACTROWS \
	LEAQ (SI)(R13*1), R10 \
	LEAQ (R10)(R13*1), R11 \
	LEAQ (BX)(BX*2), R13 \
	TESTQ CX, CX

// OUTPUT loads the arguments of STORE.
#define OUTPUT \
	MOVQ int8Block_c(AX), DX \
	MOVQ int8Block_ldc(AX), R8 \
	MOVQ int8Block_rows(AX), CX

// func tileInt8x12(t *int8Block)
TEXT ·tileInt8x12(SB), NOSPLIT, $0-8
	BEGIN
	START4(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
	START4(Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15)
	START4(Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23)

columns:
	WEIGHTS
	FIRST4(DOT4, SI)
	SECOND4(DOT4, R10)
	THIRD4(DOT4, R11)
	ADDQ $4, SI
	ADDQ $4, R10
	ADDQ $4, R11
	ADDQ $64, DI
	ADDQ $64, R14
	DECQ CX
	JNZ  columns
	SCALES
	JNE  wide
	FIRST4(SCALE4, 0)
	SECOND4(SCALE4, 16)
	THIRD4(SCALE4, 32)
	LEAQ (BX*4), R13
	EXACTROWS
	JZ   store

exact:
	LOADWEIGHTS
	FIRST4(EXACT4, SI)
	SECOND4(EXACT4, R10)
	THIRD4(EXACT4, R11)
	ADDQ $4, SI
	ADDQ $4, R10
	ADDQ $4, R11
	ADDQ $64, DI
	DECQ CX
	JNZ  exact

store:
	OUTPUT
	STORE(Z0, Z1)
	STORE(Z2, Z3)
	STORE(Z4, Z5)
	STORE(Z6, Z7)
	STORE(Z8, Z9)
	STORE(Z10, Z11)
	STORE(Z12, Z13)
	STORE(Z14, Z15)
	STORE(Z16, Z17)
	STORE(Z18, Z19)
	STORE(Z20, Z21)
	STORE(Z22, Z23)

wide:
	VBROADCASTSS halfStep<>(SB), Z28
	FIRST4(JOIN4, 0)
	SECOND4(JOIN4, 8)
	THIRD4(JOIN4, 16)
	LEAQ (BX*2), R13
	EXACTROWS
	JZ   storeWide

exactWide:
	LOADWEIGHTS
	EXACT2(SI, Z0, Z1, Z4, Z5)
	EXACT2(R10, Z8, Z9, Z12, Z13)
	EXACT2(R11, Z16, Z17, Z20, Z21)
	ADDQ $4, SI
	ADDQ $4, R10
	ADDQ $4, R11
	ADDQ $64, DI
	DECQ CX
	JNZ  exactWide

storeWide:
	OUTPUT
	STORE(Z0, Z1)
	STORE(Z4, Z5)
	STORE(Z8, Z9)
	STORE(Z12, Z13)
	STORE(Z16, Z17)
	STORE(Z20, Z21)

done:
	VZEROUPPER
	RET

// func tileInt8x8(t *int8Block)
TEXT ·tileInt8x8(SB), NOSPLIT, $0-8
	BEGIN
	START4(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
	START4(Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15)

columns:
	WEIGHTS
	FIRST4(DOT4, SI)
	SECOND4(DOT4, R10)
	ADDQ $4, SI
	ADDQ $4, R10
	ADDQ $64, DI
	ADDQ $64, R14
	DECQ CX
	JNZ  columns
	SCALES
	JNE  wide
	FIRST4(SCALE4, 0)
	SECOND4(SCALE4, 16)
	LEAQ (BX*4), R13
	EXACTROWS
	JZ   store

exact:
	LOADWEIGHTS
	FIRST4(EXACT4, SI)
	SECOND4(EXACT4, R10)
	ADDQ $4, SI
	ADDQ $4, R10
	ADDQ $64, DI
	DECQ CX
	JNZ  exact

store:
	OUTPUT
	STORE(Z0, Z1)
	STORE(Z2, Z3)
	STORE(Z4, Z5)
	STORE(Z6, Z7)
	STORE(Z8, Z9)
	STORE(Z10, Z11)
	STORE(Z12, Z13)
	STORE(Z14, Z15)

wide:
	VBROADCASTSS halfStep<>(SB), Z28
	FIRST4(JOIN4, 0)
	SECOND4(JOIN4, 8)
	LEAQ (BX*2), R13
	EXACTROWS
	JZ   storeWide

exactWide:
	LOADWEIGHTS
	EXACT2(SI, Z0, Z1, Z4, Z5)
	EXACT2(R10, Z8, Z9, Z12, Z13)
	ADDQ $4, SI
	ADDQ $4, R10
	ADDQ $64, DI
	DECQ CX
	JNZ  exactWide

storeWide:
	OUTPUT
	STORE(Z0, Z1)
	STORE(Z4, Z5)
	STORE(Z8, Z9)
	STORE(Z12, Z13)

done:
	VZEROUPPER
	RET

// func tileInt8x4(t *int8Block)
TEXT ·tileInt8x4(SB), NOSPLIT, $0-8
	BEGIN
	START4(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)

columns:
	WEIGHTS
	FIRST4(DOT4, SI)
	ADDQ $4, SI
	ADDQ $64, DI
	ADDQ $64, R14
	DECQ CX
	JNZ  columns
	SCALES
	JNE  wide
	FIRST4(SCALE4, 0)
	LEAQ (BX*4), R13
	EXACTROWS
	JZ   store

exact:
	LOADWEIGHTS
	FIRST4(EXACT4, SI)
	ADDQ $4, SI
	ADDQ $64, DI
	DECQ CX
	JNZ  exact

store:
	OUTPUT
	STORE(Z0, Z1)
	STORE(Z2, Z3)
	STORE(Z4, Z5)
	STORE(Z6, Z7)

wide:
	VBROADCASTSS halfStep<>(SB), Z28
	FIRST4(JOIN4, 0)
	LEAQ (BX*2), R13
	EXACTROWS
	JZ   storeWide

exactWide:
	LOADWEIGHTS
	EXACT2(SI, Z0, Z1, Z4, Z5)
	ADDQ $4, SI
	ADDQ $64, DI
	DECQ CX
	JNZ  exactWide

storeWide:
	OUTPUT
	STORE(Z0, Z1)
	STORE(Z4, Z5)

done:
	VZEROUPPER
	RET

DATA halfStep<>+0(SB)/4, $0x43000000 // 128
GLOBL halfStep<>(SB), RODATA|NOPTR, $4
