package index

import (
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/text"
)

// TestPointBytesIsABound: batches are cut by it, and a server refuses messages
// that are too large.
func TestPointBytesIsABound(t *testing.T) {
	g := &Generation{c: &Client{tenant: "tenant"}}
	rng := rand.New(rand.NewPCG(1, 2))
	word := func() string { return strings.Repeat("wörter ", rng.IntN(40)) }
	for range 200 {
		p := Point{Chunk: Chunk{
			ID: "6ba7b810-9dad-11d1-80b4-00c04fd430c8", Doc: text.DocID(word()), Text: strings.Repeat(word(), rng.IntN(30)), Gap: word(), Ordinal: rng.IntN(1 << 30),
			Span: text.RuneSpan{Start: rng.IntN(1 << 40), End: 1 << 41}, Tokens: rng.IntN(1 << 20), PageStart: 1, PageEnd: rng.IntN(9000),
			Meta: meta.Fields{"a": meta.OfString(word()), "b": meta.OfInteger(rng.Int64()), "c": meta.OfFloat(rng.Float64()), "d": meta.OfBool(true)},
		}, Prefix: word(), Dense: make([]float32, rng.IntN(2000))}
		for range rng.IntN(20) {
			p.Chunk.Heading = append(p.Chunk.Heading, word())
			p.Chunk.Tags = append(p.Chunk.Tags, word())
			p.Chunk.ACL = append(p.Chunk.ACL, word())
		}
		for range rng.IntN(400) {
			p.Sparse.Indices = append(p.Sparse.Indices, rng.Uint32())
			p.Sparse.Values = append(p.Sparse.Values, rng.Float32())
		}
		point := g.chunkPoint(p)
		bound, size := pointBytes(point), proto.Size(point)
		if bound < size || bound > 2*size+2000 {
			t.Fatalf("a point of %d bytes is taken for %d", size, bound)
		}
	}
}
