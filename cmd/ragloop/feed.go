package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/index"
)

// feedHelp is what the help of "ingest" says about --feed.
const feedHelp = `--feed FILE reads the documents from JSON Lines instead, as any program can write
them: {"id": "…", "text": "…"} or {"id": "…", "path": "…"}, beside them uri, title,
media_type, meta, tags, acl and modified, and {"id": "…", "deleted": true} for one
that is gone. "path" is relative to the directory of FILE, or to --feed-root. FILE
may be -, for standard input. A feed lists changes: what it does not name stays as
it is, unless --prune says that it names everything. Of several lines with one id
the last one counts. A feed with a wrong line is refused as a whole, before
anything is stored; a document that cannot be read does not stop the others.`

// feedFlags are the flags of "ingest" that name a feed.
type feedFlags struct{ file, root string }

func (f *feedFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "feed", "", "JSON Lines `FILE` of documents to add, change and remove; - reads standard input")
	cmd.Flags().StringVar(&f.root, "feed-root", "", "`DIR` that \"path\" in a feed is relative to (default: the feed's own)")
}

func (f *feedFlags) given() bool { return f.file != "" }

// limit tells o what a feed says about documents that it does not name: nothing,
// unless it is to be the whole. It refuses flags that have no meaning with a feed.
func (f *feedFlags) limit(cmd *cobra.Command, o *ingest.Options, rebuild bool) error {
	switch {
	case !f.given():
	case cmd.Flags().Changed("path-meta"):
		return errors.New("ingest: --path-meta is for PATH…, and a feed has its metadata in its lines")
	case o.Prune:
	case rebuild:
		return errors.New("ingest: --rebuild makes the collection anew from the feed alone; say --prune if it names every document")
	default:
		o.Scope = func(index.Record) bool { return false }
	}
	return nil
}

// args accepts one or more PATHs or a feed.
func (f *feedFlags) args(cmd *cobra.Command, got []string) error {
	switch {
	case f.given() && len(got) > 0:
		return fmt.Errorf("%s takes PATH… or --feed, not both; got %q and %q", words(cmd), got[0], f.file)
	case !f.given() && f.root != "":
		return fmt.Errorf("%s: --feed-root %q has no meaning without --feed", words(cmd), f.root)
	case f.given():
		return nil
	}
	return atLeast("PATH")(cmd, got)
}

// feed opens and checks the feed that f names. done closes it.
func (a *app) feed(ctx context.Context, f feedFlags) (src *ingest.Feed, done func(), err error) {
	var closers []func()
	closeAll := func() {
		for _, c := range slices.Backward(closers) {
			c()
		}
	}
	defer func() {
		if err != nil {
			closeAll()
			err = fmt.Errorf("ingest: %w", err)
		}
	}()
	var o ingest.FeedOptions
	openRoot := func(dir string) error {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return err
		}
		closers = append(closers, func() { root.Close() })
		o.Files, o.URIPrefix = ingest.RootFS(root), uriPrefix(dir)
		return nil
	}
	if f.root != "" {
		if err := openRoot(f.root); err != nil { // before a long input is read
			return nil, nil, err
		}
	}
	file, name, dir, err := a.openFeed(ctx, f.file)
	if err != nil {
		return nil, nil, err
	}
	closers = append(closers, func() { closeFeed(file, dir) })
	if f.root == "" && dir != "" {
		if err := openRoot(dir); err != nil {
			return nil, nil, err
		}
	}
	o.Name = name
	if src, err = ingest.NewFeed(ctx, file, o); err != nil {
		return nil, nil, err
	}
	if n := src.Superseded(); n > 0 {
		a.say("%d lines of the feed do not count: later lines have the same ids", n)
	}
	return src, closeAll, nil
}

// openFeed opens the feed called name; called is its name in messages. dir is the
// directory of a feed that is a file. What can be read only once, a pipe or
// standard input, is copied to a temporary file and has none.
func (a *app) openFeed(ctx context.Context, name string) (file *os.File, called, dir string, err error) {
	if name == "-" {
		called = "standard input"
		file, err = spool(ctx, a.in, called)
		return file, called, "", err
	}
	if file, err = os.Open(name); err != nil {
		return nil, "", "", err
	}
	info, err := file.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = fmt.Errorf("--feed %s is a directory; want a file of JSON Lines", name)
	case info.Mode().IsRegular():
		return file, name, filepath.Dir(name), nil
	default:
		kept, err := spool(ctx, file, name)
		file.Close()
		return kept, name, "", err
	}
	file.Close()
	return nil, "", "", err
}

// closeFeed closes what openFeed returned, and removes what is temporary.
func closeFeed(file *os.File, dir string) {
	file.Close()
	if dir == "" {
		os.Remove(file.Name()) // where an open file could not be removed
	}
}

// spool copies r to a temporary file that nobody else can read. Where the system
// can do that it is removed at once, so that nothing is left even of a process
// that is killed; closeFeed does the rest.
func spool(ctx context.Context, r io.Reader, name string) (*os.File, error) {
	f, err := os.CreateTemp("", "ragloop-feed-*")
	if err != nil {
		return nil, fmt.Errorf("keep %s: %w", name, err)
	}
	os.Remove(f.Name())
	// Nothing can interrupt a read of standard input: this goroutine ends with
	// it, or with the process.
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(f, r)
		copied <- err
	}()
	select {
	case <-ctx.Done():
		err = ctx.Err()
	case err = <-copied:
	}
	if err != nil {
		closeFeed(f, "")
		return nil, fmt.Errorf("keep %s in a temporary file: %w", name, err)
	}
	return f, nil
}
