package extract

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

const pdfSpace = "\x00\t\n\f\r "

// nextField returns the first run of bytes that are not white space, cut at 64
// bytes, and what follows it.
func nextField(b []byte) (field, rest []byte) {
	b = bytes.TrimLeft(b, pdfSpace)
	n := min(len(b), 64)
	if i := bytes.IndexAny(b[:n], pdfSpace); i >= 0 {
		n = i
	}
	return b[:n], b[n:]
}

func pdfLexerAt(source []byte) *pdfLexer { return &pdfLexer{data: source} }

// pdfDict reads the dictionary that source begins with, after white space: the
// source of each value by its key. n is its length, up to where it could be
// read.
func pdfDict(source []byte) (dict map[string][]byte, n int) {
	l := pdfLexerAt(source)
	l.space()
	if !bytes.HasPrefix(l.data[l.pos:], []byte("<<")) {
		return nil, 0
	}
	l.pos += len("<<")
	dict = map[string][]byte{}
	for {
		l.space()
		rest := l.data[l.pos:]
		switch {
		case len(rest) == 0:
			return dict, l.pos
		case bytes.HasPrefix(rest, []byte(">>")):
			return dict, l.pos + len(">>")
		case rest[0] != '/':
			return dict, l.pos
		}
		l.pos++
		key := string(decodePDFName(l.regular()))
		l.space()
		start := l.pos
		if l.pos == len(l.data) {
			return dict, l.pos
		}
		l.operand(0)
		end := l.pos
		if _, ok := pdfReference(l.data[start:min(len(l.data), end+maxReference)]); ok {
			l.operands(2) // the generation and "R"
			end = l.pos
		}
		dict[key] = l.data[start:end]
	}
}

// maxReference bounds the rest of a reference behind its object number.
const maxReference = 24

// pdfReference reads the reference that source begins with, as "12 0 R".
func pdfReference(source []byte) (number int, ok bool) {
	first, rest := nextField(source)
	second, rest := nextField(rest)
	rest, ok = bytes.CutPrefix(bytes.TrimLeft(rest, pdfSpace), []byte("R"))
	if !ok || len(rest) > 0 && isPDFRegular(rest[0]) {
		return 0, false
	}
	number = pdfInt(first, -1)
	return number, number >= 0 && pdfInt(second, -1) >= 0
}

// operands reads up to n operands.
func (l *pdfLexer) operands(n int) []pdfOperand {
	var out []pdfOperand
	for range n {
		if l.space(); l.pos == len(l.data) {
			break
		}
		if v, ok := l.operand(0); ok {
			out = append(out, v)
		}
	}
	return out
}

// names reads a name or an array of names; ok is false for anything else but
// nothing.
func (l *pdfLexer) names() (names []string, ok bool) {
	operands := l.operands(1)
	if len(operands) == 1 && operands[0].kind == pdfArray {
		operands = operands[0].array
	}
	for _, v := range operands {
		if v.kind != pdfName {
			return names, false
		}
		names = append(names, string(v.bytes))
	}
	return names, true
}

// pdfInts reads an array of whole numbers, nil for anything else.
func pdfInts(source []byte) []int {
	operands := pdfLexerAt(source).operands(1)
	if len(operands) == 0 {
		return nil
	}
	var out []int
	for _, v := range operands[0].array {
		const exact = 1 << 53
		if v.kind != pdfNumber || v.number < 0 || v.number > exact {
			return nil
		}
		out = append(out, int(v.number))
	}
	return out
}

// mapStrings returns the source of an object with its strings replaced.
func mapStrings(source []byte, f func([]byte) []byte) []byte {
	l := pdfLexerAt(source)
	var out []byte
	for l.pos < len(l.data) {
		rest := l.data[l.pos:]
		switch {
		case rest[0] == '(':
			out = fmt.Appendf(out, "<%x>", f(l.literal()))
		case bytes.HasPrefix(rest, []byte("<<")):
			out = append(out, "<<"...)
			l.pos += len("<<")
		case rest[0] == '<':
			out = fmt.Appendf(out, "<%x>", f(l.hex()))
		case rest[0] == '%':
			l.space()
			out = append(out, ' ')
		default:
			out = append(out, rest[0])
			l.pos++
		}
	}
	return out
}

// pdfNameOf returns the name that source is, "" for anything else.
func pdfNameOf(source []byte) string {
	if names, ok := pdfLexerAt(source).names(); ok && len(names) == 1 {
		return names[0]
	}
	return ""
}

// pdfStringOf returns the string that source is, nil for anything else.
func pdfStringOf(source []byte) []byte {
	if operands := pdfLexerAt(source).operands(1); len(operands) == 1 && operands[0].kind == pdfString {
		return operands[0].bytes
	}
	return nil
}

// appendPDFName appends a name, without its slash.
func appendPDFName(out []byte, name string) []byte {
	for _, c := range []byte(name) {
		if c <= ' ' || c > '~' || c == '#' || !isPDFRegular(c) {
			out = fmt.Appendf(out, "#%02x", c)
		} else {
			out = append(out, c)
		}
	}
	return out
}

func sortedKeys(dict map[string][]byte) []string { return slices.Sorted(maps.Keys(dict)) }
