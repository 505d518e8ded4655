package metric

import (
	"math"
	"slices"

	"github.com/ragloop/ragloop/internal/text"
)

// Judged is one query's ranking seen through its judgements. All document
// metrics of the query are computed from it.
type Judged struct {
	// Grades holds the grade at each rank, best first; -1 for a document
	// without a judgement.
	Grades []int
	// Ideal holds every grade ≥ 0 that the query's judgements have, retrieved
	// or not, in descending order.
	Ideal []int
}

// Judge looks up the grades of a ranking, best first. A document that occurs
// again is skipped and the ones after it move up: for a ranking of chunks, the
// best chunk speaks for its document (MaxP). A negative grade means that the
// document was in the judged pool but not judged, as in TREC files.
func Judge(ranking []text.DocID, grades map[text.DocID]int) Judged {
	return JudgeDistinct(MaxP(ranking), grades)
}

// JudgeDistinct is [Judge] for a ranking in which no document occurs twice.
func JudgeDistinct(ranking []text.DocID, grades map[text.DocID]int) Judged {
	j := Judged{Grades: make([]int, 0, len(ranking)), Ideal: make([]int, 0, len(grades))}
	for _, doc := range ranking {
		g, ok := grades[doc]
		if !ok || g < 0 {
			g = -1
		}
		j.Grades = append(j.Grades, g)
	}
	for _, g := range grades {
		if g >= 0 {
			j.Ideal = append(j.Ideal, g)
		}
	}
	slices.SortFunc(j.Ideal, func(a, b int) int { return b - a })
	return j
}

// MaxP collapses a ranking of chunks, given as their documents, to a ranking
// of documents: the first occurrence of each stays, in order.
func MaxP(chunks []text.DocID) []text.DocID {
	seen := make(map[text.DocID]struct{}, len(chunks))
	docs := make([]text.DocID, 0, len(chunks))
	for _, d := range chunks {
		if _, ok := seen[d]; !ok {
			seen[d] = struct{}{}
			docs = append(docs, d)
		}
	}
	return docs
}

const noRelevant = "no relevant document is labelled"

// Ranking computes a document metric. It is not applicable when the query has
// no relevant judged document; trec_eval prints 0 there, so a comparison with
// its averages takes that value as 0. A metric of another level, or one that
// [Metric.Validate] refuses, gives a failed value.
func (m Metric) Ranking(j Judged) Value {
	d, ok := m.Definition()
	if !ok || d.Level != Documents || m.Validate() != nil {
		return Fail(m.String() + " is not a document metric")
	}
	switch m.Name {
	case "nDCG":
		return ndcg(j, m.At, m.Gain)
	case "Judged":
		return judged(j, m.At)
	}
	rel := m.rel()
	relevant := 0
	for _, g := range j.Ideal {
		if g >= rel {
			relevant++
		}
	}
	if relevant == 0 {
		return NoValue(noRelevant)
	}
	switch m.Name {
	case "bpref":
		return Of(bpref(j, rel, relevant))
	case "IPrec":
		return Of(interpolated(j, rel, int(math.Round(m.Recall*float64(relevant)))))
	}
	depth := m.At
	if m.Name == "Rprec" {
		depth = relevant
	}
	top := j.Grades
	if depth > 0 && len(top) > depth {
		top = top[:depth]
	}
	hits, first, sumP := 0, 0, 0.0
	for i, g := range top {
		if g < rel {
			continue
		}
		hits++
		if first == 0 {
			first = i + 1
		}
		sumP += float64(hits) / float64(i+1)
	}
	switch m.Name {
	case "P":
		return Of(float64(hits) / float64(m.At))
	case "R", "Rprec":
		return Of(float64(hits) / float64(relevant))
	case "AP":
		return Of(sumP / float64(relevant))
	case "GMAP":
		return Of(max(sumP/float64(relevant), geometricFloor))
	case "Success":
		if hits > 0 {
			return Of(1)
		}
		return Of(0)
	default: // RR
		if first == 0 {
			return Of(0)
		}
		return Of(1 / float64(first))
	}
}

// interpolated returns the largest precision from the rank of the c-th relevant
// document on; 0 where there are fewer.
func interpolated(j Judged, rel, c int) float64 {
	hits, best := 0, 0.0
	for i, g := range j.Grades {
		if g < rel {
			continue
		}
		if hits++; hits >= c {
			best = max(best, float64(hits)/float64(i+1))
		}
	}
	return best
}

// geometricFloor is what a factor of a [GeometricMean] is at least: trec_eval's
// MIN_GEO_MEAN.
const geometricFloor = 0.00001

// GeometricMean returns the mean of per-query values of a metric whose
// definition says Geometric: e to the mean of their logarithms, values below
// 0.00001 raised to that, as trec_eval does. 0.00001..1, 0 of nothing.
func GeometricMean(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range x {
		sum += math.Log(max(v, geometricFloor))
	}
	return math.Exp(sum / float64(len(x)))
}

func ndcg(j Judged, k int, g Gain) Value {
	if len(j.Ideal) == 0 || j.Ideal[0] <= 0 {
		return NoValue(noRelevant)
	}
	return Of(min(1, dcg(j.Grades, k, g)/dcg(j.Ideal, k, g)))
}

func dcg(grades []int, k int, gain Gain) float64 {
	if k > 0 && len(grades) > k {
		grades = grades[:k]
	}
	sum := 0.0
	for i, g := range grades {
		if g <= 0 {
			continue
		}
		worth := float64(g)
		if gain == Exponential {
			worth = math.Exp2(float64(min(g, MaxExponentialGrade))) - 1
		}
		sum += worth / math.Log2(float64(i+2))
	}
	return sum
}

// judged needs no relevant document: it is about the labels, not the ranking.
// It divides by what is there, so that a short list is not taken for holes.
func judged(j Judged, k int) Value {
	if len(j.Ideal) == 0 {
		return NoValue("no document is judged")
	}
	top := j.Grades[:min(k, len(j.Grades))]
	if len(top) == 0 {
		return NoValue("nothing is retrieved")
	}
	n := 0
	for _, g := range top {
		if g >= 0 {
			n++
		}
	}
	return Of(float64(n) / float64(len(top)))
}

// bpref counts for each relevant document how many of the judged non-relevant
// ones rank above it. Unjudged documents play no part.
func bpref(j Judged, rel, relevant int) float64 {
	all := min(len(j.Ideal)-relevant, relevant) // judged non-relevant ones that can count
	sum, above := 0.0, 0
	for _, g := range j.Grades {
		switch {
		case g < 0:
		case g < rel:
			above++
		case above == 0:
			sum++
		default:
			sum += 1 - float64(min(above, relevant))/float64(all)
		}
	}
	return sum / float64(relevant)
}
