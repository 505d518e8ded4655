// Package archtest holds the test that keeps the import graph pointing one way:
// cmd → evalret → retrieve, ingest → internal leaves.
package archtest

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/ragloop/ragloop/"

// allow maps a package pattern (path.Match, relative to the module) to the
// packages of the module that its non-test files may import. The first match
// wins; a package that no pattern matches fails, so a new one must be placed.
var allow = []struct {
	pkg  string
	want []string
}{
	{"cmd/ragloop", []string{"*", "*/*", "proto/*/*", "ingest/chunk/preview", "ingest/extract/isolate", "internal/*", "evalret/ground/meta", "evalret/labels/convert", "evalret/labels/feedback", "evalret/labels/review", "evalret/labels/synth", "internal/embed/convert", "internal/embed/modelfile"}},
	{"cmd/demolabel", []string{"ingest/extract", "internal/demo", "internal/text"}}, // writes the demo's query set

	{"evalret", []string{"evalret/answer", "evalret/ground", "evalret/labels", "evalret/metric", "evalret/stats", "retrieve", "retrieve/pack", "internal/*"}},
	{"evalret/tune", []string{"evalret", "evalret/labels", "evalret/metric", "evalret/stats", "ingest/chunk", "retrieve", "retrieve/pack", "internal/*"}},
	{"evalret/quality", []string{"evalret", "evalret/labels", "evalret/labels/convert", "evalret/metric", "evalret/stats", "ingest/chunk", "retrieve", "retrieve/pack", "internal/*"}},
	{"evalret/report", []string{"evalret", "evalret/labels", "evalret/metric", "evalret/runs", "evalret/stats", "evalret/tune", "internal/*"}},
	{"evalret/ground", []string{"evalret/metric", "internal/text"}},
	{"evalret/ground/meta", []string{"evalret/ground", "evalret/metric", "evalret/stats", "internal/text"}},
	{"evalret/judge", []string{"evalret/ground", "internal/chat", "internal/endpoint", "internal/lexical", "internal/text"}},
	{"evalret/answer", []string{"evalret/ground", "evalret/labels", "evalret/metric", "internal/chat", "internal/embed", "internal/endpoint", "internal/lexical", "internal/text"}},
	{"evalret/labels", []string{"internal/filter", "internal/strictjson", "internal/text"}},
	{"evalret/labels/convert", []string{"evalret/labels", "internal/text"}},
	{"evalret/labels/feedback", nil},
	{"evalret/labels/review", []string{"evalret/labels", "evalret/labels/feedback", "internal/text"}},
	{"evalret/labels/synth", []string{"evalret/labels", "evalret/metric", "internal/chat", "internal/endpoint", "internal/lexical", "internal/text"}},
	{"evalret/metric", []string{"internal/text"}},
	{"evalret/stats", nil},
	{"evalret/runs", []string{"evalret", "evalret/metric", "evalret/stats", "internal/text"}},
	{"evalret/score", []string{"evalret/labels", "evalret/metric"}},

	{"retrieve", []string{"retrieve/pack", "internal/index", "internal/embed", "internal/filter", "internal/lexical", "internal/recent", "internal/text", "internal/tokens"}},
	{"retrieve/pack", []string{"internal/recent", "internal/text"}},
	{"retrieve/expand", []string{"internal/chat", "internal/lexical"}},
	{"retrieve/server", []string{"retrieve", "retrieve/expand", "retrieve/pack", "proto/*/*", "internal/admit", "internal/away", "internal/filter", "internal/index", "internal/meta", "internal/telemetry", "internal/text", "internal/tokens"}},

	{"ingest", []string{"ingest/extract", "ingest/situate", "ingest/chunk", "internal/index", "internal/embed", "internal/failpoint", "internal/lexical", "internal/meta", "internal/strictjson", "internal/text", "internal/tokens"}},
	{"ingest/extract", []string{"internal/meta", "internal/text"}},
	{"ingest/extract/isolate", []string{"ingest/extract"}},
	{"ingest/situate", []string{"internal/chat", "internal/endpoint", "internal/text"}},
	{"ingest/watch", []string{"ingest", "internal/text"}},
	{"ingest/chunk", []string{"ingest/extract", "internal/text", "internal/tokens"}},
	{"ingest/chunk/preview", []string{"ingest/chunk", "ingest/extract", "internal/text", "internal/webpage"}},

	{"proto/*/*", nil},
	{"internal/index", []string{"internal/away", "internal/qdrantlocal", "internal/qdrantwire", "internal/failpoint", "internal/filter", "internal/lexical", "internal/meta", "internal/recent", "internal/text"}},
	{"internal/qdrantlocal", []string{"internal/qdrantwire", "internal/failpoint", "internal/simd", "internal/lexical"}},
	{"internal/embed", []string{"internal/boltfile", "internal/embed/bert", "internal/embed/modelfile", "internal/embed/wordpiece", "internal/endpoint", "internal/simd", "internal/text"}},
	{"internal/embed/bert", []string{"internal/embed/modelfile", "internal/simd"}},
	{"internal/embed/convert", []string{"internal/embed", "internal/embed/bert", "internal/embed/modelfile", "internal/embed/wordpiece", "internal/simd"}},
	{"internal/embed/wordpiece", []string{"internal/text"}},
	{"internal/embed/*", nil},
	{"internal/filter", []string{"internal/meta"}},
	{"internal/chat", []string{"internal/away", "internal/boltfile", "internal/endpoint"}},
	{"internal/querycache", []string{"internal/away", "internal/embed"}},
	{"internal/endpoint", []string{"internal/away"}},
	{"internal/*", nil}, // leaves: the standard library and outside modules only
}

