package retrieve

import "github.com/ragloop/ragloop/retrieve/pack"

// Packable returns ranked chunks as the packer takes them, in the same order. A
// chunk that has a parent is delivered as its parent: of several with the same
// parent, the packer takes the first and drops the others as duplicates.
func Packable(ranked []Ranked) []pack.Chunk {
	out := make([]pack.Chunk, len(ranked))
	for i, r := range ranked {
		c := &r.Chunk
		if r.Parent != nil {
			c = r.Parent
		}
		out[i] = pack.Chunk{
			Doc: c.Doc, Rev: c.Rev, URI: r.Record.URI, Title: r.Record.Title, Ordinal: c.Ordinal,
			Span: c.Span, Text: c.Text, Gap: c.Gap, Heading: c.Heading,
			PageStart: c.PageStart, PageEnd: c.PageEnd, Score: r.Score,
		}
	}
	return out
}
