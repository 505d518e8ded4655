package tune

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/stats"
	"github.com/ragloop/ragloop/ingest/chunk"
)

// Result of a sweep. Numbers are rounded to 6 decimals in JSON.
type Result struct {
	Verdict      Verdict              `json:"verdict"`
	Primary      metric.Metric        `json:"primary_metric"`
	Metrics      []metric.Metric      `json:"metric_order"` // all but Primary are exploratory
	Budgets      []int                `json:"budgets"`      // ascending
	Tokenizer    string               `json:"tokenizer"`
	Margin       float64              `json:"margin"`
	Queries      int                  `json:"queries"`  // that Primary applies to
	Current      int                  `json:"current"`  // index into Settings
	Settings     []Outcome            `json:"settings"` // by chunking strategy, size, overlap, top-k, then fusion as given
	Chunkings    []ChunkingInfo       `json:"chunkings"`
	Labels       evalret.LabelCounts  `json:"labels"`
	Fingerprints evalret.Fingerprints `json:"fingerprints"` // Recipe and Retrieval are with each setting
	Warnings     []stats.Warning      `json:"warnings"`
}

// ChunkingInfo is a chunking that was built.
type ChunkingInfo struct {
	Chunking
	Recipe string `json:"recipe"`
	Chunks int    `json:"chunks"`

	corpus string
}

// Outcome is one setting with its numbers.
type Outcome struct {
	Setting   Setting
	Current   bool
	Metrics   map[string]evalret.Summary
	Contexts  []evalret.ContextSummary // by budget
	Chunks    int                      // in the index
	Recipe    string                   // fingerprints
	Retrieval string
	// Comparison is this setting minus the current one by the primary metric;
	// nil for the current one itself.
	Comparison *stats.Comparison
}

// MarshalJSON writes o with its verdict.
func (o Outcome) MarshalJSON() ([]byte, error) {
	type difference struct {
		Diff    float64       `json:"diff"`
		CI95    [2]float64    `json:"ci95"`
		P       float64       `json:"p"`
		PFamily float64       `json:"p_family"`
		Effect  float64       `json:"effect"`
		Wins    int           `json:"wins"`
		Ties    int           `json:"ties"`
		Losses  int           `json:"losses"`
		MDE     float64       `json:"mde"`
		Verdict stats.Verdict `json:"verdict"`
	}
	out := struct {
		Name       string                     `json:"name"`
		Strategy   chunk.Strategy             `json:"strategy"`
		SizeTokens int                        `json:"size_tokens"`
		Overlap    float64                    `json:"overlap"`
		TopK       int                        `json:"top_k"`
		Fusion     string                     `json:"fusion"`
		Rerank     int                        `json:"rerank,omitempty"`
		Weight     float64                    `json:"rerank_weight,omitempty"`
		Current    bool                       `json:"current"`
		Metrics    map[string]evalret.Summary `json:"metrics"`
		Contexts   []evalret.ContextSummary   `json:"contexts"`
		Chunks     int                        `json:"chunks"`
		Recipe     string                     `json:"recipe"`
		Retrieval  string                     `json:"retrieval"`
		Comparison *difference                `json:"against_current"`
	}{
		o.Setting.String(), o.Setting.Strategy, o.Setting.SizeTokens, o.Setting.Overlap, o.Setting.TopK, o.Setting.Fusion.String(), o.Setting.Rerank, o.Setting.RerankWeight, o.Current,
		o.Metrics, o.Contexts, o.Chunks, o.Recipe, o.Retrieval, nil,
	}
	if c := o.Comparison; c != nil {
		r := metric.Round
		out.Comparison = &difference{
			r(c.Diff), [2]float64{r(c.CI.Lo), r(c.CI.Hi)}, r(c.P), r(c.PFamily), r(c.Effect), c.Wins, c.Ties, c.Losses, r(c.MDE), c.Verdict(),
		}
	}
	return json.Marshal(out)
}

