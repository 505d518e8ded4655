package ingest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"
	"time"

	"github.com/ragloop/ragloop/ingest/chunk"
	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

// Options configure a [Worker].
type Options struct {
	Embedder  embed.Embedder // required; the one of the generation's recipe
	Extractor Extractor      // required
	Situator  Situator       // writes a line about each chunk; required where the generation's recipe names one

	// Prune removes documents that are stored but that the source does not list
	// any more, as far as Scope goes.
	Prune bool

	// Scope says which stored documents the source answers for: those that it
	// would list if they were still there. Others are never taken for vanished,
	// and a rebuild that would lose them is refused. Nil: all, whoever stored them.
	Scope func(index.Record) bool

	// Stop, once it is closed, ends a Run or Build early, with [ErrInterrupted]:
	// no further document is begun, what is being embedded or committed is
	// finished, and what is only extracted is dropped. Nil: never.
	Stop <-chan struct{}

	// RetryFailed tries documents again that are quarantined, though nothing
	// has changed.
	RetryFailed bool

	Workers     int // documents extracted at once; 0: one per processor
	BatchChunks int // chunks embedded and committed together, 1..4096; 0: 256

	Now func() time.Time // stamps records; nil: time.Now

	rejected *rejections // shared by the steps of one build; may be nil

	wait func(context.Context, time.Duration) error // nil: sleep

	// OnEvent, where set, is told about progress, one call at a time. It must
	// return soon: the pipeline waits for it.
	OnEvent func(Event)
}

const (
	defaultBatchChunks = 256
	maxBatchChunks     = 4096
	maxBatchDocuments  = 512 // unchanged and tiny documents must not pile up
)

