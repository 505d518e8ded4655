package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// scope returns which stored documents an ingest of paths answers for: those
// that it would store under the same id and URI if their file were there. What
// came from other paths, from a feed or over the wire, even if its URI lies below
// a path, has not vanished because these do not list it, and neither has what
// selection leaves out. What an ignore file leaves out has: the tree itself says
// that it is no document.
func scope(paths []string, selection ingest.Selection) func(index.Record) bool {
	files := map[string]text.DocID{} // ids by URI
	var dirs []string
	for _, name := range paths {
		if info, err := os.Stat(name); err == nil && !info.IsDir() {
			base := filepath.Base(name)
			files[uriPrefix(filepath.Dir(name))+base] = text.DocID(base)
			continue
		}
		dirs = append(dirs, uriPrefix(name))
	}
	return func(r index.Record) bool {
		if id, ok := files[r.URI]; ok && id == r.Doc {
			return true
		}
		for _, dir := range dirs {
			if name, ok := below(r.URI, dir); ok && name == string(r.Doc) && selection.Wants(name) {
				return true
			}
		}
		return false
	}
}

// below returns the path of what a URI names below a directory, whose prefix is
// empty for the working directory. ok: it lies below.
func below(uri, prefix string) (name string, ok bool) {
	if prefix == "" {
		return uri, uri != "" && uri[0] != '/' && !strings.HasPrefix(uri, "../") && !strings.Contains(uri, "://")
	}
	return strings.CutPrefix(uri, prefix)
}
