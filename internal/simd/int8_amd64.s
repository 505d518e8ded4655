//go:build !purego

#include "textflag.h"

// SIGNED adds the products of 4 columns of one row of a with 16 outputs to lo
// and hi. Y8 and Y9 hold the magnitudes of the weights, Y10 and Y11 the weights,
// Y12 sixteen times 1. It clobbers Y13 and Y14.
//
// No step can saturate or wrap: |w| ≤ 128 as an unsigned byte, and a times the
// sign of w is within ±127, so that a pair is at most 2·128·127 = 32,512, less
// than 2¹⁵; the pairs are added as 32 bits.
#define SIGNED(a, lo, hi) \
	VPBROADCASTD a, Y13 \
	VPSIGNB Y10, Y13, Y14 \
	VPSIGNB Y11, Y13, Y13 \
	VPMADDUBSW Y14, Y8, Y14 \
	VPMADDUBSW Y13, Y9, Y13 \
	VPMADDWD Y12, Y14, Y14 \
	VPMADDWD Y12, Y13, Y13 \
	VPADDD Y14, lo, lo \
	VPADDD Y13, hi, hi

// STORE writes one row of sums as floats and goes on to the next row.
#define STORE(lo, hi) \
	VCVTDQ2PS lo, lo \
	VCVTDQ2PS hi, hi \
	VMOVUPS lo, (DX) \
	VMOVUPS hi, 32(DX) \
	ADDQ R8, DX

// func tileInt8AVX2(groups int, a *uint8, lda int, b *uint32, offsets *int32, c *float32, ldc int)
//
// Y0..Y7 hold the 4×16 sums, two registers a row. Each step takes 4 columns: 64
// bytes of b and 4 bytes of each row of a.
TEXT ·tileInt8AVX2(SB), NOSPLIT, $0-56
	MOVQ groups+0(FP), CX
	MOVQ a+8(FP), SI
	MOVQ lda+16(FP), BX
	MOVQ b+24(FP), DI
	MOVQ c+40(FP), DX
	MOVQ ldc+48(FP), R8
	SHLQ $2, R8
	LEAQ (BX)(BX*2), R9
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4
	VPXOR Y5, Y5, Y5
	VPXOR Y6, Y6, Y6
	VPXOR Y7, Y7, Y7
	VPCMPEQW Y12, Y12, Y12
	VPSRLW $15, Y12, Y12

columns:
	VMOVDQU (DI), Y10
	VMOVDQU 32(DI), Y11
	VPABSB Y10, Y8
	VPABSB Y11, Y9
	SIGNED((SI), Y0, Y1)
	SIGNED((SI)(BX*1), Y2, Y3)
	SIGNED((SI)(BX*2), Y4, Y5)
	SIGNED((SI)(R9*1), Y6, Y7)
	ADDQ $4, SI
	ADDQ $64, DI
	DECQ CX
	JNZ  columns
	STORE(Y0, Y1)
	STORE(Y2, Y3)
	STORE(Y4, Y5)
	STORE(Y6, Y7)
	VZEROUPPER
	RET

// func flipAVX2(dst, src *uint8, n int)
//
// Turns the unsigned q into the bytes of q-128, which is to flip the top bit.
TEXT ·flipAVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	SHRQ $5, CX
	VPCMPEQB Y1, Y1, Y1
	VPABSB Y1, Y1
	VPSLLW $7, Y1, Y1

loop:
	VPXOR (SI), Y1, Y0
	VMOVDQU Y0, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// DPBUSD is VPDPBUSD Yw, Ya, Ysum in the VEX encoding of AVX-VNNI; Go's
// assembler has only the EVEX encoding of AVX-512. The registers are given by
// their numbers. It adds the four products of the unsigned bytes of a and the
// signed bytes of w to each double word of sum, with 32 bits throughout.
//
// VEX.256.66.0F38.W0 50 /r: R and B extend the register and the operand in the
// second byte, vvvv in the third is a; all three are stored inverted.
#define DPBUSD(w, a, sum) \
	BYTE $0xC4 \
	BYTE $(0xE2 ^ ((sum >> 3) << 7) ^ ((w >> 3) << 5)) \
	BYTE $(0x7D ^ (a << 3)) \
	BYTE $0x50 \
	BYTE $(0xC0 | ((sum & 7) << 3) | (w & 7))

// func tileAVXVNNI(groups int, a *uint8, lda int, b *uint32, offsets *int32, c *float32, ldc int)
//
// Y4..Y15 hold the 6×16 sums, two registers a row. Each step takes 4 columns:
// 64 bytes of b and 4 bytes of each row of a.
TEXT ·tileAVXVNNI(SB), NOSPLIT, $0-56
	MOVQ groups+0(FP), CX
	MOVQ a+8(FP), SI
	MOVQ lda+16(FP), BX
	MOVQ b+24(FP), DI
	MOVQ offsets+32(FP), AX
	MOVQ c+40(FP), DX
	MOVQ ldc+48(FP), R8
	SHLQ $2, R8
	LEAQ (BX)(BX*2), R9
	ADDQ SI, R9
	VMOVDQU (AX), Y4
	VMOVDQU 32(AX), Y5
	VMOVDQA Y4, Y6
	VMOVDQA Y5, Y7
	VMOVDQA Y4, Y8
	VMOVDQA Y5, Y9
	VMOVDQA Y4, Y10
	VMOVDQA Y5, Y11
	VMOVDQA Y4, Y12
	VMOVDQA Y5, Y13
	VMOVDQA Y4, Y14
	VMOVDQA Y5, Y15

columns:
	VMOVDQU (DI), Y0
	VMOVDQU 32(DI), Y1
	VPBROADCASTD (SI), Y2
	DPBUSD(0, 2, 4)
	DPBUSD(1, 2, 5)
	VPBROADCASTD (SI)(BX*1), Y3
	DPBUSD(0, 3, 6)
	DPBUSD(1, 3, 7)
	VPBROADCASTD (SI)(BX*2), Y2
	DPBUSD(0, 2, 8)
	DPBUSD(1, 2, 9)
	VPBROADCASTD (R9), Y3
	DPBUSD(0, 3, 10)
	DPBUSD(1, 3, 11)
	VPBROADCASTD (R9)(BX*1), Y2
	DPBUSD(0, 2, 12)
	DPBUSD(1, 2, 13)
	VPBROADCASTD (R9)(BX*2), Y3
	DPBUSD(0, 3, 14)
	DPBUSD(1, 3, 15)
	ADDQ $4, SI
	ADDQ $4, R9
	ADDQ $64, DI
	DECQ CX
	JNZ  columns
	STORE(Y4, Y5)
	STORE(Y6, Y7)
	STORE(Y8, Y9)
	STORE(Y10, Y11)
	STORE(Y12, Y13)
	STORE(Y14, Y15)
	VZEROUPPER
	RET
