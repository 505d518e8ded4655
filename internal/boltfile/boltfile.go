// Package boltfile opens bbolt files that are only caches: without one everything is
// computed or asked again, so that damage is no reason to stop.
//
// A file that is damaged is moved aside to NAME.damaged, never deleted, and who
// opened it is told. If that is found out later than at opening, nothing is read or
// written any more, and the next one to open it begins a new file. One that is in use
// elsewhere, that cannot be read or written, or that a newer version made is not
// damaged, and stays.
//
// It is for damage of pages, which bbolt panics about and the processor faults at; what
// a value is worth its owner checks. It knows no keys and no values, and forgets nothing.
package boltfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// ErrLocked is wrapped by the error of [Open] when another process has the file open.
var ErrLocked = errors.New("another process has it open")

// ErrDamaged is wrapped by errors about a file that is no cache or is damaged.
var ErrDamaged = errors.New("it is not a cache or is damaged")

// lockTimeout is how long Open waits for another process to close the file.
const lockTimeout = time.Second

// File is an open file. Safe for concurrent use.
type File struct {
	path   string
	db     *bbolt.DB
	file   *os.File    // db's
	opened fs.FileInfo // of file
	least  int64       // bytes that every transaction reads
	warn   func(error) // may be nil
	broken atomic.Bool // nobody may use db, not even to close it: its locks may be held

	writing sync.Mutex
}

// Open opens or creates the file at path, which has the buckets then. Close the file
// after use. warn is told of damage, with an error that wraps [ErrDamaged]; nil:
// nobody is. Errors: [ErrLocked], those of the file system, one about a format that is
// not known, and [ErrDamaged] where the file cannot be moved aside.
func Open(path string, warn func(error), buckets ...string) (*File, error) {
	f := &File{path: path, warn: warn}
	err := f.open(buckets)
	if errors.Is(err, ErrDamaged) {
		to, moved := f.setAside()
		if moved != nil {
			return nil, fmt.Errorf("%w; it may be deleted; move it aside: %w", err, moved)
		}
		if to != "" { // else whoever did tells
			f.tell(fmt.Errorf("%s: %w; it was moved to %s and a new one begun", path, err, to))
		}
		err = f.open(buckets)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) open(buckets []string) error {
	err := guarded(func() (err error) {
		f.db, err = bbolt.Open(f.path, 0o600, &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType, OpenFile: f.openFile})
		if err == nil {
			f.least = 2 * int64(f.db.Info().PageSize)
		}
		return err
	})
	var path *fs.PathError
	var system syscall.Errno
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return ErrLocked
	case errors.Is(err, bolterrors.ErrVersionMismatch):
		return fmt.Errorf("its format is not known, a newer version may have made it: %w", err)
	case errors.Is(err, ErrDamaged), errors.As(err, &path), errors.As(err, &system):
		return err
	case err != nil: // about what is in it
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	err = guarded(func() error {
		return f.db.Update(func(tx *bbolt.Tx) error {
			for _, b := range buckets {
				if _, err := tx.CreateBucketIfNotExists([]byte(b)); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil && !errors.Is(err, ErrDamaged) { // its locks may be held
		return errors.Join(err, f.db.Close())
	}
	return err
}

func (f *File) openFile(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
	if f.file, err = os.OpenFile(name, flag, mode); err != nil {
		return nil, err
	}
	if f.opened, err = f.file.Stat(); err != nil {
		return nil, errors.Join(err, f.file.Close())
	}
	return f.file, nil
}

// Path returns what [Open] was given.
func (f *File) Path() string { return f.path }

// View reads. False: the file is damaged, and what was read is not to be trusted.
func (f *File) View(read func(*bbolt.Tx) error) (bool, error) {
	if f.broken.Load() {
		return false, nil
	}
	return f.unless(f.whole(func() error { return f.db.View(read) }))
}

// Update writes in one transaction, which is on disk when it returns. Nothing is
// written into a damaged file, which is no error.
func (f *File) Update(write func(*bbolt.Tx) error) error {
	f.writing.Lock() // db has a lock of its own, which nobody may wait for once it is broken
	defer f.writing.Unlock()
	if f.broken.Load() {
		return nil
	}
	_, err := f.unless(f.whole(func() error { return f.db.Update(write) }))
	return err
}

// whole calls do, guarded, unless the file lacks the pages that a transaction begins
// with: bbolt would fault there with a lock that those at work need to end.
func (f *File) whole(do func() error) error {
	if info, err := f.file.Stat(); err == nil && info.Size() < f.least { // a closed one has an error: do, too
		return fmt.Errorf("%w: it has been cut to %d bytes", ErrDamaged, info.Size())
	}
	return guarded(do)
}

// unless passes an error on unless the file is damaged, which is told once.
func (f *File) unless(err error) (bool, error) {
	if !errors.Is(err, ErrDamaged) {
		return err == nil, err
	}
	if f.broken.CompareAndSwap(false, true) {
		done := "it may be deleted"
		switch to, moved := f.setAside(); {
		case moved == nil && to == "":
			done = "it is no longer there"
		case moved == nil:
			done = "it was moved to " + to
		}
		f.tell(fmt.Errorf("%s: %w; %s, and nothing is kept until the next start", f.path, err, done))
	}
	return false, nil
}

func (f *File) tell(err error) {
	if f.warn != nil {
		f.warn(err)
	}
}

// Close closes the file. Calls after it fail.
func (f *File) Close() error {
	if f.broken.Load() {
		return nil
	}
	return guarded(f.db.Close)
}

// guarded calls do, which reads a file through a memory map. bbolt panics about a page
// that is not what it should be, and reading behind the end of a file that was cut
// faults; both are ErrDamaged here.
func guarded(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
		}
	}()
	return do()
}

// setAside renames the file to the first of NAME.damaged, NAME.damaged-2 and so on that
// is free, which it returns: "" where there is another file by now, or none, since
// another process has done so.
func (f *File) setAside() (string, error) {
	switch now, err := os.Stat(f.path); {
	case errors.Is(err, fs.ErrNotExist), err == nil && !os.SameFile(now, f.opened):
		return "", nil
	case err != nil:
		return "", err
	}
	to := f.path + ".damaged"
	for n := 2; ; n++ {
		switch _, err := os.Lstat(to); {
		case errors.Is(err, fs.ErrNotExist):
			return to, os.Rename(f.path, to)
		case err != nil:
			return "", err
		}
		to = fmt.Sprintf("%s.damaged-%d", f.path, n)
	}
}
