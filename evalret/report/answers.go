package report

import (
	"bufio"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/text"
)

// groundView is how far answers are supported by their contexts.
type groundView struct {
	Sentence   string
	Unscored   string
	Judge      []fact
	Limits     []string
	Findings   []fact
	Support    groundRow
	Worst      groundRow
	Abstention []abstentionRow
	Answers    []worstAnswer // least support first
	Answered   string        // how many answers there are to show
}

type groundRow struct {
	Value, Interval string
	N               int
	Whiskers        *whiskers
}

type abstentionRow struct {
	Name                string
	Answered, Abstained int
}

// worstAnswer is an answer in the section about groundedness.
type worstAnswer struct {
	ID, Query, Support string
	Answer             answerView
}

// answerView is an answer with what became of each of its sentences.
type answerView struct {
	Outcome   string
	Sentences []answerSentence
}

type answerSentence struct {
	Pieces   []piece // what a check found is a gap
	Class    string  // "s0" to "s2" by thirds of the support, "" for what has none
	Sign     string  // the same in a sign and a number, for those who see no colours
	Rests    string  // the text of the context that its support comes from
	Where    string  // the document and span of that
	Findings []string
	Failure  string
	Note     string
}

// worstAnswers is the number of answers in the section about groundedness.
const worstAnswers = 10

func (v *evalView) ground(e evalret.Evaluation) {
	g := e.Groundedness
	if g == nil {
		return
	}
	view := groundView{
		Sentence: GroundVerdict(*g), Unscored: unscoredOf(g.Outcomes), Limits: g.Limits,
		Judge: []fact{
			{"judge", g.Judge}, {"judge fingerprint", g.Fingerprint}, {"answers by", g.Answerer},
			{"contexts of", fmt.Sprintf("%s, %s tokens", g.Run, thousands(g.Budget))},
			{"claims", fmt.Sprintf("%s judged, %s not", thousands(g.Claims.Judged), thousands(g.Claims.Failed))},
			{"sentences without a claim", fmt.Sprintf("%s remarks, %s abstentions", thousands(g.Claims.Remarks), thousands(g.Claims.Abstentions))},
		},
		Support: groundRowOf(g.Support), Worst: groundRowOf(g.Worst),
		Abstention: []abstentionRow{
			{"answerable queries", g.Abstention.AnswerableAnswered, g.Abstention.AnswerableAbstained},
			{"unanswerable queries", g.Abstention.UnanswerableAnswered, g.Abstention.UnanswerableAbstained},
		},
	}
	for _, row := range beside(*g) {
		view.Judge = append(view.Judge, fact{row[0], row[1]})
	}
	for _, f := range g.Findings {
		view.Findings = append(view.Findings, fact{f.Check, thousands(f.Count)})
	}
	order := make([]int, 0, len(g.PerQuery))
	for i, a := range g.PerQuery {
		if a.Support.State() == metric.Number {
			order = append(order, i)
		}
	}
	support := func(i int) float64 { x, _ := g.PerQuery[i].Support.Float(); return x }
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(support(a), support(b)) })
	for _, i := range order[:min(len(order), worstAnswers)] {
		view.Answers = append(view.Answers, worstAnswer{e.Queries[i].ID, e.Queries[i].Text, value(g.PerQuery[i].Support), *answerOf(g, i)})
	}
	view.Answered = count(len(order), "scored answer", "scored answers")
	v.Ground = &view
}

func groundRowOf(s evalret.Summary) groundRow {
	row := groundRow{Value: value(s.Value), Interval: interval(s), N: s.N}
	if w, ok := summaryWhiskers(s, colour(2)); ok {
		row.Whiskers = &w
	}
	return row
}

