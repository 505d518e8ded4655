package index

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/text"
)

// readRecords reads all records: what chunks are compared with.
func (v *verification) readRecords(ctx context.Context) error {
	type stray struct {
		id     string
		record Record
		t      *truth
	}
	var strays []stray
	for page, err := range v.g.c.pages(ctx, v.g.records(), v.g.c.scope(), recordPage, qdrant.NewWithPayload(true), false) {
		if err != nil {
			return err
		}
		for _, p := range page {
			id := p.GetId().GetUuid()
			r, err := decodeRecord(p.GetId(), p.GetPayload())
			if err != nil {
				v.unreadable[id] = &Drift{Kind: DriftRecordUnreadable, Ordinal: -1, Point: id, Detail: err.Error(), Remedy: Remove, discard: true}
				continue
			}
			v.report.Documents++
			again := recordPayload(v.g.c.tenant, r)
			sealed, altered := checkRecord(p.GetPayload(), r, again)
			t := &truth{
				at: r.IngestedAt, rev: r.Rev, count: r.ChunkCount, tokens: r.Tokens, bytes: r.Bytes, textSum: r.TextSHA256,
				labels: again.only(labelKeys...).sum(), media: r.MediaType, damage: r.Damage,
				altered: altered,
			}
			if id != recordID(v.g.c.tenant, r.Doc) {
				if !sealed || t.altered {
					v.report.Documents--
					v.unreadable[id] = &Drift{Kind: DriftRecordUnreadable, Ordinal: -1, Point: id, Remedy: Remove, discard: true,
						Detail: fmt.Sprintf("it names document %q, whose id is another", r.Doc)}
					continue
				}
				strays = append(strays, stray{id, r, t})
				continue
			}
			v.docs[r.Doc] = t
			v.order = append(v.order, r.Doc)
			if r.State == Indexed {
				v.report.Indexed++
			}
			switch {
			case t.altered:
				v.add(Drift{Kind: DriftRecordAltered, Doc: r.Doc, Ordinal: -1, Point: id, Remedy: Reingest, Detail: "its checksum is not that of what it holds"})
			case r.State == Indexed && r.TextSHA256 == "":
				v.report.Untexted++
			}
		}
	}
	for _, s := range strays {
		d := Drift{Kind: DriftRecordID, Doc: s.record.Doc, Ordinal: -1, Point: s.id, Remedy: Remove, discard: true, Detail: "it is stored under the right id as well"}
		if v.docs[s.record.Doc] == nil {
			// Its chunks may be whole: it is moved to where it belongs.
			s.t.stray = true
			v.docs[s.record.Doc] = s.t
			v.order = append(v.order, s.record.Doc)
			right := recordID(v.g.c.tenant, s.record.Doc)
			d.Remedy, d.Detail = Rewrite, "its id is "+right
			if u := v.unreadable[right]; u != nil {
				u.Doc, u.Remedy, u.discard = s.record.Doc, Rewrite, false // by this one
			}
		}
		v.report.Drift = append(v.report.Drift, d)
	}
	return nil
}

// readChunks compares the id and the revision of every chunk point with the records.
func (v *verification) readChunks(ctx context.Context) error {
	own, all, err := v.g.CountChunks(ctx)
	if err != nil {
		return err
	}
	v.report.Foreign = all - own
	for p, err := range v.g.c.scan(ctx, v.g.chunks(), v.g.c.scope(), idPage, keyDoc, keyRev, keyOrd) {
		if err != nil {
			return err
		}
		v.report.Chunks++
		v.place(p)
	}
	for _, d := range v.unreadable {
		v.report.Drift = append(v.report.Drift, *d)
	}
	return nil
}

