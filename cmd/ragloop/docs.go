package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/ingest"
	"github.com/ragloop/ragloop/ingest/extract"
	"github.com/ragloop/ragloop/internal/filter"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/meta"
	"github.com/ragloop/ragloop/internal/text"
)

func (a *app) docsCmd() *cobra.Command {
	var state, where string
	ls := &cobra.Command{
		Use: "ls", Short: "List the documents of a collection", Args: args(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.listDocs(cmd.Context(), state, where) },
	}
	ls.Flags().StringVar(&state, "state", "", "only documents in this state: indexed, failed or quarantined; one whose newer version is not accepted is in two")
	ls.Flags().StringVar(&where, "filter", "", "only documents for which this `EXPRESSION` holds, as of \"ragloop query\"")
	return group("docs", "List, show, retry and remove documents", ls, &cobra.Command{
		Use: "show DOC", Short: "Print the stored text of a document, and what is known about it",
		Long: `show prints the stored text of a document on standard output, and what is known
about it on standard error. A document without text, because it could not be
ingested, has the reason printed on standard output instead.`,
		Args: args(1, "DOC"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.showDoc(cmd.Context(), text.DocID(args[0])) },
	}, a.retryDocsCmd(), textOnly(&cobra.Command{
		Use: "rm DOC…", Short: "Remove documents", Args: atLeast("DOC"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.removeDocs(cmd.Context(), args) },
	}))
}

// docJSON is the machine form of a record.
type docJSON struct {
	Doc           text.DocID     `json:"doc"`
	State         index.State    `json:"state"`
	Error         string         `json:"error,omitempty"`
	Reason        string         `json:"reason,omitempty"`
	Damage        string         `json:"damage,omitempty"` // of what is stored; the next ingest mends it
	URI           string         `json:"uri"`
	MediaType     string         `json:"media_type"`
	Title         string         `json:"title"`
	Revision      string         `json:"revision"`
	ContentSHA256 string         `json:"content_sha256"`
	Chunks        int            `json:"chunks"`
	Tokens        int            `json:"tokens"`
	Unsituated    int            `json:"unsituated,omitempty"` // chunks without a line of the language model; the next ingest asks again
	Bytes         int            `json:"bytes"`
	Pages         int            `json:"pages"`
	IngestedAt    time.Time      `json:"ingested_at"`
	Tags          []string       `json:"tags,omitempty"`
	ACL           []string       `json:"acl,omitempty"`
	Modified      *time.Time     `json:"modified,omitempty"`
	Meta          map[string]any `json:"meta,omitempty"`
}

func recordJSON(r index.Record) docJSON {
	out := docJSON{
		Doc: r.Doc, State: r.State, Error: r.Error, Reason: r.Reason, Damage: r.Damage, URI: r.URI, MediaType: r.MediaType, Title: r.Title, Revision: r.Rev,
		ContentSHA256: r.ContentSHA256, Chunks: r.ChunkCount, Tokens: r.Tokens, Unsituated: r.Unsituated, Bytes: r.Bytes, Pages: r.Pages,
		IngestedAt: r.IngestedAt, Tags: r.Tags, ACL: r.ACL, Meta: metaJSON(r.Meta),
	}
	if !r.Modified.IsZero() {
		out.Modified = &r.Modified
	}
	return out
}

// metaJSON returns fields with the types that JSON has.
func metaJSON(fields meta.Fields) map[string]any {
	out := map[string]any{}
	for key, v := range fields {
		switch v.Kind {
		case meta.Integer:
			out[key] = v.Integer
		case meta.Float:
			out[key] = v.Float
		case meta.Bool:
			out[key] = v.Bool
		case meta.Strings:
			out[key] = v.Strings
		default:
			out[key] = v.Text()
		}
	}
	return out
}

