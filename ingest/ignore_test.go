package ingest

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/google/go-cmp/cmp"
)

// TestIgnoreLines: each line against paths, as git 2.39 decides; a path that
// ends in a slash is a directory.
func TestIgnoreLines(t *testing.T) {
	for _, tt := range []struct{ line, names, others string }{
		{"*.tmp", "a.tmp d/a.tmp .tmp d.tmp/", "a.tmpx tmp"},
		{"build", "build build/ d/build", "builds d/builds"},
		{"build/", "build/ d/build/", "build"},
		{"/build", "build build/", "d/build"},
		{"d/build", "d/build", "build e/d/build"},
		{"**/build", "build d/build d/e/build", "builds"},
		{"d/**", "d/a d/e/f", "d d/"},
		{"d/**/f", "d/f d/e/f d/e/g/f", "d f e/f"},
		{"/**", "a a/b", ""},
		{"**", "a a/b", ""},
		{"d/*", "d/a d/e/", "d/e/a d"},
		{"a**b", "ab axb d/axb", "a/b"},
		{"d/a**b", "d/ab d/axxb", "d/a/b"},
		{"d/***/b", "d/b d/e/b d/e/f/b", "b"},
		{"?.md", "a.md é.md d/b.md", "ab.md .md"},
		{"[a-c].md", "a.md c.md", "d.md .md A.md"},
		{"[!a-c].md", "d.md é.md", "a.md"},
		{"[^a].md", "b.md", "a.md"},
		{"x[^a]y", "xby", "xay x/y"},
		{"d/x[!a]y", "d/xby", "d/xay d/x/y"},
		{"d[ -~]e", "dxe d.e d0e", "d/e"},
		{"[]a].md", "].md a.md", "b.md"},
		{"[a-].md", "a.md -.md", "b.md"},
		{`[\]-a].md`, "].md a.md ^.md", "b.md"},
		{`[a\-c].md`, "a.md -.md c.md", "b.md"},
		{"[[:digit:][:upper:]]x", "1x Ax", "ax"},
		{"[![:space:]]x", "ax", ""},
		{"{a,b}", "{a,b}", "a b"},
		{`\#a`, "#a", "a"},
		{`\!a`, "!a", "a"},
		{"#a", "", "#a a"},
		{`a\*`, "a*", "ab a"},
		{"a*", "a ab a*", "ba"},
		{"a ", "a", ""},
		{`d\/a`, "d/a", "a"},
		{`é*`, "é éa", "e"},
		{"a/b//c", "", "a/b/c"},
		{"", "", "a"},
		{"   ", "", "a"},
	} {
		p, ok, err := parseLine(tt.line)
		if err != nil {
			t.Errorf("%q: %v", tt.line, err)
			continue
		}
		for want, names := range map[bool]string{true: tt.names, false: tt.others} {
			for name := range strings.FieldsSeq(names) {
				file, dir := strings.CutSuffix(name, "/")
				if got := ok && p.match(file, dir); got != want {
					t.Errorf("line %q names %s: %v, want %v (glob %q)", tt.line, name, got, want, p.glob)
				}
			}
		}
	}
}

