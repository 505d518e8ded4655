package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/index"
)

// restless is a file that somebody writes to while it is read, the given number
// of times it is opened.
type restless struct {
	fs.File
	touched *int
	left    int
}

func (r restless) Stat() (fs.FileInfo, error) {
	info, err := r.File.Stat()
	*r.touched++
	if err != nil || r.left <= 0 {
		return info, err
	}
	return moved{info, time.Unix(int64(*r.touched), 0)}, nil
}

type moved struct {
	fs.FileInfo
	at time.Time
}

func (m moved) ModTime() time.Time { return m.at }

// A file that changes while it is read is read again, and where that does not
// end it fails for this run alone.
func TestChangedWhileRead(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	g := generation(t, c, e)
	w := worker(t, g, Options{Embedder: e, Extractor: InProcess{}})
	fsys := fstest.MapFS{"log.txt": {Data: []byte("Some lines.")}}
	for _, tt := range []struct{ changes, opens int }{{0, 1}, {1, 2}, {2, 3}, {3, 3}, {100, 3}} {
		opens, touched := 0, 0
		item := Item{ID: "log.txt", Open: func() (io.ReadCloser, error) {
			opens++
			f, err := fsys.Open("log.txt")
			return restless{f, &touched, tt.changes + 1 - opens}, err
		}}
		s, err := w.Run(t.Context(), Documents([]Item{item}))
		if err != nil || opens != tt.opens {
			t.Errorf("%d changes: opened %d times, %v", tt.changes, opens, err)
		}
		if tt.changes < 3 {
			if s.Failed != 0 {
				t.Errorf("%d changes: %+v", tt.changes, s)
			}
			continue
		}
		if s.Failed != 1 || s.Quarantined != 0 || !s.Failures[0].Kept || !strings.Contains(s.Failures[0].Err.Error(), "changed while it was read") {
			t.Errorf("%d changes: %+v", tt.changes, s)
		}
	}
}

// huge is a file that is as large as it says, and must not be read.
type huge struct {
	fs.File
	t    *testing.T
	size int64
}

func (h huge) Stat() (fs.FileInfo, error) {
	info, err := h.File.Stat()
	return sized{info, h.size}, err
}

func (h huge) Read([]byte) (int, error) {
	h.t.Error("a file that is too large was read")
	return 0, io.EOF
}

type sized struct {
	fs.FileInfo
	size int64
}

func (s sized) Size() int64 { return s.size }

// A file that is too large is quarantined without being read, also by later runs.
func TestTooLargeIsNotRead(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	g := generation(t, c, e)
	w := worker(t, g, Options{Embedder: e, Extractor: InProcess{}})
	fsys := fstest.MapFS{"dump.sql": {Data: []byte("Small in truth.")}}
	run := func(size int64) Summary {
		t.Helper()
		item := Item{ID: "dump.sql", Name: "dump.sql", Open: func() (io.ReadCloser, error) {
			f, err := fsys.Open("dump.sql")
			if size == 0 {
				return f, err
			}
			return huge{f, t, size}, err
		}}
		s, err := w.Run(t.Context(), Documents([]Item{item}))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for i, want := range []Failure{
		{Doc: "dump.sql", Reason: extract.ReasonTooLarge},
		{Doc: "dump.sql", Reason: extract.ReasonTooLarge, Skipped: true},
	} {
		s := run(extract.MaxBytes + 1)
		if s.Failed != 1 || !errors.Is(s.Failures[0].Err, extract.ErrTooLarge) {
			t.Fatalf("run %d: %+v", i, s)
		}
		got := s.Failures[0]
		if got.Err = nil; got != want {
			t.Errorf("run %d: %+v, want %+v", i, got, want)
		}
	}
	if s := run(extract.MaxBytes + 2); s.Skipped != 0 || s.Quarantined != 1 {
		t.Errorf("another size: %+v", s)
	}
	if s := run(0); s.Indexed != 1 {
		t.Errorf("no longer too large: %+v", s)
	}
	if s := run(extract.MaxBytes + 1); s.Failed != 1 || !s.Failures[0].Kept {
		t.Errorf("too large again: %+v", s)
	}
}

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

// configured is an extractor with settings for some files.
type configured struct {
	*picky
	settings string
}

func (c configured) Settings(data []byte) string {
	if strings.HasPrefix(string(data), "%") {
		return c.settings
	}
	return ""
}

// Other settings of the extractor are a reason to extract again what they are
// about, and nothing else.
func TestSettingsCount(t *testing.T) {
	c := dial(t, index.Options{})
	e := &hashed{}
	g := generation(t, c, e)
	src := texts("plain", "Some text.", "special", "% Some text.")
	for i, tt := range []struct {
		settings                     string
		indexed, replaced, unchanged int
	}{{"", 2, 0, 0}, {"", 0, 0, 2}, {"other", 0, 1, 1}, {"other", 0, 0, 2}, {"", 0, 1, 1}} {
		x := configured{&picky{}, tt.settings}
		s, err := worker(t, g, Options{Embedder: e, Extractor: x}).Run(t.Context(), src)
		if err != nil || s.Indexed != tt.indexed || s.Replaced != tt.replaced || s.Unchanged != tt.unchanged {
			t.Errorf("run %d: %+v, %v", i, s, err)
		}
		if n := x.count("special"); n != tt.indexed/2+tt.replaced {
			t.Errorf("run %d: extracted %d times", i, n)
		}
	}
}

// What the system says about a file names it again: once is enough.
func TestOpenErrorNamesTheFileOnce(t *testing.T) {
	denied := &fs.PathError{Op: "openat", Path: "a.txt", Err: fs.ErrPermission}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{denied, "open a.txt: permission denied"},
		{fmt.Errorf("%w; try later", denied), "open a.txt: openat a.txt: permission denied; try later"},
	} {
		_, err := read(Item{ID: "d", Name: "a.txt", Open: func() (io.ReadCloser, error) { return nil, tt.err }})
		if !errors.Is(err, fs.ErrPermission) || err.Error() != tt.want {
			t.Errorf("read = %v, want %s", err, tt.want)
		}
	}
}
