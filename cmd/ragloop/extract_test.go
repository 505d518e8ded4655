package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReadDocument(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.txt")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := readDocument(file); err != nil || string(data) != "text" {
		t.Errorf("readDocument = %q, %v", data, err)
	}
	for _, name := range []string{dir, os.DevNull, filepath.Join(dir, "absent")} {
		if data, err := readDocument(name); err == nil {
			t.Errorf("readDocument(%s) = %q, want an error", name, data)
		}
	}
}
