package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ragloop/ragloop/evalret/answer"
	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/text"
)

type groundFlags struct{ answers, context, judge string }

func (a *app) groundCmd() *cobra.Command {
	var f groundFlags
	cmd := group("ground", "Measure how far answers are supported by their contexts", a.groundFitCmd(), a.groundMetaCmd())
	// Without a subcommand it scores a file.
	noCommand := cmd.RunE
	cmd.Use = "ground --answers FILE"
	cmd.Long = `ground splits every answer of a file into sentences and says of each claim how far
the answer's context supports it, with the evidence and what contradicts it. The
worst answers come first.

--answers takes JSON Lines {"id","answer","context"}. --context is a file with the
context of the answers that have none.

An answer that only says that it doesn't know is "abstained": neither grounded nor
not. Groundedness is not correctness: what the context gets wrong stays wrong.`
	cmd.RunE = func(cmd *cobra.Command, got []string) error {
		if len(got) > 0 || f.answers == "" {
			return noCommand(cmd, got)
		}
		return a.groundAnswers(cmd.Context(), f)
	}
	fl := cmd.Flags()
	fl.StringVar(&f.answers, "answers", "", "file of answers (JSON Lines)")
	fl.StringVar(&f.context, "context", "", "file with the context of answers without one")
	fl.StringVar(&f.judge, "judge", lexicalJudge, "lexical (offline), nli (the endpoint of nli.url) or llm")
	return cmd
}

// checkedJudge returns the judge that --judge of a command names.
func (a *app) checkedJudge(command, name string) (ground.Judge, error) {
	if all := []string{lexicalJudge, nliJudge, llmJudge}; !slices.Contains(all, name) {
		return nil, fmt.Errorf("%s: --judge is %q, allowed are %s", command, name, strings.Join(all, ", "))
	}
	return a.judge(name)
}

// answerGround is the groundedness of one answer.
type answerGround struct {
	ID        string           `json:"id"`
	Outcome   ground.Outcome   `json:"outcome"`
	Support   metric.Value     `json:"support"`       // token-weighted mean; null unless scored
	Worst     metric.Value     `json:"worst_support"` // of the worst claim
	Reason    string           `json:"reason,omitempty"`
	Counts    groundCounts     `json:"counts"`
	Sentences []sentenceGround `json:"sentences"`
}

type groundCounts struct {
	Claims      int `json:"claims"`
	Judged      int `json:"judged"`
	Failed      int `json:"failed"`
	Remarks     int `json:"remarks"`
	Abstentions int `json:"abstentions"`
	Tokens      int `json:"claim_tokens"`
	Judging     int `json:"judged_tokens"`
}

// sentenceGround is one sentence; spans are code points, [start, end).
type sentenceGround struct {
	Span     text.RuneSpan   `json:"span"` // of the answer
	Text     string          `json:"text"`
	Kind     ground.Kind     `json:"kind"`
	Support  *float64        `json:"support,omitempty"`
	Evidence *text.RuneSpan  `json:"evidence,omitempty"` // of the context
	Quote    string          `json:"quote,omitempty"`
	Findings []findingGround `json:"findings,omitempty"`
	Failure  string          `json:"failure,omitempty"`
	Note     string          `json:"note,omitempty"`
}

type findingGround struct {
	Check ground.Check  `json:"check"`
	Span  text.RuneSpan `json:"span"` // of the answer
	Text  string        `json:"text"`
	Found string        `json:"found,omitempty"` // what the context has instead
}

func (a *app) groundAnswers(ctx context.Context, f groundFlags) error {
	judge, err := a.checkedJudge("ground", f.judge)
	if err != nil {
		return err
	}
	answers, err := answer.ReadFile(f.answers)
	if err != nil {
		return err
	}
	common, given := "", f.context != ""
	if given {
		b, err := os.ReadFile(f.context)
		if err != nil {
			return fmt.Errorf("ground: --context: %w", err)
		}
		common = string(b)
	}
	var rows []answerGround
	missing := 0
	for _, one := range answers {
		switch {
		case one.Failure != "":
			missing++
			continue
		case one.Context == nil && !given:
			return fmt.Errorf("ground: %s:%d: answer %q has no context; give one in the file or with --context FILE", f.answers, one.Line, one.ID)
		}
		evidence := common
		if one.Context != nil {
			evidence = one.Context.Text
		}
		r, err := ground.Score(ctx, judge, evidence, one.Text)
		if err != nil {
			return fmt.Errorf("answer %q: %w", one.ID, err)
		}
		rows = append(rows, groundRow(one.ID, evidence, one.Text, r))
	}
	slices.SortStableFunc(rows, worstFirst)
	return a.printGround(judge.Info(), rows, missing)
}

// worstFirst orders by mean support, then the support of the worst claim, then
// id; answers without a score come last.
func worstFirst(x, y answerGround) int {
	number := func(r answerGround, v metric.Value) float64 {
		if r.Outcome != ground.Scored {
			return 2
		}
		n, _ := v.Float()
		return n
	}
	return cmp.Or(cmp.Compare(number(x, x.Support), number(y, y.Support)), cmp.Compare(number(x, x.Worst), number(y, y.Worst)), cmp.Compare(x.ID, y.ID))
}