func (a *app) listDocs(ctx context.Context, state, where string) error {
	states := []string{string(index.Indexed), string(index.Failed), string(index.Quarantined)}
	if state != "" && !slices.Contains(states, state) {
		return fmt.Errorf("docs ls: --state is %q, allowed are %s", state, strings.Join(states, ", "))
	}
	wanted, err := parseFilter(where)
	if err != nil {
		return fmt.Errorf("docs ls: %w", err)
	}
	return a.onServed(ctx, func(_ *index.Client, gen *index.Generation) error {
		var records []index.Record
		var damaged []error
		unknown := wanted.Keys()
		for r, err := range gen.List(ctx) {
			if errors.Is(err, index.ErrDamaged) {
				damaged = append(damaged, err)
				continue
			}
			if err != nil {
				return err
			}
			unknown = slices.DeleteFunc(unknown, func(key string) bool { _, ok := r.Meta[key]; return ok })
			if (state == "" || in(r, index.State(state))) && wanted.Match(filtered(r)) {
				records = append(records, r)
			}
		}
		if err := a.printDocs(gen, records); err != nil {
			return err
		}
		if len(damaged) > 0 {
			return fmt.Errorf("docs ls %w: %w; see \"ragloop verify\"", errFailed, errors.Join(damaged...))
		}
		if len(records) > 0 {
			return nil
		}
		for _, key := range unknown { // most likely misspelt
			a.say("warning: filter: no document has the field %q", key)
		}
		return nil
	})
}

// filtered is what a filter can name of a document.
func filtered(r index.Record) filter.Document {
	return filter.Document{ID: string(r.Doc), Tags: r.Tags, ACL: r.ACL, MediaType: r.MediaType, Modified: r.Modified, Meta: r.Meta}
}

func (a *app) printDocs(gen *index.Generation, records []index.Record) error {
	slices.SortFunc(records, func(x, y index.Record) int { return strings.Compare(string(x.Doc), string(y.Doc)) })
	if a.json {
		enc := json.NewEncoder(a.out)
		for _, r := range records {
			if err := enc.Encode(recordJSON(r)); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "document\tstate\tchunks\ttokens\tpages\ttype\ttitle, or what went wrong")
	for _, r := range records {
		title := r.Title
		switch {
		case r.Error != "":
			title = problem(r)
		case r.Damage != "":
			title = damage(r)
		}
		pages := "-"
		if r.Pages > 0 {
			pages = fmt.Sprint(r.Pages)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%s\n", printable(string(r.Doc)), r.State, r.ChunkCount, r.Tokens, pages, cmp.Or(r.MediaType, "-"), printable(title))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	a.say("%s in %s", plural(len(records), "document", "documents"), gen)
	return nil
}

// in reports whether a document is in a state. One whose newer version could not
// be ingested is in two: its older version is indexed and stays findable.
func in(r index.Record, state index.State) bool {
	switch state {
	case index.Quarantined:
		return r.State == state || r.Reason != ""
	case index.Failed:
		return r.State == state || r.Error != "" && r.Reason == ""
	}
	return r.State == state
}

// problem says why a document could not be ingested.
func problem(r index.Record) string {
	message := beside(r.Doc, r.Error)
	if r.Reason != "" {
		message = r.Reason + ": " + message
	}
	return message
}

// damage says what is wrong with what is stored of a document.
func damage(r index.Record) string {
	return "damaged in the index, the next ingest mends it: " + r.Damage
}

// next says what a run will do about a document that could not be ingested.
func next(r index.Record) string {
	if ingest.Quarantines(r) {
		return "not tried again while it is as it was; \"ragloop docs retry\" or \"ingest --retry-failed\" does"
	}
	return "the next run tries again"
}

func (a *app) showDoc(ctx context.Context, doc text.DocID) error {
	return a.onServed(ctx, func(_ *index.Client, gen *index.Generation) error {
		record, err := gen.Record(ctx, doc)
		if err != nil {
			return err
		}
		body := ""
		if record.State == index.Indexed {
			if body, record, err = gen.Text(ctx, doc); err != nil {
				return err
			}
		}
		if a.json {
			return json.NewEncoder(a.out).Encode(struct {
				docJSON
				Text string `json:"text"`
			}{recordJSON(record), body})
		}
		if record.State != index.Indexed {
			return printRecord(a.out, record)
		}
		if err := printRecord(a.err, record); err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.out, forReading(a.out, body))
		return err
	})
}

// printRecord prints what is known about a document, a fact per line.
func printRecord(out io.Writer, r index.Record) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s:\t%s\n", name, printable(value))
		}
	}
	number := func(name string, n int) {
		if n > 0 {
			line(name, fmt.Sprint(n))
		}
	}
	line("document", string(r.Doc))
	line("state", string(r.State))
	if r.Error != "" {
		name := "error"
		if r.State == index.Indexed {
			name = "newer version"
		}
		line(name, problem(r))
		line("then", next(r))
	}
	if r.Damage != "" {
		line("damage", damage(r))
	}
	line("URI", r.URI)
	line("type", r.MediaType)
	line("title", r.Title)
	number("pages", r.Pages)
	number("chunks", r.ChunkCount)
	number("chunks without the language model's line", r.Unsituated)
	number("tokens", r.Tokens)
	number("bytes of text", r.Bytes)
	if !r.IngestedAt.IsZero() {
		line("ingested at", r.IngestedAt.Format(time.RFC3339))
	}
	line("tags", strings.Join(r.Tags, ", "))
	line("ACL", strings.Join(r.ACL, ", "))
	if !r.Modified.IsZero() {
		line("modified", r.Modified.Format(time.RFC3339))
	}
	for _, key := range r.Meta.Keys() {
		line("meta."+key, r.Meta[key].Text())
	}
	return w.Flush()
}

