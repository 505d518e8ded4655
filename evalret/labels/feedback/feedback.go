// Package feedback keeps what the users of a service think of its answers, for a
// person to review.
//
// It judges nothing and changes no query set: it is a durable list. Package
// review turns it into candidates.
//
// Nouns. An [Entry] is one submission; a [Store] appends entries to a directory
// and knows those that are there.
//
// # Stored layout
//
// A directory of files NNNNNNNN.jsonl, numbered from 1, one entry a line, only
// ever appended to. Each process that submits writes a file of its own, so that
// several need no lock; a file that could not be written to is left, or removed if
// nothing was acknowledged in it, and the next one begun. An entry is acknowledged when its line and the file's name are
// durable. A last line without its end was never acknowledged and does not count.
package feedback

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Entry is one submission.
type Entry struct {
	ID         string      `json:"id"`                  // its client's; not empty
	Retrieval  string      `json:"retrieval,omitempty"` // what it is about, for reference
	Query      string      `json:"query"`
	Collection string      `json:"collection"`
	Judgements []Judgement `json:"judgements"`
	Comment    string      `json:"comment,omitempty"`
}

// Judgement is a verdict on one passage.
type Judgement struct {
	Doc      string `json:"doc"`
	Revision string `json:"revision,omitempty"`
	Start    int    `json:"start"` // code points
	End      int    `json:"end"`
	Text     string `json:"text"`
	Verdict  string `json:"verdict"` // "relevant", "partly" or "not_relevant"
}

// Errors of [Store.Submit].
var (
	ErrID   = errors.New("another entry has this id")
	ErrFull = errors.New("the directory has reached its limit")
)

// MaxBytes is how much a directory may hold before [Store.Submit] refuses.
const MaxBytes = 256 << 20

// maxLine bounds a line that is read back: an entry at the limits of the wire,
// every byte of it escaped.
const maxLine = 64 << 20

// Store appends entries to a directory. It is safe for concurrent use.
type Store struct {
	dir string
	max int64

	mu    sync.Mutex
	known map[string]string // the line of every entry by its id
	bytes int64             // of all files
	file  *os.File          // that is written to; nil: the next entry begins one
	kept  bool              // file has an entry that was acknowledged
}

// Open returns a store of dir, which need not exist. It reads what is there.
// A damaged line is an error that names it.
func Open(dir string) (*Store, error) {
	s := &Store{dir: dir, max: MaxBytes, known: map[string]string{}}
	err := s.each(func(e Entry, line string) {
		if _, ok := s.known[e.ID]; !ok {
			s.known[e.ID] = line
		}
	})
	if err != nil {
		return nil, fmt.Errorf("open feedback: %w", err)
	}
	return s, nil
}

// Read returns the entries of dir, which need not exist, in the order in which
// files and lines hold them; of several with one id the first. It may be called
// while a store is open.
func Read(dir string) ([]Entry, error) {
	s := &Store{dir: dir}
	seen := map[string]bool{}
	var all []Entry
	err := s.each(func(e Entry, _ string) {
		if !seen[e.ID] {
			seen[e.ID] = true
			all = append(all, e)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read feedback: %w", err)
	}
	return all, nil
}

// files returns the names of the store's files, in order.
func (s *Store) files() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if _, ok := number(e.Name()); ok {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// number returns the number in a file's name.
func number(name string) (int, bool) {
	digits, ok := strings.CutSuffix(name, ".jsonl")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n > 0 && fileName(n) == name
}

func fileName(n int) string { return fmt.Sprintf("%08d.jsonl", n) }

// each calls fn with every entry and its line, without the line's end.
func (s *Store) each(fn func(e Entry, line string)) error {
	names, err := s.files()
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(s.dir, name)
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		s.bytes += int64(len(body))
		whole := bytes.LastIndexByte(body, '\n') + 1
		sc := bufio.NewScanner(bytes.NewReader(body[:whole]))
		sc.Buffer(nil, maxLine)
		n := 0
		for sc.Scan() {
			n++
			var e Entry
			if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
				return fmt.Errorf("%s:%d is damaged: %w", path, n, err)
			}
			if e.ID == "" {
				return fmt.Errorf("%s:%d is damaged: it has no id", path, n)
			}
			fn(e, sc.Text())
		}
		if err := sc.Err(); err != nil {
			return fmt.Errorf("%s:%d: %w", path, n+1, err)
		}
	}
	return nil
}

// Submit returns when e is durable; duplicate says that it was there before. Of
// other entries with its id the error is [ErrID]; where there is no room for it,
// [ErrFull]. After any other error the same entry may be submitted again.
func (s *Store) Submit(e Entry) (duplicate bool, err error) {
	if e.ID == "" {
		return false, errors.New("submit feedback: it has no id")
	}
	line, err := json.Marshal(e)
	if err != nil {
		return false, fmt.Errorf("submit feedback: %w", err) // unreachable: strings and ints always encode
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, ok := s.known[e.ID]; ok {
		if before != string(line) {
			return false, fmt.Errorf("submit feedback: %w", ErrID)
		}
		return true, nil
	}
	if s.bytes+int64(len(line))+1 > s.max {
		return false, fmt.Errorf("submit feedback: %w of %d bytes: review and archive what is in %s", ErrFull, s.max, s.dir)
	}
	if err := s.append(append(slices.Clip(line), '\n')); err != nil {
		return false, fmt.Errorf("submit feedback: %w", errors.Join(err, s.leave()))
	}
	s.kept = true
	s.known[e.ID] = string(line)
	return false, nil
}

func (s *Store) append(line []byte) error {
	if s.file == nil {
		if err := s.begin(); err != nil {
			return err
		}
	}
	n, err := s.file.Write(line)
	s.bytes += int64(n)
	if err != nil {
		return err
	}
	return s.file.Sync()
}

// begin makes the next file, durable by name.
func (s *Store) begin() error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	names, err := s.files()
	if err != nil {
		return err
	}
	n := 0
	if len(names) > 0 {
		n, _ = number(names[len(names)-1])
	}
	for {
		n++
		// Another process may begin the same one: only one of them makes it.
		f, err := os.OpenFile(filepath.Join(s.dir, fileName(n)), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := syncDirs(s.dir, filepath.Dir(filepath.Clean(s.dir))); err != nil {
			return errors.Join(err, f.Close())
		}
		s.file, s.kept = f, false
		return nil
	}
}

// leave ends the file after a failed write: what of the line is in it is not
// known, and nothing may follow it there. A file with nothing else goes, or a full
// disk would get another one with every try.
func (s *Store) leave() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	err := f.Close()
	if !s.kept {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// syncDirs makes the names in directories durable.
func syncDirs(dirs ...string) error {
	for _, name := range dirs {
		d, err := os.Open(name)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.Close()
}
