package boltfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// open returns the file at path with the bucket "b", and what it warns of.
func open(t *testing.T, path string) (*File, *[]error) {
	t.Helper()
	var warnings []error
	f, err := Open(path, func(err error) { warnings = append(warnings, err) }, "b")
	if err != nil {
		t.Fatal(err)
	}
	return f, &warnings
}

func put(f *File, key, value string) error {
	return f.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("b")).Put([]byte(key), []byte(value)) })
}

// values returns how many there are of the keys 0 to n-1.
func values(f *File, n int) (found int, sound bool, err error) {
	sound, err = f.View(func(tx *bbolt.Tx) error {
		for i := range n {
			if tx.Bucket([]byte("b")).Get(fmt.Append(nil, i)) != nil {
				found++
			}
		}
		return nil
	})
	return found, sound, err
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	f, warnings := open(t, path)
	if err := put(f, "0", "x"); err != nil || f.Path() != path {
		t.Errorf("Update = %v, Path() = %q", err, f.Path())
	}
	failure := errors.New("no")
	if err := f.Update(func(*bbolt.Tx) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("Update = %v, want %v", err, failure)
	}
	if sound, err := f.View(func(*bbolt.Tx) error { return failure }); sound || !errors.Is(err, failure) {
		t.Errorf("View = %v, %v, want %v", sound, err, failure)
	}
	if _, err := Open(path, nil, "b"); !errors.Is(err, ErrLocked) {
		t.Errorf("Open of an open file = %v, want %v", err, ErrLocked)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := put(f, "0", "x"); err == nil {
		t.Error("Update of a closed file did not fail")
	}
	if _, _, err := values(f, 1); err == nil {
		t.Error("View of a closed file did not fail")
	}
	f, _ = open(t, path)
	if n, sound, err := values(f, 2); n != 1 || !sound || err != nil || len(*warnings) != 0 {
		t.Errorf("after opening again: %d values, %v, %v, warnings %v", n, sound, err, *warnings)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(path, "none", "x.db"), nil); errors.Is(err, ErrDamaged) || err == nil {
		t.Errorf("Open in what is no directory = %v", err)
	}
}

// A file that is cut while it is open, which faults, is given up and moved aside;
// who opens it next has a new one.
func TestCutWhileOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	f, warnings := open(t, path)
	for i := range 4 {
		if err := put(f, fmt.Sprint(i), strings.Repeat("x", 64<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, sound, err := values(f, 4); sound || err != nil {
			t.Errorf("View = %v, %v, want false and no error", sound, err)
		}
		if err := put(f, "9", "x"); err != nil {
			t.Errorf("Update = %v, want nil", err)
		}
	}
	if err := f.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	if len(*warnings) != 1 || !errors.Is((*warnings)[0], ErrDamaged) {
		t.Errorf("warnings %v, want one of the damage", *warnings)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the damaged file: %v, want it elsewhere", err)
	}
	f, warnings = open(t, path)
	if n, sound, err := values(f, 4); n != 0 || !sound || err != nil || len(*warnings) != 0 {
		t.Errorf("a new file: %d values, %v, %v, warnings %v", n, sound, err, *warnings)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// A file that is aside already is not replaced by another one.
func TestSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	for i, want := range []string{path + ".damaged", path + ".damaged-2", path + ".damaged-3"} {
		if err := os.WriteFile(path, fmt.Append(nil, strings.Repeat("no cache ", 1000), i), 0o600); err != nil {
			t.Fatal(err)
		}
		f, warnings := open(t, path)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if body, err := os.ReadFile(want); err != nil || !strings.HasSuffix(string(body), fmt.Sprint(i)) {
			t.Errorf("%s has %d bytes, %v, want those of damage %d", want, len(body), err, i)
		}
		if len(*warnings) != 1 || !errors.Is((*warnings)[0], ErrDamaged) {
			t.Errorf("warnings %v, want one of the damage", *warnings)
		}
	}
}

// A read that is at work when another finds the damage ends, and so does what comes
// after it: nobody holds a lock of the file for ever.
func TestReadBesideDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	f, warnings := open(t, path)
	began, finish, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		_, err := f.View(func(*bbolt.Tx) error {
			close(began)
			<-finish
			return nil
		})
		ended <- err
	}()
	<-began
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, sound, err := values(f, 1); sound || err != nil {
		t.Errorf("View = %v, %v, want false and no error", sound, err)
	}
	close(finish)
	if err := <-ended; err != nil {
		t.Errorf("the other View = %v", err)
	}
	if len(*warnings) != 1 {
		t.Errorf("warnings %v, want one", *warnings)
	}
}

// What stands at the path by now may be the sound file of another process, which has
// moved the damaged one aside before: it stays where it is.
func TestAnotherFileStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	f, warnings := open(t, path)
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	other, _ := open(t, path)
	defer other.Close()
	if err := os.Truncate(path+".old", 0); err != nil {
		t.Fatal(err)
	}
	if _, sound, err := values(f, 1); sound || err != nil || len(*warnings) != 1 {
		t.Errorf("View = %v, %v, warnings %v, want false and one of the damage", sound, err, *warnings)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the other file: %v", err)
	}
	if _, err := os.Lstat(path + ".damaged"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("aside: %v, want nothing", err)
	}
}

// A file in a format that only a newer version knows is not damaged.
func TestNewerFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	f, _ := open(t, path)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for page := range 2 {
		body[page*os.Getpagesize()+16+4]++ // behind the page's header and bbolt's magic number
	}
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, nil, "b"); err == nil || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "version") {
		t.Errorf("Open = %v, want an error about the version", err)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != string(body) {
		t.Errorf("the file has %d bytes, %v, want it as it was", len(now), err)
	}
}
