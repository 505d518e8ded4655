package extract

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJSONText(t *testing.T) {
	tests := []struct {
		name, source string
		want         []string
	}{
		{"plain value", `"a"`, []string{`paragraph 0 p0 "a"`}},
		{"object", `{"a": {"b": 1.50, "c": [true, null, "x"]}, "d": 1e9}`, []string{`paragraph 0 p0 "a.b: 1.50\na.c: true, x"`, `paragraph 0 p0 "d: 1e9"`}},
		{"records", `[{"n": 1, "l": [{"m": 2}, 3]}, {"n": 4}, [5, 6]]`, []string{`row 0 p0 "n: 1\nl[0].m: 2\nl: 3"`, `row 0 p0 "n: 4"`, `row 0 p0 "5, 6"`}},
		{"records below keys", `{"v": 1, "a": {"b": [{"n": 1}, {"n": 2}], "c": 3}}`, []string{`paragraph 0 p0 "v: 1"`, `row 0 p0 "a.b.n: 1"`, `row 0 p0 "a.b.n: 2"`, `paragraph 0 p0 "a.c: 3"`}},
		{"list", `["a", "b"]`, []string{`row 0 p0 "a"`, `row 0 p0 "b"`}},
		{"several", `{"a": 1} {"a": 2}`, []string{`paragraph 0 p0 "a: 1"`, `paragraph 0 p0 "a: 2"`}},
		{"odd keys", `{"": "x", "a b": {"\u0000c\n": "\ud800"}}`, []string{`paragraph 0 p0 "x"`, `paragraph 0 p0 "a b.c: �"`}},
	}
	for _, tt := range tests {
		doc := mustExtract(t, "x.json", []byte(tt.source))
		if diff := cmp.Diff(tt.want, kindsOf(doc)); diff != "" {
			t.Errorf("%s: blocks (-want +got):\n%s", tt.name, diff)
		}
	}
	for source, want := range map[string]string{`{"name": "n", "title": "t"}`: "t", `{"name": "n"}`: "n", `{"title": 7}`: "", `[{"title": "t"}]`: "", `{"title": "a"} {"title": "b"}`: ""} {
		if doc := mustExtract(t, ".json", []byte(source)); doc.Title != want {
			t.Errorf("title of %s = %q, want %q", source, doc.Title, want)
		}
	}
}

func FuzzJSON(f *testing.F) {
	f.Add(`{"title": "a", "b": [{"c": [1, "d", null]}, [[2]]]}`)
	f.Add(`[] {} "x" 1`)
	f.Fuzz(func(t *testing.T, s string) { fuzzExtract(t, "x.json", "application/json", s) })
}
