package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ragloop/ragloop/evalret"
)

// legOf formats a leg's score and its rank there; absent where the leg did not
// return the chunk.
func legOf(l evalret.LegScore, decimals int) string {
	if l.Rank == 0 {
		return decimal(l.Score, decimals) + " " + absent
	}
	return fmt.Sprintf("%s #%d", decimal(l.Score, decimals), l.Rank)
}

// rankKey sorts what a leg did not return behind everything else.
func rankKey(rank int) string {
	if rank == 0 {
		return "100000"
	}
	return strconv.Itoa(rank)
}

// fateNames says why a chunk is in no segment, for people.
var fateNames = map[string]string{
	"duplicate":   "duplicate",
	"over_budget": "no room",
	"source_cap":  "document's cap",
	"apart":       "beside nothing that is in",
}

func fateOf(c evalret.ExplainedChunk) (fate, class, state string) {
	if c.Segment != "" {
		return "in [" + c.Segment + "]", "better", "in"
	}
	if c.Dropped == "" {
		return "below top-k", "neutral", "below"
	}
	if c.Duplicate != "" {
		return "duplicate of [" + c.Duplicate + "]", "worse", "dropped"
	}
	name, ok := fateNames[string(c.Dropped)]
	if !ok {
		name = strings.ReplaceAll(string(c.Dropped), "_", " ")
	}
	return name, "worse", "dropped"
}

// cutNames says why a part of a chunk is not in the context.
var cutNames = map[string]string{
	"focus":  "made room for other chunks",
	"trim":   "no room, cut at a sentence",
	"parent": "no room for more of its parent",
}

// maxJoined is how many chunks are named that a chunk was joined with.
const maxJoined = 4

// notes says what became of c, whose segment is s, beside being in the context or
// not.
func notes(c evalret.ExplainedChunk, s evalret.ExplainedSegment) []string {
	var out []string
	switch {
	case c.Turn == 0 && (c.Segment != "" || c.Dropped != ""):
		out = append(out, "below top-k: offered as a neighbour")
	case c.Turn > c.Rank:
		out = append(out, fmt.Sprintf("set back to turn %d", c.Turn))
	}
	if c.Segment == "" {
		return out
	}
	if c.Parent.Len() > 0 {
		out = append(out, "as its parent "+spanOf(c.Parent))
	}
	for from := 0; from < len(c.Cuts); { // one note for all of a reason that follow each other
		reason := c.Cuts[from].Reason
		var spans []string
		for ; from < len(c.Cuts) && c.Cuts[from].Reason == reason; from++ {
			spans = append(spans, spanOf(c.Cuts[from].Span))
		}
		name, ok := cutNames[string(reason)]
		if !ok {
			name = strings.ReplaceAll(string(reason), "_", " ")
		}
		out = append(out, fmt.Sprintf("without %s: %s", strings.Join(spans, " and "), name))
	}
	var with []string
	for _, r := range s.Ranks {
		if r != c.Rank {
			with = append(with, "#"+strconv.Itoa(r))
		}
	}
	if n := len(with) - maxJoined; n > 0 {
		with = append(with[:maxJoined], fmt.Sprintf("%d more", n))
	}
	beside := s.Beside
	if c.Turn == 0 {
		beside-- // itself
	}
	if beside > 0 {
		with = append(with, count(beside, "neighbour", "neighbours"))
	}
	if len(with) > 0 {
		out = append(out, "joined with "+strings.Join(with, ", "))
	}
	return out
}
