package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/text"
)

// FSOptions configure [FS] and [Files]. The zero value is usable.
type FSOptions struct {
	IDPrefix  string // put in front of the path to make the document id
	URIPrefix string // put in front of the path to make the URI, for example "file:///srv/docs/"

	// Select says which files are wanted, beside what ignore files say. FS alone
	// uses it.
	Select Selection

	// Own is the path below the root of a directory that the program itself writes
	// to; FS leaves it out. Empty: there is none.
	Own string

	// Omitted, where set, is called for whatever FS leaves out, and Entered for
	// every directory before it is listed; its path is "." for the root. From
	// the goroutine that iterates.
	Omitted func(Omitted)
	Entered func(dir string)
}

// Omitted is a file or directory that a tree holds and a source leaves out.
type Omitted struct {
	Name string // path below the root
	Dir  bool   // with everything below it
	Why  Omission
	By   string // with OmitIgnored "FILE:LINE: PATTERN", with OmitExcluded the glob; else empty
}

// Omission is a reason to leave a file or directory out.
type Omission string

const (
	OmitHidden     Omission = "hidden"       // its name starts with a dot
	OmitSymlink    Omission = "symlink"      // symbolic links are not followed
	OmitSpecial    Omission = "special"      // device, socket, named pipe
	OmitOwn        Omission = "own"          // it is FSOptions.Own
	OmitExcluded   Omission = "excluded"     // by a glob
	OmitIgnored    Omission = "ignored"      // by a line of an IgnoreFile
	OmitUnselected Omission = "not_included" // no include glob names it; files alone
)

// Omissions lists the reasons in the order in which they are tried.
var Omissions = []Omission{OmitHidden, OmitSymlink, OmitSpecial, OmitOwn, OmitExcluded, OmitIgnored, OmitUnselected}

// FS yields the regular files below the root of fsys, sorted by path: a
// directory's content comes where its name sorts among its siblings. Left out
// are names that start with a dot, FSOptions.Own, what an [IgnoreFile] names and
// what is not wanted, directories with everything below them. Symbolic links are not
// followed, and the file system of [RootFS] refuses to leave its directory:
//
//	root, err := os.OpenRoot(dir)
//	...
//	src := ingest.FS(ingest.RootFS(root), ingest.FSOptions{URIPrefix: "file://" + abs + "/"})
//
// A directory below the root that cannot be listed, or whose ignore file cannot
// be read, is [Unlisted] with everything below it. Where it is the root, the run
// ends: what it holds would otherwise look as if it had vanished.
func FS(fsys fs.FS, o FSOptions) Source { return fsSource{fsys, o} }

type fsSource struct {
	fsys fs.FS
	o    FSOptions
}

var errStop = errors.New("stop")

func (s fsSource) Items(ctx context.Context) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		w := walk{s, ctx, yield}
		err := w.directory(".", nil, len(s.o.Select.include) == 0)
		if err != nil && err != errStop {
			yield(Item{}, fmt.Errorf("list the files: %w", err))
		}
	}
}

// walk is one listing of a tree.
type walk struct {
	fsSource
	ctx   context.Context
	yield func(Item, error) bool
}

