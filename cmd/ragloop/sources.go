package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// source is what an "ingest" reads: the PATHs, or a feed.
func (a *app) source(ctx context.Context, names, tags []string, fed feedFlags) (src ingest.Source, done func(), err error) {
	if !fed.given() {
		return a.paths(names, tags)
	}
	f, done, err := a.feed(ctx, fed)
	if err != nil {
		return nil, nil, err
	}
	return tagged{f, tags}, done, nil
}

// bindSelection adds the flags that say which files of a directory are wanted.
func (a *app) bindSelection(cmd *cobra.Command) {
	a.bindList(cmd, "include", "source.include", "take only files of directories that this `GLOB` names, as in "+ingest.IgnoreFile+"; may be repeated")
	a.bindList(cmd, "exclude", "source.exclude", "leave out files and directories that this `GLOB` names; may be repeated")
	a.bind(cmd, "path-meta", "source.path_meta", "take metadata from paths by this `PATTERN`, such as {year:int}/{team}/**")
}

// selection returns which files of directories are wanted.
func (a *app) selection() (ingest.Selection, error) {
	c := a.cfg.Config.Source
	s, err := ingest.Select(c.Include, c.Exclude)
	if err != nil {
		return s, fmt.Errorf("ingest: %w", err)
	}
	return s, nil
}

// paths makes one source of files and directories. done closes it.
func (a *app) paths(names, tags []string) (ingest.Source, func(), error) {
	return a.watchable(names, tags, nil)
}

// watchable is paths, and tells entered about every directory before it is
// listed.
func (a *app) watchable(names, tags []string, entered func(dir string)) (src ingest.Source, done func(), err error) {
	selection, err := a.selection()
	if err != nil {
		return nil, nil, err
	}
	all := func(src ingest.Source) ingest.Source { return src }
	if a.pathMeta != nil {
		all = func(src ingest.Source) ingest.Source { return ingest.WithPathMeta(src, a.pathMeta) }
	}
	a.omitted = &omissions{}
	var sources []ingest.Source
	var roots []*os.Root
	done = func() {
		for _, r := range roots {
			r.Close()
		}
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			done()
			return nil, nil, fmt.Errorf("ingest: %w", err)
		}
		dir := name
		if !info.IsDir() {
			dir = filepath.Dir(name)
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			done()
			return nil, nil, fmt.Errorf("ingest: %w", err)
		}
		roots = append(roots, root)
		own, err := a.ownDir(dir)
		if err == nil && own == "." && info.IsDir() {
			err = fmt.Errorf("%s is the data directory (data_dir), which holds no documents; give the directories that do, or set another data_dir", name)
		}
		if err != nil {
			done()
			return nil, nil, fmt.Errorf("ingest: %w", err)
		}
		o := ingest.FSOptions{
			URIPrefix: uriPrefix(dir),
			Select:    selection,
			Own:       own,
			Omitted: func(m ingest.Omitted) {
				a.omitted.add(filepath.Join(dir, m.Name), m)
			},
		}
		if entered != nil {
			o.Entered = func(sub string) { entered(filepath.Join(dir, sub)) }
		}
		if info.IsDir() {
			sources = append(sources, ingest.FS(ingest.RootFS(root), o))
		} else {
			sources = append(sources, ingest.Files(ingest.RootFS(root), o, filepath.Base(name)))
		}
	}
	return distinct{tagged{all(ingest.Concat(sources...)), tags}}, done, nil
}

// ownDir returns the path of the data directory below dir, which exists: "." if
// it is dir itself, empty if it lies elsewhere.
func (a *app) ownDir(dir string) (string, error) {
	real := [2]string{}
	for i, name := range []string{dir, a.cfg.Config.DataDir} {
		abs, err := filepath.Abs(name)
		if err != nil {
			return "", err
		}
		if real[i], err = resolved(abs); err != nil {
			return "", err
		}
	}
	rel, err := filepath.Rel(real[0], real[1])
	if err != nil || !filepath.IsLocal(rel) {
		return "", nil // elsewhere, or on another volume
	}
	return filepath.ToSlash(rel), nil
}

// resolved returns an absolute path without symbolic links. What does not exist
// yet stands for itself.
func resolved(abs string) (string, error) {
	name, err := filepath.EvalSymlinks(abs)
	if dir := filepath.Dir(abs); errors.Is(err, fs.ErrNotExist) && dir != abs {
		parent, err := resolved(dir)
		return filepath.Join(parent, filepath.Base(abs)), err
	}
	return name, err
}

// uriPrefix keeps the path as the user gave it: contexts and reports then say
// the same on every machine that holds the same tree.
func uriPrefix(dir string) string {
	p := path.Clean(filepath.ToSlash(dir))
	switch p {
	case ".":
		return ""
	case "/":
		return "/"
	}
	return p + "/"
}

// tagged adds tags to every document of a source.
type tagged struct {
	ingest.Source
	tags []string
}

func (t tagged) Items(ctx context.Context) iter.Seq2[ingest.Item, error] {
	return func(yield func(ingest.Item, error) bool) {
		for item, err := range t.Source.Items(ctx) {
			for _, tag := range t.tags {
				if !slices.Contains(item.Tags, tag) {
					item.Tags = append(item.Tags, tag)
				}
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

// distinct ends a run when two paths give the same document id: one of them
// would silently replace the other.
type distinct struct{ ingest.Source }

func (d distinct) Items(ctx context.Context) iter.Seq2[ingest.Item, error] {
	return func(yield func(ingest.Item, error) bool) {
		uri := map[text.DocID]string{}
		for item, err := range d.Source.Items(ctx) {
			if item.ID != "" {
				if first, ok := uri[item.ID]; ok {
					yield(ingest.Item{}, fmt.Errorf("%s and %s both have the id %s; ingest a common parent directory instead", first, item.URI, item.ID))
					return
				}
				uri[item.ID] = item.URI
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

// reopened makes a source of the files that records name by their URI, for
// building the same documents again under another recipe.
func reopened(records []index.Record) ingest.Source {
	var items []ingest.Item
	for _, r := range records {
		items = append(items, ingest.Item{
			ID: r.Doc, URI: r.URI, Tags: r.Tags, Meta: r.Meta, ACL: r.ACL, Modified: r.Modified,
			Open: func() (io.ReadCloser, error) {
				f, err := os.Open(filepath.FromSlash(r.URI))
				if errors.Is(err, fs.ErrNotExist) {
					return nil, fmt.Errorf("%w; give the PATH… that were ingested", err)
				}
				return f, err
			},
		})
	}
	return ingest.Documents(items)
}
