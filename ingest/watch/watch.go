// Package watch keeps an index in step with a source whose documents are files,
// as long as it runs.
//
// A [Watcher] lists the source again and again: a scan reads no file, but
// compares what is known of each (size, time, identity) with what it was when it
// was ingested. What differs goes into a round: one [ingest.Build], or whatever
// the caller makes of it. Scans are what finds changes; a [Notifier] only makes
// the next one come sooner, so that a lost event costs time and nothing else.
// The package stores nothing, and reads and writes no index.
//
// # Freshness
//
// Where the notifier tells of it, a change is taken up Options.Quiet after the
// file was last written to, and the disappearance of a file within twice that
// time; a program that replaces a file by removing it first does not lose its
// document. Added to it are the time of a scan, that of a round which is already
// at work, and the rest of four scans' time that follows every scan. Where
// nothing tells of it, it is taken up Options.Rescan later.
//
// # What a scan can miss
//
// A file whose bytes have changed without a trace in size, time and identity is
// not read again before the watcher is started anew. Since times are coarse, a
// file that was younger than two seconds when it was listed is read once more
// later. A program that pauses for longer than Options.Quiet while it writes a
// file is caught in between; the file is read again when it goes on.
package watch

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/internal/text"
)

// Round brings an index up to date with src. With full, src lists every document
// and what it does not list has vanished; otherwise it lists what may have
// changed, and deleted documents as such, and says nothing about others. A nil
// error means that all of src is done except for Summary.Failures; with another
// one everything in it is tried again.
//
// When ctx ends it shall finish what it has begun, and return.
type Round func(ctx context.Context, src ingest.Source, full bool) (ingest.Summary, error)

var (
	// ErrStale, from a round that is not full: the index is not the one that the
	// rounds before went into. A full round follows at once.
	ErrStale = errors.New("the index is another one now")

	// ErrFatal, from a round: trying again is of no use. It ends Run.
	ErrFatal = errors.New("cannot go on")
)

// Options configure a [Watcher]. The zero value is usable.
type Options struct {
	Quiet  time.Duration // a file is read once it has been unchanged for so long; 0: 2 s
	Rescan time.Duration // longest time between two scans; 0: 5 min

	// Notifier tells of changes. Nil: none does, and scans come every Rescan.
	Notifier Notifier

	// Report, where set, is told about what happened, from the goroutine of Run.
	Report func(Report)
}

// Notifier tells that something has changed in the directories that it watches.
type Notifier interface {
	// Changes delivers nil for one or more changes, and an error for something
	// that keeps it from hearing of some: that counts as a change, too.
	Changes() <-chan error
}

// Report is something that happened. One field is set.
type Report struct {
	Warning error // changes are heard of later, or not before a rescan

	// Failed is why a scan or round failed; the next one comes after Wait.
	Failed error
	Wait   time.Duration
}

const (
	defaultQuiet  = 2 * time.Second
	defaultRescan = 5 * time.Minute

	// racy is how old a file must be to be known by its time: that of FAT counts
	// in steps of two seconds.
	racy = 2 * time.Second

	// restScans is how many times as long as a scan took no other one begins: a
	// large tree that changes all the time is not scanned all the time.
	restScans = 4

	firstRetry = time.Second // doubled with every failure, up to Options.Rescan
)

// Watcher watches one source. Not safe for concurrent use.
type Watcher struct {
	src   ingest.Source
	round Round
	o     Options

	current bool                    // a full round is done, and files is what is ingested
	partial bool                    // a part could not be listed then
	files   map[text.DocID]file     // by this process
	held    map[text.DocID]sighting // files that are being written to
	missing map[text.DocID]time.Time
}

// file is what was known of a document's file when it was listed for the round
// that ingested it.
type file struct {
	info   fs.FileInfo // may be nil
	failed bool        // to be tried again with the next rescan
	young  bool        // it may have changed since without a trace
}

// sighting is a file as it was first seen in its present state.
type sighting struct {
	info fs.FileInfo
	at   time.Time
}

// New returns a watcher of src, whose documents have an Info, that calls round.
func New(src ingest.Source, round Round, o Options) *Watcher {
	if o.Quiet == 0 {
		o.Quiet = defaultQuiet
	}
	if o.Rescan == 0 {
		o.Rescan = defaultRescan
	}
	return &Watcher{src: src, round: round, o: o}
}

// Run watches until ctx ends, which is no error, or a round fails with ErrFatal.
// It begins with a full round, which takes files however young they are. A
// source that cannot be listed then ends Run, too; whatever fails later is
// reported and tried again.
func (w *Watcher) Run(ctx context.Context) error {
	rescanAt := time.Now()
	failures := 0
	for first := true; ; first = false {
		began := time.Now()
		rescan := !began.Before(rescanAt)
		s, err := w.scan(ctx, began, rescan)
		took := time.Since(began)
		if first && err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil && s.work {
			err = w.carryOut(ctx, s)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrFatal):
			return err
		case errors.Is(err, ErrStale) && w.current:
			w.current = false
			rescanAt = time.Now()
			continue
		case err != nil:
			wait := min(firstRetry<<min(failures, 20), w.o.Rescan)
			failures++
			w.report(Report{Failed: err, Wait: wait})
			if !sleep(ctx, wait) {
				return nil
			}
			rescanAt = time.Now()
			continue
		}
		failures = 0
		if rescan {
			rescanAt = began.Add(w.o.Rescan)
		}
		if !w.pause(ctx, earlier(s.again, rescanAt), time.Now().Add(restScans*took)) {
			return nil
		}
	}
}

// carryOut runs a round and remembers what it did.
func (w *Watcher) carryOut(ctx context.Context, s *scan) error {
	sum, err := w.round(ctx, s.items, s.full)
	if err != nil {
		return err
	}
	if s.full {
		w.files = make(map[text.DocID]file, len(s.files))
		w.current, w.partial = true, s.partial
	}
	for _, l := range s.items {
		if l.item.Deleted {
			delete(w.files, l.item.ID)
			delete(w.missing, l.item.ID)
		}
	}
	for doc, f := range s.files {
		w.files[doc] = f
	}
	for _, f := range sum.Failures {
		if f.Reason != "" {
			continue // quarantined: it is tried again when it has changed
		}
		if known, ok := w.files[f.Doc]; ok {
			known.failed = true
			w.files[f.Doc] = known
		}
	}
	return nil
}

// pause waits until next, or for a change and then for Options.Quiet, but in any
// case until rest. It returns false when ctx ends.
func (w *Watcher) pause(ctx context.Context, next, rest time.Time) bool {
	var changes <-chan error
	if w.o.Notifier != nil {
		changes = w.o.Notifier.Changes()
	}
	timer := time.NewTimer(time.Until(later(next, rest)))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case err := <-changes:
			if err != nil {
				w.report(Report{Warning: err})
			}
			if at := time.Now().Add(w.o.Quiet); at.Before(next) {
				next = at
				timer.Reset(time.Until(later(next, rest)))
			}
		}
	}
}

func (w *Watcher) report(r Report) {
	if w.o.Report != nil {
		w.o.Report(r)
	}
}

// sleep returns false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// earlier returns the earlier of two times; a zero time is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
