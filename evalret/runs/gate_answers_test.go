package runs

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/evalret"
	"github.com/ragloop/ragloop/evalret/metric"
)

// answered is [sample] with an answer to each of n queries: their support is lifted
// by lift, every seventh abstains, and the tenth is missing.
func answered(t *testing.T, n int, lift float64) evalret.Evaluation {
	t.Helper()
	e := sample(t, n, 0, 1)
	g := &evalret.Groundedness{Judge: "judge", Fingerprint: "j1", Run: "hybrid", Threshold: 0.5}
	for i, q := range e.Queries {
		support := 0.4 + 0.01*float64(i%30) + lift
		a := evalret.AnswerResult{
			ID: q.ID, Outcome: "scored", Support: metric.Of(support), Worst: metric.Of(support / 2),
			Sentences: []evalret.AnswerSentence{{Kind: "claim", Support: &support}, {Kind: "remark"}},
			Citations: &metric.Citations{Sentences: 1, Supported: i % 2, Citations: 1, Counting: i % 2},
		}
		none := metric.NoValue("none")
		switch {
		case i == 10:
			a = evalret.AnswerResult{ID: q.ID, Outcome: evalret.AnswerMissing, Missing: "it is missing", Support: none, Worst: none}
		case i%7 == 3: // the unanswerable one, too
			a = evalret.AnswerResult{ID: q.ID, Outcome: "abstained", Support: none, Worst: none, Citations: &metric.Citations{}}
		}
		g.PerQuery = append(g.PerQuery, a)
	}
	e.Groundedness = g
	return e
}

func TestAnswerGates(t *testing.T) {
	old, now := opened(t, saved(t, answered(t, 60, 0))), opened(t, saved(t, answered(t, 60, 0.1)))
	for _, c := range []struct {
		gate   string
		passed bool
		reason string
	}{
		{"groundedness>=0.6", true, "over 51 answers (95 % interval "},
		{"groundedness>=0.7", false, "; 9 queries have no value"},
		{"groundedness_worst>=0.3", true, ""},
		{"unsupported<=0.01", true, "the mean is 0.0000 over 51 answers (95 % interval 0.0000 to 0.0700)"},
		{"unsupported(theta=0.7)<=0.5", false, ""},
		{"citation_recall>=0.6", false, ""},
		{"citation_precision<0.6", true, ""},
		{"abstention_recall>=1", true, "over 1 answer "},
		{"abstention_precision>=0.5", false, "over 8 answers"},
		{"groundedness>+0", true, "the difference is +0.1000 over 51 queries, the lower end of its 95 % interval +0.1000; 0 queries have a value in one of the runs alone"},
		{"unsupported<+0.02", true, "over 51 queries, the upper end"},
		{"abstention_recall>-0.02", false, "undecided: 1 independent query,"},
	} {
		g, err := ParseGate(c.gate)
		if err != nil || g.String() != c.gate || !g.Answers() {
			t.Errorf("ParseGate(%s) = %v, %v", c.gate, g, err)
			continue
		}
		got, err := Check([]Gate{g}, now, &old, Options{Resamples: 200})
		if err != nil || got[0].Passed != c.passed || !strings.Contains(got[0].Reason, c.reason) {
			t.Errorf("gate %s: %+v, %v, want passed %v with %q", c.gate, got, err, c.passed, c.reason)
		}
	}
	// An answer that is gone has no part in the difference, and is counted.
	fewer := answered(t, 60, 0.1)
	gone := &fewer.Groundedness.PerQuery[0]
	gone.Outcome, gone.Support = "abstained", metric.NoValue("the answer abstains")
	g, _ := ParseGate("groundedness>-0.02")
	got, err := Check([]Gate{g}, opened(t, saved(t, fewer)), &old, Options{Resamples: 200})
	if err != nil || !got[0].Passed || !strings.Contains(got[0].Reason, "over 50 queries") || !strings.Contains(got[0].Reason, "1 query has a value in one of the runs alone") {
		t.Errorf("with an answer less: %+v, %v", got, err)
	}
}