// outside maps an outside import path prefix to the only packages that may
// import it: protobuf types stop at the wire.
var outside = map[string][]string{
	"github.com/qdrant/go-client":          {"internal/index", "internal/qdrantlocal", "internal/qdrantwire"},
	"google.golang.org/grpc":               {"cmd/ragloop", "retrieve/server", "internal/index", "internal/qdrantlocal", "internal/qdrantwire", "internal/telemetry", "proto/*/*"},
	"google.golang.org/protobuf":           {"cmd/ragloop", "retrieve/server", "internal/index", "internal/qdrantlocal", "internal/qdrantwire", "proto/*/*"},
	"github.com/spf13/cobra":               {"cmd/ragloop"},
	"github.com/ledongthuc/pdf":            {"ingest/extract"},
	"github.com/pkoukk/tiktoken-go":        nil, // the reference of tests
	"github.com/pkoukk/tiktoken-go-loader": {"internal/tokens"},
	"go.etcd.io/bbolt":                     {"internal/boltfile", "internal/chat", "internal/embed"},
	"github.com/bmatcuk/doublestar":        {"ingest"},
	"github.com/prometheus":                {"internal/telemetry"},
	"go.opentelemetry.io":                  {"internal/telemetry"},
	"github.com/fsnotify/fsnotify":         {"ingest/watch"},
	"github.com/google/go-cmp":             nil,
	"testing":                              nil,
	"github.com/rogpeppe/go-internal":      nil,
}

// TestImports reads the import clauses itself instead of asking "go list": the
// test cache tracks files that a test opens but not those that a subprocess
// opens, so a go-list version passes from the cache after a bad import was added.
func TestImports(t *testing.T) {
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != root && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") || ownModule(file)) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files++
		for _, spec := range f.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			for _, problem := range check(path.Dir(filepath.ToSlash(rel)), imp) {
				t.Errorf("%s: %s", rel, problem)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Fatalf("read %d files, the walk misses most of the module", files)
	}
}

// TestCheck shows that the rules can fail.
func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		pkg, imp string
		bad      bool
	}{
		{"retrieve", module + "ingest", true},
		{"ingest", module + "retrieve", true},
		{"internal/text", module + "internal/tokens", true},
		{"internal/index", module + "retrieve", true},
		{"retrieve", "google.golang.org/grpc/codes", true},
		{"evalret", "github.com/qdrant/go-client/qdrant", true},
		{"ingest", "testing", true},
		{"brandnew", module + "ingest", true},
		{"evalret", module + "retrieve", false},
		{"retrieve/server", module + "proto/ragloop/v1", false},
		{"cmd/ragloop", module + "evalret/tune", false},
	} {
		if got := len(check(tt.pkg, tt.imp)) > 0; got != tt.bad {
			t.Errorf("check(%s, %s) bad = %v, want %v", tt.pkg, tt.imp, got, tt.bad)
		}
	}
}

// TestTopLevel: the root of the repository holds these entries and nothing else
// but what .gitignore names, such as the report that the demo writes there.
func TestTopLevel(t *testing.T) {
	root := filepath.Join("..", "..")
	want := map[string]bool{
		"cmd": true, "ingest": true, "retrieve": true, "evalret": true, "proto": true, "deploy": true,
		"internal": true, "go.mod": true, "go.sum": true, "README.md": true, "LICENSE": true,
	}
	ignored, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(ignored)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "/"); ok {
			want[strings.TrimSuffix(name, "/")] = true
		}
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !want[e.Name()] && !strings.HasPrefix(e.Name(), ".") {
			t.Errorf("top level has %s", e.Name())
		}
	}
}

func ownModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func check(pkg, imp string) (problems []string) {
	for prefix, only := range outside {
		if (imp == prefix || strings.HasPrefix(imp, prefix+"/")) && !anyMatch(only, pkg) {
			problems = append(problems, pkg+" must not import "+imp)
		}
	}
	rel, ok := strings.CutPrefix(imp, module)
	if !ok {
		return problems
	}
	for _, rule := range allow {
		if match(rule.pkg, pkg) {
			if !anyMatch(rule.want, rel) {
				problems = append(problems, pkg+" must not import "+rel)
			}
			return problems
		}
	}
	return append(problems, pkg+" has no rule: decide where it sits")
}

func match(pattern, name string) bool { ok, _ := path.Match(pattern, name); return ok }

func anyMatch(patterns []string, name string) bool {
	for _, p := range patterns {
		if match(p, name) {
			return true
		}
	}
	return false
}
