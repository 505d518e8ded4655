package evalret

import (
	"encoding/json"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/stats"
	"github.com/ragloop/ragloop/internal/text"
)

// Evaluation is the runs of one call of [Evaluate] over the same queries.
// Numbers are rounded to 6 decimals in JSON.
type Evaluation struct {
	Runs        []Run           `json:"runs"` // in the order of the settings
	Warnings    []stats.Warning `json:"warnings"`
	Primary     metric.Metric   `json:"primary_metric"`
	Reference   string          `json:"reference_run"`
	Comparisons []Comparison    `json:"comparisons"` // the reference run with each other one, by Primary
	Metrics     []metric.Metric `json:"metric_order"`
	Budgets     []int           `json:"budgets"` // token budgets of contexts, ascending
	Tokenizer   string          `json:"tokenizer,omitempty"`
	Labels      LabelCounts     `json:"labels"`
	Queries     []Query         `json:"queries"` // in file order

	// Groundedness is of answers to the queries; nil: there are none.
	Groundedness *Groundedness `json:"groundedness,omitempty"`
}

// LabelCounts says how much of the query set could be used.
type LabelCounts struct {
	Set          string          `json:"set"`
	Queries      int             `json:"queries"`
	Unanswerable int             `json:"unanswerable"`
	Checked      bool            `json:"checked"` // against the documents' texts
	Spans        int             `json:"spans"`   // evidence spans, broken ones included
	Moved        int             `json:"moved"`   // of them: re-anchored
	Docs         int             `json:"docs"`    // graded documents, broken ones included
	Broken       []labels.Broken `json:"broken"`
}

// Query is a query as it was evaluated, with the labels that hold.
type Query struct {
	ID           string     `json:"id"`
	Text         string     `json:"query"`
	Tags         []string   `json:"tags,omitempty"`
	Filter       string     `json:"filter,omitempty"` // of its own, in its canonical form
	Unanswerable bool       `json:"unanswerable,omitempty"`
	Evidence     []Evidence `json:"evidence,omitempty"`
	// Grades holds the document judgements, those that evidence implies
	// included (labels.Query.Grades).
	Grades map[text.DocID]int `json:"grades,omitempty"`
	Answer string             `json:"answer,omitempty"`
	// Source numbers the document that the query's labels come from; queries
	// with equal numbers are not independent.
	Source int `json:"source"`
}

// Evidence is a labelled span in code points.
type Evidence struct {
	Doc   text.DocID `json:"doc"`
	Start int        `json:"start"`
	End   int        `json:"end"`
	Quote string     `json:"quote,omitempty"`
	// Copies are where else the document has the same text, each as long; to cover
	// one is to cover the span (labels.Evidence.Copies).
	Copies []int `json:"copies,omitempty"` // their starts, ascending
}

// Place returns e as metrics take it.
func (e Evidence) Place() metric.Place {
	p := metric.Place{Doc: e.Doc, Span: text.RuneSpan{Start: e.Start, End: e.End}}
	for _, at := range e.Copies {
		p.Copies = append(p.Copies, text.RuneSpan{Start: at, End: at + e.End - e.Start})
	}
	return p
}

// Run is the results of one setting.
type Run struct {
	Name         string             `json:"name"`
	Fingerprints Fingerprints       `json:"fingerprints"`
	Parameters   Parameters         `json:"parameters"`
	Metrics      map[string]Summary `json:"metrics"`                // by metric name
	Contexts     []ContextSummary   `json:"contexts"`               // by budget, ascending
	Losses       *Losses            `json:"losses,omitempty"`       // nil without evidence or contexts
	Tags         []TagSummary       `json:"tags"`                   // the primary metric by tag, ordered by tag
	Unanswerable *Separation        `json:"unanswerable,omitempty"` // nil without both kinds of queries
	Missing      []Missing          `json:"missing_queries"`        // answerable ones, in file order
	PerQuery     []QueryResult      `json:"per_query"`              // in file order
}

// Summary is the mean of one metric over the queries it applies to.
type Summary struct {
	Value         metric.Value   `json:"value"`   // null when N is 0
	N             int            `json:"n"`       // queries in the mean, missing ones included
	Missing       int            `json:"missing"` // of N: failed or without results, counted as 0
	CI95          *[2]float64    `json:"ci95"`    // null when N is 0
	NotApplicable int            `json:"not_applicable,omitempty"`
	Reasons       map[string]int `json:"reasons,omitempty"` // why, for missing and not applicable ones
}