// Tokens returns the mean tokens of the contexts at a budget, 0 for a budget
// that is not part of the sweep.
func (o Outcome) Tokens(budget int) float64 {
	for _, c := range o.Contexts {
		if c.Budget == budget {
			return c.Tokens
		}
	}
	return 0
}

// Kind is the kind of a verdict; a closed set.
type Kind string

const (
	// Winner: a setting is better than the current one.
	Winner Kind = "winner"
	// NoWinner: no setting is better than the current one beyond noise.
	NoWinner Kind = "no_clear_winner"
	// TooFew: there are fewer than stats.MinVerdict independent queries.
	TooFew Kind = "too_few_queries"
	// Nothing: only the current setting was tried, or no query has the labels
	// that the primary metric needs.
	Nothing Kind = "nothing_to_compare"
)

// Verdict is what a sweep says.
type Verdict struct {
	Kind     Kind
	Sentence string // for people
	Winner   int    // index of the winner; -1: none
	Best     int    // index of the largest mean of the primary metric
	// Cheaper is the index of a setting that is not worse than the winner (or,
	// without one, than the current setting) by more than the margin and needs
	// at least 5 % fewer tokens or chunks; -1: none. It is a suggestion made
	// after looking at all settings, not a test of its own.
	Cheaper int
	// MDE is the smallest difference that this query set would show with 80 %
	// power between the best and the current setting, without the correction
	// for the number of settings; 0: unknown.
	MDE float64
	// Confirmation is the winner on the held-out queries; nil without a winner or
	// without such queries.
	Confirmation *Confirmation
	// QueriesNeeded is about how many such queries would be needed to show a
	// difference as large as the one seen; 0: not needed, or unknown.
	QueriesNeeded int
}

// Confirmation is the winner minus the current setting on queries that had no
// part in the choice. It is one test, so nothing is corrected.
type Confirmation struct {
	Queries int
	stats.Comparison
}

func (c Confirmation) sentence(primary metric.Metric) string {
	what := ""
	switch c.Verdict() {
	case stats.Better:
		what = "confirm it"
	case stats.Worse:
		what = "contradict it"
	case stats.TooFew:
		return fmt.Sprintf("The %d held-out queries are too few to confirm it (difference %s points).", c.Queries, points(c.Diff))
	default:
		what = "do not confirm it"
	}
	return fmt.Sprintf("The %d held-out queries %s: %s points of %s (95 %% interval %s to %s).",
		c.Queries, what, points(c.Diff), primary, points(c.CI.Lo), points(c.CI.Hi))
}

// MarshalJSON writes c with its verdict.
func (c Confirmation) MarshalJSON() ([]byte, error) {
	r := metric.Round
	return json.Marshal(struct {
		Queries int           `json:"queries"`
		Diff    float64       `json:"diff"`
		CI95    [2]float64    `json:"ci95"`
		P       float64       `json:"p"`
		Verdict stats.Verdict `json:"verdict"`
	}{c.Queries, r(c.Diff), [2]float64{r(c.CI.Lo), r(c.CI.Hi)}, r(c.P), c.Verdict()})
}

// MarshalJSON writes v; absent indices are null.
func (v Verdict) MarshalJSON() ([]byte, error) {
	index := func(i int) *int {
		if i < 0 {
			return nil
		}
		return &i
	}
	return json.Marshal(struct {
		Kind          Kind    `json:"kind"`
		Sentence      string  `json:"sentence"`
		Winner        *int    `json:"winner"`
		Best          *int    `json:"best"`
		Cheaper       *int    `json:"cheaper"`
		MDE           float64 `json:"mde"`
		QueriesNeeded int     `json:"queries_needed"`

		Confirmation *Confirmation `json:"held_out,omitempty"`
	}{v.Kind, v.Sentence, index(v.Winner), index(v.Best), index(v.Cheaper), metric.Round(v.MDE), v.QueriesNeeded, v.Confirmation})
}

