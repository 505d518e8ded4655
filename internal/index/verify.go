package index

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/text"
)

// VerifyOptions say how much a Verify compares.
type VerifyOptions struct {
	// Data: read every chunk with its vectors and compare what it holds. Without
	// it, the ids and revisions of all chunks are read, and nothing else.
	Data bool

	// Check, required with Data, compares what only the makers of chunks can make
	// again: number of tokens, lexical vector and, where Stored.Embed is set, dense
	// vector. It is called with sound chunks, a page at a time.
	Check func(ctx context.Context, chunks []Stored) ([]Drift, error)

	// Sample is the number of chunks with Stored.Embed set, all where it is
	// negative: those whose id and Seed have the smallest hash.
	Sample int
	Seed   uint64
}

// Stored is a chunk as it is stored.
type Stored struct {
	Point
	Prefixed bool // Prefix is known: an older version did not store it
	Embed    bool // its dense vector is to be compared or made again
}

// Verify compares all that is stored of g for this client's tenant: the
// parameters of the collections with the recipe, chunk points with records, and
// with Data their contents too. It writes nothing.
//
// In memory it keeps a few hundred bytes a document and one bit a chunk; with
// Data also the chunks of one document, or of some small ones, and a page with
// vectors. Documents that are written to meanwhile are left out of the report,
// as far as that can be told: chunks whose record is not there yet are reported.
func (g *Generation) Verify(ctx context.Context, o VerifyOptions) (Report, error) {
	what := "verify " + g.String()
	if o.Data != (o.Check != nil) || !o.Data && o.Sample != 0 {
		return Report{}, fmt.Errorf("%s: %w: Check and Sample go with Data, and Data with Check", what, ErrInvalid)
	}
	v := &verification{
		g: g, o: o,
		docs:       map[text.DocID]*truth{},
		unreadable: map[string]*Drift{},
		suspects:   map[string]*Drift{},
		sample:     newSample(o.Sample, o.Seed),
	}
	steps := []func(context.Context) error{v.readSchema, v.readRecords, v.readChunks, v.findMissing}
	if o.Data {
		steps = append(steps, v.readData)
	}
	for _, step := range append(steps, v.settle) {
		if err := step(ctx); err != nil {
			return Report{}, fmt.Errorf("%s: %w", what, err)
		}
	}
	return v.report, nil
}

// verification is one Verify.
type verification struct {
	g      *Generation
	o      VerifyOptions
	report Report
	sample *sample

	docs       map[text.DocID]*truth
	order      []text.DocID      // of docs, as they were listed
	unreadable map[string]*Drift // records, by point id
	suspects   map[string]*Drift // chunk points that are none of a record's, by id
}

// truth is what a record says, and what was found of it.
type truth struct {
	at      time.Time
	rev     string
	count   int
	tokens  int
	bytes   int
	textSum string
	labels  string // checksum
	media   string // type
	damage  string

	stray      bool // the record is stored under a wrong id
	altered    bool // the record is: nothing is compared with it
	wrong      bool // one of its chunks is: its text cannot be compared
	miscounted bool // one of its chunks has the wrong number of tokens

	seen  []uint64 // bit set of ordinals
	found int
}

func (t *truth) see(ord int) {
	for len(t.seen) <= ord/64 {
		t.seen = append(t.seen, 0)
	}
	t.seen[ord/64] |= 1 << (ord % 64)
	t.found++
}

func (t *truth) has(ord int) bool {
	return ord/64 < len(t.seen) && t.seen[ord/64]&(1<<(ord%64)) != 0
}

func (v *verification) add(d Drift) {
	v.report.Drift = append(v.report.Drift, d)
	if t := v.docs[d.Doc]; t != nil {
		t.wrong = true
	}
}

// readSchema compares the parameters of both collections.
func (v *verification) readSchema(ctx context.Context) error {
	for _, c := range []struct {
		name    string
		indexes []payloadIndex
	}{{v.g.chunks(), v.g.c.chunkIndexes()}, {v.g.records(), recordIndexes}} {
		info, err := v.g.c.describe(ctx, c.name)
		if err != nil {
			return err
		}
		for _, w := range c.indexes {
			if problem, _ := w.missing(info.GetPayloadSchema()); problem != "" {
				v.add(Drift{Kind: DriftIndex, Ordinal: -1, Remedy: Recreate, Detail: fmt.Sprintf("%s has %s", c.name, problem)})
			}
		}
		if c.name == v.g.chunks() {
			v.compareVectors(info.GetConfig().GetParams())
		}
	}
	return nil
}

func (v *verification) compareVectors(p *qdrant.CollectionParams) {
	bad := func(format string, args ...any) {
		v.add(Drift{Kind: DriftSchema, Ordinal: -1, Remedy: Rebuild, Detail: fmt.Sprintf(format, args...)})
	}
	dense := p.GetVectorsConfig().GetParamsMap().GetMap()[denseVector]
	if size := v.g.Recipe.Embedder.Dimension; dense.GetSize() != uint64(size) {
		bad("vector %s has %d dimensions, the recipe %d", denseVector, dense.GetSize(), size)
	}
	if d := dense.GetDistance(); d != qdrant.Distance_Cosine {
		bad("vector %s is compared by %s, should be %s", denseVector, d, qdrant.Distance_Cosine)
	}
	sparse, ok := p.GetSparseVectorsConfig().GetMap()[sparseVector]
	if !ok || sparse.GetModifier() != qdrant.Modifier_Idf {
		bad("vector %s has modifier %s, should have %s", sparseVector, sparse.GetModifier(), qdrant.Modifier_Idf)
	}
}

// settle removes what was written to meanwhile, adds the marks of earlier
// repairs where nothing else is known of a document, and sorts.
func (v *verification) settle(ctx context.Context) error {
	r := &v.report
	named := map[text.DocID]bool{}
	for _, d := range r.Drift {
		if d.Doc != "" {
			named[d.Doc] = true
		}
	}
	for _, doc := range v.order {
		if t := v.docs[doc]; t.damage != "" && !named[doc] {
			r.Drift = append(r.Drift, Drift{Kind: DriftMarked, Doc: doc, Ordinal: -1, Point: recordID(v.g.c.tenant, doc), Remedy: Reingest, Detail: t.damage})
		}
	}
	changed := map[text.DocID]bool{}
	for docs := range slices.Chunk(slices.Sorted(maps.Keys(named)), recordPage) {
		points, err := v.g.recordPoints(ctx, docs)
		if err != nil {
			return err
		}
		now := map[text.DocID]Record{}
		for _, p := range points {
			if r, err := decodeRecord(p.GetId(), p.GetPayload()); err == nil {
				now[r.Doc] = r
			}
		}
		for _, doc := range docs {
			n, stored := now[doc]
			t := v.docs[doc]
			if t != nil && t.stray {
				continue
			}
			if (t != nil) != stored || stored && (n.Rev != t.rev || !n.IngestedAt.Equal(t.at)) {
				changed[doc] = true
			}
		}
	}
	r.Drift = slices.DeleteFunc(r.Drift, func(d Drift) bool { return changed[d.Doc] })
	r.Changed = slices.Sorted(maps.Keys(changed))
	slices.SortFunc(r.Drift, compareDrift)
	return nil
}
