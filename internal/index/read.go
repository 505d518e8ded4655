package index

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/text"
)

const (
	recordPage = 256 // records or chunks with their text per page
	idPage     = 1000
	// rereads bounds how often a document that changes while it is read is
	// read again.
	rereads = 10
)

// List yields all records in a stable order (by record point id), paging underneath.
// In the place of one that cannot be read it yields an error that wraps ErrDamaged;
// any other error ends the sequence.
func (g *Generation) List(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var offset *qdrant.PointId
		for {
			points, next, err := g.recordPage(ctx, offset, recordPage)
			if err != nil {
				yield(Record{}, err)
				return
			}
			for _, p := range points {
				r, err := decodeRecord(p.GetId(), p.GetPayload())
				if err != nil {
					r, err = Record{}, fmt.Errorf("%s: %w", g.listing(), err)
				}
				if !yield(r, err) {
					return
				}
			}
			if next == nil {
				return
			}
			offset = next
		}
	}
}

func (g *Generation) listing() string { return "list the documents of " + g.String() }

// recordPage returns a page of stored records, and where the next one begins.
func (g *Generation) recordPage(ctx context.Context, offset *qdrant.PointId, limit int) ([]*qdrant.RetrievedPoint, *qdrant.PointId, error) {
	points, next, err := g.c.scroll(ctx, g.records(), g.c.scope(), offset, limit, qdrant.NewWithPayload(true), false)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", g.listing(), err)
	}
	return points, next, nil
}

// ListPage returns up to limit records (1..1000) in the order of List: from the
// first one where pageToken is empty, otherwise from where the page that
// returned it as next ended. next is empty after the last page. A document that
// is there throughout is listed exactly once, whatever changes between pages.
// ErrPageToken for a token of another kind.
func (g *Generation) ListPage(ctx context.Context, pageToken string, limit int) (page []Record, next string, err error) {
	what := g.listing()
	if limit < 1 || limit > 1000 {
		return nil, "", fmt.Errorf("%s: %w: limit %d, allowed are 1 to 1000", what, ErrInvalid, limit)
	}
	var offset *qdrant.PointId
	if pageToken != "" {
		id, err := uuid.Parse(pageToken)
		if err != nil || id.String() != pageToken {
			return nil, "", fmt.Errorf("%s: %w: %q", what, ErrPageToken, pageToken)
		}
		offset = qdrant.NewIDUUID(pageToken)
	}
	points, after, err := g.recordPage(ctx, offset, limit)
	if err != nil {
		return nil, "", err
	}
	for _, p := range points {
		r, err := decodeRecord(p.GetId(), p.GetPayload())
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", what, err)
		}
		page = append(page, r)
	}
	return page, after.GetUuid(), nil
}

// Text rebuilds the text of a document from its chunks, byte for byte.
// ErrNoDocument where there is no record and, beside the record, where the
// document failed to be ingested; ErrDamaged where chunks are missing.
func (g *Generation) Text(ctx context.Context, doc text.DocID) (string, Record, error) {
	what := fmt.Sprintf("rebuild the text of %q", doc)
	r, chunks, err := g.document(ctx, doc)
	if err != nil {
		return "", Record{}, fmt.Errorf("%s: %w", what, err)
	}
	if r.State != Indexed {
		return "", r, fmt.Errorf("%s: %w: it could not be ingested: %s", what, ErrNoDocument, r.Error)
	}
	s, err := rebuild(r, chunks)
	if err != nil {
		return "", r, fmt.Errorf("%s: %w", what, err)
	}
	return s, r, nil
}

// rebuild returns the text that all chunks of a document make up.
func rebuild(r Record, chunks []Chunk) (string, error) {
	s, err := stitch(0, chunks, r.Bytes)
	if err == nil && len(s) != r.Bytes {
		return "", fmt.Errorf("%w: the chunks hold %d bytes of text, the record says %d", ErrDamaged, len(s), r.Bytes)
	}
	return s, err
}

// stitch joins consecutive chunks, which may overlap, and the white space behind
// each: the text of the document from code point at on. size is about its bytes.
func stitch(at int, chunks []Chunk, size int) (string, error) {
	var b strings.Builder
	b.Grow(size)
	for _, c := range chunks {
		if c.Span.Start > at {
			return "", fmt.Errorf("%w: nothing stored covers code points [%d, %d)", ErrDamaged, at, c.Span.Start)
		}
		add := c.Text + c.Gap
		end := c.Span.End + utf8.RuneCountInString(c.Gap)
		if end <= at {
			continue
		}
		for range at - c.Span.Start {
			_, size := utf8.DecodeRuneInString(add)
			add = add[size:]
		}
		b.WriteString(add)
		at = end
	}
	return b.String(), nil
}

// Chunks returns the visible chunks of a document, by ordinal, all of one
// revision; none for a document that failed. ErrNoDocument where there is no
// record, ErrDamaged where chunks are missing.
func (g *Generation) Chunks(ctx context.Context, doc text.DocID) ([]Chunk, error) {
	_, chunks, err := g.document(ctx, doc)
	if err != nil {
		return nil, fmt.Errorf("read the chunks of %q: %w", doc, err)
	}
	return chunks, nil
}