// describe names setting i for people by the parameters that differ within the
// sweep; all of them when none does.
func (r *Result) describe(i int) string {
	parts := func(s Setting) [5]string {
		return [5]string{"strategy " + string(s.Strategy), fmt.Sprintf("%d-token chunks", s.SizeTokens), fmt.Sprintf("overlap %v", s.Overlap), fmt.Sprintf("top-k %d", s.TopK), s.Order()}
	}
	all := parts(r.Settings[i].Setting)
	var varying []string
	for k, part := range all {
		if slices.ContainsFunc(r.Settings, func(o Outcome) bool { return parts(o.Setting)[k] != part }) {
			varying = append(varying, part)
		}
	}
	if len(varying) == 0 {
		varying = all[:]
	}
	return strings.Join(varying, ", ")
}

// mean returns the mean of the primary metric of setting i.
func (r *Result) mean(i int) float64 {
	x, _ := r.Settings[i].Metrics[r.Primary.String()].Value.Float()
	return x
}

// decide says what the sweep says. against compares all settings with one.
func (r *Result) decide(against func(baseline int) map[int]stats.Comparison) Verdict {
	v := Verdict{Winner: -1, Best: -1, Cheaper: -1}
	if r.Queries == 0 {
		v.Kind = Nothing
		v.Sentence = fmt.Sprintf("Nothing to compare: no query has the labels that %s needs.", r.Primary)
		return v
	}
	challenger := -1 // the best of the others
	for i, o := range r.Settings {
		if v.Best < 0 || r.better(i, v.Best) {
			v.Best = i
		}
		if o.Comparison == nil {
			continue
		}
		if challenger < 0 || r.better(i, challenger) {
			challenger = i
		}
		if o.Comparison.Verdict() == stats.Better && (v.Winner < 0 || r.better(i, v.Winner)) {
			v.Winner = i
		}
	}
	if challenger < 0 {
		v.Kind = Nothing
		v.Sentence = "Nothing to compare: only the current setting was measured."
		return v
	}
	c := r.Settings[challenger].Comparison
	v.MDE = c.MDE
	switch {
	case c.Clusters < stats.MinVerdict:
		v.Kind = TooFew
		v.Sentence = fmt.Sprintf("No verdict: %d independent labelled queries are too few; at least %d are needed.", c.Clusters, stats.MinVerdict)
		return v
	case v.Winner >= 0:
		v.Kind = Winner
		w := r.Settings[v.Winner].Comparison
		v.Sentence = fmt.Sprintf("Winner: %s. It is better than the current setting (%s) by %s of %s (95 %% interval %s to %s, p %s, corrected for %d comparisons).",
			r.describe(v.Winner), r.describe(r.Current), unsigned(w.Diff), r.Primary, points(w.CI.Lo), points(w.CI.Hi), pValue(w.PFamily), len(r.Settings)-1)
	default:
		v.Kind = NoWinner
		if c.Diff > 0 {
			v.QueriesNeeded = c.QueriesFor(c.Diff)
		}
		v.Sentence = noWinner(r, challenger, v)
	}
	base, name := r.Current, "the current setting"
	versus := map[int]stats.Comparison{}
	if v.Winner >= 0 {
		base, name = v.Winner, "the winner"
		versus = against(base)
	} else {
		for i, o := range r.Settings {
			if o.Comparison != nil {
				versus[i] = *o.Comparison
			}
		}
	}
	if v.Cheaper = r.cheaper(base, versus); v.Cheaper >= 0 {
		b, o := r.Settings[base], r.Settings[v.Cheaper]
		v.Sentence += fmt.Sprintf(" Cheaper, and not worse than %s by more than %s: %s (%.0f instead of %.0f tokens a context, %d instead of %d chunks",
			name, unsigned(r.Margin), r.describe(v.Cheaper), o.Tokens(r.CostBudget()), b.Tokens(r.CostBudget()), o.Chunks, b.Chunks)
		if o.Setting.Rerank != b.Setting.Rerank {
			v.Sentence += fmt.Sprintf(", %d instead of %d reranked", o.Setting.Rerank, b.Setting.Rerank)
		}
		v.Sentence += ")."
	}
	return v
}

