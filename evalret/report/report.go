// Package report renders evaluations and sweeps: HTML for people, JSON for
// machines, plain text for a terminal.
//
// It computes nothing but layout; every number comes from packages evalret and
// evalret/tune. The HTML is one self-contained file without any reference to
// the network: style, script and charts are inline, and its content security
// policy allows nothing else. It can be read without the script, which only
// filters, sorts and folds. Equal input gives equal bytes: there is no date in
// a report.
package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/tune"
)

// Options of the HTML reports.
type Options struct {
	Title   string // empty: "Retrieval evaluation" or "Tuning sweep"
	Command string // the command line that made the report; empty: not shown
	// Contexts is the number of queries, worst first, whose packed context is
	// shown in full; 0 means 100, less than 0 none. Only what the evaluation
	// kept (evalret.Contexts) can be shown, and only as much as leaves the page of
	// 1,000 queries below two megabytes.
	Contexts int
	// Explanations by query id are shown with the query (evalret.ExplainWorst).
	Explanations map[string]evalret.Explanation
}

const defaultContexts = 100

// JSON writes e as indented JSON with a newline at the end.
func JSON(w io.Writer, e evalret.Evaluation) error {
	return encode(w, "evaluation", e)
}

// TuneJSON writes r as indented JSON with a newline at the end.
func TuneJSON(w io.Writer, r tune.Result) error {
	return encode(w, "sweep", r)
}

func encode[T evalret.Evaluation | tune.Result](w io.Writer, what string, v T) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write %s as JSON: %w", what, err)
	}
	return nil
}
