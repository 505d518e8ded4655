package evalret_test

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/answer"
	"github.com/ragloop/ragloop/evalret/ground"
	"github.com/ragloop/ragloop/evalret/labels"
	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/text"
	"github.com/ragloop/ragloop/retrieve"
	"github.com/ragloop/ragloop/retrieve/pack"
)

// containing supports a claim that is in the evidence word for word, fails on
// one with "unjudgeable", and finds fault with "seven".
type containing struct{}

var errJudge = errors.New("judge on fire")

func (containing) Info() ground.Info {
	return ground.Info{Name: "containment", Fingerprint: "c1", Limits: []string{"It sees letters only."}}
}

func (containing) Judge(_ context.Context, evidence string, claims []string) ([]ground.Judgement, error) {
	out := make([]ground.Judgement, len(claims))
	for i, c := range claims {
		at := strings.Index(evidence, strings.TrimSuffix(c, "."))
		switch {
		case strings.Contains(c, "fire"):
			return nil, errJudge
		case strings.Contains(c, "unjudgeable"):
			out[i].Failure = "too hard"
		case at >= 0:
			out[i] = ground.Judgement{Support: 1, Evidence: text.Span{Start: at, End: at + len(c) - 1}}
		}
		if k := strings.Index(c, "seven"); k >= 0 {
			out[i].Findings = []ground.Finding{{Check: ground.Number, Span: text.Span{Start: k, End: k + 5}}}
		}
	}
	return out, nil
}

// answerable is an evaluation of six queries over one document.
func answerable(t *testing.T) (evalret.Evaluation, []evalret.Explanation) {
	t.Helper()
	f := finder{}
	set := labels.Set{Name: "set"}
	for _, id := range []string{"full", "half", "abstains", "failed", "none", "own", "unanswerable"} {
		q := labels.Query{ID: id, Text: id, Unanswerable: id == "unanswerable"}
		if !q.Unanswerable {
			q.Docs = map[text.DocID]int{"a": 1}
		}
		set.Queries = append(set.Queries, q)
		f[id] = found(hit{"a", 100, "Der Käse reift acht Wochen lang. Milk is white.", 0.9, 5})
	}
	o := evalret.Options{
		Settings: evalret.Standard(retrieve.DefaultParams(), pack.Options{}), Metrics: []metric.Metric{{Name: "evidence_recall", At: 60, Unit: metric.Tokens}},
		Counter: words{}, Tokenizer: "words", Seed: 1, Resamples: 200, Primary: metric.Metric{Name: "nDCG", At: 10},
	}
	e, err := evalret.Evaluate(t.Context(), set, f, o)
	if err != nil {
		t.Fatal(err)
	}
	contexts, err := evalret.ExplainAll(t.Context(), e, f, o)
	if err != nil {
		t.Fatal(err)
	}
	return e, contexts
}

