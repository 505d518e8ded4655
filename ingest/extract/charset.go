package extract

import (
	"bytes"
	"cmp"
	"fmt"
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/saintfish/chardet"
	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
)

// decodeText returns the text of in in UTF-8, without a byte order mark.
//
// The encoding is, in this order: that of a byte order mark, UTF-8 where the
// bytes are valid, the charset parameter of the declared media type, that of an
// XML declaration, a guess.
// A guess and bytes that could not be decoded are reported as warnings.
// The error wraps ErrUnsupported where the text holds NUL: it is binary; or
// ErrTooLarge.
func decodeText(in Input) (s string, warnings []string, err error) {
	if len(in.Data) > 2*MaxTextBytes { // no encoding takes more than twice what UTF-8 does
		return "", nil, tooLong(len(in.Data))
	}
	s, warnings = decodeBytes(in.Data, cmp.Or(declaredCharset(in.MediaType), xmlEncoding(in.Data)))
	if len(s) > MaxTextBytes {
		return "", nil, tooLong(len(s))
	}
	if at := strings.IndexByte(s, 0); at >= 0 {
		return "", nil, fmt.Errorf("%w: not text: a NUL byte at offset %d; supported are %s", ErrUnsupported, at, SupportedTypes())
	}
	return s, warnings, nil
}

// declaredCharset returns the charset parameter of a media type, or "".
func declaredCharset(mediaType string) string {
	_, params, err := mime.ParseMediaType(mediaType)
	if err != nil {
		return ""
	}
	return params["charset"]
}

var xmlDeclaration = regexp.MustCompile(`^<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']`)

// xmlEncoding returns the encoding that an XML declaration names, or "".
func xmlEncoding(data []byte) string {
	const longest = 256
	if m := xmlDeclaration.FindSubmatch(data[:min(len(data), longest)]); m != nil {
		return string(m[1])
	}
	return ""
}

// decodeBytes decodes data; declared names an encoding or is empty.
func decodeBytes(data []byte, declared string) (s string, warnings []string) {
	if enc, n := byteOrderMark(data); n > 0 {
		if enc == nil {
			return validUTF8(data[n:])
		}
		return decodeWith(enc, data[n:])
	}
	if enc, name := charset.Lookup(declared); enc != nil && name != "utf-8" && (!utf8.Valid(data) || name == "iso-2022-jp") {
		return decodeWith(enc, data)
	}
	if utf8.Valid(data) || damagedUTF8(data) {
		return validUTF8(data)
	}
	enc, name := guessEncoding(data)
	s, warnings = decodeWith(enc, data)
	return s, append([]string{"the encoding is not declared and not UTF-8; read as " + name + ", a guess"}, warnings...)
}

// byteOrderMark returns the encoding that a byte order mark at the start of
// data announces and the length of the mark; nil stands for UTF-8.
func byteOrderMark(data []byte) (encoding.Encoding, int) {
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return nil, 3
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), 2
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), 2
	}
	return nil, 0
}

// validUTF8 returns data with every run of invalid bytes replaced by U+FFFD.
func validUTF8(data []byte) (string, []string) {
	if utf8.Valid(data) {
		return string(data), nil
	}
	bad := 0
	for b := data; len(b) > 0; {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			bad++
		}
		b = b[size:]
	}
	return strings.ToValidUTF8(string(data), "\uFFFD"),
		[]string{fmt.Sprintf("%d bytes are not valid UTF-8 and were replaced by U+FFFD", bad)}
}

// damagedUTF8 reports whether data is UTF-8 with a few bad bytes, rather than
// text of another encoding: at least ten valid sequences of several bytes for
// each bad byte.
func damagedUTF8(data []byte) bool {
	good, bad := 0, 0
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1:
			bad++
		case size > 1:
			good++
		}
		data = data[size:]
	}
	return bad > 0 && good >= 10*bad
}

func decodeWith(enc encoding.Encoding, data []byte) (string, []string) {
	out, err := enc.NewDecoder().Bytes(data)
	if err != nil {
		// unreachable: the decoders of x/text replace what they cannot decode.
		return validUTF8(data)
	}
	s := strings.TrimPrefix(string(out), "\ufeff")
	if n := strings.Count(s, "\uFFFD"); n > 0 {
		return s, []string{fmt.Sprintf("%d characters could not be decoded and were replaced by U+FFFD", n)}
	}
	return s, nil
}

// guessEncoding guesses the encoding of text that is not UTF-8 from its bytes.
// It needs some 200 bytes to be reliable.
func guessEncoding(data []byte) (encoding.Encoding, string) {
	const sample = 64 << 10
	if len(data) > sample {
		data = data[:sample]
	}
	if best, err := chardet.NewTextDetector().DetectBest(data); err == nil {
		name := best.Charset
		if name == "GB-18030" {
			name = "gb18030" // the name that the encoding standard knows
		}
		if enc, canonical := charset.Lookup(name); enc != nil && canonical != "utf-8" && !strings.HasPrefix(canonical, "utf-16") {
			return enc, canonical
		}
	}
	enc, name := charset.Lookup("windows-1252") // maps every byte
	return enc, name
}
