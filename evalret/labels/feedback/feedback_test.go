package feedback

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func entry(id string) Entry {
	return Entry{ID: id, Query: "how <long>?", Collection: "docs", Comment: "ä\n",
		Judgements: []Judgement{{Doc: "a.md", Start: 1, End: 4, Text: "abc", Verdict: "relevant"}}}
}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func submit(t *testing.T, s *Store, e Entry, duplicate bool) {
	t.Helper()
	if got, err := s.Submit(e); err != nil || got != duplicate {
		t.Fatalf("Submit(%s) = %v, %v, want %v", e.ID, got, err, duplicate)
	}
}

func TestSubmit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "feedback")
	if all, err := Read(dir); err != nil || all != nil {
		t.Fatalf("Read of nothing = %v, %v", all, err)
	}
	s := open(t, dir)
	if _, err := os.Stat(dir); err == nil {
		t.Error("a store without entries made its directory")
	}
	submit(t, s, entry("1"), false)
	submit(t, s, entry("1"), true)
	other := entry("1")
	other.Comment = "something else"
	if _, err := s.Submit(other); !errors.Is(err, ErrID) {
		t.Errorf("Submit of other feedback under the same id = %v, want ErrID", err)
	}
	if _, err := s.Submit(Entry{}); err == nil {
		t.Error("Submit accepts an entry without id")
	}
	// A second store, as of another process, has a file of its own and knows what
	// was there.
	s2 := open(t, dir)
	submit(t, s2, entry("1"), true)
	submit(t, s2, entry("2"), false)
	submit(t, s, entry("3"), false)
	got, err := Read(dir)
	if diff := cmp.Diff([]Entry{entry("1"), entry("3"), entry("2")}, got); err != nil || diff != "" {
		t.Errorf("Read: %v (-want +got):\n%s", err, diff)
	}
}

func TestTornAndDamaged(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	submit(t, s, entry("1"), false)
	f, err := os.OpenFile(filepath.Join(dir, "00000001.jsonl"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"id":"torn`)
	f.Close()
	s = open(t, dir)
	submit(t, s, entry("torn"), false) // it was never acknowledged
	if got, err := Read(dir); err != nil || len(got) != 2 {
		t.Fatalf("Read beside a torn line = %v, %v, want two entries", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "00000009.jsonl"), []byte("{}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{func() error { _, err := Open(dir); return err }(), func() error { _, err := Read(dir); return err }()} {
		if err == nil || !strings.Contains(err.Error(), "00000009.jsonl:1 is damaged") {
			t.Errorf("a damaged line = %v, want an error that names it", err)
		}
	}
}

func TestFull(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	submit(t, s, entry("1"), false)
	s.max = s.bytes + 10
	if _, err := s.Submit(entry("2")); !errors.Is(err, ErrFull) {
		t.Errorf("Submit without room = %v, want ErrFull", err)
	}
	submit(t, s, entry("1"), true)
	s = open(t, dir)
	if s.bytes == 0 {
		t.Error("a store that is opened does not count what is there")
	}
}

// TestFailedWrite: after a failed write the entry may come again, in another file.
func TestFailedWrite(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	submit(t, s, entry("1"), false)
	s.file.Close()
	if _, err := s.Submit(entry("2")); err == nil {
		t.Fatal("a write to a closed file succeeded")
	}
	submit(t, s, entry("2"), false)
	if got, err := Read(dir); err != nil || len(got) != 2 {
		t.Errorf("Read = %v, %v, want two entries", got, err)
	}
	// While every write fails no files pile up.
	for range 3 {
		s = open(t, dir)
		if err := s.begin(); err != nil {
			t.Fatal(err)
		}
		s.file.Close()
		if _, err := s.Submit(entry("3")); err == nil {
			t.Fatal("a write to a closed file succeeded")
		}
	}
	if names, err := s.files(); err != nil || len(names) != 2 {
		t.Errorf("files after failed writes = %v, %v, want two", names, err)
	}
	submit(t, s, entry("3"), false)
}

func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			if _, err := s.Submit(entry(fmt.Sprint(i % 20))); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got, err := Read(dir); err != nil || len(got) != 20 {
		t.Errorf("Read = %d entries, %v, want 20", len(got), err)
	}
}
