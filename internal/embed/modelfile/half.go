package modelfile

import "math"

// HalfToFloat converts an IEEE 754 binary16 value exactly. Subnormal halves
// (no exponent bits) are m × 2⁻²⁴ and become normal floats: weights near zero
// are stored that way and must not be flushed.
func HalfToFloat(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent := uint32(h>>10) & 0x1f
	mantissa := uint32(h) & 0x3ff
	switch exponent {
	case 0:
		return math.Float32frombits(math.Float32bits(float32(mantissa)*0x1p-24) | sign)
	case 0x1f: // infinity and NaN keep their payload
		return math.Float32frombits(sign | 0xff<<23 | mantissa<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | mantissa<<13)
}

// FloatToHalf returns the binary16 value that equals f, and whether there is one.
func FloatToHalf(f float32) (h uint16, exact bool) {
	bits := math.Float32bits(f)
	sign := uint16(bits >> 16 & 0x8000)
	magnitude := math.Abs(float64(f))
	switch {
	case magnitude < 0x1p-14:
		h = sign | uint16(magnitude*0x1p24) // zero or subnormal
	case magnitude < 0x1p16:
		h = sign | uint16((bits>>23&0xff)-(127-15))<<10 | uint16(bits>>13&0x3ff)
	default: // too large, infinite or not a number
		return 0, false
	}
	return h, math.Float32bits(HalfToFloat(h)) == bits
}
