//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// STORE writes four sums as the 16 floats of one row and goes on to the next row.
#define STORE(n0, n1, n2, n3, v0, v1, v2, v3) \
	SCVTF(n0, n0) \
	SCVTF(n1, n1) \
	SCVTF(n2, n2) \
	SCVTF(n3, n3) \
	VST1 [v0.S4, v1.S4, v2.S4, v3.S4], (R9) \
	ADD  R10, R9

// DOTS adds the products of 16 outputs (V0..V3) and the columns of group i that
// each row has in V4..V7.
#define DOTS(i) \
	VLD1.P 64(R8), [V0.B16, V1.B16, V2.B16, V3.B16] \
	SDOT(16, 0, 4, i) \
	SDOT(17, 1, 4, i) \
	SDOT(18, 2, 4, i) \
	SDOT(19, 3, 4, i) \
	SDOT(20, 0, 5, i) \
	SDOT(21, 1, 5, i) \
	SDOT(22, 2, 5, i) \
	SDOT(23, 3, 5, i) \
	SDOT(24, 0, 6, i) \
	SDOT(25, 1, 6, i) \
	SDOT(26, 2, 6, i) \
	SDOT(27, 3, 6, i) \
	SDOT(28, 0, 7, i) \
	SDOT(29, 1, 7, i) \
	SDOT(30, 2, 7, i) \
	SDOT(31, 3, 7, i)

// func tileSDOT(groups int, a *uint8, lda int, b *uint32, offsets *int32, c *float32, ldc int)
//
// V16..V31 hold the 4×16 sums, four registers a row. Each step takes 16 columns
// or, at the end, 4. Flipping the top bit of q gives q-128 as a signed byte; the
// products are added as 32 bits.
TEXT ·tileSDOT(SB), NOSPLIT, $0-56
	MOVD groups+0(FP), R0
	MOVD a+8(FP), R1
	MOVD lda+16(FP), R2
	MOVD b+24(FP), R8
	MOVD c+40(FP), R9
	MOVD ldc+48(FP), R10
	LSL  $2, R10
	ADD  R1, R2, R3
	ADD  R3, R2, R4
	ADD  R4, R2, R5
	VMOVI $128, V8.B16
	VEOR V16.B16, V16.B16, V16.B16
	VEOR V17.B16, V17.B16, V17.B16
	VEOR V18.B16, V18.B16, V18.B16
	VEOR V19.B16, V19.B16, V19.B16
	VEOR V20.B16, V20.B16, V20.B16
	VEOR V21.B16, V21.B16, V21.B16
	VEOR V22.B16, V22.B16, V22.B16
	VEOR V23.B16, V23.B16, V23.B16
	VEOR V24.B16, V24.B16, V24.B16
	VEOR V25.B16, V25.B16, V25.B16
	VEOR V26.B16, V26.B16, V26.B16
	VEOR V27.B16, V27.B16, V27.B16
	VEOR V28.B16, V28.B16, V28.B16
	VEOR V29.B16, V29.B16, V29.B16
	VEOR V30.B16, V30.B16, V30.B16
	VEOR V31.B16, V31.B16, V31.B16
	SUBS $4, R0
	BLT  rest

four:
	VLD1.P 16(R1), [V4.B16]
	VLD1.P 16(R3), [V5.B16]
	VLD1.P 16(R4), [V6.B16]
	VLD1.P 16(R5), [V7.B16]
	VEOR V8.B16, V4.B16, V4.B16
	VEOR V8.B16, V5.B16, V5.B16
	VEOR V8.B16, V6.B16, V6.B16
	VEOR V8.B16, V7.B16, V7.B16
	DOTS(0)
	DOTS(1)
	DOTS(2)
	DOTS(3)
	SUBS $4, R0
	BGE  four

rest:
	ADDS $4, R0
	BEQ  store

one:
	FMOVS.P 4(R1), F4
	FMOVS.P 4(R3), F5
	FMOVS.P 4(R4), F6
	FMOVS.P 4(R5), F7
	VEOR V8.B16, V4.B16, V4.B16
	VEOR V8.B16, V5.B16, V5.B16
	VEOR V8.B16, V6.B16, V6.B16
	VEOR V8.B16, V7.B16, V7.B16
	DOTS(0)
	SUB  $1, R0
	CBNZ R0, one

store:
	STORE(16, 17, 18, 19, V16, V17, V18, V19)
	STORE(20, 21, 22, 23, V20, V21, V22, V23)
	STORE(24, 25, 26, 27, V24, V25, V26, V27)
	STORE(28, 29, 30, 31, V28, V29, V30, V31)
	RET

