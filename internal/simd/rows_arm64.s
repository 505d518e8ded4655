//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// Sums of rows keep 32 partial sums in V16..V23 and add them in halves, as
// rows.go states. Nothing here is fused: products and sums round separately.

#define CLEARSUMS \
	VEOR V16.B16, V16.B16, V16.B16 \
	VEOR V17.B16, V17.B16, V17.B16 \
	VEOR V18.B16, V18.B16, V18.B16 \
	VEOR V19.B16, V19.B16, V19.B16 \
	VEOR V20.B16, V20.B16, V20.B16 \
	VEOR V21.B16, V21.B16, V21.B16 \
	VEOR V22.B16, V22.B16, V22.B16 \
	VEOR V23.B16, V23.B16, V23.B16

// ADD4 adds V0..V3 to four partial sums.
#define ADD4(s0, s1, s2, s3) \
	FADD(s0, s0, 0) \
	FADD(s1, s1, 1) \
	FADD(s2, s2, 2) \
	FADD(s3, s3, 3)

// HSUM adds the lanes of V16..V23 into F16, clobbering the others.
#define HSUM \
	FADD(16, 16, 20) \
	FADD(17, 17, 21) \
	FADD(18, 18, 22) \
	FADD(19, 19, 23) \
	FADD(16, 16, 18) \
	FADD(17, 17, 19) \
	FADD(16, 16, 17) \
	VEXT $8, V16.B16, V16.B16, V17.B16 \
	FADD(16, 16, 17) \
	FADDP2(16, 16)

// func vecDot(a, b *float32, n int) float32
TEXT ·vecDot(SB), NOSPLIT, $0-28
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD n+16(FP), R2
	CLEARSUMS

loop:
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]
	FMUL(0, 0, 4)
	FMUL(1, 1, 5)
	FMUL(2, 2, 6)
	FMUL(3, 3, 7)
	ADD4(16, 17, 18, 19)
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]
	FMUL(0, 0, 4)
	FMUL(1, 1, 5)
	FMUL(2, 2, 6)
	FMUL(3, 3, 7)
	ADD4(20, 21, 22, 23)
	SUBS $32, R2
	BNE  loop
	HSUM
	FMOVS F16, ret+24(FP)
	RET

// func vecMax(x *float32, n int) float32
TEXT ·vecMax(SB), NOSPLIT, $0-20
	MOVD x+0(FP), R0
	MOVD n+8(FP), R1
	VLD1 (R0), [V16.S4, V17.S4]

loop:
	VLD1.P 32(R0), [V0.S4, V1.S4]
	FMAX(16, 16, 0)
	FMAX(17, 17, 1)
	SUBS $8, R1
	BNE  loop
	FMAX(16, 16, 17)
	FMAXV(16, 16)
	FMOVS F16, ret+16(FP)
	RET

// func vecExtent(x *float32, n int) (least, largest float32)
//
// FMAX and FMIN keep what is no number.
TEXT ·vecExtent(SB), NOSPLIT, $0-24
	MOVD x+0(FP), R0
	MOVD n+8(FP), R1
	VEOR V16.B16, V16.B16, V16.B16
	VEOR V17.B16, V17.B16, V17.B16
	VEOR V18.B16, V18.B16, V18.B16
	VEOR V19.B16, V19.B16, V19.B16

loop:
	VLD1.P 32(R0), [V0.S4, V1.S4]
	FMAX(16, 16, 0)
	FMAX(17, 17, 1)
	FMIN(18, 18, 0)
	FMIN(19, 19, 1)
	SUBS $8, R1
	BNE  loop
	FMAX(16, 16, 17)
	FMAXV(16, 16)
	FMIN(18, 18, 19)
	FMINV(18, 18)
	FMOVS F18, least+16(FP)
	FMOVS F16, largest+20(FP)
	RET

// NARROW packs the double words of four registers into the bytes of the first,
// clobbering the third.
#define NARROW(a, b, c, d) \
	SQXTN(a, a) \
	SQXTN2(a, b) \
	SQXTN(c, c) \
	SQXTN2(c, d) \
	SQXTUN(a, a) \
	SQXTUN2(a, c)

// func vecQuantise(q *uint8, x *float32, n int, centre, inverse float32)
TEXT ·vecQuantise(SB), NOSPLIT, $0-32
	MOVD q+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2
	FMOVS centre+24(FP), F5
	VDUP V5.S[0], V5.S4
	FMOVS inverse+28(FP), F7
	VDUP V7.S[0], V7.S4
	MOVD $128, R3
	VDUP R3, V6.S4

