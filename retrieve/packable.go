package retrieve

import (
	"slices"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// Packable returns ranked chunks as the packer takes them, in the same order,
// and behind them their [Neighbours].
//
// A chunk that has a parent is delivered as its parent: of several with the same
// parent, the packer takes the first and drops the others as duplicates. It keeps
// what was found of a parent that it cuts. A parent has no neighbours, nor is one
// delivered for a neighbour: that stands for itself.
func Packable(ranked []Ranked) []pack.Chunk { return AppendPackable([]pack.Chunk{}, ranked) }

// AppendPackable appends to out what [Packable] returns, for who keeps the room of out
// from call to call.
func AppendPackable(out []pack.Chunk, ranked []Ranked) []pack.Chunk {
	near := Neighbours(ranked)
	out = slices.Grow(out, len(ranked)+len(near))
	for i := range ranked {
		r := &ranked[i]
		if r.Parent == nil {
			out = append(out, r.packable(r.Chunk))
			continue
		}
		p := r.packable(r.Parent)
		p.Found = r.Chunk.Span
		out = append(out, p)
	}
	for _, n := range near {
		p := ranked[n.Of].packable(n.Chunk)
		p.Neighbour = true
		out = append(out, p)
	}
	return out
}

// packable returns c, which is r's chunk or of the same document, with what is
// known of r.
func (r *Ranked) packable(c *index.Chunk) pack.Chunk {
	return pack.Chunk{
		Doc: c.Doc, Rev: c.Rev, URI: r.Record.URI, Title: r.Record.Title, Ordinal: c.Ordinal,
		Span: c.Span, Text: c.Text, Gap: c.Gap, Heading: c.Heading,
		PageStart: c.PageStart, PageEnd: c.PageEnd, Score: r.Score,
	}
}
