package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
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
	if resp.Query != query {
		x.Searched = resp.Query
	}
	x.Expand = resp.Reading.GetExpand()
	for _, t := range resp.Reading.GetWritten() {
		written := t.Text
		if t.Cut {
			written += "… (cut)"
		}
		x.Written = append(x.Written, written)
	}
	for _, p := range resp.Reading.GetPhrases() {
		x.Phrases = append(x.Phrases, retrieve.Phrase{Text: p.Text, Kind: phraseKind(p.Kind), Holders: int(p.Holders)})
	}
	for _, f := range resp.Reading.GetFeedback() {
		x.Feedback = append(x.Feedback, metric.Place{Doc: text.DocID(f.Document), Span: wireSpan(f.Span)})
	}
	rank := map[string]int{}
	for _, c := range resp.Candidates {
		rank[c.Id] = int(c.Rank)
		x.Candidates = append(x.Candidates, explainedChunk(c))
	}
	for _, n := range resp.Neighbours {
		x.Beside = append(x.Beside, evalret.ExplainedChunk{
			Doc: text.DocID(n.Document), Span: wireSpan(n.Span), Rank: rank[n.NeighbourOf],
			Fate: pack.Fate{Segment: n.Segment, Dropped: dropReason(n.DropReason), Duplicate: n.DuplicateOf},
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

func explainedChunk(c *ragloopv1.Candidate) evalret.ExplainedChunk {
	out := evalret.ExplainedChunk{
		Doc: text.DocID(c.Document), Span: wireSpan(c.Span), Rank: int(c.Rank), Score: c.Score, Fused: c.Fused,
		Added: added(c.Added),
		Dense: legScore(c.Dense), Lexical: legScore(c.Lexical), Parent: wireSpan(c.Parent),
		Fate: pack.Fate{
			Turn: int(c.Turn), Segment: c.Segment, Dropped: dropReason(c.DropReason), Duplicate: c.DuplicateOf, Delivered: wireSpan(c.Delivered),
		},
	}
	if r := c.Reranked; r != nil {
		out.Reranked = &retrieve.Reranked{
			Before: int(r.RankBefore), Score: r.Score, Final: r.FinalScore, Weighted: r.Weighted, Own: r.Own, Added: added(r.Added),
		}
	}
	for _, cut := range c.Cuts {
		out.Cuts = append(out.Cuts, pack.Cut{Span: wireSpan(cut.Span), Reason: cutReason(cut.Reason)})
	}
	return out
}

func added(a *ragloopv1.AddedScores) retrieve.Added {
	return retrieve.Added{Document: a.GetDocument(), Title: a.GetTitle(), Neighbours: a.GetNeighbours(), Phrases: a.GetPhrases()}
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
	return pack.Reason(lowerEnum(r, "DROP_REASON_"))
}

func cutReason(r ragloopv1.CutReason) pack.CutReason {
	return pack.CutReason(lowerEnum(r, "CUT_REASON_"))
}

func phraseKind(k ragloopv1.PhraseKind) string { return lowerEnum(k, "PHRASE_KIND_") }

// lowerEnum returns the name of a value of the wire as the domain has it: without
// its prefix, "over_budget".
func lowerEnum(v fmt.Stringer, prefix string) string {
	return strings.ToLower(strings.TrimPrefix(v.String(), prefix))
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
