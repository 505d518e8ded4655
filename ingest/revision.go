package ingest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"

	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/meta"
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

func (d digest) list(ss []string) {
	d.num(len(ss))
	d.str(ss...)
}

func (d digest) fields(fields meta.Fields) {
	d.num(len(fields))
	for _, key := range fields.Keys() {
		v := fields[key]
		d.str(key, string(v.Kind))
		if v.Kind == meta.Strings {
			d.list(v.Strings)
		} else {
			d.str(v.Text())
		}
	}
}

func (d digest) hex() string { return hex.EncodeToString(d.h.Sum(nil)) }

// contentDigest is the hex SHA-256 of a document's bytes.
func contentDigest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// labelsVersion names what is made of a document's labels. Where it changes,
// every document is looked at again, and its chunks and vectors stay.
const labelsVersion = "labels 2"

// inputDigest covers everything that a source gave but Item.Modified. An equal
// digest means that ingesting the document again would change nothing else;
// content is the hex SHA-256 of its bytes.
func inputDigest(item Item, content string) string {
	d := newDigest()
	d.str(extract.Version, content, item.name(), item.URI, item.MediaType, item.Title, labelsVersion)
	d.list(item.Tags)
	d.list(item.ACL)
	d.fields(item.Meta)
	return d.hex()
}

// revision covers everything that decides a document's chunks beside the
// recipe: the extractor, the text and its structure. So equal chunk ids always
// mean equal chunks, but for the labels, which can change without them.
func revision(doc extract.Document) string { return revisionWith(doc, nil, nil) }

// sameRevision reports whether chunks stored under r are those of doc. Earlier
// versions made the labels a part of the revision.
func sameRevision(doc extract.Document, r index.Record) bool {
	return r.Rev == revision(doc) || r.Rev == revisionWith(doc, r.Tags, r.Meta)
}

func revisionWith(doc extract.Document, tags []string, fields meta.Fields) string {
	d := newDigest()
	d.str(extract.Version, doc.Text, doc.Title)
	d.num(len(doc.Blocks))
	for _, b := range doc.Blocks {
		d.str(string(b.Kind))
		d.num(b.Level, b.Span.Start, b.Span.End, b.Page)
	}
	d.list(tags)
	d.num(len(fields))
	for _, key := range fields.Keys() {
		d.str(key, fields[key].Text())
	}
	return d.hex()
}
