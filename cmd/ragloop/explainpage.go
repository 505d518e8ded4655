package main

import (
	"slices"
	"strings"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/internal/text"
	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// explanation returns what a response that was asked to explain says.
func explanation(query string, resp *ragloopv1.RetrieveResponse) evalret.Explanation {
	x := evalret.Explanation{
		Query: query, Budget: int(resp.BudgetTokens), Tokens: int(resp.ContextTokens), Context: resp.Context, Tokenizer: resp.Tokenizer,
		Degraded: resp.Degraded, Warnings: resp.Warnings,
	}
	rank := map[string]int{}
	for _, c := range resp.Candidates {
		rank[c.Id] = int(c.Rank)
		chunk := evalret.ExplainedChunk{
			Doc: text.DocID(c.Document), Span: wireSpan(c.Span), Rank: int(c.Rank), Score: c.Score, Fused: c.Fused,
			Dense: legScore(c.Dense), Lexical: legScore(c.Lexical), Title: c.InTitle, Phrases: c.Phrases, Segment: c.Segment, Dropped: dropReason(c.DropReason),
		}
		if c.Reranked != nil {
			chunk.Reranked = &retrieve.Reranked{Before: int(c.Reranked.RankBefore), Score: c.Reranked.Score}
		}
		x.Candidates = append(x.Candidates, chunk)
	}
	for _, n := range resp.Neighbours {
		x.Beside = append(x.Beside, evalret.ExplainedChunk{
			Doc: text.DocID(n.Document), Span: wireSpan(n.Span), Rank: rank[n.NeighbourOf], Segment: n.Segment, Dropped: dropReason(n.DropReason),
		})
	}
	for _, s := range resp.Segments {
		segment := evalret.ExplainedSegment{
			Label: s.Label, Doc: text.DocID(s.Document), Title: s.Title, Span: wireSpan(s.Span), Text: s.Text, Context: wireSpan(s.ContextSpan), Tokens: int(s.Tokens), Trimmed: s.Trimmed,
		}
		for _, c := range s.Chunks {
			if c.NeighbourOf != "" {
				segment.Beside++
			} else {
				segment.Ranks = append(segment.Ranks, int(c.Rank))
			}
		}
		x.Segments = append(x.Segments, segment)
	}
	for _, s := range resp.Stages {
		x.Stages = append(x.Stages, retrieve.Stage{Name: s.Name, Elapsed: s.Elapsed.AsDuration()})
	}
	return x
}

func wireSpan(s *ragloopv1.Span) text.RuneSpan {
	return text.RuneSpan{Start: int(s.GetStart()), End: int(s.GetEnd())}
}

func legScore(l *ragloopv1.LegScore) evalret.LegScore {
	return evalret.LegScore{Score: l.GetScore(), Rank: int(l.GetRank())}
}

// dropReason returns "" for a chunk that was not dropped.
func dropReason(r ragloopv1.DropReason) pack.Reason {
	if r == ragloopv1.DropReason_DROP_REASON_UNSPECIFIED {
		return ""
	}
	return pack.Reason(reason(r))
}

// commandLine returns the command as it was given, for a report that says how
// it was made. Words are quoted where a shell needs it.
func (a *app) commandLine() string {
	words := []string{"ragloop"}
	for _, w := range a.args {
		words = append(words, shellWord(w))
	}
	return strings.Join(words, " ")
}

// shellWord quotes s for a POSIX shell where it has characters that mean
// something there.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@,+=%", r)
	}
	if s != "" && !slices.ContainsFunc([]rune(s), func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
