package ingest

import (
	"context"
	"encoding/binary"
	"hash/maphash"

	"github.com/ragloop/ragloop/internal/text"
)

// lookUpBatch is the number of documents of which the records are read at once.
const lookUpBatch = 256

// lookUp reads what the index held of the listed documents, of as many at once
// as are listed while it reads.
func (r *run) lookUp(ctx context.Context, listed <-chan *job, known chan<- []*job) error {
	for first := range listed {
		jobs := []*job{first}
		for more := true; more && len(jobs) < lookUpBatch; {
			select {
			case j, ok := <-listed:
				if more = ok; ok {
					jobs = append(jobs, j)
				}
			default:
				more = false
			}
		}
		if err := r.outlast(ctx, func() error { return r.recall(ctx, jobs) }); err != nil {
			return err
		}
		if !send(ctx, known, jobs) {
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// recall fills in what the index held of jobs. Of a document that is listed
// again it may hold something newer by now.
func (r *run) recall(ctx context.Context, jobs []*job) error {
	if r.held == 0 {
		return nil
	}
	var ids []text.DocID
	for _, j := range jobs {
		if !j.again {
			ids = append(ids, j.item.ID)
		}
	}
	records, err := r.w.g.Records(ctx, ids)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		rec, ok := records[j.item.ID]
		if !ok || j.again {
			continue
		}
		j.old = prior{record: *rec, known: true, damaged: r.damaged[j.item.ID]}
		if r.inScope(*rec) {
			r.found++
		}
	}
	return nil
}

// idSet is a set of document ids that takes 11 to 23 bytes for each, however long
// they are: it keeps 64-bit hashes. Among ten million ids two share one in three
// of a million sets, and since every set has a seed of its own it is not the same
// two in the next run. Not safe for concurrent use.
type idSet struct {
	seed   maphash.Seed
	hashes map[idHash]struct{}
}

// idHash is a uint64 by its bytes: a map of uint64 to struct{} aligns its slots
// to 16 bytes, one of these takes 9.
type idHash [8]byte

func newIDSet() idSet {
	return idSet{seed: maphash.MakeSeed(), hashes: make(map[idHash]struct{})}
}

func (s idSet) hash(id text.DocID) (h idHash) {
	binary.NativeEndian.PutUint64(h[:], maphash.String(s.seed, string(id)))
	return h
}

// add reports whether id was not in the set before.
func (s idSet) add(id text.DocID) bool {
	n := len(s.hashes)
	s.hashes[s.hash(id)] = struct{}{}
	return len(s.hashes) > n
}

func (s idSet) has(id text.DocID) bool {
	_, ok := s.hashes[s.hash(id)]
	return ok
}
