package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ragloop/ragloop/ingest/chunk"
	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/ingest/situate"
	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/internal/tokens"
)

// preparer turns a document's bytes into chunks with lexical vectors: everything
// that needs neither the embedder nor the index. Safe for concurrent use.
type preparer struct {
	extractor   Extractor
	retryFailed bool
	rejected    *rejections

	params   chunk.Params
	counter  *tokens.Counter
	window   chunk.Window
	analyzer *lexical.Analyzer

	situated   bool // the recipe has a line in front of each chunk
	situator   Situator
	noSituator error // why situator cannot write them: documents fail, what is stored can be searched
}

func newPreparer(r index.Recipe, o Options) (*preparer, error) {
	e := o.Embedder
	counter, err := tokens.New(r.Chunker.Tokenizer)
	if err != nil {
		return nil, err
	}
	analyzer, err := lexical.New(r.Lexical)
	if err != nil {
		return nil, err
	}
	params := chunk.Params{
		Strategy:    chunk.Strategy(r.Chunker.Strategy),
		SizeTokens:  r.Chunker.SizeTokens,
		Overlap:     r.Chunker.Overlap,
		IndexPrefix: r.Chunker.IndexPrefix,
	}
	if err := params.Validate(); err != nil {
		return nil, err
	}
	return &preparer{
		extractor:   o.Extractor,
		retryFailed: o.RetryFailed,
		rejected:    o.rejected,
		params:      params,
		counter:     counter,
		window:      window{e, e.Info().MaxTokens},
		analyzer:    analyzer,
		situated:    r.Chunker.Context != "",
		situator:    o.Situator,
		noSituator:  checkSituator(r, o.Situator),
	}, nil
}

// window shows the embedder's limit to the chunker.
type window struct {
	e   embed.Embedder
	max int
}

func (w window) MaxTokens() int           { return w.max }
func (w window) CountTokens(s string) int { return w.e.CountTokens(s) }

// split extracts a document and cuts it into chunks; input is its digest. A
// *fault is the extractor's error, any other the document's.
func (p *preparer) split(ctx context.Context, item Item, data []byte, input string) (doc extract.Document, chunks []chunk.Chunk, stats chunk.Stats, err error) {
	defer func() {
		// An extractor answers for its own panics; this is a text that breaks
		// the chunker: the document's failure, not the program's end.
		if r := recover(); r != nil {
			err = fmt.Errorf("chunk %s: %w: %v", item.name(), extract.ErrCrashed, r)
		}
	}()
	if err := p.rejected.find(input); err != nil {
		return extract.Document{}, nil, chunk.Stats{}, err
	}
	doc, err = p.extractor.Extract(ctx, extract.Input{Name: item.name(), MediaType: item.MediaType, Data: data})
	if err != nil {
		if extract.ReasonOf(err) == "" {
			return extract.Document{}, nil, chunk.Stats{}, &fault{err}
		}
		p.rejected.add(input, err)
		return extract.Document{}, nil, chunk.Stats{}, err
	}
	if item.Title != "" {
		doc.Title = item.Title
	}
	chunks, stats, err = chunk.Split(doc, p.params, p.counter, p.window)
	if err != nil {
		return extract.Document{}, nil, chunk.Stats{}, fmt.Errorf("chunk %s: %w", item.name(), err)
	}
	if len(chunks) == 0 {
		return extract.Document{}, nil, chunk.Stats{}, fmt.Errorf("chunk %s: %w", item.name(), extract.ErrEmpty)
	}
	return doc, chunks, stats, nil
}

// prepared is a document on its way through the pipeline.
type prepared struct {
	doc     text.DocID
	outcome Outcome
	err     error // with Failed and Quarantined
	skipped bool  // with Quarantined: as it was before, not tried again

	record index.Record // to be stored; with Unchanged the stored one
	write  write
	points []index.Point // without dense vectors
	texts  []string      // what the dense vectors stand for, parallel to points

	// failed returns what becomes of the document where its points cannot be
	// embedded; nil where it has none.
	failed func(error) prepared

	mended       bool
	unmatched    bool // as Item.unmatched
	away         bool // the situator could not be reached for the lines that stored chunks lack
	windowSplits int
	warnings     []string
}

// write is what a document needs from the index.
type write uint8

const (
	writeNothing write = iota
	writeAll           // record and chunks
	writeRecord        // the record alone, chunks stay
	writeRemoval       // the document goes
)

// prior is what the index holds of a document.
type prior struct {
	record  index.Record
	known   bool
	damaged bool // chunks are missing
	asIs    bool // chunks that have no line of the situator are not asked about again
}

// unsound reports whether the document must be stored again though nothing has
// changed: chunks are missing, or [Verifier.Mend] left it to the source.
func (p prior) unsound() bool { return p.damaged || p.record.Damage != "" }

// holds reports whether what is stored is soundly what an input makes.
func (p prior) holds(input string) bool {
	return p.known && !p.unsound() && p.record.State == index.Indexed && p.record.Error == "" && p.record.InputSHA256 == input
}

