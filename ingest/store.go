package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ragloop/ragloop/internal/embed"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// embed gives docs their dense vectors and returns how many texts the embedder
// was given. A document with a text that the embedder refuses leaves it as failed.
// embedded is called with chunks that are settled now, and the tokens of those that
// have their vector.
func (w *Worker) embed(ctx context.Context, docs []prepared, known *recent, try attempt, embedded func(chunks, tokens int)) (int, error) {
	var texts []string
	var tokens []int
	for _, p := range docs {
		texts = append(texts, p.texts...)
		for _, pt := range p.points {
			tokens = append(tokens, pt.Chunk.Tokens)
		}
	}
	all, fresh := known.find(texts)
	ready := 0 // of all
	settle := func() {
		from, sum := ready, 0
		for ; ready < len(all) && all[ready].settled(); ready++ {
			if all[ready].refused == nil {
				sum += tokens[ready]
			}
		}
		if ready > from {
			embedded(ready-from, sum)
		}
	}
	settle()
	for part := range slices.Chunk(fresh, w.o.BatchChunks) {
		if err := w.fill(ctx, part, try); err != nil {
			return 0, err
		}
		settle()
	}
	for i := range docs {
		own := all[:len(docs[i].points)]
		all = all[len(own):]
		docs[i].embedded(own)
	}
	return len(fresh), nil
}

// embedded gives the points their vectors, or makes the document a failed one where
// there is none.
func (p *prepared) embedded(vectors []*embedding) {
	for i, e := range vectors {
		if e.refused != nil {
			unmatched := p.unmatched
			*p = p.failed(fmt.Errorf("embed chunk %d of %d: %w", i+1, len(vectors), e.refused))
			p.unmatched = unmatched
			return
		}
		p.points[i].Dense = e.vector
	}
}

// fill embeds what part stands for. What the embedder returned before it failed
// is not asked for again. A text that it refuses is settled with the error.
func (w *Worker) fill(ctx context.Context, part []*embedding, try attempt) error {
	return try(ctx, func() error {
		for len(part) > 0 {
			texts := make([]string, len(part))
			for i, e := range part {
				texts[i] = e.text
			}
			vectors, err := w.o.Embedder.Embed(ctx, embed.Passage, texts)
			if len(vectors) > len(texts) || err == nil && len(vectors) < len(texts) {
				return errors.Join(err, fmt.Errorf("embed %d texts: the embedder %q returned %d vectors", len(texts), w.o.Embedder.Info().Name, len(vectors)))
			}
			for i, v := range vectors {
				*part[i] = embedding{vector: v}
			}
			part = part[len(vectors):]
			if !errors.Is(err, embed.ErrRefused) || len(part) == 0 {
				return err
			}
			*part[0] = embedding{refused: err}
			part = part[1:]
		}
		return nil
	})
}

// store commits docs, which leave it with their records as they are stored. A
// document whose stored record is damaged leaves it as failed.
func (w *Worker) store(ctx context.Context, docs []prepared) error {
	var entries []index.Entry
	var updates []*prepared
	var gone []text.DocID
	for i := range docs {
		p := &docs[i]
		switch p.write {
		case writeAll:
			p.record.IngestedAt = w.o.Now()
			p.record.ChunkCount, p.record.Tokens = len(p.points), 0
			for _, pt := range p.points {
				p.record.Tokens += pt.Chunk.Tokens
			}
			entries = append(entries, index.Entry{Record: p.record, Points: p.points})
		case writeRecord:
			if p.err == nil {
				p.record.IngestedAt = w.o.Now()
			}
			updates = append(updates, p)
		case writeRemoval:
			gone = append(gone, p.doc)
		}
	}
	if err := w.g.PutAll(ctx, entries); err != nil {
		return err
	}
	if err := w.update(ctx, updates); err != nil {
		return err
	}
	_, err := w.g.DeleteAll(ctx, gone)
	return err
}

// update stores the records of docs, whose chunks stay. One whose stored record is
// damaged fails. What is stored of it stays as it is, for [Verifier.Mend] to mark, and
// the next run tries again.
func (w *Worker) update(ctx context.Context, docs []*prepared) error {
	records := make([]index.Record, len(docs))
	for i, p := range docs {
		records[i] = p.record
	}
	return updateRecords(ctx, w.g, records, func(i int, damaged error) {
		p := docs[i]
		damaged = fmt.Errorf("%w; verify and repair the index, then ingest the document again", damaged)
		p.outcome, p.err, p.write = Failed, errors.Join(p.err, damaged), writeNothing
	})
}

// updateRecords updates the records of g. One that was altered behind the back of its
// checksum is refused by the index together with all others of a call: here that one
// alone is left as it is, and skipped is told which, with an index.ErrDamaged.
func updateRecords(ctx context.Context, g *index.Generation, records []index.Record, skipped func(i int, err error)) error {
	err := g.UpdateRecords(ctx, records)
	if !errors.Is(err, index.ErrDamaged) {
		return err
	}
	for i := range records {
		err := g.UpdateRecords(ctx, records[i:i+1])
		switch {
		case errors.Is(err, index.ErrDamaged):
			skipped(i, err)
		case err != nil:
			return err
		}
	}
	return nil
}