// TestIgnoreSpaces: of the spaces at the end those that are escaped stay.
func TestIgnoreSpaces(t *testing.T) {
	for line, want := range map[string]string{
		"a": "a", "a ": "a", "a  \t ": "a  \t", `a\ `: `a\ `, `a\  `: `a\ `, `a \ b  `: `a \ b`, `a\\ `: `a\\`, `a\`: `a\`, "  ": "",
	} {
		if got := trimSpaces(line); got != want {
			t.Errorf("trimSpaces(%q) = %q, want %q", line, got, want)
		}
	}
}

func TestBadPatterns(t *testing.T) {
	for line, want := range map[string]string{
		"/": "it names nothing", "!": "it names nothing", "!/": "it names nothing",
		`a\`: `it ends with a "\" that escapes nothing`, `a\/`: `it ends with a "\" that escapes nothing`,
		"a[": `a "[" is never closed`, "[]": `a "[" is never closed`, "[!]": `a "[" is never closed`, `[a\`: `a "[" is never closed`,
		"[a-": `a "[" is never closed`, `[a-\`: `a "[" is never closed`, "[[:digit:]": `a "[" is never closed`,
		"[[:alphas:]]": `"[:alphas:]]" begins no class of characters`, "[[:alpha]": `"[:alpha]" begins no class of characters`,
		"[z-a]": "the range z-a is empty", "[/]": `a "/" in brackets matches nothing`,
	} {
		if _, _, err := parseLine(line); err == nil || err.Error() != want {
			t.Errorf("parseLine(%q) = %v, want %s", line, err, want)
		}
	}
	for glob, want := range map[string]string{
		"":        `exclude glob "": it names nothing`,
		"!a":      `exclude glob "!a": "!" takes nothing back in here; write "\!" for a name that begins with it`,
		"*.{a,b}": `exclude glob "*.{a,b}": braces list no alternatives; give one glob for each, or write "\{" for a name that has one`,
		"[a":      `exclude glob "[a": a "[" is never closed`,
	} {
		if _, err := Select(nil, []string{glob}); err == nil || err.Error() != want {
			t.Errorf("Select(exclude %q) = %v, want %s", glob, err, want)
		}
		if _, err := Select([]string{glob}, nil); err == nil || !strings.HasPrefix(err.Error(), "include glob") {
			t.Errorf("Select(include %q) = %v", glob, err)
		}
	}
}

// TestSelect: globs, ignore files of several directories, and what is left out.
func TestSelect(t *testing.T) {
	file := &fstest.MapFile{Data: []byte("x")}
	fsys := fstest.MapFS{
		".ragloopignore":      {Data: []byte("\ufeff# ours\r\n*.tmp\r\n/drafts/\n!keep.tmp\n")},
		"docs/.ragloopignore": {Data: []byte("keep.tmp\n!b.tmp\nold\n")}, // without a line end
		"a.tmp":               file, "keep.tmp": file, "readme.md": file, "drafts/keep.tmp": file, "drafts/.ragloopignore": {Data: []byte("!*")},
		"docs/b.tmp": file, "docs/keep.tmp": file, "docs/drafts/x.md": file, "docs/old/y.md": file, "docs/z.txt": file,
	}
	omit := func(name string, dir bool, why Omission, by string) Omitted { return Omitted{name, dir, why, by} }
	ignored := []Omitted{
		omit("a.tmp", false, OmitIgnored, "srv/.ragloopignore:2: *.tmp"),
		omit("docs/keep.tmp", false, OmitIgnored, "srv/docs/.ragloopignore:1: keep.tmp"),
		omit("docs/old", true, OmitIgnored, "srv/docs/.ragloopignore:3: old"),
		omit("drafts", true, OmitIgnored, "srv/.ragloopignore:3: /drafts/"),
	}
	for _, tt := range []struct {
		name             string
		include, exclude []string
		want             []string
		omitted          []Omitted
	}{
		{"ignore files alone", nil, nil, []string{"docs/b.tmp", "docs/drafts/x.md", "docs/z.txt", "keep.tmp", "readme.md"}, ignored},
		{"include", []string{"*.md", "docs/z*"}, nil, []string{"docs/drafts/x.md", "docs/z.txt", "readme.md"}, []Omitted{
			ignored[0], omit("docs/b.tmp", false, OmitUnselected, ""), ignored[1], ignored[2], ignored[3], omit("keep.tmp", false, OmitUnselected, ""),
		}},
		{"include a directory", []string{"/docs/"}, nil, []string{"docs/b.tmp", "docs/drafts/x.md", "docs/z.txt"}, []Omitted{
			ignored[0], ignored[1], ignored[2], ignored[3], omit("keep.tmp", false, OmitUnselected, ""), omit("readme.md", false, OmitUnselected, ""),
		}},
		{"exclude", []string{"docs/**"}, []string{"drafts", "**/z.*"}, []string{"docs/b.tmp"}, []Omitted{
			ignored[0], omit("docs/drafts", true, OmitExcluded, "drafts"), ignored[1], ignored[2], omit("docs/z.txt", false, OmitExcluded, "**/z.*"),
			omit("drafts", true, OmitExcluded, "drafts"), omit("keep.tmp", false, OmitUnselected, ""), omit("readme.md", false, OmitUnselected, ""),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			selection, err := Select(tt.include, tt.exclude)
			if err != nil {
				t.Fatal(err)
			}
			var omitted []Omitted
			src := FS(fsys, FSOptions{URIPrefix: "srv/", Select: selection, Omitted: func(m Omitted) { omitted = append(omitted, m) }})
			if d := cmp.Diff(tt.want, list(t, src)); d != "" {
				t.Errorf("ids (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.omitted, omitted); d != "" {
				t.Errorf("omitted (-want +got):\n%s", d)
			}
			for _, name := range tt.want {
				if !selection.Wants(name) {
					t.Errorf("Wants(%q) = false, but it is listed", name)
				}
			}
			for _, m := range omitted {
				if m.Dir {
					m.Name += "/gone/x.md"
				}
				if (m.Why == OmitExcluded || m.Why == OmitUnselected) && selection.Wants(m.Name) {
					t.Errorf("Wants(%q) = true, but it is left out", m.Name)
				}
			}
		})
	}
}

// TestGlobSpaces: around a glob spaces count only where they are escaped.
func TestGlobSpaces(t *testing.T) {
	s, err := Select(nil, []string{" *.tmp ", `\ a`, `b\ `})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"x.tmp": false, " x.tmp": false, " a": false, "a": true, "b ": false, "b": true} {
		if got := s.Wants(name); got != want {
			t.Errorf("Wants(%q) = %v, want %v", name, got, want)
		}
	}
}

// TestIgnoreAsGit compares with git itself on random trees with random ignore
// files: which files are left, and which line decided about the others.
func TestIgnoreAsGit(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed")
	}
	const trees = 16
	compared := 0
	for seed := range uint64(trees) {
		rnd := rand.New(rand.NewPCG(5, seed))
		dir := t.TempDir()
		for name, data := range randomTree(rnd) {
			full := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(full, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		var omitted []Omitted
		got := list(t, FS(RootFS(root), FSOptions{Omitted: func(m Omitted) { omitted = append(omitted, m) }}))
		root.Close()
		run := func(stdin string, args ...string) string {
			cmd := exec.CommandContext(t.Context(), git, args...)
			cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
			cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "LC_ALL=C")
			out, err := cmd.Output()
			if err != nil && len(out) == 0 {
				t.Fatalf("git %s: %v", args, err)
			}
			return string(out)
		}
		run("", "init", "--quiet")
		var want []string
		for name := range strings.SplitSeq(run("", "ls-files", "--others", "--exclude-per-directory="+IgnoreFile, "-z"), "\x00") {
			if name != "" && path.Base(name) != IgnoreFile {
				want = append(want, name)
			}
		}
		slices.SortFunc(want, func(a, b string) int { // as a tree is listed
			return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
		})
		compared += len(want)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("tree %d: files (-git +got):\n%s", seed, d)
		}
		compared += len(omitted)
		if d := cmp.Diff(gitDecisions(t, dir, omitted, run), omitted); d != "" {
			t.Fatalf("tree %d: left out (-git +got):\n%s", seed, d)
		}
	}
	t.Logf("%d decisions compared in %d trees", compared, trees)
}

// gitDecisions returns omitted with what git says that each is left out by.
func gitDecisions(t *testing.T, dir string, omitted []Omitted, run func(stdin string, args ...string) string) (by []Omitted) {
	t.Helper()
	// check-ignore knows these files as .gitignore alone.
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == IgnoreFile {
			err = os.Rename(file, filepath.Join(filepath.Dir(file), ".gitignore"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if omitted == nil {
		return nil
	}
	var names strings.Builder
	for _, m := range omitted {
		names.WriteString(m.Name + "\x00")
	}
	f := strings.Split(run(names.String(), "check-ignore", "--no-index", "--verbose", "--non-matching", "-z", "--stdin"), "\x00")
	for i, m := range omitted {
		g := f[4*i:]
		m.Name, m.By = g[3], fmt.Sprintf("%s:%s: %s", strings.Replace(g[0], ".gitignore", IgnoreFile, 1), g[1], g[2])
		by = append(by, m)
	}
	return by
}

// randomTree returns a tree of files with ignore files in some directories, with
// names and patterns of so few parts that many match.
func randomTree(rnd *rand.Rand) map[string]string {
	pick := func(from ...string) string { return from[rnd.IntN(len(from))] }
	word := func() string {
		return pick("a", "b", "ab", "ba", "a.c", "b.c", "aXb", "-", "a b", "b*", "[a]", "#a", "!b", "a ", "é", "AB")
	}
	dirs := []string{""}
	for range 12 {
		dirs = append(dirs, path.Join(pick(dirs...), word()+"d"))
	}
	tree := map[string]string{}
	for range 60 {
		tree[path.Join(pick(dirs...), word())] = "x"
	}
	part := func() string {
		var b strings.Builder
		for range 1 + rnd.IntN(3) {
			b.WriteString(pick("a", "b", "c", ".", "*", "?", "**", "d", "[ab]", "[!a]", "[a-b]", "[^a-]", "[[:alpha:]]", "[]a]", `\*`, `\a`, `\[`, " ", "X", "[ -~]"))
		}
		return b.String()
	}
	for _, dir := range append([]string{""}, dirs[rnd.IntN(len(dirs)):]...) {
		var b bytes.Buffer
		for range 1 + rnd.IntN(5) {
			start := b.Len()
			fmt.Fprint(&b, pick("", "", "", "!", "#", " ", `\#`, `\!`))
			fmt.Fprint(&b, pick("", "", "/", "**/", "***/"))
			for i := range 1 + rnd.IntN(3) {
				if i > 0 {
					b.WriteString(pick("/", "/", "/**/", "//"))
				}
				b.WriteString(pick(part(), word(), word()+"d", "*"))
			}
			fmt.Fprint(&b, pick("", "", "", "/", "/**", "/*", "  ", `\ `, `\  `), pick("\n", "\n", "\r\n"))
			if _, err := parseIgnoreFile("", b.Bytes()[start:]); err != nil {
				b.Truncate(start) // for git it only matches nothing
			}
		}
		tree[path.Join(dir, IgnoreFile)] = b.String()
	}
	return tree
}

// FuzzIgnoreFile: no file makes the parser or a match fail, or a valid pattern
// one that doublestar refuses.
func FuzzIgnoreFile(f *testing.F) {
	f.Add([]byte("*.tmp\n!a/**/b[[:alpha:]x-z]\\ \n#\n/d/\n"), "a/b/c")
	f.Add([]byte("\ufeff[]-\\]]*{a,b}\r\n"), "é/\xff")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		patterns, err := parseIgnoreFile("f", data)
		if err != nil {
			return
		}
		for _, p := range patterns {
			if !doublestar.ValidatePattern(p.glob) {
				t.Errorf("%q became %q, which is no pattern", p.text, p.glob)
			}
		}
		if fs.ValidPath(name) {
			lastMatch(patterns, name, true)
		}
	})
}

// TestIgnoreCancelled: a listing ends soon after its context, below the root too.
func TestIgnoreCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	fsys := fstest.MapFS{"a/b/c.txt": {}}
	src := FS(fsys, FSOptions{Entered: func(dir string) {
		if dir == "a" {
			cancel()
		}
	}})
	n := 0
	for item, err := range src.Items(ctx) {
		if n++; err == nil || item.ID != "" {
			t.Errorf("item %q, %v after the end", item.ID, err)
		}
	}
	if n != 1 {
		t.Errorf("%d items after the end, want the error alone", n)
	}
}
