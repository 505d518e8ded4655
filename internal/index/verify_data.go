package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/lexical"
	"github.com/ragloop/ragloop/internal/text"
)

// Bounds of the documents whose chunks are read together: many small ones make
// few calls, and a large one is read alone.
const (
	groupChunks = 1024
	groupBytes  = 8 << 20
	groupDocs   = 256
)

// readData reads all chunks with their vectors, some documents at a time.
func (v *verification) readData(ctx context.Context) error {
	var group []text.DocID
	chunks, bytes := 0, 0
	for _, doc := range v.order {
		t := v.docs[doc]
		if t.altered || t.found == 0 {
			continue
		}
		if len(group) > 0 && (chunks+t.found > groupChunks || bytes+t.bytes > groupBytes || len(group) == groupDocs) {
			if err := v.readGroup(ctx, group); err != nil {
				return err
			}
			group, chunks, bytes = nil, 0, 0
		}
		group = append(group, doc)
		chunks, bytes = chunks+t.found, bytes+t.bytes
	}
	return v.readGroup(ctx, group)
}

func (v *verification) readGroup(ctx context.Context, docs []text.DocID) error {
	if len(docs) == 0 {
		return nil
	}
	chunks := make(map[text.DocID][]Chunk, len(docs))
	for page, err := range v.g.c.pages(ctx, v.g.chunks(), v.g.c.scope(ofDocs(docs...)), recordPage, qdrant.NewWithPayload(true), true) {
		if err != nil {
			return err
		}
		var sound []Stored
		for _, p := range page {
			if v.suspects[p.GetId().GetUuid()] != nil {
				continue
			}
			if s, ok := v.inspect(p); ok {
				sound = append(sound, s)
				chunks[s.Chunk.Doc] = append(chunks[s.Chunk.Doc], s.Chunk)
			}
		}
		if len(sound) == 0 {
			continue
		}
		found, err := v.o.Check(ctx, sound)
		if err != nil {
			return err
		}
		for _, d := range found {
			v.report.Drift = append(v.report.Drift, d)
			if t := v.docs[d.Doc]; t != nil && d.Kind == DriftTokens {
				t.miscounted = true
			}
			if d.Kind == DriftRefused {
				v.report.Embedded--
			}
		}
	}
	for _, doc := range docs {
		v.compareText(doc, chunks[doc])
	}
	return nil
}

// inspect compares what a chunk point holds with its checksum and its record.
func (v *verification) inspect(p *qdrant.RetrievedPoint) (s Stored, ok bool) {
	id := p.GetId().GetUuid()
	v.report.Read++
	// The first pass knows who it is.
	read := &reader{p: p.GetPayload()}
	doc, ord := text.DocID(read.str(keyDoc)), read.num(keyOrd)
	t := v.docs[doc]
	if t == nil {
		return Stored{}, false // written meanwhile
	}
	bad := func(kind DriftKind, detail string) Drift {
		return Drift{Kind: kind, Doc: doc, Ordinal: ord, Point: id, Remedy: Reingest, Detail: detail}
	}
	s, sealed, err := decodePoint(p)
	if err != nil {
		d := bad(DriftUnreadable, err.Error())
		d.discard = true // it would fail every search that finds it
		v.add(d)
		return Stored{}, false
	}
	if s.Chunk.Rev != t.rev {
		return Stored{}, false // written meanwhile
	}
	again := pointPayload(v.g.c.tenant, s.Point)
	sealed = sealed || t.textSum != ""
	if sealed && p.GetPayload()[keySum].GetStringValue() != again[keySum].GetStringValue() {
		v.add(bad(DriftAltered, "its checksum is not that of what it holds"))
		return Stored{}, false
	}
	if err := s.Chunk.check(t.count); err != nil {
		v.add(bad(DriftAltered, err.Error()))
		return Stored{}, false
	}
	if !sealed {
		v.report.Unsealed++
	}
	if again.only(labelKeys...).sum() != t.labels || sealed && s.Chunk.MediaType != t.media { // an older version stored none with the chunk
		d := bad(DriftLabels, "its tags, metadata, access list, time or media type is not its document's")
		d.Remedy = Rewrite
		v.report.Drift = append(v.report.Drift, d) // its text is right
	}
	s.Prefixed = sealed || !v.g.Recipe.Chunker.IndexPrefix
	s.Embed = s.Prefixed && v.sample.has(id)
	if s.Embed {
		v.report.Embedded++
	}
	return s, true
}

// compareText rebuilds the text of a document, if all its chunks are there.
func (v *verification) compareText(doc text.DocID, chunks []Chunk) {
	t := v.docs[doc]
	if t.wrong || len(chunks) != t.count {
		return
	}
	bad := func(kind DriftKind, format string, args ...any) {
		v.add(Drift{Kind: kind, Doc: doc, Ordinal: -1, Point: recordID(v.g.c.tenant, doc), Remedy: Reingest, Detail: fmt.Sprintf(format, args...)})
	}
	slices.SortFunc(chunks, func(a, b Chunk) int { return a.Ordinal - b.Ordinal })
	tokens := 0
	for _, c := range chunks {
		tokens += c.Tokens
	}
	s, err := stitch(0, chunks, t.bytes)
	switch {
	case err != nil:
		bad(DriftText, "%v", err)
	case len(s) != t.bytes:
		bad(DriftText, "the chunks hold %d bytes of text, the record says %d", len(s), t.bytes)
	case t.textSum != "" && TextSum(s) != t.textSum:
		bad(DriftText, "the text of its chunks has another SHA-256 than the record says")
	case tokens != t.tokens && !t.miscounted:
		bad(DriftRecordCount, "its chunks have %d tokens, the record says %d", tokens, t.tokens)
	}
	if t.textSum != "" {
		v.report.Texts++
	}
}

// TextSum returns what Record.TextSHA256 is of a text.
func TextSum(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// decodePoint reads a chunk with its vectors; sealed says that it has a checksum.
func decodePoint(p *qdrant.RetrievedPoint) (s Stored, sealed bool, err error) {
	if s.Chunk, err = decodeChunk(p.GetId(), p.GetPayload()); err != nil {
		return Stored{}, false, err
	}
	read := &reader{p: p.GetPayload()}
	s.Prefix = read.str(keyPrefix)
	sealed = read.str(keySum) != ""
	if read.err != nil {
		return Stored{}, false, fmt.Errorf("read chunk %s: %w", s.Chunk.ID, read.err)
	}
	vectors := p.GetVectors().GetVectors().GetVectors()
	sparse := vectors[sparseVector].GetSparse()
	s.Dense = vectors[denseVector].GetDense().GetData()
	s.Sparse = lexical.Vector{Indices: sparse.GetIndices(), Values: sparse.GetValues()}
	return s, sealed, nil
}
