package index

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/failpoint"
	"github.com/ragloop/ragloop/internal/text"
)

// Bounds of one upsert. Qdrant advises to stay below 5 MB a batch.
const (
	maxBatchPoints = 512
	maxBatchBytes  = 4 << 20
)

// Entry is a document to be stored: its record and its chunks in order.
type Entry struct {
	Record Record
	Points []Point
}

// Put stores a document in commit order: chunks, record (the switch), then removal of other revisions.
// Points' Chunk.ID is filled in by Put. It is PutAll of one document.
func (g *Generation) Put(ctx context.Context, r Record, points []Point) error {
	return g.PutAll(ctx, []Entry{{Record: r, Points: points}})
}

// PutAll stores documents together, which saves round trips where they are
// small: the chunks of all, then the records of all, then removal of what else
// is stored of any of them. Each document keeps the promise of Put.
//
// Every entry is checked before anything is sent (ErrInvalid): distinct
// documents, ordinals 0, 1, ..., spans as long as their text, vectors that fit
// the recipe. State Indexed needs a revision and at least one chunk, Failed and
// Quarantined need an error and no chunk, Quarantined a reason as well; an empty
// state stands for Indexed. Doc, Rev, ID and labels of the chunks,
// ChunkCount and Tokens of the records are filled in.
//
// When PutAll returns nil everything is durable and findable. After an error a
// document is stored as a whole, or still as it was before, and putting it
// again completes the work.
func (g *Generation) PutAll(ctx context.Context, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	what := fmt.Sprintf("store document %q", entries[0].Record.Doc)
	if n := len(entries); n > 1 {
		what = fmt.Sprintf("store %d documents from %q on", n, entries[0].Record.Doc)
	}
	if err := g.put(ctx, entries); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (g *Generation) put(ctx context.Context, entries []Entry) error {
	seen := make(map[text.DocID]bool, len(entries))
	for i := range entries {
		e := &entries[i]
		if seen[e.Record.Doc] {
			return fmt.Errorf("%w: document %q is given twice", ErrInvalid, e.Record.Doc)
		}
		seen[e.Record.Doc] = true
		if err := g.complete(e); err != nil {
			return fmt.Errorf("document %q: %w", e.Record.Doc, err)
		}
	}
	var docs []text.DocID
	var points, records []*qdrant.PointStruct
	for _, e := range entries {
		for _, p := range e.Points {
			points = append(points, g.chunkPoint(p))
		}
		records = append(records, g.recordPoint(e.Record))
		docs = append(docs, e.Record.Doc)
	}
	done, err := g.c.turn(ctx, g.chunks(), docs...)
	if err != nil {
		return err
	}
	defer done()
	failpoint.Hit(failpoint.ChunksNext)
	if err := g.c.upsert(ctx, g.chunks(), points); err != nil {
		return err
	}
	failpoint.Hit(failpoint.ChunksStored)
	if err := g.c.upsert(ctx, g.records(), records); err != nil {
		return err
	}
	failpoint.Hit(failpoint.RecordsStored)
	if err := g.c.deleteWhere(ctx, g.chunks(), g.superseded(entries)); err != nil {
		return err
	}
	failpoint.Hit(failpoint.SupersededGone)
	return nil
}

// complete checks an entry and fills in what follows from the rest.
func (g *Generation) complete(e *Entry) error {
	r := &e.Record
	if r.State == "" {
		r.State = Indexed
	}
	if err := r.Validate(); err != nil {
		return err
	}
	switch {
	case r.State == Indexed && (r.Rev == "" || len(e.Points) == 0):
		return fmt.Errorf("%w: an indexed document needs a revision and a chunk, got revision %q and %d chunks", ErrInvalid, r.Rev, len(e.Points))
	case !r.State.known():
		return fmt.Errorf("%w: state %q, allowed are %s, %s and %s", ErrInvalid, r.State, Indexed, Failed, Quarantined)
	case r.State != Indexed && (r.Error == "" || r.Rev != "" || len(e.Points) > 0):
		return fmt.Errorf("%w: a %s document needs an error, no revision and no chunks, got error %q, revision %q and %d chunks", ErrInvalid, r.State, r.Error, r.Rev, len(e.Points))
	case r.State == Quarantined && r.Reason == "":
		return fmt.Errorf("%w: a quarantined document needs a reason", ErrInvalid)
	}
	r.ChunkCount, r.Tokens = len(e.Points), 0
	for i := range e.Points {
		c := &e.Points[i].Chunk
		c.Doc, c.Rev = r.Doc, r.Rev
		c.label(*r)
		c.ID = chunkID(g.c.tenant, c.Doc, c.Rev, g.fingerprint, i)
		r.Tokens += c.Tokens
		if err := g.checkPoint(e.Points[i], i, len(e.Points)); err != nil {
			return fmt.Errorf("chunk %d: %w", i, err)
		}
	}
	return nil
}

func (g *Generation) checkPoint(p Point, ordinal, count int) error {
	c := p.Chunk
	if c.Ordinal != ordinal {
		return fmt.Errorf("%w: ordinal %d at position %d", ErrInvalid, c.Ordinal, ordinal)
	}
	if err := c.check(count); err != nil {
		return err
	}
	return errors.Join(
		checkText("text", c.Text, c.Gap, p.Prefix),
		checkText("heading", c.Heading...),
		checkDense(p.Dense, g.Recipe.Embedder.Dimension),
		checkSparse(p.Sparse.Indices, p.Sparse.Values),
	)
}

// check returns nil where the span of c and its parent fit a document of count
// chunks; otherwise an error that wraps ErrInvalid.
func (c Chunk) check(count int) error {
	if n := utf8.RuneCountInString(c.Text); c.Span.Start < 0 || c.Span.Len() != n || n == 0 {
		return fmt.Errorf("%w: span [%d, %d) of a text of %d code points", ErrInvalid, c.Span.Start, c.Span.End, n)
	}
	if first, last := c.ParentFirst, c.ParentLast; (first != 0 || last != 0) && (first < 0 || first > c.Ordinal || last < c.Ordinal || last >= count) {
		return fmt.Errorf("%w: the parent is made of chunks %d to %d of %d, chunk %d is not one of them", ErrInvalid, first, last, count, c.Ordinal)
	}
	return nil
}

func (g *Generation) chunkPoint(p Point) *qdrant.PointStruct {
	vectors := map[string]*qdrant.Vector{denseVector: qdrant.NewVectorDense(p.Dense)}
	if len(p.Sparse.Indices) > 0 {
		vectors[sparseVector] = qdrant.NewVectorSparse(p.Sparse.Indices, p.Sparse.Values)
	}
	return &qdrant.PointStruct{
		Id:      qdrant.NewIDUUID(string(p.Chunk.ID)),
		Payload: pointPayload(g.c.tenant, p),
		Vectors: qdrant.NewVectorsMap(vectors),
	}
}

// pointPayload returns the payload of a chunk with what belongs to its point.
func pointPayload(tenant string, p Point) payload {
	out := chunkPayload(tenant, p.Chunk)
	out.str(keyPrefix, p.Prefix)
	return out.seal(unsealed...)
}

func (g *Generation) recordPoint(r Record) *qdrant.PointStruct {
	return &qdrant.PointStruct{
		Id:      qdrant.NewIDUUID(recordID(g.c.tenant, r.Doc)),
		Payload: recordPayload(g.c.tenant, r).seal(),
		// A point without vectors still has to say so, or it is refused.
		Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{}),
	}
}

