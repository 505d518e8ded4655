package ingest

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// The memory for a file is taken once: growing step by step takes several times
// its size.
func TestReadTakesMemoryOnce(t *testing.T) {
	want := bytes.Repeat([]byte("x"), 1<<20+1)
	name := filepath.Join(t.TempDir(), "a.txt")
	if err := os.WriteFile(name, want, 0o600); err != nil {
		t.Fatal(err)
	}
	item := Item{ID: "a.txt", Open: func() (io.ReadCloser, error) { return os.Open(name) }}
	got, err := read(item)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read = %d bytes, %v", len(got), err)
	}
	if extra := cap(got) - len(got); extra > 64<<10 {
		t.Errorf("%d bytes taken beyond the file's %d", extra, len(got))
	}
	// A file that says nothing of its size.
	item.Open = Bytes(want)
	if got, err := read(item); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read = %d bytes, %v", len(got), err)
	}
}
