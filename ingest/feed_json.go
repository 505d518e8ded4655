package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/ragloop/ragloop/internal/strictjson"
)

// jsonValue decodes raw into dst; null is refused, so that absent and null can't
// be confused.
func jsonValue[T any](raw json.RawMessage, field, want string, dst *T) *FeedError {
	if string(raw) == "null" {
		return &FeedError{Field: field, Problem: "is null; want " + want + ", or leave the field out"}
	}
	if json.Unmarshal(raw, dst) != nil {
		return &FeedError{Field: field, Problem: fmt.Sprintf("is %s; want %s", strictjson.Abbreviate(raw), want)}
	}
	return nil
}

func jsonStrings(raw json.RawMessage, field string, maxBytes int, dst *[]string) *FeedError {
	var items []json.RawMessage
	if fault := jsonValue(raw, field, "an array of strings", &items); fault != nil {
		return fault
	}
	for i, item := range items {
		var s string
		if fault := jsonString(item, fmt.Sprintf("%s[%d]", field, i), maxBytes, &s); fault != nil {
			return fault
		}
		*dst = append(*dst, s)
	}
	return nil
}

// jsonString decodes a string. Half of a surrogate pair, which encoding/json turns
// into U+FFFD, is refused: the text would not be the one that was sent.
func jsonString(raw json.RawMessage, field string, maxBytes int, dst *string) *FeedError {
	if fault := jsonValue(raw, field, "a string", dst); fault != nil {
		return fault
	}
	if half := loneSurrogate(raw); half != "" {
		return &FeedError{Field: field, Problem: fmt.Sprintf("has %s, half of a surrogate pair, which is no character", half)}
	}
	if n := len(*dst); n > maxBytes {
		return &FeedError{Field: field, Problem: fmt.Sprintf("has %d bytes, allowed are %d", n, maxBytes)}
	}
	return nil
}

// loneSurrogate returns the first escape in a valid JSON string that stands for
// half of a pair, "" where there is none.
func loneSurrogate(raw []byte) string {
	const size = len(`\u0000`)
	unit := func(i int) (rune, bool) {
		if i+size > len(raw) || raw[i] != '\\' || raw[i+1] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(string(raw[i+2:i+size]), 16, 16)
		return rune(n), err == nil
	}
	for i := 0; ; {
		next := bytes.IndexByte(raw[i:], '\\')
		if next < 0 {
			return ""
		}
		i += next
		r, ok := unit(i)
		switch {
		case !ok:
			i += len(`\n`)
		case r < 0xD800 || r > 0xDFFF:
			i += size
		default:
			if low, ok := unit(i + size); !ok || r > 0xDBFF || low < 0xDC00 || low > 0xDFFF {
				return string(raw[i : i+size])
			}
			i += 2 * size
		}
	}
}

// jsonObject reads a JSON object and calls visit with each key and value in order.
// A key that is given twice is an error.
func jsonObject(raw []byte, field string, visit func(key string, raw json.RawMessage) *FeedError) *FeedError {
	return strictjson.Object(raw, field, func(field, problem string) *FeedError { return &FeedError{Field: field, Problem: problem} }, visit)
}
