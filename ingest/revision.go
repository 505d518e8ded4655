package ingest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"

	"github.com/ragloop/ragloop/ingest/extract"
)

// digest hashes a sequence of values such that no two sequences collide by
// concatenation: every string goes in after its length, every number and list
// length in a fixed width.
type digest struct{ h hash.Hash }

func newDigest() digest { return digest{sha256.New()} }

func (d digest) num(ns ...int) {
	var b [8]byte
	for _, n := range ns {
		binary.LittleEndian.PutUint64(b[:], uint64(n))
		d.h.Write(b[:])
	}
}

func (d digest) str(ss ...string) {
	for _, s := range ss {
		d.num(len(s))
		d.h.Write([]byte(s))
	}
}

func (d digest) labels(tags []string, meta map[string]string) {
	d.num(len(tags))
	d.str(tags...)
	d.num(len(meta))
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		d.str(k, meta[k])
	}
}

func (d digest) hex() string { return hex.EncodeToString(d.h.Sum(nil)) }

// contentDigest is the hex SHA-256 of a document's bytes.
func contentDigest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// inputDigest covers everything that a source gave. An equal digest means that
// ingesting the document again would change nothing; content is the hex SHA-256
// of its bytes.
func inputDigest(item Item, content string) string {
	d := newDigest()
	d.str(extract.Version, content, item.name(), item.URI, item.MediaType, item.Title)
	d.labels(item.Tags, item.Meta)
	return d.hex()
}

// revision covers everything that decides a document's chunks beside the
// recipe: the extractor, the text, its structure, and what is stored or indexed
// with each chunk. So equal chunk ids always mean equal chunks.
func revision(doc extract.Document, tags []string, meta map[string]string) string {
	d := newDigest()
	d.str(extract.Version, doc.Text, doc.Title)
	d.num(len(doc.Blocks))
	for _, b := range doc.Blocks {
		d.str(string(b.Kind))
		d.num(b.Level, b.Span.Start, b.Span.End, b.Page)
	}
	d.labels(tags, meta)
	return d.hex()
}
