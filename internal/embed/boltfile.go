package embed

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

// ErrCacheLocked is wrapped by the error of [OpenCache] and [OpenPassageStore] when
// another process has the file open.
var ErrCacheLocked = errors.New("another process has it open")

// errDamaged is wrapped by errors about a file that is no cache or is damaged.
var errDamaged = errors.New("it is not a cache or is damaged")

// lockTimeout is how long opening waits for another process to close the file.
const lockTimeout = time.Second

// boltFile is a bbolt file that is only a cache: without it everything is computed
// again, so that damage is no reason to stop. A file that is damaged is moved aside,
// never deleted, and who opened it is told. If that is found out later than at
// opening, nothing is read or written any more, and the next one to open it begins a
// new file. Safe for concurrent use.
type boltFile struct {
	path   string
	db     *bbolt.DB
	warn   func(error) // may be nil
	broken atomic.Bool // nobody may use db, not even to close it: its locks may be held

	writing sync.Mutex
}

// openBolt opens or creates the file at path, which has the buckets then.
func openBolt(path string, warn func(error), buckets ...string) (*boltFile, error) {
	f := &boltFile{path: path, warn: warn}
	err := f.open(buckets)
	if errors.Is(err, errDamaged) {
		to, moved := setAside(path)
		if moved != nil {
			return nil, fmt.Errorf("%w; it may be deleted; move it aside: %w", err, moved)
		}
		f.tell(fmt.Errorf("%s: %w; it was moved to %s and a new one begun", path, err, to))
		err = f.open(buckets)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (f *boltFile) open(buckets []string) error {
	err := guarded(func() (err error) {
		f.db, err = bbolt.Open(f.path, 0o600, &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType})
		return err
	})
	var path *fs.PathError
	var system syscall.Errno
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return ErrCacheLocked
	case errors.Is(err, errDamaged), errors.As(err, &path), errors.As(err, &system):
		return err
	case err != nil: // about what is in it
		return fmt.Errorf("%w: %w", errDamaged, err)
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
	if err != nil && !errors.Is(err, errDamaged) { // its locks may be held
		return errors.Join(err, f.db.Close())
	}
	return err
}

// view reads. False: the file is damaged, and what was read is not to be trusted.
func (f *boltFile) view(read func(*bbolt.Tx) error) (bool, error) {
	if f.broken.Load() {
		return false, nil
	}
	return f.unless(guarded(func() error { return f.db.View(read) }))
}

// update writes in one transaction. False: the file is damaged, nothing was written.
func (f *boltFile) update(write func(*bbolt.Tx) error) (bool, error) {
	f.writing.Lock() // db has a lock of its own, which nobody may wait for once it is broken
	defer f.writing.Unlock()
	if f.broken.Load() {
		return false, nil
	}
	return f.unless(guarded(func() error { return f.db.Update(write) }))
}

// unless passes an error on unless the file is damaged, which is told once.
func (f *boltFile) unless(err error) (bool, error) {
	if !errors.Is(err, errDamaged) {
		return err == nil, err
	}
	if f.broken.CompareAndSwap(false, true) {
		done := "it may be deleted"
		if to, moved := setAside(f.path); moved == nil {
			done = "it was moved to " + to
		}
		f.tell(fmt.Errorf("%s: %w; %s, and nothing is kept until the next start", f.path, err, done))
	}
	return false, nil
}

func (f *boltFile) tell(err error) {
	if f.warn != nil {
		f.warn(err)
	}
}

func (f *boltFile) close() error {
	if f.broken.Load() {
		return nil
	}
	return guarded(f.db.Close)
}

// guarded calls do, which reads a file through a memory map. bbolt panics about a page
// that is not what it should be, and reading behind the end of a file that was cut
// faults; both are errDamaged here.
func guarded(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errDamaged, r)
		}
	}()
	return do()
}

// setAside renames a file to the first of NAME.damaged, NAME.damaged-2 and so on that
// is free, which it returns.
func setAside(path string) (string, error) {
	to := path + ".damaged"
	for n := 2; ; n++ {
		switch _, err := os.Lstat(to); {
		case errors.Is(err, fs.ErrNotExist):
			return to, os.Rename(path, to)
		case err != nil:
			return "", err
		}
		to = fmt.Sprintf("%s.damaged-%d", path, n)
	}
}
