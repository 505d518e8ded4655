//go:build unix

package embed_test

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ragloop/ragloop/internal/embed"
)

// TestLoadPipe checks that a named pipe is refused: to open one would wait for a
// writer, for ever.
func TestLoadPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe.model")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Skipf("this file system has no named pipes: %v", err)
	}
	if _, err := embed.Load(path); err == nil || !strings.Contains(err.Error(), "it is no regular file") {
		t.Errorf("Load of a named pipe = %v", err)
	}
}
