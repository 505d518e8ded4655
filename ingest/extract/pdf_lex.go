package extract

import (
	"bytes"
	"math"
)

// pdfOperandKind is the type of an operand in a content stream.
type pdfOperandKind uint8

const (
	pdfOther pdfOperandKind = iota // a dictionary, a boolean, null
	pdfNumber
	pdfString
	pdfName
	pdfArray
)

// pdfOperand is an operand in a content stream.
type pdfOperand struct {
	kind   pdfOperandKind
	number float64
	bytes  []byte // of a string or name
	array  []pdfOperand
}

// pdfLexer reads the operators of a content stream. The library's own reader of
// content streams gives up at the first token it does not know, of which an
// inline image is full; this one goes on behind it.
type pdfLexer struct {
	data []byte
	pos  int
	read int // operands of the current operator so far
}

const (
	maxPDFOperands = 1 << 16 // of one operator, array elements included
	maxPDFNesting  = 16      // of arrays and dictionaries
)

// next returns the next operator and its operands, which are valid up to the
// following call; ok is false at the end of the stream. operands lends its
// memory.
func (l *pdfLexer) next(operands []pdfOperand) (op string, out []pdfOperand, ok bool) {
	out = operands[:0]
	l.read = 0
	for {
		l.space()
		if l.pos >= len(l.data) {
			return "", out, false
		}
		c := l.data[l.pos]
		if isPDFRegular(c) && !isNumberStart(c) {
			word := l.regular()
			switch string(word) {
			case "true", "false", "null":
				if l.read++; l.read <= maxPDFOperands {
					out = append(out, pdfOperand{})
				}
			case "ID":
				l.inlineImage()
				return "ID", out, true
			default:
				return string(word), out, true
			}
			continue
		}
		if v, ok := l.operand(0); ok && l.read < maxPDFOperands {
			l.read++
			out = append(out, v)
		}
	}
}

// operand reads one operand; ok is false where a stray delimiter was skipped.
func (l *pdfLexer) operand(depth int) (v pdfOperand, ok bool) {
	c := l.data[l.pos]
	switch c {
	case '(':
		return pdfOperand{kind: pdfString, bytes: l.literal()}, true
	case '<':
		if l.pos+1 < len(l.data) && l.data[l.pos+1] == '<' {
			l.pos += 2
			l.sequence(">>", depth)
			return pdfOperand{}, true
		}
		return pdfOperand{kind: pdfString, bytes: l.hex()}, true
	case '/':
		l.pos++
		return pdfOperand{kind: pdfName, bytes: decodePDFName(l.regular())}, true
	case '[':
		l.pos++
		return pdfOperand{kind: pdfArray, array: l.sequence("]", depth)}, true
	case ')', ']', '>', '{', '}':
		l.pos++
		return pdfOperand{}, false
	}
	word := l.regular()
	if n, ok := parsePDFNumber(word); ok {
		return pdfOperand{kind: pdfNumber, number: n}, true
	}
	return pdfOperand{}, true
}

// sequence reads operands up to a closing delimiter.
func (l *pdfLexer) sequence(end string, depth int) []pdfOperand {
	var out []pdfOperand
	for {
		l.space()
		rest := l.data[l.pos:]
		if len(rest) == 0 {
			return out
		}
		if bytes.HasPrefix(rest, []byte(end)) {
			l.pos += len(end)
			return out
		}
		if depth >= maxPDFNesting {
			l.pos++
			continue
		}
		if v, ok := l.operand(depth + 1); ok && l.read < maxPDFOperands {
			l.read++
			out = append(out, v)
		}
	}
}

// space skips white space and comments.
func (l *pdfLexer) space() {
	for l.pos < len(l.data) {
		switch c := l.data[l.pos]; {
		case isPDFSpace(c):
			l.pos++
		case c == '%':
			for l.pos < len(l.data) && l.data[l.pos] != '\n' && l.data[l.pos] != '\r' {
				l.pos++
			}
		default:
			return
		}
	}
}

// regular reads a run of regular characters.
func (l *pdfLexer) regular() []byte {
	start := l.pos
	for l.pos < len(l.data) && isPDFRegular(l.data[l.pos]) {
		l.pos++
	}
	return l.data[start:l.pos]
}

// literal reads a string in parentheses.
func (l *pdfLexer) literal() []byte {
	l.pos++
	var out []byte
	for depth := 1; l.pos < len(l.data); {
		c := l.data[l.pos]
		l.pos++
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return out
			}
		case '\\':
			out = l.escape(out)
			continue
		}
		out = append(out, c)
	}
	return out
}

