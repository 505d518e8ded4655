package evalret

import (
	"fmt"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/stats"
	"github.com/ragloop/ragloop/internal/text"
)

// sources numbers the source document of each query from 0, in order of first
// appearance: the document of its first evidence span, otherwise its best
// graded document (the smallest id among equals). A query without labels is
// its own source.
func sources(queries []labels.Query) []int {
	numbers := make([]int, len(queries))
	seen := map[text.DocID]int{}
	next := 0
	for i, q := range queries {
		doc := source(q)
		n, ok := seen[doc]
		if !ok || doc == "" {
			n = next
			next++
			seen[doc] = n
		}
		numbers[i] = n
	}
	return numbers
}

func source(q labels.Query) text.DocID {
	if len(q.Evidence) > 0 {
		return q.Evidence[0].Doc
	}
	var best text.DocID
	grade := 0
	for doc, g := range q.Docs {
		if g > grade || g == grade && g > 0 && doc < best {
			best, grade = doc, g
		}
	}
	return best
}

// Clusters returns the clusters to resample for a sample made of the given
// queries: their sources. Nil, for independent queries, when every query has
// its own source, and also when there are fewer than [stats.MinVerdict]
// sources: resampling so few has no meaning, and the warning says what is
// assumed instead.
func Clusters(queries []Query) ([]int, []stats.Warning) {
	clusters := make([]int, len(queries))
	distinct := map[int]bool{}
	for i, q := range queries {
		clusters[i] = q.Source
		distinct[q.Source] = true
	}
	switch {
	case len(distinct) == len(queries):
		return nil, nil
	case len(distinct) < stats.MinVerdict:
		if len(queries) < stats.MinVerdict {
			return nil, nil // warned of anyway
		}
		return nil, []stats.Warning{{
			Code: "few_sources",
			Message: fmt.Sprintf("%d queries come from only %d source documents; intervals take the queries for independent and are somewhat too narrow",
				len(queries), len(distinct)),
		}}
	}
	return clusters, nil
}