// GroundVerdict returns what g says in one sentence.
func GroundVerdict(g evalret.Groundedness) string {
	x, ok := g.Support.Value.Float()
	if !ok || g.Support.CI95 == nil {
		return fmt.Sprintf("None of the answers by %s could be scored by %s.", g.Answerer, g.Judge)
	}
	worst, _ := g.Worst.Value.Float()
	return fmt.Sprintf("By %s, claims of the answers by %s have a mean support of %s in their contexts (95 %% interval %s to %s, %s); the worst claim of an answer has %s on average.",
		g.Judge, g.Answerer, number(x), number(g.Support.CI95[0]), number(g.Support.CI95[1]), count(g.Support.N, "answer", "answers"), number(worst))
}

// beside returns what is said beside the support, each with its name: the share of
// unsupported claims, and how answers cite.
func beside(g evalret.Groundedness) (rows [][2]string) {
	if x, ok := g.Unsupported.Value.Float(); ok && g.Unsupported.N > 0 {
		rows = append(rows, [2]string{fmt.Sprintf("claims with a support below %v", g.Threshold),
			fmt.Sprintf("%s of an answer on average %s", number(x), interval(g.Unsupported))})
	}
	if c := g.Citations; c != nil {
		rows = append(rows,
			[2]string{"citation recall", fmt.Sprintf("%s %s, %s", value(c.Recall.Value), interval(c.Recall), count(c.Recall.N, "answer", "answers"))},
			[2]string{"citation precision", fmt.Sprintf("%s %s, %s", value(c.Precision.Value), interval(c.Precision), count(c.Precision.N, "answer", "answers"))},
			[2]string{"citations", fmt.Sprintf("%s, of them %s of nothing in the context; %s of %s claims cite nothing",
				thousands(c.Counts.Citations), thousands(c.Counts.Unknown), thousands(c.Counts.Uncited), thousands(c.Counts.Sentences))})
	}
	return rows
}

// unscoredOf says how many answers have no number and why; "" for none.
func unscoredOf(o evalret.AnswerOutcomes) string {
	if o.Unscored() == 0 {
		return ""
	}
	var parts []string
	add := func(n int, what string) {
		if n > 0 {
			parts = append(parts, thousands(n)+" "+what)
		}
	}
	add(o.Abstained, "abstain")
	add(o.NoClaims, "claim nothing")
	add(o.Failed, "could not be judged")
	add(o.Missing, "have no answer or no context")
	return fmt.Sprintf("%s have no score and no part in the means: %s.", count(o.Unscored(), "query", "queries"), strings.Join(parts, ", "))
}

// outcomeNames says what became of an answer, for people.
var outcomeNames = map[string]string{
	"scored":              "",
	"abstained":           "it abstains",
	"no_claims":           "it claims nothing",
	"failed":              "it could not be judged",
	evalret.AnswerMissing: "no answer",
}

// answerOf lays out the answer to query i; nil where there are no answers.
func answerOf(g *evalret.Groundedness, i int) *answerView {
	if g == nil || i >= len(g.PerQuery) {
		return nil
	}
	a := g.PerQuery[i]
	v := answerView{Outcome: outcomeNames[a.Outcome]}
	if a.Support.State() == metric.Number && a.Outcome == "scored" {
		v.Outcome = "support " + value(a.Support) + ", worst claim " + value(a.Worst)
	}
	if a.Missing != "" {
		v.Outcome += ": " + a.Missing
	}
	runes := []rune(a.Answer)
	for _, s := range a.Sentences {
		start, end := min(max(s.Start, 0), len(runes)), min(max(s.End, 0), len(runes))
		if end < start {
			continue
		}
		shown := answerSentence{Failure: s.Failure, Note: shorten(s.Note, 200)}
		shown.Class, shown.Sign = supportOf(s)
		var marked []text.RuneSpan
		for _, f := range s.Findings {
			if f.End-f.Start < end-start { // one about the whole sentence marks nothing
				marked = append(marked, text.RuneSpan{Start: f.Start, End: f.End})
			}
			shown.Findings = append(shown.Findings, findingOf(f, runes))
		}
		shown.Pieces = pieces(runes[start:end], start, marked, "", isGap)
		if s.Quote != "" {
			shown.Rests = shorten(s.Quote, 240)
			if s.Source != nil {
				shown.Where = fmt.Sprintf("%s %d–%d", s.Source.Doc, s.Source.Start, s.Source.End)
			}
		}
		v.Sentences = append(v.Sentences, shown)
	}
	return &v
}