// superseded matches the chunks of entries' documents that entries do not hold.
func (g *Generation) superseded(entries []Entry) *qdrant.Filter {
	docs := make([]text.DocID, len(entries))
	var keep []*qdrant.PointId
	for i, e := range entries {
		docs[i] = e.Record.Doc
		for _, p := range e.Points {
			keep = append(keep, qdrant.NewIDUUID(string(p.Chunk.ID)))
		}
	}
	f := g.c.scope(ofDocs(docs...))
	switch {
	case len(entries) == 1 && len(keep) > 0:
		// Short however many chunks the document has. Revisions of several
		// documents cannot be told apart like this: two may have swapped texts.
		f.MustNot = []*qdrant.Condition{qdrant.NewMatch(keyRev, entries[0].Record.Rev)}
	case len(keep) > 0:
		f.MustNot = []*qdrant.Condition{qdrant.NewHasID(keep...)}
	}
	return f
}

// UpdateRecords replaces the records of documents whose chunks stay as they
// are, but for their labels (Tags, Meta, ACL, Modified, MediaType). Each must be
// stored with the same state and revision (ErrChanged otherwise, ErrNoDocument
// where there is none), and keeps its counts. One that was altered behind the
// back of its checksum is not sealed anew: ErrDamaged, and nothing is written,
// until [Generation.Mend] has marked it; what is written then stays marked.
//
// The labels of chunks are written first, and only where InputSHA256 has
// changed: after a crash in between, the next run does the same again.
func (g *Generation) UpdateRecords(ctx context.Context, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	what := fmt.Sprintf("update %d records from %q on", len(records), records[0].Doc)
	docs := make([]text.DocID, len(records))
	for i, r := range records {
		if err := r.Validate(); err != nil {
			return fmt.Errorf("%s: document %q: %w", what, r.Doc, err)
		}
		docs[i] = r.Doc
	}
	done, err := g.c.turn(ctx, g.chunks(), docs...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer done()
	stored, altered, err := g.suspect(ctx, docs)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	var points []*qdrant.PointStruct
	var relabel []Record
	for _, r := range records {
		s, ok := stored[r.Doc]
		if !ok {
			return fmt.Errorf("%s: %w: %q", what, ErrNoDocument, r.Doc)
		}
		if s.Rev != r.Rev || s.State != r.State {
			return fmt.Errorf("%s: %w: document %q is stored as %s with revision %q, not %s with %q", what, ErrChanged, r.Doc, s.State, s.Rev, r.State, r.Rev)
		}
		if altered[r.Doc] && s.Damage == "" {
			return fmt.Errorf("%s: %w: the checksum of the record of %q is not that of what it holds", what, ErrDamaged, r.Doc)
		}
		r.ChunkCount, r.Tokens = s.ChunkCount, s.Tokens
		if r.InputSHA256 != s.InputSHA256 && s.ChunkCount > 0 {
			relabel = append(relabel, r)
		}
		point := g.recordPoint(r)
		if altered[r.Doc] {
			point.Payload[keySum] = qdrant.NewValueString(wrongSum)
		}
		points = append(points, point)
	}
	if err := g.relabel(ctx, relabel); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	failpoint.Hit(failpoint.ChunksRelabelled)
	if err := g.c.upsert(ctx, g.records(), points); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	failpoint.Hit(failpoint.RecordsUpdated)
	return nil
}

// Delete removes a document: record first, then chunks. Reports whether it existed.
func (g *Generation) Delete(ctx context.Context, doc text.DocID) (bool, error) {
	n, err := g.DeleteAll(ctx, []text.DocID{doc})
	return n > 0, err
}

// DeleteAll removes documents: their records, then their chunks, also those
// that no record names. It returns how many existed.
func (g *Generation) DeleteAll(ctx context.Context, docs []text.DocID) (int, error) {
	if len(docs) == 0 {
		return 0, nil
	}
	what := fmt.Sprintf("delete %d documents from %q on", len(docs), docs[0])
	if len(docs) == 1 {
		what = fmt.Sprintf("delete document %q", docs[0])
	}
	for _, d := range docs {
		if err := checkText("document id", string(d)); err != nil {
			return 0, fmt.Errorf("%s: %w", what, err)
		}
	}
	done, err := g.c.turn(ctx, g.chunks(), docs...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	defer done()
	stored, err := g.Records(ctx, docs)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	var ids []*qdrant.PointId
	for _, d := range docs {
		if _, ok := stored[d]; ok {
			ids = append(ids, qdrant.NewIDUUID(recordID(g.c.tenant, d)))
		}
	}
	if err := g.c.deleteIDs(ctx, g.records(), ids); err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	failpoint.Hit(failpoint.DeletedRecords)
	if err := g.c.deleteWhere(ctx, g.chunks(), g.c.scope(ofDocs(docs...))); err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	failpoint.Hit(failpoint.DeletedChunks)
	return len(stored), nil
}

// upsert sends points in batches bounded by count and bytes.
func (c *Client) upsert(ctx context.Context, collection string, points []*qdrant.PointStruct) error {
	for len(points) > 0 {
		n, size := 0, 0
		for n < len(points) && n < maxBatchPoints {
			s := pointBytes(points[n])
			if n > 0 && size+s > maxBatchBytes {
				break
			}
			size += s
			n++
		}
		batch := points[:n]
		err := c.update(ctx, fmt.Sprintf("upsert %d points into %s", n, collection), func(ctx context.Context) (*qdrant.UpdateResult, error) {
			return c.qc.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: collection, Wait: qdrant.PtrOf(true), Points: batch})
		})
		if err != nil {
			return err
		}
		failpoint.Hit(failpoint.BatchUpserted)
		points = points[n:]
	}
	return nil
}