func TestGround(t *testing.T) {
	e, contexts := answerable(t)
	own := "Snow is cold."
	answers := map[string]answer.Answer{
		"full":         {Text: "Milk is white."},
		"half":         {Text: "Der Käse reift acht Wochen lang. Milk has seven colours."},
		"abstains":     {Text: "I don't know."},
		"failed":       {Text: "This is unjudgeable."},
		"own":          {Text: "Snow is cold.", Context: &answer.Context{Text: own}},
		"unanswerable": {Text: "The context does not contain this information."},
	}
	g, err := evalret.Ground(t.Context(), e, contexts, answers, evalret.GroundOptions{Judge: containing{}, Answerer: "test", Seed: 1, Resamples: 200})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(evalret.AnswerOutcomes{Scored: 3, Abstained: 2, Failed: 1, Missing: 1}, g.Outcomes); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if got := g.Outcomes.Unscored(); got != 4 {
		t.Errorf("%d unscored, want 4", got)
	}
	if diff := cmp.Diff(metric.Abstention{AnswerableAnswered: 4, AnswerableAbstained: 1, UnanswerableAbstained: 1}, g.Abstention); diff != "" {
		t.Errorf("abstention (-want +got):\n%s", diff)
	}
	// A failure of the judge is no 0: the mean is over three answers. Of the two
	// claims in "half" the first has six words, the second four.
	if x, ok := g.Support.Value.Float(); !ok || g.Support.N != 3 || g.Support.NotApplicable != 4 || x < 2.5/3 || x > 2.7/3 {
		t.Errorf("support = %+v", g.Support)
	}
	if x, _ := g.Worst.Value.Float(); x != 2./3 {
		t.Errorf("worst support = %v, want 2/3", x)
	}
	if diff := cmp.Diff([]evalret.FindingCount{{Check: "number", Count: 1}}, g.Findings); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	half := g.PerQuery[1]
	if len(half.Sentences) != 2 {
		t.Fatalf("sentences = %+v", half.Sentences)
	}
	first, second := half.Sentences[0], half.Sentences[1]
	// Code points, not bytes: the ä is one.
	if first.Start != 0 || first.End != 32 || first.Quote != "Der Käse reift acht Wochen lang" {
		t.Errorf("first sentence = %+v", first)
	}
	if want := (&evalret.Evidence{Doc: "a", Start: 100, End: 131}); cmp.Diff(want, first.Source) != "" {
		t.Errorf("source = %+v, want %+v", first.Source, want)
	}
	if second.Support == nil || *second.Support != 0 || second.Evidence != nil || len(second.Findings) != 1 ||
		string([]rune(half.Answer)[second.Findings[0].Start:second.Findings[0].End]) != "seven" {
		t.Errorf("second sentence = %+v", second)
	}
	if one := g.PerQuery[5]; !one.OwnContext || one.Sentences[0].Source != nil || one.Sentences[0].Evidence == nil {
		t.Errorf("an answer with its own context = %+v", one)
	}
	if one := g.PerQuery[4]; one.Outcome != evalret.AnswerMissing || one.Missing == "" {
		t.Errorf("a query without an answer = %+v", one)
	}

	// What was saved reads back, and without answers nothing is there.
	e.Groundedness = &g
	body, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Groundedness *evalret.Groundedness `json:"groundedness"`
	}
	if err := json.Unmarshal(body, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back.Groundedness)
	if want, _ := json.Marshal(g); err != nil || string(again) != string(want) {
		t.Errorf("read back: %s\nwant %s (%v)", again, want, err)
	}
	e.Groundedness = nil
	if body, err = json.Marshal(e); err != nil || strings.Contains(string(body), "groundedness") {
		t.Errorf("an evaluation without answers mentions groundedness (%v)", err)
	}
}

