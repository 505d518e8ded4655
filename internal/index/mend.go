package index

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/text"
)

// Mended says what a Mend did.
type Mended struct {
	Indexes   int          // payload indexes that were missing
	Removed   int          // points that were deleted, or given up because they cannot be read
	Rewritten int          // points that were made again from what is stored
	Marked    []text.DocID // documents that the next ingestion must store again, sorted
}

// Mend mends what a Verify found, as far as that needs no source: it creates
// payload indexes, deletes points that no record accounts for or that cannot be
// read, and makes vectors, labels and token counts again. Documents that need
// their source get a Record.Damage; a document whose record cannot be read gets
// one in state Failed. What the report does not name is not touched.
//
// remake, which is as VerifyOptions.Check, returns the chunks with their number
// of tokens and lexical vector as they should be, and where Stored.Embed is set
// the dense one. A chunk that comes without a dense vector cannot be made again: it
// is left as it is.
//
// Nobody may have written since the report was made, and no writer of this client
// is at work meanwhile. After an error another Verify says what is left.
func (g *Generation) Mend(ctx context.Context, r Report, remake func(context.Context, []Stored) ([]Point, error)) (Mended, error) {
	what := "mend " + g.String()
	done, err := g.c.turn(ctx, g.chunks())
	if err != nil {
		return Mended{}, fmt.Errorf("%s: %w", what, err)
	}
	defer done()
	m := &mender{g: g, remake: remake, marks: map[text.DocID]string{}, altered: map[text.DocID]bool{}}
	if err := m.run(ctx, r.Drift); err != nil {
		return m.out, fmt.Errorf("%s: %w", what, err)
	}
	return m.out, nil
}

// wrongSum is the checksum of a record that was altered.
const wrongSum = "altered"

type mender struct {
	g       *Generation
	remake  func(context.Context, []Stored) ([]Point, error)
	marks   map[text.DocID]string // why
	altered map[text.DocID]bool   // whose record is
	out     Mended
}

func (m *mender) run(ctx context.Context, drift []Drift) error {
	var chunks, records []*qdrant.PointId // to be deleted
	rewrite := map[string]bool{}          // chunk points; true: with their dense vector
	beyond := map[string]bool{}           // chunk points that only the source can make again
	for _, d := range drift {
		if d.discard {
			if d.Kind == DriftRecordUnreadable || d.Kind == DriftRecordID {
				records = append(records, qdrant.NewIDUUID(d.Point))
			} else {
				chunks = append(chunks, qdrant.NewIDUUID(d.Point))
			}
		}
		switch {
		case d.Kind == DriftIndex:
			m.out.Indexes++
		case d.Kind == DriftRecordUnreadable:
			if d.Remedy != Reingest {
				continue
			}
			if err := m.replaceRecord(ctx, d.Doc); err != nil {
				return err
			}
		case d.Kind == DriftRecordID && d.Remedy == Rewrite:
			if err := m.moveRecord(ctx, d); err != nil {
				return err
			}
		case d.Remedy == Rewrite:
			rewrite[d.Point] = rewrite[d.Point] || d.Kind == DriftDense
		case d.Remedy == Reingest && d.Kind != DriftMarked:
			beyond[d.Point] = true
			m.altered[d.Doc] = m.altered[d.Doc] || d.Kind == DriftRecordAltered
			if m.marks[d.Doc] == "" {
				m.marks[d.Doc] = d.String()
			}
		}
	}
	maps.DeleteFunc(rewrite, func(point string, _ bool) bool { return beyond[point] })
	if m.out.Indexes > 0 {
		if err := m.g.prepareRecords(ctx); err != nil {
			return err
		}
		if err := m.g.Prepare(ctx); err != nil {
			return err
		}
	}
	// The marks first: a crash behind them loses no document that misses chunks.
	if err := m.mark(ctx); err != nil {
		return err
	}
	if err := m.g.c.deleteIDs(ctx, m.g.records(), records); err != nil {
		return err
	}
	if err := m.g.c.deleteIDs(ctx, m.g.chunks(), chunks); err != nil {
		return err
	}
	m.out.Removed += len(records) + len(chunks)
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(rewrite)), recordPage) {
		if err := m.rewrite(ctx, ids, rewrite); err != nil {
			return err
		}
	}
	return nil
}

// String returns d on one line, without its document.
func (d Drift) String() string {
	if d.Ordinal < 0 {
		return fmt.Sprintf("%s: %s", d.Kind, d.Detail)
	}
	return fmt.Sprintf("%s: chunk %d: %s", d.Kind, d.Ordinal, d.Detail)
}

