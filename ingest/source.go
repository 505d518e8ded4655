package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ragloop/ragloop/internal/text"
)

// FSOptions configure [FS] and [Files]. The zero value is usable.
type FSOptions struct {
	IDPrefix  string // put in front of the path to make the document id
	URIPrefix string // put in front of the path to make the URI, for example "file:///srv/docs/"

	// Skipped, where set, is called for whatever is left out besides hidden
	// files: symbolic links, devices, sockets. From the goroutine that iterates.
	Skipped func(name, reason string)
}

// FS yields the regular files below the root of fsys, sorted by path: a
// directory's content comes where its name sorts among its siblings. Names that
// start with a dot are left out, with everything below them. Symbolic links are
// not followed, and os.Root's file system refuses to leave its directory:
//
//	root, err := os.OpenRoot(dir)
//	...
//	src := ingest.FS(root.FS(), ingest.FSOptions{URIPrefix: "file://" + abs + "/"})
//
// A directory that cannot be read ends the run: what it holds would otherwise
// look as if it had vanished.
func FS(fsys fs.FS, o FSOptions) Source { return fsSource{fsys, o} }

type fsSource struct {
	fsys fs.FS
	o    FSOptions
}

var errStop = errors.New("stop")

func (s fsSource) Items(ctx context.Context) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		err := fs.WalkDir(s.fsys, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if name != "." && strings.HasPrefix(path.Base(name), ".") {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			switch {
			case d.IsDir():
				return nil
			case d.Type()&fs.ModeSymlink != 0:
				s.skip(name, "symbolic link, not followed")
				return nil
			case !d.Type().IsRegular():
				s.skip(name, "not a regular file")
				return nil
			}
			if !yield(s.o.item(s.fsys, name)) {
				return errStop
			}
			return nil
		})
		if err != nil && err != errStop {
			yield(Item{}, fmt.Errorf("list the files: %w", err))
		}
	}
}

func (s fsSource) skip(name, reason string) {
	if s.o.Skipped != nil {
		s.o.Skipped(name, reason)
	}
}

// item describes one file. A name that no document id can hold is the
// document's failure.
func (o FSOptions) item(fsys fs.FS, name string) (Item, error) {
	if !utf8.ValidString(name) {
		return Item{ID: text.DocID(o.IDPrefix + strings.ToValidUTF8(name, "\uFFFD"))}, fmt.Errorf("file name %q is not valid UTF-8", name)
	}
	return Item{
		ID:   text.DocID(o.IDPrefix + name),
		URI:  o.URIPrefix + name,
		Name: name,
		Open: func() (io.ReadCloser, error) { return fsys.Open(name) },
	}, nil
}

// Files yields the named files of fsys in the given order, hidden ones too.
// A name that is no regular file is the document's failure.
func Files(fsys fs.FS, o FSOptions, names ...string) Source { return fileSource{fsys, o, names} }

type fileSource struct {
	fsys  fs.FS
	o     FSOptions
	names []string
}

func (s fileSource) Items(context.Context) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for _, name := range s.names {
			item, err := s.o.item(s.fsys, name)
			if err == nil {
				var info fs.FileInfo
				if info, err = fs.Stat(s.fsys, name); err == nil && !info.Mode().IsRegular() {
					err = fmt.Errorf("%s is not a regular file", name)
				}
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

// Documents yields items in the given order.
func Documents(items []Item) Source { return documents(items) }

type documents []Item

func (d documents) Items(context.Context) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for _, item := range d {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// Text returns an item that holds s, plain text that is taken verbatim.
func Text(id text.DocID, title, s string) Item {
	return Item{ID: id, Title: title, MediaType: "text/plain; charset=utf-8", Open: Bytes([]byte(s))}
}

// Bytes returns an Item.Open of data, which must not change afterwards.
func Bytes(data []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
}

// Concat yields the documents of all sources, one source after the other.
func Concat(sources ...Source) Source { return concat(slices.Clone(sources)) }

type concat []Source

func (c concat) Items(ctx context.Context) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for _, s := range c {
			for item, err := range s.Items(ctx) {
				if !yield(item, err) {
					return
				}
				if err != nil && item.ID == "" {
					return
				}
			}
		}
	}
}
