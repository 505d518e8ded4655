// Package ingest is the worker of the loop's first half: plan → extract → chunk
// → embed → upsert → commit.
//
// It takes documents from a [Source], works out which are new or changed, and
// brings a generation of the index up to date. It is not a crawler (a Source
// says what there is), knows no file format ([extract] does) and holds no state
// of its own: what was done before is read from the index. Sources are files and
// trees of them ([Files], [FS]), what any other program writes down ([Feed]) and
// what a caller has ([Documents]).
//
// # Promises
//
// A document that a [Summary] counts as indexed or replaced is durable and
// findable. One document's failure never stops the others: it is recorded with
// its error. Where the failure lies in the document (it is damaged, encrypted,
// its parser hangs: [extract.Reason]), the document is quarantined: it is not
// tried again until it, or the extractor, has changed, or Options.RetryFailed or
// [Release] asks for it. Any other failure is tried again by the next run. A
// document that fails now but was indexed before keeps what is stored of it, and
// its record says so. A text that the embedder refuses, while it takes others,
// fails its document; so does one that the language model of a [Situator] refuses. A
// run outlasts some minutes in which the index, the embedder or that model cannot be
// reached. Any other failure of theirs, of the parser processes or of the source itself ends
// the run with an error; what was committed until then stays, and the next run goes
// on from there. A run over an unchanged source embeds and writes nothing, except
// where the model of a [Situator] had no usable answer about a chunk: it is asked again,
// if it can be reached, and what it says now is stored. Equal texts of a run are embedded
// once, as far as they are not too far apart.
//
// Documents are committed in source order, whatever the number of workers, so
// that equal input makes equal indexes and equal summaries.
package ingest

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"time"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/text"
)

// Item is a document as its source knows it.
type Item struct {
	ID        text.DocID // never empty, unique within a source
	URI       string     // where people find the document; may be empty
	Name      string     // file name, for its extension and in messages; empty: the ID
	MediaType string     // as declared; empty: detect
	Title     string     // empty: the one that extraction finds
	Tags      []string

	// Meta are fields that a filter can name; meta.Check says what is allowed. A
	// field that the document itself has, too, counts as it is here. "modified"
	// must be a time and counts before Modified and what the document says.
	Meta meta.Fields

	// Modified is when the document was last changed; zero: unknown. Unlike the
	// others it is no reason to store an unchanged document again: files are
	// touched, copied and checked out.
	Modified time.Time

	// Info is what was known of the document's file when it was listed, for
	// those who look for changes. Nil where it is no file.
	Info fs.FileInfo

	// ACL says who may see the document, in the names of whoever asks. It is
	// kept and can be named by a filter; ragloop itself enforces nothing.
	ACL []string

	// Deleted says that the document is gone: what is stored of it is removed,
	// with or without Options.Prune. Only its ID counts.
	Deleted bool

	// Open opens the document's bytes. It is called from any goroutine, and
	// again only where what it returned is an fs.File that changed while it was
	// read.
	Open func() (io.ReadCloser, error)

	unmatched bool // by the pattern of WithPathMeta
}

func (i Item) name() string {
	if i.Name != "" {
		return i.Name
	}
	return string(i.ID)
}

// Source lists documents.
//
// Items yields them in an order that depends on nothing but what there is, ends
// soon after ctx, and may be called more than once. An error beside an item that
// has an ID is that document's failure, and the sequence goes on; an error beside
// an item without one ends the run, unless it is an [Unlisted].
type Source interface {
	Items(ctx context.Context) iter.Seq2[Item, error]
}

// Unlisted is the error, beside an item without an ID, for a part of a source
// that cannot be listed now, such as a directory without read permission. The
// sequence goes on. What the part holds is unknown: a run that meets one removes
// nothing that it did not see deleted, and a rebuilt generation is not served.
type Unlisted struct {
	Name string // of the part, as its source names it
	Err  error
}

func (u *Unlisted) Error() string { return fmt.Sprintf("list %s: %v", u.Name, u.Err) }
func (u *Unlisted) Unwrap() error { return u.Err }

// Extractor turns the bytes of a document into text: isolate.Pool, for files of
// strangers, or [InProcess].
//
// An error with a reason (extract.ReasonOf) is the document's failure; any other
// ends the run. It is called concurrently, and its result must depend on the
// input alone.
type Extractor interface {
	Extract(context.Context, extract.Input) (extract.Document, error)
}

// InProcess extracts in this process, without limits on time and memory: a
// hostile file can end the program. It is for documents that are trusted.
type InProcess struct{}

// Extract is extract.Extract.
func (InProcess) Extract(ctx context.Context, in extract.Input) (extract.Document, error) {
	return extract.Extract(ctx, in)
}

// Outcome is what became of a document.
type Outcome string

const (
	Indexed   Outcome = "indexed"   // new
	Replaced  Outcome = "replaced"  // changed
	Unchanged Outcome = "unchanged" // stored already, or deleted and not stored: nothing was done
	Removed   Outcome = "removed"   // deleted by the source, or no longer in it, with Prune
	Failed    Outcome = "failed"    // not ingested; an earlier version stays as it was

	// Quarantined is failed, and not tried again while nothing changes.
	Quarantined Outcome = "quarantined"
)