// supportOf returns the colour of a sentence and the same as text. Thirds are for
// the eye: there is no support from which on a claim counts as true.
func supportOf(s evalret.AnswerSentence) (class, sign string) {
	switch {
	case s.Failure != "":
		return "", "? not judged"
	case s.Support == nil:
		return "", s.Kind
	case *s.Support < 1./3:
		return "s0", "✗ " + fmt.Sprintf("%.2f", *s.Support)
	case *s.Support < 2./3:
		return "s1", "~ " + fmt.Sprintf("%.2f", *s.Support)
	}
	return "s2", "✓ " + fmt.Sprintf("%.2f", *s.Support)
}

func findingOf(f evalret.AnswerFinding, answer []rune) string {
	what := ""
	if 0 <= f.Start && f.Start < f.End && f.End <= len(answer) {
		what = " “" + shorten(string(answer[f.Start:f.End]), 60) + "”"
	}
	if f.Quote == "" {
		return f.Check + what + ": the context has none such"
	}
	return f.Check + what + ": the context has “" + shorten(f.Quote, 80) + "”"
}

// pointers returns the places in documents that the answer to query i rests on.
func pointers(g *evalret.Groundedness, i int) []evalret.Evidence {
	if g == nil || i >= len(g.PerQuery) {
		return nil
	}
	var out []evalret.Evidence
	for _, s := range g.PerQuery[i].Sentences {
		if s.Source != nil {
			out = append(out, *s.Source)
		}
	}
	return out
}

// textGround writes how far answers are supported.
func textGround(b *bufio.Writer, e evalret.Evaluation) {
	g := e.Groundedness
	if g == nil {
		return
	}
	fmt.Fprintf(b, "\n%s\n", wrap(GroundVerdict(*g), 96))
	if s := unscoredOf(g.Outcomes); s != "" {
		fmt.Fprintln(b, wrap(s, 96))
	}
	t := table{rows: [][]string{{"", "answered", "abstained"}}}
	t.rows = append(t.rows,
		[]string{"  answerable", thousands(g.Abstention.AnswerableAnswered), thousands(g.Abstention.AnswerableAbstained)},
		[]string{"  unanswerable", thousands(g.Abstention.UnanswerableAnswered), thousands(g.Abstention.UnanswerableAbstained)})
	t.write(b, "lrr")
	for _, row := range beside(*g) {
		fmt.Fprintln(b, wrap(row[0]+": "+row[1], 96))
	}
	for _, l := range g.Limits {
		fmt.Fprintf(b, "%s\n", strings.ReplaceAll(wrap("limit of this judge: "+l, 96), "\n", "\n  "))
	}
}

// markdownGround writes the same for a pull request.
func markdownGround(b *bufio.Writer, e evalret.Evaluation) {
	g := e.Groundedness
	if g == nil {
		return
	}
	fmt.Fprintf(b, "\n%s", cell(GroundVerdict(*g)))
	if s := unscoredOf(g.Outcomes); s != "" {
		fmt.Fprintf(b, " %s", cell(s))
	}
	fmt.Fprint(b, "\n\n| | answered | abstained |\n|---|---|---|\n")
	fmt.Fprintf(b, "| answerable | %d | %d |\n| unanswerable | %d | %d |\n\n", g.Abstention.AnswerableAnswered, g.Abstention.AnswerableAbstained,
		g.Abstention.UnanswerableAnswered, g.Abstention.UnanswerableAbstained)
	for _, row := range beside(*g) {
		fmt.Fprintf(b, "- %s: %s\n", cell(row[0]), cell(row[1]))
	}
	for _, l := range g.Limits {
		fmt.Fprintf(b, "- limit of this judge: %s\n", cell(l))
	}
}
