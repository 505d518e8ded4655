// Package strictjson reads JSON that people and foreign programs write: an object
// key by key, in order, so that an error can name the key, and a key that is
// given twice is one, unlike with encoding/json. It knows no schema: which keys
// there may be, and what they hold, is for its callers, and so is the type of
// errors.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Object reads a JSON object and calls visit with each key and its value, in
// order, until visit returns an error. path is where the object itself is: the
// path of its keys is [Join] of both.
//
// The result is nil, what visit returned, or what fault made of a path and of
// what is wrong there, such as "is given twice". Nothing may follow the object.
func Object[E any](raw []byte, path string, fault func(path, problem string) *E, visit func(key string, value json.RawMessage) *E) *E {
	dec := json.NewDecoder(bytes.NewReader(raw))
	broken := func(err error) *E {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return fault(path, fmt.Sprintf("is not valid JSON: %v (byte %d)", err, syntax.Offset))
		}
		// What is left are io.EOF and io.ErrUnexpectedEOF, after a prefix of an object.
		return fault(path, "is not valid JSON: the line ends inside the object")
	}
	open, err := dec.Token()
	if err != nil {
		return broken(err)
	}
	if open != json.Delim('{') {
		return fault(path, fmt.Sprintf("is %s; want a JSON object", Abbreviate(raw)))
	}
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return broken(err)
		}
		key := tok.(string) // the decoder takes nothing else for a key
		if seen[key] {
			return fault(Join(path, key), "is given twice")
		}
		seen[key] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return broken(err)
		}
		if e := visit(key, value); e != nil {
			return e
		}
	}
	if _, err := dec.Token(); err != nil {
		return broken(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fault(path, "has something after the object; want one object a line")
	}
	return nil
}

// Join returns the path of a key of the object at path: the key alone where path
// is empty.
func Join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// Abbreviate returns raw for a message, without white space around it and cut to
// 40 bytes at a code point.
func Abbreviate(raw []byte) string {
	const most = 40
	s := string(bytes.TrimSpace(raw))
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
