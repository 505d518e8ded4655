package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve"
)

// Collections finds the collection that a request names.
type Collections interface {
	// Collection returns the collection of that name, the default one for "".
	// The error is index.ErrNoCollection when there is none. It is called for
	// every request, so it may answer with another generation from one to the
	// next.
	Collection(ctx context.Context, name string) (Collection, error)
}

// Collection is one generation of a collection, as served.
type Collection struct {
	Name       string
	Generation int
	Recipe     string // fingerprint
	Embedder   string // name

	Searcher  Searcher
	Documents Documents
	Ingester  Ingester // nil: the collection takes no documents
}

// Searcher finds chunks; implemented by retrieve.Retriever.
type Searcher interface {
	Search(ctx context.Context, query string, p retrieve.Params) (retrieve.Result, error)
}

// Documents reads documents; implemented by index.Generation.
type Documents interface {
	Record(ctx context.Context, doc text.DocID) (index.Record, error)
	Text(ctx context.Context, doc text.DocID) (string, index.Record, error)
	ListPage(ctx context.Context, pageToken string, limit int) (page []index.Record, next string, err error)
}

// ErrUnavailable: what an [Ingester] needs cannot be reached now; the same may
// succeed later.
var ErrUnavailable = errors.New("unavailable")

// Ingester changes documents.
type Ingester interface {
	// Put returns when the document is durable and findable, or removed. The
	// error is a [*RejectedError] when the document itself is the reason; then
	// what was stored of it before is still findable. One that wraps
	// ErrUnavailable may be gone later.
	Put(ctx context.Context, d NewDocument) (PutResult, error)
	// Delete reports whether there was such a document.
	Delete(ctx context.Context, doc text.DocID) (bool, error)
}

// NewDocument is a document to ingest.
type NewDocument struct {
	ID        text.DocID  // not empty, no control characters
	URI       string      // may be empty
	MediaType string      // empty: detect
	Title     string      // empty: take the one found
	Content   []byte      // not empty, unless Deleted; owned by the callee
	Tags      []string    // distinct
	ACL       []string    // distinct
	Meta      meta.Fields // allowed keys and values; "modified", if any, is a time
	Deleted   bool        // only the ID counts
}

// Outcome is what putting a document did.
type Outcome uint8

const (
	Indexed   Outcome = iota + 1 // new
	Replaced                     // in place of an earlier version
	Unchanged                    // nothing was done
	Removed                      // deleted
)

// PutResult is what became of a document.
type PutResult struct {
	Outcome  Outcome
	Record   index.Record // as stored; zero where the document is not stored any more
	Warnings []string
}

// RejectedError says why a document cannot be ingested.
type RejectedError struct {
	Field  string // of NewDocument on the wire: "content", "media_type", ...
	Reason string // as in index.Record; "" where the document is not quarantined
	Err    error
}

func (e *RejectedError) Error() string {
	if e.Reason != "" {
		return fmt.Sprintf("%s: quarantined (%s): %v", e.Field, e.Reason, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.Field, e.Err)
}
func (e *RejectedError) Unwrap() error { return e.Err }

// Only returns the collections of a server that serves just c. It is also the
// default one.
func Only(c Collection) Collections { return only{c} }

type only struct{ c Collection }

func (o only) Collection(_ context.Context, name string) (Collection, error) {
	if name != "" && name != o.c.Name {
		return Collection{}, fmt.Errorf("%w %q: this server serves %q", index.ErrNoCollection, name, o.c.Name)
	}
	return o.c, nil
}