loop:
	VLD1.P 64(R1), [V0.S4, V1.S4, V2.S4, V3.S4]
	FSUB(0, 0, 5)
	FSUB(1, 1, 5)
	FSUB(2, 2, 5)
	FSUB(3, 3, 5)
	FMUL(0, 0, 7)
	FMUL(1, 1, 7)
	FMUL(2, 2, 7)
	FMUL(3, 3, 7)
	FCVTNS(0, 0)
	FCVTNS(1, 1)
	FCVTNS(2, 2)
	FCVTNS(3, 3)
	VADD V6.S4, V0.S4, V0.S4
	VADD V6.S4, V1.S4, V1.S4
	VADD V6.S4, V2.S4, V2.S4
	VADD V6.S4, V3.S4, V3.S4
	NARROW(0, 1, 2, 3)
	VST1.P [V0.B16], 16(R0)
	SUBS $16, R2
	BNE  loop
	RET

// func vecQuantiseWide(q *uint8, x *float32, n int, inverse float32)
//
// A step is 128·u + l: u is step+64 shifted right by 7, l is what remains.
TEXT ·vecQuantiseWide(SB), NOSPLIT, $0-28
	MOVD q+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2
	ADD  R0, R2, R3
	FMOVS inverse+24(FP), F16
	VDUP V16.S[0], V16.S4
	MOVD $128, R4
	VDUP R4, V17.S4
	MOVD $64, R4
	VDUP R4, V18.S4

loop:
	VLD1.P 64(R1), [V0.S4, V1.S4, V2.S4, V3.S4]
	FMUL(0, 0, 16)
	FMUL(1, 1, 16)
	FMUL(2, 2, 16)
	FMUL(3, 3, 16)
	FCVTNS(0, 0)
	FCVTNS(1, 1)
	FCVTNS(2, 2)
	FCVTNS(3, 3)
	VADD V18.S4, V0.S4, V4.S4
	VADD V18.S4, V1.S4, V5.S4
	VADD V18.S4, V2.S4, V6.S4
	VADD V18.S4, V3.S4, V7.S4
	SSHR7(4, 4)
	SSHR7(5, 5)
	SSHR7(6, 6)
	SSHR7(7, 7)
	VSHL $7, V4.S4, V20.S4
	VSHL $7, V5.S4, V21.S4
	VSHL $7, V6.S4, V22.S4
	VSHL $7, V7.S4, V23.S4
	VSUB V20.S4, V0.S4, V0.S4
	VSUB V21.S4, V1.S4, V1.S4
	VSUB V22.S4, V2.S4, V2.S4
	VSUB V23.S4, V3.S4, V3.S4
	VADD V17.S4, V0.S4, V0.S4
	VADD V17.S4, V1.S4, V1.S4
	VADD V17.S4, V2.S4, V2.S4
	VADD V17.S4, V3.S4, V3.S4
	VADD V17.S4, V4.S4, V4.S4
	VADD V17.S4, V5.S4, V5.S4
	VADD V17.S4, V6.S4, V6.S4
	VADD V17.S4, V7.S4, V7.S4
	NARROW(0, 1, 2, 3)
	NARROW(4, 5, 6, 7)
	VST1.P [V4.B16], 16(R0)
	VST1.P [V0.B16], 16(R3)
	SUBS $16, R2
	BNE  loop
	RET

// func vecJoin(y, upper, lower *float32, n int)
TEXT ·vecJoin(SB), NOSPLIT, $0-32
	MOVD y+0(FP), R0
	MOVD upper+8(FP), R1
	MOVD lower+16(FP), R2
	MOVD n+24(FP), R3
	MOVW $0x43000000, R4 // 128
	VDUP R4, V16.S4

loop:
	VLD1.P 32(R1), [V0.S4, V1.S4]
	VLD1.P 32(R2), [V2.S4, V3.S4]
	FMUL(0, 0, 16)
	FMUL(1, 1, 16)
	FADD(0, 0, 2)
	FADD(1, 1, 3)
	VST1.P [V0.S4, V1.S4], 32(R0)
	SUBS $8, R3
	BNE  loop
	RET

// func vecScaleBias(y *float32, n int, row float32, col, bias *float32)
TEXT ·vecScaleBias(SB), NOSPLIT, $0-40
	MOVD y+0(FP), R0
	MOVD n+8(FP), R1
	FMOVS row+16(FP), F16
	VDUP V16.S[0], V16.S4
	MOVD col+24(FP), R2
	MOVD bias+32(FP), R3