func TestGroundErrors(t *testing.T) {
	e, contexts := answerable(t)
	o := evalret.GroundOptions{Judge: containing{}, Resamples: 200}
	if _, err := evalret.Ground(t.Context(), e, contexts, map[string]answer.Answer{"full": {Text: "The house is on fire."}}, o); !errors.Is(err, errJudge) || !strings.Contains(err.Error(), "query full") {
		t.Errorf("error of a judge = %v", err)
	}
	if _, err := evalret.Ground(t.Context(), e, contexts, map[string]answer.Answer{"other": {}}, o); err == nil || !strings.Contains(err.Error(), `answer "other" is to no query`) {
		t.Errorf("error of an unknown id = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := evalret.ExplainAll(ctx, e, finder{}, evalret.Options{Settings: evalret.Standard(retrieve.DefaultParams(), pack.Options{}), Counter: words{}}); !errors.Is(err, context.Canceled) {
		t.Errorf("ExplainAll of a cancelled context = %v", err)
	}
	g, err := evalret.Ground(t.Context(), e, contexts, map[string]answer.Answer{"full": {Failure: "refused"}}, o)
	if err != nil || g.Support.N != 0 || g.Support.CI95 != nil || g.Outcomes.Missing != 7 || g.PerQuery[0].Missing != "refused" {
		t.Errorf("without answers: %+v, %v", g, err)
	}
}

// TestGroundCitations: claims are judged by what they cite, whatever the rest of the
// context says.
func TestGroundCitations(t *testing.T) {
	e, contexts := answerable(t)
	own := answer.Context{Text: "[7] Snow is cold. [8] Milk is white.", Segments: []answer.Segment{
		{Label: "7", Doc: "s", Span: text.RuneSpan{Start: 4, End: 17}}, {Label: "8", Doc: "m", Span: text.RuneSpan{Start: 22, End: 36}},
	}}
	answers := map[string]answer.Answer{
		"full":         {Text: "Milk is white [1]."},
		"half":         {Text: "Der Käse reift acht Wochen lang [1]. Milk has seven colours."},
		"own":          {Text: "Snow is cold [8].", Context: &own},
		"none":         {Text: "Snow is cold [7][8].", Context: &own},
		"abstains":     {Text: "I don't know."},
		"failed":       {Text: "Milk is white [2]."},
		"unanswerable": {Text: "Snow is cold [1].", Context: &answer.Context{Text: "Snow is cold."}},
	}
	o := evalret.GroundOptions{Judge: containing{}, Answerer: "test", Seed: 1, Resamples: 200, Citations: true}
	g, err := evalret.Ground(t.Context(), e, contexts, answers, o)
	if err != nil {
		t.Fatal(err)
	}
	if g.Citations == nil {
		t.Fatal("no citations")
	}
	want := metric.Citations{Sentences: 6, Supported: 3, Uncited: 1, Citations: 6, Counting: 3, Unknown: 1}
	if d := cmp.Diff(want, g.Citations.Counts); d != "" {
		t.Errorf("counts (-want +got):\n%s", d)
	}
	e.Groundedness = &g
	for name, want := range map[string][]string{
		"citation_recall":      {"1", "0.5", "the answer has no sentence", "0", "1", "0", "its citations were not looked at"},
		"citation_precision":   {"1", "1", "the answer cites nothing", "0", "0.5", "0", "its citations were not looked at"},
		"abstention_recall":    {"no query is unanswerable", "no query is unanswerable", "no query is unanswerable", "no query is unanswerable", "no query is unanswerable", "no query is unanswerable", "0"},
		"abstention_precision": {"no query was abstained from", "no query was abstained from", "0", "no query was abstained from", "no query was abstained from", "no query was abstained from", "no query was abstained from"},
		"unsupported":          {"1", "1", "the answer abstains", "1", "1", "1", "1"}, // with their citations, no claim is in a context word for word
		"unsupported(theta=1)": {"1", "1", "the answer abstains", "1", "1", "1", "1"},
	} {
		m, err := metric.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		values, err := e.AnswerValues(m)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range values {
			if x, ok := v.Float(); ok {
				got = append(got, strconv.FormatFloat(x, 'g', -1, 64))
			} else {
				got = append(got, v.Reason())
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s of %s (-want +got):\n%s", name, "full, half, abstains, failed, none, own, unanswerable", d)
		}
		s, err := e.Answers(m, o)
		if err != nil || s.N+s.NotApplicable != len(e.Queries) {
			t.Errorf("Answers(%s) = %+v, %v", name, s, err)
		}
	}
	for _, m := range []metric.Metric{{Name: "nDCG", At: 10}, {Name: "none"}} {
		if _, err := e.Answers(m, o); err == nil {
			t.Errorf("Answers(%s) did not fail", m)
		}
	}
	e.Groundedness = nil
	if _, err := e.AnswerValues(metric.Metric{Name: metric.Groundedness}); err == nil || !strings.Contains(err.Error(), "there are none") {
		t.Errorf("AnswerValues without answers = %v", err)
	}
	o.Threshold = 1.5
	if _, err := evalret.Ground(t.Context(), e, contexts, answers, o); err == nil {
		t.Error("Ground with a threshold of 1.5 did not fail")
	}
}
