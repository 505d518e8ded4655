package index

import (
	"encoding/binary"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"

	"github.com/ragloop/ragloop/internal/text"
)

// Namespaces of the two kinds of ids. They are part of the stored format.
var (
	chunkSpace  = uuid.MustParse("6d2f6a0e-3c1b-5e0c-9a53-6f0b1f3c7a11")
	recordSpace = uuid.MustParse("b1f0a9d4-7a52-5d6e-8c0e-2d9f4e6b5c22")
)

// chunkID returns the id of a chunk. Equal inputs give equal ids, so that every
// retry of a write hits the same point.
func chunkID(tenant string, doc text.DocID, rev, recipe string, ordinal int) ChunkID {
	return ChunkID(uuid.NewSHA1(chunkSpace, binary.AppendUvarint(join(tenant, string(doc), rev, recipe), uint64(ordinal))).String())
}

// recordID returns the id of a document's record.
func recordID(tenant string, doc text.DocID) string {
	return uuid.NewSHA1(recordSpace, join(tenant, string(doc))).String()
}

// maxRecordIDs is how many ids of records are remembered: some 6 MB.
const maxRecordIDs = 1 << 15

// recordPoint returns the id of a document's record as it is asked for. Each
// search asks for the records of all its hits, and their ids are hashes: they are
// remembered in local mode, where a search takes no longer than they do. Nobody may
// change it.
func (c *Client) recordPoint(doc text.DocID) *qdrant.PointId {
	if c.recordIDs == nil {
		return qdrant.NewIDUUID(recordID(c.tenant, doc))
	}
	if id, ok := c.recordIDs.Get(doc); ok {
		return id
	}
	id := qdrant.NewIDUUID(recordID(c.tenant, doc))
	c.recordIDs.Put(doc, id)
	return id
}

// join writes each part after its length, so that no two lists of parts join to
// the same bytes.
func join(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = append(binary.AppendUvarint(b, uint64(len(p))), p...)
	}
	return b
}
