package chat

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestObject(t *testing.T) {
	for _, c := range []struct{ answer, want, text string }{
		{`{"a":1}`, `{"a":1}`, ""},
		{"\n {\"a\": {\"b\":2}} \n", `{"a": {"b":2}}`, ""},
		{"Sure:\n```json\n{\"a\":\"}\"}\n```\nDone {as asked}.", `{"a":"}"}`, ""},
		{`<think>perhaps {"a":2}?</think>{"a":1}`, `{"a":1}`, ""},
		{`{"a":"</think>"}`, `{"a":"</think>"}`, ""},
		{`{"a":1} or rather {"a":2}`, "", "several"},
		{`{"a":1} and again {"a":1}`, `{"a":1}`, ""},
		{"{\"a\":\"two\nlines\tand\r\nmore\"}", `{"a":"two lines and  more"}`, ""},
		{"Here:\n```json\n{\"a\":\"\n\",\n\"b\":1}\n```", `{"a":" ", "b":1}`, ""},
		{"{\"a\":1}\n{\"a\":\"\n\"}", `{"a":1}`, ""},
		{"{\"a\":\"\n", "", "none"},
		{`{"a":1`, "", "none"},
		{`["a"]`, "", "none"},
		{"", "", "none"},
		{strings.Repeat("{", 100), "", "more than 64"},
	} {
		got, err := Object(c.answer)
		if string(got) != c.want || (err == nil) != (c.text == "") {
			t.Errorf("Object(%q) = %s, %v, want %s", c.answer, got, err, c.want)
		}
		if err != nil && (!errors.Is(err, ErrNoObject) || !strings.Contains(err.Error(), c.text)) {
			t.Errorf("Object(%q) = %v, want one with %q", c.answer, err, c.text)
		}
	}
}

func FuzzObject(f *testing.F) {
	var pairs []string
	for r := range rune(' ') {
		pairs = append(pairs, string(r), " ")
	}
	spaced := strings.NewReplacer(pairs...)
	f.Add("{\"a\":\"\n\"}")
	f.Add("x {\"a\":[{}]} y")
	f.Fuzz(func(t *testing.T, answer string) {
		got, err := Object(answer)
		if err != nil {
			if got != nil || !errors.Is(err, ErrNoObject) {
				t.Fatalf("Object = %s, %v", got, err)
			}
			return
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(got, &object) != nil || object == nil || !strings.Contains(answer, string(got)) && !strings.Contains(spaced.Replace(answer), string(got)) {
			t.Fatalf("Object(%q) = %s", answer, got)
		}
	})
}
