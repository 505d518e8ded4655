package watch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fsnotify/fsnotify"
)

func TestSystem(t *testing.T) {
	s, err := NewSystem()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s.Watch(dir)
	s.Watch(dir) // again is no mistake
	s.Watch(filepath.Join(dir, "gone"))
	next := func(what string) {
		t.Helper()
		select {
		case err := <-s.Changes():
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		case <-t.Context().Done():
			t.Fatalf("%s: nothing is told", what)
		}
	}
	file := filepath.Join(dir, "a.txt")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	next("a new file")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	next("a removed file")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestSystemRefuses: directories that cannot be watched are told once, and lost
// events are one change.
func TestSystemRefuses(t *testing.T) {
	s, err := NewSystem()
	if err != nil {
		t.Fatal(err)
	}
	s.events.Errors <- fsnotify.ErrEventOverflow
	if err := <-s.Changes(); err != nil {
		t.Errorf("an overflow is told as %v, want a change", err)
	}
	limit := errors.New("a limit is reached")
	s.events.Errors <- limit
	if err := <-s.Changes(); !errors.Is(err, limit) {
		t.Errorf("told %v, want %v", err, limit)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.Watch("one") // refused by what is closed, as by a limit
	s.Watch("two")
	select {
	case err := <-s.Changes():
		if err == nil || !strings.HasPrefix(err.Error(), "hear of changes in one, and perhaps in other directories: ") {
			t.Errorf("told %v", err)
		}
	default:
		t.Error("a directory that is not watched is not told")
	}
	select {
	case err := <-s.Changes():
		t.Errorf("told twice: %v", err)
	default:
	}
}
