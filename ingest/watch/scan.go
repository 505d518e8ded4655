package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/text"
)

// scan is one listing of the source, and what is to be done about it.
type scan struct {
	began  time.Time
	rescan bool // what failed is tried again
	full   bool

	items   listing             // of the round, in source order, deleted ones behind
	work    bool                // there is something in items that asks for a round
	files   map[text.DocID]file // of items
	partial bool                // a part could not be listed
	again   time.Time           // something is to be looked at then; zero: nothing
}

// listing is a source of what a scan found.
type listing []listed

type listed struct {
	item ingest.Item
	err  error
}

func (l listing) Items(context.Context) iter.Seq2[ingest.Item, error] {
	return func(yield func(ingest.Item, error) bool) {
		for _, e := range l {
			if !yield(e.item, e.err) {
				return
			}
		}
	}
}

// scan lists the source and compares it with what is ingested. It opens no file.
func (w *Watcher) scan(ctx context.Context, began time.Time, rescan bool) (*scan, error) {
	s, seen, err := w.list(ctx, began, rescan, !w.current)
	if err == nil && w.current && w.partial && !s.partial {
		// What the missing part held when this began is known only now.
		s, seen, err = w.list(ctx, began, rescan, true)
	}
	if err != nil {
		return nil, err
	}
	if s.full {
		s.work, w.missing = true, nil
		return s, nil
	}
	return s, w.vanished(s, seen)
}

func (w *Watcher) list(ctx context.Context, began time.Time, rescan, full bool) (*scan, map[text.DocID]bool, error) {
	s := &scan{began: began, rescan: rescan, full: full, files: map[text.DocID]file{}}
	seen := map[text.DocID]bool{}
	held := map[text.DocID]sighting{}
	for item, err := range w.src.Items(ctx) {
		if item.ID == "" {
			if part := (*ingest.Unlisted)(nil); !errors.As(err, &part) {
				return nil, nil, fmt.Errorf("scan: %w", err)
			}
			s.partial = true
			s.work = s.work || rescan
			s.items = append(s.items, listed{item, err})
			continue
		}
		seen[item.ID] = true
		young := item.Info != nil && began.Sub(item.Info.ModTime()) < racy
		if !full && !w.wanted(s, held, item, young) {
			continue
		}
		if young {
			s.again = earlier(s.again, item.Info.ModTime().Add(racy))
		}
		s.work = true
		s.items = append(s.items, listed{item, err})
		s.files[item.ID] = file{info: item.Info, young: young}
	}
	w.held = held
	return s, seen, ctx.Err()
}

// wanted reports whether a document is for the next round. Of one that is not
// yet, it notes in s when to look again, and in held how it was seen.
func (w *Watcher) wanted(s *scan, held map[text.DocID]sighting, item ingest.Item, young bool) bool {
	known, ok := w.files[item.ID]
	if ok && same(known.info, item.Info) {
		if known.young && young {
			s.again = earlier(s.again, item.Info.ModTime().Add(racy))
		}
		return known.failed && s.rescan || known.young && !young
	}
	if item.Info == nil {
		return true
	}
	first, ok := w.held[item.ID]
	if !ok || !same(first.info, item.Info) {
		first = sighting{item.Info, s.began}
	}
	// A time that lay ahead says nothing: then it counts when it was seen.
	since := item.Info.ModTime()
	if since.After(first.at) {
		since = first.at
	}
	if s.began.Sub(since) >= w.o.Quiet {
		return true
	}
	held[item.ID] = first
	s.again = earlier(s.again, since.Add(w.o.Quiet))
	return false
}

// vanished adds the documents that have been missing for long enough.
func (w *Watcher) vanished(s *scan, seen map[text.DocID]bool) error {
	missing := map[text.DocID]time.Time{}
	if s.partial {
		w.missing = missing
		return nil // it may be in that part
	}
	for doc := range w.files {
		if seen[doc] {
			continue
		}
		missing[doc] = s.began
		if since, ok := w.missing[doc]; ok {
			missing[doc] = since
		}
	}
	w.missing = missing
	if len(missing) > 0 && len(seen) == 0 {
		return fmt.Errorf("scan: the source lists no documents at all, refusing to remove all %d", len(missing))
	}
	for _, doc := range slices.Sorted(maps.Keys(missing)) {
		if since := missing[doc]; s.began.Sub(since) < w.o.Quiet {
			s.again = earlier(s.again, since.Add(w.o.Quiet))
			continue
		}
		s.work = true
		s.items = append(s.items, listed{item: ingest.Item{ID: doc, Deleted: true}})
	}
	return nil
}

// same reports whether two looks at a file found it in the same state, as far as
// they can tell. Where the file system knows no identity of files, size and time
// tell alone.
func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) &&
		(a.Sys() == nil && b.Sys() == nil || os.SameFile(a, b))
}
