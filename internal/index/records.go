package index

import (
	"context"
	"fmt"
	"sync"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/text"
)

// Record returns the record of a document, ErrNoDocument when there is none.
func (g *Generation) Record(ctx context.Context, doc text.DocID) (Record, error) {
	r, err := g.RecordsOf(ctx, []text.DocID{doc})
	if err != nil {
		return Record{}, err
	}
	if r[0] == nil {
		return Record{}, fmt.Errorf("read the record of %q in %s: %w", doc, g, ErrNoDocument)
	}
	return *r[0], nil
}

// Records returns the records of docs that exist, by id, in one round trip.
// Documents may be named more than once. The map is the caller's, records are
// shared with later results: nobody may change them.
func (g *Generation) Records(ctx context.Context, docs []text.DocID) (map[text.DocID]*Record, error) {
	records, err := g.RecordsOf(ctx, docs)
	if err != nil {
		return nil, err
	}
	out := make(map[text.DocID]*Record, len(docs))
	for i, r := range records {
		if r != nil {
			out[docs[i]] = r
		}
	}
	return out, nil
}

// RecordsOf returns the record of each of docs, parallel to them, nil where there
// is none, in one round trip. Documents may be named more than once, and in any
// order; docs is not kept. The slice is the caller's, records are shared with later
// results: nobody may change them.
func (g *Generation) RecordsOf(ctx context.Context, docs []text.DocID) ([]*Record, error) {
	m := mentionsOf(docs)
	defer m.done()
	points, err := g.recordPoints(ctx, m.docs)
	if err != nil {
		return nil, err
	}
	out := make([]*Record, len(docs))
	for _, p := range points {
		r, err := g.c.records.read(p.GetId(), p.GetPayload(), decodeRecord)
		if err != nil {
			return nil, err
		}
		if i, ok := m.first[r.Doc]; ok {
			out[i] = r
		}
	}
	g.c.releasePoints(points)
	for i, first := range m.of {
		out[i] = out[first]
	}
	return out, nil
}

// suspect is Records, and says of which documents the record was altered.
func (g *Generation) suspect(ctx context.Context, docs []text.DocID) (records map[text.DocID]Record, altered map[text.DocID]bool, err error) {
	m := mentionsOf(docs)
	defer m.done()
	points, err := g.recordPoints(ctx, m.docs)
	if err != nil {
		return nil, nil, err
	}
	records, altered = make(map[text.DocID]Record, len(points)), map[text.DocID]bool{}
	for _, p := range points {
		r, err := decodeRecord(p.GetId(), p.GetPayload())
		if err != nil {
			return nil, nil, err
		}
		records[r.Doc] = r
		_, altered[r.Doc] = checkRecord(p.GetPayload(), r, recordPayload(g.c.tenant, r))
	}
	return records, altered, nil
}

// recordPoints reads the records of docs that exist as they are stored. None may be
// named twice.
func (g *Generation) recordPoints(ctx context.Context, docs []text.DocID) ([]*qdrant.RetrievedPoint, error) {
	if len(docs) == 0 {
		return nil, nil
	}
	ids := make([]*qdrant.PointId, len(docs))
	for i, d := range docs {
		ids[i] = g.c.recordPoint(d)
	}
	points, err := perform(ctx, g.c, true, func(ctx context.Context) ([]*qdrant.RetrievedPoint, error) {
		return g.c.qc.Get(ctx, &qdrant.GetPoints{
			CollectionName: g.records(),
			Ids:            ids,
			WithPayload:    qdrant.NewWithPayload(true),
			WithVectors:    qdrant.NewWithVectors(false),
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read %d records of %s: %w", len(ids), g, err)
	}
	return points, nil
}

// mentions says where documents are named in a list.
type mentions struct {
	docs  []text.DocID         // named in the list, each once, in its order
	first map[text.DocID]int32 // where each is named first
	of    []int32              // parallel to the list: where the same document is named first
}

// mentionsPool keeps the room of mentions, cleared, from search to search: each has
// some of all its hits.
var mentionsPool = sync.Pool{New: func() any { return &mentions{first: make(map[text.DocID]int32)} }}

// maxKeptMentions is how long a list the mentions that are kept may have been of: as
// long as that of the deepest search.
const maxKeptMentions = maxLegs * MaxLimit

// mentionsOf returns the mentions of docs. The caller must call done.
func mentionsOf(docs []text.DocID) *mentions {
	m := mentionsPool.Get().(*mentions)
	for i, d := range docs {
		first, ok := m.first[d]
		if !ok {
			first = int32(i)
			m.first[d] = first
			m.docs = append(m.docs, d)
		}
		m.of = append(m.of, first)
	}
	return m
}

// done gives m back.
func (m *mentions) done() {
	if len(m.of) > maxKeptMentions {
		return
	}
	clear(m.docs)
	clear(m.first)
	m.docs, m.of = m.docs[:0], m.of[:0]
	mentionsPool.Put(m)
}
