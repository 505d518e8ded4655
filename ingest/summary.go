package ingest

import (
	"time"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// Summary says what a run did. Equal runs have equal summaries.
type Summary struct {
	Documents int // that the source listed and the run came to, deleted ones included

	Indexed   int
	Replaced  int
	Unchanged int
	Removed   int
	Failed    int // len(Failures), quarantined ones included
	Vanished  int // stored, in scope, not in the source, and kept because Prune was off; 0 with Unlisted

	Chunks       int // written by this run
	Tokens       int // of those chunks, in the recipe's tokenizer
	Embedded     int // texts given to the embedder, each once; its cache may have known some
	WindowSplits int // chunks made smaller because the embedder's window was full

	Unmatched int // of Documents: those whose path the pattern of WithPathMeta did not match

	// Repaired counts chunks of earlier, interrupted runs that were removed, and
	// Mended the documents that were stored again because chunks were missing or
	// [Verifier.Mend] had marked them.
	Repaired int
	Mended   int

	Quarantined int // of the failed: documents with a Reason
	Skipped     int // of the quarantined: those that were not tried again

	Failures []Failure // in source order
	Warnings []Warning // in source order

	// Interrupted says that Options.Stop ended the run before everything that the
	// source lists was done.
	Interrupted bool

	// Unlisted are the parts of the source that could not be listed, in source
	// order. What they hold stays as it was.
	Unlisted []Unlisted
}

// Failure is a document that could not be ingested.
type Failure struct {
	Doc  text.DocID
	Err  error
	Kept bool // an earlier version is stored and stays findable

	Reason  extract.Reason // "" where the failure does not lie in the document: the next run tries again
	Skipped bool           // it was quarantined before, and nothing has changed
}

// Warning is something a user should know about a document that was ingested.
type Warning struct {
	Doc  text.DocID
	Text string
}

// Event reports progress. Totals are of the run so far.
type Event struct {
	// Set where the embedder, the index or the language model cannot be reached: the
	// run tries again after Wait.
	Outage error
	Wait   time.Duration

	// Set where a document is finished.
	Doc     text.DocID
	Outcome Outcome
	Err     error // with Failed and Quarantined
	Chunks  int   // of the document
	Tokens  int

	Documents      int // finished
	ChunksFound    int // of new and changed documents, embedded or not
	ChunksEmbedded int // or known from an equal text
	TokensEmbedded int // of those chunks, in the recipe's tokenizer
}

// Result is what became of a single document.
type Result struct {
	Outcome  Outcome
	Record   index.Record // as it is stored now
	Err      error        // with Failed and Quarantined: why
	Warnings []string
}
