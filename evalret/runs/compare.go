package runs

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/stats"
)

// ErrIncomparable: two runs differ in what decides what their numbers mean.
var ErrIncomparable = errors.New("the runs cannot be compared")

// Options of a comparison.
type Options struct {
	Metrics []metric.Metric // nil: all that every run has, in the baseline's order
	Primary metric.Metric   // zero: the baseline's

	// Force compares runs that differ in corpus, query set or tokenizer. The
	// queries that all of them have are compared, and a warning says so.
	Force bool

	Changed   int // queries listed that changed most by Primary; 0: 10, less than 0: none
	Seed      uint64
	Resamples int // 0: 10,000
}

const defaultChanged = 10

// Comparison is a baseline against other runs.
type Comparison struct {
	Baseline Side
	Others   []Side
	Primary  metric.Metric
	Differs  []Difference // what the runs differ in
	Queries  int          // that all of them have
	Rows     []Row        // by metric; the primary one first
	Changed  []Changed    // by the size of the change, largest first
	Warnings []stats.Warning
}

// Difference is something that runs differ in.
type Difference struct {
	What   string   `json:"what"`   // "recipe", "fusion", …
	Values []string `json:"values"` // of the baseline, then of the others
}

// Row is one metric. Only the primary one was chosen beforehand; what the
// others show is exploratory.
type Row struct {
	Metric   metric.Metric
	N        int // queries that the metric applies to in every run
	Baseline float64
	CI       stats.Interval // of Baseline
	Cells    []Cell         // in the order of the others
}

// Cell is one other run.
type Cell struct {
	Mean float64

	// Comparison is the other run minus the baseline. PFamily is corrected for
	// the number of other runs, not for the number of metrics.
	// Wins counts queries where the other run is better, which is lower for
	// some metrics.
	stats.Comparison
	better metric.Better
}

// Verdicts about metrics of which neither more nor less is better.
const (
	Higher stats.Verdict = "higher"
	Lower  stats.Verdict = "lower"
)

// Verdict returns what c says about the other run.
func (c Cell) Verdict() stats.Verdict {
	v := c.Comparison.Verdict()
	switch {
	case v == stats.Better && c.better == metric.Lower:
		return stats.Worse
	case v == stats.Worse && c.better == metric.Lower:
		return stats.Better
	case v == stats.Better && c.better == metric.Neither:
		return Higher
	case v == stats.Worse && c.better == metric.Neither:
		return Lower
	}
	return v
}

// Changed is a query and what the runs made of it.
type Changed struct {
	Query  evalret.Query
	Values []metric.Value // of the primary metric: of the baseline, then of the others
}

// Compare compares the baseline with others by the queries that all have.
// [ErrIncomparable] names what differs: the corpus, the query set, or, where a
// metric has a token budget, the tokenizer. Whatever else differs is what is
// compared, and is listed.
func Compare(baseline Side, others []Side, o Options) (Comparison, error) {
	c := Comparison{Baseline: baseline, Others: others, Primary: o.Primary}
	if len(others) == 0 {
		return c, errors.New("compare runs: there is nothing to compare the baseline with")
	}
	if c.Primary == (metric.Metric{}) {
		c.Primary = baseline.saved.Evaluation.Primary
	}
	metrics, err := c.metrics(o)
	if err != nil {
		return c, fmt.Errorf("compare runs: %w", err)
	}
	if err := c.comparable(metrics, o.Force); err != nil {
		return c, fmt.Errorf("compare runs: %w", err)
	}
	rows := c.align()
	c.Queries = len(rows)
	if len(rows) == 0 {
		return c, fmt.Errorf("compare runs: %w: they have no answerable query in common", ErrIncomparable)
	}
	seen := map[stats.Warning]bool{}
	for _, w := range c.Warnings {
		seen[w] = true
	}
	for _, m := range metrics {
		row, warnings := c.row(m, rows, o)
		if row.N == 0 {
			c.Warnings = append(c.Warnings, stats.Warning{Code: "no_queries", Message: fmt.Sprintf("%s applies to no query", m)})
			continue
		}
		c.Rows = append(c.Rows, row)
		for _, w := range warnings {
			if !seen[w] {
				seen[w] = true
				c.Warnings = append(c.Warnings, w)
			}
		}
	}
	if len(c.Rows) == 0 || c.Rows[0].Metric != c.Primary {
		return c, fmt.Errorf("compare runs: the metric %s applies to no query that all runs have", c.Primary)
	}
	c.changed(rows, o)
	return c, nil
}

