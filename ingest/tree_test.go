package ingest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFS(t *testing.T) {
	file := &fstest.MapFile{Data: []byte("x")}
	fsys := fstest.MapFS{
		"b.txt": file, "a/z.md": file, "a/b/c.md": file, "a.txt": file, ".hidden": file, ".git/config": file,
		"a/.DS_Store": file, "link": {Mode: fs.ModeSymlink, Data: []byte("a.txt")}, "dev": {Mode: fs.ModeDevice},
	}
	var omitted []Omitted
	var entered []string
	src := FS(fsys, FSOptions{
		IDPrefix: "kb/", URIPrefix: "file:///srv/",
		Omitted: func(m Omitted) { omitted = append(omitted, m) },
		Entered: func(dir string) { entered = append(entered, dir) },
	})
	want := []string{"kb/a/b/c.md", "kb/a/z.md", "kb/a.txt", "kb/b.txt"}
	for range 2 {
		if d := cmp.Diff(want, list(t, src)); d != "" {
			t.Errorf("ids (-want +got):\n%s", d)
		}
	}
	if d := cmp.Diff([]Omitted{
		{Name: ".git", Dir: true, Why: OmitHidden}, {Name: ".hidden", Why: OmitHidden}, {Name: "a/.DS_Store", Why: OmitHidden},
		{Name: "dev", Why: OmitSpecial}, {Name: "link", Why: OmitSymlink},
	}, omitted[:5]); d != "" {
		t.Errorf("omitted (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{".", "a", "a/b"}, entered[:3]); d != "" {
		t.Errorf("entered (-want +got):\n%s", d)
	}
	for item, err := range src.Items(t.Context()) {
		if err != nil || item.URI != "file:///srv/a/b/c.md" || item.Name != "a/b/c.md" {
			t.Errorf("first item %+v, %v", item, err)
		}
		r, err := item.Open()
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(r); err != nil || string(b) != "x" {
			t.Errorf("content %q, %v", b, err)
		}
		break // the source must not go on
	}
}

// TestFSOwn: the directory itself, neither one of the same name elsewhere nor a file.
func TestFSOwn(t *testing.T) {
	fsys := fstest.MapFS{"data/index": {}, "a/data/b.md": {}, "a/x.md": {}}
	var omitted []Omitted
	for own, want := range map[string][]string{
		"": {"a/data/b.md", "a/x.md", "data/index"}, "data": {"a/data/b.md", "a/x.md"}, "a/data": {"a/x.md", "data/index"}, "a/x.md": {"a/data/b.md", "a/x.md", "data/index"},
	} {
		omitted = nil
		selection, err := Select([]string{"data", "*.md"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		src := FS(fsys, FSOptions{Own: own, Select: selection, Omitted: func(m Omitted) { omitted = append(omitted, m) }})
		if d := cmp.Diff(want, list(t, src)); d != "" {
			t.Errorf("ids without %q (-want +got):\n%s", own, d)
		}
		if left := len(want) < 3; left != slices.Equal(omitted, []Omitted{{Name: own, Dir: true, Why: OmitOwn}}) || !left && omitted != nil {
			t.Errorf("without %q: omitted %v", own, omitted)
		}
	}
}

func TestFSStaysInItsRoot(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret.txt")
	for name, data := range map[string]string{secret: "secret", filepath.Join(dir, "ok.txt"): "fine"} {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"file.txt": secret, "dir": outside, "loop": "."} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if got := list(t, FS(RootFS(root), FSOptions{})); !slices.Equal(got, []string{"ok.txt"}) {
		t.Errorf("ids %q, want ok.txt alone", got)
	}
	if got := list(t, Files(RootFS(root), FSOptions{}, "file.txt", "dir/secret.txt", "ok.txt")); !slices.Equal(got, []string{"file.txt!", "dir/secret.txt!", "ok.txt"}) {
		t.Errorf("named files %q: a link leads out of the root", got)
	}
	// A file that turns into a link after it was listed.
	for item, err := range FS(RootFS(root), FSOptions{}).Items(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, "ok.txt")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(secret, filepath.Join(dir, "ok.txt")); err != nil {
			t.Fatal(err)
		}
		if _, err := item.Open(); err == nil {
			t.Error("opened a file outside of the root")
		}
		break
	}
}

func TestFSErrors(t *testing.T) {
	if got := list(t, FS(os.DirFS(filepath.Join(t.TempDir(), "missing")), FSOptions{})); !slices.Equal(got, []string{"!"}) {
		t.Errorf("a missing directory: %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range FS(fstest.MapFS{"a": {}}, FSOptions{}).Items(ctx) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
}

func TestFiles(t *testing.T) {
	fsys := fstest.MapFS{"dir/.x.md": {}, "a.txt": {}}
	got := list(t, Files(fsys, FSOptions{IDPrefix: "p/"}, "dir/.x.md", "missing", "dir", "../a.txt", "a.txt"))
	if want := []string{"p/dir/.x.md", "p/missing!", "p/dir!", "p/../a.txt!", "p/a.txt"}; !slices.Equal(got, want) {
		t.Errorf("ids %q, want %q", got, want)
	}
}

// TestNamesThatAreNotUTF8: such files fail, each under an id of its own that no
// other file can have.
func TestNamesThatAreNotUTF8(t *testing.T) {
	fsys := fstest.MapFS{"a\xff.txt": {}, "a\xfe.txt": {}, "a\uFFFD.txt": {}, `a\xff.txt`: {}, "é\xa9": {}, "b\xc3": {Mode: fs.ModeDir}}
	got := list(t, FS(fsys, FSOptions{IDPrefix: "kb/", URIPrefix: "srv/"}))
	want := []string{`kb/a\xff.txt`, "kb/a\uFFFD.txt", "kb/a//xfe.txt!", "kb/a//xff.txt!", "kb/b//xc3/!", "kb/é//xa9!"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("ids (-want +got):\n%s", d)
	}
	for item, err := range FS(fsys, FSOptions{URIPrefix: "srv/"}).Items(t.Context()) {
		if err != nil && (item.URI != "srv/"+string(item.ID) || !strings.Contains(err.Error(), "is not valid UTF-8")) {
			t.Errorf("%q has the URI %q and fails with %v", item.ID, item.URI, err)
		}
	}
}

// TestFSModified: a file's time goes with its document.
func TestFSModified(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	fsys := fstest.MapFS{"d/a.txt": {Data: []byte("abc"), ModTime: at}}
	for name, src := range map[string]Source{"FS": FS(fsys, FSOptions{}), "Files": Files(fsys, FSOptions{}, "d/a.txt")} {
		for item, err := range src.Items(t.Context()) {
			if err != nil || !item.Modified.Equal(at) || item.Info.Size() != 3 {
				t.Errorf("%s: modified %v, info %v, %v; want %v", name, item.Modified, item.Info, err, at)
			}
		}
	}
}

// faulty is a file system whose directories fail in some way.
type faulty struct {
	fstest.MapFS
	dir map[string]error
}

func (f faulty) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := f.dir[name]; err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f.MapFS.ReadDir(name)
}

func (f faulty) Open(name string) (fs.File, error) {
	if err := f.dir[name]; err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f.MapFS.Open(name)
}

// TestFSUnlisted: what cannot be listed does not end the run, as long as it is
// not all.
func TestFSUnlisted(t *testing.T) {
	file := &fstest.MapFile{Data: []byte("x")}
	fsys := fstest.MapFS{"a/1.txt": file, "b/c/2.txt": file, "b/d/3.txt": file, "z.txt": file}
	for _, tt := range []struct {
		name string
		add  fstest.MapFS
		dir  map[string]error
		want []string
		err  string
	}{
		{"a directory", nil, map[string]error{"b/c": fs.ErrPermission}, []string{"a/1.txt", "!", "b/d/3.txt", "z.txt"}, "list srv/b/c: open b/c: permission denied"},
		{"one that is gone", nil, map[string]error{"a": fs.ErrNotExist}, []string{"!", "b/c/2.txt", "b/d/3.txt", "z.txt"}, "list srv/a: open a: file does not exist"},
		{"the root", nil, map[string]error{".": fs.ErrPermission}, []string{"!"}, "list the files: open .: permission denied"},
		{"an ignore file", fstest.MapFS{"b/.ragloopignore": file}, map[string]error{"b/.ragloopignore": fs.ErrPermission}, []string{"a/1.txt", "!", "z.txt"},
			"list srv/b: read srv/b/.ragloopignore: open b/.ragloopignore: permission denied"},
		{"an ignore file that is a directory", fstest.MapFS{"b/.ragloopignore/x": file}, nil, []string{"a/1.txt", "!", "z.txt"},
			"list srv/b: read srv/b/.ragloopignore: it is not a regular file"},
		{"an ignore file that is a link", fstest.MapFS{"b/.ragloopignore": {Mode: fs.ModeSymlink, Data: []byte("../z.txt")}}, nil, []string{"a/1.txt", "!", "z.txt"},
			"list srv/b: read srv/b/.ragloopignore: it is not a regular file"},
		{"an ignore file with a wrong line", fstest.MapFS{"b/c/.ragloopignore": {Data: []byte("ok\n\n[a-\n")}}, nil, []string{"a/1.txt", "!", "b/d/3.txt", "z.txt"},
			`list srv/b/c: srv/b/c/.ragloopignore:3: pattern "[a-": a "[" is never closed`},
		{"an ignore file that is too long", fstest.MapFS{"a/.ragloopignore": {Data: make([]byte, maxIgnoreBytes+1)}}, nil, []string{"!", "b/c/2.txt", "b/d/3.txt", "z.txt"},
			"list srv/a: read srv/a/.ragloopignore: it is longer than 1048576 bytes"},
		{"the ignore file of the root", fstest.MapFS{".ragloopignore": {Data: []byte("/\n")}}, nil, []string{"!"},
			`list the files: srv/.ragloopignore:1: pattern "/": it names nothing`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := fstest.MapFS{}
			for _, m := range []fstest.MapFS{fsys, tt.add} {
				for name, f := range m {
					all[name] = f
				}
			}
			src := FS(faulty{all, tt.dir}, FSOptions{URIPrefix: "srv/"})
			if d := cmp.Diff(tt.want, list(t, src)); d != "" {
				t.Errorf("ids (-want +got):\n%s", d)
			}
			for item, err := range src.Items(t.Context()) {
				if err == nil {
					continue
				}
				part := (*Unlisted)(nil)
				if err.Error() != tt.err || item.ID != "" || errors.As(err, &part) != strings.HasPrefix(tt.err, "list srv/") {
					t.Errorf("item %q with %v (%T), want %s", item.ID, err, err, tt.err)
				}
			}
		})
	}
	// The consumer may stop at one.
	for range FS(faulty{fsys, map[string]error{"a": fs.ErrPermission}}, FSOptions{}).Items(t.Context()) {
		break
	}
}

// TestRootFS: what is no file and no directory is not opened, and nothing waits
// for it.
func TestRootFS(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	fsys := RootFS(root)
	if err := fstest.TestFS(fsys, "a.txt"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"../a.txt", "/etc/passwd", "a.txt/", "./a.txt"} {
		if _, err := fsys.Open(name); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Open(%q) = %v, want ErrInvalid", name, err)
		}
		if _, err := fs.Stat(fsys, name); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Stat(%q) = %v, want ErrInvalid", name, err)
		}
	}
	if _, err := fs.ReadDir(fsys, "a.txt"); err == nil {
		t.Error("ReadDir of a file = nil error")
	}
	if _, err := fs.ReadDir(fsys, "missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadDir(missing) = %v", err)
	}
}
