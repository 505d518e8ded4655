package extract

import (
	"bytes"
	"unicode/utf16"
)

// maxCodeText bounds the text of one code, in bytes of UTF-16; ligatures of
// whole words have some 20 letters.
const maxCodeText = 64

// parseToUnicode reads the mappings of a ToUnicode CMap (ISO 32000-1, 9.10.3)
// from code to text. What is not a mapping is skipped.
func parseToUnicode(data []byte) map[int]string {
	m := map[int]string{}
	entries := 0
	put := func(code int, utf16 []byte) {
		if entries++; entries <= maxFontEntries && code <= 0xffff && len(utf16) <= maxCodeText {
			m[code] = pdfText(utf16BE(utf16))
		}
	}
	const none, char, ranges = 0, 1, 2
	mode := none
	var args [][]byte  // hexadecimal strings of the mapping that is open
	var array [][]byte // of the array that is open
	inArray := false
	for len(data) > 0 {
		switch c := data[0]; {
		case c == '<' && len(data) > 1 && data[1] == '<', c == '>':
			data = data[1:]
			if c == '<' {
				data = data[1:]
			}
		case c == '<':
			end := bytes.IndexByte(data, '>')
			if end < 0 {
				return m
			}
			arg := decodePDFHex(data[1:end])
			data = data[end+1:]
			if inArray {
				array = append(array, arg)
				continue
			}
			args = append(args, arg)
			switch {
			case mode == char && len(args) == 2:
				put(codeOf(args[0]), args[1])
				args = args[:0]
			case mode == ranges && len(args) == 3:
				first, last := codeOf(args[0]), codeOf(args[1])
				for i := 0; first+i <= last && i <= 0xffff && entries <= maxFontEntries && len(args[2]) <= maxCodeText; i++ {
					put(first+i, addToCode(args[2], i))
				}
				args = args[:0]
			case mode == none:
				args = args[:0]
			}
		case c == '[':
			inArray, array = true, array[:0]
			data = data[1:]
		case c == ']':
			if inArray && mode == ranges && len(args) == 2 {
				for i, s := range array {
					put(codeOf(args[0])+i, s)
				}
			}
			inArray, args = false, args[:0]
			data = data[1:]
		case isPDFRegular(c):
			end := 1
			for end < len(data) && isPDFRegular(data[end]) {
				end++
			}
			switch string(data[:end]) {
			case "beginbfchar":
				mode, args, inArray = char, args[:0], false
			case "beginbfrange":
				mode, args, inArray = ranges, args[:0], false
			case "endbfchar", "endbfrange":
				mode = none
			}
			data = data[end:]
		default:
			data = data[1:]
		}
	}
	return m
}

// codeOf returns the code that big-endian bytes spell.
func codeOf(b []byte) int {
	n := 0
	for _, c := range b[:min(len(b), 4)] {
		n = n<<8 | int(c)
	}
	return n
}

// addToCode returns big-endian b plus k.
func addToCode(b []byte, k int) []byte {
	b = bytes.Clone(b)
	for i := len(b) - 1; i >= 0 && k > 0; i-- {
		k += int(b[i])
		b[i] = byte(k)
		k >>= 8
	}
	return b
}

// utf16BE decodes big-endian UTF-16. A single byte is taken for its code point,
// as some producers write it.
func utf16BE(b []byte) string {
	if len(b) == 1 {
		return string(rune(b[0]))
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
	}
	return string(utf16.Decode(units))
}
