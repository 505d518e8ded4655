package ingest

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// IgnoreFile is the name of the files that say what [FS] leaves out below the
// directories that they lie in. Their lines are those of .gitignore:
//
//	drafts/        directories of that name, with everything below them
//	*.tmp          files and directories, in this directory and below it
//	/build         in this directory alone, as with any other slash but the last
//	docs/**/old    with ** for any number of directories
//	!keep.tmp      not that one, as far as its directory is not left out
//	# a comment; \# and \! begin a name, and [a-z], ? and \ are as in a shell
//
// The last line that matches decides, and those of a deeper directory before
// those of one above it. Upper and lower case differ everywhere. A line that can
// match nothing, such as one with an open bracket, is an error.
const IgnoreFile = ".ragloopignore"

// maxIgnoreBytes is the largest ignore file.
const maxIgnoreBytes = 1 << 20

// ignores are the lines that count for a directory: its own, and those of the
// directories above it.
type ignores struct {
	above    *ignores
	dir      string // with a slash at its end; the root's is empty
	patterns []pattern
}

// decide returns the pattern that leaves name out, if one does.
func (g *ignores) decide(name string, dir bool) (by pattern, ignored bool) {
	for ; g != nil; g = g.above {
		if p, ok := lastMatch(g.patterns, strings.TrimPrefix(name, g.dir), dir); ok {
			return p, !p.negated
		}
	}
	return pattern{}, false
}

// below returns the ignores of directory dir, whose entries are given: g, and
// what its own file adds. prefix is put in front of the file's path in messages.
func (g *ignores) below(fsys fs.FS, prefix, dir string, entries []fs.DirEntry) (*ignores, error) {
	for _, e := range entries {
		if e.Name() != IgnoreFile {
			continue
		}
		name := path.Join(dir, IgnoreFile)
		if !e.Type().IsRegular() {
			return nil, fmt.Errorf("read %s: it is not a regular file", prefix+name)
		}
		data, err := readIgnoreFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", prefix+name, err)
		}
		patterns, err := parseIgnoreFile(prefix+name, data)
		if err != nil {
			return nil, err
		}
		own := &ignores{above: g, patterns: patterns}
		if dir != "." {
			own.dir = dir + "/"
		}
		return own, nil
	}
	return g, nil
}

func readIgnoreFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxIgnoreBytes+1))
	if err == nil && len(data) > maxIgnoreBytes {
		err = fmt.Errorf("it is longer than %d bytes", maxIgnoreBytes)
	}
	return data, err
}

func parseIgnoreFile(name string, data []byte) (patterns []pattern, err error) {
	n := 0
	for line := range bytes.Lines(bytes.TrimPrefix(data, []byte("\ufeff"))) {
		n++
		where := fmt.Sprintf("%s:%d", name, n)
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		p, ok, err := parseLine(string(line))
		if err != nil {
			return nil, fmt.Errorf("%s: pattern %q: %w", where, line, err)
		}
		if ok {
			p.where = where
			patterns = append(patterns, p)
		}
	}
	return patterns, nil
}

// Selection says which files of a tree are wanted. The zero value: all.
type Selection struct{ include, exclude []pattern }

// Select returns the files that one of the include globs names, all where there
// are none, without those that one of the exclude globs names. Globs are as the
// lines of an [IgnoreFile] at the root of the tree, but for "!" and for spaces in
// front, which do not count either; one that names a directory means everything
// below it. Neither an include glob nor a line of an ignore file takes back in
// what an exclude glob names.
func Select(include, exclude []string) (Selection, error) {
	var s Selection
	for _, list := range []struct {
		what string
		from []string
		to   *[]pattern
	}{{"include", include, &s.include}, {"exclude", exclude, &s.exclude}} {
		for _, glob := range list.from {
			p, err := parseGlob(glob)
			if err != nil {
				return Selection{}, fmt.Errorf("%s %w", list.what, err)
			}
			*list.to = append(*list.to, p)
		}
	}
	return s, nil
}

// Wants reports whether s takes the file at name, a path below the root of the
// tree, as far as no ignore file leaves it out and whether it is there or not.
func (s Selection) Wants(name string) bool {
	wanted := len(s.include) == 0
	for at, dir := name, false; at != "." && at != "/"; at, dir = path.Dir(at), true {
		if _, excluded := lastMatch(s.exclude, at, dir); excluded {
			return false
		}
		if _, included := lastMatch(s.include, at, dir); included {
			wanted = true
		}
	}
	return wanted
}