func TestAnswerGateErrors(t *testing.T) {
	with := opened(t, saved(t, answered(t, 60, 0)))
	change := func(f func(*evalret.Evaluation)) *Side {
		e := answered(t, 60, 0)
		f(&e)
		s := opened(t, saved(t, e))
		return &s
	}
	none := change(func(e *evalret.Evaluation) { e.Groundedness = nil })
	uncited := change(func(e *evalret.Evaluation) {
		for i := range e.Groundedness.PerQuery {
			e.Groundedness.PerQuery[i].Citations = nil
		}
	})
	for _, c := range []struct {
		gate      string
		run, base *Side
		want      string
		is        error
	}{
		{"groundedness>=0.5", none, nil, "has no answers; evaluate it with --answers", nil},
		{"groundedness>-0.1", &with, nil, "none is given", nil},
		{"groundedness>-0.1", &with, none, "has no answers", nil},
		{"citation_recall>=0.5", uncited, nil, "were not looked at", nil},
		{"citation_recall>-0.5", &with, uncited, "were not looked at", nil},
		{"abstention_precision>-0.1", &with, &with, "want a gate on its value", nil},
		{"groundedness>-0.1", &with, change(func(e *evalret.Evaluation) { e.Groundedness.Fingerprint = "j2" }), "they differ in: judge (judge j2, judge j1)", ErrIncomparable},
		{"citation_recall>-0.1", &with, change(func(e *evalret.Evaluation) { e.Groundedness.Threshold = 0.7 }), "support threshold", ErrIncomparable},
		{"groundedness>-0.1", &with, change(func(e *evalret.Evaluation) { e.Runs[1].Fingerprints.QuerySet = "q1" }), "query set", ErrIncomparable},
		{"groundedness>=0.5", change(func(e *evalret.Evaluation) { e.Groundedness.Run = "lexical" }), nil, "contexts of its run lexical", nil},
	} {
		g, err := ParseGate(c.gate)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Check([]Gate{g}, *c.run, c.base, Options{Resamples: 200})
		if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("gate %s = %v, want %q", c.gate, err, c.want)
		}
	}
	for gate, want := range map[string]string{"groundedness<-0.1": "get worse", "unsupported>+0.1": "get worse", "groundedness@5>=0.1": "takes no cut-off", "groundedness(theta=1)>=0.1": "no parameter theta"} {
		if _, err := ParseGate(gate); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseGate(%s) = %v, want %q", gate, err, want)
		}
	}
	// Answers that all abstain: nothing is known, and the gate does not hold.
	mute := change(func(e *evalret.Evaluation) {
		for i := range e.Groundedness.PerQuery {
			a := &e.Groundedness.PerQuery[i]
			a.Outcome, a.Support, a.Worst = "abstained", metric.NoValue("the answer abstains"), metric.NoValue("the answer abstains")
		}
	})
	for gate, want := range map[string]string{"groundedness>=0": "applies to no answer, of 60 queries", "groundedness>-1": "applies to no answer"} {
		g, _ := ParseGate(gate)
		got, err := Check([]Gate{g}, *mute, &with, Options{Resamples: 200})
		if err != nil || got[0].Passed || !strings.Contains(got[0].Reason, want) {
			t.Errorf("gate %s of no answers: %+v, %v, want %q", gate, got, err, want)
		}
	}
	// So it is where not one query was answered.
	silent := change(func(e *evalret.Evaluation) {
		for i := range e.Groundedness.PerQuery {
			a := &e.Groundedness.PerQuery[i]
			*a = evalret.AnswerResult{ID: a.ID, Outcome: evalret.AnswerMissing, Missing: "gone", Support: metric.NoValue("gone"), Worst: metric.NoValue("gone")}
		}
	})
	for _, gate := range []string{"citation_recall>=0", "citation_recall>-1", "groundedness>=0"} {
		g, _ := ParseGate(gate)
		if got, err := Check([]Gate{g}, *silent, &with, Options{Resamples: 200}); err != nil || got[0].Passed || !strings.Contains(got[0].Reason, "applies to no answer") {
			t.Errorf("gate %s without answers: %+v, %v", gate, got, err)
		}
	}
	g, _ := ParseGate("groundedness>-1")
	if got, err := Check([]Gate{g}, with, mute, Options{Resamples: 200}); err != nil || got[0].Passed || !strings.Contains(fmt.Sprint(got), "no query in both") {
		t.Errorf("against no answers: %+v, %v", got, err)
	}
}
