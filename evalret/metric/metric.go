// Package metric scores the results of one query against its labels.
//
// It is pure: no files, no retrieval, no averages. Averages and intervals are
// made by package evalret from the per-query [Value]s that come from here.
//
// Nouns. A [Metric] is a value with exactly one printed name, for example
// "nDCG@10" or "evidence_recall@1024t"; [Parse] reads what [Metric.String]
// prints. A metric works on one [Level]:
//
//   - [Documents]: a ranking of documents against graded judgements
//     ([Judge], [Metric.Ranking]). Definitions and edge cases are those of
//     trec_eval 10 (https://github.com/usnistgov/trec_eval).
//   - [Passages]: ranked chunks, or the segments of a packed context, against
//     labelled evidence spans in document coordinates ([Metric.Spans]).
//     Retrieved spans are united before anything is measured, so overlapping
//     chunks are not counted twice and no value exceeds 1.
//   - [Answers]: what a language model made of a context: whether it abstained
//     where it should ([Abstention]) and whether what it cites supports what it
//     says ([CiteCheck]). These come from counts over answers, not from rankings.
//
// Which tie rule applies where: a ranking that comes from retrieval is scored
// in the order given, because that order is what a reader of the context sees.
// A TREC run file has scores and no order; labels.Run.Ranking gives it
// trec_eval's: score descending, then document id descending by bytes.
//
// A result is a number, not applicable, or failed ([Value]); never NaN.
package metric

import (
	"strconv"
	"strings"
)

// Metric is one named metric with its parameters. The zero value is not a
// metric; make one with [Parse] or as a literal and check it with
// [Metric.Validate]. Metrics are comparable and may be map keys as long as
// defaults are written one way, as Parse does: unset.
type Metric struct {
	Name  string  // "nDCG", "R", … as listed by [Definitions]
	At    int     // cut-off; 0: none
	Unit  Unit    // what At counts
	From  int     // smallest token budget of a range that ends at At; 0: no range
	Rel   int     // smallest grade that counts as relevant; 0 means 1
	Theta float64 // share of an evidence span that must be covered, or support that a claim must have, in (0, 1]; 0 means 0.5
	Gain  Gain    // what a grade is worth; "" means linear
	// Recall is the level of recall at which precision is interpolated, in [0, 1].
	// 0, the default, is a level like any other.
	Recall float64
}

// Gain is what a document of grade g is worth to nDCG.
type Gain string

const (
	// Linear is g, as in Järvelin & Kekäläinen and in trec_eval.
	Linear Gain = "linear"
	// Exponential is 2^g - 1, as in Burges et al. (ICML 2005). With binary
	// grades both are the same.
	Exponential Gain = "exp"
)

// Unit says what a cut-off counts.
type Unit uint8

const (
	// Items counts documents or chunks: "@10".
	Items Unit = iota
	// Tokens is the budget of a packed context: "@1024t".
	Tokens
)

// Level says what kind of result a metric scores.
type Level uint8

const (
	// Documents is a ranking of documents against graded judgements.
	Documents Level = iota
	// Passages is retrieved spans against labelled evidence spans.
	Passages
	// Answers is what a language model answered. No result of retrieval has such
	// a metric: see [Abstention], [Citations] and package ground.
	Answers
)

const (
	defaultRel   = 1
	defaultTheta = 0.5
)

// DefaultSupport is the support from which on a claim counts as supported, unless
// told otherwise.
const DefaultSupport = defaultTheta

// The metrics of answers.
const (
	Groundedness        = "groundedness"
	GroundednessWorst   = "groundedness_worst"
	Unsupported         = "unsupported"
	AbstentionPrecision = "abstention_precision"
	AbstentionRecall    = "abstention_recall"
	CitationRecall      = "citation_recall"
	CitationPrecision   = "citation_precision"
)

// String returns the one name of m, for example "R@100(rel=2)". Parameters
// that have their default are left out.
func (m Metric) String() string {
	var b strings.Builder
	b.WriteString(m.Name)
	if m.At > 0 {
		b.WriteByte('@')
		if m.From > 0 {
			b.WriteString(strconv.Itoa(m.From) + "..")
		}
		b.WriteString(strconv.Itoa(m.At))
		if m.Unit == Tokens {
			b.WriteByte('t')
		}
	}
	var params []string
	if m.Rel != 0 && m.Rel != defaultRel {
		params = append(params, "rel="+strconv.Itoa(m.Rel))
	}
	if m.Theta != 0 && m.Theta != defaultTheta {
		params = append(params, "theta="+strconv.FormatFloat(m.Theta, 'g', -1, 64))
	}
	if m.Gain != "" && m.Gain != Linear {
		params = append(params, "gain="+string(m.Gain))
	}
	if m.Recall != 0 {
		params = append(params, "recall="+strconv.FormatFloat(m.Recall, 'g', -1, 64))
	}
	if len(params) > 0 {
		b.WriteString("(" + strings.Join(params, ",") + ")")
	}
	return b.String()
}

// MarshalText returns m's name.
func (m Metric) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a name as [Parse] does.
func (m *Metric) UnmarshalText(b []byte) error {
	p, err := Parse(string(b))
	if err != nil {
		return err
	}
	*m = p
	return nil
}

// Budgets returns the token budgets whose contexts m is computed from,
// ascending: none for a metric without a budget, At for most, and for a range
// From and its doubles up to At.
func (m Metric) Budgets() []int {
	switch {
	case m.Unit != Tokens || m.At <= 0:
		return nil
	case m.From <= 0:
		return []int{m.At}
	}
	var bs []int
	for b := m.From; b <= m.At; b *= 2 {
		bs = append(bs, b)
	}
	return bs
}

func (m Metric) rel() int {
	if m.Rel == 0 {
		return defaultRel
	}
	return m.Rel
}

// Support returns the support that a claim must have to count as supported by m.
func (m Metric) Support() float64 { return m.theta() }

func (m Metric) theta() float64 {
	if m.Theta == 0 {
		return defaultTheta
	}
	return m.Theta
}