// pointBytes bounds the encoded size of p from above. proto.Size walks the maps
// by reflection, which is a tenth of the work of storing a point.
func pointBytes(p *qdrant.PointStruct) int {
	const field = 16 // tags and lengths, generously
	n := field + len(p.GetId().GetUuid())
	for key, v := range p.GetPayload() {
		n += 2*field + len(key) + valueBytes(v)
	}
	for name, v := range p.GetVectors().GetVectors().GetVectors() {
		n += 3*field + len(name) + 4*len(v.GetDense().GetData()) + 4*len(v.GetSparse().GetValues()) + 5*len(v.GetSparse().GetIndices())
	}
	return n
}

func valueBytes(v *qdrant.Value) int {
	switch k := v.GetKind().(type) {
	case *qdrant.Value_StringValue:
		return 16 + len(k.StringValue)
	case *qdrant.Value_ListValue:
		n := 16
		for _, e := range k.ListValue.GetValues() {
			n += 16 + valueBytes(e)
		}
		return n
	case *qdrant.Value_StructValue:
		n := 16
		for key, e := range k.StructValue.GetFields() {
			n += 32 + len(key) + valueBytes(e)
		}
		return n
	default: // numbers and truth values
		return 16
	}
}

// deleteBatch is the number of ids in one delete.
const deleteBatch = 1000