// PAIR adds the products of 2 outputs and the 8 columns of a step to lo, those
// of 2 more to hi. w and w2 are the weights of the first and second 4 columns, a
// and a2 those columns of one row, t0 and t1 are clobbered.
//
// No step can wrap: a is within ±127, so that two products are at most
// 2·127·128 = 32,512, less than 2¹⁵; they are added as 32 bits.
#define PAIR(lo, hi, w, w2, a, a2, t0, t1) \
	SMULL(t0, w, a) \
	SMULL2(t1, w, a) \
	SMLAL(t0, w2, a2) \
	SMLAL2(t1, w2, a2) \
	SADALP(lo, t0) \
	SADALP(hi, t1)

// LAST is PAIR for the last 4 columns, if their number is odd.
#define LAST(lo, hi, w, a) \
	SMULL(12, w, a) \
	SMULL2(13, w, a) \
	SADALP(lo, 12) \
	SADALP(hi, 13)

// func tileSMULL(groups int, a *uint8, lda int, b *uint32, offsets *int32, c *float32, ldc int)
//
// V16..V31 hold the 2×16 sums, eight registers a row: each has two partial sums
// of two outputs. Each step takes 8 columns, 4 of which fill V8 or V9 of the
// first row and V10 or V11 of the second. Flipping the top bit of q gives q-128
// as a signed byte.
TEXT ·tileSMULL(SB), NOSPLIT, $0-56
	MOVD groups+0(FP), R0
	MOVD a+8(FP), R1
	MOVD lda+16(FP), R2
	MOVD b+24(FP), R8
	MOVD c+40(FP), R9
	MOVD ldc+48(FP), R10
	LSL  $2, R10
	ADD  R1, R2, R3
	MOVD $0x8080808080808080, R11
	VEOR V16.B16, V16.B16, V16.B16
	VEOR V17.B16, V17.B16, V17.B16
	VEOR V18.B16, V18.B16, V18.B16
	VEOR V19.B16, V19.B16, V19.B16
	VEOR V20.B16, V20.B16, V20.B16
	VEOR V21.B16, V21.B16, V21.B16
	VEOR V22.B16, V22.B16, V22.B16
	VEOR V23.B16, V23.B16, V23.B16
	VEOR V24.B16, V24.B16, V24.B16
	VEOR V25.B16, V25.B16, V25.B16
	VEOR V26.B16, V26.B16, V26.B16
	VEOR V27.B16, V27.B16, V27.B16
	VEOR V28.B16, V28.B16, V28.B16
	VEOR V29.B16, V29.B16, V29.B16
	VEOR V30.B16, V30.B16, V30.B16
	VEOR V31.B16, V31.B16, V31.B16
	SUBS $2, R0
	BLT  rest

two:
	MOVD.P 8(R1), R4
	MOVD.P 8(R3), R5
	EOR  R11, R4
	EOR  R11, R5
	VDUP R4, V8.S4
	VDUP R5, V10.S4
	LSR  $32, R4
	LSR  $32, R5
	VDUP R4, V9.S4
	VDUP R5, V11.S4
	VLD1.P 64(R8), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1.P 64(R8), [V4.B16, V5.B16, V6.B16, V7.B16]
	PAIR(16, 17, 0, 4, 8, 9, 12, 13)
	PAIR(24, 25, 0, 4, 10, 11, 14, 15)
	PAIR(18, 19, 1, 5, 8, 9, 12, 13)
	PAIR(26, 27, 1, 5, 10, 11, 14, 15)
	PAIR(20, 21, 2, 6, 8, 9, 12, 13)
	PAIR(28, 29, 2, 6, 10, 11, 14, 15)
	PAIR(22, 23, 3, 7, 8, 9, 12, 13)
	PAIR(30, 31, 3, 7, 10, 11, 14, 15)
	SUBS $2, R0
	BGE  two

rest:
	ADDS $2, R0
	BEQ  store
	MOVWU (R1), R4
	MOVWU (R3), R5
	EOR  R11, R4
	EOR  R11, R5
	VDUP R4, V8.S4
	VDUP R5, V10.S4
	VLD1 (R8), [V0.B16, V1.B16, V2.B16, V3.B16]
	LAST(16, 17, 0, 8)
	LAST(18, 19, 1, 8)
	LAST(20, 21, 2, 8)
	LAST(22, 23, 3, 8)
	LAST(24, 25, 0, 10)
	LAST(26, 27, 1, 10)
	LAST(28, 29, 2, 10)
	LAST(30, 31, 3, 10)

store:
	VADDP V17.S4, V16.S4, V16.S4
	VADDP V19.S4, V18.S4, V17.S4
	VADDP V21.S4, V20.S4, V18.S4
	VADDP V23.S4, V22.S4, V19.S4
	VADDP V25.S4, V24.S4, V20.S4
	VADDP V27.S4, V26.S4, V21.S4
	VADDP V29.S4, V28.S4, V22.S4
	VADDP V31.S4, V30.S4, V23.S4
	STORE(16, 17, 18, 19, V16, V17, V18, V19)
	STORE(20, 21, 22, 23, V20, V21, V22, V23)
	RET