loop:
	VLD1 (R0), [V0.S4, V1.S4]
	VLD1.P 32(R2), [V2.S4, V3.S4]
	VLD1.P 32(R3), [V4.S4, V5.S4]
	FMUL(0, 0, 16)
	FMUL(1, 1, 16)
	FMUL(0, 0, 2)
	FMUL(1, 1, 3)
	FADD(0, 0, 4)
	FADD(1, 1, 5)
	VST1.P [V0.S4, V1.S4], 32(R0)
	SUBS $8, R1
	BNE  loop
	RET

// LOADEXP2 loads the constants of EXP2 into V20..V26, clobbering R5.
#define LOADEXP2 \
	MOVD $·exp2Terms(SB), R5 \
	VLD1R.P 4(R5), [V20.S4] \
	VLD1R.P 4(R5), [V21.S4] \
	VLD1R.P 4(R5), [V22.S4] \
	VLD1R.P 4(R5), [V23.S4] \
	VLD1R.P 4(R5), [V24.S4] \
	VLD1R.P 4(R5), [V25.S4] \
	MOVD $·exp2Limits(SB), R5 \
	VLD1R.P 4(R5), [V26.S4]

// EXP2 computes p = exp2(x) as rows.go does, clobbering x, n and m. vp, vn and vm
// name the same registers as p, n and m.
#define EXP2(x, n, m, p, vn, vm, vp) \
	FCMGE(m, x, 26) \
	FRINTN(n, x) \
	FSUB(x, x, n) \
	FCVTNS(n, n) \
	VSHL $23, vn.S4, vn.S4 \
	FMUL(p, x, 20) \
	FADD(p, p, 21) \
	FMUL(p, p, x) \
	FADD(p, p, 22) \
	FMUL(p, p, x) \
	FADD(p, p, 23) \
	FMUL(p, p, x) \
	FADD(p, p, 24) \
	FMUL(p, p, x) \
	FADD(p, p, 25) \
	VADD vn.S4, vp.S4, vp.S4 \
	VAND vm.B16, vp.B16, vp.B16

// func vecExp2(x *float32, n int, largest, scale float32)
TEXT ·vecExp2(SB), NOSPLIT, $0-24
	MOVD x+0(FP), R0
	MOVD n+8(FP), R1
	FMOVS largest+16(FP), F18
	VDUP V18.S[0], V18.S4
	FMOVS scale+20(FP), F19
	VDUP V19.S[0], V19.S4
	LOADEXP2

loop:
	VLD1 (R0), [V0.S4, V1.S4]
	FSUB(0, 0, 18)
	FSUB(1, 1, 18)
	FMUL(0, 0, 19)
	FMUL(1, 1, 19)
	EXP2(0, 2, 3, 4, V2, V3, V4)
	EXP2(1, 6, 7, 5, V6, V7, V5)
	VST1.P [V4.S4, V5.S4], 32(R0)
	SUBS $8, R1
	BNE  loop
	RET

// func vecSum(x *float32, n int) float32
TEXT ·vecSum(SB), NOSPLIT, $0-20
	MOVD x+0(FP), R0
	MOVD n+8(FP), R1
	CLEARSUMS

loop:
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	ADD4(16, 17, 18, 19)
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	ADD4(20, 21, 22, 23)
	SUBS $32, R1
	BNE  loop
	HSUM
	FMOVS F16, ret+16(FP)
	RET

// GELU replaces v by max(v, 0) - |v|·Φ(-|v|), clobbering z, t, a, b and c;
// names beginning with v are those of the same registers.
#define GELU(v, z, t, a, b, c, vt, va, vb) \
	FABS(a, v) \
	FMUL(z, a, 6) \
	FMUL(t, a, 7) \
	FADD(t, t, 25) \
	FDIV(c, 25, t) \
	FMUL(z, z, z) \
	FNEG(z, z) \
	EXP2(z, t, a, b, vt, va, vb) \
	FMUL(t, 8, c) \
	FADD(t, t, 9) \
	FMUL(t, t, c) \
	FADD(t, t, 10) \
	FMUL(t, t, c) \
	FADD(t, t, 11) \
	FMUL(t, t, c) \
	FADD(t, t, 12) \
	FMUL(t, t, c) \
	FMUL(t, t, b) \
	FABS(a, v) \
	FMUL(t, a, t) \
	FMAX(v, v, 31) \
	FSUB(v, v, t)

