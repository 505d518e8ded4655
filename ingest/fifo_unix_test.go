//go:build unix

package ingest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// TestNamedPipe: a pipe that takes a file's place after it was listed is refused,
// where opening it would wait for a writer.
func TestNamedPipe(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.txt")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for item, err := range FS(RootFS(root), FSOptions{}).Items(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := item.Open(); !errors.Is(err, errIrregular) {
			t.Errorf("Open of a pipe = %v, want %v", err, errIrregular)
		}
	}
	if got := list(t, FS(RootFS(root), FSOptions{})); got != nil {
		t.Errorf("a pipe is listed: %q", got)
	}
	if got := list(t, Files(RootFS(root), FSOptions{}, "a.txt")); !slices.Equal(got, []string{"a.txt!"}) {
		t.Errorf("a named pipe: %q", got)
	}
}

// TestDirectoryIsFileNow: what became a file after its parent was listed is
// Unlisted, as is a directory without permission.
func TestDirectoryIsFileNow(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	o := FSOptions{Entered: func(name string) {
		if name == "a" {
			if err := errors.Join(os.Remove(filepath.Join(dir, "b")), os.WriteFile(filepath.Join(dir, "b"), nil, 0o600)); err != nil {
				t.Error(err)
			}
		}
	}}
	for item, err := range FS(RootFS(root), o).Items(t.Context()) {
		if part := (*Unlisted)(nil); !errors.As(err, &part) || part.Name != "b" || !errors.Is(err, syscall.ENOTDIR) || item.ID != "" {
			t.Errorf("item %q with %v, want b Unlisted", item.ID, err)
		}
	}
	if os.Geteuid() == 0 {
		return // may read everything
	}
	if err := os.Chmod(filepath.Join(dir, "a"), 0); err != nil {
		t.Fatal(err)
	}
	for _, err := range FS(RootFS(root), FSOptions{}).Items(t.Context()) {
		if part := (*Unlisted)(nil); errors.As(err, &part) && (part.Name != "a" || !errors.Is(err, fs.ErrPermission)) {
			t.Errorf("%v, want a Unlisted", err)
		}
	}
}