func noWinner(r *Result, challenger int, v Verdict) string {
	c := r.Settings[challenger].Comparison
	s := fmt.Sprintf("No clear winner: with %d labelled queries, nothing is better than the current setting (%s) beyond noise.", r.Queries, r.describe(r.Current))
	if c.Wins+c.Losses == 0 {
		return s + fmt.Sprintf(" The best of the others (%s) scores the same on every query.", r.describe(challenger))
	}
	s += fmt.Sprintf(" The best of the others (%s) differs by %s points of %s (95 %% interval %s to %s; detectable from about %s).",
		r.describe(challenger), points(c.Diff), r.Primary, points(c.CI.Lo), points(c.CI.Hi), unsigned(v.MDE))
	if v.QueriesNeeded > r.Queries {
		s += fmt.Sprintf(" To show a difference of that size, about %d such queries would be needed.", v.QueriesNeeded)
	}
	return s
}

// better reports whether setting i has a larger mean than j, or an equal one
// at less cost.
func (r *Result) better(i, j int) bool {
	if a, b := r.mean(i), r.mean(j); math.Abs(a-b) > 1e-9 {
		return a > b
	}
	return r.costs(i, j) < 0
}

// CostBudget returns the budget at which the size of contexts says what a
// setting costs: the primary metric's, or the one nearest to 1,024 tokens.
func (r *Result) CostBudget() int {
	if r.Primary.Unit == metric.Tokens {
		return r.Primary.At
	}
	return nearest(r.Budgets, 1024)
}

// costs compares settings by mean tokens of a context, then depth of reranking,
// then chunks in the index, then order in the grid: negative when i is cheaper
// than j.
func (r *Result) costs(i, j int) int {
	a, b := r.Settings[i], r.Settings[j]
	switch d := a.Tokens(r.CostBudget()) - b.Tokens(r.CostBudget()); {
	case d < 0:
		return -1
	case d > 0:
		return 1
	case a.Setting.Rerank != b.Setting.Rerank:
		return a.Setting.Rerank - b.Setting.Rerank
	case a.Chunks != b.Chunks:
		return a.Chunks - b.Chunks
	}
	return i - j
}

// cheaper returns the cheapest setting that is not worse than base beyond the
// margin and saves at least 5 % of tokens or, at no more tokens, of chunks or of
// reranking; -1 when there is none. One that reranks deeper than base is never
// cheaper: no saving of tokens is known to be worth that.
func (r *Result) cheaper(base int, versus map[int]stats.Comparison) int {
	const saving = 0.95
	best := -1
	b := r.Settings[base]
	tokens := b.Tokens(r.CostBudget())
	for i, o := range r.Settings {
		c, ok := versus[i]
		if !ok || !c.NonInferior(r.Margin) || o.Setting.Rerank > b.Setting.Rerank {
			continue
		}
		t := o.Tokens(r.CostBudget())
		saves := t <= saving*tokens || t <= tokens && float64(o.Chunks) <= saving*float64(b.Chunks) ||
			t <= tokens && o.Chunks <= b.Chunks && float64(o.Setting.Rerank) <= saving*float64(b.Setting.Rerank) && b.Setting.Rerank > 0
		if saves && (best < 0 || r.costs(i, best) < 0) {
			best = i
		}
	}
	return best
}

// points formats a difference of a 0..1 metric, times 100, with its sign.
func points(x float64) string {
	s := fmt.Sprintf("%+.1f", 100*x)
	if s == "+0.0" || s == "-0.0" {
		return "0.0"
	}
	return s
}

func unsigned(x float64) string { return fmt.Sprintf("%.1f points", 100*x) }

func pValue(p float64) string {
	if p < 0.001 {
		return "< 0.001"
	}
	return fmt.Sprintf("%.3f", p)
}