// prepare does everything for one document that comes before embedding; try asks the
// situator. The error is the context's, the extractor's or the situator's; any other
// failure is the document's.
func (p *preparer) prepare(ctx context.Context, item Item, old prior, try attempt) (prepared, error) {
	if item.Deleted {
		return deleted(item, old), nil
	}
	asks := p.situated && p.noSituator == nil && !old.asIs
	in, out, known := assess(item, old, p.extractor, p.retryFailed, asks)
	if known {
		return out, ctx.Err()
	}
	content, input, r := in.content, in.digest, old.record
	doc, chunks, stats, err := p.split(ctx, item, in.data, input)
	if ctx.Err() != nil {
		return prepared{}, ctx.Err()
	}
	if fault := (*fault)(nil); errors.As(err, &fault) {
		return prepared{}, fault
	}
	var about labels
	var leftOut []string
	if err == nil {
		about, leftOut, err = labelsOf(item, doc.Meta)
	}
	if err != nil {
		return failed(item, old, content, input, err), nil
	}
	out = prepared{
		doc:     item.ID,
		outcome: Indexed,
		write:   writeAll,
		record: index.Record{
			Doc:           item.ID,
			Rev:           revision(doc),
			URI:           item.URI,
			MediaType:     doc.MediaType,
			Title:         doc.Title,
			ContentSHA256: content,
			TextSHA256:    index.TextSum(doc.Text),
			InputSHA256:   input,
			Bytes:         len(doc.Text),
			Pages:         doc.Pages,
			State:         index.Indexed,
			Tags:          about.tags,
			Meta:          about.meta,
			ACL:           about.acl,
			Modified:      about.modified,
		},
		mended:       old.unsound(),
		windowSplits: stats.WindowSplits,
		warnings:     append(slices.Clip(doc.Warnings), leftOut...),
	}
	if old.known && old.record.State == index.Indexed {
		out.outcome = Replaced
	}
	if err := out.record.Validate(); err != nil {
		return failed(item, old, content, input, err), nil
	}
	same := out.outcome == Replaced && !old.unsound() && sameRevision(doc, r)
	again := same && asks && r.Unsituated > 0
	if same && !again {
		return kept(out, old, input, nil), nil
	}
	if again {
		try = once // what is stored serves meanwhile
	}
	none, situated, err := p.situate(ctx, doc.Text, chunks, try)
	switch {
	case ctx.Err() != nil:
		return prepared{}, ctx.Err()
	case again && (errors.Is(err, situate.ErrUnavailable) || errors.Is(err, situate.ErrRefused)):
		out.away = errors.Is(err, situate.ErrUnavailable)
		situated = []string{fmt.Sprintf("context: %d of %d chunks stay without a line: %v", r.Unsituated, r.ChunkCount, err)}
		return kept(out, old, input, situated), nil
	case err != nil:
		err = fmt.Errorf("situate the chunks of %s: %w", item.name(), err)
		if errors.Is(err, situate.ErrRefused) {
			return failed(item, old, content, input, err), nil
		}
		return prepared{}, &fault{err}
	}
	if again && none >= r.Unsituated { // nothing is gained
		return kept(out, old, input, situated), nil
	}
	out.record.Unsituated = none
	out.warnings = append(out.warnings, situated...)
	item.Open = nil // it may hold the bytes, which are read
	out.failed = func(err error) prepared { return failed(item, old, content, input, err) }
	if err := p.fill(&out, doc.Text, chunks); err != nil {
		return failed(item, old, content, input, fmt.Errorf("chunk %s: %w", item.name(), err)), nil
	}
	return out, nil
}

// kept returns what becomes of out, whose stored chunks are right: nothing that they
// hold has changed but their labels, which go with the record. The warnings are of
// asking the situator again.
func kept(out prepared, old prior, input string, warnings []string) prepared {
	r := old.record
	if old.holds(input) {
		return prepared{doc: out.doc, outcome: Unchanged, record: r, warnings: warnings, away: out.away}
	}
	out.write = writeRecord
	out.warnings = append(out.warnings, warnings...)
	out.record.Rev, out.record.Unsituated = r.Rev, r.Unsituated
	out.record.ChunkCount, out.record.Tokens = r.ChunkCount, r.Tokens
	out.record.TextSHA256 = r.TextSHA256 // an older version's chunks have no checksums, either
	return out
}

// fill makes points of chunks.
func (p *preparer) fill(out *prepared, doc string, chunks []chunk.Chunk) error {
	runes := text.NewIndex(doc)
	for i, c := range chunks {
		span, err := runes.RuneSpan(c.Span)
		if err != nil {
			return err
		}
		indexed := c.Prefix + c.Text
		out.texts = append(out.texts, indexed)
		out.points = append(out.points, index.Point{
			Chunk: index.Chunk{
				Ordinal:     i,
				Span:        span,
				Text:        c.Text,
				Gap:         c.Gap,
				Heading:     c.Heading,
				PageStart:   c.PageStart,
				PageEnd:     c.PageEnd,
				Tokens:      c.Tokens,
				ParentFirst: c.ParentFirst, ParentLast: c.ParentLast,
			},
			Sparse: p.analyzer.Document(indexed),
			Prefix: c.Prefix,
		})
	}
	return nil
}