// TagSummary is the primary metric over the queries that have a tag. A query
// counts under each of its tags.
type TagSummary struct {
	Tag string `json:"tag"`
	Summary
}

// ContextSummary describes the contexts packed with one budget.
type ContextSummary struct {
	Budget   int     `json:"budget"`
	Tokens   float64 `json:"tokens"`   // mean over queries with results
	Segments float64 `json:"segments"` // mean over queries with results
	TooSmall int     `json:"too_small"`
}

// Missing is a query that counts 0, and why.
type Missing struct {
	Query  string `json:"query"`
	Reason string `json:"reason"`
}

// QueryResult is what one run made of one query.
type QueryResult struct {
	ID      string                  `json:"id"`
	Query   string                  `json:"query"`
	Missing string                  `json:"missing,omitempty"` // why there are no results
	Values  map[string]metric.Value `json:"values,omitempty"`  // by metric name; null: not applicable, or failed and counted as 0
	// NotApplicable names the metrics whose value is null because the query lacks
	// a label, in the order of the metrics.
	NotApplicable []string `json:"not_applicable,omitempty"`
	TopScore      *float64 `json:"top_score,omitempty"` // fused score of the first chunk
	// Losses holds, for each evidence span of the query, the first stage that lost
	// it, "" where the context at the primary budget has it.
	Losses   []Stage      `json:"losses,omitempty"`
	Docs     []text.DocID `json:"docs,omitempty"`     // the first 10 documents
	Contexts []Context    `json:"contexts,omitempty"` // by budget, ascending
}

// Context is what was packed with one budget.
type Context struct {
	Budget   int       `json:"budget"`
	Tokens   int       `json:"tokens"`
	Segments []Segment `json:"segments"`

	evidenceTokens int // of the labelled evidence in it
}

// Segment is one span of a context.
type Segment struct {
	Doc   text.DocID `json:"doc"`
	Start int        `json:"start"` // code points
	End   int        `json:"end"`
	Title string     `json:"-"`
	Text  string     `json:"-"` // kept with Detail Contexts at the primary budget only
}

// Separation says how well the score of the first chunk tells answerable
// queries from unanswerable ones. For single legs that is the leg's own score.
// Fused scores are normalised within a query, so they compare between queries
// only roughly.
type Separation struct {
	AUROC        float64    `json:"auroc"` // 0.5: not at all; 1: perfectly
	CI95         [2]float64 `json:"ci95"`
	Answerable   int        `json:"answerable"`
	Unanswerable int        `json:"unanswerable"`
}

// Comparison is the reference run minus another one, by the primary metric.
type Comparison struct {
	Metric    metric.Metric
	Reference string
	Other     string
	stats.Comparison
}

// MarshalJSON writes c with its verdict.
func (c Comparison) MarshalJSON() ([]byte, error) {
	r := metric.Round
	return json.Marshal(struct {
		Metric    metric.Metric `json:"metric"`
		Reference string        `json:"reference"`
		Other     string        `json:"other"`
		Diff      float64       `json:"diff"`
		CI95      [2]float64    `json:"ci95"`
		P         float64       `json:"p"`
		PFamily   float64       `json:"p_family"`
		Effect    float64       `json:"effect"`
		Wins      int           `json:"wins"`
		Ties      int           `json:"ties"`
		Losses    int           `json:"losses"`
		MDE       float64       `json:"mde"`
		N         int           `json:"n"`
		Clusters  int           `json:"clusters"`
		Verdict   stats.Verdict `json:"verdict"`
	}{
		c.Metric, c.Reference, c.Other, r(c.Diff), [2]float64{r(c.CI.Lo), r(c.CI.Hi)}, r(c.P), r(c.PFamily), r(c.Effect),
		c.Wins, c.Ties, c.Losses, r(c.MDE), c.N, c.Clusters, c.Verdict(),
	})
}

// Run returns the run with the given name, false when there is none.
func (e Evaluation) Run(name string) (Run, bool) {
	for _, r := range e.Runs {
		if r.Name == name {
			return r, true
		}
	}
	return Run{}, false
}
