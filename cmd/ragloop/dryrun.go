package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/ingest/situate"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

// dryRun prints what an ingest would do, and does nothing of it. A local index
// that is not there is not made.
func (a *app) dryRun(ctx context.Context, plan ingest.Plan, src ingest.Source, o ingest.Options) (err error) {
	var client *index.Client
	local := filepath.Join(a.cfg.Config.DataDir, "index")
	if _, statErr := os.Stat(local); a.cfg.Config.Qdrant.Addr != "" || statErr == nil {
		if client, err = a.dial(ctx); err != nil {
			return err
		}
		defer closing(&err, client.Close)
		if plan, err = a.following(ctx, client, plan); err != nil {
			return err
		}
	}
	if o.Embedder, err = a.bareEmbedder(); err != nil {
		return err
	}
	if o.Extractor, err = a.extractor(); err != nil {
		return err
	}
	if a.situated != "" {
		asks, err := a.chatClient() // nobody does: without the cache, which is a file
		if err != nil {
			return err
		}
		o.Situator = situate.New(asks)
	}
	p, err := ingest.Look(ctx, client, plan, src, o)
	if err != nil {
		return cmp.Or(advised(err), err)
	}
	if a.json {
		if err := json.NewEncoder(a.out).Encode(previewJSON(p, a.omitted.counts())); err != nil {
			return err
		}
	} else if err := a.printPreview(p, o.Prune); err != nil {
		return err
	}
	// A run fails for each of these, whether or not it tries it again.
	failed, _ := p.Count(ingest.Failed)
	quarantined, _ := p.Count(ingest.Quarantined)
	switch {
	case p.Refused:
		return fmt.Errorf("ingest --dry-run %w: the collection was built by another recipe; --rebuild makes it anew", errFailed)
	case failed > 0 || quarantined > 0 || len(p.Unlisted) > 0:
		return fmt.Errorf("ingest --dry-run %w: of %d documents %d cannot be read and %d are quarantined, %d parts of the source cannot be listed",
			errFailed, len(p.Documents), failed, quarantined, len(p.Unlisted))
	}
	return nil
}

// planJSON is the machine form of a dry run.
type planJSON struct {
	Generation string         `json:"generation,omitempty"` // what is compared with
	Rebuild    bool           `json:"rebuild"`              // everything goes into a new generation
	Resumed    bool           `json:"resumed"`
	Refused    bool           `json:"refused"`
	Damaged    bool           `json:"damaged"`
	Recipe     []string       `json:"recipe"`
	Counts     map[string]int `json:"counts"`
	Bytes      int64          `json:"bytes"` // of what is new or changed
	Documents  []plannedJSON  `json:"documents"`
	Vanished   []text.DocID   `json:"vanished"`
	Unlisted   []unlistedJSON `json:"unlisted"`

	UnmatchedPaths int                     `json:"unmatched_paths"` // by source.path_meta
	LeftOut        map[ingest.Omission]int `json:"left_out"`        // only reasons that there are
}

type plannedJSON struct {
	Doc     text.DocID     `json:"doc"`
	URI     string         `json:"uri,omitempty"`
	Outcome ingest.Outcome `json:"outcome"`
	Bytes   int64          `json:"bytes"`
	Error   string         `json:"error,omitempty"`
	Reason  extract.Reason `json:"reason,omitempty"`
}

func previewJSON(p ingest.Preview, leftOut map[ingest.Omission]int) planJSON {
	out := planJSON{
		Rebuild: p.Generation == nil, Resumed: p.Resumed, Refused: p.Refused, Damaged: p.Damaged,
		Recipe: append([]string{}, p.Recipe...), Counts: map[string]int{}, Documents: []plannedJSON{},
		Vanished: append([]text.DocID{}, p.Vanished...), Unlisted: unlisted(p.Unlisted),
		UnmatchedPaths: p.Unmatched, LeftOut: leftOut,
	}
	if p.Generation != nil {
		out.Generation = p.Generation.String()
	}
	for _, row := range planRows {
		n, size := p.Count(row.outcome)
		out.Counts[string(row.outcome)] = n
		if row.work {
			out.Bytes += size
		}
	}
	for _, d := range p.Documents {
		j := plannedJSON{Doc: d.Doc, URI: d.URI, Outcome: d.Outcome, Bytes: d.Bytes, Reason: d.Reason}
		if d.Err != nil {
			j.Error = d.Err.Error()
		}
		out.Documents = append(out.Documents, j)
	}
	return out
}

// planRows are the lines of the table, in order.
var planRows = []struct {
	outcome ingest.Outcome
	name    string
	work    bool // to be extracted and, most of it, embedded
}{
	{ingest.Indexed, "new", true},
	{ingest.Replaced, "changed", true},
	{ingest.Unchanged, "unchanged", false},
	{ingest.Removed, "removed", false},
	{ingest.Quarantined, "quarantined", false},
	{ingest.Failed, "unreadable", false},
}

func (a *app) printPreview(p ingest.Preview, prune bool) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "would be\tdocuments\tbytes\t")
	for _, row := range planRows {
		n, size := p.Count(row.outcome)
		fmt.Fprintf(w, "%s\t%d\t%d\t\n", row.name, n, size)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, row := range planRows {
		if row.outcome == ingest.Unchanged && !a.verbose {
			continue
		}
		var names []string
		for _, d := range p.Documents {
			if d.Outcome == row.outcome {
				names = append(names, described(d))
			}
		}
		if err := a.printNames(row.name, names); err != nil {
			return err
		}
	}
	var vanished []string
	for _, doc := range p.Vanished {
		vanished = append(vanished, printable(string(doc)))
	}
	if err := a.printNames("not at the given paths any more, kept without --prune", vanished); err != nil {
		return err
	}
	a.printUnmatched(p.Unmatched)
	a.printOmitted(true)
	for _, u := range p.Unlisted {
		a.say("not listed: %s: %s", printable(u.Name), printable(u.Err.Error()))
	}
	if prune && len(p.Unlisted) > 0 {
		a.say("what these hold is not known, so nothing would be pruned")
	}
	for _, d := range p.Recipe {
		a.say("recipe: %s", d)
	}
	if p.Damaged {
		a.say("%s holds chunks that no document accounts for, or too few of one: a run repairs that first", p.Generation)
	}
	switch {
	case p.Resumed:
		a.say("compared with %s, the generation of an interrupted build, which would be finished and served; nothing was written", p.Generation)
	case p.Refused:
		a.say("this is what --rebuild would do; without it nothing would be written, and nothing was")
	case p.Generation == nil:
		a.say("everything would go into a new generation; nothing was written")
	default:
		a.say("compared with %s; nothing was written", p.Generation)
	}
	return nil
}

func described(d ingest.Planned) string {
	s := printable(string(d.Doc))
	if d.Err != nil {
		s += ": " + printable(beside(d.Doc, d.Err.Error()))
	}
	return s
}

// printNames lists names under a heading: a few, or all with --verbose.
func (a *app) printNames(heading string, names []string) error {
	if len(names) == 0 {
		return nil
	}
	more := 0
	if !a.verbose && len(names) > maxListed {
		more = len(names) - maxListed
		names = names[:maxListed]
	}
	_, err := fmt.Fprintf(a.out, "%s:\n  %s\n", heading, strings.Join(names, "\n  "))
	if more > 0 {
		_, tailErr := fmt.Fprintf(a.out, "  … and %d more, --verbose lists all\n", more)
		err = errors.Join(err, tailErr)
	}
	return err
}
