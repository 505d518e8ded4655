package server

import (
	"math"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// count returns n as the wire has it. Numbers that large do not occur.
func count(n int) int32 { return int32(min(max(n, math.MinInt32), math.MaxInt32)) }

func span(s text.RuneSpan) *ragloopv1.Span { return setSpan(&ragloopv1.Span{}, s) }

// setSpan makes out s, and returns it.
func setSpan(out *ragloopv1.Span, s text.RuneSpan) *ragloopv1.Span {
	out.Start, out.End = count(s.Start), count(s.End)
	return out
}

// valid returns texts, which may hold error messages of other programs, as
// protobuf allows them.
func valid(texts []string) []string {
	var out []string
	for _, s := range texts {
		out = append(out, strings.ToValidUTF8(s, "\uFFFD"))
	}
	return out
}

func provenance(c Collection, p retrieve.Params) *ragloopv1.Provenance {
	return &ragloopv1.Provenance{
		Collection: c.Name, Generation: count(c.Generation), Recipe: c.Recipe, Embedder: c.Embedder, Fusion: p.Fusion.String(),
	}
}

func stages(in []retrieve.Stage) []*ragloopv1.StageTiming {
	out := messages[ragloopv1.StageTiming](len(in))
	for i, s := range in {
		*out[i] = ragloopv1.StageTiming{Name: s.Name, Elapsed: durationpb.New(s.Elapsed)}
	}
	return out
}

// messages returns n messages, nil for none. They are made at once: an answer has
// hundreds, and as many objects would be as many to make and to collect.
func messages[M any](n int) []*M {
	if n == 0 {
		return nil
	}
	all, out := make([]M, n), make([]*M, n)
	for i := range all {
		out[i] = &all[i]
	}
	return out
}

func denseScore(c index.Candidate) *ragloopv1.LegScore {
	return &ragloopv1.LegScore{Score: c.Dense, Rank: count(c.DenseRank)}
}

func lexicalScore(c index.Candidate) *ragloopv1.LegScore {
	return &ragloopv1.LegScore{Score: c.Lexical, Rank: count(c.LexicalRank)}
}

// reranked returns nil for a candidate that was not reranked.
func reranked(r *retrieve.Reranked) *ragloopv1.Reranked {
	if r == nil {
		return nil
	}
	return &ragloopv1.Reranked{
		Score: r.Score, RankBefore: count(r.Before), FinalScore: r.Final, Weighted: r.Weighted, Own: r.Own, Added: addedScores(r.Added),
	}
}

func addedScores(a retrieve.Added) *ragloopv1.AddedScores {
	return &ragloopv1.AddedScores{Document: a.Document, Title: a.Title, Neighbours: a.Neighbours, Phrases: a.Phrases}
}

func chunk(r retrieve.Ranked) *ragloopv1.Chunk {
	c := r.Chunk
	return &ragloopv1.Chunk{
		Id: string(c.ID), Document: string(c.Doc), Revision: c.Rev, Ordinal: count(c.Ordinal),
		Uri: r.Record.URI, Title: r.Record.Title, Heading: c.Heading,
		PageStart: count(c.PageStart), PageEnd: count(c.PageEnd),
		Span: span(c.Span), Text: c.Text, Tokens: count(c.Tokens),
		Rank: count(r.Rank), Score: r.Score, Fused: r.Fused,
		Dense: denseScore(r.Candidate), Lexical: lexicalScore(r.Candidate), InTitle: r.Title, Phrases: r.Phrases, Reranked: reranked(r.Rerank),
		Tags: c.Tags, Meta: metaTexts(c.Meta), Fields: metaValues(c.Meta),
	}
}

// segments returns the segments of a context that was packed from ranked and
// the chunks beside them.
func segments(in []pack.Segment, ranked []retrieve.Ranked) []*ragloopv1.Segment {
	near := retrieve.Neighbours(ranked)
	members := 0
	for i := range in {
		members += len(in[i].Chunks)
	}
	out := messages[ragloopv1.Segment](len(in))
	chunks := messages[ragloopv1.SegmentChunk](members)
	spans := make([]ragloopv1.Span, 2*len(in))
	for n := range in {
		s := &in[n]
		*out[n] = ragloopv1.Segment{
			Label: s.Label, Document: string(s.Doc), Revision: s.Rev, Uri: s.URI, Title: s.Title, Heading: s.Heading,
			PageStart: count(s.PageStart), PageEnd: count(s.PageEnd), Span: setSpan(&spans[2*n], s.Span), Text: s.Text,
			Tokens: count(s.Tokens), Score: s.Score, Trimmed: s.Trimmed, ContextSpan: setSpan(&spans[2*n+1], s.Context),
			Chunks: chunks[:len(s.Chunks):len(s.Chunks)],
		}
		for _, e := range s.Edits {
			out[n].Edits = append(out[n].Edits, &ragloopv1.Edit{At: count(e.At), Length: count(e.Len), With: e.With})
		}
		for k, i := range s.Chunks {
			if i >= len(ranked) {
				n := &near[i-len(ranked)]
				*chunks[k] = ragloopv1.SegmentChunk{Id: string(n.Chunk.ID), NeighbourOf: string(ranked[n.Of].Chunk.ID)}
				continue
			}
			r := &ranked[i]
			*chunks[k] = ragloopv1.SegmentChunk{
				Id: string(r.Chunk.ID), Rank: count(r.Rank), DenseRank: count(r.DenseRank), LexicalRank: count(r.LexicalRank),
			}
		}
		chunks = chunks[len(s.Chunks):]
	}
	return out
}

var dropReasons = map[pack.Reason]ragloopv1.DropReason{
	pack.Duplicate:  ragloopv1.DropReason_DROP_REASON_DUPLICATE,
	pack.OverBudget: ragloopv1.DropReason_DROP_REASON_OVER_BUDGET,
	pack.SourceCap:  ragloopv1.DropReason_DROP_REASON_SOURCE_CAP,
	pack.Apart:      ragloopv1.DropReason_DROP_REASON_APART,
}

// dropped returns the ranked chunks that are not in the context.
func dropped(in []pack.Drop, ranked []retrieve.Ranked) []*ragloopv1.DroppedChunk {
	for len(in) > 0 && in[len(in)-1].Chunk >= len(ranked) {
		in = in[:len(in)-1] // by chunk: neighbours are the last
	}
	out := messages[ragloopv1.DroppedChunk](len(in))
	spans := make([]ragloopv1.Span, len(in))
	for i, d := range in {
		r := &ranked[d.Chunk]
		*out[i] = ragloopv1.DroppedChunk{
			Id: string(r.Chunk.ID), Document: string(r.Chunk.Doc), Span: setSpan(&spans[i], r.Chunk.Span),
			Rank: count(r.Rank), Reason: dropReasons[d.Reason],
		}
	}
	return out
}

var documentStates = map[index.State]ragloopv1.DocumentState{
	index.Indexed: ragloopv1.DocumentState_DOCUMENT_STATE_INDEXED,
	index.Failed:  ragloopv1.DocumentState_DOCUMENT_STATE_FAILED,

	index.Quarantined: ragloopv1.DocumentState_DOCUMENT_STATE_QUARANTINED,
}

func document(r index.Record) *ragloopv1.Document {
	return &ragloopv1.Document{
		Id: string(r.Doc), Uri: r.URI, MediaType: r.MediaType, Title: r.Title, Revision: r.Rev,
		State: documentStates[r.State], Error: strings.ToValidUTF8(r.Error, "\uFFFD"),
		ChunkCount: count(r.ChunkCount), Tokens: count(r.Tokens), TextBytes: count(r.Bytes), Pages: count(r.Pages),
		IngestTime: timestamp(r.IngestedAt), Tags: r.Tags, Meta: metaTexts(r.Meta), ContentSha256: r.ContentSHA256, Reason: r.Reason,
		Fields: metaValues(r.Meta), Acl: r.ACL, Modified: timestamp(r.Modified),
	}
}

// timestamp returns nil for the zero time.
func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

var putOutcomes = map[Outcome]ragloopv1.PutOutcome{
	Indexed:   ragloopv1.PutOutcome_PUT_OUTCOME_INDEXED,
	Replaced:  ragloopv1.PutOutcome_PUT_OUTCOME_REPLACED,
	Unchanged: ragloopv1.PutOutcome_PUT_OUTCOME_UNCHANGED,
	Removed:   ragloopv1.PutOutcome_PUT_OUTCOME_REMOVED,
}
