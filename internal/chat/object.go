package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrNoObject is wrapped by errors of [Object].
var ErrNoObject = errors.New("no single JSON object in the answer")

// maxObjectStarts bounds how many places of an answer are tried, so that an
// answer of braces costs no more than its length times this.
const maxObjectStarts = 64

// Object returns the one JSON object in an answer: the whole of it, or what is
// in a code fence or among other words. What stands in front of "</think>" is the
// model's thinking and not looked at. Objects inside the object do not count. An
// answer with none, with several, or with too many braces that begin none is an
// error that wraps [ErrNoObject]: which one was meant would be a guess.
//
// Line breaks and other control characters inside strings are no JSON, but what some
// models write and some grammars of endpoints allow: where there is no object
// otherwise, they are taken for spaces.
func Object(answer string) (json.RawMessage, error) {
	found, err := object(answer)
	if err == nil || !strings.ContainsFunc(answer, control) {
		return found, err
	}
	spaced, again := object(strings.Map(func(r rune) rune {
		if control(r) {
			return ' '
		}
		return r
	}, answer))
	if again != nil {
		return nil, err
	}
	return spaced, nil
}

// control reports whether r is a character that JSON forbids in strings.
func control(r rune) bool { return r < ' ' }

// object is Object for one way to read the answer.
func object(answer string) (json.RawMessage, error) {
	answer = strings.TrimSpace(answer)
	if strings.HasPrefix(answer, "{") && json.Valid([]byte(answer)) {
		return json.RawMessage(answer), nil // whatever its strings hold
	}
	if _, after, ok := strings.Cut(answer, "</think>"); ok {
		answer = after
	}
	var found json.RawMessage
	for starts := 0; ; starts++ {
		at := strings.IndexByte(answer, '{')
		if at < 0 {
			break
		}
		if starts == maxObjectStarts {
			return nil, fmt.Errorf("%w: more than %d braces that begin none", ErrNoObject, maxObjectStarts)
		}
		answer = answer[at:]
		var object json.RawMessage
		dec := json.NewDecoder(strings.NewReader(answer))
		if dec.Decode(&object) != nil {
			answer = answer[1:]
			continue
		}
		if found != nil && !bytes.Equal(found, object) {
			return nil, fmt.Errorf("%w: there are several", ErrNoObject)
		}
		found = object
		answer = answer[dec.InputOffset():]
	}
	if found == nil {
		return nil, fmt.Errorf("%w: there is none", ErrNoObject)
	}
	return found, nil
}
