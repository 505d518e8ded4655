// Package telemetry is what a ragloop service tells about itself: metrics for
// Prometheus and traces for OpenTelemetry. All names are in names.go.
//
// It measures nothing on its own and decides nothing: whoever does the work
// reports it here, in the nouns of this package, so that no other package depends
// on what is used underneath. There is no global state: no default registry, no
// global tracer provider. A nil [*Metrics] and a nil [*Traces] take reports and do
// nothing.
//
// Nouns: a call is one RPC of ragloop's own services; an [Answer] is what a
// successful Retrieve or Search made; a [Stage] is a measured step of it.
//
// Texts of queries and documents are in no report.
package telemetry

import "time"

// Answer is what one Retrieve or Search made.
type Answer struct {
	Collection  string
	Generation  int
	RetrievalID string
	Stages      []Stage
	Chunks      int      // that were found, in the final order
	Degraded    []string // parts, each once: values of LabelPart
	Context     *Context // nil: a Search
}

// Context is what was delivered.
type Context struct {
	Tokens, BudgetTokens int
}

// Stage is a measured step of an answer.
type Stage struct {
	Name    string // one of few: it is a label
	Begin   time.Time
	Elapsed time.Duration
	Counts  []Count
}

// Count is a number that a span carries.
type Count struct {
	Name string // AttrCandidates …
	N    int
}