func (c *Comparison) sides() []Side { return append([]Side{c.Baseline}, c.Others...) }

// metrics returns what is compared, the primary metric first.
func (c *Comparison) metrics(o Options) ([]metric.Metric, error) {
	lacks := func(m metric.Metric) string {
		for _, s := range c.sides() {
			if !slices.Contains(s.saved.Evaluation.Metrics, m) {
				return s.Name
			}
		}
		return ""
	}
	if name := lacks(c.Primary); name != "" {
		return nil, fmt.Errorf("the metric %s was not computed for %s", c.Primary, name)
	}
	ms := []metric.Metric{c.Primary}
	if o.Metrics == nil {
		for _, m := range c.Baseline.saved.Evaluation.Metrics {
			if m != c.Primary && lacks(m) == "" {
				ms = append(ms, m)
			}
		}
		return ms, nil
	}
	for _, m := range o.Metrics {
		if name := lacks(m); name != "" {
			return nil, fmt.Errorf("the metric %s was not computed for %s", m, name)
		}
		if m != c.Primary {
			ms = append(ms, m)
		}
	}
	return ms, nil
}

// comparable lists what the runs differ in and refuses what must be equal.
func (c *Comparison) comparable(metrics []metric.Metric, force bool) error {
	budgets := slices.ContainsFunc(metrics, func(m metric.Metric) bool { return m.Unit == metric.Tokens })
	var broken []string
	each := func(what string, must bool, get func(Side) string) {
		var values []string
		for _, s := range c.sides() {
			v := get(s)
			if v == "" {
				v = "unknown"
			}
			values = append(values, v)
		}
		same := len(slices.Compact(slices.Clone(values))) == 1
		if must && (!same || values[0] == "unknown") {
			broken = append(broken, fmt.Sprintf("%s (%s)", what, strings.Join(values, ", ")))
		}
		if !same {
			c.Differs = append(c.Differs, Difference{what, values})
		}
	}
	each("corpus", true, func(s Side) string { return s.Run.Fingerprints.Corpus })
	each("query set", true, func(s Side) string { return s.Run.Fingerprints.QuerySet })
	each("tokenizer", budgets, func(s Side) string { return s.Run.Parameters.Tokenizer })
	each("recipe", false, func(s Side) string { return s.Run.Fingerprints.Recipe })
	each("code", false, func(s Side) string { return s.Run.Fingerprints.Code })
	each("fusion", false, func(s Side) string { return s.Run.Parameters.Fusion })
	each("top-k", false, func(s Side) string { return fmt.Sprint(s.Run.Parameters.TopK) })
	each("candidates", false, func(s Side) string { return fmt.Sprint(s.Run.Parameters.Candidates) })
	each("document prior", false, func(s Side) string { return fmt.Sprint(s.Run.Parameters.DocumentPrior) })
	each("neighbour smoothing", false, func(s Side) string { return fmt.Sprint(s.Run.Parameters.NeighbourSmoothing) })
	each("idf power", false, func(s Side) string { return fmt.Sprint(s.Run.Parameters.IDFPower) })
	each("title boost", false, func(s Side) string { return fmt.Sprint(s.Run.Parameters.TitleBoost) })
	each("phrase boost", false, func(s Side) string { return fmt.Sprint(s.Run.Parameters.PhraseBoost) })
	each("feedback", false, func(s Side) string { return fmt.Sprint(s.Run.Parameters.Feedback) })
	each("expansion", false, func(s Side) string {
		if e := s.Run.Parameters.Expand; e != nil {
			return e.Method + " by " + e.Expander
		}
		return "off"
	})
	each("neighbours", false, func(s Side) string { return fmt.Sprint(s.Run.Parameters.Neighbours) })
	each("rerank", false, func(s Side) string {
		if r := s.Run.Parameters.Rerank; r != nil {
			if r.Weight > 0 {
				return fmt.Sprintf("%s, %d deep, weight %v", r.Reranker, r.Depth, r.Weight)
			}
			return fmt.Sprintf("%s, %d deep", r.Reranker, r.Depth)
		}
		return "off"
	})
	each("filter", false, func(s Side) string {
		if f := s.Run.Parameters.Filter; f != nil {
			return fmt.Sprintf("%+v", *f)
		}
		return "none"
	})
	each("order", false, func(s Side) string { return s.Run.Parameters.Order })
	each("max per source", false, func(s Side) string { return fmt.Sprint(s.Run.Parameters.MaxPerSource) })
	each("trim", false, func(s Side) string { return fmt.Sprint(s.Run.Parameters.Trim) })
	each("diversity", false, func(s Side) string { return fmt.Sprint(s.Run.Parameters.Diversity) })
	each("template", false, func(s Side) string { return cmp.Or(s.Run.Parameters.Template, "plain") })
	switch {
	case len(broken) == 0:
		return nil
	case !force:
		return fmt.Errorf("%w, they differ in: %s", ErrIncomparable, strings.Join(broken, "; "))
	}
	c.Warnings = append(c.Warnings, stats.Warning{
		Code: "incomparable", Message: "the runs differ in what decides the meaning of their numbers, and are compared all the same: " + strings.Join(broken, "; "),
	})
	return nil
}

