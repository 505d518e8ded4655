package server

import (
	"strings"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// maxWrittenRunes is how much of a text that a language model wrote is told.
const maxWrittenRunes = 2000

// explain adds to a response how it came to be: what was found with p, all of it, and
// packed.
func explain(out *ragloopv1.RetrieveResponse, found retrieve.Result, all []retrieve.Ranked, packed pack.Context, p retrieve.Params) {
	near := retrieve.Neighbours(found.Chunks)
	became := make(map[index.ChunkID]pack.Fate, len(found.Chunks)+len(near))
	for i, f := range packed.Fates(retrieve.Packable(found.Chunks)) {
		if i < len(found.Chunks) {
			became[found.Chunks[i].Chunk.ID] = f
		} else {
			became[near[i-len(found.Chunks)].Chunk.ID] = f
		}
	}
	out.Reading = reading(found.Reading, p)
	added := retrieve.Additions(all, p)
	for i, r := range all {
		out.Candidates = append(out.Candidates, candidate(r, added[i], became[r.Chunk.ID]))
	}
	for _, n := range near {
		f := became[n.Chunk.ID]
		out.Neighbours = append(out.Neighbours, &ragloopv1.NeighbourChunk{
			Id: string(n.Chunk.ID), Document: string(n.Chunk.Doc), Span: span(n.Chunk.Span),
			NeighbourOf: string(found.Chunks[n.Of].Chunk.ID),
			Segment:     f.Segment, DropReason: dropReasons[f.Dropped], DuplicateOf: f.Duplicate,
		})
	}
}

func candidate(r retrieve.Ranked, a retrieve.Added, f pack.Fate) *ragloopv1.Candidate {
	out := &ragloopv1.Candidate{
		Id: string(r.Chunk.ID), Document: string(r.Chunk.Doc), Span: span(r.Chunk.Span),
		Rank: count(r.Rank), Score: r.Score, Fused: r.Fused,
		Dense: denseScore(r.Candidate), Lexical: lexicalScore(r.Candidate), InTitle: r.Title, Phrases: r.Phrases, Reranked: reranked(r.Rerank),
		Added:   addedScores(a),
		Segment: f.Segment, DropReason: dropReasons[f.Dropped], DuplicateOf: f.Duplicate, Turn: count(f.Turn),
	}
	if f.Delivered != (text.RuneSpan{}) {
		out.Delivered = span(f.Delivered)
	}
	if r.Parent != nil && f.Turn > 0 {
		out.Parent = span(r.Parent.Span)
	}
	for _, c := range f.Cuts {
		out.Cuts = append(out.Cuts, &ragloopv1.Cut{Span: span(c.Span), Reason: cutReasons[c.Reason]})
	}
	return out
}

var cutReasons = map[pack.CutReason]ragloopv1.CutReason{
	pack.Focused: ragloopv1.CutReason_CUT_REASON_FOCUS,
	pack.Trimmed: ragloopv1.CutReason_CUT_REASON_TRIM,
	pack.Unfound: ragloopv1.CutReason_CUT_REASON_PARENT,
}

var phraseKinds = map[string]ragloopv1.PhraseKind{
	retrieve.Quoted:     ragloopv1.PhraseKind_PHRASE_KIND_QUOTED,
	retrieve.Identifier: ragloopv1.PhraseKind_PHRASE_KIND_IDENTIFIER,
	retrieve.Acronym:    ragloopv1.PhraseKind_PHRASE_KIND_ACRONYM,
}

func reading(r retrieve.Reading, p retrieve.Params) *ragloopv1.QueryReading {
	out := &ragloopv1.QueryReading{}
	for _, s := range r.Written {
		out.Expand = p.Expand
		out.Written = append(out.Written, written(s))
	}
	for _, ph := range r.Phrases {
		out.Phrases = append(out.Phrases, &ragloopv1.QueryPhrase{Text: ph.Text, Kind: phraseKinds[ph.Kind], Holders: count(ph.Holders)})
	}
	for _, c := range r.Feedback {
		out.Feedback = append(out.Feedback, &ragloopv1.FeedbackChunk{Id: string(c.ID), Document: string(c.Doc), Span: span(c.Span)})
	}
	return out
}

func written(s string) *ragloopv1.WrittenText {
	s = strings.ToValidUTF8(s, "\uFFFD")
	n := 0
	for at := range s {
		if n++; n > maxWrittenRunes {
			return &ragloopv1.WrittenText{Text: s[:at], Cut: true}
		}
	}
	return &ragloopv1.WrittenText{Text: s}
}
