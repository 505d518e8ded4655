package ingest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/meta"
)

func TestPathPattern(t *testing.T) {
	for _, tt := range []struct {
		pattern, path string
		want          meta.Fields // nil: no match
	}{
		{"{year:int}/{team}/**", "2024/legal/a/b.md", meta.Fields{"year": meta.OfInteger(2024), "team": meta.OfString("legal")}},
		{"{year:int}/{team}/**", "2024/b.md", nil},
		{"{year:int}/**", "x/b.md", nil},
		{"**/{date:date}-*.md", "2026-05-31-x.md", meta.Fields{"date": meta.OfTime(time.Date(2026, 5, 31, 0, 0, 0, 0, time.UTC))}},
		{"**/{date:date}-*.md", "a/b/2026-05-31-x.md", meta.Fields{"date": meta.OfTime(time.Date(2026, 5, 31, 0, 0, 0, 0, time.UTC))}},
		{"**/{date:date}-*.md", "2026-13-31-x.md", nil},
		{"{a}-{b:string}.(x)", "ü-ö-z.(x)", meta.Fields{"a": meta.OfString("ü"), "b": meta.OfString("ö-z")}},
		{"straße/{a}", "straße/x", meta.Fields{"a": meta.OfString("x")}},
	} {
		p, err := ParsePathPattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := p.Match(tt.path)
		if d := cmp.Diff(tt.want, got); d != "" && ok || ok != (tt.want != nil) {
			t.Errorf("%s on %s: %v (-want +got):\n%s", tt.pattern, tt.path, ok, d)
		}
	}
	for _, tt := range []struct{ pattern, want string }{
		{"", "character 1: a segment is empty"},
		{"/{a}", "character 1: a segment is empty"},
		{"ü/{a}//b", "character 7: a segment is empty"},
		{"{a}/{a}", "character 5: {a} occurs twice"},
		{"**/x-{a:float}", "character 6: {a:float}, allowed are string, int and date"},
		{"x/{a", `character 3: "{a", a capture is`},
		{"a}", `character 2: "}", a capture is`},
		{"{}", `character 1: "{}", a capture is`},
		{"{a}/{tags}", "character 5: {tags} is no key of metadata; reserved are modified, acl"},
		{"{modified}", "character 1: {modified} is no key"},
		{"x/{a }", `character 3: invalid metadata: key "a ", allowed is any UTF-8 text without`},
		{"../{a}", `character 1: no document id has the segment ".."`},
		{"x**/{a}", "character 2: ** is a whole segment"},
		{"a/b", `"a/b" takes nothing from a path`},
	} {
		if _, err := ParsePathPattern(tt.pattern); !errors.Is(err, ErrPathPattern) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ParsePathPattern(%q) = %v, want %s", tt.pattern, err, tt.want)
		}
	}
}

// Paths that the pattern does not match are counted by a run and by a preview,
// also where nothing has changed.
func TestUnmatchedPaths(t *testing.T) {
	p, err := ParsePathPattern("{team}/*")
	if err != nil {
		t.Fatal(err)
	}
	src := WithPathMeta(Documents([]Item{
		Text("legal/a", "", "one"), Text("b", "", "two"), Text("c/d/e", "", "three"), {ID: "gone", Deleted: true},
	}), p)
	c := dial(t, index.Options{})
	name := collection(t, c)
	o := Options{Embedder: &hashed{}, Extractor: InProcess{}}
	for range 2 {
		preview, err := Look(t.Context(), c, plan(name), src, o)
		if err != nil || preview.Unmatched != 2 {
			t.Errorf("Look counts %d, %v", preview.Unmatched, err)
		}
		built, err := Build(t.Context(), c, plan(name), src, o)
		if err != nil || built.Summary.Unmatched != 2 {
			t.Errorf("Build counts %d, %v", built.Summary.Unmatched, err)
		}
	}
}
