package report_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/evalret/report"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// answered is an evaluation of two queries with answers: the first has a claim
// with support, one with a fault, and one that was not judged; the second abstains.
func answered(t *testing.T) evalret.Evaluation {
	t.Helper()
	w := newWorld(30, 0)
	e := evaluate(t, w)
	reference, _ := e.Run(e.Reference)
	var from evalret.Segment
	for _, c := range reference.PerQuery[0].Contexts {
		if c.Budget == e.Primary.At {
			from = c.Segments[0]
		}
	}
	quote := string([]rune(from.Text)[4:20])
	support := func(x float64) *float64 { return &x }
	none := metric.NoValue("there is no answer to it")
	g := evalret.Groundedness{
		Judge: "lexical support", Fingerprint: "l1", Limits: []string{"It compares <words>."}, Answerer: "app.jsonl", Run: e.Reference, Budget: e.Primary.At,
		Support: evalret.Summary{Value: metric.Of(0.5), N: 1, CI95: &[2]float64{0.25, 0.75}}, Worst: evalret.Summary{Value: metric.Of(0.1), N: 1, CI95: &[2]float64{0.1, 0.1}},
		Unsupported: evalret.Summary{Value: metric.Of(0.5), N: 1, CI95: &[2]float64{0.5, 0.5}}, Threshold: 0.5,
		Citations: &evalret.AnswerCitations{
			Recall:    evalret.Summary{Value: metric.Of(0.25), N: 1, CI95: &[2]float64{0.2, 0.3}},
			Precision: evalret.Summary{Value: metric.Of(0.125), N: 1, CI95: &[2]float64{0.1, 0.2}},
			Counts:    metric.Citations{Sentences: 4, Supported: 1, Uncited: 2, Citations: 8, Counting: 1, Unknown: 3},
		},
		Outcomes: evalret.AnswerOutcomes{Scored: 1, Abstained: 1, Missing: 28}, Claims: evalret.AnswerClaims{Judged: 2, Failed: 1, Abstentions: 1},
		Findings: []evalret.FindingCount{{Check: "number", Count: 1}}, Abstention: metric.Abstention{AnswerableAnswered: 1, AnswerableAbstained: 1},
		PerQuery: []evalret.AnswerResult{
			{
				ID: e.Queries[0].ID, Outcome: "scored", Support: metric.Of(0.5), Worst: metric.Of(0.1), Answer: "Fully so. Lasts 30 days. Who knows.",
				Sentences: []evalret.AnswerSentence{
					{Start: 0, End: 9, Kind: "claim", Support: support(0.9), Evidence: &[2]int{0, 16}, Quote: quote, Source: &evalret.Evidence{Doc: from.Doc, Start: from.Start + 4, End: from.Start + 20}},
					{Start: 10, End: 24, Kind: "claim", Support: support(0.1), Findings: []evalret.AnswerFinding{{Check: "number", Start: 16, End: 18}}},
					{Start: 25, End: 35, Kind: "claim", Failure: "timed out"},
				},
			},
			{
				ID: e.Queries[1].ID, Outcome: "abstained", Support: none, Worst: none, Answer: "I don't know.",
				Sentences: []evalret.AnswerSentence{{Start: 0, End: 13, Kind: "abstention"}},
			},
		},
	}
	for _, q := range e.Queries[2:] {
		g.PerQuery = append(g.PerQuery, evalret.AnswerResult{ID: q.ID, Outcome: evalret.AnswerMissing, Missing: "there is no answer to it", Support: none, Worst: none})
	}
	e.Groundedness = &g
	return e
}