func (a *app) retryDocsCmd() *cobra.Command {
	var all bool
	var reason string
	cmd := &cobra.Command{
		Use: "retry [DOC…]", Short: "Let the next ingest try quarantined documents again",
		Long: `retry takes documents out of quarantine: the next "ragloop ingest" that lists them
tries them again though they have not changed. It does not read them itself: what
is stored of a document does not say how its source was opened. Documents that
failed for another reason than themselves are tried again by every run anyway.`,
		RunE: func(cmd *cobra.Command, docs []string) error {
			given := 0
			for _, set := range []bool{len(docs) > 0, all, reason != ""} {
				if set {
					given++
				}
			}
			if given != 1 {
				return fmt.Errorf("docs retry takes DOC…, --all or --reason, one of them; see %q", cmd.CommandPath()+" --help")
			}
			if reason != "" && !slices.Contains(extract.Reasons(), extract.Reason(reason)) {
				return fmt.Errorf("docs retry: --reason is %q, allowed are %v", reason, extract.Reasons())
			}
			return a.retryDocs(cmd.Context(), docs, extract.Reason(reason))
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all quarantined documents")
	cmd.Flags().StringVar(&reason, "reason", "", "those quarantined for this reason, such as timeout")
	return textOnly(cmd)
}

// retryDocs releases the named documents, or those with a reason, or all.
func (a *app) retryDocs(ctx context.Context, names []string, reason extract.Reason) error {
	return a.onServed(ctx, func(_ *index.Client, gen *index.Generation) error {
		var ids []text.DocID
		for _, name := range names {
			ids = append(ids, text.DocID(name))
		}
		var absent []string
		for _, doc := range ids {
			switch r, err := gen.Record(ctx, doc); {
			case errors.Is(err, index.ErrDamaged): // as Release tells
			case errors.Is(err, index.ErrNoDocument):
				absent = append(absent, string(doc))
			case err != nil:
				return err
			case !ingest.Quarantines(r):
				a.say("%s is not in quarantine", printable(string(doc)))
			}
		}
		released, err := ingest.Release(ctx, gen, func(r index.Record) bool {
			return (len(ids) == 0 || slices.Contains(ids, r.Doc)) && (reason == "" || r.Reason == string(reason))
		})
		damaged := err
		if err != nil && !errors.Is(err, index.ErrDamaged) {
			return err
		}
		them := "them"
		if len(released) == 1 {
			them = "it"
		}
		a.say("%s of %s will be tried again by the next ingest that lists %s", plural(len(released), "document", "documents"), gen, them)
		if damaged != nil {
			damaged = fmt.Errorf("docs retry %w: %w; \"ragloop verify --repair\" marks or removes such records, then the next ingest tries them again", errFailed, damaged)
		}
		if len(absent) > 0 {
			err = fmt.Errorf("docs retry %w: no such document in %s: %s", errFailed, gen, strings.Join(absent, ", "))
			return errors.Join(damaged, err)
		}
		return damaged
	})
}

func (a *app) removeDocs(ctx context.Context, names []string) error {
	return a.onServed(ctx, func(_ *index.Client, gen *index.Generation) error {
		var absent []string
		for _, name := range names {
			existed, err := gen.Delete(ctx, text.DocID(name))
			if err != nil {
				return err
			}
			if !existed {
				absent = append(absent, name)
			}
		}
		a.say("removed %d of %d documents from %s", len(names)-len(absent), len(names), gen)
		if len(absent) > 0 {
			return fmt.Errorf("docs rm %w: no such document in %s: %s", errFailed, gen, strings.Join(absent, ", "))
		}
		return nil
	})
}