// func vecGelu(x *float32, n int)
//
// V6 and V7 hold the factors of |x| for the power and for formula 7.1.26, V8..V12
// its terms, V31 zeros.
TEXT ·vecGelu(SB), NOSPLIT, $0-16
	MOVD x+0(FP), R0
	MOVD n+8(FP), R1
	LOADEXP2
	MOVD $·erfcScales(SB), R5
	VLD1R.P 4(R5), [V6.S4]
	VLD1R.P 4(R5), [V7.S4]
	MOVD $·erfcTerms(SB), R5
	VLD1R.P 4(R5), [V8.S4]
	VLD1R.P 4(R5), [V9.S4]
	VLD1R.P 4(R5), [V10.S4]
	VLD1R.P 4(R5), [V11.S4]
	VLD1R.P 4(R5), [V12.S4]
	VEOR V31.B16, V31.B16, V31.B16

loop:
	VLD1 (R0), [V0.S4, V1.S4]
	GELU(0, 2, 3, 4, 5, 13, V3, V4, V5)
	GELU(1, 14, 15, 16, 17, 18, V15, V16, V17)
	VST1.P [V0.S4, V1.S4], 32(R0)
	SUBS $8, R1
	BNE  loop
	RET

// SUM4 replaces 16 elements of x by x+y and adds them to four partial sums.
#define SUM4(s0, s1, s2, s3) \
	VLD1 (R0), [V0.S4, V1.S4, V2.S4, V3.S4] \
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4] \
	FADD(0, 0, 4) \
	FADD(1, 1, 5) \
	FADD(2, 2, 6) \
	FADD(3, 3, 7) \
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0) \
	ADD4(s0, s1, s2, s3)

// func vecAddSum(x, y *float32, n int) float32
TEXT ·vecAddSum(SB), NOSPLIT, $0-28
	MOVD x+0(FP), R0
	MOVD y+8(FP), R1
	MOVD n+16(FP), R2
	CLEARSUMS

loop:
	SUM4(16, 17, 18, 19)
	SUM4(20, 21, 22, 23)
	SUBS $32, R2
	BNE  loop
	HSUM
	FMOVS F16, ret+24(FP)
	RET

// SQUARES4 adds the squares of 16 elements minus V4 to four partial sums.
#define SQUARES4(s0, s1, s2, s3) \
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4] \
	FSUB(0, 0, 4) \
	FSUB(1, 1, 4) \
	FSUB(2, 2, 4) \
	FSUB(3, 3, 4) \
	FMUL(0, 0, 0) \
	FMUL(1, 1, 1) \
	FMUL(2, 2, 2) \
	FMUL(3, 3, 3) \
	ADD4(s0, s1, s2, s3)

// func vecSquares(x *float32, n int, mean float32) float32
TEXT ·vecSquares(SB), NOSPLIT, $0-28
	MOVD x+0(FP), R0
	MOVD n+8(FP), R1
	FMOVS mean+16(FP), F4
	VDUP V4.S[0], V4.S4
	CLEARSUMS

loop:
	SQUARES4(16, 17, 18, 19)
	SQUARES4(20, 21, 22, 23)
	SUBS $32, R1
	BNE  loop
	HSUM
	FMOVS F16, ret+24(FP)
	RET

// func vecNorm(x *float32, n int, mean, inverse float32, gain, bias *float32)
TEXT ·vecNorm(SB), NOSPLIT, $0-40
	MOVD x+0(FP), R0
	MOVD n+8(FP), R1
	FMOVS mean+16(FP), F6
	VDUP V6.S[0], V6.S4
	FMOVS inverse+20(FP), F7
	VDUP V7.S[0], V7.S4
	MOVD gain+24(FP), R2
	MOVD bias+32(FP), R3

loop:
	VLD1 (R0), [V0.S4, V1.S4]
	VLD1.P 32(R2), [V2.S4, V3.S4]
	VLD1.P 32(R3), [V4.S4, V5.S4]
	FSUB(0, 0, 6)
	FSUB(1, 1, 6)
	FMUL(0, 0, 7)
	FMUL(1, 1, 7)
	FMUL(0, 0, 2)
	FMUL(1, 1, 3)
	FADD(0, 0, 4)
	FADD(1, 1, 5)
	VST1.P [V0.S4, V1.S4], 32(R0)
	SUBS $8, R1
	BNE  loop
	RET