func TestGroundedness(t *testing.T) {
	e := answered(t)
	page, doc := render(t, func(b *bytes.Buffer) error { return report.HTML(b, e, report.Options{}) })
	selfContained(t, page, doc)
	body := textOf(elements(doc, "body")[0])
	for _, want := range []string{
		report.GroundVerdict(*e.Groundedness), "It compares <words>.", "29 queries have no score and no part in the means: 1 abstain, 28 have no answer or no context.",
		"✓ 0.90", "✗ 0.10", "? not judged", "timed out", "number “30”: the context has none such", "it abstains",
		"claims with a support below 0.5", "0.500 of an answer on average [0.500, 0.500]", "citation recall", "0.250 [0.200, 0.300], 1 answer",
		"8, of them 3 of nothing in the context; 2 of 4 claims cite nothing",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	// Found by a check: marked in the section and with the query.
	found := 0
	for _, em := range elements(doc, "em") {
		if textOf(em) == "30" {
			found++
		}
	}
	if found != 2 {
		t.Errorf("the fault is marked %d times, want 2", found)
	}
	// What the first sentence rests on is underlined in the context.
	pointed := ""
	for _, u := range elements(doc, "u") {
		pointed += textOf(u)
	}
	if want := e.Groundedness.PerQuery[0].Sentences[0].Quote; pointed != want {
		t.Errorf("underlined: %q, want %q", pointed, want)
	}
}

func TestGroundednessFiles(t *testing.T) {
	e := answered(t)
	var b bytes.Buffer
	if err := report.Text(&b, e); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	golden(t, "testdata/ground.txt", []byte(out[strings.Index(out, "By lexical support"):]))
	b.Reset()
	if err := report.Markdown(&b, e, nil); err != nil {
		t.Fatal(err)
	}
	out = b.String()
	golden(t, "testdata/ground.md", []byte(out[strings.Index(out, "By lexical support"):]))
	b.Reset()
	if err := report.CSV(&b, e); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	if !strings.HasSuffix(lines[0], ",answer_outcome,answer_support,answer_worst_support") {
		t.Errorf("head = %s", lines[0])
	}
	for _, line := range lines {
		want := ""
		switch {
		case strings.HasPrefix(line, e.Reference+","+e.Queries[0].ID+","):
			want = ",scored,0.5,0.1"
		case strings.HasPrefix(line, e.Reference+","+e.Queries[1].ID+","):
			want = ",abstained,,"
		case strings.HasPrefix(line, "lexical,"):
			want = ",,,"
		}
		if !strings.HasSuffix(line, want) {
			t.Errorf("line %s, want it to end in %q", line, want)
		}
	}
}

func TestHostileAnswers(t *testing.T) {
	e := answered(t)
	g := e.Groundedness
	g.Judge, g.Answerer, g.Limits = hostile, hostile, []string{hostile}
	one := &g.PerQuery[0]
	one.Answer = strings.Repeat(hostile, 3)
	for i := range one.Sentences {
		s := &one.Sentences[i]
		s.Kind, s.Quote, s.Failure, s.Note = hostile, hostile, hostile, hostile
		s.Source = &evalret.Evidence{Doc: hostile, Start: -5, End: 1 << 30}
		s.Findings = []evalret.AnswerFinding{{Check: hostile, Start: -3, End: 1 << 30, Quote: hostile}, {Check: "x", Start: 9, End: 3}}
	}
	one.Sentences[0].Start, one.Sentences[0].End = 1<<30, -1
	page, doc := render(t, func(b *bytes.Buffer) error { return report.HTML(b, e, report.Options{}) })
	selfContained(t, page, doc)
}

func TestExplainHTML(t *testing.T) {
	w := newWorld(30, 0)
	e := evaluate(t, w)
	why, err := evalret.ExplainWorst(t.Context(), e, finder{w, 3}, options(w), 2)
	if err != nil {
		t.Fatal(err)
	}
	q := e.Queries[e.Worst()[0]]
	x := why[q.ID]
	page, doc := render(t, func(b *bytes.Buffer) error {
		return report.ExplainHTML(b, x, report.Options{Command: "ragloop query x"})
	})
	selfContained(t, page, doc)
	body := textOf(elements(doc, "body")[0])
	for _, want := range []string{x.Query, "below top-k", "no room", "in [1]", "labels and separators", "ragloop query x", x.Segments[0].Text} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	rows := 0
	for _, b := range elements(doc, "tbody") {
		if attr(b, "data-state") != "" {
			rows++
		}
	}
	if rows != len(x.Candidates) {
		t.Errorf("%d rows, want %d candidates", rows, len(x.Candidates))
	}
	x = evalret.Explanation{Query: hostile, Degraded: []string{hostile}, Warnings: []string{hostile}, Candidates: []evalret.ExplainedChunk{{Doc: hostile, Span: text.RuneSpan{End: 3}, Fate: pack.Fate{Dropped: "unheard_of"}}}}
	page, doc = render(t, func(b *bytes.Buffer) error { return report.ExplainHTML(b, x, report.Options{}) })
	selfContained(t, page, doc)
	if !strings.Contains(textOf(doc), "unheard of") {
		t.Error("an unknown reason is not shown")
	}

	// In the report of the evaluation the worst queries are explained.
	_, doc = render(t, func(b *bytes.Buffer) error { return report.HTML(b, e, report.Options{Explanations: why}) })
	explained := 0
	for _, d := range elements(doc, "details") {
		if attr(d, "class") == "why" {
			explained++
		}
	}
	if explained != 2 || !strings.Contains(textOf(doc), "the ranking behind it for 2 queries") {
		t.Errorf("%d queries are explained, want 2, and said so", explained)
	}
}