func (c *Client) deleteIDs(ctx context.Context, collection string, ids []*qdrant.PointId) error {
	for len(ids) > 0 {
		n := min(len(ids), deleteBatch)
		if err := c.delete(ctx, collection, qdrant.NewPointsSelectorIDs(ids[:n])); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// deleteWhere deletes what matches f. To Qdrant a filter without conditions
// means everything: one that holds no more than the tenant is refused.
func (c *Client) deleteWhere(ctx context.Context, collection string, f *qdrant.Filter) error {
	if len(f.GetMust()) < 2 {
		return fmt.Errorf("delete from %s: %w: the filter would match every document", collection, ErrInvalid)
	}
	return c.delete(ctx, collection, qdrant.NewPointsSelectorFilter(f))
}

func (c *Client) delete(ctx context.Context, collection string, which *qdrant.PointsSelector) error {
	return c.update(ctx, "delete points of "+collection, func(ctx context.Context) (*qdrant.UpdateResult, error) {
		return c.qc.Delete(ctx, &qdrant.DeletePoints{CollectionName: collection, Wait: qdrant.PtrOf(true), Points: which})
	})
}

// update makes a call that changes points and insists that it was applied: an
// answer may also mean "accepted" or "not finished in time".
func (c *Client) update(ctx context.Context, what string, f func(context.Context) (*qdrant.UpdateResult, error)) error {
	defer c.frequencies.changes.Add(1) // also where nobody knows whether it was applied
	res, err := call(ctx, c, false, what, f)
	if err != nil {
		return err
	}
	if s := res.GetStatus(); s != qdrant.UpdateStatus_Completed {
		return fmt.Errorf("%s: the server answered %s instead of %s", what, s, qdrant.UpdateStatus_Completed)
	}
	return nil
}