// complete checks o and fills in the defaults.
func (o Options) complete() (Options, error) {
	if o.Embedder == nil {
		return o, errors.New("no embedder given")
	}
	if o.Extractor == nil {
		return o, errors.New("no extractor given")
	}
	if o.Workers < 0 {
		return o, fmt.Errorf("%d workers, allowed are 1 and above, or 0 for one per processor", o.Workers)
	}
	if o.BatchChunks < 0 || o.BatchChunks > maxBatchChunks {
		return o, fmt.Errorf("batches of %d chunks, allowed are 1 to %d, or 0 for %d", o.BatchChunks, maxBatchChunks, defaultBatchChunks)
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.BatchChunks == 0 {
		o.BatchChunks = defaultBatchChunks
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.wait == nil {
		o.wait = sleep
	}
	return o, nil
}

// ErrInterrupted: Options.Stop ended a run before it had come to the end of its
// source. Another run goes on from there.
var ErrInterrupted = errors.New("interrupted")

// Worker brings one generation up to date. Safe for concurrent use; documents
// that are stored at the same time under the same id end as one of them.
type Worker struct {
	g    *index.Generation
	prep *preparer
	o    Options
}

// recipeOf returns the recipe of what this program makes with an embedder, a
// chunking and lexical parameters. An empty strategy stands for
// chunk.Structure.
func recipeOf(e embed.Info, c index.ChunkerRecipe, l lexical.Params) index.Recipe {
	if c.Strategy == "" {
		c.Strategy = string(chunk.Structure)
	}
	return index.Recipe{
		Extractor: extract.Version,
		Chunker:   c,
		Embedder:  index.EmbedderRecipe{Name: e.Name, Fingerprint: e.Fingerprint, Dimension: e.Dimension},
		Lexical:   l,
	}
}

// NewWorker returns a worker that writes to g. It fails with index.ErrRecipe
// where this program or its embedder would make other chunks or vectors than g
// holds.
func NewWorker(g *index.Generation, o Options) (*Worker, error) {
	what := fmt.Sprintf("prepare to write to %s", g)
	o, err := o.complete()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if err := g.Recipe.Check(recipeOf(o.Embedder.Info(), g.Recipe.Chunker, g.Recipe.Lexical)); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	p, err := newPreparer(g.Recipe, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return &Worker{g: g, prep: p, o: o}, nil
}

// Generation returns what w writes to.
func (w *Worker) Generation() *index.Generation { return w.g }

// Put ingests one document, or removes it if it is deleted, and returns when
// that is durable and findable. The error is that of the index, the embedder or the
// language model; a document that cannot be ingested is a Result with outcome Failed.
func (w *Worker) Put(ctx context.Context, item Item) (Result, error) {
	what := fmt.Sprintf("ingest %q", item.ID)
	var old prior
	r, err := w.g.Record(ctx, item.ID)
	switch {
	case err == nil:
		old = prior{record: r, known: true}
	case !errors.Is(err, index.ErrNoDocument):
		return Result{}, fmt.Errorf("%s: %w", what, err)
	}
	p, err := w.prep.prepare(ctx, item, old, once)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", what, err)
	}
	docs := []prepared{p}
	if _, err := w.embed(ctx, docs, newRecent(), once, func(int, int) {}); err != nil {
		return Result{}, fmt.Errorf("%s: %w", what, err)
	}
	if err := w.store(ctx, docs); err != nil {
		return Result{}, fmt.Errorf("%s: %w", what, err)
	}
	p = docs[0] // as store left it
	if errors.Is(p.err, index.ErrDamaged) {
		return Result{}, fmt.Errorf("%s: %w", what, p.err)
	}
	return Result{Outcome: p.outcome, Record: p.record, Err: p.err, Warnings: p.warnings}, nil
}

// Delete removes a document. Reports whether it existed.
func (w *Worker) Delete(ctx context.Context, doc text.DocID) (bool, error) {
	return w.g.Delete(ctx, doc)
}

// Run brings the generation up to date with src. The summary is valid with an
// error too: it says what was committed before. ErrInterrupted where Options.Stop
// ended it; nothing is pruned then, and nothing where a part of src could not be
// listed, which is no error but Summary.Unlisted.
//
// When Run returns, with an error too, nothing of it is under way any more; only a
// write that the end of ctx called off may still be applied by a Qdrant server.
//
// Only one Run, Put or Delete of all processes together may be at work on a
// document; a Run also repairs what interrupted writes left behind and must not
// meet writers of other processes at all.
func (w *Worker) Run(ctx context.Context, src Source) (Summary, error) {
	s, err := w.run(ctx, src, false)
	if err != nil {
		return s, fmt.Errorf("ingest into %s: %w", w.g, err)
	}
	return s, nil
}

func (w *Worker) run(ctx context.Context, src Source, mayEmpty bool) (Summary, error) {
	r := &run{
		w:        w,
		damaged:  make(map[text.DocID]bool),
		seen:     newIDSet(),
		recent:   newRecent(),
		repeats:  make(chan struct{}, 1),
		progress: progress{on: w.o.OnEvent},
	}
	if err := r.takeStock(ctx); err != nil {
		r.sum.Interrupted = errors.Is(err, ErrInterrupted)
		return r.sum, err
	}
	if err := r.pipeline(ctx, src); err != nil {
		return r.sum, err
	}
	return r.sum, r.vanished(ctx, mayEmpty)
}

// first yields at most n items of src, all where n is 0.
func first(ctx context.Context, src Source, n int) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		left := n
		for item, err := range src.Items(ctx) {
			if !yield(item, err) {
				return
			}
			if left--; left == 0 {
				return
			}
		}
	}
}

// progress counts for events; the stages of a run report to it concurrently.
type progress struct {
	mu     sync.Mutex
	totals Event
	on     func(Event)
}

func (p *progress) report(change func(*Event)) {
	if p.on == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.totals)
	e := p.totals
	p.totals = Event{Documents: e.Documents, ChunksFound: e.ChunksFound, ChunksEmbedded: e.ChunksEmbedded, TokensEmbedded: e.TokensEmbedded}
	p.on(e)
}