// escape reads what follows a backslash in a literal string.
func (l *pdfLexer) escape(out []byte) []byte {
	if l.pos >= len(l.data) {
		return out
	}
	c := l.data[l.pos]
	l.pos++
	switch c {
	case 'n':
		return append(out, '\n')
	case 'r':
		return append(out, '\r')
	case 't':
		return append(out, '\t')
	case 'b':
		return append(out, '\b')
	case 'f':
		return append(out, '\f')
	case '\n':
		return out
	case '\r':
		if l.pos < len(l.data) && l.data[l.pos] == '\n' {
			l.pos++
		}
		return out
	case '0', '1', '2', '3', '4', '5', '6', '7':
		n := int(c - '0')
		for i := 0; i < 2 && l.pos < len(l.data) && l.data[l.pos] >= '0' && l.data[l.pos] <= '7'; i++ {
			n = n*8 + int(l.data[l.pos]-'0')
			l.pos++
		}
		return append(out, byte(n)) // high-order overflow is ignored, as specified
	}
	return append(out, c)
}

// hex reads a string of hexadecimal digits; other characters are skipped.
func (l *pdfLexer) hex() []byte {
	l.pos++
	end := bytes.IndexByte(l.data[l.pos:], '>')
	if end < 0 {
		end = len(l.data) - l.pos
	}
	digits := l.data[l.pos : l.pos+end]
	l.pos = min(l.pos+end+1, len(l.data))
	return decodePDFHex(digits)
}

func decodePDFHex(digits []byte) []byte {
	out := make([]byte, 0, len(digits)/2+1)
	high, odd := byte(0), false
	for _, c := range digits {
		v, ok := hexValue(c)
		switch {
		case !ok:
		case odd:
			out = append(out, high<<4|v)
			odd = false
		default:
			high, odd = v, true
		}
	}
	if odd {
		out = append(out, high<<4)
	}
	return out
}

func hexValue(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// decodePDFName replaces the "#xx" escapes of a name.
func decodePDFName(raw []byte) []byte {
	if bytes.IndexByte(raw, '#') < 0 {
		return raw
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] == '#' && i+2 < len(raw) {
			if b := decodePDFHex(raw[i+1 : i+3]); len(b) == 1 {
				out = append(out, b[0])
				i += 2
				continue
			}
		}
		out = append(out, raw[i])
	}
	return out
}

// inlineImage skips the data of an inline image up to and including EI. The
// data may hold any bytes: EI counts where it stands alone and what follows
// looks like a content stream.
func (l *pdfLexer) inlineImage() {
	for at := l.pos; ; {
		i := bytes.Index(l.data[at:], []byte("EI"))
		if i < 0 {
			l.pos = len(l.data)
			return
		}
		at += i + 2
		if at-3 >= l.pos && isPDFSpace(l.data[at-3]) && (at == len(l.data) || isPDFSpace(l.data[at])) && looksLikeContent(l.data[at:]) {
			l.pos = at
			return
		}
	}
}

// looksLikeContent reports whether b begins with the bytes of an operator
// rather than with those of an image.
func looksLikeContent(b []byte) bool {
	for _, c := range b[:min(len(b), 12)] {
		if c >= 0x7f || c < ' ' && !isPDFSpace(c) || c == 0 {
			return false
		}
	}
	return true
}

// parsePDFNumber parses a number as tolerantly as other readers do: signs in
// odd places end it, a second point does too.
func parsePDFNumber(b []byte) (float64, bool) {
	i, sign := 0, 1.0
	for i < len(b) && (b[i] == '+' || b[i] == '-') {
		if b[i] == '-' {
			sign = -1
		}
		i++
	}
	n, scale, digits := 0.0, 0.0, 0
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case c >= '0' && c <= '9':
			n = n*10 + float64(c-'0')
			scale *= 10
			digits++
			continue
		case c == '.' && scale == 0:
			scale = 1
			continue
		}
		break
	}
	if digits == 0 && scale == 0 {
		return 0, false
	}
	if scale > 1 {
		n /= scale
	}
	if math.IsInf(n, 0) || math.IsNaN(n) {
		return 0, true
	}
	return sign * n, true
}

func isNumberStart(c byte) bool {
	return c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.'
}

func isPDFSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0
}

func isPDFRegular(c byte) bool {
	switch c {
	case '(', ')', '<', '>', '[', ']', '{', '}', '/', '%':
		return false
	}
	return !isPDFSpace(c)
}
