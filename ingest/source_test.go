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

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/internal/text"
)

// list returns the ids of src, a failed document as "id!" and a fatal error as "!".
func list(t *testing.T, src Source) (ids []string) {
	t.Helper()
	for item, err := range src.Items(t.Context()) {
		id := string(item.ID)
		if err != nil {
			id += "!"
		}
		ids = append(ids, id)
	}
	return ids
}

func TestFS(t *testing.T) {
	file := &fstest.MapFile{Data: []byte("x")}
	fsys := fstest.MapFS{
		"b.txt": file, "a/z.md": file, "a/b/c.md": file, "a.txt": file, ".hidden": file, ".git/config": file,
		"a/.DS_Store": file, "link": {Mode: fs.ModeSymlink, Data: []byte("a.txt")}, "dev": {Mode: fs.ModeDevice},
	}
	var skipped []string
	src := FS(fsys, FSOptions{IDPrefix: "kb/", URIPrefix: "file:///srv/", Skipped: func(name, reason string) {
		skipped = append(skipped, name+": "+reason)
	}})
	want := []string{"kb/a/b/c.md", "kb/a/z.md", "kb/a.txt", "kb/b.txt"}
	for range 2 {
		if d := cmp.Diff(want, list(t, src)); d != "" {
			t.Errorf("ids (-want +got):\n%s", d)
		}
	}
	if d := cmp.Diff([]string{"dev: not a regular file", "link: symbolic link, not followed"}, skipped[:2]); d != "" {
		t.Errorf("skipped (-want +got):\n%s", d)
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
	if got := list(t, FS(root.FS(), FSOptions{})); !slices.Equal(got, []string{"ok.txt"}) {
		t.Errorf("ids %q, want ok.txt alone", got)
	}
	if got := list(t, Files(root.FS(), FSOptions{}, "file.txt", "dir/secret.txt", "ok.txt")); !slices.Equal(got, []string{"file.txt!", "dir/secret.txt!", "ok.txt"}) {
		t.Errorf("named files %q: a link leads out of the root", got)
	}
	// A file that turns into a link after it was listed.
	for item, err := range FS(root.FS(), FSOptions{}).Items(t.Context()) {
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
	if got := list(t, FS(fstest.MapFS{"a\xff.txt": {}, "b.txt": {}}, FSOptions{})); !slices.Equal(got, []string{"a\uFFFD.txt!", "b.txt"}) {
		t.Errorf("a name that is not UTF-8: %q", got)
	}
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

func TestConcat(t *testing.T) {
	a, b := texts("a", "1", "b", "2"), texts("c", "3")
	if got := list(t, Concat(a, b)); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("ids %q", got)
	}
	fatal := FS(os.DirFS(filepath.Join(t.TempDir(), "missing")), FSOptions{})
	if got := list(t, Concat(a, fatal, b)); !slices.Equal(got, []string{"a", "b", "!"}) {
		t.Errorf("with a source that fails: %q", got)
	}
	for range Concat(a, b).Items(t.Context()) {
		break
	}
	if got := list(t, Concat()); got != nil {
		t.Errorf("of nothing: %q", got)
	}
}

func TestTextItem(t *testing.T) {
	item := Text("d", "Title", "x\r\ny")
	r, err := item.Open()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil || string(b) != "x\r\ny" || item.ID != text.DocID("d") || !strings.HasPrefix(item.MediaType, "text/plain") {
		t.Errorf("item %+v holds %q, %v", item, b, err)
	}
}
