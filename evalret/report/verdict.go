package report

import (
	"fmt"
	"strings"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/stats"
)

// Verdict returns what e says in one or two sentences: the primary metric of
// the reference run with its interval, and how it compares with each other
// run. With too few queries it says that first.
func Verdict(e evalret.Evaluation) string {
	r, ok := e.Run(e.Reference)
	if !ok {
		return "Nothing was evaluated."
	}
	s := r.Metrics[e.Primary.String()]
	x, ok := s.Value.Float()
	if !ok || s.CI95 == nil {
		return fmt.Sprintf("No query has the labels that %s needs.", e.Primary)
	}
	var b strings.Builder
	if few := len(e.Comparisons) > 0 && e.Comparisons[0].Verdict() == stats.TooFew || s.N < stats.MinVerdict; few {
		fmt.Fprintf(&b, "Too few independent queries for a verdict (at least %d are needed). ", stats.MinVerdict)
	}
	switch {
	case e.Primary.Name == "evidence_recall" && e.Primary.Unit == metric.Tokens:
		fmt.Fprintf(&b, "With %s, %s of the labelled evidence reaches a context of %s tokens (95 %% interval %s to %s, %s)",
			e.Reference, percent(x)+" %", thousands(e.Primary.At), percent(s.CI95[0]), percent(s.CI95[1]), count(s.N, "query", "queries"))
	default:
		fmt.Fprintf(&b, "With %s, %s is %.3f (95 %% interval %.3f to %.3f, %s)", e.Reference, e.Primary, x, s.CI95[0], s.CI95[1], count(s.N, "query", "queries"))
	}
	var parts []string
	for _, c := range e.Comparisons {
		difference := fmt.Sprintf("%s points, %s to %s", signed(c.Diff), signed(c.CI.Lo), signed(c.CI.Hi))
		switch c.Verdict() {
		case stats.Better:
			parts = append(parts, fmt.Sprintf("better than %s (%s)", c.Other, difference))
		case stats.Worse:
			parts = append(parts, fmt.Sprintf("worse than %s (%s)", c.Other, difference))
		case stats.Unclear:
			if c.MDE > 0 {
				difference += fmt.Sprintf("; detectable from about %s", percent(c.MDE))
			}
			parts = append(parts, fmt.Sprintf("not clearly different from %s (%s)", c.Other, difference))
		}
	}
	if len(parts) > 0 {
		b.WriteString(": " + strings.Join(parts, "; "))
	}
	b.WriteString(".")
	return b.String()
}
