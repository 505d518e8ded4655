package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	ragloopv1 "github.com/ragloop/ragloop/proto/ragloop/v1"
)

// printExplanation prints how a context came to be: the candidates, the chunks
// beside them that were offered to the packer, and what each segment costs.
func (a *app) printExplanation(resp *ragloopv1.RetrieveResponse) error {
	for _, table := range []func(io.Writer, *ragloopv1.RetrieveResponse){printCandidates, printNeighbours, printSegments} {
		w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
		table(w, resp)
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// reason returns the short form of a drop reason, "over_budget".
func reason(r ragloopv1.DropReason) string {
	return strings.ToLower(strings.TrimPrefix(r.String(), "DROP_REASON_"))
}

// fate says where a chunk ended up.
func fate(segment string, r ragloopv1.DropReason) string {
	switch {
	case segment != "":
		return "in [" + segment + "]"
	case r == ragloopv1.DropReason_DROP_REASON_UNSPECIFIED:
		return "below top-k"
	}
	return reason(r)
}

// printCandidates prints the table of candidates: what each leg said, what came
// out of fusion, the shares of the query that title and phrases are worth, the
// reranker's score, and where the chunk ended up.
func printCandidates(w io.Writer, resp *ragloopv1.RetrieveResponse) {
	reranked := slices.ContainsFunc(resp.Candidates, func(c *ragloopv1.Candidate) bool { return c.Reranked != nil })
	title := slices.ContainsFunc(resp.Candidates, func(c *ragloopv1.Candidate) bool { return c.InTitle > 0 })
	phrases := slices.ContainsFunc(resp.Candidates, func(c *ragloopv1.Candidate) bool { return c.Phrases > 0 })
	column := func(there bool, s string) string { // of what takes part in some searches only
		if !there {
			return ""
		}
		return s + "\t"
	}
	fmt.Fprintln(w, "rank\tscore\tfused\tdense\tlexical\t"+column(title, "title")+column(phrases, "phrases")+column(reranked, "reranked")+"document\tspan\tcontext")
	for _, c := range resp.Candidates {
		fmt.Fprintf(w, "%d\t%.4f\t%.4f\t%s\t%s\t%s%s%s%s\t%d-%d\t%s\n", c.Rank, c.Score, c.Fused, leg(c.Dense), leg(c.Lexical),
			column(title, fmt.Sprintf("%.2f", c.InTitle)), column(phrases, fmt.Sprintf("%.2f", c.Phrases)), column(reranked, before(c.Reranked)),
			printable(c.Document), c.Span.GetStart(), c.Span.GetEnd(), fate(c.Segment, c.DropReason))
	}
	fmt.Fprintln(w)
}

// printNeighbours prints the table of chunks beside ranked ones, if there are any.
func printNeighbours(w io.Writer, resp *ragloopv1.RetrieveResponse) {
	if len(resp.Neighbours) == 0 {
		return
	}
	rank := map[string]int32{}
	for _, c := range resp.Candidates {
		rank[c.Id] = c.Rank
	}
	fmt.Fprintln(w, "beside\tdocument\tspan\tcontext")
	for _, n := range resp.Neighbours {
		fmt.Fprintf(w, "#%d\t%s\t%d-%d\t%s\n", rank[n.NeighbourOf], printable(n.Document), n.Span.GetStart(), n.Span.GetEnd(), fate(n.Segment, n.DropReason))
	}
	fmt.Fprintln(w)
}

// printSegments prints where the tokens of the context went: to the text of each
// segment, and to the lines around them.
func printSegments(w io.Writer, resp *ragloopv1.RetrieveResponse) {
	if len(resp.Segments) == 0 {
		return
	}
	fmt.Fprintln(w, "segment\ttokens\tranks\tdocument\tspan")
	rest := resp.ContextTokens
	for _, s := range resp.Segments {
		rest -= s.Tokens
		var ranks []string
		beside := 0
		for _, c := range s.Chunks {
			if c.NeighbourOf != "" {
				beside++
			} else {
				ranks = append(ranks, fmt.Sprint(c.Rank))
			}
		}
		list := strings.Join(ranks, ",")
		if beside > 0 {
			list += fmt.Sprintf(" +%d beside", beside)
		}
		if s.Trimmed {
			list += " trimmed"
		}
		fmt.Fprintf(w, "[%s]\t%d\t%s\t%s\t%d-%d\n", s.Label, s.Tokens, list, printable(s.Document), s.Span.GetStart(), s.Span.GetEnd())
	}
	fmt.Fprintf(w, "around\t%d\n\n", rest)
}

// leg formats a leg's score and its rank there; "-" where the leg did not
// return the chunk.
func leg(l *ragloopv1.LegScore) string {
	if l.GetRank() == 0 {
		return fmt.Sprintf("%.4f (-)", l.GetScore())
	}
	return fmt.Sprintf("%.4f (#%d)", l.GetScore(), l.GetRank())
}

// before formats a reranker's score and the rank before it; "-" where the chunk
// was not reranked.
func before(r *ragloopv1.Reranked) string {
	if r == nil {
		return "-"
	}
	return fmt.Sprintf("%.4f (was #%d)", r.Score, r.RankBefore)
}
