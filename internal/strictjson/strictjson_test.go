package strictjson

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type fault struct{ Path, Problem string }

func newFault(path, problem string) *fault { return &fault{path, problem} }

func TestObject(t *testing.T) {
	var got []string
	bad := Object([]byte(` {"b": 1, "a": {"x": [1, 2]}, "": null} `), "", newFault, func(key string, value json.RawMessage) *fault {
		got = append(got, key+"="+string(value))
		return nil
	})
	if d := cmp.Diff([]string{"b=1", `a={"x": [1, 2]}`, "=null"}, got); bad != nil || d != "" {
		t.Errorf("Object = %v (-want +got):\n%s", bad, d)
	}
}

func TestObjectFaults(t *testing.T) {
	for raw, want := range map[string]fault{
		``:                   {"m", "is not valid JSON: the line ends inside the object"},
		`{"a":1`:             {"m", "is not valid JSON: the line ends inside the object"},
		`{"a":`:              {"m", "is not valid JSON: the line ends inside the object"},
		`[1]`:                {"m", "is [1]; want a JSON object"},
		`null`:               {"m", "is null; want a JSON object"},
		`{"a":1,"a":2}`:      {"m.a", "is given twice"},
		`{"a":1,"\u0061":2}`: {"m.a", "is given twice"},
		`{"a":1} {}`:         {"m", "has something after the object; want one object a line"},
		`{"stop":1,"a":}`:    {"m.stop", "is not wanted"},
	} {
		got := Object([]byte(raw), "m", newFault, func(key string, _ json.RawMessage) *fault {
			if key == "stop" {
				return newFault(Join("m", key), "is not wanted")
			}
			return nil
		})
		if d := cmp.Diff(&want, got); d != "" {
			t.Errorf("Object(%s) (-want +got):\n%s", raw, d)
		}
	}
	got := Object([]byte(`{"a":x}`), "", newFault, func(string, json.RawMessage) *fault { return nil })
	if got == nil || got.Path != "" || !strings.HasPrefix(got.Problem, "is not valid JSON: invalid character 'x'") {
		t.Errorf("Object of a syntax error = %+v", got)
	}
}

func TestAbbreviate(t *testing.T) {
	for in, want := range map[string]string{
		" 1 ":                                  "1",
		strings.Repeat("a", 40):                strings.Repeat("a", 40),
		strings.Repeat("a", 41):                strings.Repeat("a", 40) + "…",
		strings.Repeat("a", 39) + "é and more": strings.Repeat("a", 39) + "…",
		strings.Repeat("\x80", 41):             "…",
	} {
		if got := Abbreviate([]byte(in)); got != want {
			t.Errorf("Abbreviate(%q) = %q, want %q", in, got, want)
		}
	}
}
