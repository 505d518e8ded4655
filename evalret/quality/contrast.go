package quality

import (
	"math"
	"slices"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/stats"
)

// contrast is a comparison that a table ends with: one system less the best of
// some others. Which one is best is told metric by metric from the means in the
// table, the first of equals. It is chosen on the queries that it is compared on,
// where its luck shows: the difference is rather too small than too large.
type contrast struct {
	name  string
	of    string
	among func(column) bool
}

// The names of contrasts.
const (
	OverFrameworks = "hybrid less the best framework"
	OverLegs       = "hybrid less the better leg"
	OverHybrid     = "reranked less hybrid" // only where the default reranks
)

var contrasts = []contrast{
	{OverFrameworks, evalret.Hybrid, func(c column) bool { return c.framework }},
	{OverLegs, evalret.Hybrid, func(c column) bool {
		return !c.framework && (c.name == evalret.Lexical || c.name == evalret.Dense)
	}},
	{OverHybrid, evalret.Reranked, func(c column) bool { return !c.framework && c.name == evalret.Hybrid }},
}

// Difference is the mean of one system minus that of another by one metric.
type Difference struct {
	Contrast string     `json:"contrast"` // OverFrameworks, OverLegs or OverHybrid
	Metric   string     `json:"metric"`
	Against  string     `json:"against"` // the other system, the best one by that metric
	Diff     float64    `json:"diff"`
	CI95     [2]float64 `json:"ci95"` // paired bootstrap over queries, or over documents where they share them
	Clusters int        `json:"clusters"`
}

// pick returns which columns c compares by a metric, given their means in rows;
// false where it has nothing to compare.
func (c contrast) pick(columns []column, rows []Row, metric string) (of, against int, ok bool) {
	of = slices.IndexFunc(columns, func(x column) bool { return !x.framework && x.name == c.of })
	against = -1
	for i, x := range columns {
		if c.among(x) && (against < 0 || rows[i].Values[metric] > rows[against].Values[metric]) {
			against = i
		}
	}
	return of, against, of >= 0 && against >= 0
}

// differences returns all contrasts of one set.
func (m measuredSet) differences(o Options) []Difference {
	var out []Difference
	for _, c := range contrasts {
		for _, metric := range m.result.Metrics {
			if of, against, ok := c.pick(m.columns, m.result.Rows, metric); ok {
				out = append(out, m.difference(c, of, against, metric, o))
			}
		}
	}
	return out
}

func (m measuredSet) difference(c contrast, of, against int, metric string, o Options) Difference {
	d := stats.Compare(m.columns[against].values[metric], m.columns[of].values[metric],
		stats.Options{Seed: o.Seed, Resamples: o.Resamples, Clusters: m.clusters})
	return Difference{
		Contrast: c.name, Metric: metric, Against: m.columns[against].name,
		Diff: d.Diff, CI95: [2]float64{d.CI.Lo, d.CI.Hi}, Clusters: d.Clusters,
	}
}

// means averages the sets with evidence. They share no query, so the interval of
// a mean of differences is that of independent estimates: half its width is the
// root of the sum of squares of theirs, divided by their number.
func means(all []measuredSet, o Options) ([]Row, []Difference) {
	var sets []measuredSet
	for _, m := range all {
		if m.result.Evidence {
			sets = append(sets, m)
		}
	}
	if len(sets) < 2 {
		return nil, nil
	}
	n := float64(len(sets))
	rows := make([]Row, len(sets[0].columns))
	for i, c := range sets[0].columns {
		rows[i] = Row{System: c.name, Values: map[string]float64{}}
		for _, m := range sets {
			rows[i].Chunks += m.result.Rows[i].Chunks
			for name, v := range m.result.Rows[i].Values {
				rows[i].Values[name] += v / n
			}
		}
	}
	var out []Difference
	for _, c := range contrasts {
		for _, metric := range sets[0].result.Metrics {
			of, against, ok := c.pick(sets[0].columns, rows, metric)
			if !ok {
				continue
			}
			d := Difference{Contrast: c.name, Metric: metric, Against: rows[against].System}
			squares := 0.0
			for _, m := range sets {
				one := m.difference(c, of, against, metric, o)
				d.Diff += one.Diff / n
				d.Clusters += one.Clusters
				half := (one.CI95[1] - one.CI95[0]) / 2
				squares += float64(half * half)
			}
			half := math.Sqrt(squares) / n
			d.CI95 = [2]float64{d.Diff - half, d.Diff + half}
			out = append(out, d)
		}
	}
	return rows, out
}
