// Vector instructions that Go's assembler does not have, on registers given by
// their numbers: d is the destination, n and m are the operands in the order of
// the architecture's manual ("Arm Architecture Reference Manual", C7.2).

#define DNM(code, d, n, m) WORD $((code) | ((m) << 16) | ((n) << 5) | (d))
#define DN(code, d, n) WORD $((code) | ((n) << 5) | (d))

// Four floats (.4S).
#define FADD(d, n, m) DNM(0x4E20D400, d, n, m)
#define FSUB(d, n, m) DNM(0x4EA0D400, d, n, m)
#define FMUL(d, n, m) DNM(0x6E20DC00, d, n, m)
#define FDIV(d, n, m) DNM(0x6E20FC00, d, n, m)
#define FMAX(d, n, m) DNM(0x4E20F400, d, n, m)
#define FMIN(d, n, m) DNM(0x4EA0F400, d, n, m)
#define FCMGE(d, n, m) DNM(0x6E20E400, d, n, m)
#define FABS(d, n) DN(0x4EA0F800, d, n)
#define FNEG(d, n) DN(0x6EA0F800, d, n)
#define FRINTN(d, n) DN(0x4E218800, d, n)
#define FCVTNS(d, n) DN(0x4E21A800, d, n)
#define SCVTF(d, n) DN(0x4E21D800, d, n)

// FMAXV, FMINV and FADDP2 give one float: the largest of four, the least, the sum
// of the lower two.
#define FMAXV(d, n) DN(0x6E30F800, d, n)
#define FMINV(d, n) DN(0x6EB0F800, d, n)
#define FADDP2(d, n) DN(0x7E30D800, d, n)

// FMLA0 is d += n · m[0], fused.
#define FMLA0(d, n, m) DNM(0x4F801000, d, n, m)

// SDOT adds to each double word of d the four products of the signed bytes of
// its double word of n and of double word i of m.
#define SDOT(d, n, m, i) DNM(0x4F80E000 | (((i) & 1) << 21) | (((i) >> 1) << 11), d, n, m)

// SMULL and SMLAL multiply the lower 8 signed bytes to 16 bits, SMULL2 and
// SMLAL2 the upper 8. SADALP adds pairs of 16 bits to the double words of d.
#define SMULL(d, n, m) DNM(0x0E20C000, d, n, m)
#define SMULL2(d, n, m) DNM(0x4E20C000, d, n, m)
#define SMLAL(d, n, m) DNM(0x0E208000, d, n, m)
#define SMLAL2(d, n, m) DNM(0x4E208000, d, n, m)
#define SADALP(d, n) DN(0x4E606800, d, n)

// SSHR7 shifts double words right by 7, keeping the sign.
#define SSHR7(d, n) DN(0x4F390400, d, n)

// SQXTN and SQXTN2 narrow 4 double words to the lower or upper 4 words,
// SQXTUN and SQXTUN2 narrow 8 words to the lower or upper 8 unsigned bytes.
#define SQXTN(d, n) DN(0x0E614800, d, n)
#define SQXTN2(d, n) DN(0x4E614800, d, n)
#define SQXTUN(d, n) DN(0x2E212800, d, n)
#define SQXTUN2(d, n) DN(0x6E212800, d, n)