// replaceRecord puts a record that can be read in the place of one that cannot:
// it says that the document is to be stored again. Its chunks belong to nothing.
func (m *mender) replaceRecord(ctx context.Context, doc text.DocID) error {
	r := Record{Doc: doc, State: Failed, Error: "its record was damaged; ingest it again"}
	if err := m.g.c.upsert(ctx, m.g.records(), []*qdrant.PointStruct{m.g.recordPoint(r)}); err != nil {
		return err
	}
	m.out.Marked = append(m.out.Marked, doc)
	m.out.Removed++
	return m.g.c.deleteWhere(ctx, m.g.chunks(), m.g.c.scope(ofDocs(doc)))
}

// moveRecord stores a record under the id that its document has.
func (m *mender) moveRecord(ctx context.Context, d Drift) error {
	points, err := call(ctx, m.g.c, true, "read record "+d.Point, func(ctx context.Context) ([]*qdrant.RetrievedPoint, error) {
		return m.g.c.qc.Get(ctx, &qdrant.GetPoints{
			CollectionName: m.g.records(), Ids: []*qdrant.PointId{qdrant.NewIDUUID(d.Point)},
			WithPayload: qdrant.NewWithPayload(true), WithVectors: qdrant.NewWithVectors(false),
		})
	})
	if err != nil || len(points) == 0 {
		return err
	}
	r, err := decodeRecord(points[0].GetId(), points[0].GetPayload())
	if err != nil {
		return err
	}
	m.out.Rewritten++
	return m.g.c.upsert(ctx, m.g.records(), []*qdrant.PointStruct{m.g.recordPoint(r)})
}

// mark writes to the records of documents that their source must mend.
func (m *mender) mark(ctx context.Context) error {
	for docs := range slices.Chunk(slices.Sorted(maps.Keys(m.marks)), recordPage) {
		records, err := m.g.Records(ctx, docs)
		if err != nil {
			return err
		}
		var points []*qdrant.PointStruct
		for _, doc := range docs {
			stored, ok := records[doc]
			if !ok {
				continue // removed meanwhile
			}
			r := *stored
			r.Damage = m.marks[doc]
			point := m.g.recordPoint(r)
			if m.altered[doc] {
				// It is still not to be believed, and a quarantine that never was
				// must not keep the document from being read.
				delete(point.Payload, keyFailed)
				point.Payload[keySum] = qdrant.NewValueString(wrongSum)
			}
			points = append(points, point)
			m.out.Marked = append(m.out.Marked, doc)
		}
		if err := m.g.c.upsert(ctx, m.g.records(), points); err != nil {
			return err
		}
	}
	slices.Sort(m.out.Marked)
	return nil
}

// rewrite makes chunk points again. What was changed since the report, and does
// not fit its checksum any more, is left alone.
func (m *mender) rewrite(ctx context.Context, ids []string, embed map[string]bool) error {
	page := make([]*qdrant.PointId, len(ids))
	for i, id := range ids {
		page[i] = qdrant.NewIDUUID(id)
	}
	found, err := call(ctx, m.g.c, true, fmt.Sprintf("read %d chunks", len(ids)), func(ctx context.Context) ([]*qdrant.RetrievedPoint, error) {
		return m.g.c.qc.Get(ctx, &qdrant.GetPoints{
			CollectionName: m.g.chunks(), Ids: page,
			WithPayload: qdrant.NewWithPayload(true), WithVectors: qdrant.NewWithVectors(true),
		})
	})
	if err != nil {
		return err
	}
	var sound []Stored
	var docs []text.DocID
	for _, p := range found {
		s, sealed, err := decodePoint(p)
		if err != nil || sealed && p.GetPayload()[keySum].GetStringValue() != pointPayload(m.g.c.tenant, s.Point)[keySum].GetStringValue() {
			continue
		}
		s.Prefixed = sealed || !m.g.Recipe.Chunker.IndexPrefix
		s.Embed = embed[string(s.Chunk.ID)]
		sound = append(sound, s)
		docs = append(docs, s.Chunk.Doc)
	}
	if len(sound) == 0 {
		return nil
	}
	records, err := m.g.Records(ctx, docs)
	if err != nil {
		return err
	}
	made, err := m.remake(ctx, sound)
	if err != nil {
		return err
	}
	var points []*qdrant.PointStruct
	for i, p := range made {
		if p.Dense == nil {
			continue
		}
		c := &p.Chunk
		if r, ok := records[c.Doc]; ok {
			c.label(*r)
		}
		if err := checkDense(p.Dense, m.g.Recipe.Embedder.Dimension); err != nil {
			return fmt.Errorf("chunk %s: %w", c.ID, err)
		}
		point := m.g.chunkPoint(p)
		if !sound[i].Prefixed {
			// Without a checksum, as an older version stored it: its prefix is not known.
			delete(point.Payload, keySum)
		}
		points = append(points, point)
	}
	m.out.Rewritten += len(points)
	return m.g.c.upsert(ctx, m.g.chunks(), points)
}