// place finds the record that a chunk point belongs to.
func (v *verification) place(p *qdrant.RetrievedPoint) {
	id := p.GetId().GetUuid()
	read := &reader{p: p.GetPayload()}
	doc, rev, ord := text.DocID(read.str(keyDoc)), read.str(keyRev), read.num(keyOrd)
	suspect := func(kind DriftKind, format string, args ...any) {
		v.suspects[id] = &Drift{Kind: kind, Doc: doc, Ordinal: ord, Point: id, Remedy: Remove, discard: true, Detail: fmt.Sprintf(format, args...)}
	}
	if read.err != nil || doc == "" || rev == "" {
		v.suspects[id] = &Drift{Kind: DriftUnreadable, Doc: "", Ordinal: -1, Point: id, Remedy: Remove, discard: true, Detail: unreadable(read.err)}
		return
	}
	t := v.docs[doc]
	if t == nil {
		if d := v.unreadable[recordID(v.g.c.tenant, doc)]; d != nil {
			d.Doc, d.Remedy, d.discard = doc, Reingest, false
			return
		}
		suspect(DriftOrphan, "no record names document %q", doc)
		return
	}
	want := string(chunkID(v.g.c.tenant, doc, rev, v.g.fingerprint, max(ord, 0)))
	switch {
	case ord < 0 || id != want:
		suspect(DriftChunkID, "the id of chunk %d of revision %.12s is %s", ord, rev, want)
	case t.altered:
	case rev != t.rev:
		suspect(DriftStale, "its revision is %.12s, the record's %.12s", rev, t.rev)
	case ord >= t.count:
		suspect(DriftOrphan, "the record names %d chunks, this is number %d", t.count, ord)
	default:
		t.see(ord)
		v.sample.offer(id)
	}
}

func unreadable(err error) string {
	if err == nil {
		return "its payload names no document or revision"
	}
	return err.Error()
}

// maxMissing is the number of chunks of one document that are looked for by
// their ids: a record that misses more is wrong itself.
const maxMissing = 1 << 20

// findMissing works out which chunks the records name in vain. A point that has
// the id of such a chunk is this chunk, with a payload that was altered.
func (v *verification) findMissing(ctx context.Context) error {
	var missing []*Drift
	for _, doc := range v.order {
		t := v.docs[doc]
		if t.altered || t.found == t.count {
			continue
		}
		if t.count < 0 || t.count-t.found > maxMissing {
			v.add(Drift{Kind: DriftRecordCount, Doc: doc, Ordinal: -1, Point: recordID(v.g.c.tenant, doc), Remedy: Reingest,
				Detail: fmt.Sprintf("it names %d chunks, %d are stored", t.count, t.found)})
			continue
		}
		for ord := range t.count {
			if t.has(ord) {
				continue
			}
			id := string(chunkID(v.g.c.tenant, doc, t.rev, v.g.fingerprint, ord))
			if d := v.suspects[id]; d != nil {
				if d.Kind != DriftUnreadable {
					d.Kind = DriftAltered
					d.Detail = fmt.Sprintf("its payload says that it is chunk %d of another document or revision, %q", d.Ordinal, d.Doc)
				}
				d.Doc, d.Ordinal, d.Remedy = doc, ord, Reingest
				t.wrong = true
				continue
			}
			missing = append(missing, &Drift{Kind: DriftMissing, Doc: doc, Ordinal: ord, Point: id, Remedy: Reingest, Detail: "it is not stored"})
			t.wrong = true
		}
	}
	for part := range slices.Chunk(missing, idPage) {
		if err := v.findElsewhere(ctx, part); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(v.suspects)) {
		v.report.Drift = append(v.report.Drift, *v.suspects[id])
	}
	for _, d := range missing {
		v.report.Drift = append(v.report.Drift, *d)
	}
	return nil
}

// findElsewhere looks for points that the tenant's filter did not let through.
func (v *verification) findElsewhere(ctx context.Context, missing []*Drift) error {
	byID := make(map[string]*Drift, len(missing))
	ids := make([]*qdrant.PointId, len(missing))
	for i, d := range missing {
		byID[d.Point], ids[i] = d, qdrant.NewIDUUID(d.Point)
	}
	points, err := call(ctx, v.g.c, true, fmt.Sprintf("look for %d missing chunks of %s", len(ids), v.g), func(ctx context.Context) ([]*qdrant.RetrievedPoint, error) {
		return v.g.c.qc.Get(ctx, &qdrant.GetPoints{
			CollectionName: v.g.chunks(), Ids: ids,
			WithPayload: qdrant.NewWithPayloadInclude(keyTenant), WithVectors: qdrant.NewWithVectors(false),
		})
	})
	if err != nil {
		return err
	}
	for _, p := range points {
		d := byID[p.GetId().GetUuid()]
		if d == nil {
			continue
		}
		d.Kind, d.discard = DriftAltered, true
		d.Detail = fmt.Sprintf("its payload names tenant %q", p.GetPayload()[keyTenant].GetStringValue())
	}
	return nil
}
