package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/text"
)

// summaryJSON is the machine form of an ingest summary.
type summaryJSON struct {
	Generation   string         `json:"generation"`
	Recipe       string         `json:"recipe"`
	Created      bool           `json:"created"`
	Served       bool           `json:"served"`
	Interrupted  bool           `json:"interrupted"`
	Documents    int            `json:"documents"`
	Indexed      int            `json:"indexed"`
	Replaced     int            `json:"replaced"`
	Unchanged    int            `json:"unchanged"`
	Removed      int            `json:"removed"`
	Failed       int            `json:"failed"`
	Quarantined  int            `json:"quarantined"`
	Skipped      int            `json:"skipped"`
	Vanished     int            `json:"vanished"`
	Chunks       int            `json:"chunks"`
	Tokens       int            `json:"tokens"`
	Embedded     int            `json:"embedded"`
	WindowSplits int            `json:"window_splits"`
	Failures     []failureJSON  `json:"failures"`
	Warnings     []warningJSON  `json:"warnings"`
	Unlisted     []unlistedJSON `json:"unlisted"`

	Resumed  bool `json:"resumed"`  // an interrupted build was gone on with
	Repaired int  `json:"repaired"` // chunks of interrupted runs that were removed
	Mended   int  `json:"mended"`   // documents stored again because what was stored was damaged

	UnmatchedPaths int                     `json:"unmatched_paths"` // by source.path_meta
	LeftOut        map[ingest.Omission]int `json:"left_out"`        // only reasons that there were
}

type failureJSON struct {
	Doc     text.DocID     `json:"doc"`
	Error   string         `json:"error"`
	Reason  extract.Reason `json:"reason,omitempty"`
	Skipped bool           `json:"skipped"`
	Kept    bool           `json:"kept"`
}

type warningJSON struct {
	Doc     text.DocID `json:"doc"`
	Warning string     `json:"warning"`
}

type unlistedJSON struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

func unlisted(parts []ingest.Unlisted) []unlistedJSON {
	out := []unlistedJSON{}
	for _, p := range parts {
		out = append(out, unlistedJSON{p.Name, p.Err.Error()})
	}
	return out
}

func (a *app) printSummary(b ingest.Built) error {
	s := b.Summary
	if a.json {
		out := summaryJSON{
			Generation: b.Generation.String(), Recipe: b.Generation.Recipe.Fingerprint(), Created: b.Created, Served: b.Served,
			Interrupted: s.Interrupted, Documents: s.Documents, Indexed: s.Indexed, Replaced: s.Replaced, Unchanged: s.Unchanged,
			Removed: s.Removed, Failed: s.Failed, Quarantined: s.Quarantined, Skipped: s.Skipped, Vanished: s.Vanished,
			Chunks: s.Chunks, Tokens: s.Tokens, Embedded: s.Embedded, WindowSplits: s.WindowSplits,
			Failures: []failureJSON{}, Warnings: []warningJSON{}, Unlisted: unlisted(s.Unlisted),
			Resumed: b.Resumed, Repaired: s.Repaired, Mended: s.Mended,
			UnmatchedPaths: s.Unmatched, LeftOut: a.omitted.counts(),
		}
		for _, f := range s.Failures {
			out.Failures = append(out.Failures, failureJSON{f.Doc, f.Err.Error(), f.Reason, f.Skipped, f.Kept})
		}
		for _, w := range s.Warnings {
			out.Warnings = append(out.Warnings, warningJSON{w.Doc, w.Text})
		}
		return json.NewEncoder(a.out).Encode(out)
	}
	for _, w := range s.Warnings {
		a.say("warning: %s: %s", printable(string(w.Doc)), printable(w.Text))
	}
	a.printFailures(s.Failures)
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "documents\tindexed\treplaced\tunchanged\tremoved\tfailed\tchunks\ttokens\t")
	fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", s.Documents, s.Indexed, s.Replaced, s.Unchanged, s.Removed, s.Failed, s.Chunks, s.Tokens)
	if err := w.Flush(); err != nil {
		return err
	}
	if s.WindowSplits > 0 {
		a.say("%d chunks were made smaller than chunk.size_tokens: the embedder's window was full", s.WindowSplits)
	}
	if s.Repaired > 0 {
		a.say("%d chunks that interrupted runs had left behind were removed", s.Repaired)
	}
	if s.Mended > 0 {
		a.say("%d documents were stored again: what was stored of them was damaged", s.Mended)
	}
	if s.Skipped > 0 {
		a.say("%d quarantined documents have not changed and were not tried again; --retry-failed does, \"ragloop docs retry\" for some", s.Skipped)
	}
	a.printUnmatched(s.Unmatched)
	a.printOmitted(a.verbose)
	a.printUnlisted(s.Unlisted)
	if s.Vanished > 0 {
		a.say("%d stored documents are not at the given paths any more; --prune removes them", s.Vanished)
	}
	if b.Served {
		a.say("%s is served, recipe %s", b.Generation, b.Generation.Recipe.Fingerprint())
	} else {
		a.say("%s is not complete and not served; the next build with the same recipe, %s, goes on with it", b.Generation, b.Generation.Recipe.Fingerprint())
	}
	return nil
}

func (a *app) printFailures(failures []ingest.Failure) {
	unsupported := false
	for _, f := range failures {
		what, kept := "failed", ""
		switch {
		case f.Skipped:
			what = "still quarantined (" + string(f.Reason) + ")"
		case f.Reason != "":
			what = "quarantined (" + string(f.Reason) + ")"
		}
		if f.Kept {
			kept = " (the version indexed before stays)"
		}
		message := beside(f.Doc, f.Err.Error())
		unsupported = unsupported || f.Reason == extract.ReasonUnsupported
		a.say("%s: %s: %s%s", what, printable(string(f.Doc)), printable(message), kept)
	}
	if unsupported {
		a.say("supported are %s", extract.SupportedTypes())
	}
}

// beside returns a message about a document as it is printed behind the
// document's name: without the name, and without the list of all formats, which
// is the same for every file that is none of them.
func beside(doc text.DocID, message string) string {
	message = strings.TrimPrefix(message, "extract "+string(doc)+": ")
	before, after, found := strings.Cut(message, "; supported are ")
	if !found {
		return message
	}
	_, rest, _ := strings.Cut(after, "(.gz)") // which ends the list
	return before + rest
}

func (a *app) printUnmatched(n int) {
	if n > 0 {
		a.say("%d documents get no metadata from their paths: source.path_meta does not match them", n)
	}
}

func (a *app) printUnlisted(parts []ingest.Unlisted) {
	for _, p := range parts {
		a.say("not listed: %s: %s", printable(p.Name), printable(p.Err.Error()))
	}
	if len(parts) > 0 {
		a.say("what these hold is not known, so nothing was pruned")
	}
}