// document reads a record and exactly the chunks that belong to it. A document
// that is replaced in between is read again.
func (g *Generation) document(ctx context.Context, doc text.DocID) (Record, []Chunk, error) {
	r, err := g.Record(ctx, doc)
	if err != nil {
		return Record{}, nil, err
	}
	var chunks []Chunk
	for range rereads {
		if r.State != Indexed {
			return r, nil, nil
		}
		if chunks, err = g.revision(ctx, doc, r.Rev); err != nil {
			return Record{}, nil, err
		}
		if len(chunks) == r.ChunkCount {
			return r, chunks, nil
		}
		// Replaced in between, possibly by this very revision: only a lasting
		// difference is damage.
		if r, err = g.Record(ctx, doc); err != nil {
			return Record{}, nil, err
		}
	}
	return Record{}, nil, fmt.Errorf("%w: its record names %d chunks of revision %s, %d are there", ErrDamaged, r.ChunkCount, r.Rev, len(chunks))
}

// revision reads the chunks of one revision, by ordinal.
func (g *Generation) revision(ctx context.Context, doc text.DocID, rev string) ([]Chunk, error) {
	filter := g.c.scope(qdrant.NewMatch(keyDoc, string(doc)), qdrant.NewMatch(keyRev, rev))
	var out []Chunk
	for p, err := range g.c.scan(ctx, g.chunks(), filter, recordPage, chunkKeys...) {
		if err != nil {
			return nil, err
		}
		c, err := decodeChunk(p.GetId(), p.GetPayload())
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Chunk) int { return a.Ordinal - b.Ordinal })
	return out, nil
}

// Stats counts what a generation holds for this client's tenant.
type Stats struct {
	Documents int // indexed
	Failed    int // known, but without chunks: failed or quarantined
	Chunks    int // visible
	Hidden    int // left over from interrupted writes, until the next Repair; negative where chunks are missing
	Tokens    int // of the visible chunks
	Bytes     int // of the indexed documents' text
}

// Stats reads every record, and counts the chunks.
func (g *Generation) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	for r, err := range g.List(ctx) {
		if err != nil {
			return Stats{}, fmt.Errorf("count %s: %w", g, err)
		}
		if r.State != Indexed {
			s.Failed++
			continue
		}
		s.Documents++
		s.Chunks += r.ChunkCount
		s.Tokens += r.Tokens
		s.Bytes += r.Bytes
	}
	stored, _, err := g.CountChunks(ctx)
	if err != nil {
		return Stats{}, err
	}
	s.Hidden = stored - s.Chunks
	return s, nil
}

// CountChunks counts the chunks that are stored, visible or not: this client's
// tenant's own, and those of all tenants. Where own is not the sum of the
// records' ChunkCount, a Repair is due.
func (g *Generation) CountChunks(ctx context.Context) (own, all int, err error) {
	own, err = g.c.count(ctx, g.chunks(), g.c.scope())
	if err == nil {
		all, err = g.c.count(ctx, g.chunks(), nil)
	}
	return own, all, err
}

// count counts the points that match filter, all where it is nil.
func (c *Client) count(ctx context.Context, collection string, filter *qdrant.Filter) (int, error) {
	n, err := call(ctx, c, true, "count the points of "+collection, func(ctx context.Context) (uint64, error) {
		return c.qc.Count(ctx, &qdrant.CountPoints{CollectionName: collection, Filter: filter, Exact: qdrant.PtrOf(true)})
	})
	return int(n), err
}

// scan yields the points that match filter by id, with the payload keys asked
// for, a page of size points at a time.
func (c *Client) scan(ctx context.Context, collection string, filter *qdrant.Filter, size int, keys ...string) iter.Seq2[*qdrant.RetrievedPoint, error] {
	return func(yield func(*qdrant.RetrievedPoint, error) bool) {
		for page, err := range c.pages(ctx, collection, filter, size, qdrant.NewWithPayloadInclude(keys...), false) {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, p := range page {
				if !yield(p, nil) {
					return
				}
			}
		}
	}
}

// pages yields the points that match filter by id, size at a time. An error ends
// the sequence.
func (c *Client) pages(ctx context.Context, collection string, filter *qdrant.Filter, size int, with *qdrant.WithPayloadSelector, vectors bool) iter.Seq2[[]*qdrant.RetrievedPoint, error] {
	return func(yield func([]*qdrant.RetrievedPoint, error) bool) {
		var offset *qdrant.PointId
		for {
			page, next, err := c.scroll(ctx, collection, filter, offset, size, with, vectors)
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(page, nil) || next == nil {
				return
			}
			offset = next
		}
	}
}

func (c *Client) scroll(ctx context.Context, collection string, filter *qdrant.Filter, offset *qdrant.PointId, limit int, with *qdrant.WithPayloadSelector, vectors bool) (page []*qdrant.RetrievedPoint, next *qdrant.PointId, err error) {
	page, err = call(ctx, c, true, "scroll "+collection, func(ctx context.Context) (p []*qdrant.RetrievedPoint, err error) {
		p, next, err = c.qc.ScrollAndOffset(ctx, &qdrant.ScrollPoints{
			CollectionName: collection,
			Filter:         filter,
			Offset:         offset,
			Limit:          qdrant.PtrOf(uint32(limit)),
			WithPayload:    with,
			WithVectors:    qdrant.NewWithVectors(vectors),
		})
		return p, err
	})
	return page, next, err
}