// directory lists a directory. wanted: an include glob names it, or none is
// given. The error ends the listing.
func (w *walk) directory(dir string, above *ignores, wanted bool) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if w.o.Entered != nil {
		w.o.Entered(dir)
	}
	entries, err := fs.ReadDir(w.fsys, dir)
	var rules *ignores
	if err == nil {
		rules, err = above.below(w.fsys, w.o.URIPrefix, dir, entries)
	}
	switch {
	case err != nil && dir == ".":
		return err
	case err != nil && !w.yield(Item{}, &Unlisted{Name: w.o.URIPrefix + dir, Err: err}):
		return errStop
	case err != nil:
		return nil
	}
	for _, e := range entries {
		if e.Name() == IgnoreFile {
			continue
		}
		if err := w.entry(path.Join(dir, e.Name()), e, rules, wanted); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) entry(name string, e fs.DirEntry, rules *ignores, wanted bool) error {
	why, by := w.omission(name, e, rules)
	if why == "" && !wanted {
		_, wanted = lastMatch(w.o.Select.include, name, e.IsDir())
		if !wanted && !e.IsDir() {
			why = OmitUnselected
		}
	}
	switch {
	case why != "" && w.o.Omitted != nil:
		w.o.Omitted(Omitted{Name: name, Dir: e.IsDir(), Why: why, By: by})
		return nil
	case why != "":
		return nil
	case e.IsDir() && utf8.ValidString(name):
		return w.directory(name, rules, wanted)
	case e.IsDir():
		// Nothing below it has a name that could be stored: it fails as a whole.
		item, err := w.o.item(w.fsys, name+"/", nil)
		if !w.yield(item, err) {
			return errStop
		}
		return nil
	}
	info, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it went while its directory was being listed
	}
	item, nameErr := w.o.item(w.fsys, name, info)
	if !w.yield(item, errors.Join(nameErr, err)) {
		return errStop
	}
	return nil
}

// omission says why an entry is left out, whether include globs name it or not.
func (w *walk) omission(name string, e fs.DirEntry, rules *ignores) (why Omission, by string) {
	switch {
	case strings.HasPrefix(e.Name(), "."):
		return OmitHidden, ""
	case e.Type()&fs.ModeSymlink != 0:
		return OmitSymlink, ""
	case !e.IsDir() && !e.Type().IsRegular():
		return OmitSpecial, ""
	case e.IsDir() && name == w.o.Own:
		return OmitOwn, ""
	}
	if p, ok := lastMatch(w.o.Select.exclude, name, e.IsDir()); ok {
		return OmitExcluded, p.String()
	}
	if p, ok := rules.decide(name, e.IsDir()); ok {
		return OmitIgnored, p.String()
	}
	return "", ""
}

// item describes one file; info may be nil. A name that no document id can hold
// is the document's failure.
func (o FSOptions) item(fsys fs.FS, name string, info fs.FileInfo) (Item, error) {
	item := Item{
		ID:   text.DocID(o.IDPrefix + legible(name)),
		URI:  o.URIPrefix + legible(name),
		Name: name,
		Info: info,
		Open: func() (io.ReadCloser, error) { return fsys.Open(name) },
	}
	if info != nil {
		item.Modified = info.ModTime()
	}
	if !utf8.ValidString(name) {
		return item, fmt.Errorf("file name %q is not valid UTF-8", name)
	}
	return item, nil
}

// legible returns name with each byte that is not UTF-8 as //x and its value, in
// hexadecimal: no path has two slashes in a row, so that no other file is called
// the same.
func legible(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	var b strings.Builder
	for len(name) > 0 {
		r, size := utf8.DecodeRuneInString(name)
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, "//x%02x", name[0])
		} else {
			b.WriteString(name[:size])
		}
		name = name[size:]
	}
	return b.String()
}

// Files yields the named files of fsys in the given order, hidden ones and such
// as an [IgnoreFile] names too. A name that is no regular file is the document's
// failure.
func Files(fsys fs.FS, o FSOptions, names ...string) Source { return fileSource{fsys, o, names} }

type fileSource struct {
	fsys  fs.FS
	o     FSOptions
	names []string
}

func (s fileSource) Items(context.Context) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for _, name := range s.names {
			info, err := fs.Stat(s.fsys, name)
			switch {
			case err != nil:
				info = nil
			case !info.Mode().IsRegular():
				info, err = nil, fmt.Errorf("%s is not a regular file", name)
			}
			item, nameErr := s.o.item(s.fsys, name, info)
			if nameErr != nil {
				err = nameErr
			}
			if !yield(item, err) {
				return
			}
		}
	}
}
