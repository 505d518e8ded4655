package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/labels/feedback"
	"github.com/ragloop/ragloop/evalret/labels/review"
	"github.com/ragloop/ragloop/internal/index"
	"github.com/ragloop/ragloop/internal/text"
)

type reviewFlags struct {
	judgements string
	feedback   bool
	set        string
}

func (a *app) reviewCmd() *cobra.Command {
	var f reviewFlags
	cmd := &cobra.Command{
		Use:   "review [CANDIDATES] --judgements FILE",
		Short: "Judge passages one after the other, with one key each",
		Long: `review shows candidates, each a query and a passage with what stands around it,
and keeps a verdict on each. CANDIDATES is a file of "labels suggest"; --feedback
takes the feedback that the service of this data directory was given instead, and
--set names the query set whose queries it may be about.

Keys: r relevant, p partly relevant, n not relevant, u unsure, s skip, z undo the
last answer, q quit. A terminal needs no Enter; from a pipe, the first character of
each line is the key.

Verdicts are appended to --judgements, each durable before the next question, so
that a review can be left and taken up again: what has a verdict is not asked
about. "labels merge" makes labels of them. A passage whose document changed is
looked for as "labels reanchor" does; one that is gone is named and passed over.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.review(cmd.Context(), args, f) },
	}
	cmd.Flags().StringVar(&f.judgements, "judgements", "", "`FILE` that keeps the verdicts; it is made if needed")
	cmd.Flags().BoolVar(&f.feedback, "feedback", false, "review the feedback of the service")
	cmd.Flags().StringVar(&f.set, "set", "", "with --feedback: query set `FILE` whose ids known queries get")
	return cmd
}

func (a *app) review(ctx context.Context, args []string, f reviewFlags) error {
	switch {
	case f.judgements == "":
		return errors.New("labels review needs --judgements FILE")
	case f.feedback == (len(args) == 1):
		return errors.New("labels review takes one of CANDIDATES and --feedback")
	case f.set != "" && !f.feedback:
		return errors.New("labels review: --set has no meaning without --feedback")
	}
	if err := checkOut("--judgements", f.judgements); err != nil {
		return err
	}
	var candidates []labels.Candidate
	var err error
	if f.feedback {
		candidates, err = a.feedbackCandidates(f.set)
	} else {
		candidates, err = readCandidates(args[0])
	}
	if err != nil {
		return err
	}
	return a.onServed(ctx, func(_ *index.Client, gen *index.Generation) (err error) {
		log, err := review.OpenLog(f.judgements)
		if err != nil {
			return err
		}
		defer closing(&err, log.Close)
		if log.Torn > 0 {
			a.say("%s ended in an unfinished line of %d bytes, which was cut off", f.judgements, log.Torn)
		}
		screen := a.out
		if a.json {
			screen = a.err
		}
		counts, err := review.Run(ctx, review.Options{
			Candidates: candidates, Log: log, Keys: a.keys(), Out: screen, Show: shown(gen),
		})
		if err != nil {
			return err
		}
		if a.json {
			return json.NewEncoder(a.out).Encode(counts)
		}
		fmt.Fprintln(a.out, counts)
		return nil
	})
}

func readCandidates(name string) ([]labels.Candidate, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read candidates: %w", err)
	}
	defer f.Close()
	return labels.ReadCandidates(f, name)
}

// feedbackCandidates reads the feedback of the configured collection.
func (a *app) feedbackCandidates(set string) ([]labels.Candidate, error) {
	known := map[string]string{}
	if set != "" {
		s, err := labels.ReadFile(set)
		if err != nil {
			return nil, err
		}
		for _, q := range s.Queries {
			known[q.Text] = q.ID
		}
	}
	entries, err := feedback.Read(a.feedbackDir())
	if err != nil {
		return nil, err
	}
	candidates, comments := review.FromFeedback(entries, a.cfg.Config.Collection, known)
	for _, c := range comments {
		a.say("comment without a judgement: %s", c)
	}
	return candidates, nil
}

// contextRunes is how much of a document is shown on either side of a passage.
const contextRunes = 240

// shown returns the function that finds a candidate in its document.
func shown(gen *index.Generation) func(context.Context, labels.Candidate) (review.Passage, error) {
	return func(ctx context.Context, c labels.Candidate) (review.Passage, error) {
		body, record, err := gen.Text(ctx, c.Doc)
		if err != nil {
			return review.Passage{}, err
		}
		// Where the document changed, the passage is shown where it is now; its
		// label will be found again in the same way.
		found, _, broken, detail := labels.Locate(body, c.Evidence())
		if broken != "" {
			return review.Passage{}, errors.New(detail)
		}
		chunks, err := gen.Chunks(ctx, c.Doc)
		if err != nil {
			return review.Passage{}, err
		}
		runes := []rune(body)
		p := review.Passage{
			Title: record.Title, Text: found.Quote,
			Before: string(runes[max(0, found.Span.Start-contextRunes):found.Span.Start]),
			After:  string(runes[found.Span.End:min(len(runes), found.Span.End+contextRunes)]),
		}
		for _, chunk := range chunks {
			if chunk.Span.Overlap(text.RuneSpan{Start: found.Span.Start, End: found.Span.Start + 1}) > 0 {
				p.Heading = chunk.Heading
				break
			}
		}
		return p, nil
	}
}

// keys reads single keys from a terminal, lines from anything else.
func (a *app) keys() review.Keys {
	f, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || !terminal(a.out) {
		return review.Lines(a.in)
	}
	return &rawKeys{f, review.Single(f)}
}

// rawKeys reads keys of a terminal that is raw only while a key is waited for.
type rawKeys struct {
	file *os.File
	keys review.Keys
}

func (k *rawKeys) Next() (key rune, err error) {
	before, err := term.MakeRaw(int(k.file.Fd()))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, term.Restore(int(k.file.Fd()), before)) }()
	return k.keys.Next()
}

type mergeFlags struct{ out string }

func (a *app) mergeCmd() *cobra.Command {
	var f mergeFlags
	cmd := &cobra.Command{
		Use:   "merge SET JUDGEMENTS --out FILE",
		Short: "Make labels of judgements",
		Long: `merge writes a query set with the labels that the judgements of "labels review"
make: a relevant passage becomes evidence, and the document of a partly relevant
one is graded 1 where it has no label yet. That a passage is not relevant makes no
label: the rest of its document may be. Queries that SET lacks, such as those of
feedback, are added with the tag "reviewed"; judgements of a query that has another
text in SET are named and not applied. --out may be SET itself.`,
		Args: args(2, "SET", "JUDGEMENTS"),
		RunE: func(_ *cobra.Command, args []string) error { return a.merge(args[0], args[1], f) },
	}
	cmd.Flags().StringVar(&f.out, "out", "", "`FILE` to write the set to")
	return cmd
}

func (a *app) merge(setFile, judgementsFile string, f mergeFlags) error {
	if f.out == "" {
		return errors.New("labels merge needs --out FILE")
	}
	if err := checkOut("--out", f.out); err != nil {
		return err
	}
	set, err := labels.ReadFile(setFile)
	if err != nil {
		return err
	}
	judgements, err := review.ReadLog(judgementsFile)
	if err != nil {
		return err
	}
	merged, applied := review.Apply(set, judgements)
	if err := merged.Validate(); err != nil {
		return fmt.Errorf("labels merge: %w", err)
	}
	if err := writeFile(f.out, func(w io.Writer) error { return labels.Write(w, merged) }); err != nil {
		return err
	}
	for _, c := range applied.Conflicts {
		a.say("query %s is marked unanswerable, and a passage of %s was judged %s: not applied", c.Query, printable(string(c.Doc)), strings.ReplaceAll(string(c.Verdict), "_", " "))
	}
	for _, c := range applied.Others {
		a.say("query %s has another text in %s than was judged, %q: not applied", c.Query, setFile, c.Text)
	}
	conflicts := len(applied.Conflicts) + len(applied.Others)
	if a.json {
		return json.NewEncoder(a.out).Encode(struct {
			review.Applied
			Conflicts int `json:"conflicts"`
		}{applied, conflicts})
	}
	fmt.Fprintf(a.out, "%s: %s, %s and %s added; %d said what was known, %s, %s\n", plural(len(judgements), "judgement", "judgements"),
		plural(applied.Evidence, "span", "spans"), plural(applied.Grades, "graded document", "graded documents"), plural(applied.Queries, "query", "queries"),
		applied.Known, plural(applied.Kept, "makes no label", "make no label"), plural(conflicts, "contradicts the set", "contradict the set"))
	return nil
}
