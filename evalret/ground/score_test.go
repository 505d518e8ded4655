package ground

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/ragloop/ragloop/evalret/metric"
	"github.com/ragloop/ragloop/internal/text"
)

// fake is a judge that answers what it is told.
type fake struct {
	say []Judgement
	err error
}

func (f fake) Judge(context.Context, string, []string) ([]Judgement, error) { return f.say, f.err }
func (f fake) Info() Info                                                   { return Info{Name: "fake"} }

func TestScoreSumsUp(t *testing.T) {
	answer := "Hello! One two three. One two three four five six. Why?"
	r, err := Score(t.Context(), fake{say: []Judgement{
		{Support: 1, Findings: []Finding{{Check: Number, Span: text.Span{Start: 4, End: 7}}}},
		{Support: 0.25},
	}}, "evidence", answer)
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != Scored || math.Abs(r.Mean-0.5) > 1e-12 || r.Worst != 2 {
		t.Errorf("outcome %v, mean %v, worst %d; want scored, 0.5, 2", r.Outcome, r.Mean, r.Worst)
	}
	if want := (Counts{Claims: 2, Judged: 2, Remarks: 2, ClaimTokens: 9, JudgedTokens: 9}); r.Counts != want {
		t.Errorf("counts %+v, want %+v", r.Counts, want)
	}
	if f := r.Sentences[1].Findings[0]; answer[f.Span.Start:f.Span.End] != "two" {
		t.Errorf("finding on %q, want two", answer[f.Span.Start:f.Span.End])
	}
}

func TestScoreOutcomes(t *testing.T) {
	boom := Judgement{Failure: "refused"}
	for _, c := range []struct {
		answer  string
		say     []Judgement
		outcome Outcome
		state   metric.State
	}{
		{"", nil, NoClaims, metric.NotApplicable},
		{"Hello!", nil, NoClaims, metric.NotApplicable},
		{"I don't know.", nil, Abstained, metric.NotApplicable},
		{"I don't know. It is red.", []Judgement{{Support: 1}}, Scored, metric.Number},
		{"It is red.", []Judgement{boom}, Failed, metric.Failed},
		{"It is red. It is blue.", []Judgement{boom, {Support: 0.5}}, Scored, metric.Number},
	} {
		r, err := Score(t.Context(), fake{say: c.say}, "", c.answer)
		if err != nil {
			t.Fatal(err)
		}
		if r.Outcome != c.outcome || r.Support().State() != c.state || r.WorstSupport().State() != c.state {
			t.Errorf("Score(%q) = %v, %v; want %v, %v", c.answer, r.Outcome, r.Support(), c.outcome, c.state)
		}
		if c.state != metric.Number && r.Support().Reason() == "" {
			t.Errorf("Score(%q): no reason", c.answer)
		}
	}
}

func TestScoreHoldsJudgesToTheirContract(t *testing.T) {
	for name, say := range map[string][]Judgement{
		"too few":           {},
		"too many":          {{}, {}},
		"above 1":           {{Support: 1.5}},
		"below 0":           {{Support: -0.1}},
		"not a number":      {{Support: math.NaN()}},
		"evidence outside":  {{Evidence: text.Span{Start: 0, End: 99}}},
		"evidence reversed": {{Evidence: text.Span{Start: 3, End: 1}}},
		"finding outside":   {{Findings: []Finding{{Span: text.Span{Start: 0, End: 99}}}}},
	} {
		if _, err := Score(t.Context(), fake{say: say}, "evidence", "It is red."); !errors.Is(err, ErrContract) {
			t.Errorf("%s: error %v, want ErrContract", name, err)
		}
	}
	stopped := errors.New("stopped")
	if _, err := Score(t.Context(), fake{err: stopped}, "", "It is red."); !errors.Is(err, stopped) {
		t.Errorf("error %v, want the judge's", err)
	}
}