func groundRow(id, evidence, body string, r ground.Result) answerGround {
	out := answerGround{
		ID: id, Outcome: r.Outcome, Support: r.Support(), Worst: r.WorstSupport(), Reason: r.Support().Reason(),
		Counts: groundCounts{r.Counts.Claims, r.Counts.Judged, r.Counts.Failed, r.Counts.Remarks, r.Counts.Abstentions, r.Counts.ClaimTokens, r.Counts.JudgedTokens},
	}
	in, at := text.NewIndex(evidence), text.NewIndex(body)
	for _, s := range r.Sentences {
		row := sentenceGround{Span: inCodePoints(at, s.Span), Text: body[s.Span.Start:s.Span.End], Kind: s.Kind, Failure: s.Failure, Note: s.Note}
		if s.Judged() {
			support := metric.Round(s.Support)
			row.Support = &support
		}
		if s.Evidence.Len() > 0 {
			span := inCodePoints(in, s.Evidence)
			row.Evidence, row.Quote = &span, evidence[s.Evidence.Start:s.Evidence.End]
		}
		for _, f := range s.Findings {
			row.Findings = append(row.Findings, findingGround{f.Check, inCodePoints(at, f.Span), body[f.Span.Start:f.Span.End], evidence[f.Evidence.Start:f.Evidence.End]})
		}
		out.Sentences = append(out.Sentences, row)
	}
	return out
}

// inCodePoints converts a span of whole code points; a judge's span that cuts one
// is widened.
func inCodePoints(x *text.Index, s text.Span) text.RuneSpan {
	offset := func(at, step int) int {
		for {
			n, err := x.RuneOffset(at)
			if !errors.Is(err, text.ErrMidRune) {
				return n
			}
			at += step
		}
	}
	return text.RuneSpan{Start: offset(s.Start, -1), End: offset(s.End, 1)}
}

func (a *app) printGround(info ground.Info, rows []answerGround, missing int) error {
	outcomes := map[ground.Outcome]int{}
	sum := 0.0
	for _, r := range rows {
		outcomes[r.Outcome]++
		if r.Outcome == ground.Scored {
			n, _ := r.Support.Float()
			sum += n
		}
	}
	mean := metric.NoValue("no answer was scored")
	if n := outcomes[ground.Scored]; n > 0 {
		mean = metric.Of(sum / float64(n))
	}
	if a.json {
		if rows == nil {
			rows = []answerGround{}
		}
		return json.NewEncoder(a.out).Encode(struct {
			Judge       string         `json:"judge"`
			Fingerprint string         `json:"fingerprint"`
			Limits      []string       `json:"limits"`
			Support     metric.Value   `json:"support"`
			Scored      int            `json:"scored"`
			Abstained   int            `json:"abstained"`
			NoClaims    int            `json:"no_claims"`
			Failed      int            `json:"failed"`
			Missing     int            `json:"missing"`
			Answers     []answerGround `json:"answers"`
		}{info.Name, info.Fingerprint, info.Limits, mean, outcomes[ground.Scored], outcomes[ground.Abstained], outcomes[ground.NoClaims], outcomes[ground.Failed], missing, rows})
	}
	for _, r := range rows {
		fmt.Fprintf(a.out, "%s  %s\n", number(r.Support, r.Outcome), printable(r.ID))
		for _, s := range r.Sentences {
			a.printSentence(s)
		}
	}
	shown := "none"
	if n, ok := mean.Float(); ok {
		shown = fmt.Sprintf("%.3f", n)
	}
	fmt.Fprintf(a.out, "\nmean %s: %s over %d answers; %d abstained, %d without claims, %d could not be judged, %d missing\n",
		info.Name, shown, outcomes[ground.Scored], outcomes[ground.Abstained], outcomes[ground.NoClaims], outcomes[ground.Failed], missing)
	a.printLimits(info)
	return nil
}

func (a *app) printSentence(s sentenceGround) {
	mark := "     "
	switch {
	case s.Support != nil:
		mark = fmt.Sprintf("%.3f", *s.Support)
	case s.Failure != "":
		mark = "?"
	}
	fmt.Fprintf(a.out, "  %-5s  %s", mark, printable(s.Text))
	if s.Kind != ground.Claim {
		fmt.Fprintf(a.out, "  (%s)", s.Kind)
	}
	if s.Failure != "" {
		fmt.Fprintf(a.out, "  (not judged: %s)", printable(s.Failure))
	}
	fmt.Fprintln(a.out)
	for _, f := range s.Findings {
		fmt.Fprintf(a.out, "         %s: %q", f.Check, f.Text)
		if f.Found != "" {
			fmt.Fprintf(a.out, ", where the context has %q", f.Found)
		}
		fmt.Fprintln(a.out)
	}
	if s.Quote != "" {
		fmt.Fprintf(a.out, "         evidence %d to %d: %s\n", s.Evidence.Start, s.Evidence.End, shortened(printable(s.Quote), 100))
	}
}

func (a *app) printLimits(info ground.Info) {
	if len(info.Limits) == 0 {
		return
	}
	fmt.Fprintf(a.out, "What %s cannot see:\n", info.Name)
	for _, l := range info.Limits {
		fmt.Fprintln(a.out, "-", l)
	}
}

func number(v metric.Value, o ground.Outcome) string {
	if o != ground.Scored {
		return o.String()
	}
	n, _ := v.Float()
	return fmt.Sprintf("%.3f", n)
}