// align returns, for each answerable query that every side has, its rows.
func (c *Comparison) align() [][]int {
	sides := c.sides()
	at := make([]map[string]int, len(sides))
	for i, s := range sides {
		at[i] = map[string]int{}
		for j, q := range s.saved.Evaluation.Queries {
			if !q.Unanswerable {
				at[i][q.ID] = j
			}
		}
	}
	var rows [][]int
	for _, q := range c.Baseline.saved.Evaluation.Queries {
		row := make([]int, 0, len(sides))
		for i := range sides {
			if j, ok := at[i][q.ID]; ok {
				row = append(row, j)
			}
		}
		if len(row) == len(sides) {
			rows = append(rows, row)
		}
	}
	return rows
}

// values returns the metric's values of the queries in rows, by side.
func (c *Comparison) values(m metric.Metric, row []int) (values []metric.Value, applies bool) {
	applies = true
	for i, s := range c.sides() {
		v, ok := s.Run.PerQuery[row[i]].Values[m.String()]
		if !ok {
			v = metric.NoValue("not computed")
		}
		values = append(values, v)
		applies = applies && v.State() != metric.NotApplicable
	}
	return values, applies
}

func (c *Comparison) row(m metric.Metric, rows [][]int, o Options) (Row, []stats.Warning) {
	r := Row{Metric: m}
	vectors := make([][]float64, 1+len(c.Others))
	var queries []evalret.Query
	for _, row := range rows {
		values, applies := c.values(m, row)
		if !applies {
			continue
		}
		queries = append(queries, c.Baseline.saved.Evaluation.Queries[row[0]])
		for i, v := range values {
			x, _ := v.Float()
			vectors[i] = append(vectors[i], x)
		}
	}
	r.N = len(queries)
	if r.N == 0 {
		return r, nil
	}
	clusters, warnings := evalret.Clusters(queries)
	options := stats.Options{Seed: o.Seed, Resamples: o.Resamples, Clusters: clusters}
	estimate := stats.Bounded
	d, _ := m.Definition()
	if d.Proportion {
		estimate = stats.Proportion
	}
	baseline := estimate(vectors[0], options)
	r.Baseline, r.CI = baseline.Mean, baseline.CI
	warnings = append(warnings, baseline.Warnings...)
	for i, comparison := range stats.Sweep(vectors[0], vectors[1:], options) {
		warnings = append(warnings, comparison.Warnings...)
		sum := 0.0
		for _, x := range vectors[i+1] {
			sum += x
		}
		if d.Better == metric.Lower {
			comparison.Wins, comparison.Losses = comparison.Losses, comparison.Wins
		}
		r.Cells = append(r.Cells, Cell{sum / float64(r.N), comparison, d.Better})
	}
	return r, warnings
}

// changed collects the queries that changed most between the baseline and any
// other run.
func (c *Comparison) changed(rows [][]int, o Options) {
	limit := o.Changed
	if limit == 0 {
		limit = defaultChanged
	}
	type change struct {
		Changed
		size float64
	}
	var all []change
	for _, row := range rows {
		values, applies := c.values(c.Primary, row)
		if !applies {
			continue
		}
		base, _ := values[0].Float()
		size := 0.0
		for _, v := range values[1:] {
			x, _ := v.Float()
			size = max(size, math.Abs(x-base))
		}
		if size > 0 {
			all = append(all, change{Changed{c.Baseline.saved.Evaluation.Queries[row[0]], values}, size})
		}
	}
	slices.SortStableFunc(all, func(a, b change) int { return cmp.Compare(b.size, a.size) })
	for i, ch := range all {
		if i >= limit {
			break
		}
		c.Changed = append(c.Changed, ch.Changed)
	}
}
